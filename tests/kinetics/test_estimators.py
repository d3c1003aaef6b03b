"""Estimators against chains with closed answers. Statistical tests are seeded; their error rates are stated."""

import numpy as np
import pytest
from chains import THREE_STATES, exact_mfpt, exact_timescales, simulate, stationary

import mdtok
from mdtok.errors import DataError, SettingsError
from mdtok.kinetics import chapman_kolmogorov, free_energies_kt, implied_timescales, mfpt_from_msm, populations


@pytest.fixture(scope="module")
def chains():
    return simulate(THREE_STATES, n_chains=10, n_frames=5000, seed=1)


def test_populations_are_the_stationary_distribution_even_when_started_elsewhere():
    # all chains start in state 2 and are short: counting is biased, the MSM is not
    started = [d for d in simulate(THREE_STATES, 3000, 60, seed=2) if d[0] == 2]
    exact = stationary(THREE_STATES)
    assert populations(started, 3)[2] > exact[2] + 0.2
    # 3000 · 0.38 · 60 frames: standard error about 0.01; 4.5 of them fail with 7e-6
    assert populations(started, 3, lagtime=1) == pytest.approx(exact, abs=0.045)


def test_free_energies_have_their_lowest_at_zero():
    energies = free_energies_kt([0.5, 0.25, 0.0])
    assert energies[:2] == pytest.approx([0, np.log(2)]) and np.isinf(energies[2])


def test_bayesian_interval_of_timescales_covers_the_exact_value():
    # 60 independent data sets, 95 % intervals: 49 or fewer hits have probability 6e-5 if the coverage is right
    exact = exact_timescales(THREE_STATES)
    hits = np.zeros((2, 2))
    for seed in range(60):
        found = implied_timescales(simulate(THREE_STATES, 4, 4000, seed), [1, 5], 2, n_samples=60, seed=seed)
        for row, estimate in zip(hits, found.estimates.values()):
            row += (estimate.low <= exact) & (exact <= estimate.high)
    assert hits.min() >= 50


def test_the_estimate_lies_in_its_interval_where_states_are_many_and_counts_few():
    """A walk on a ring of 80 states: at lag 20 there are 3 independent counts a state, and the posterior's noise is
    slow itself."""
    rng = np.random.default_rng(4)
    walk = np.cumsum(rng.integers(-1, 2, size=5000)) % 80
    for estimate in implied_timescales([walk], [1, 5, 20], n_timescales=6).estimates.values():
        assert np.all((estimate.low < estimate.value) & (estimate.value < estimate.high))


def test_timescales_carry_picoseconds_and_repeat_with_the_seed(chains):
    one = implied_timescales(chains, [2], 2, dt_ps=1.0, n_samples=20, seed=3)
    other = implied_timescales(chains, [2], 2, dt_ps=0.5, n_samples=20, seed=3)
    for name in ("value", "low", "high"):
        assert getattr(one.estimates[2], name) == pytest.approx(2 * getattr(other.estimates[2], name))


def test_timescales_of_the_eight_state_chain_lie_in_the_interval_at_every_lag(shared_data):
    dtraj = np.loadtxt(shared_data / "markov" / "8state_microtraj.txt", dtype=int) - 1
    found = implied_timescales([dtraj], [1, 2, 5, 10, 20, 50, 100], 1, n_samples=100, seed=7)
    for lag, estimate in found.estimates.items():
        assert estimate.low[0] <= 65 and estimate.high[0] >= 66, lag


def test_mfpt_from_msm_is_exact_on_a_markov_chain(chains):
    estimate = mfpt_from_msm(chains, lagtime=1, n_samples=50, seed=1)
    exact = exact_mfpt(THREE_STATES)
    # six 95 % intervals, strongly correlated: one widened to three half-widths fails with less than 1e-6
    middle, half = (estimate.high + estimate.low) / 2, (estimate.high - estimate.low) / 2
    assert np.all(np.abs(exact - middle) <= 3 * half + 1e-9)
    assert np.all(np.diag(estimate.value) == 0)


def test_chapman_kolmogorov_is_small_for_a_chain_and_large_for_a_lumped_one():
    # three states seen as two: the middle one is lumped with an end, which is not Markovian at lag 1
    matrix = np.array([[0.5, 0.5, 0.0], [0.495, 0.495, 0.01], [0.0, 0.001, 0.999]])
    micro = simulate(matrix, 10, 20000, seed=4)
    lumped = [np.array([0, 1, 1])[d] for d in micro]
    right = chapman_kolmogorov(micro, lagtime=2, n_steps=5, macrostates=np.array([0, 1, 1]))
    wrong = chapman_kolmogorov(lumped, lagtime=2, n_steps=5)
    assert right.predicted.shape == (5, 2, 2)
    assert np.allclose(right.predicted.sum(axis=2), 1) and np.allclose(right.observed.sum(axis=2), 1)
    assert right.rmse < 0.02 < 0.05 < wrong.rmse


@pytest.mark.parametrize("lagtime, error", [(5000, DataError), (0, SettingsError), (2.5, SettingsError)])
def test_a_lag_that_cannot_be_is_one_clear_line(chains, lagtime, error):
    with pytest.raises(error, match="lag time.*") as raised:
        implied_timescales(chains, [lagtime])
    assert "\n" not in str(raised.value)


def test_states_that_are_never_left_are_said():
    with pytest.raises(DataError, match="no two are visited back and forth"):
        implied_timescales([np.array([0, 0, 1, 1, 2, 2])], [1])


def test_plot_gives_axes(chains):
    axes = mdtok.implied_timescales(chains, [1, 2, 5], n_samples=10).plot()
    assert axes.get_xlabel()
