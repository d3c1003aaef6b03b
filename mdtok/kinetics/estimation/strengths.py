"""Newton's method for the strengths of a reversible MSM (see `reversible`): dense for few states, sparse for many.

A thousand states are left for some fifty others each, not for all: with the counts sparse and the Newton equations
solved by conjugate gradients, an estimate is six times faster than with a Cholesky factorisation.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs  # scipy's own functions take longer than the work, for 100 states
from scipy.sparse import csr_array

from mdtok.errors import DataError

_TOLERANCE = 1e-6  # of ln v: that of a timescale is of this order
_MAX_STEPS = 100
_LONGEST = 2.0  # a longer step is cut: the likelihood is concave, not quadratic
_STALE = 0.3  # a step that is not this much smaller than the last asks for a new factorisation
_INEXACT = 0.01  # of a Newton step: more digits are lost in the next one


def solve_dense(both, left, log_v, factor=None, scale=1.0):
    """Newton's method for ``ln v`` from `log_v`; a factorisation is used again for as long as it serves.

    Parameters
    ----------
    both : ndarray, shape (n_states, n_states)
        How often two states are left for each other, either way.
    left : ndarray, shape (n_states,)
        How often each is left.
    log_v : ndarray, shape (n_states,)
    factor : ndarray, optional
        Of the Newton equations of similar counts, fewer by `scale`.

    Returns
    -------
    log_v, factor, scale
    """
    fresh, last = factor is None, np.inf
    for _ in range(_MAX_STEPS):
        v = np.exp(log_v - log_v.max())
        wins = v[:, None] / (v[:, None] + v)  # (n, n) probability that i is left for j, not j for i
        gradient = left - np.einsum("ij,ij->i", both, wins)
        if factor is None:
            factor, scale = _factorise(both * wins * wins.T), 1.0
        step = dpotrs(factor, gradient)[0] / scale
        step -= step.mean()
        size = np.abs(step).max()
        if not fresh and size > _STALE * last:
            factor, fresh, last = None, True, np.inf
            continue
        log_v = log_v + step * min(1.0, _LONGEST / max(size, _TOLERANCE))
        if size < _TOLERANCE:
            break
        if fresh and size > 0.1:  # far away the equations change with every step
            factor, last = None, np.inf
        else:
            fresh, last = False, size
    return log_v - log_v.mean(), factor, scale


def solve_sparse(both, left, log_v):
    """The same of sparse counts, without a factorisation. What stays in a state may be counted or not: it cancels."""
    n, indices = len(left), both.indices
    rows = np.repeat(np.arange(n), np.diff(both.indptr))
    for _ in range(_MAX_STEPS):
        v = np.exp(log_v - log_v.max())
        total = v[rows] + v[indices]
        flow = both.data * v[rows] / total
        weights = csr_array((flow * v[indices] / total, indices, both.indptr), shape=both.shape)
        step = _solve_laplacian(weights, left - np.bincount(rows, flow, n))
        size = np.abs(step).max()
        log_v = log_v + step * min(1.0, _LONGEST / max(size, _TOLERANCE))
        if size < _TOLERANCE:
            break
    return log_v - log_v.mean()


def _solve_laplacian(weights, right):
    """Solve the equations of the graph's Laplacian by conjugate gradients, to `_INEXACT`."""
    degrees = weights.sum(axis=1)
    inverse_diagonal = 1 / (degrees - weights.diagonal())
    found, residual = np.zeros_like(right), right.copy()
    near = inverse_diagonal * residual
    direction, product = near, residual @ near
    enough = _INEXACT**2 * product
    for _ in range(2 * len(right)):
        if product <= enough:
            return found - found.mean()
        image = degrees * direction - weights @ direction
        length = product / (direction @ image)
        found += length * direction
        residual -= length * image
        near = inverse_diagonal * residual
        last, product = product, residual @ near
        direction = near + (product / last) * direction
    found = dpotrs(_factorise(weights.toarray()), right)[0]  # states that are hardly connected
    return found - found.mean()


def _factorise(weights):
    """Cholesky factor of the graph's Laplacian, in which a constant is pinned: only differences of ln v count."""
    degrees = weights.sum(axis=1)
    typical = degrees.mean()
    laplacian = typical / len(weights) - weights
    laplacian.flat[:: len(weights) + 1] += degrees
    factor, failed = dpotrf(laplacian, clean=False)
    if failed:  # states that are hardly connected
        laplacian.flat[:: len(weights) + 1] += 1e-10 * typical
        factor, failed = dpotrf(laplacian, clean=False)
        if failed:
            raise DataError("The states are hardly connected, so there is no Markov model; use fewer states.")
    return factor
