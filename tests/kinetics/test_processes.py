"""Processes are matched by their eigenvectors, and one that a data set does not resolve is not given another's time."""

import numpy as np
import pytest
from chains import exact_timescales, simulate

from mdtok.kinetics.estimation.counts import Counts, Ground, Protocol
from mdtok.kinetics.estimation.processes import Processes, timescales_of_eigenvalues
from mdtok.kinetics.estimation.reversible import fit_reversible
from mdtok.kinetics.scoring.comparison import estimate_kinetics

#: Two pairs of states: fast within each, slow between them.
TWO_PAIRS = np.array(
    [[0.90, 0.10, 0.0, 0.0], [0.05, 0.949, 0.001, 0.0], [0.0, 0.001, 0.899, 0.10], [0.0, 0.0, 0.20, 0.80]]
)


@pytest.fixture(scope="module")
def md():
    return simulate(TWO_PAIRS, 40, 5000, seed=4)


def test_timescales_are_those_of_the_matrix(md):
    counts = Counts(md, Protocol(np.arange(4), [1], 1, 2, 3))
    found = estimate_kinetics(counts, Ground.of(counts)).timescales[0]
    # 200,000 frames hold some 100 crossings: 10 % of the slowest, less of the others
    assert found == pytest.approx(exact_timescales(TWO_PAIRS), rel=0.35)


def test_a_set_without_the_slow_crossing_does_not_resolve_it(md):
    protocol = Protocol(np.arange(4), [1], 1, 2, 3)
    ground = Ground.of(Counts(md, protocol))
    left = [d for d in md if d.max() < 2][:5] or [d[d < 2] for d in md[:5]]
    found = estimate_kinetics(Counts(left, protocol), ground).timescales[0]
    assert np.isnan(found[0])  # counted, it would be the fast process of one pair
    assert np.nanmin(found) == pytest.approx(exact_timescales(TWO_PAIRS[:2, :2] + np.diag([0, 0.001]))[0], rel=0.3)


def test_an_order_that_changes_by_chance_does_not_change_which_is_which():
    matrix = np.array([[0.97, 0.03, 0.0], [0.03, 0.95, 0.02], [0.0, 0.02, 0.98]])
    counts = np.linalg.matrix_power(matrix, 1) * 1e6
    one = Processes.of(fit_reversible(counts), 2)
    order = [2, 0, 1]  # the same states under other numbers have other eigenvectors
    other = Processes.of(fit_reversible(counts[np.ix_(order, order)]), 2)
    assert one.matched(one, 2) == pytest.approx(one.eigenvalues[:2])
    assert not np.allclose(np.nan_to_num(one.matched(other, 2)), one.eigenvalues[:2])


def test_eigenvalues_that_have_no_timescale():
    assert timescales_of_eigenvalues(np.array([np.exp(-0.5), 1.0, -0.2]), 1.0) == pytest.approx(
        [2.0, np.inf, np.nan], nan_ok=True
    )
