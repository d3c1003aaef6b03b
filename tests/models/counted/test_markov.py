"""The Markov state model against closed answers: two states, basins with a rare crossing, data of known timescales."""

from pathlib import Path

import deeptime
import numpy as np
import pytest
from scipy.stats import beta, binom

from mdtok.errors import DataError, SettingsError
from mdtok.models import MarkovModel
from mdtok.models.counted.msm import normalise_counts, smooth

DATA = Path(__file__).parents[3].parent / "shared" / "data" / "markov"


def simulate(matrix, n_frames, seed):
    """One trajectory of a Markov chain, with deeptime's own simulator."""
    return deeptime.markov.msm.MarkovStateModel(np.asarray(matrix)).simulate(n_frames, start=0, seed=seed)


def timescales(matrix, k=1):
    return -1 / np.log(np.sort(np.abs(np.linalg.eigvals(matrix)))[::-1][1 : k + 1])


TWO_STATES = np.array([[0.9, 0.1], [0.3, 0.7]])  # populations 3/4, 1/4


def test_counts_and_matrix_by_hand():
    model = MarkovModel(reversible=False).fit([np.array([0, 0, 0, 1, 0]), np.array([1, 1, 0])])
    np.testing.assert_array_equal(model.count_model_.count_matrix, [[2, 1], [2, 1]])
    np.testing.assert_allclose(model.msm_.transition_matrix, [[2 / 3, 1 / 3], [2 / 3, 1 / 3]])


def test_two_states_reach_the_exact_entropy_rate():
    """Held-out nats within 4 standard errors, from 50 blocks, of the entropy rate (false alarm 2e-4)."""
    rates = -(TWO_STATES * np.log(TWO_STATES)).sum(axis=1)
    exact = 0.75 * rates[0] + 0.25 * rates[1]
    model = MarkovModel().fit([simulate(TWO_STATES, 50_000, seed=1)])
    surprise = -model.log_prob([simulate(TWO_STATES, 50_000, seed=2)])[0]
    blocks = np.array([block.mean() for block in np.array_split(surprise, 50)])
    assert abs(surprise.mean() - exact) < 4 * blocks.std(ddof=1) / np.sqrt(50)
    np.testing.assert_allclose(np.exp(model.predict_log_proba([0, 1, 0])), TWO_STATES, atol=0.02)


def test_longer_lag_predicts_the_power_of_the_matrix():
    model = MarkovModel(lagtime=4).fit([simulate(TWO_STATES, 50_000, seed=3)])
    rows = np.exp(model.predict_log_proba([0, 1, 0, 0, 1, 1]))
    assert rows.shape == (2, 2)  # frames 4 and 5, from frames 0 and 1
    np.testing.assert_allclose(rows, np.linalg.matrix_power(TWO_STATES, 4), atol=0.03)


def test_a_sample_has_one_token_each_lagtime():
    model = MarkovModel(lagtime=4).fit([simulate(TWO_STATES, 50_000, seed=3)])
    chains = model.sample([[0]] * 20, n_steps=2000, seed=5)
    again = MarkovModel().fit(chains)
    assert again.msm_.timescales(1)[0] * 4 == pytest.approx(-1 / np.log(0.6), rel=0.1)


def test_deeptime_objects_are_deeptimes_own():
    model = MarkovModel().fit([simulate(TWO_STATES, 500, seed=1)])
    assert type(model.msm_) is deeptime.markov.msm.MarkovStateModel
    assert type(model.count_model_) is deeptime.markov.TransitionCountModel
    assert type(model.bayesian_msm(10)) is deeptime.markov.msm.BayesianMSMPosterior


@pytest.mark.parametrize("lagtime", [1, 10, 50])
def test_eight_states_of_known_timescale(lagtime):
    if not DATA.is_dir():
        pytest.skip(f"{DATA} is not there")
    dtraj = np.loadtxt(DATA / "8state_microtraj.txt", dtype=int)
    model = MarkovModel(lagtime=lagtime).fit([dtraj - dtraj.min()])
    slowest = model.bayesian_msm(200, seed=1).gather_stats("timescales", k=1, confidence=0.95)
    assert slowest.L < 65 and slowest.R > 66
    assert 65 < model.msm_.timescales(1)[0] < 66.5
    assert slowest.R - slowest.L < 20


