"""Order-k and semi-Markov models against processes whose entropy rate is known exactly.

A held-out mean is compared with the exact rate at 4 standard errors, from 50 blocks (chance of a false alarm 2e-4),
with an allowance for the counts of a finite training set where it matters.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nbinom

from mdtok.errors import SettingsError
from mdtok.models import MarkovModel, OrderKModel, SemiMarkovModel

DATA = Path(__file__).parents[3].parent / "shared" / "data" / "markov"


def entropy(probabilities):
    probabilities = np.asarray(probabilities, dtype=float)
    return -(probabilities * np.log(probabilities, where=probabilities > 0, out=np.zeros_like(probabilities))).sum()


def mean_and_error(values, n_blocks=50):
    blocks = np.array([block.mean() for block in np.array_split(values, n_blocks)])
    return values.mean(), blocks.std(ddof=1) / np.sqrt(n_blocks)


def held_out(model, test):
    """Nats a token on one test trajectory: mean and standard error."""
    return mean_and_error(-model.log_prob([test])[0])


def second_order_chain(n_frames, seed):
    """Each token repeats the one before the last with probability 0.9: pairs of tokens say nothing."""
    repeats = np.random.default_rng(seed).random(n_frames) < 0.9
    dtraj = [0, 1]
    for repeat in repeats:
        dtraj.append(dtraj[-2] if repeat else 1 - dtraj[-2])
    return np.array(dtraj)


def renewal(dwells):
    """Two states in turn, each for the dwell time that comes next."""
    return np.repeat(np.arange(len(dwells)) % 2, dwells)


def test_order_two_learns_what_markov_cannot():
    train, test = second_order_chain(20_000, seed=1), second_order_chain(20_000, seed=2)
    markov, _ = held_out(MarkovModel().fit([train]), test)
    assert markov == pytest.approx(np.log(2), abs=2e-3)
    for order in (2, 6):
        nats, error = held_out(OrderKModel(order=order).fit([train]), test)
        assert nats == pytest.approx(entropy([0.9, 0.1]), abs=4 * error + 2e-3)


def test_semi_markov_learns_short_dwells_exactly():
    """Dwells of 1 .. 4 frames, equally likely: the entropy rate of a renewal process is H(dwell) / mean dwell."""
    rng = np.random.default_rng(1)
    train, test = (renewal(rng.integers(1, 5, size=10_000)) for _ in range(2))
    exact = np.log(4) / 2.5
    nats, error = held_out(SemiMarkovModel().fit([train]), test)
    assert nats == pytest.approx(exact, abs=4 * error + 1e-3)
    assert held_out(MarkovModel().fit([train]), test)[0] > exact + 0.05


def test_semi_markov_samples_a_deterministic_dwell():
    model = SemiMarkovModel().fit([renewal([3] * 2000)])
    chain = model.sample([[1, 0]], n_steps=3000, seed=1)[0]
    dwells = np.diff(np.flatnonzero(np.diff(chain)))
    assert (dwells == 3).mean() > 0.99


def test_semi_markov_learns_a_long_dwell_distribution():
    """Negative-binomial dwells, mean 16, in age bins: nine tenths of what age can tell, at least."""
    dwell, rng = nbinom(3, 3 / 18, loc=1), np.random.default_rng(2)
    train, test = (renewal(dwell.rvs(6000, random_state=rng)) for _ in range(2))
    exact = dwell.entropy() / dwell.mean()
    markov, _ = held_out(MarkovModel().fit([train]), test)
    nats, error = held_out(SemiMarkovModel().fit([train]), test)
    assert exact - 4 * error < nats < exact + 0.1 * (markov - exact) + 4 * error

    chains = SemiMarkovModel().fit([train]).sample([[0], [1]] * 10, n_steps=5000, seed=3)
    dwells = np.concatenate([np.diff(np.flatnonzero(np.diff(chain))) for chain in chains])
    assert dwells.mean() == pytest.approx(dwell.mean(), rel=0.05)
    assert dwells.std() == pytest.approx(dwell.std(), rel=0.07)  # a Markov chain would give 15.5, not 9.5


def test_previous_state_is_remembered_through_a_dwell():
    """0 1 2 1 0 1 2 1 …, geometric dwells: where 1 goes next is certain, but only to who knows what was before it."""
    rng = np.random.default_rng(3)
    train, test = (np.repeat(np.tile([0, 1, 2, 1], 2500), rng.geometric(0.2, size=10_000)) for _ in range(2))
    exact = entropy([0.2, 0.8])  # nothing but when
    nats, error = held_out(SemiMarkovModel().fit([train]), test)
    assert nats == pytest.approx(exact, abs=4 * error + 2e-3)
    markov = exact + 0.5 * 0.2 * np.log(2)  # half of the frames are in 1, a fifth of them leave, to either side
    assert held_out(MarkovModel().fit([train]), test)[0] == pytest.approx(markov, abs=0.005)


def test_macrostates_keep_the_age_of_the_basin_while_tokens_flicker():
    rng = np.random.default_rng(4)
    macros = [renewal(rng.integers(1, 5, size=10_000)) for _ in range(2)]
    train, test = [2 * macro + rng.integers(0, 2, size=len(macro)) for macro in macros]
    exact = np.log(4) / 2.5 + np.log(2)
    model = SemiMarkovModel(macrostates=[0, 0, 1, 1]).fit([train])
    nats, error = held_out(model, test)
    assert nats == pytest.approx(exact, abs=4 * error + 2e-3)
    assert held_out(SemiMarkovModel().fit([train]), test)[0] > exact + 0.02  # the age of a token says little
    macro_chain = model.sample([[0, 2]], n_steps=20_000, seed=5)[0] // 2
    dwells = np.diff(np.flatnonzero(np.diff(macro_chain)))
    np.testing.assert_allclose(np.bincount(dwells, minlength=6)[1:5] / len(dwells), 0.25, atol=0.02)


@pytest.mark.parametrize("make", [OrderKModel, SemiMarkovModel])
def test_memory_beats_markov_on_a_lumped_chain(make):
    """Last 30 % of the 4-state lumping held out: better by more than 4 standard errors of the paired difference."""
    if not DATA.is_dir():
        pytest.skip(f"{DATA} is not there")
    dtraj = np.loadtxt(DATA / "8state_macrotraj.txt", dtype=int)
    train, test = np.split(dtraj - dtraj.min(), [70_000])
    markov, model = MarkovModel().fit([train]), make().fit([train])
    gain, error = mean_and_error(model.log_prob([test])[0] - markov.log_prob([test])[0], n_blocks=20)
    assert gain > 4 * error
    assert gain > 0.005


@pytest.mark.parametrize("make", [OrderKModel, SemiMarkovModel])
def test_memory_costs_nothing_where_there_is_none(make):
    """On a Markov chain of 20 states held-out nats are no worse than Markov's by more than 0.001."""
    rng = np.random.default_rng(6)
    cumulative = np.cumsum(rng.dirichlet(np.full(20, 0.3), size=20), axis=1)
    train, test = [0], [0]
    for dtraj in (train, test):
        for chance in rng.random(10_000):
            dtraj.append(min(int(np.searchsorted(cumulative[dtraj[-1]], chance)), 19))
    markov = MarkovModel().fit([np.array(train)]).nats_per_token([np.array(test)])
    assert make().fit([np.array(train)]).nats_per_token([np.array(test)]) < markov + 1e-3


