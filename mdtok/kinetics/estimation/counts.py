"""Everything that is counted in trajectories, one row a trajectory, so that groups and resamples are weighted sums."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, vstack

from mdtok.errors import DataError
from mdtok.kinetics.estimation.count_table import count_table
from mdtok.kinetics.estimation.passages import Passages
from mdtok.kinetics.estimation.processes import Processes, timescales_of_eigenvalues
from mdtok.kinetics.estimation.reversible import FEW_STATES, ReversibleFit, fit_reversible

_ALIKE = 0.9  # lengths of trajectories from this ratio on are the same


@dataclass
class Protocol:
    """What is estimated: the same for MD, for its halves and for every model.

    Attributes
    ----------
    macrostates : int array, shape (n_states,)
        Macrostate of each token.
    lagtimes : list of int
        Frames; timescales are compared at each of them.
    lagtime : int
        Frames; that of populations and of the Chapman-Kolmogorov steps.
    n_steps : int
        Chapman-Kolmogorov steps.
    n_timescales : int
    """

    macrostates: np.ndarray
    lagtimes: list
    lagtime: int
    n_steps: int
    n_timescales: int

    @property
    def n_states(self):
        return len(self.macrostates)

    @property
    def n_macrostates(self):
        return int(self.macrostates.max()) + 1

    @property
    def counted_lagtimes(self):
        """All lags that transitions are counted at."""
        return sorted({*self.lagtimes, self.lagtime})

    def every(self, stride):
        """The same protocol for trajectories that keep one frame in `stride`; lags that do not divide are left out."""
        if stride == 1:
            return self
        lagtimes = [lag // stride for lag in self.lagtimes if lag % stride == 0]
        if self.lagtime % stride:
            raise DataError(
                f"The lag time {self.lagtime} of the scorecard is no multiple of a model's lag of {stride} frames; "
                "choose one that is."
            )
        return Protocol(self.macrostates, lagtimes, self.lagtime // stride, self.n_steps, self.n_timescales)


class Counts:
    """Transitions, propagations, dwells and first passages of some trajectories.

    Parameters
    ----------
    dtrajs : list of int arrays, shape (n_frames,) each
        The units: each can be left out or count several times.
    protocol : Protocol

    Attributes
    ----------
    transitions : dict of int -> Transitions
        Sliding-window counts at each lag.
    visits : ndarray, shape (n_units, n_macrostates)
        Frames.
    propagations : ndarray, shape (n_units, n_steps, n_macrostates, n_macrostates)
        Pairs of macrostates k lag times apart.
    dwells : list of (int array (n_lengths,), sparse array (n_units, n_lengths))
        For each macrostate, lengths of complete dwells in frames, and how many there are.
    passages : Passages
    """

    def __init__(self, dtrajs, protocol):
        self.protocol, self.n_units, self.n_frames = protocol, len(dtrajs), sum(map(len, dtrajs))
        n_macrostates = protocol.n_macrostates
        macro = [protocol.macrostates[dtraj] for dtraj in dtrajs]
        self.transitions = {lag: Transitions.of(dtrajs, lag, protocol.n_states) for lag in protocol.counted_lagtimes}
        self.visits = np.array([np.bincount(unit, minlength=n_macrostates) for unit in macro])
        steps = [pair_counts(macro, protocol.lagtime * k, n_macrostates) for k in range(1, protocol.n_steps + 1)]
        self.propagations = np.stack(
            [step if isinstance(step, np.ndarray) else step.toarray() for step in steps], axis=1
        ).reshape(len(dtrajs), protocol.n_steps, n_macrostates, n_macrostates)
        self._count_stays(macro, np.arange(len(dtrajs)))

    def _count_stays(self, macro, unit_of):
        self.dwells = _dwells(macro, self.protocol.n_macrostates, unit_of, self.n_units)
        self.passages = Passages(macro, self.protocol.n_macrostates, unit_of, self.n_units)

    def in_pieces(self, dtrajs: list[np.ndarray], longest: int | None) -> Counts:
        """The same, but dwells and first passages are those within pieces of at most `longest` frames.

        The end of a trajectory cuts off the long ones, so that they are compared among trajectories of one length only.

        Parameters
        ----------
        dtrajs : list of int arrays
            What was counted.
        longest : int or None
            None: as they are.
        """
        if longest is None:
            return self
        pieces = [cut_in_pieces(self.protocol.macrostates[dtraj], longest) for dtraj in dtrajs]
        counts = copy(self)
        counts._count_stays(
            [piece for of_unit in pieces for piece in of_unit],
            np.repeat(np.arange(len(dtrajs)), list(map(len, pieces))),
        )
        return counts

    @property
    def everything(self) -> np.ndarray:
        """Weights with which each unit counts once."""
        return np.ones(self.n_units)

    def takes_long(self, n_estimates: int) -> bool:
        """Whether so many estimates take seconds."""
        return n_estimates * len(self.protocol.counted_lagtimes) * max(self.protocol.n_states, 30) ** 2 > 2_000_000

    def transition_counts(self, lagtime: int, weights: np.ndarray) -> np.ndarray | csr_array:
        """Shape (n_states, n_states); sparse if the states are many."""
        return self.transitions[lagtime].total(weights)


@dataclass
class Transitions:
    """Transitions between states in some trajectories, of those that were made in any."""

    n_states: int
    pairs: np.ndarray  # (n_pairs,) from state * n_states + to state, ascending
    counted: np.ndarray | csr_array  # (n_units, n_pairs)

    @classmethod
    def of(cls, dtrajs: list[np.ndarray], lagtime: int, n_states: int) -> Transitions:
        """Count at one lag time."""
        counted = pair_counts(dtrajs, lagtime, n_states)
        if isinstance(counted, np.ndarray):
            pairs = np.flatnonzero(counted.any(axis=0))
            return cls(n_states, pairs, counted[:, pairs])
        pairs, column = np.unique(counted.indices, return_inverse=True)
        shape = (len(dtrajs), len(pairs))
        return cls(n_states, pairs, csr_array((counted.data, column, counted.indptr), shape=shape))

    def total(self, weights: np.ndarray) -> np.ndarray | csr_array:
        """Counts of weighted trajectories, shape (n_states, n_states); sparse if the states are many."""
        n, total = self.n_states, self.counted.T @ weights
        if n > FEW_STATES:
            starts = np.searchsorted(self.pairs, n * np.arange(n + 1))
            return csr_array((total, self.pairs % n, starts), shape=(n, n))
        counts = np.zeros(n * n)
        counts[self.pairs] = total
        return counts.reshape(n, n)


def pair_counts(dtrajs, lagtime, n_states):
    """Sliding-window counts of every trajectory, shape (n_trajectories, n_states ** 2); sparse if that is large."""
    if len(dtrajs) * n_states**2 <= 100_000:
        pairs = (_numbers_of_pairs(d, lagtime, n_states) for d in dtrajs)  # one at a time: they may be long
        return np.array([np.bincount(of_unit, minlength=n_states**2) for of_unit in pairs], dtype=float)
    return vstack([_pairs(dtraj, lagtime, n_states) for dtraj in dtrajs], format="csr")


def _pairs(dtraj, lagtime, n_states):
    pairs = _numbers_of_pairs(dtraj, lagtime, n_states)
    if n_states**2 < 4 * len(pairs):
        counted = np.bincount(pairs, minlength=n_states**2)
        seen = np.flatnonzero(counted)
        counted = counted[seen]
    else:
        seen, counted = np.unique(pairs, return_counts=True)
    return csr_array((counted.astype(float), seen, [0, len(seen)]), shape=(1, n_states**2))


def _numbers_of_pairs(dtraj, lagtime, n_states):
    if len(dtraj) <= lagtime:
        return np.empty(0, dtype=np.int64)
    return dtraj[:-lagtime].astype(np.int64) * n_states + dtraj[lagtime:]  # of int32, the product could be too large


def common_length(some, others):
    """Frames of pieces in which dwells and first passages are comparable; None where trajectories are equally long."""
    ours, theirs = typical_length(some), typical_length(others)
    return None if min(ours, theirs) >= _ALIKE * max(ours, theirs) else min(ours, theirs)


def typical_length(dtrajs):
    """Frames of the trajectory that half of all frames lie in, or in a longer one."""
    lengths = np.sort([len(dtraj) for dtraj in dtrajs])
    return int(lengths[np.searchsorted(np.cumsum(lengths), lengths.sum() / 2)])


def cut_in_pieces(dtraj, longest):
    """Pieces of `longest` frames, the last one shorter."""
    return [dtraj[start : start + longest] for start in range(0, len(dtraj), longest)]


def _dwells(macro, n_macrostates, unit_of, n_units):
    """Complete dwells in each macrostate: the first and the last of a trajectory are cut by its ends."""
    edges = [np.flatnonzero(np.diff(unit)) + 1 for unit in macro]
    lengths = np.concatenate([np.diff(edge) for edge in edges])
    states = np.concatenate([unit[edge[:-1]] for unit, edge in zip(macro, edges)])
    units = np.repeat(unit_of, [max(len(edge) - 1, 0) for edge in edges])
    found = []
    for state in range(n_macrostates):
        here = states == state
        seen, position = np.unique(lengths[here], return_inverse=True)
        found.append((seen, count_table(units[here], position, n_units, len(seen))))
    return found


@dataclass
class Ground:
    """What all data sets of one scorecard are compared on: the MSMs of all MD, and their slow processes."""

    fits: dict  # lag -> ReversibleFit
    processes: dict  # lag -> Processes

    @classmethod
    def of(cls, counts: Counts) -> Ground:
        """From all units of some MD; lags at which nothing is connected are left out."""
        fits, processes = {}, {}
        for lag in counts.protocol.counted_lagtimes:
            fit = fit_or_none(counts.transition_counts(lag, counts.everything), keep_factor=True)
            if fit is not None:
                fits[lag], processes[lag] = fit, Processes.of(fit, counts.protocol.n_timescales)
        return cls(fits, processes)

    def timescales_frames(self, fit: ReversibleFit | None, lagtime: int, n_timescales: int) -> np.ndarray:
        """Timescales of the processes of all MD in another fit; NaN for those that it does not resolve.

        What is faster than the lag is not resolved either.
        """
        if fit is None or lagtime not in self.processes:
            return np.full(n_timescales, np.nan)
        own = self.processes[lagtime]
        eigenvalues = own.matched(Processes.of(fit, n_timescales), n_timescales)
        frames = timescales_of_eigenvalues(eigenvalues, lagtime)
        return np.where(frames >= lagtime, frames, np.nan)


def fit_or_none(counts, start=None, keep_factor=False):
    """A reversible MSM, or None where no two states are connected both ways."""
    try:
        return fit_reversible(counts, start, keep_factor)
    except DataError:
        return None
