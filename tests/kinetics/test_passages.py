"""First passages and dwells counted from trajectories, against brute force and closed answers."""

import numpy as np
import pytest
from chains import THREE_STATES, exact_mfpt, simulate
from hypothesis import given
from hypothesis import strategies as st

from mdtok.errors import DataError
from mdtok.kinetics import dwell_times, mfpt_counted
from mdtok.kinetics.estimation.estimate import poisson_interval
from mdtok.kinetics.estimation.passages import Passages, independent_units


def passages_by_hand(dtraj, i, j):
    """Frame by frame: the clock runs since i was entered, until j is reached or the trajectory ends."""
    waited = arrived = 0
    since = None
    for frame, state in enumerate(dtraj):
        if state == i and since is None:
            since = frame
        if state == j and since is not None:
            waited, arrived, since = waited + frame - since, arrived + 1, None
    return waited + (len(dtraj) - 1 - since if since is not None else 0), arrived


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_passages_are_what_counting_by_hand_gives(tokens):
    found = Passages([np.array(tokens)], 4)
    for i in range(4):
        for j in set(range(4)) - {i}:
            assert (found.exposure_frames[i, j], found.events[i, j]) == passages_by_hand(tokens, i, j)


def test_censoring_does_not_bias_a_constant_rate_however_short_the_trajectories():
    # mean waits of 500 frames in trajectories of 60: 12,000 of them, about 700 arrivals, 4 % of error; 5 errors allowed
    matrix = np.array([[1 - 1 / 500, 1 / 500], [1 / 500, 1 - 1 / 500]])
    estimate = mfpt_counted(simulate(matrix, 12000, 60, seed=5), n_bootstrap=20)
    assert estimate.value[0, 1] == pytest.approx(500, rel=0.2) and estimate.value[1, 0] == pytest.approx(500, rel=0.2)


def test_mfpt_of_a_chain_with_changing_rates_is_exact_where_trajectories_are_a_few_times_longer():
    # the way from 0 to 2 leads through 1: no arrival at first; at least 2,000 arrivals a pair, 2.5 % of error
    exact = exact_mfpt(THREE_STATES)
    estimate = mfpt_counted(simulate(THREE_STATES, 1200, 400, seed=5), n_bootstrap=20)
    off_diagonal = ~np.eye(3, dtype=bool)
    assert estimate.value[off_diagonal] == pytest.approx(exact[off_diagonal], rel=0.12)


def test_without_censoring_it_is_the_mean():
    rng = np.random.default_rng(3)
    waits = rng.integers(1, 200, size=50)
    dtraj = np.concatenate([[1], *([0] * n + [1] for n in waits)])
    assert mfpt_counted([dtraj], n_bootstrap=5).value[0, 1] == pytest.approx(waits.mean())


def test_bootstrap_intervals_cover():
    # 60 data sets, six 95 % intervals each; 49 or fewer hits have probability 6e-5 at nominal coverage
    exact = exact_mfpt(THREE_STATES)
    hits = np.zeros((3, 3))
    for seed in range(60):
        estimate = mfpt_counted(simulate(THREE_STATES, 20, 1000, seed + 100), n_bootstrap=100, seed=seed)
        hits += (estimate.low <= exact) & (exact <= estimate.high)
    assert hits.min() >= 50


def test_never_reached_is_infinite_with_a_finite_lower_limit_and_never_seen_is_nan():
    estimate = mfpt_counted([np.array([0] * 50 + [1] * 51)] * 10, dt_ps=2.0, n_states=3)
    assert np.isinf(estimate.value[1, 0]) and np.isinf(estimate.high[1, 0])
    # nothing in 10 · 50 frames: the one-sided 97.5 % limit of a Poisson count of zero is -ln(0.025)
    assert estimate.low[1, 0] == pytest.approx(2.0 * 500 / -np.log(0.025))
    assert np.isnan(estimate.value[2, 0]) and estimate.value[0, 1] == 100


def test_exact_poisson_interval_is_that_of_the_tables():
    # Garwood: a count of 5 has the 95 % interval 1.6235 .. 11.6683
    assert np.ravel(poisson_interval(np.array([5]))) == pytest.approx((1.6235, 11.6683), abs=1e-4)
    assert np.ravel(poisson_interval(0)) == pytest.approx((0.0, -np.log(0.025)))


def test_dwells_cut_by_the_ends_are_left_out():
    dwells = dwell_times([np.array([0, 0, 1, 1, 1, 0, 1, 1])], n_states=3, dt_ps=0.5)
    assert [d.tolist() for d in dwells] == [[0.5], [1.5], []]


def test_few_trajectories_are_cut_into_blocks_and_many_are_not():
    assert len(independent_units([np.zeros(1000, dtype=int)])) == 20
    assert sum(map(len, independent_units([np.zeros(1000, dtype=int)] * 3))) == 3000
    assert len(independent_units([np.zeros(5, dtype=int)] * 9)) == 9
    with pytest.raises(DataError, match="too few and too short"):
        independent_units([np.zeros(3, dtype=int)])
