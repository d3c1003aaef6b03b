"""The MD that models are held against, and how far a perfect model would be off: the noise floor.

Like is held against like. Where one side's trajectories are shorter, dwell and passage times of both are counted in
pieces of that length, as the end of a trajectory cuts off the long ones. Where less was generated than half of the MD,
the floor is what MD of the same shape is off by: the scatter of little data is not that of much data, scaled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from mdtok.kinetics.estimation.cores import map_on_cores
from mdtok.kinetics.estimation.counts import Counts, Ground, Protocol, common_length, cut_in_pieces
from mdtok.kinetics.estimation.passages import independent_units
from mdtok.kinetics.scoring.comparison import (
    Kinetics,
    NoiseFloor,
    compare_all,
    estimate_halves,
    estimate_kinetics,
    with_stays_of,
)

_SHORT = 1 / 2  # of the MD; of less than that, halves of the MD say too little


@dataclass
class Reference:
    """The MD as a model of some lag sees it: one frame in `stride`.

    Attributes
    ----------
    md, test : lists of int arrays
        Every `stride`-th frame of all MD, and of what models are held against.
    protocol : Protocol
        Of such frames.
    n_md, n_test : int
        All frames, those between too.
    n_splits, seed : int
        Halves, or pieces, behind the noise floor.
    """

    md: list
    test: list
    protocol: Protocol
    n_md: int
    n_test: int
    n_splits: int
    seed: int
    _compared: dict = field(default_factory=dict)

    @classmethod
    def of(cls, md, test, protocol, stride, n_splits, seed) -> Reference:
        """Of frame-by-frame MD and its protocol."""
        thinned = [dtraj[::stride] for dtraj in test if len(dtraj) > stride]
        sizes = sum(map(len, md)), sum(map(len, test))
        return cls([dtraj[::stride] for dtraj in md], thinned, protocol.every(stride), *sizes, n_splits, seed)

    @cached_property
    def units(self) -> list:
        """Trajectories of all MD, or blocks of few of them."""
        return independent_units(self.md)

    @cached_property
    def counts_of_units(self) -> Counts:
        return Counts(self.units, self.protocol)

    @cached_property
    def ground(self) -> Ground:
        """The processes of all MD."""
        return Ground.of(self.counts_of_units)

    @cached_property
    def counts(self) -> Counts:
        """Of what models are held against."""
        return Counts(self.test, self.protocol)

    @cached_property
    def floor(self) -> NoiseFloor:
        """Differences between random halves of all MD, of whole trajectories."""
        return self._floor(compare_all(self._of_halves))

    def _floor(self, differences):
        return NoiseFloor(4 / self.n_md, differences, len(self.units))  # two halves of n frames: 2/n + 2/n

    @cached_property
    def _halves(self):
        rng, numbers, n = np.random.default_rng(self.seed), np.arange(len(self.units)), len(self.units) // 2
        return [np.isin(numbers, rng.permutation(numbers)[:n]) for _ in range(self.n_splits)]

    @cached_property
    def _of_halves(self):
        return estimate_halves(self.counts_of_units, self.ground, self._halves)

    def is_long(self, n_frames: int) -> bool:
        """Whether so many frames can be judged by halves of the MD."""
        return n_frames >= _SHORT * self.n_md

    def common_length(self, dtrajs: list[np.ndarray]) -> int | None:
        """Frames of pieces to compare dwells and passages in; None where trajectories are as long as those of MD."""
        return common_length(dtrajs, self.test)

    def compared_with(self, dtrajs: list[np.ndarray], stride: int, kinetics: Kinetics) -> tuple[Kinetics, NoiseFloor]:
        """The MD's `kinetics` as they are to be held against generated trajectories, and the floor, not yet scaled.

        `kinetics` are those of `test`; only dwells and passages of it change.
        """
        longest = self.common_length(dtrajs)
        short = not self.is_long(sum(map(len, dtrajs)) * stride)
        key = (longest, tuple(map(len, dtrajs)) if short else None)
        if key not in self._compared:
            stays = self.counts.in_pieces(self.test, longest)
            floor = self._floor_of_shape(dtrajs, stride, longest) if short else self._floor_in_pieces(longest)
            self._compared[key] = stays, floor
        stays, floor = self._compared[key]
        return (kinetics if longest is None else with_stays_of(kinetics, stays)), floor

    def _floor_in_pieces(self, longest):
        if longest is None:
            return self.floor
        stays = self.counts_of_units.in_pieces(self.units, longest)
        pairs = [
            tuple(with_stays_of(one, stays, units) for one, units in zip(pair, (half, ~half)))
            for pair, half in zip(self._of_halves, self._halves)
        ]
        return self._floor(compare_all(pairs))

    def _floor_of_shape(self, dtrajs, stride, longest):
        """Of pieces of MD of the lengths of generated trajectories, against all MD."""
        whole = estimate_kinetics(self.counts_of_units.in_pieces(self.units, longest), self.ground)
        lengths = [
            len(piece) for dtraj in dtrajs for piece in ([dtraj] if longest is None else cut_in_pieces(dtraj, longest))
        ]

        def of_piece(seed):
            drawn = draw_pieces(self.md, lengths, np.random.default_rng(seed))
            return estimate_kinetics(Counts(drawn, self.protocol), self.ground), whole

        seeds = np.random.default_rng(self.seed).integers(2**31, size=self.n_splits)
        pairs = map_on_cores(of_piece, seeds, self.counts_of_units.takes_long(self.n_splits))
        # a piece is part of the MD that it is held against
        variance = 1 / (sum(lengths) * stride) - 1 / self.n_md
        return NoiseFloor(variance, compare_all(pairs), len(self.units), of_shape=True)


def draw_pieces(dtrajs, lengths, rng):
    """A stretch of each length, from anywhere; as long as there is where no trajectory is so long.

    Examples
    --------
    >>> [len(piece) for piece in draw_pieces([np.arange(5), np.arange(9)], [3, 7, 20], np.random.default_rng(1))]
    [3, 7, 9]
    """
    n_frames = np.array([len(dtraj) for dtraj in dtrajs])
    pieces = []
    for length in lengths:
        length = min(length, n_frames.max())
        starts = np.cumsum(np.maximum(n_frames - length + 1, 0))
        place = int(rng.integers(starts[-1]))
        which = int(np.searchsorted(starts, place, side="right"))
        start = place - (starts[which - 1] if which else 0)
        pieces.append(dtrajs[which][start : start + length])
    return pieces
