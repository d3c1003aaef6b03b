"""Equivalent MD time: how much MD is as far from long MD as a model is.

Pieces of MD of growing length are held against the MD by the metrics that a model is held against it. The length at
which they are off by as much as the model is what the model is worth. Each metric gives one, and all of them together
the headline.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdtok.kinetics.estimation.cores import map_on_cores
from mdtok.kinetics.estimation.counts import Counts, Ground, Protocol
from mdtok.kinetics.estimation.estimate import Estimate
from mdtok.kinetics.estimation.passages import independent_units
from mdtok.kinetics.scoring.comparison import (
    METRICS,
    RATIOS,
    Kinetics,
    compare,
    compare_all,
    estimate_halves,
    estimate_kinetics,
)

ALL = "all"  # the metrics together
_N_PIECES = 80
_SPACING = 2.5  # of the lengths of pieces
_LARGEST_SHARE = 1 / 4  # of the MD; of longer pieces there are too few, and halves of the MD stand for them
_N_LONGER = 8  # lengths beyond, the last without end
_MAX_RATIO = np.log(10.0)  # what is off by more, or never happens, counts as off by ten
_WORST = {"populations_jsd": np.sqrt(np.log(2)), "dwell_ks": 1.0, "ck_rmse": 1.0} | dict.fromkeys(RATIOS, _MAX_RATIO)
_TAIL = 0.025
_TELLING = 2.0  # the shortest pieces have to be this much further off than endless MD for the metric to tell lengths


@dataclass
class Yardstick:
    """Errors of MD pieces of growing length, metric by metric.

    Attributes
    ----------
    protocol : Protocol
        Of macrostates.
    ground : Ground
    reference : Kinetics
        Of the MD that models are held against.
    lengths_frames : ndarray, shape (n_lengths,)
        The last is infinite.
    n_md_frames : int
        All MD there is.
    errors : dict of str -> ndarray, shape (n_lengths, n_pieces)
        Root mean square over the items of a metric, in units of their scatter between halves of the MD; under "all" the
        geometric mean of the metrics.
    spreads : dict of str -> ndarray
        That scatter, one entry an item; NaN for what the MD cannot tell.
    longest : int or None
        Frames of the pieces that dwells and first passages are counted in, see `Counts.in_pieces`.
    """

    protocol: Protocol
    ground: Ground
    reference: Kinetics | None
    lengths_frames: np.ndarray
    n_md_frames: int
    errors: dict
    spreads: dict
    longest: int | None = None

    @classmethod
    def of(cls, md, test, protocol, n_splits=100, seed=0, longest=None) -> Yardstick:
        """Measure pieces of MD.

        Parameters
        ----------
        md : list of int arrays, shape (n_frames,) each
            Macrostates of all MD.
        test : list of int arrays
            The part of it that models are held against, or all of it.
        protocol : Protocol
            Of macrostates.
        n_splits, seed : int
        longest : int, optional
            Of the trajectories that are to be measured, where they are shorter than those of the MD.
        """
        blocks, n_md, n_test = independent_units(md), sum(map(len, md)), sum(map(len, test))
        units, rng = Counts(blocks, protocol).in_pieces(blocks, longest), np.random.default_rng(seed)
        stick = cls(protocol, Ground.of(units), None, np.empty(0), n_md, {}, {}, longest)
        ground, stick.reference = stick.ground, stick._estimate(test)
        halves = [rng.permutation(units.n_units) < units.n_units // 2 for _ in range(n_splits)]
        differences = compare_all(estimate_halves(units, ground, halves))
        stick.spreads = {m: _spread(linear(differences[m], m)) for m in METRICS}
        from_halves = [stick._sizes({m: differences[m][k] for m in METRICS}) for k in range(n_splits)]

        whole, lengths = stick._estimate(md), _lengths(n_md, protocol)

        def of_piece(length_and_seed):
            length, piece_seed = length_and_seed
            piece = stick._estimate(cut_piece(md, length, np.random.default_rng(piece_seed)))
            # the piece is part of the MD that it is held against; a model is not
            scale = np.sqrt((1 / length + 1 / n_test) / (1 / length - 1 / n_md))
            return stick._sizes(compare(piece, whole), scale)

        drawn = [(int(length), int(each)) for length in lengths for each in rng.integers(2**31, size=_N_PIECES)]
        sizes = map_on_cores(of_piece, drawn, n_md > 1e5)
        longer = np.append(np.geomspace(lengths[-1], 20 * n_md, _N_LONGER)[1:], np.inf)
        for length in longer:  # halves differ with the variance 4 / n_md
            scale = np.sqrt((1 / length + 1 / n_test) / (4 / n_md))
            chosen = rng.integers(n_splits, size=_N_PIECES)
            sizes += [{m: size * scale for m, size in from_halves[k].items()} for k in chosen]
        stick.lengths_frames = np.append(lengths, longer)
        shape = (len(stick.lengths_frames), _N_PIECES)
        stick.errors = {m: np.array([size[m] for size in sizes]).reshape(shape) for m in (*METRICS, ALL)}
        return stick

    def _sizes(self, difference, scale=1.0):
        """Root mean square of each metric's items over their scatter, and the geometric mean of these."""
        sizes = {m: _size(linear(difference[m], m), self.spreads[m], m, scale) for m in METRICS}
        told = [max(size, 1e-12) for size in sizes.values() if np.isfinite(size)]
        return sizes | {ALL: float(np.exp(np.mean(np.log(told)))) if told else np.nan}

    def _estimate(self, dtrajs):
        return estimate_kinetics(Counts(dtrajs, self.protocol).in_pieces(dtrajs, self.longest), self.ground)

    def errors_of(self, dtrajs) -> dict[str, float]:
        """Where trajectories stand on the yardstick: their error by each metric and by "all"."""
        return self._sizes(compare(self._estimate(dtrajs), self.reference))

    def equivalent(self, dtrajs) -> dict[str, Estimate]:
        """The MD time that trajectories are worth; see `lengths_with`."""
        return self.lengths_with(self.errors_of(dtrajs))

    def lengths_with(self, errors: dict[str, float]) -> dict[str, Estimate]:
        """The length of MD, in frames, that has such an error, by each metric and by "all".

        A value, or an upper end, is infinite where they are better than all MD there is; the lower end is 0 where they
        are worse than the shortest piece. NaN where the MD cannot tell.
        """
        return {metric: self._length_with(metric, error) for metric, error in errors.items()}

    def _length_with(self, metric, size):
        unknown = Estimate(*(np.array(np.nan) for _ in range(3)))
        typical = np.median(self.errors[metric], axis=1)
        if not np.isfinite(size) or not typical[0] > _TELLING * typical[-1]:
            return unknown
        below = np.maximum.accumulate((self.errors[metric] <= size).mean(axis=1))  # (n_lengths,)
        low, value, high = (self._length_where(below, share) for share in (_TAIL, 0.5, 1 - _TAIL))
        if low == 0 and np.isinf(high):
            return unknown
        high = max(high, self.lengths_frames[0])  # worse than the shortest piece: worth less than that
        value, high = (np.inf if x > self.n_md_frames else x for x in (value, high))
        return Estimate(np.array(value), np.array(min(low, self.n_md_frames)), np.array(high))

    def _length_where(self, below, share):
        """The length at which so many pieces are better than the model: 0 before the shortest, else infinite."""
        reached = np.flatnonzero(below >= share)
        if not len(reached):
            return np.inf
        k = reached[0]
        if k == 0:
            return 0.0
        if np.isinf(self.lengths_frames[k]):
            return np.inf
        part = (share - below[k - 1]) / (below[k] - below[k - 1])
        first, second = np.log(self.lengths_frames[k - 1 : k + 1])
        return float(np.exp(first + part * (second - first)))

    def curve(self, dt_ps) -> dict:
        """Error against MD length, for a figure: median and 95 % band of "all"."""
        finite = np.isfinite(self.lengths_frames)
        low, median, high = np.quantile(self.errors[ALL], [_TAIL, 0.5, 1 - _TAIL], axis=1)
        return {
            "length_ps": self.lengths_frames[finite] * dt_ps,
            "error": {"value": median[finite], "low": low[finite], "high": high[finite]},
            "endless": {"value": median[-1], "low": low[-1], "high": high[-1]},
            "md_ps": self.n_md_frames * dt_ps,
        }


