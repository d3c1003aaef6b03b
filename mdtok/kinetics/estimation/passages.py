"""Kinetics counted directly from trajectories: first passages and dwells, censoring and intervals included."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdtok.errors import DataError
from mdtok.kinetics.estimation.bootstrap import bootstrap_weights
from mdtok.kinetics.estimation.count_table import count_table
from mdtok.kinetics.estimation.estimate import Estimate, poisson_interval
from mdtok.kinetics.estimation.rates import inverse_of_rate
from mdtok.tokens.dtrajs import as_dtrajs, count_states, cut_in_blocks

_FEW_EVENTS = 10  # a bootstrap cannot see what did not happen; below this, the exact Poisson interval counts too
_MIN_UNITS = 8


def independent_units(dtrajs, n_units=20):
    """Trajectories as the units of a bootstrap; fewer than 8 of them are cut into about `n_units` time blocks in
    all."""
    if len(dtrajs) >= _MIN_UNITS:
        return list(dtrajs)
    blocks = cut_in_blocks(dtrajs, n_units)
    if len(blocks) < max(2, min(_MIN_UNITS, 2 * len(dtrajs))):
        frames = ", ".join(str(len(dtraj)) for dtraj in dtrajs)
        raise DataError(f"Trajectories of {frames} frames are too few and too short for error bars; hold out more.")
    return blocks


class Passages:
    """First passages between states seen in some trajectories: every wait, and whether it ended with the arrival.

    Parameters
    ----------
    dtrajs : list of int arrays, shape (n_frames,) each
    n_states : int
    unit_of : int array, shape (n_trajectories,), optional
        The unit that each trajectory is part of; each is one by itself if not given.
    n_units : int, optional
    """

    def __init__(self, dtrajs, n_states, unit_of=None, n_units=None):
        found = [_find_waits(dtraj, n_states) for dtraj in dtrajs]
        unit_of = np.arange(len(dtrajs)) if unit_of is None else unit_of
        self.n_states, self.n_units = n_states, n_units or len(dtrajs)
        self.waits = {
            pair: Waits.of_units([waits.get(pair, _NONE) for waits in found], unit_of, self.n_units)
            for pair in set().union(*found)
        }

    @property
    def events(self):
        """Arrivals, shape (n_states, n_states): [i, j] is how often j was reached after i."""
        return self._matrix(lambda waits: waits.arrived.sum(), 0).astype(int)

    @property
    def exposure_frames(self):
        """Frames on the clock, shape (n_states, n_states): waits that the trajectory's end cut off included."""
        return self._matrix(lambda waits: waits.frames @ (waits.arrived + waits.cut_off).sum(axis=0), 0.0)

    def mfpt_frames(self, weights=None):
        """Mean first passage times, shape (n_states, n_states); infinite where nothing arrived, NaN where nothing
        waited.

        Parameters
        ----------
        weights : array of int, shape (..., n_units), optional
            How often each trajectory counts (a bootstrap's draws); the matrices then have shape (..., n_states,
            n_states).
        """
        weights = np.ones(self.n_units) if weights is None else np.asarray(weights, dtype=float)
        draws = weights.reshape(-1, self.n_units)
        times = np.full((len(draws), self.n_states, self.n_states), np.nan)
        for (i, j), waits in self.waits.items():
            times[:, i, j] = waits.mean(draws)
        times[:, range(self.n_states), range(self.n_states)] = 0.0
        return times.reshape(*weights.shape[:-1], self.n_states, self.n_states)

    def _matrix(self, figure, otherwise):
        matrix = np.full((self.n_states, self.n_states), otherwise, dtype=float)
        for pair, waits in self.waits.items():
            matrix[pair] = figure(waits)
        return matrix


_NONE = (np.empty(0, dtype=np.int64), np.empty(0, dtype=bool))


