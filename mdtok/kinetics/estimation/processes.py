"""Slow processes of an MSM, and which process of one data set is which of another.

Timescales are matched by eigenvectors, not counted: where a data set has no crossing of the slowest barrier, its
slowest timescale is that of another process, and the barrier's is *not resolved*.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array, issparse
from scipy.sparse.linalg import ArpackNoConvergence, eigsh

from mdtok.kinetics.estimation.reversible import ReversibleFit

_MORE = 3  # processes looked at beyond those asked for, as noise changes their order
_SAME = 0.5  # of a process's variance has to be found in another for the two to be the same
_ALIKE = 1.5  # timescales within this factor mix freely, and are one process for the matching


@dataclass
class Processes:
    """The slowest relaxation processes of a reversible MSM.

    Attributes
    ----------
    eigenvalues : ndarray, shape (n_processes,)
        Slowest first; the stationary one is left out.
    vectors : ndarray, shape (n_processes, n_states)
        Right eigenvectors, of variance 1 in equilibrium; NaN at states that are not connected.
    weights : ndarray, shape (n_states,)
        Stationary distribution; 0 at states that are not connected.
    """

    eigenvalues: np.ndarray
    vectors: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, fit: ReversibleFit, n_processes: int) -> Processes:
        """The slowest `n_processes` of a fit, and a few more."""
        root = np.sqrt(fit.distribution)
        # similar to the transition matrix
        symmetric = _scaled(fit.flow, 1 / root) if issparse(fit.flow) else fit.flow / root[:, None] / root
        n = len(root)
        n_found = min(n_processes + _MORE, n - 1)
        values, vectors = _largest(symmetric, n_found + 1, root)
        order = np.argsort(values)[::-1][1:]
        return cls(values[order], fit.spread((vectors[:, order] / root[:, None]).T, np.nan), fit.spread(root**2))

    def timescales(self, lagtime: float) -> np.ndarray:
        """``-lagtime / ln λ``, in the unit of `lagtime`; NaN where the eigenvalue is not positive."""
        return timescales_of_eigenvalues(self.eigenvalues, lagtime)

    def matched(self, others: Processes, n_processes: int) -> np.ndarray:
        """Eigenvalues of `others` in the order of these processes; NaN where `others` do not resolve one.

        Two processes are the same where one's eigenvector, on the states that both know, has half its variance or more
        in the other (or in others that are as slow to within a factor of 1.5, which mix by chance).

        Returns
        -------
        ndarray, shape (n_processes,)
        """
        common = np.isfinite(self.vectors[0]) & np.isfinite(others.vectors[0])
        weights = np.where(common, self.weights, 0.0)
        here, there = (_centred(np.where(common, p.vectors, 0.0), weights) for p in (self, others))
        there = there / np.maximum(np.sqrt(there**2 @ weights), 1e-300)[:, None]
        shares = ((here * weights) @ there.T) ** 2  # (n_here, n_there); of a variance of 1 among all states
        mine, yours = linear_sum_assignment(-shares)
        rates = -np.log(np.clip(others.eigenvalues, 1e-300, 1 - 1e-15))
        matched = np.full(n_processes, np.nan)
        for k, m in zip(mine, yours):
            if k < n_processes:
                alike = np.abs(np.log(rates / rates[m])) <= np.log(_ALIKE)
                if max(shares[k, m], shares[k, alike].sum()) >= _SAME:
                    matched[k] = others.eigenvalues[m]
        return matched


def timescales_of_eigenvalues(eigenvalues: np.ndarray, lagtime: float) -> np.ndarray:
    """``-lagtime / ln λ``; NaN where λ is not positive, infinite where it is 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return lagtime / np.abs(np.log(np.clip(np.where(eigenvalues > 0, eigenvalues, np.nan), None, 1.0)))


def _scaled(matrix, factors):
    """Rows and columns of a sparse matrix times some factors."""
    data = matrix.data * np.repeat(factors, np.diff(matrix.indptr)) * factors[matrix.indices]
    return csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def _largest(symmetric, n_wanted, root):
    """The largest eigenvalues of a symmetric matrix and their vectors, ascending."""
    n = len(root)
    if issparse(symmetric):
        if n_wanted < n // 4:
            with contextlib.suppress(ArpackNoConvergence):
                return eigsh(symmetric, n_wanted, which="LA", v0=root + 1.0 / n, tol=1e-9)
        symmetric = symmetric.toarray()
    return eigh(symmetric, subset_by_index=[n - n_wanted, n - 1], check_finite=False)


def _centred(vectors, weights):
    """Vectors less their mean under `weights`, at the states that count."""
    mean = vectors @ weights / weights.sum() if weights.sum() > 0 else np.zeros(len(vectors))
    return np.where(weights > 0, vectors - mean[:, None], 0.0)
