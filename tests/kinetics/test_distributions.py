"""The field's distances hold hand-made values and those of independent code."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from mdtok.errors import DataError
from mdtok.kinetics.judging.distributions import (
    bin_edges,
    histogram,
    jensen_shannon_distance,
    log_population_error,
    state_coverage,
    surface_errors,
)

CIRCLE = (-np.pi, np.pi)


def test_the_distance_is_scipys_of_numpys_histograms():
    rng = np.random.default_rng(0)
    one, other = rng.vonmises(0, 2, 5000), rng.vonmises(1, 3, 4000)
    edges = np.linspace(*CIRCLE, 101)
    expected = jensenshannon(*(np.histogram(x, edges)[0] for x in (one, other)))
    assert jensen_shannon_distance(one, other, 100, CIRCLE) == pytest.approx(expected, abs=1e-12)


def test_a_map_is_that_of_histogram2d():
    rng = np.random.default_rng(1)
    one, other = rng.uniform(*CIRCLE, (3000, 2)), rng.vonmises(0, 1, (3000, 2))
    edges = np.linspace(*CIRCLE, 51)
    expected = jensenshannon(*(np.histogram2d(*x.T, bins=[edges, edges])[0].ravel() for x in (one, other)))
    assert jensen_shannon_distance(one, other, 50, CIRCLE) == pytest.approx(expected, abs=1e-12)


def test_what_lies_beyond_counts_in_the_outermost_bins():
    edges = bin_edges(np.array([0.0, 1.0]), 2)
    assert histogram(np.array([-5.0, 0.1, 9.0, 9.0]), edges).tolist() == [0.5, 0.5]
    assert jensen_shannon_distance(np.full(9, 3.0), np.full(9, 3.0)) == 0.0  # a reference that stands still


def test_a_surface_that_is_shifted_is_the_same_and_one_off_by_a_factor_is_not():
    reference = np.array([0.4, 0.4, 0.2])
    assert surface_errors(reference / 2, reference).rmse_kt == pytest.approx(0.0, abs=1e-12)
    off = surface_errors(np.array([0.2, 0.4, 0.4]), reference)
    # ln 2, 0 and -ln 2 less their mean of 0
    assert (off.mae_kt, off.coverage) == pytest.approx((2 * np.log(2) / 3, 1.0))
    assert np.isnan(surface_errors(np.array([1.0, 0]), np.array([0, 1.0])).mae_kt)


def test_populations_that_are_missing_are_infinitely_off():
    assert log_population_error(np.array([1.0, 0.0]), np.array([0.5, 0.5])) == np.inf
    assert log_population_error(np.array([0.25, 0.5, 0.25]), np.array([0.5, 0.5, 0.0])) == pytest.approx(np.log(2) / 2)


def test_coverage_counts_states_and_frames():
    found = state_coverage(np.array([1, 1, 0, 7]), np.array([90, 0, 10, 0]))
    assert (found.recall, found.precision, found.coverage) == pytest.approx((1 / 2, 1 / 3, 0.9))
    assert found.f1 == pytest.approx(2 / 5)
    assert state_coverage(np.array([0, 1]), np.array([1, 0])).f1 == 0.0


def test_no_frame_is_one_line():
    with pytest.raises(DataError, match="no frame"):
        histogram(np.empty(0), [np.linspace(0, 1, 3)])