def test_posterior_without_detailed_balance_is_dirichlet():
    """Each row is Beta-distributed with the counts as they are; deviation of 1,000 draws within 15 % (7 sigma)."""
    dtraj = simulate(TWO_STATES, 20_000, seed=4)
    for lagtime in (1, 10):
        model = MarkovModel(lagtime=lagtime, reversible=False, bayesian_samples=1000).fit([dtraj])
        draws = np.array([sample.transition_matrix[0, 1] for sample in model.bayesian_msm(seed=1)])
        stay, leave = model.count_model_.count_matrix[0] / lagtime
        assert draws.std() == pytest.approx(beta(leave, stay).std(), rel=0.15)
        assert draws.mean() == pytest.approx(beta(leave, stay).mean(), abs=5 * beta(leave, stay).std() / np.sqrt(1000))


@pytest.mark.parametrize("reversible", [True, False])
def test_intervals_cover_the_truth_as_often_as_they_say(reversible):
    """90 % intervals of 40 trajectories at lag 10, failed by chance in 1e-3; sliding counts as they are hit 15 of
    40."""
    matrix = np.array([[0.99, 0.01], [0.02, 0.98]])
    truth = -1 / np.log(0.97)
    hits = 0
    for seed in range(40):
        model = MarkovModel(lagtime=10, reversible=reversible).fit([simulate(matrix, 5000, seed)])
        interval = model.bayesian_msm(60, seed).gather_stats("timescales", k=1, confidence=0.9)
        hits += interval.L <= truth <= interval.R
    assert hits >= binom(40, 0.9).ppf(1e-3)


