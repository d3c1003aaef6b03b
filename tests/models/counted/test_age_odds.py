"""Odds of crossing that depend on age: found where they are, left alone where there are none or too few crossings."""

import numpy as np
import pytest

from mdtok.models import AgeOddsModel, MarkovModel, SemiMarkovModel

MACROSTATES = np.array([0, 0, 0, 1, 1, 1])
NEAR = np.array([0.01, 0.05, 0.2])  # crossing probability of the three microstates of a macrostate, for an old one


def chains(n_chains, n_frames, seed, fresh=1.5):
    """Microstates drawn anew each frame (so not reversible); for five frames after a crossing its log-odds are higher
    by `fresh`."""
    rng = np.random.default_rng(seed)
    macro, age = rng.integers(0, 2, n_chains), np.full(n_chains, 100)
    micro, out = rng.integers(0, 3, n_chains), np.empty((n_frames, n_chains), dtype=np.int64)
    for frame in range(n_frames):
        out[frame] = 3 * macro + micro
        logits = np.log(NEAR / (1 - NEAR))[micro] + fresh * (age <= 5)
        crossed = rng.random(n_chains) < 1 / (1 + np.exp(-logits))
        macro, age = np.where(crossed, 1 - macro, macro), np.where(crossed, 1, age + 1)
        micro = rng.integers(0, 3, n_chains)
    return list(out.T)


def exact_log_prob(dtraj, fresh=1.5):
    """Of the tokens after the first hundred, for which the age is known."""
    macro, micro = np.divmod(dtraj, 3)
    entered = np.concatenate([[True], macro[1:] != macro[:-1]])
    age = np.arange(len(dtraj)) - np.maximum.accumulate(np.where(entered, np.arange(len(dtraj)), 0)) + 1
    logits = np.log(NEAR / (1 - NEAR))[micro[:-1]] + fresh * (age[:-1] <= 5)
    crossed = macro[1:] != macro[:-1]
    return (np.where(crossed, logits, 0) - np.logaddexp(0, logits) - np.log(3))[100:]


def test_the_memory_of_a_crossing_is_found():
    train, validation, test = chains(20, 3000, 1), chains(10, 3000, 2), chains(10, 3000, 3)
    model = AgeOddsModel(MACROSTATES, reversible=False, progress=False).fit(train, validation, 6)
    ages = model._age_bins
    young, old = model.log_odds_[0, 1][ages <= 4], model.log_odds_[0, 1][(ages > 8) & (ages < 30)]
    assert np.mean(young) - np.mean(old) == pytest.approx(1.5, abs=0.2)  # about 500 crossings a young bin: 0.05 each
    exact = np.concatenate([exact_log_prob(d) for d in test])
    said = {
        name: np.concatenate([part[100:] for part in fitted.log_prob(test)])
        for name, fitted in {
            "odds": model,
            "msm": MarkovModel(reversible=False).fit(train),
            "semi": SemiMarkovModel(MACROSTATES, reversible=False, progress=False).fit(train, validation),
        }.items()
    }
    behind = {name: np.mean(exact - part) for name, part in said.items()}
    assert behind["odds"] < 0.001 < behind["msm"]
    assert behind["odds"] < behind["semi"]


def test_without_memory_age_does_not_count_and_few_crossings_tell_nothing():
    model = AgeOddsModel(MACROSTATES, reversible=False, progress=False).fit(
        chains(20, 3000, 4, fresh=0), chains(10, 3000, 5, fresh=0), 6
    )
    assert (
        np.abs(model.log_odds_).max() < 0.35
    )  # 60,000 frames, six deviations of the thinnest bin with the ridge that is chosen
    markov = MarkovModel(reversible=False).fit(chains(20, 3000, 4, fresh=0))
    test = chains(5, 2000, 6, fresh=0)
    assert model.nats_per_token(test) == pytest.approx(markov.nats_per_token(test), abs=0.0005)
    rare = [np.repeat([0, 3, 0], 500) + np.random.default_rng(k).integers(0, 3, 1500) for k in range(2)]
    assert (
        np.abs(AgeOddsModel(MACROSTATES, reversible=False, progress=False).fit(rare[:1], rare[1:], 6).log_odds_).max()
        < 2
    )


def test_samples_have_the_crossings_at_every_age():
    model = AgeOddsModel(MACROSTATES, reversible=False, progress=False).fit(chains(20, 3000, 1), chains(10, 3000, 2), 6)
    generated, true = (np.array(x) // 3 for x in (model.sample(200, 1500, seed=3), chains(200, 1500, 7)))
    shares = []
    for macro in (generated, true):
        crossed = macro[:, 1:] != macro[:, :-1]
        shares.append([crossed.mean(), (crossed[:, 1:] & crossed[:, :-1]).sum() / crossed[:, :-1].sum()])
    assert shares[0][0] == pytest.approx(
        shares[1][0], rel=0.05
    )  # 30,000 crossings of either, training has 9,000: 1 % each
    assert shares[0][1] == pytest.approx(shares[1][1], rel=0.1)


def test_tokens_may_be_macrostates_themselves():
    coarse = [d // 3 for d in chains(10, 2000, 1)]
    model = AgeOddsModel(progress=False).fit(coarse)
    assert model.log_odds_.shape[:2] == (2, 2) and model.nats_per_token(coarse) < MarkovModel().fit(
        coarse
    ).nats_per_token(coarse)
