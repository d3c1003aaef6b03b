"""Kinetics counted directly from trajectories: first passages and dwells, censoring and intervals included."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from mdtok.errors import DataError
from mdtok.features.dtrajs import as_dtrajs, count_states, split_time_blocks
from mdtok.kinetics.estimators import Estimate

_FEW_EVENTS = 10  # a bootstrap cannot see what did not happen; below this, the exact Poisson interval counts too
_MIN_UNITS = 8


def independent_units(dtrajs, n_units=20):
    """Trajectories as the units of a bootstrap; fewer than 8 of them are cut into about `n_units` time blocks in all."""
    if len(dtrajs) >= _MIN_UNITS:
        return list(dtrajs)
    shortest = min(len(dtraj) for dtraj in dtrajs)
    n_blocks = min(-(-n_units // len(dtrajs)), shortest // 2)
    if n_blocks < 2:
        raise DataError(f"{len(dtrajs)} trajectories of down to {shortest} frames are too few and too short for error bars.")
    return split_time_blocks(dtrajs, n_blocks)


@dataclass
class Passages:
    """First passages seen in one trajectory or more: waiting times and events of every ordered pair of states.

    Attributes
    ----------
    exposure_frames : ndarray, shape (n_states, n_states)
        [i, j]: frames during which i was visited later than j, whether or not j was reached in the end.
    events : ndarray of int, shape (n_states, n_states)
        [i, j]: how often j was reached after i.
    """

    exposure_frames: np.ndarray
    events: np.ndarray

    @property
    def mfpt_frames(self):
        """Exposure over events; infinite where nothing was reached, NaN where nothing was waited for."""
        times = np.full(self.events.shape, np.nan)
        waited = self.exposure_frames > 0
        with np.errstate(divide="ignore"):
            np.divide(self.exposure_frames, self.events, out=times, where=waited)
        np.fill_diagonal(times, 0.0)
        return times


def count_passages(dtraj, n_states):
    """Waiting times and first passages of one trajectory (see `Passages`)."""
    changes = np.flatnonzero(np.diff(dtraj)) + 1
    starts = np.concatenate([[0], changes])
    visited = dtraj[starts]  # (n_runs,)
    last_frame = len(dtraj) - 1
    exposure = np.zeros((n_states, n_states))
    events = np.zeros((n_states, n_states), dtype=np.int64)
    present = np.unique(visited)
    for i in range(n_states):
        for j in range(i + 1, n_states):
            if i not in present and j not in present:
                continue
            of_pair = (visited == i) | (visited == j)
            entered, labels = starts[of_pair], visited[of_pair]
            waited = np.diff(entered, append=last_frame)  # the last wait is censored by the trajectory's end
            exposure[i, j] = waited[labels == i].sum()
            exposure[j, i] = waited[labels == j].sum()
            events[i, j] = np.count_nonzero((labels[:-1] == i) & (labels[1:] == j))
            events[j, i] = np.count_nonzero((labels[:-1] == j) & (labels[1:] == i))
    return Passages(exposure, events)


def pool_passages(passages, weights=None):
    """Sum of passages over trajectories, each with a weight (how often a bootstrap drew it)."""
    weights = np.ones(len(passages), dtype=int) if weights is None else weights
    exposure = np.einsum("u,uij->ij", weights, np.array([p.exposure_frames for p in passages]))
    events = np.einsum("u,uij->ij", weights, np.array([p.events for p in passages]))
    return Passages(exposure, events)


def mfpt_counted(dtrajs, dt_ps=1.0, n_states=None, n_bootstrap=200, seed=0):
    """Mean first passage times counted directly from trajectories, with censoring handled and 95 % intervals.

    The clock of i → j starts when i is entered (for the first time, or coming from j) and stops when j is reached. The
    estimate is all time on the clock over the number of arrivals, so that waits cut off by a trajectory's end count as
    time without an arrival and do not bias it: it is the maximum-likelihood estimate of a waiting time under censoring.

    Parameters
    ----------
    dtrajs : list of int arrays, shape (n_frames,) each
        (Macro)states.
    dt_ps : float
    n_states : int, optional
    n_bootstrap : int
        Resamplings of whole trajectories (of time blocks, where there are fewer than 8). With fewer than 10 arrivals the
        interval is widened to the exact one of a Poisson count.
    seed : int

    Returns
    -------
    Estimate
        Arrays of shape (n_states, n_states) in ps; entry [i, j] is from i to j. Infinite where j was never reached,
        with a finite lower limit; NaN where i was never seen.

    References
    ----------
    D. R. Cox, Renewal Theory (1962); the exact interval is that of F. Garwood, Biometrika 28, 437 (1936).

    Examples
    --------
    >>> import numpy as np
    >>> mfpt_counted([np.array([0, 0, 0, 0, 1] * 40)], n_states=2).value[0, 1]
    4.0
    """
    dtrajs = as_dtrajs(dtrajs, n_states)
    n_states = n_states or count_states(dtrajs)
    whole = pool_passages([count_passages(d, n_states) for d in dtrajs])
    units = [count_passages(d, n_states) for d in independent_units(dtrajs)]
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(units), np.full(len(units), 1 / len(units)), size=n_bootstrap)
    estimate = Estimate.from_samples(whole.mfpt_frames, _finite([pool_passages(units, w).mfpt_frames for w in draws]))
    return _widen_where_few(estimate, whole) * dt_ps


def _finite(samples):
    samples = np.array(samples)
    return np.where(np.isfinite(samples), samples, np.nan)


def _widen_where_few(estimate, passages):
    few = (passages.events < _FEW_EVENTS) & (passages.exposure_frames > 0) & ~np.eye(len(passages.events), dtype=bool)
    low, high = poisson_interval(passages.exposure_frames[few], passages.events[few])
    estimate.low[few] = np.fmin(estimate.low[few], low)
    estimate.high[few] = np.fmax(estimate.high[few], high)
    return estimate


def poisson_interval(exposure, events, confidence=0.95):
    """Exact interval of a mean waiting time: `exposure` frames on the clock, `events` arrivals."""
    tail = (1 - confidence) / 2
    with np.errstate(divide="ignore"):
        low = 2 * exposure / chi2.ppf(1 - tail, 2 * (events + 1))
        high = np.where(events > 0, 2 * exposure / np.where(events > 0, chi2.ppf(tail, 2 * np.maximum(events, 1)), 1), np.inf)
    return low, high


def dwell_times(dtrajs, n_states=None, dt_ps=1.0):
    """Complete dwells in each state, in ps; the first and the last of a trajectory are cut by its ends and left out.

    Returns
    -------
    list of ndarray of float
        One array a state.

    Examples
    --------
    >>> import numpy as np
    >>> [dwells.tolist() for dwells in dwell_times([np.array([0, 1, 1, 0, 0, 0, 1])])]
    [[3.0], [2.0]]
    """
    dtrajs = as_dtrajs(dtrajs, n_states)
    n_states = n_states or count_states(dtrajs)
    states, lengths = [], []
    for dtraj in dtrajs:
        edges = np.flatnonzero(np.diff(dtraj)) + 1
        states.append(dtraj[edges[:-1]])
        lengths.append(np.diff(edges))
    states, lengths = np.concatenate(states), np.concatenate(lengths)
    return [lengths[states == state] * float(dt_ps) for state in range(n_states)]
