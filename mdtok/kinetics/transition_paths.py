"""Transition paths counted from trajectories: how long they last, and what happens first on them.

A transition path is the last stretch between leaving the source and entering the target: all that happens on the way,
and none of the failed attempts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import binomtest

from mdtok.errors import DataError, SettingsError
from mdtok.kinetics.estimation.bootstrap import bootstrap_ratio, bootstrap_weights
from mdtok.kinetics.estimation.estimate import Estimate, poisson_interval
from mdtok.kinetics.estimation.passages import independent_units
from mdtok.tokens.dtrajs import as_dtrajs

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_FEW_PATHS = 10  # below this the interval also covers that of exponential durations, wider than those of any one route
_OUTSIDE, _SOURCE, _TARGET = 0, 1, 2


@dataclass
class TransitionPaths:
    """Every transition path from one set of states to another (see `find_transition_paths`).

    Attributes
    ----------
    source, target : tuple of int
        States that the paths leave and enter.
    dt_ps : float
    spans : ndarray of int, shape (n_paths, 3)
        Trajectory, last frame in the source, first frame in the target.
    mean_ps : Estimate
        Mean duration with its 95 % interval; NaN where there is no path.
    """

    source: tuple
    target: tuple
    dt_ps: float
    spans: np.ndarray
    mean_ps: Estimate

    def __len__(self) -> int:
        return len(self.spans)

    @property
    def durations_ps(self) -> np.ndarray:
        """How long each path lasts, shape (n_paths,)."""
        return (self.spans[:, 2] - self.spans[:, 1]) * float(self.dt_ps)

    def to_dict(self) -> dict:
        """For JSON."""
        return {
            "source": self.source,
            "target": self.target,
            "dt_ps": self.dt_ps,
            "n_paths": len(self),
            "mean_ps": self.mean_ps.to_dict(),
            "durations_ps": self.durations_ps,
            "spans_frames": self.spans,
        }

    @classmethod
    def from_dict(cls, content: dict) -> TransitionPaths:
        """From what `to_dict` gave."""
        ends = tuple(content["source"]), tuple(content["target"])
        spans = np.asarray(content["spans_frames"], dtype=np.int64).reshape(-1, 3)
        return cls(*ends, content["dt_ps"], spans, Estimate.of(content["mean_ps"]))

    def __str__(self):
        route = f"{name_states(self.source)} → {name_states(self.target)}"
        if not len(self):
            return f"no transition path {route}"
        quantiles = ", ".join(f"{q:.4g}" for q in np.percentile(self.durations_ps, [5, 50, 95]))
        return (
            f"{len(self)} transition paths {route}: mean {self.mean_ps:.4g} ps; 5 %, 50 %, 95 % of them last up to "
            f"{quantiles} ps"
        )

    def plot(self, ax: Axes | None = None, name: str = "MD") -> Axes:
        """Draw a histogram of the durations; gives the matplotlib axes."""
        from mdtok.report import plot_transition_path_times

        return plot_transition_path_times({name: self}, ax=ax)


def find_transition_paths(
    dtrajs: list[np.ndarray],
    source: int | Sequence[int],
    target: int | Sequence[int],
    dt_ps: float = 1.0,
    n_states: int | None = None,
    n_bootstrap: int = 200,
    seed: int = 0,
) -> TransitionPaths:
    """Transition paths in trajectories, and their mean duration with a 95 % interval.

    A path runs from the last frame in the source to the first frame in the target, with no frame of either between
    them. A jump without a frame between them lasts one frame: times of a few frames are not resolved. Paths that an end
    of a trajectory cuts are not seen, so that trajectories should be much longer than a path (they need not be longer
    than the wait for one).

    Parameters
    ----------
    dtrajs : list of int arrays, shape (n_frames,) each
        States or macrostates; -1 is in neither set.
    source, target : int or list of int
        States that a path leaves, and enters.
    dt_ps : float
    n_states : int, optional
    n_bootstrap : int
        Resamplings of whole trajectories (of time blocks, where there are fewer than 8); a path belongs to the block in
        which it ends. With fewer than 10 paths the interval is widened to the exact one of exponential durations.
    seed : int

    Returns
    -------
    TransitionPaths

    Raises
    ------
    SettingsError
        A set is empty, or source and target overlap.
    DataError
        A set is never visited, or the trajectories are too few and too short for error bars.

    References
    ----------
    G. Hummer, J. Chem. Phys. 120, 516 (2004).

    Examples
    --------
    >>> paths = find_transition_paths([np.array([0, 1, 0, 1, 1, 2, 2, 1, 0])] * 8, source=0, target=2, dt_ps=2.0)
    >>> len(paths), float(paths.mean_ps.value), paths.spans[0].tolist()
    (8, 6.0, [0, 2, 5])
    """
    dtrajs = as_dtrajs(dtrajs, n_states, outside=True)
    source, target = as_ends(source, target)
    _require_visited(dtrajs, source, target)
    spans = np.concatenate([_spans(dtraj, index, source, target) for index, dtraj in enumerate(dtrajs)])
    return TransitionPaths(source, target, dt_ps, spans, _mean_frames(spans, dtrajs, n_bootstrap, seed) * dt_ps)


def as_ends(source, target):
    """Source and target as sorted tuples of states, checked to be there and apart."""
    ends = []
    for name, states in (("source", source), ("target", target)):
        found = np.unique(np.atleast_1d(states))
        if found.ndim != 1 or found.size == 0 or found.dtype.kind not in "iu" or found[0] < 0:
            raise SettingsError(f"{name} is {states!r}; a state, or a list of states, was expected.")
        ends.append(tuple(found.tolist()))
    both = sorted(set(ends[0]) & set(ends[1]))
    if both:
        raise SettingsError(f"The states {name_states(both)} are in source and target; give each to one of them.")
    return ends


def name_states(states, names=None):
    """States as a reader sees them, in one text."""
    return ", ".join(str(state) if names is None else str(names[state]) for state in states)


def _require_visited(dtrajs, source, target):
    seen = set(np.unique(np.concatenate(dtrajs)).tolist())
    for name, states in (("source", source), ("target", target)):
        if not seen & set(states):
            raise DataError(
                f"No frame is in the {name} ({name_states(states)}); the trajectories visit "
                f"{name_states(sorted(seen - {-1})[:10])}{' …' if len(seen) > 10 else ''}."
            )


def _spans(dtraj, index, source, target):
    """Trajectory, last frame in the source and first frame in the target of each path, shape (n_paths, 3)."""
    ends = np.where(np.isin(dtraj, source), _SOURCE, np.where(np.isin(dtraj, target), _TARGET, _OUTSIDE))
    frames = np.flatnonzero(ends)  # of either end: a path is a frame of the source followed by one of the target
    ends = ends[frames]
    leaves = np.flatnonzero((ends[:-1] == _SOURCE) & (ends[1:] == _TARGET))
    return np.column_stack([np.full(len(leaves), index), frames[leaves], frames[leaves + 1]])


def _mean_frames(spans, dtrajs, n_bootstrap, seed):
    firsts = np.concatenate([[0], np.cumsum([len(dtraj) for dtraj in dtrajs])])
    units = independent_units([np.arange(first, stop) for first, stop in pairwise(firsts)])
    arrivals = firsts[spans[:, 0]] + spans[:, 2]
    unit = np.searchsorted([frames[0] for frames in units if len(frames)], arrivals, side="right") - 1
    frames = np.bincount(unit, spans[:, 2] - spans[:, 1], minlength=len(units))
    n_paths = np.bincount(unit, minlength=len(units))
    mean = bootstrap_ratio(frames, n_paths, bootstrap_weights(len(units), n_bootstrap, seed))
    if 0 < len(spans) < _FEW_PATHS:
        fewest, most = poisson_interval(len(spans))
        mean = Estimate(mean.value, np.fmin(mean.low, frames.sum() / most), np.fmax(mean.high, frames.sum() / fewest))
    return mean


@dataclass
class EventOrder:
    """Which of several coordinates crosses over first on transition paths (see `order_of_events`).

    Attributes
    ----------
    names : list of str
        Of the coordinates.
    thresholds : ndarray, shape (n_coordinates,)
    crossing_ps : ndarray, shape (n_paths, n_coordinates)
        When each coordinate crosses for the last time, counted from the last frame in the source: 0 where it was across
        all along, infinite where it arrives uncrossed.
    """

    names: list
    thresholds: np.ndarray
    crossing_ps: np.ndarray

    @property
    def n_paths(self) -> int:
        return len(self.crossing_ps)

    @property
    def n_first(self) -> np.ndarray:
        """On how many paths each coordinate is first, and alone, int array of shape (n_coordinates,)."""
        earliest = self.crossing_ps == self.crossing_ps.min(axis=1, keepdims=True)
        return earliest[earliest.sum(axis=1) == 1].sum(axis=0)

    @property
    def n_undecided(self) -> int:
        """Paths on which two coordinates cross in the same frame, or had both crossed before."""
        return self.n_paths - int(self.n_first.sum())

    @property
    def shares(self) -> Estimate:
        """Estimate, shape (n_coordinates,): share of the decided paths that each is first on, exact binomial 95 %."""
        n_decided = self.n_paths - self.n_undecided
        if n_decided == 0:
            return Estimate(*np.full((3, len(self.names)), np.nan))
        intervals = [binomtest(int(n), n_decided).proportion_ci(0.95, method="exact") for n in self.n_first]
        return Estimate(self.n_first / n_decided, *np.array([(i.low, i.high) for i in intervals]).T)

    def to_dict(self) -> dict:
        """For JSON."""
        return {
            "names": self.names,
            "thresholds": self.thresholds,
            "n_paths": self.n_paths,
            "n_first": self.n_first,
            "n_undecided": self.n_undecided,
            "share_first": self.shares.to_dict(),
            "crossing_ps": self.crossing_ps,
        }

    def __str__(self):
        shares, width = self.shares, max(len("coordinate"), *map(len, self.names))
        lines = [f"{'coordinate':<{width}}  {'threshold':>9}  {'first on':>8}  share of the decided (95 %)"]
        for k, name in enumerate(self.names):
            share = f"{shares[k]:.2f}"
            lines.append(f"{name:<{width}}  {self.thresholds[k]:>9.3g}  {self.n_first[k]:>8}  {share}")
        return "\n".join([*lines, f"{self.n_paths} transition paths, {self.n_undecided} undecided"])


def order_of_events(
    paths: TransitionPaths,
    coordinates: Mapping[str, list[np.ndarray]],
    dtrajs: list[np.ndarray],
    thresholds: Mapping[str, float] | None = None,
) -> EventOrder:
    """Which of several progress coordinates crosses its threshold first on transition paths, once and for all.

    On each path the last crossing counts, after which the coordinate stays on the target's side until the target is
    reached: contacts that form and break again have not formed yet.

    Parameters
    ----------
    paths : TransitionPaths
    coordinates : dict of str -> list of float arrays, shape (n_frames,) each
        Such as the fractions of native contacts of two hairpins, one array a trajectory of `dtrajs`.
    dtrajs : list of int arrays, shape (n_frames,) each
        What `paths` were found in.
    thresholds : dict of str -> float, optional
        Of the coordinates that have another one than halfway between their means in the source and in the target.

    Returns
    -------
    EventOrder

    Raises
    ------
    SettingsError
        Fewer than two coordinates, or a threshold for one that is not there.
    DataError
        There is no path, coordinates are not finite or not those of these trajectories, or a coordinate is the same in
        source and target.

    Notes
    -----
    The interval of a share is the exact one of Clopper and Pearson, Biometrika 26, 404 (1934), for independent paths.

    Examples
    --------
    >>> dtrajs = [np.array([0, 1, 1, 1, 2])] * 8
    >>> paths = find_transition_paths(dtrajs, source=0, target=2)
    >>> hairpin_1, hairpin_2 = np.array([0, 1, 0, 1, 1.0]), np.array([0, 0, 1, 1, 1.0])
    >>> order = order_of_events(paths, {"hairpin 1": [hairpin_1] * 8, "hairpin 2": [hairpin_2] * 8}, dtrajs)
    >>> order.n_first.tolist(), order.crossing_ps[0].tolist()
    ([0, 8], [3.0, 2.0])
    """
    dtrajs = as_dtrajs(dtrajs, outside=True)
    if len(coordinates) < 2:
        raise SettingsError(f"{len(coordinates)} coordinates were given; an order takes two or more.")
    thresholds = thresholds or {}
    unknown = sorted(set(thresholds) - set(coordinates))
    if unknown:
        raise SettingsError(f"thresholds has {', '.join(unknown)}; the coordinates are {', '.join(coordinates)}.")
    if not len(paths):
        route = f"{name_states(paths.source)} → {name_states(paths.target)}"
        raise DataError(f"No transition path {route} was found, so nothing has an order; take longer trajectories.")
    found = [_crossings(name, values, paths, dtrajs, thresholds.get(name)) for name, values in coordinates.items()]
    limits, crossings = zip(*found)
    return EventOrder(list(coordinates), np.array(limits), np.column_stack(crossings) * float(paths.dt_ps))


def _crossings(name, values, paths, dtrajs, threshold):
    """Threshold of one coordinate, and the frame of its last crossing on each path, counted from the path's start."""
    values = [np.asarray(of_dtraj, dtype=float) for of_dtraj in values]
    shapes, expected = [of_dtraj.shape for of_dtraj in values], [dtraj.shape for dtraj in dtrajs]
    if shapes != expected:
        wrong = [
            f"shape {s} for trajectory {k} of shape {e}" for k, (s, e) in enumerate(zip(shapes, expected)) if s != e
        ]
        seen = wrong[0] if wrong else f"{len(shapes)} arrays for {len(expected)} trajectories"
        raise DataError(f"{name} has {seen}; one value a frame of each trajectory was expected.")
    every, tokens = np.concatenate(values), np.concatenate(dtrajs)
    if not np.isfinite(every).all():
        raise DataError(f"{name} holds NaN or infinity; mend or cut those frames.")
    in_source, in_target = every[np.isin(tokens, paths.source)].mean(), every[np.isin(tokens, paths.target)].mean()
    if in_source == in_target:
        raise DataError(
            f"{name} is {in_source:g} on average in source and target alike; take a coordinate that differs."
        )
    threshold = (in_source + in_target) / 2 if threshold is None else float(threshold)
    crossings = []
    for index, left, arrived in paths.spans:
        on_path = values[index][left : arrived + 1]
        before = np.flatnonzero((on_path < threshold) if in_target > in_source else (on_path > threshold))
        last = before[-1] if len(before) else -1
        crossings.append(np.inf if last == len(on_path) - 1 else last + 1)
    return threshold, np.array(crossings, dtype=float)
