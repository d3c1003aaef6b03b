"""Event by event: known entropy of a semi-Markov chain, exact frame-by-frame probabilities, dwell times, censoring, odd
data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import ks_2samp, nbinom

from mdtok.errors import DataError, SettingsError
from mdtok.models import (
    LSTM,
    EventChainModel,
    HiddenMarkovModel,
    MarkovModel,
    NanoGPT,
    OrderKModel,
    RunLengthModel,
    load_model,
)
from mdtok.models.counted.dwells import DwellTimes, find_dwells

JUMPS = np.array([[0, 0.7, 0.3], [0.5, 0, 0.5], [0.9, 0.1, 0]])
DWELLS = [nbinom(3, 0.2, loc=1), nbinom(2, 0.05, loc=1), nbinom(5, 0.5, loc=1)]  # far from geometric; means 13, 39, 6


def semi_markov(n_frames, seed, jumps=JUMPS, dwells=DWELLS, burn_in=2000):
    """A piece of a long chain, so that it begins and ends within dwells."""
    rng, state, pieces, n = np.random.default_rng(seed), 0, [], 0
    while n < burn_in + n_frames:
        pieces.append(np.full(dwells[state].rvs(random_state=rng), state))
        n += len(pieces[-1])
        state = rng.choice(len(jumps), p=jumps[state])
    return np.concatenate(pieces)[burn_in : burn_in + n_frames]


def exact_log_prob(dtraj):
    """Of every frame after the first dwell, from the definition; NaN before."""
    states, lengths = find_dwells(dtraj)
    said = [np.full(lengths[0], np.nan)]
    for k in range(1, len(states)):
        ages, dwell = np.arange(1, lengths[k] + 1), DWELLS[states[k]]
        now, later = np.log(dwell.sf(ages - 1)), np.log(dwell.sf(ages))
        said.append(later - now)
        if k + 1 < len(states):
            said[-1][-1] = np.log(dwell.pmf(lengths[k])) - now[-1] + np.log(JUMPS[states[k], states[k + 1]])
    return np.concatenate(said)[:-1]


@pytest.fixture(scope="module")
def train():
    return [semi_markov(20_000, seed) for seed in range(5)]


@pytest.fixture(scope="module")
def fitted(train):
    return RunLengthModel(EventChainModel(2), progress=False).fit(train, [semi_markov(20_000, 50)])


def test_entropy_rate_of_a_semi_markov_chain(fitted, train):
    """Entropy of dwells and jumps over the mean dwell; 50 blocks, 4 standard errors (false alarm 1e-4) and 0.002 nats
    of fit."""
    share = np.real(np.linalg.eig(JUMPS.T)[1][:, np.argmax(np.linalg.eigvals(JUMPS.T).real)])
    share /= share.sum()
    of_jumps = -(JUMPS * np.log(np.where(JUMPS > 0, JUMPS, 1))).sum(axis=1)
    exact = share @ [d.entropy() + h for d, h in zip(DWELLS, of_jumps)] / (share @ [d.mean() for d in DWELLS])
    test = [semi_markov(20_000, seed) for seed in range(100, 105)]
    said = np.concatenate(fitted.log_prob(test))
    blocks = np.array([-block.mean() for block in np.array_split(said, 50)])
    assert abs(blocks.mean() - exact) < 0.002 + 4 * blocks.std(ddof=1) / np.sqrt(50)
    known = np.concatenate([exact_log_prob(dtraj) for dtraj in test])
    assert 0 <= np.nanmean(known - said) < 0.002  # frame by frame against the truth, where chance has no part
    assert -said.mean() < MarkovModel().fit(train).nats_per_token(test) - 0.01


@settings(max_examples=40, deadline=None)
@given(
    dtraj=arrays(np.int64, st.integers(2, 40), elements=st.integers(0, 2))
    | st.lists(st.tuples(st.integers(0, 2), st.integers(1, 300)), min_size=1, max_size=8).map(
        lambda runs: np.repeat(*np.array([*runs, (0, 1)]).T)
    )
)
def test_rows_are_normalised_and_hold_what_log_prob_says(fitted, dtraj):
    rows = fitted.predict_log_proba(dtraj)
    assert rows.shape == (len(dtraj) - 1, 3)
    np.testing.assert_allclose(np.exp(rows).sum(axis=1), 1, rtol=1e-9)
    observed = rows[np.arange(len(rows)), dtraj[1:]]
    assert np.isfinite(observed).all()
    np.testing.assert_allclose(fitted.log_prob([dtraj])[0], observed, rtol=1e-9, atol=1e-12)


def test_probabilities_of_all_futures_add_up(fitted):
    """Whatever a network's windows do, the next six frames after a past have probability one in all."""
    past = np.repeat([0, 1, 0], [4, 9, 2])
    futures = np.array(np.meshgrid(*[range(3)] * 6)).reshape(6, -1).T
    said = [fitted.log_prob([np.append(past, future)])[0][-6:].sum() for future in futures]
    assert np.exp(said).sum() == pytest.approx(1, rel=1e-9)


