"""How far two ensembles are apart, by the names and formulas of the field; no time is needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import jensenshannon

from mdtok.errors import DataError

TORSION_BINS, MAP_BINS = 100, 50
_CIRCLE = (-np.pi, np.pi)


def jensen_shannon_distance(
    values: np.ndarray, reference: np.ndarray, bins: int = TORSION_BINS, limits: tuple[float, float] | None = None
) -> float:
    """Jensen-Shannon distance of two histograms: the square root of the divergence in nats, from 0 to sqrt(ln 2).

    Parameters
    ----------
    values, reference : arrays, shape (n_frames,), or (n_frames, 2) for a map
    bins : int
        Along each axis.
    limits : (float, float), optional
        Of each axis: (-π, π) for angles. The range of the reference if not given; what lies beyond counts in the
        outermost bins.

    Returns
    -------
    float

    References
    ----------
    B. Jing, H. Stärk, T. Jaakkola, B. Berger, Generative modeling of molecular dynamics trajectories (MDGen, 2024):
    100 bins a torsion, 50 × 50 a map. The distance is that of ``scipy.spatial.distance.jensenshannon``.

    Examples
    --------
    >>> apart = jensen_shannon_distance(np.zeros(5), np.ones(5), bins=2, limits=(0, 1))
    >>> bool(np.isclose(apart, np.sqrt(np.log(2))))
    True
    """
    edges = bin_edges(reference, bins, limits)
    return float(jensenshannon(*(histogram(part, edges).ravel() for part in (values, reference))))


def bin_edges(reference, bins, limits=None):
    """Edges of each axis, a list of arrays of shape (bins + 1,)."""
    reference = _columns(reference)
    spans = [limits] * reference.shape[1] if limits else zip(reference.min(axis=0), reference.max(axis=0))
    return [np.linspace(low, high if high > low else low + 1.0, bins + 1) for low, high in spans]


def histogram(values, edges):
    """Shares of the frames, shape (bins,) or (bins, bins); beyond the edges, in the outermost bins."""
    values = _columns(values)
    if not len(values):
        raise DataError("There is no frame to make a histogram of.")
    places = [
        np.clip(((column - edge[0]) / (edge[1] - edge[0])).astype(int), 0, len(edge) - 2)
        for column, edge in zip(values.T, edges)
    ]
    shape = tuple(len(edge) - 1 for edge in edges)
    counted = np.bincount(np.ravel_multi_index(places, shape), minlength=int(np.prod(shape)))
    return counted.reshape(shape) / len(values)


def _columns(values):
    values = np.asarray(values, dtype=float)
    return values[:, None] if values.ndim == 1 else values


@dataclass(frozen=True)
class SurfaceErrors:
    """Free-energy surfaces compared bin by bin, in kT.

    Attributes
    ----------
    mae_kt, rmse_kt : float
        Of ``-ln p`` over the bins that both visit, both surfaces with the same mean there.
    coverage : float
        Share of the reference's probability that lies in bins that are visited.
    """

    mae_kt: float
    rmse_kt: float
    coverage: float


def surface_errors(shares: np.ndarray, reference: np.ndarray) -> SurfaceErrors:
    """Errors of a free-energy surface, given as histograms of one shape that each add to 1.

    Examples
    --------
    >>> errors = surface_errors(np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.25, 0.5]))
    >>> errors.mae_kt, errors.coverage
    (0.0, 0.5)
    """
    both = (shares > 0) & (reference > 0)
    if not both.any():
        return SurfaceErrors(np.nan, np.nan, 0.0)
    difference = np.log(reference[both]) - np.log(shares[both])
    difference -= difference.mean()  # a free energy has no zero of its own
    return SurfaceErrors(
        float(np.abs(difference).mean()), float(np.sqrt((difference**2).mean())), float(reference[both].sum())
    )


@dataclass(frozen=True)
class StateCoverage:
    """States visited by a generator (P) and by the reference (R).

    Attributes
    ----------
    recall : float
        |P ∩ R| / |R|: share of the reference's states that are visited.
    precision : float
        |P ∩ R| / |P|: share of the states visited that the reference visits.
    f1 : float
        Their harmonic mean.
    coverage : float
        Share of the reference's frames in states that are visited.
    """

    recall: float
    precision: float
    f1: float
    coverage: float


def state_coverage(visits: np.ndarray, reference_visits: np.ndarray) -> StateCoverage:
    """From how often each state was visited, shape (n_states,) each.

    Examples
    --------
    >>> state_coverage(np.array([5, 0, 1]), np.array([6, 3, 0]))
    StateCoverage(recall=0.5, precision=0.5, f1=0.5, coverage=0.6666666666666666)
    """
    found, known = np.asarray(visits) > 0, np.asarray(reference_visits) > 0
    both = (found & known).sum()
    recall, precision = both / known.sum(), both / max(found.sum(), 1)
    f1 = 2 * recall * precision / (recall + precision) if both else 0.0
    coverage = np.asarray(reference_visits)[found].sum() / np.asarray(reference_visits).sum()
    return StateCoverage(float(recall), float(precision), float(f1), float(coverage))


def log_population_error(populations: np.ndarray, reference: np.ndarray) -> float:
    """Mean absolute error of ``ln p`` over the states that the reference visits, in kT; infinite if one is missing.

    Examples
    --------
    >>> round(log_population_error(np.array([0.5, 0.5]), np.array([0.75, 0.25])), 3)
    0.549
    """
    known = np.asarray(reference) > 0
    with np.errstate(divide="ignore"):
        return float(np.abs(np.log(np.asarray(populations)[known] / np.asarray(reference)[known])).mean())
