"""Free energies from weighted frames of biased simulations, with intervals, and how they came about in time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import logsumexp

from mdtok.errors import DataError
from mdtok.kinetics.biasing.metadynamics import Metadynamics, metadynamics_log_weights
from mdtok.kinetics.biasing.umbrella import Umbrella, UmbrellaWeights
from mdtok.kinetics.estimation.bootstrap import widened
from mdtok.kinetics.estimation.estimate import Estimate, as_plain
from mdtok.kinetics.estimation.estimators import free_energies_kt
from mdtok.kinetics.estimation.passages import independent_units
from mdtok.progress import tracked
from mdtok.tokens.commitment import count_transitions

FEWEST_FRAMES = 40
_MOST_FRAMES_OF_A_WINDOW = 500
_BLOCKS_OF_A_WINDOW = 10
_FEW_CROSSINGS, _COMMIT_FRAMES = 10, 10
_ENDLESS_KT = 1e9


@dataclass
class BiasedFreeEnergy:
    """What biased simulations say of an equilibrium.

    Attributes
    ----------
    method : {"metadynamics", "umbrella"}
    edges : ndarray, shape (n_bins + 1,)
        Bins of the collective variable.
    free_energy_kt : Estimate, shape (n_bins,)
        Along it, above the lowest bin; infinite where nothing was seen.
    state : str
        The state that was asked for, in words; empty where none was.
    state_kt : Estimate or None
        Its free energy less that of all else, ``-ln(p / (1 - p))``; infinite where it was never seen.
    md_ns : float
        MD of all walkers or windows together, without the short simulations before it.
    times_ns : ndarray, shape (n_times,)
        Of ``state_kt_at``, MD of all together.
    state_kt_at : ndarray, shape (n_times,)
        The same free energy from the MD up to then; NaN where it was not known.
    n_crossings : int
        How often walkers went into the state or out of it, and stayed for ten frames.
    remarks : list of str
        What a reader has to know.
    """

    method: str
    edges: np.ndarray
    free_energy_kt: Estimate
    state: str
    state_kt: Estimate | None
    md_ns: float
    times_ns: np.ndarray
    state_kt_at: np.ndarray
    n_crossings: int
    remarks: list[str] = field(default_factory=list)

    @property
    def centres(self) -> np.ndarray:
        """Middles of the bins, shape (n_bins,)."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    def ns_to_stay_within(self, reference_kt: float, tolerance_kt: float = 0.5) -> float:
        """MD in ns after which the state stays within `tolerance_kt` of a reference; NaN if never."""
        near = np.abs(self.state_kt_at - reference_kt) <= tolerance_kt
        if not len(near) or not near[-1]:
            return np.nan
        away = np.flatnonzero(~near)
        return float(self.times_ns[away[-1] + 1 if len(away) else 0])

    def __str__(self) -> str:
        lines = [f"{self.method}, {self.md_ns:.4g} ns of MD"]
        if self.state_kt is not None:
            lines.append(
                f"free energy of {self.state}: {self.state_kt:.2f} kT (95 %), {self.n_crossings} crossings"
                if np.isfinite(self.state_kt.value)
                else f"{self.state}: not seen on both sides in this MD; make it longer, or choose another CV"
            )
        return "\n".join([*lines, *self.remarks])

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return as_plain(vars(self))

    @classmethod
    def from_dict(cls, content: dict) -> BiasedFreeEnergy:
        """From what `to_dict` gave; energies that were infinite are NaN."""
        arrays = {key: np.array(content[key], dtype=float) for key in ("edges", "times_ns", "state_kt_at")}
        state = content["state_kt"]
        estimates = {
            "free_energy_kt": Estimate.of(content["free_energy_kt"]),
            "state_kt": None if state is None else Estimate.of(state),
        }
        return cls(**{**content, **arrays, **estimates})


@dataclass(frozen=True)
class Walk:
    """One biased simulation, frame by frame.

    Attributes
    ----------
    values : ndarray, shape (n_frames,)
        The collective variable.
    inside : ndarray of bool, shape (n_frames,), or None
        Whether it is in the state.
    """

    values: np.ndarray
    inside: np.ndarray | None

    def __getitem__(self, frames) -> Walk:
        return Walk(self.values[frames], None if self.inside is None else self.inside[frames])