def test_a_prediction_does_not_know_the_future(fitted):
    dtraj = semi_markov(400, seed=7)
    rows = fitted.predict_log_proba(dtraj)
    for end in (3, 50, 211):
        np.testing.assert_allclose(fitted.predict_log_proba(dtraj[:end]), rows[: end - 1], rtol=1e-9)


def test_sampled_dwells_are_those_of_the_training_data(fitted, train):
    """Kolmogorov-Smirnov at 1e-4 a state, 3e-4 in all; 0.03 is left to bins and to 100,000 frames of training."""
    chains = fitted.sample([dtraj[:64] for dtraj in train] * 4, n_steps=10_000, seed=3)
    assert [len(chain) for chain in chains] == [10_000] * 20
    for state in range(3):
        ours, theirs = (
            np.concatenate([lengths[1:-1][states[1:-1] == state] for states, lengths in map(find_dwells, some)])
            for some in (chains, train)
        )
        answer = ks_2samp(ours, theirs)
        assert answer.pvalue > 1e-4 or answer.statistic < 0.03
    counts = np.zeros((3, 3))
    for states, _ in map(find_dwells, chains):
        np.add.at(counts, (states[:-1], states[1:]), 1)
    np.testing.assert_allclose(counts / counts.sum(axis=1, keepdims=True), JUMPS, atol=0.04)


def test_time_already_spent_in_a_state_counts():
    """Dwells of exactly 10: after 7 frames of one there are 3 to come; where only 7 were seen, equally many of 0 to
    3."""
    dtraj = np.repeat(np.arange(400) % 2, 10)
    model = RunLengthModel(EventChainModel(1), bins_per_doubling=8, progress=False).fit([dtraj[5:-5]])
    (chain,) = model.sample([np.repeat([0, 1], [3, 7])], n_steps=13, seed=1)
    assert chain.tolist() == [1] * 3 + [0] * 10
    first = [find_dwells(chain)[1][0] * (chain[0] == 1) for chain in model.sample([[1] * 7] * 400, n_steps=13, seed=2)]
    shares = np.bincount(first, minlength=4) / 400
    np.testing.assert_allclose(shares[:4], 0.25, atol=0.1)  # 4.6 standard errors of a share of 400


