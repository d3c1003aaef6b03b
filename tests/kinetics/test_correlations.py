"""Correlations in time hold closed answers and those of deeptime."""

import numpy as np
import pytest
from chains import THREE_STATES, simulate, stationary
from deeptime.decomposition import VAMP

from mdtok.kinetics.estimation.estimators import count_matrix
from mdtok.kinetics.judging.correlations import autocorrelation, decorrelation_time, flux_correlation, vamp2_gap


def test_an_autoregressive_process_has_its_exponential():
    rng = np.random.default_rng(0)
    x = np.zeros((50, 20_000))
    for t in range(1, x.shape[1]):
        x[:, t] = 0.95 * x[:, t - 1] + rng.normal(size=50)
    found = autocorrelation(list(x), 60)
    # a million frames, 20 a correlation time: about 0.005 of error, less in the mean
    assert found == pytest.approx(0.95 ** np.arange(61), abs=0.02)
    assert decorrelation_time(found, 0.5) == pytest.approx(-0.5 / np.log(0.95), rel=0.05)


def test_it_is_the_sum_that_numpy_gives():
    rng = np.random.default_rng(1)
    parts = [rng.normal(size=n) for n in (30, 11, 4)]
    mean = np.concatenate(parts).mean()
    direct = [
        sum(((x - mean)[: len(x) - k] * (x - mean)[k:]).sum() for x in parts if len(x) > k)
        / sum(len(x) - k for x in parts if len(x) > k)
        for k in range(12)
    ]
    assert autocorrelation(parts, 11) == pytest.approx(np.array(direct) / direct[0], abs=1e-12)


def test_angles_do_not_see_the_ends_of_their_axis():
    steps = np.random.default_rng(2).normal(scale=0.3, size=20_000).cumsum()
    turned = np.angle(np.exp(1j * (steps + 2.0)))
    wrapped = np.angle(np.exp(1j * steps))
    assert autocorrelation([wrapped], 50, periodic=True) == pytest.approx(
        autocorrelation([turned], 50, periodic=True), abs=1e-9
    )


def test_what_never_decorrelates_has_no_time():
    assert np.isnan(decorrelation_time(np.array([1.0, 0.9, 0.8]), 1.0))


def test_the_gap_is_the_cross_score_of_deeptime():
    md, other = simulate(THREE_STATES, 5, 3000, seed=1), simulate(THREE_STATES @ THREE_STATES, 5, 3000, seed=2)
    one_hot = [[np.eye(3)[d] for d in dtrajs] for dtrajs in (md, other)]
    models = [VAMP(lagtime=2, epsilon=1e-12).fit_from_timeseries(hot).fetch_model() for hot in one_hot]
    # deeptime takes the mean off, and adds 1 for the constant function that this removes
    expected = models[0].score(r=2, test_model=models[1]) - models[0].score(r=2)
    assert vamp2_gap(*(count_matrix(d, 2, 3) for d in (other, md))) == pytest.approx(expected, abs=1e-3)


def test_the_gap_of_the_same_kinetics_is_none_and_of_faster_ones_is_negative():
    flow = stationary(THREE_STATES)[:, None] * THREE_STATES
    fast = stationary(THREE_STATES)[:, None] * np.linalg.matrix_power(THREE_STATES, 3)
    assert vamp2_gap(flow, flow) == pytest.approx(0.0, abs=1e-12)
    assert vamp2_gap(fast, flow) < -0.05
    assert np.isnan(vamp2_gap(np.diag([1.0, 0, 0]), flow))


def test_fluxes_are_ranked():
    flow = stationary(THREE_STATES)[:, None] * THREE_STATES
    assert flux_correlation(flow, flow) == 1.0
    assert np.isnan(flux_correlation(np.ones((2, 2)), np.ones((2, 2))))