class WeightedWalks(ABC):
    """Walks under a bias, in units that may be drawn anew, with weights."""

    walks: list[Walk]
    #: How many resamples, and at how many times, are worth the while.
    n_bootstrap: int
    n_times: int

    def pieces(self, first: float, last: float) -> list[tuple[int, np.ndarray]]:
        """The walks between two fractions of their time: number of each, and its frames."""
        n_frames = [len(walk.values) for walk in self.walks]
        found = [(number, np.arange(int(first * n), int(last * n))) for number, n in enumerate(n_frames)]
        return [(number, frames) for number, frames in found if len(frames)]

    @abstractmethod
    def units(self, first: float, last: float) -> list[tuple[int, np.ndarray]]:
        """The same in independent units."""

    @abstractmethod
    def drawn(self, units: list, rng: np.random.Generator) -> list:
        """As many units, drawn with replacement."""

    @abstractmethod
    def log_weights(self, units: list) -> np.ndarray:
        """Logarithms of the weights of all frames of units, one after another."""

    def remarks(self, units: list) -> list[str]:
        """What a reader of the free energies has to know."""
        return []

    def gathered(self, units: list) -> Walk:
        """All frames of units, one after another."""
        parts = [self.walks[number][frames] for number, frames in units]
        inside = None if parts[0].inside is None else np.concatenate([part.inside for part in parts])
        return Walk(np.concatenate([part.values for part in parts]), inside)


class MetadynamicsWalks(WeightedWalks):
    """Independent walkers of metadynamics; units are walkers, or time blocks where they are few.

    Parameters
    ----------
    bias : Metadynamics
    hills : list of arrays, shape (n_hills, 2) each
    walks : list of Walk
    steps_per_frame : int
    """

    n_bootstrap, n_times = 500, 100

    def __init__(
        self, bias: Metadynamics, hills: list[np.ndarray], walks: list[Walk], steps_per_frame: int, progress: bool
    ) -> None:
        self.walks = walks
        self._log_weights = [
            metadynamics_log_weights(bias, added, walk.values, steps_per_frame * np.arange(1, len(walk.values) + 1))
            for added, walk in zip(tracked(hills, desc="weights", disable=not progress), walks)
        ]

    def units(self, first, last):
        """See `WeightedWalks.units`."""
        pieces = self.pieces(first, last)
        numbered = [np.stack([np.full(len(frames), number), frames], axis=1) for number, frames in pieces]
        return [(int(unit[0, 0]), unit[:, 1]) for unit in independent_units(numbered)]

    def drawn(self, units, rng):
        """See `WeightedWalks.drawn`."""
        return [units[k] for k in rng.integers(0, len(units), len(units))]

    def log_weights(self, units):
        """See `WeightedWalks.log_weights`."""
        return np.concatenate([self._log_weights[number][frames] for number, frames in units])