def test_dwells_cut_by_short_trajectories_do_not_make_dwells_short():
    """200 trajectories of 1000 frames, dwells of mean 399 in state 1; the mean of whole ones is a quarter too short.

    Tolerance 8 %: three standard errors of about 470 dwells with a coefficient of variation of 0.71, censoring
    included.
    """
    dwells = [nbinom(1, 0.05, loc=1), nbinom(2, 0.005, loc=1)]
    swap = np.array([[0, 1], [1, 0]])
    dtrajs = [semi_markov(1000, seed, swap, dwells, 4000) for seed in range(200)]
    counted = DwellTimes.count(dtrajs, n_states=2, bins_per_doubling=2)
    mean = np.exp(counted.log_left_over(np.array([1]), np.array([1])))
    whole = np.concatenate([lengths[1:-1][states[1:-1] == 1] for states, lengths in map(find_dwells, dtrajs)])
    assert mean == pytest.approx(dwells[1].mean(), rel=0.08)
    assert whole.mean() < 0.8 * dwells[1].mean()


def test_counted_dwell_times_are_a_distribution():
    counted = DwellTimes(np.array([1, 2, 5]), np.array([[0.3, 0.1, 0.02], [0.9, 0.5, 0.2]]))
    ages = np.arange(1, 2000)
    for state in (0, 1):
        same = np.full(len(ages), state)
        log_bins = np.broadcast_to(counted.log_bins[state], (len(ages), 3))
        lengths = np.exp(counted.log_length(same, ages, log_bins))
        rates = counted.rates[state, counted.bin_of(ages)]
        np.testing.assert_allclose(lengths, rates * np.append(1, np.cumprod(1 - rates)[:-1]), rtol=1e-9)
        survival = np.cumsum(lengths[::-1])[::-1]
        np.testing.assert_allclose(np.exp(counted.log_survival(same, ages, log_bins))[:300], survival[:300], rtol=1e-6)
        np.testing.assert_allclose(np.exp(counted.log_lasts(same, ages))[:300], survival[:300], rtol=1e-6)
        np.testing.assert_allclose(
            np.exp(counted.log_left_over(same, ages))[:300], np.cumsum(survival[::-1])[::-1][:300], rtol=1e-6
        )


def test_memory_of_events_is_used():
    """After a visit to 1 comes 2 where the one before came from 0: a chain of events of order 2, not of order 1."""
    rng = np.random.default_rng(5)
    states = np.concatenate([[0, 1, 2, 1]] * 500)
    dtraj = np.repeat(states, rng.geometric(0.2, len(states)))
    scores = [
        RunLengthModel(EventChainModel(order), progress=False).fit([dtraj]).nats_per_token([dtraj]) for order in (1, 2)
    ]
    exact_loss = np.log(2) / 2 / 5  # one bit each second event of five frames
    assert scores[0] - scores[1] == pytest.approx(exact_loss, rel=0.1)