@pytest.mark.parametrize("reversible", [True, False])
def test_posterior_is_seeded(reversible):
    model = MarkovModel(reversible=reversible).fit([simulate(TWO_STATES, 500, seed=1)])
    one, same, other = (model.bayesian_msm(5, seed).samples[-1].transition_matrix for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_posterior_after_loading_is_the_same(tmp_path):
    model = MarkovModel(lagtime=2).fit([simulate(TWO_STATES, 500, seed=1)])
    model.save(tmp_path / "msm")
    loaded = MarkovModel.load(tmp_path / "msm")
    np.testing.assert_array_equal(loaded.msm_.stationary_distribution, model.msm_.stationary_distribution)
    for one, other in zip(model.bayesian_msm(5, seed=3), loaded.bayesian_msm(5, seed=3)):
        np.testing.assert_array_equal(one.transition_matrix, other.transition_matrix)


def basins(n_states=100, crossing=1e-5):
    """Two basins of mixed-up states; every state leaves its basin with the same small probability."""
    rng = np.random.default_rng(5)
    half = n_states // 2
    within = rng.gamma(0.5, size=(half, half)) + 1e-3
    within = within + within.T
    matrix = np.zeros((n_states, n_states))
    for basin in (slice(0, half), slice(half, None)):
        matrix[basin, basin] = within / within.sum(axis=1, keepdims=True) * (1 - crossing)
    matrix[np.arange(half), np.arange(half) + half] = crossing
    matrix[np.arange(half) + half, np.arange(half)] = crossing
    return matrix


def test_smoothing_leaves_rare_rates_alone():
    """On counts of 250,000 frames with crossings each 100,000, rate and timescale change by less than 1 %."""
    rng = np.random.default_rng(6)
    exact = basins()
    counts = np.array([rng.multinomial(2500, row) for row in exact])
    counts[:50, 50:], counts[50:, :50] = 0, 0
    counts[7, 57] = counts[57, 7] = 1  # one crossing seen each way
    matrix = normalise_counts(counts)
    smoothed = smooth(matrix, counts)
    crossing, smoothed_crossing = matrix[:50, 50:].sum(), smoothed[:50, 50:].sum()
    assert smoothed_crossing == pytest.approx(crossing, rel=0.01)
    assert timescales(smoothed) == pytest.approx(timescales(matrix), rel=0.01)
    pseudo = normalise_counts(counts + 1 / 100)  # one pseudo-count a row makes the same crossing many times faster
    assert timescales(pseudo) < timescales(matrix) / 10


def test_smoothing_by_hand():
    counts = np.array([[6, 1, 1, 0], [4, 4, 0, 0], [2, 2, 2, 2], [0, 0, 2, 6]])
    matrix = normalise_counts(counts)
    smoothed = smooth(matrix, counts)
    np.testing.assert_allclose(smoothed.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(smoothed[1:], matrix[1:], atol=1e-8)  # nothing seen once there
    share = 2 / 8  # two of the eight transitions out of state 0 were seen once
    expected = (1 - share) * matrix[0] + share * (np.eye(4)[0] + matrix[0] @ matrix) / 2
    np.testing.assert_allclose(smoothed[0], expected, atol=1e-8)
    assert smoothed[0, 3] == pytest.approx(share / 2 * matrix[0, 2] * matrix[2, 3], rel=1e-6)  # two steps away
    assert smoothed[3, 0] == pytest.approx(1e-8 / 4, rel=1e-6)  # the floor


def test_one_event_in_a_sliding_window_counts_as_seen_once():
    counts = np.array([[40, 10], [20, 30]])
    share = 1 / 5  # at lag 10 one event gives ten counts
    matrix = normalise_counts(counts)
    expected = (1 - share) * matrix[0] + share * (np.eye(2)[0] + matrix[0] @ matrix) / 2
    np.testing.assert_allclose(smooth(matrix, counts / 10)[0], expected, atol=1e-8)


def test_states_never_visited_are_followed_by_what_is_common():
    dtraj = simulate(TWO_STATES, 5000, seed=1)
    model = MarkovModel().fit([dtraj], n_states=4)
    rows = np.exp(model.predict_log_proba([2, 0]))
    np.testing.assert_allclose(rows[0, :2], np.bincount(dtraj[1:]) / (len(dtraj) - 1), atol=1e-6)
    np.testing.assert_array_equal(model.msm_.count_model.state_symbols, [0, 1])


def test_states_outside_the_connected_set_follow_their_own_counts():
    dtraj = simulate(TWO_STATES, 5000, seed=1)
    model = MarkovModel().fit([np.concatenate([[2, 2, 2, 3], dtraj]), np.append(dtraj, 4)])
    np.testing.assert_array_equal(model.msm_.count_model.state_symbols, [0, 1])
    rows = np.exp(model.predict_log_proba([2, 3, 4, 0]))
    np.testing.assert_allclose(rows.sum(axis=1), 1)
    assert rows[0, 2] == pytest.approx(2 / 3, rel=0.35) and rows[0, 3] > 0.2  # 2 -> 2 twice, 2 -> 3 once
    assert rows[1, 0] > 0.7  # 3 -> 0 once: half of that, and half of none or two steps
    assert rows[2, 0] == pytest.approx(0.75, abs=0.05)  # 4 was never left
    last = dtraj[-1]
    assert model.predictive_matrix_[last, 4] == pytest.approx(1 / (2 * (dtraj[:-1] == last).sum() + 2), rel=0.05)


def test_the_connected_set_is_the_one_with_most_transitions():
    """Three states seen a few times do not win over two states with all the data."""
    model = MarkovModel().fit([np.tile([2, 3, 4], 3), simulate(TWO_STATES, 5000, seed=1)])
    np.testing.assert_array_equal(model.msm_.count_model.state_symbols, [0, 1])


def test_parameters_of_two_states():
    dtraj = simulate(TWO_STATES, 500, seed=1)
    assert MarkovModel(reversible=True).fit([dtraj]).n_parameters == 2
    assert MarkovModel(reversible=False).fit([dtraj]).n_parameters == 2


@pytest.mark.parametrize("lagtime", [0, -1, 1.5, True, None, "10"])
def test_lagtime_is_a_whole_number(lagtime):
    with pytest.raises(SettingsError, match="lagtime is .* a whole number of at least 1"):
        MarkovModel(lagtime=lagtime)


def test_lagtime_longer_than_the_trajectories():
    with pytest.raises(DataError, match="of 20 frames is too short for a lagtime of 20 frames; take a shorter"):
        MarkovModel(lagtime=20).fit([np.tile([0, 1], 50), np.tile([0, 1], 10)])


def test_a_one_way_cycle_has_no_detailed_balance():
    cycle = np.tile(np.random.default_rng(1).permutation(1000), 6)[:5400]
    with pytest.raises(DataError, match="no transition matrix with detailed balance .* use reversible=False"):
        MarkovModel().fit([cycle])
    assert MarkovModel(reversible=False).fit([cycle]).nats_per_token([cycle]) < 1e-6


def test_too_few_posterior_samples():
    with pytest.raises(SettingsError, match="bayesian_samples is 1"):
        MarkovModel(bayesian_samples=1)
    model = MarkovModel().fit([simulate(TWO_STATES, 500, seed=1)])
    with pytest.raises(SettingsError, match="n_samples is 1"):
        model.bayesian_msm(n_samples=1)
