"""Free energy along one coordinate, with the barrier between two basins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdtok.errors import DataError, SettingsError
from mdtok.kinetics.estimation.bootstrap import bootstrap_weights
from mdtok.kinetics.estimation.estimate import Estimate, as_plain
from mdtok.kinetics.estimation.estimators import free_energies_kt
from mdtok.kinetics.estimation.passages import independent_units


@dataclass
class FreeEnergyProfile:
    """Free energy along a coordinate.

    Attributes
    ----------
    edges : ndarray, shape (n_bins + 1,)
    free_energy_kt : Estimate, shape (n_bins,)
        Above the lowest bin; infinite where nothing was seen.
    basins_at : tuple of two float
        Where the two basins are lowest.
    barriers_kt : Estimate, shape (2,)
        The highest bin between them, seen from the first and from the second basin.
    difference_kt : Estimate
        Free energy of all that lies beyond the barrier, less that of all that lies before it.
    """

    edges: np.ndarray
    free_energy_kt: Estimate
    basins_at: tuple
    barriers_kt: Estimate
    difference_kt: Estimate

    @property
    def centres(self) -> np.ndarray:
        """Middles of the bins, shape (n_bins,)."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    def __str__(self):
        first, second = self.basins_at
        return (
            f"basins at {first:.2f} and {second:.2f}, barrier {self.barriers_kt[0]:.2f} kT from the first and "
            f"{self.barriers_kt[1]:.2f} kT "
            f"from the second, second less first {self.difference_kt:.2f} kT"
        )

    def to_dict(self) -> dict:
        """For JSON."""
        return as_plain(vars(self))

    @classmethod
    def from_dict(cls, content: dict) -> FreeEnergyProfile:
        """From what `to_dict` gave; energies that were infinite are NaN."""
        estimates = {name: Estimate.of(content[name]) for name in ("free_energy_kt", "barriers_kt", "difference_kt")}
        return cls(edges=np.asarray(content["edges"]), basins_at=tuple(content["basins_at"]), **estimates)


def free_energy_profile(
    values: list[np.ndarray], edges: np.ndarray, split: float, n_bootstrap: int = 200, seed: int = 0
) -> FreeEnergyProfile:
    """Free energy along a coordinate from trajectories in equilibrium, with 95 % intervals.

    Parameters
    ----------
    values : list of float arrays, shape (n_frames,) each
        The coordinate along each trajectory; the bootstrap draws trajectories (time blocks, where there are fewer than
        8).
    edges : array, shape (n_bins + 1,)
        Of the bins, increasing.
    split : float
        One basin is looked for on each side of it.
    n_bootstrap : int
    seed : int

    Returns
    -------
    FreeEnergyProfile

    Raises
    ------
    DataError
        Nothing was seen on one side of `split`.
    SettingsError
        `split` does not lie between the bins.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> chains = [np.concatenate([rng.normal(-1, 0.3, 3000), rng.normal(1, 0.3, 1000)]) for _ in range(8)]
    >>> profile = free_energy_profile(chains, np.linspace(-2, 2, 21), split=0.0)
    >>> round(float(profile.difference_kt.value), 2)      # ln 3
    1.1
    """
    histograms = np.array([np.histogram(unit, edges)[0] for unit in independent_units(list(values))])
    return profile_of_histograms(histograms, edges, split, n_bootstrap, seed)


def profile_of_histograms(histograms, edges, split, n_bootstrap=200, seed=0):
    """As `free_energy_profile`, from one histogram a trajectory, shape (n_trajectories, n_bins)."""
    edges, histograms = np.asarray(edges, dtype=float), np.asarray(histograms, dtype=float)
    middle = int(np.searchsorted(edges, split))
    if not 0 < middle < len(edges) - 1:
        raise SettingsError(
            f"split is {split}; a number well between the edges {edges[0]:g} and {edges[-1]:g} was expected."
        )
    total = histograms.sum(axis=0)
    for side, counts in (("below", total[:middle]), ("above", total[middle:])):
        if not counts.sum():
            raise DataError(
                f"Nothing was seen {side} {split:g}; a profile with two basins needs both. Simulate longer."
            )
    resampled = bootstrap_weights(len(histograms), n_bootstrap, seed) @ histograms  # (n_bootstrap, n_bins)
    resampled = resampled[(resampled[:, :middle].sum(axis=1) > 0) & (resampled[:, middle:].sum(axis=1) > 0)]
    value, samples = _figures(total, middle), [_figures(counts, middle) for counts in resampled]
    energies, barriers, difference = (
        Estimate.from_samples(one, [s[k] for s in samples]) for k, one in enumerate(value[:3])
    )
    first, second = value[3]
    centres = (edges[1:] + edges[:-1]) / 2
    return FreeEnergyProfile(edges, energies, (float(centres[first]), float(centres[second])), barriers, difference)


def _figures(counts, middle):
    """Free energies, barriers from both basins, second side less first one, and the bins of the basins."""
    energies = free_energies_kt(counts / counts.sum())
    first, second = int(energies[:middle].argmin()), middle + int(energies[middle:].argmin())
    top = first + int(energies[first : second + 1].argmax())
    barriers = energies[top] - energies[[first, second]]
    with np.errstate(divide="ignore"):
        difference = np.log(counts[:top].sum()) - np.log(counts[top + 1 :].sum())
    return energies, barriers, difference, (first, second)