def test_interpolation_by_hand():
    """P_2 = (c + s P_1) / (N + s), with c and N counted here."""
    train = second_order_chain(300, seed=7)
    model = OrderKModel(order=2).fit([train], validation=[second_order_chain(300, seed=8)])
    (strength,) = model.strengths_
    past, present, follower = train[:-2], train[1:-1], train[2:]
    c = np.array([((past == 1) & (present == 0) & (follower == token)).sum() for token in (0, 1)])
    first = MarkovModel().fit([train]).predictive_matrix_[0]
    expected = (c + strength * first) / (c.sum() + strength)
    np.testing.assert_allclose(np.exp(model.predict_log_proba([1, 0, 0])[1]), expected)


def test_semi_markov_contexts_by_hand():
    """At age 3 in state 0, entered from 2: level 3 over level 2 over level 1, counted frame by frame."""
    rng = np.random.default_rng(9)
    visits = np.array([0, 2, 1, 0, 1, 2] * 400)
    train = np.repeat(visits, rng.integers(2, 6, size=len(visits)))
    model = SemiMarkovModel().fit([train], validation=[train])
    second, third = model.strengths_
    contexts = {"age": np.zeros(3), "age and previous": np.zeros(3)}
    age, previous = 1, None
    for now, follower in pairwise(train):
        if now == 0 and age == 3:
            contexts["age"][follower] += 1
            contexts["age and previous"][follower] += previous == 2
        age, previous = (age + 1, previous) if follower == now else (1, now)
    expected = MarkovModel().fit([train]).predictive_matrix_[0]
    for counts, strength in zip(contexts.values(), (second, third)):
        trust = counts.sum() / (counts.sum() + strength)
        expected = trust * counts / counts.sum() + (1 - trust) * expected
    np.testing.assert_allclose(np.exp(model.predict_log_proba([1, 2, 0, 0, 0, 1])[4]), expected)


