"""The axis that a bias lives on: where a collective variable goes, and how wide its Gaussians are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np

from mdtok.errors import SettingsError
from mdtok.kinetics.cvs.collective_variable import CollectiveVariable
from mdtok.kinetics.cvs.columns import Torsions, with_offsets
from mdtok.kinetics.cvs.linear import LinearCV

_POINTS_PER_WIDTH, _FEWEST_POINTS, _MOST_POINTS = 10, 101, 5001
_WALL_KT = 40.0  # at the ends of the grid
_MARGIN = 0.1  # of the range beyond what was seen, and as much again for the walls


@dataclass(frozen=True)
class BiasAxis:
    """A grid over the values of a collective variable.

    Attributes
    ----------
    low, high : float
        Ends of the grid; the same point where it is periodic.
    width : float
        Standard deviation of Gaussians.
    periodic : bool
    wall_low, wall_high : float or None
        Where walls begin, which rise to 40 kT at the ends: beyond the grid there is no bias, and none may get there.
        None where the variable cannot leave the grid.

    Examples
    --------
    >>> axis = BiasAxis(-np.pi, np.pi, 0.3, periodic=True)
    >>> axis.gaussian(np.pi)[[0, -1]]
    array([1., 1.])
    """

    low: float
    high: float
    width: float
    periodic: bool
    wall_low: float | None = None
    wall_high: float | None = None

    def __post_init__(self):
        if not self.low < self.high or not 0 < self.width < (self.high - self.low) / 2:
            raise SettingsError(
                f"The bias has the range {self.low:.4g} to {self.high:.4g} and Gaussians of width {self.width:.4g}; a "
                "positive width below half of the range was expected. Give low, high and width."
            )

    @property
    def settings(self) -> dict:
        """As plain values."""
        return asdict(self)

    @property
    def n_points(self) -> int:
        """Points of the grid."""
        wanted = int(np.ceil(_POINTS_PER_WIDTH * (self.high - self.low) / self.width)) + 1
        return min(max(wanted, _FEWEST_POINTS), _MOST_POINTS)

    @cached_property
    def grid(self) -> np.ndarray:
        """Points, shape (n_points,)."""
        return np.linspace(self.low, self.high, self.n_points)

    def gaussian(self, position: float) -> np.ndarray:
        """A Gaussian of height 1 on the grid, to the last bit as `openmm.app.Metadynamics` adds it."""
        x = (position - self.low) / (self.high - self.low)
        if self.periodic:
            x = x % 1.0
        distance = np.abs(np.linspace(0, 1.0, num=self.n_points) - x)
        if self.periodic:
            distance = np.min(np.array([distance, np.abs(distance - 1)]), axis=0)
            distance[-1] = distance[0]
        return np.exp(-0.5 * distance * distance / (self.width / (self.high - self.low)) ** 2)

    def walls(self, kt_kj_mol: float) -> np.ndarray:
        """Energy of the walls in kJ/mol on the grid."""
        energy = np.zeros(self.n_points)
        if self.wall_low is not None and self.wall_high is not None:
            beyond = np.maximum(self.wall_low - self.grid, self.grid - self.wall_high).clip(0)
            ends = np.array([self.wall_low - self.low, self.high - self.wall_high])
            energy = _WALL_KT * kt_kj_mol * (beyond / ends.min()) ** 2
        return energy

    def at(self, energies: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Energies on the grid at values of the variable, as a table between its points; 0 beyond it."""
        if self.periodic:
            values = self.low + (values - self.low) % (self.high - self.low)
        return np.interp(values, self.grid, energies, left=0.0, right=0.0)


def axis_of(
    cv: CollectiveVariable,
    component: int,
    seen: list[np.ndarray],
    low: float | None = None,
    high: float | None = None,
    width: float | None = None,
) -> BiasAxis:
    """The axis of a collective variable.

    An angle has a whole turn, and a linear variable of angles and contacts what it can reach at all; another one what
    was seen, a tenth more on either side, and walls.

    Parameters
    ----------
    cv : CollectiveVariable
    component : int
    seen : list of arrays, shape (n_frames,) each
        Its values along short simulations, one in each basin.
    low, high : float, optional
        Where walls begin, in place of the above.
    width : float, optional
        Of Gaussians; if not given, the median of its standard deviations in the simulations, at least a hundredth and
        at most a tenth of the range.

    References
    ----------
    G. Bussi, A. Laio, Nat. Rev. Phys. 2, 200 (2020) (the width of Gaussians).
    """
    if cv.period is not None:
        seen = [_unrolled(values, cv.period) for values in seen]
        edges, walls = (-cv.period / 2, cv.period / 2), {}
    else:
        edges, walls = _edges(cv, component, seen, low, high)
    span = edges[1] - edges[0]
    if width is None:
        width = float(np.clip(np.median([np.std(values) for values in seen]), span / 100, span / 10))
    return BiasAxis(float(edges[0]), float(edges[1]), float(width), cv.period is not None, **walls)


def _edges(cv, component, seen, low, high):
    reach = reachable(cv, component) if low is None and high is None else None
    if reach is not None:
        margin = 1e-3 * (reach[1] - reach[0])  # for rounding
        return (reach[0] - margin, reach[1] + margin), {}
    values = np.concatenate(seen)
    margin = _MARGIN * np.ptp(values)
    low = values.min() - margin if low is None else low
    high = values.max() + margin if high is None else high
    beyond = _MARGIN * (high - low)
    return (low - beyond, high + beyond), {"wall_low": float(low), "wall_high": float(high)}


def reachable(cv: CollectiveVariable, component: int = 0) -> tuple[float, float] | None:
    """Between which values a linear variable must lie, whatever the molecule does; None where there is no such end."""
    if not isinstance(cv, LinearCV):
        return None
    weights = cv.weights[:, component]
    low = high = -float(cv.mean @ weights)
    for first, part in with_offsets(cv.columns):
        if isinstance(part, Torsions):
            reach = np.hypot(*weights[first + part.column].T).sum()
            low, high = low - reach, high + reach
        elif part.threshold_nm is None and weights[first : first + len(part.names)].any():
            return None
        else:
            of_contacts = weights[first : first + len(part.names)]
            low, high = low + of_contacts.clip(max=0).sum(), high + of_contacts.clip(min=0).sum()
    return low, high


def _unrolled(values, period):
    """Angles around their own middle, so that their spread is not that of a cut."""
    middle = np.angle(np.exp(2j * np.pi * values / period).mean()) * period / (2 * np.pi)
    return (values - middle + period / 2) % period - period / 2
