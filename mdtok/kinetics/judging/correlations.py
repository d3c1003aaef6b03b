"""How alike two sets of trajectories are in time, by the names and formulas of the field."""

from __future__ import annotations

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.stats import spearmanr


def autocorrelation(trajectories: list[np.ndarray], max_lag: int, periodic: bool = False) -> np.ndarray:
    """Normalised autocorrelation of one column over many trajectories.

    Parameters
    ----------
    trajectories : list of arrays, shape (n_frames,) each
        Of angles in radians, cosine and sine are correlated: ``<cos(x(0) - x(t))>``, less the means.
    max_lag : int
        Frames.
    periodic : bool

    Returns
    -------
    ndarray, shape (max_lag + 1,)
        1 at lag 0; NaN where no trajectory is so long, or nothing moves.

    Examples
    --------
    >>> autocorrelation([np.array([1.0, -1.0] * 50)], 2).round(2)
    array([ 1., -1.,  1.])
    """
    if periodic:
        parts = [[np.cos(t) for t in trajectories], [np.sin(t) for t in trajectories]]
    else:
        parts = [[np.asarray(t, dtype=float) for t in trajectories]]
    total, n_pairs = np.zeros(max_lag + 1), np.zeros(max_lag + 1)
    for part in parts:
        mean = np.concatenate(part).mean()
        for trajectory in part:
            n = min(len(trajectory), max_lag + 1)
            size = next_fast_len(len(trajectory) + n, real=True)
            power = np.abs(rfft(trajectory - mean, size)) ** 2
            total[:n] += irfft(power, size)[:n]
            n_pairs[:n] += len(trajectory) - np.arange(n)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.where(n_pairs > 0, total / n_pairs, np.nan)
        return correlation / correlation[0]


def decorrelation_time(correlation: np.ndarray, dt_ps: float, threshold: float = np.exp(-1)) -> float:
    """First time at which an autocorrelation is below 1/e, in ps; NaN where it never is.

    Examples
    --------
    >>> round(decorrelation_time(np.exp(-np.arange(10) / 3), dt_ps=2.0), 2)
    6.0
    """
    below = np.flatnonzero(correlation < threshold)
    if not len(below):
        return np.nan
    k = below[0]
    return float(dt_ps * (k - 1 + (correlation[k - 1] - threshold) / (correlation[k - 1] - correlation[k])))


def flux_correlation(counts: np.ndarray, reference: np.ndarray) -> float:
    """Spearman rank correlation of the transitions between different states, as shares of all; NaN below three pairs.

    Parameters
    ----------
    counts, reference : ndarray, shape (n_states, n_states)
        Transition counts at one lag time. The flux from i to j is ``π_i T_ij``, which is the share of all counts.

    Examples
    --------
    >>> flux_correlation(np.array([[9, 2, 3], [2, 9, 4], [3, 4, 9]]), np.array([[5, 1, 2], [1, 5, 3], [2, 3, 5]]))
    1.0
    """
    apart = ~np.eye(len(counts), dtype=bool)
    ours, theirs = counts[apart], reference[apart]
    if len(ours) < 3 or ours.min() == ours.max() or theirs.min() == theirs.max():
        return np.nan
    return round(float(spearmanr(ours, theirs).statistic), 12)


def vamp2_gap(counts: np.ndarray, reference: np.ndarray) -> float:
    """VAMP-2 score of the reference's singular functions on other trajectories, less their score on the reference.

    0 for the same kinetics, negative where the slow processes of the reference are faster in the other trajectories. It
    is positive where they are slower: a model that stands still scores highest, so look at the size and not the sign.

    Parameters
    ----------
    counts, reference : ndarray, shape (n_states, n_states)
        Transition counts at one lag time.

    Returns
    -------
    float
        NaN where the trajectories do not visit enough states for the functions to differ.

    References
    ----------
    H. Wu, F. Noé, J. Nonlinear Sci. 30, 23 (2020), eq. 33: the cross-validated score, here for indicator functions of
    states and all their singular functions.
    """
    reference = np.asarray(reference, dtype=float) / np.sum(reference)
    counts = np.asarray(counts, dtype=float) / np.sum(counts)
    kept = (reference.sum(axis=1) > 0) & (reference.sum(axis=0) > 0)
    reference, counts = reference[np.ix_(kept, kept)], counts[np.ix_(kept, kept)]
    before, after = (np.sqrt(reference.sum(axis=axis)) for axis in (1, 0))
    left, values, right = np.linalg.svd(reference / before[:, None] / after)
    left, right = left / before[:, None], right.T / after[:, None]  # functions of the states
    here, there = (f.T @ (counts.sum(axis=axis)[:, None] * f) for f, axis in ((left, 1), (right, 0)))
    if min(np.linalg.eigvalsh(here)[0], np.linalg.eigvalsh(there)[0]) < 1e-12:
        return np.nan
    across = left.T @ counts @ right
    score = np.trace(np.linalg.solve(here, across) @ np.linalg.solve(there, across.T))
    return float(score - (values**2).sum())