def _find_waits(dtraj, n_states):
    """Waits of one trajectory: {(i, j): (frames on the clock, whether j was reached)}."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(dtraj)) + 1])
    visited = dtraj[starts]  # (n_runs,)
    present, waits = np.unique(visited), {}
    for i in present:
        for j in range(n_states):
            if i == j:
                continue
            of_pair = (visited == i) | (visited == j)
            entered, labels = starts[of_pair], visited[of_pair]
            first = np.concatenate([[True], labels[1:] != labels[:-1]])  # later visits of i go on waiting
            entered, labels = entered[first], labels[first]
            left = np.append(entered[1:], len(dtraj) - 1)  # the last wait is cut off by the trajectory's end
            arrived = np.append(np.ones(len(entered) - 1, dtype=bool), False)
            waits[int(i), j] = (left - entered)[labels == i], arrived[labels == i]
    return waits


@dataclass
class Waits:
    """Waits for one passage, by their length: how many arrived then, and how many a trajectory's end cut off."""

    frames: np.ndarray  # (n_lengths,) ascending
    arrived: np.ndarray  # (n_units, n_lengths)
    cut_off: np.ndarray  # (n_units, n_lengths)

    @classmethod
    def of_units(cls, found, unit_of, n_units):
        waited, arrived = (np.concatenate(columns) for columns in zip(*found))
        unit = np.repeat(unit_of, [len(frames) for frames, _ in found])
        frames, length = np.unique(waited, return_inverse=True)
        tables = (count_table(unit[kind], length[kind], n_units, len(frames)) for kind in (arrived, ~arrived))
        return cls(frames, *tables)

    def mean(self, weights):
        """Mean wait in frames for each row of `weights`: Kaplan-Meier up to the median arrival, a constant rate after
        it.

        Without censoring this is the plain mean. With it, the rate after the median arrival stands for the tail that no
        trajectory was long enough to see.
        """
        arrivals, waits = weights @ self.arrived, weights @ (self.arrived + self.cut_off)  # (n_draws, n_lengths)
        total = np.cumsum(arrivals, axis=1)
        n_arrived, n_waits = total[:, -1], waits.sum(axis=1)
        median = np.where(n_arrived >= _FEW_EVENTS, (total < n_arrived[:, None] / 2).sum(axis=1), -1)  # its position
        draws = np.arange(len(arrivals))
        median[total[draws, median] >= n_arrived] = -1  # some have to come later
        waiting = n_waits[:, None] - np.cumsum(waits, axis=1) + waits
        survival = np.cumprod(1 - np.divide(arrivals, waiting, out=np.zeros_like(arrivals), where=waiting > 0), axis=1)
        # the mean wait up to the median: the area under the survival function
        areas = np.cumsum(np.diff(self.frames, prepend=0) * np.insert(survival[:, :-1], 0, 1.0, axis=1), axis=1)
        cut = np.where(median >= 0, self.frames[median], 0)
        seen, surviving = (
            np.where(median >= 0, part[draws, median], start) for part, start in ((areas, 0), (survival, 1))
        )
        beyond = self.frames > cut[:, None]
        later = (np.where(beyond, waits, 0.0) @ self.frames) - cut * (waits * beyond).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = seen + surviving * later / (arrivals * beyond).sum(axis=1)
        mean[n_arrived == 0] = np.inf
        mean[waits @ self.frames == 0] = np.nan
        return mean


def mfpt_counted(
    dtrajs: list[np.ndarray], dt_ps: float = 1.0, n_states: int | None = None, n_bootstrap: int = 200, seed: int = 0
) -> Estimate:
    """Mean first passage times counted directly from trajectories, with censoring handled and 95 % intervals.

    The clock of i → j starts when i is entered (for the first time, or after j) and stops when j is reached. Waits that
    a trajectory's end cuts off are censored, not left out: the waiting-time distribution is the Kaplan-Meier estimate
    up to the median arrival, and has a constant rate after it, counted there. Where every wait ends in an arrival this
    is their mean; where hardly any does it needs a rate that is constant by then, as it is between metastable states.

    Parameters
    ----------
    dtrajs : list of int arrays, shape (n_frames,) each
        (Macro)states.
    dt_ps : float
    n_states : int, optional
    n_bootstrap : int
        Resamplings of whole trajectories (of time blocks, where there are fewer than 8). With fewer than 10 arrivals
        the interval is widened to the exact one of a Poisson count.
    seed : int

    Returns
    -------
    Estimate
        Arrays of shape (n_states, n_states) in ps; entry [i, j] is from i to j. Infinite where j was never reached,
        with a finite lower limit; NaN where i was never seen.

    References
    ----------
    E. L. Kaplan, P. Meier, J. Am. Stat. Assoc. 53, 457 (1958); F. Garwood, Biometrika 28, 437 (1936).

    Examples
    --------
    >>> import numpy as np
    >>> float(mfpt_counted([np.array([0, 0, 0, 0, 1] * 40)], n_states=2).value[0, 1])
    4.0
    """
    dtrajs = as_dtrajs(dtrajs, n_states)
    n_states = n_states or count_states(dtrajs)
    units = Passages(independent_units(dtrajs), n_states)
    return mfpt_of(Passages(dtrajs, n_states), units, n_bootstrap, seed) * dt_ps


def mfpt_of(passages, units, n_bootstrap=200, seed=0):
    """`mfpt_counted`, in frames, where the passages are counted: of trajectories, and of the units to resample."""
    samples = units.mfpt_frames(bootstrap_weights(units.n_units, n_bootstrap, seed))
    with np.errstate(divide="ignore"):
        estimate = inverse_of_rate(passages.mfpt_frames(), np.where(samples > 0, 1 / samples, np.nan), units.n_units)
    return _widen_where_few(estimate, passages)


def _widen_where_few(estimate, passages):
    events, exposure = passages.events, passages.exposure_frames
    few = (events < _FEW_EVENTS) & (exposure > 0)
    fewest, most = poisson_interval(events[few])
    estimate.low[few] = np.fmin(estimate.low[few], exposure[few] / most)
    with np.errstate(divide="ignore"):  # without an arrival there is no upper limit
        estimate.high[few] = np.fmax(estimate.high[few], exposure[few] / fewest)
    return estimate


def dwell_times(dtrajs: list[np.ndarray], n_states: int | None = None, dt_ps: float = 1.0) -> list[np.ndarray]:
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