def test_unseen_contexts_fall_through():
    train = np.tile([0, 0, 1, 1, 2, 2], 200)
    rows = np.exp(OrderKModel(order=3).fit([train]).predict_log_proba([2, 1, 0]))
    markov = MarkovModel().fit([train])
    np.testing.assert_allclose(rows[1], markov.predictive_matrix_[1])  # 2 1 was never seen: what follows 1


def test_order_one_is_the_markov_chain():
    train, test = second_order_chain(500, seed=1), second_order_chain(100, seed=2)
    model, markov = OrderKModel(order=1).fit([train]), MarkovModel().fit([train])
    np.testing.assert_allclose(model.predict_log_proba(test), markov.predict_log_proba(test))
    assert model.n_parameters == markov.n_parameters


def test_strengths_are_chosen_on_validation():
    """Where validation has none of the memory that training shows, the deeper levels are dropped."""
    train, shuffled = second_order_chain(5000, seed=1), np.random.default_rng(2).integers(0, 2, 5000)
    with_memory = OrderKModel(order=3).fit([train], validation=[second_order_chain(5000, seed=3)])
    without = OrderKModel(order=3).fit([train], validation=[shuffled])
    assert len(with_memory.strengths_) >= 1 and with_memory.strengths_[0] <= 300
    assert without.strengths_ == []
    assert without.n_parameters == without.markov_.n_parameters < with_memory.n_parameters


def test_validation_is_never_counted():
    train = second_order_chain(5000, seed=1)
    one, other = (OrderKModel(order=2).fit([train], validation=[second_order_chain(n, seed=3)]) for n in (4000, 5000))
    assert one.strengths_ == other.strengths_
    np.testing.assert_array_equal(one.predict_log_proba(train[:50]), other.predict_log_proba(train[:50]))


def test_all_of_training_is_counted_in_the_end():
    """Without validation the last tenth chooses the strengths, and is counted after that."""
    train = second_order_chain(5000, seed=1)
    alone = OrderKModel(order=2).fit([train])
    np.testing.assert_allclose(alone.markov_.predictive_matrix_, MarkovModel().fit([train]).predictive_matrix_)


def test_deep_pasts_of_many_states_do_not_overflow():
    """1000 states, order 40: 1000**40 pasts, of which only those that were seen more than once are refined."""
    period = np.random.default_rng(1).permutation(1000)
    model = OrderKModel(order=40, reversible=False).fit([np.tile(period, 6)])
    np.testing.assert_array_equal(model.sample([period[:50]], n_steps=20, seed=1)[0], period[50:70])


def test_what_was_seen_once_is_not_refined():
    """In noise without memory deep contexts are all different; they are not stored level after level."""
    train = np.random.default_rng(1).integers(0, 50, 5000)
    model = OrderKModel(order=8).fit([train], validation=[train])  # validation on itself, so that every level is kept
    sizes = [len(level.keys) for level in model.levels_]
    assert sizes[0] > 2000 and sizes[-1] < 100


@settings(max_examples=25, deadline=None)
@given(
    train=st.lists(st.integers(0, 3), min_size=4, max_size=80),
    test=st.lists(st.integers(0, 3), min_size=2, max_size=30),
    make=st.sampled_from([OrderKModel, SemiMarkovModel, lambda: SemiMarkovModel(macrostates=[0, 2, 2, 0])]),
)
def test_any_training_set_gives_distributions(train, test, make):
    model = make().fit([[0, 1, 0, 1], train], validation=[test], n_states=4)
    log_rows = model.predict_log_proba(test)
    assert np.all(np.isfinite(log_rows))
    np.testing.assert_allclose(np.exp(log_rows).sum(axis=1), 1, rtol=1e-9)


@pytest.mark.parametrize("order", [0, -1, 2.5, True])
def test_order_is_a_whole_number(order):
    with pytest.raises(SettingsError, match="order is .* a whole number of at least 1"):
        OrderKModel(order=order)


@pytest.mark.parametrize("macrostates", [[0.5, 1], [[0, 1]], [-1, 0], []])
def test_macrostates_are_one_whole_number_a_token(macrostates):
    with pytest.raises(SettingsError, match="macrostates"):
        SemiMarkovModel(macrostates=macrostates)


def test_macrostates_for_too_few_tokens():
    with pytest.raises(SettingsError, match="macrostate of 2 tokens; there are 3"):
        SemiMarkovModel(macrostates=[0, 1]).fit([np.tile([0, 1, 2], 10)])


def test_bins_are_a_whole_number():
    with pytest.raises(SettingsError, match="bins_per_doubling is 0"):
        SemiMarkovModel(bins_per_doubling=0)
