"""Newton's reversible estimate is deeptime's, to the digits, and knows which states are connected."""

import numpy as np
import pytest
from chains import THREE_STATES, simulate, stationary
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_array

from mdtok.errors import DataError
from mdtok.kinetics.estimation.counts import pair_counts
from mdtok.kinetics.estimation.estimators import count_matrix, fit_msm
from mdtok.kinetics.estimation.processes import Processes
from mdtok.kinetics.estimation.reversible import connected_states, fit_reversible


@pytest.mark.parametrize("n_frames, lagtime", [(300, 1), (3000, 5)])
def test_the_estimate_is_that_of_deeptime(n_frames, lagtime):
    counts = count_matrix(simulate(THREE_STATES, 5, n_frames, seed=1), lagtime, 3)
    fit, msm = fit_reversible(counts), fit_msm(counts, lagtime, 1e-12)
    assert fit.transition_matrix == pytest.approx(msm.transition_matrix, abs=1e-7)
    assert fit.distribution == pytest.approx(msm.stationary_distribution, rel=1e-6)


@given(arrays(np.int64, (6, 6), elements=st.integers(0, 50)))
@settings(max_examples=60, deadline=None)
def test_detailed_balance_and_rows_hold_for_any_counts(counts):
    try:
        fit = fit_reversible(counts.astype(float))
    except DataError:
        return
    assert fit.flow == pytest.approx(fit.flow.T, abs=1e-12)
    assert fit.transition_matrix.sum(axis=1) == pytest.approx(1.0)
    # the likelihood is stationary: every state is left as often as its strength says (Bradley and Terry's equations)
    seen = counts[np.ix_(fit.states, fit.states)].astype(float)
    np.fill_diagonal(seen, 0.0)
    strengths = np.exp(fit.log_strengths)
    left = ((seen + seen.T) * strengths[:, None] / (strengths[:, None] + strengths)).sum(axis=1)
    assert left == pytest.approx(seen.sum(axis=1), rel=1e-4, abs=1e-4)


def test_a_start_from_other_counts_does_not_change_the_answer():
    chains = simulate(THREE_STATES, 20, 500, seed=2)
    pooled = fit_reversible(count_matrix(chains, 1, 3), keep_factor=True)
    for part in (chains[:10], chains[:1]):
        counts = count_matrix(part, 1, 3)
        assert fit_reversible(counts, pooled).flow == pytest.approx(fit_reversible(counts).flow, abs=1e-6)


def test_slow_processes_far_from_equilibrium_counts_converge():
    # all trajectories start in one well and cross once: the counts say nothing of equilibrium, the rates do
    matrix = np.array([[0.999, 0.001], [0.01, 0.99]])
    counts = np.array([[99_900.0, 100.0], [1.0, 99.0]])
    assert fit_reversible(counts).distribution == pytest.approx(stationary(matrix), rel=1e-5)


def test_what_is_not_connected_is_left_out():
    counts = np.array([[5.0, 2, 0, 0], [2, 5, 1, 0], [0, 0, 9, 0], [0, 0, 0, 9]])
    assert connected_states(counts).tolist() == [0, 1]
    fit = fit_reversible(counts)
    assert fit.spread(fit.distribution)[2:].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("counts", [np.eye(3), np.triu(np.ones((3, 3))), np.zeros((2, 2))])
def test_nothing_connected_is_one_line(counts):
    with pytest.raises(DataError, match="no two are visited back and forth"):
        fit_reversible(counts)


def test_many_states_have_the_estimate_of_few():
    """The same counts by the dense method and by the sparse one, with a start from other counts and without."""
    rng = np.random.default_rng(3)
    counts = rng.poisson(rng.gamma(0.1, 5.0, (150, 150))).astype(float) + np.diag(rng.integers(0, 10_000, 150))
    counts[:, 7] = 0.0  # never entered
    dense, start = fit_reversible(counts), fit_reversible(csr_array(counts + rng.integers(0, 2, counts.shape)))
    for sparse in (fit_reversible(csr_array(counts)), fit_reversible(csr_array(counts), start)):
        assert sparse.states.tolist() == dense.states.tolist()
        assert sparse.log_strengths == pytest.approx(dense.log_strengths, abs=1e-6)
        assert sparse.transition_matrix == pytest.approx(dense.transition_matrix, abs=1e-6)
        assert Processes.of(sparse, 3).eigenvalues == pytest.approx(Processes.of(dense, 3).eigenvalues, abs=1e-6)


def test_a_long_row_of_sticky_states_is_solved():
    n = 300  # each is left for the next ones only, once or twice in a million frames
    back = np.where(np.arange(n - 1) < n // 2, 1.0, 2.0)
    counts = np.diag(np.full(n, 1e6)) + np.diag(np.ones(n - 1), 1) + np.diag(back, -1)
    # of two neighbours one is left for the other in proportion to its strength
    assert np.exp(np.diff(fit_reversible(counts).log_strengths)) == pytest.approx(back, rel=1e-5)


def test_sparse_counts_are_not_changed():
    counts = csr_array((np.array([3.0, 0, 2, 4]), [1, 2, 0, 1], [0, 2, 3, 4]), shape=(3, 3))
    fit_reversible(counts)
    assert counts.nnz == 4


def test_pairs_of_many_states_are_counted_from_int32_tokens():
    # number 69,999 * 70,000 + 69,998 of a pair does not fit into the 32 bits of the tokens
    counted = pair_counts([np.array([69_999, 69_998, 69_999], dtype=np.int32)], 1, 70_000)
    assert sorted(counted.indices.tolist()) == [69_998 * 70_000 + 69_999, 69_999 * 70_000 + 69_998]
