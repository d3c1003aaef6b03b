"""The reversible maximum-likelihood MSM, fast enough for thousands of resamples.

Detailed balance makes the likelihood of transition counts that of a tournament: with ``x_ij = π_i T_ij``, the
estimate is ``x_ij = (c_ij + c_ji) / (v_i + v_j)``, where the strengths v solve
``Σ_j (c_ij + c_ji) v_i / (v_i + v_j) = Σ_j c_ij``.
These are the equations of Bradley and Terry for players who meet ``c_ij + c_ji`` times, of which i wins ``c_ij``. Their
likelihood is concave in ``ln v``, so Newton's method needs a handful of steps where the fixed-point iteration of the
same equations, which deeptime has, needs thousands if a process is slow. Resamples start from the estimate of all data.

References
----------
F. Noé, J. Chem. Phys. 128, 244103 (2008), and J.-H. Prinz et al., J. Chem. Phys. 134, 174105 (2011), for the equations;
R. A. Bradley, M. E. Terry, Biometrika 39, 324 (1952).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, issparse
from scipy.sparse.csgraph import connected_components

from mdtok.errors import DataError
from mdtok.kinetics.estimation.strengths import solve_dense, solve_sparse

FEW_STATES = 200  # up to which arrays are quicker than sparse ones


@dataclass
class ReversibleFit:
    """A reversible MSM on the connected states of some counts.

    Attributes
    ----------
    states : int array, shape (n_connected,)
        Which states these are.
    n_states : int
        Of all.
    log_strengths : ndarray, shape (n_connected,)
        ``ln v``.
    flow : ndarray or sparse array, shape (n_connected, n_connected)
        ``x_ij = π_i T_ij``, symmetric, adding to 1; sparse if the states are many.
    """

    states: np.ndarray
    n_states: int
    log_strengths: np.ndarray
    flow: np.ndarray | csr_array
    factor: np.ndarray | None = None  # of the Newton equations, and the counts that it was made for
    n_counts: float = 0.0

    @property
    def distribution(self) -> np.ndarray:
        """Stationary distribution, shape (n_connected,)."""
        return self.flow.sum(axis=1)

    @property
    def transition_matrix(self) -> np.ndarray:
        """Shape (n_connected, n_connected)."""
        flow = self.flow.toarray() if issparse(self.flow) else self.flow
        return flow / self.distribution[:, None]

    def spread(self, values: np.ndarray, otherwise: float = 0.0) -> np.ndarray:
        """Values of the connected states (last axis) as values of all states."""
        full = np.full((*values.shape[:-1], self.n_states), otherwise)
        full[..., self.states] = values
        return full


def connected_states(counts: np.ndarray | csr_array) -> np.ndarray:
    """The states that lead to each other and hold the most counts, two at least.

    Raises
    ------
    DataError
        No two states are visited back and forth.
    """
    held = counts.sum(axis=1) + counts.sum(axis=0)
    if not issparse(counts):
        visited = np.flatnonzero((counts.sum(axis=0) > 0) & (counts.sum(axis=1) > 0))
        if len(visited) > 1:
            seen = counts[np.ix_(visited, visited)] > 0
            if _reaches_all(seen) and _reaches_all(seen.T):
                return visited
    n_sets, label = connected_components(csr_array(counts), directed=True, connection="strong")
    of_set = np.bincount(label, weights=held, minlength=n_sets)
    of_set[np.bincount(label, minlength=n_sets) < 2] = -1
    if of_set.max() < 0:
        raise DataError(
            f"Of {counts.shape[0]} states no two are visited back and forth, so there is no Markov model; use fewer "
            "states or longer trajectories."
        )
    return np.flatnonzero(label == of_set.argmax())


def _reaches_all(leads_to):
    """Whether the first state leads to all others; for few states quicker than scipy's search."""
    reached = leads_to[0].copy()
    reached[0] = True
    while True:
        further = reached | leads_to[reached].any(axis=0)
        if further.sum() == reached.sum():
            return bool(further.all())
        reached = further


def fit_reversible(
    counts: np.ndarray | csr_array, start: ReversibleFit | None = None, keep_factor: bool = False
) -> ReversibleFit:
    """Reversible maximum-likelihood MSM of transition counts.

    Parameters
    ----------
    counts : ndarray or sparse array of float, shape (n_states, n_states)
        From rows to columns.
    start : ReversibleFit, optional
        Of similar counts of the same states; its factorised Newton equations serve here too.
    keep_factor : bool
        Keep the factorisation (there is one if states are few), for a fit that others start from.

    Returns
    -------
    ReversibleFit

    Raises
    ------
    DataError
        No two states are visited back and forth.

    Examples
    --------
    >>> fit = fit_reversible(np.array([[90.0, 10.0], [20.0, 80.0]]))
    >>> fit.transition_matrix
    array([[0.9, 0.1],
           [0.2, 0.8]])
    """
    if issparse(counts) or len(counts) > FEW_STATES:
        return _fit_sparse(_without_zeros(counts), start)
    return _fit_dense(counts, start, keep_factor)


def _fit_dense(counts, start, keep_factor):
    states = connected_states(counts)
    moves = counts.copy() if len(states) == len(counts) else counts[np.ix_(states, states)]
    stays = moves.diagonal().copy()
    moves.flat[:: len(moves) + 1] = 0.0
    both, left = moves + moves.T, moves.sum(axis=1)  # how often two states are left for each other, and each at all
    log_v, factor, scale = np.zeros(len(states)), None, 1.0
    n_counts = float(left.sum())
    if start is not None:
        log_v = start.spread(start.log_strengths)[states]
        if start.factor is not None and len(start.states) == len(states) and (start.states == states).all():
            factor, scale = start.factor, n_counts / start.n_counts
    log_v, factor, scale = solve_dense(both, left, log_v, factor, scale)
    v = np.exp(log_v)
    flow = both / (v[:, None] + v)
    flow.flat[:: len(flow) + 1] = stays / v
    flow /= flow.sum()
    kept = factor if keep_factor else None
    return ReversibleFit(states, len(counts), log_v, flow, kept, n_counts / scale)


def _fit_sparse(counts, start):
    states, n_states = connected_states(counts), counts.shape[0]
    inside = counts if len(states) == n_states else counts[states][:, states]
    both, left = (inside + inside.T).tocsr(), inside.sum(axis=1)
    log_v = np.zeros(len(states)) if start is None else start.spread(start.log_strengths)[states]
    log_v = solve_sparse(both, left, log_v)  # what stays in a state is in `both` and in `left`, and cancels
    v = np.exp(log_v)
    both.data /= np.repeat(v, np.diff(both.indptr)) + v[both.indices]
    both.data /= both.data.sum()
    return ReversibleFit(states, n_states, log_v, both)


def _without_zeros(counts):
    counts = csr_array(counts, copy=True)
    counts.eliminate_zeros()
    return counts
