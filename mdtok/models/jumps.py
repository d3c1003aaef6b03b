"""The next state of many Markov chains at once: one search in the running sums of all rows."""

from __future__ import annotations

import numpy as np
import scipy.sparse


class JumpTable:
    """Draws from rows of probabilities.

    Parameters
    ----------
    rows : ndarray, shape (n_rows, n_states)
        Each adds to 1. Several matrices may stand below each other.
    """

    def __init__(self, rows: np.ndarray):
        self.n_states = rows.shape[1]
        cumulative = np.cumsum(rows, axis=1)
        cumulative[:, -1] = 1
        self.cumulative = (cumulative + np.arange(len(rows))[:, None]).ravel()

    def draw(self, row: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The next state of each chain, shape (n_chains,), from the row of each."""
        position = np.searchsorted(self.cumulative, row + rng.random(len(row)), side="right")
        return np.minimum(position - row * self.n_states, self.n_states - 1)


class SparseJumpTable:
    """The same from a sparse matrix: thousands of cells of a grid, with a few neighbours each.

    Parameters
    ----------
    matrix : scipy.sparse.csr_matrix, shape (n_states, n_states)
        Rows that add to 1.
    """

    def __init__(self, matrix: scipy.sparse.csr_matrix):
        self.first, self.states = matrix.indptr, matrix.indices
        self.cumulative = np.concatenate([[0.0], np.cumsum(matrix.data)])

    def draw(self, state: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The next state of each chain, shape (n_chains,)."""
        low, high = self.cumulative[self.first[state]], self.cumulative[self.first[state + 1]]
        at = np.searchsorted(self.cumulative, low + rng.random(len(state)) * (high - low), side="right") - 1
        return self.states[np.clip(at, self.first[state], self.first[state + 1] - 1)]