class UmbrellaWalks(WeightedWalks):
    """Windows of umbrella sampling; units are time blocks, drawn within each window.

    Parameters
    ----------
    windows : list of Umbrella
    walks : list of Walk
    kt_kj_mol : float
    """

    n_bootstrap, n_times = 200, 40  # each solves MBAR again

    def __init__(self, windows: list[Umbrella], walks: list[Walk], kt_kj_mol: float) -> None:
        self.walks, self._weights = walks, UmbrellaWeights(windows, kt_kj_mol)

    def pieces(self, first, last):
        """See `WeightedWalks.pieces`; of long windows, frames at even distances."""
        found = super().pieces(first, last)
        return [(number, frames[:: -(-len(frames) // _MOST_FRAMES_OF_A_WINDOW)]) for number, frames in found]

    def units(self, first, last):
        """See `WeightedWalks.units`."""
        pieces = self.pieces(first, last)
        return [(number, block) for number, frames in pieces for block in np.array_split(frames, _BLOCKS_OF_A_WINDOW)]

    def drawn(self, units, rng):
        """See `WeightedWalks.drawn`."""
        numbers = np.array([number for number, _ in units])
        chosen = [
            rng.choice(np.flatnonzero(numbers == number), (numbers == number).sum()) for number in np.unique(numbers)
        ]
        return [units[k] for k in np.concatenate(chosen)]

    def log_weights(self, units):
        """See `WeightedWalks.log_weights`."""
        return self._weights.log_weights(self.gathered(units).values, self._n_frames(units))

    def remarks(self, units):
        """See `WeightedWalks.remarks`."""
        if self._weights.overlap(self.gathered(units).values, self._n_frames(units)):
            return []
        return ["Neighbouring windows hardly overlap; the interval may be too narrow. More windows would mend that."]

    def _n_frames(self, units):
        numbers = np.repeat([number for number, _ in units], [len(frames) for _, frames in units])
        return np.bincount(numbers, minlength=len(self.walks))


def estimate_free_energy(
    walks: WeightedWalks,
    edges: np.ndarray,
    md_ns: float,
    method: str,
    state: str = "",
    discard: float = 0.2,
    seed: int = 0,
    progress: bool = True,
) -> BiasedFreeEnergy:
    """Free energies along the collective variable and of a state, with 95 % intervals.

    Parameters
    ----------
    walks : WeightedWalks
    edges : array, shape (n_bins + 1,)
    md_ns : float
        Length of all walks together.
    method : str
    state : str
        In words; empty if the walks say nothing of one.
    discard : float
        Share of each walk that is left out at its beginning: the bias has to fill what it covers first. At earlier
        times it is the same share of the MD up to then.
    seed : int
        Of the resamples of walkers or time blocks; the interval is widened where these are few.
    progress : bool

    Returns
    -------
    BiasedFreeEnergy

    Raises
    ------
    DataError
        The walks are too short for error bars.
    """
    if min(len(walk.values) for walk in walks.walks) < FEWEST_FRAMES:
        raise DataError(f"Fewer than {FEWEST_FRAMES} frames of each walk leave no error bars; make them longer.")
    rng = np.random.default_rng(seed)
    units = walks.units(discard, 1.0)
    profile, of_state = _energies(walks, units, edges)
    resamples = tracked(range(walks.n_bootstrap), desc="resamples", disable=not progress)
    samples = [_energies(walks, walks.drawn(units, rng), edges) for _ in resamples]
    n_units, with_state = len(units), bool(state)
    fractions = np.arange(1, walks.n_times + 1) / walks.n_times if with_state else np.empty(0)
    times = tracked(fractions, desc="times", disable=not progress)
    at = [_energies(walks, walks.pieces(discard * f, f), edges)[1] for f in times]
    inside = [walk.inside.astype(int) for walk in walks.walks if walk.inside is not None]
    n_crossings = int(count_transitions(inside, 2, [_COMMIT_FRAMES]).sum())
    remarks = walks.remarks(units)
    if with_state and method == "metadynamics" and n_crossings < _FEW_CROSSINGS:
        remarks.append(f"{n_crossings} crossings are few; the interval may be too narrow. Longer walks mend that.")
    return BiasedFreeEnergy(
        method=method,
        edges=np.asarray(edges, dtype=float),
        free_energy_kt=_profile_interval(profile, [one for one, _ in samples], n_units),
        state=state,
        state_kt=_state_interval(of_state, [one for _, one in samples], n_units) if with_state else None,
        md_ns=float(md_ns),
        times_ns=md_ns * fractions,
        state_kt_at=np.where(np.isfinite(at), at, np.nan),
        n_crossings=n_crossings,
        remarks=remarks,
    )


def _energies(walks, units, edges):
    """Free energy along the variable, and of the state (infinite where all is on one side), both in kT."""
    if not units:
        return np.full(len(edges) - 1, np.inf), np.inf
    log_weights, frames = walks.log_weights(units), walks.gathered(units)
    weights = np.exp(log_weights - log_weights.max())
    profile = free_energies_kt(np.histogram(frames.values, edges, weights=weights)[0])
    inside = np.ones(len(weights), dtype=bool) if frames.inside is None else frames.inside
    if inside.all() or not inside.any():
        return profile, -np.inf if inside.all() else np.inf
    return profile, float(logsumexp(log_weights[~inside]) - logsumexp(log_weights[inside]))


def _profile_interval(values, samples, n_units):
    """Of each bin, over the resamples that saw it."""
    with np.errstate(invalid="ignore"):
        return widened(Estimate.from_samples(values, np.where(np.isinf(samples), np.nan, samples)), n_units)


def _state_interval(value, samples, n_units):
    """Open to where too many resamples saw one side only."""
    estimate = Estimate.from_samples(value, np.clip(samples, -_ENDLESS_KT, _ENDLESS_KT))
    with np.errstate(invalid="ignore"):
        wide = widened(estimate, n_units)
    low = -np.inf if estimate.low < -_ENDLESS_KT / 2 else wide.low
    return Estimate(wide.value, low, np.inf if estimate.high > _ENDLESS_KT / 2 else wide.high)