@pytest.mark.parametrize("network", ["gpt", "lstm", "hmm", "order"])
def test_any_token_model_does_and_is_the_same_after_saving(network, tmp_path):
    quick = dict(max_steps=40, evaluate_every_steps=20, progress=False)
    tokens = {
        "gpt": lambda: NanoGPT.from_preset("tiny", anchor=None, **quick),
        "lstm": lambda: LSTM.from_preset("tiny", **quick),
        "hmm": lambda: HiddenMarkovModel(n_hidden=2, progress=False),
        "order": lambda: OrderKModel(2, reversible=False),
    }[network]()
    model = RunLengthModel(tokens, progress=False).fit([semi_markov(3000, 1)], [semi_markov(1000, 2)], n_states=4)
    dtraj = semi_markov(600, 3)
    rows = model.predict_log_proba(dtraj)
    assert rows.shape == (599, 4)
    np.testing.assert_allclose(np.exp(rows).sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(rows[np.arange(599), dtraj[1:]], model.log_prob([dtraj])[0], rtol=1e-5, atol=1e-6)
    model.save(tmp_path / "model")
    again = load_model(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_log_proba(dtraj), rows)
    assert again.n_parameters == model.n_parameters
    prompts = [dtraj[:1], dtraj[:300]]
    for one, other in zip(model.sample(prompts, 50, seed=4), again.sample(prompts, 50, seed=4)):
        np.testing.assert_array_equal(one, other)


def test_one_state_nearly_always():
    rng = np.random.default_rng(1)
    dtraj = (rng.random(40_000) < 1e-3).astype(int)  # 40 visits of one frame
    model = RunLengthModel(EventChainModel(2), progress=False).fit([dtraj[:30_000]], [dtraj[30_000:]], n_states=3)
    rows = model.predict_log_proba(np.append(dtraj, 2))
    assert np.isfinite(rows[:, :2]).all() and np.isfinite(rows[-1]).all()
    assert 0.0005 < np.exp(model.predict_log_proba([1, 1, 0, 0, 0])[-1, 1]) < 0.002
    (chain,) = model.sample([dtraj[:64]], n_steps=50_000, seed=1)
    assert 20 < chain.sum() < 90
    assert np.isfinite(model.log_prob([np.zeros(200_000, dtype=int)])[0]).all()  # longer than any dwell


def test_a_state_never_left_in_training_and_one_never_seen():
    model = RunLengthModel(EventChainModel(2), progress=False).fit(
        [np.tile([0, 0, 1], 100), np.full(50, 2)], n_states=4
    )
    assert np.isfinite(model.log_prob([[2, 2, 2, 0, 1, 3, 3, 0]])[0]).all()


def test_bad_input_is_one_line():
    def make():
        return RunLengthModel(EventChainModel(2), progress=False)

    with pytest.raises(DataError, match="No trajectory ever changes its state"):
        make().fit([np.zeros(100, dtype=int), np.ones(100, dtype=int)])
    with pytest.raises(DataError, match="No dwell is seen from its beginning to its end"):
        make().fit([np.repeat([0, 1], 50)] * 3, [np.repeat([0, 1], 50)])
    with pytest.raises(DataError, match="tokens of states and durations do for no EventChainModel") as raised:
        make().fit([np.arange(3)], [np.arange(3)])
    assert "\n" not in str(raised.value)
    with pytest.raises(DataError, match="trajectory 1 has 0 frames"):
        make().fit([[0, 1, 0], []])
    with pytest.raises(DataError, match="not fitted"):
        make().predict_log_proba([0, 1])
    with pytest.raises(SettingsError, match="lagtime of 5; .* 1 was expected"):
        RunLengthModel(MarkovModel(lagtime=5))
    with pytest.raises(SettingsError, match="reads 32 tokens, .* lower n_events"):
        RunLengthModel(NanoGPT.from_preset("tiny", anchor=None), n_events=17)
    with pytest.raises(SettingsError, match="bins_per_doubling is 0"):
        RunLengthModel(EventChainModel(), bins_per_doubling=0)


def test_a_jump_that_is_rare_is_not_made_too_often():
    """Three states; from each the next one follows, in 2 of 100 jumps the other one; a rate too fast by half is what
    counts of durations alone give."""
    rng = np.random.default_rng(8)

    def runs(n):
        other = rng.random(4000) < 0.02
        states = np.concatenate([[0], np.cumsum(np.where(other, 2, 1)) % 3])
        return np.repeat(states, rng.geometric(0.05, len(states)))[:n]

    train, held_out = [runs(60_000)], [runs(30_000)]
    model = RunLengthModel(EventChainModel(order=1, progress=False), progress=False).fit(train, held_out)

    def shares(dtrajs):
        jumps = np.concatenate([np.diff(d)[np.diff(d) != 0] % 3 for d in dtrajs])
        return np.mean(jumps == 2), len(jumps)

    counted, n = shares(train)
    generated, n_generated = shares(model.sample(40, 20_000, seed=3))
    deviation = np.sqrt(counted * (1 - counted) / n_generated)
    assert n > 2000 and n_generated > 30_000
    assert (
        abs(generated - counted) < 4 * deviation + 0.5 / n
    )  # 1 in 16,000; and half a jump is added to each state's counts
    assert np.exp(model.log_jumps_).sum(axis=1) == pytest.approx(1) and model.jump_share_ > 0