def _lengths(n_md, protocol):
    """Lengths of pieces, evenly on a logarithmic scale: from a few lag times up to a quarter of the MD."""
    longest = int(n_md * _LARGEST_SHARE)
    shortest = min(max(10 * protocol.lagtime, n_md // 1000, 20), max(longest // 2, 2))
    n_lengths = 1 + max(1, round(np.log(longest / shortest) / np.log(_SPACING)))
    return np.unique(np.geomspace(shortest, longest, n_lengths).astype(int))


def cut_piece(dtrajs, n_frames, rng):
    """So many frames in a row, from a random place on; where a trajectory ends, another one goes on.

    Examples
    --------
    >>> [piece.tolist() for piece in cut_piece([np.arange(5)], 3, np.random.default_rng(1))]
    [[1, 2, 3]]
    """
    order = rng.permutation(len(dtrajs))
    lengths = np.array([len(dtraj) for dtraj in dtrajs])
    first = order[0] if len(dtrajs) == 1 else int(rng.choice(len(dtrajs), p=lengths / lengths.sum()))
    others = [int(k) for k in order if k != first]
    start = int(rng.integers(max(lengths[first] - n_frames, 0) + 1))
    piece = [dtrajs[first][start : start + n_frames]]
    missing = n_frames - len(piece[0])
    for k in others:
        if missing <= 0:
            break
        start = int(rng.integers(max(lengths[k] - missing, 0) + 1))
        piece.append(dtrajs[k][start : start + missing])
        missing -= len(piece[-1])
    return piece


def linear(difference, metric):
    """A difference that grows with the square root of 1/length: of a divergence the square root."""
    return np.sqrt(np.maximum(difference, 0.0)) if metric == "populations_jsd" else difference


def _spread(halves):
    """Root mean square of each item over splits, first axis; NaN where fewer than nine in ten tell."""
    told = np.isfinite(halves)
    squares = np.where(told, halves, 0.0) ** 2
    spread = np.sqrt(squares.sum(axis=0) / np.maximum(told.sum(axis=0), 1))
    return np.where((told.mean(axis=0) >= 0.9) & (spread > 0), spread, np.nan)


def _size(difference, spread, metric, scale):
    known = np.isfinite(spread)
    if not known.any():
        return np.nan
    off = np.where(np.isfinite(difference), np.abs(difference) * scale, np.inf)[known]
    return float(np.sqrt(np.mean((np.minimum(off, _WORST[metric]) / spread[known]) ** 2)))
