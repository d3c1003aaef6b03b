"""The exact answer for a particle in a plane that diffuses in a potential: its generator on a grid, and all that
follows.

The generator is the square-root approximation (Lie, Fackeldey, Weber, SIAM J. Matrix Anal. Appl. 34, 738 (2013);
Donati, Weber, Keller, J. Phys.: Condens. Matter 33, 115902 (2021)): neighbouring cells i and j exchange with the rate
``D / h^2 sqrt(pi_j / pi_i)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.linalg import eigsh, splu
from scipy.special import ive

from mdtok.errors import DataError, SettingsError
from mdtok.md.constants import GAS_CONSTANT_KJ_MOL_K

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from mdtok.md.particles import ParticleSystem


_NEGLIGIBLE = 1e-10


class Oracle:
    """Exact stationary distribution, relaxation times, committors, passage times and propagators, on a grid of cells.

    Parameters
    ----------
    energy : callable
        From points (n, 2) in nm to energies (n,) in kJ/mol.
    diffusion_nm2_per_ps : float
    temperature_kelvin : float
    bounds : ((x_low, x_high), (y_low, y_high))
        In nm; walls reflect.
    spacing_nm : float
        Side of a cell.
    max_energy_kt : float
        Cells higher than this above the lowest are left out: they hold less than ``exp(-max_energy_kt)`` of the
        deepest.

    Attributes
    ----------
    points : ndarray, shape (n_cells, 2), in nm
        Centres of the cells.
    generator : csr_matrix, shape (n_cells, n_cells), in 1/ps
        Rows sum to zero.
    stationary_distribution : ndarray, shape (n_cells,)

    Raises
    ------
    SettingsError
        A number out of range, or a grid that falls apart into pieces.

    Examples
    --------
    >>> spring = Oracle(lambda p: 5.0 * (p**2).sum(axis=1), 1e-3, 300.0, ((-3, 3), (-3, 3)), spacing_nm=0.1)
    >>> exact = 0.00831446 * 300 / (1e-3 * 10.0)       # kT / (D k), in ps
    >>> bool(abs(spring.relaxation_times(1)[0] / exact - 1) < 0.01)
    True
    """

    def __init__(
        self,
        energy: Callable[[np.ndarray], np.ndarray],
        diffusion_nm2_per_ps: float,
        temperature_kelvin: float,
        bounds: Sequence[Sequence[float]],
        spacing_nm: float = 0.02,
        max_energy_kt: float = 30.0,
    ) -> None:
        for name, value in (
            ("diffusion_nm2_per_ps", diffusion_nm2_per_ps),
            ("temperature_kelvin", temperature_kelvin),
            ("spacing_nm", spacing_nm),
            ("max_energy_kt", max_energy_kt),
        ):
            if not value > 0:
                raise SettingsError(f"{name} is {value}; a number above 0 was expected.")
        self.diffusion_nm2_per_ps, self.temperature_kelvin = float(diffusion_nm2_per_ps), float(temperature_kelvin)
        self.spacing_nm = float(spacing_nm)
        axes = [low + spacing_nm * np.arange(round((high - low) / spacing_nm) + 1) for low, high in bounds]
        self._shape = tuple(len(axis) for axis in axes)
        self._origin = np.array([axis[0] for axis in axes])
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
        with np.errstate(over="ignore"):
            reduced = np.asarray(energy(grid)) / (GAS_CONSTANT_KJ_MOL_K * temperature_kelvin)
        reduced = np.where(np.isfinite(reduced), reduced, np.inf)
        kept = reduced - reduced.min() <= max_energy_kt
        links = _links(self._shape, kept)
        n_pieces, piece = sparse.csgraph.connected_components(links, directed=False)
        if n_pieces > 1:  # a few high cells may stand alone: they hold nothing
            weights = np.bincount(piece, weights=np.exp(reduced[kept].min() - reduced[kept]))
            if weights.max() < (1 - 1e-4) * weights.sum():
                raise SettingsError(
                    f"The grid of {spacing_nm} nm falls into {n_pieces} pieces below {max_energy_kt} kT; choose a "
                    "larger max_energy_kt."
                )
            kept[np.flatnonzero(kept)[piece != weights.argmax()]] = False
            links = _links(self._shape, kept)
        self._energy = energy
        self._cell = np.full(len(grid), -1)
        self._cell[kept] = np.arange(kept.sum())
        self.points, u = grid[kept], reduced[kept]
        weights = np.exp(u.min() - u)
        self.stationary_distribution = weights / weights.sum()
        i, j = links.nonzero()
        rates = self.diffusion_nm2_per_ps / spacing_nm**2 * np.exp((u[i] - u[j]) / 2)
        between = sparse.csr_matrix((rates, (i, j)), shape=links.shape)
        self.generator = (between - sparse.diags(np.asarray(between.sum(axis=1)).ravel())).tocsr()
        root = np.sqrt(self.stationary_distribution)
        symmetric = sparse.diags(root) @ self.generator @ sparse.diags(1 / root)
        self._symmetric = ((symmetric + symmetric.T) / 2).tocsr()
        self._root, self._modes, self._propagators = root, None, {}

    @classmethod
    def of(
        cls,
        system: ParticleSystem,
        spacing_nm: float = 0.02,
        temperature_kelvin: float | None = None,
        **settings: float,
    ) -> Oracle:
        """The oracle of a `ParticleSystem` (overdamped, also where the system's own dynamics are not)."""
        return cls(
            system.potential.energy,
            system.diffusion_nm2_per_ps,
            temperature_kelvin or system.temperature_kelvin,
            system.bounds,
            spacing_nm,
            **settings,
        )

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.points)

    def where(self, condition: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """The cells whose centres fulfil a condition, a function of points (n, 2), as a boolean mask."""
        return np.asarray(condition(self.points), dtype=bool)

    def shares(self, label_of: Callable[[np.ndarray], np.ndarray], n_labels: int, n_per_side: int = 5) -> np.ndarray:
        """How much of each cell, weighted by its equilibrium density, has each label: shape (n_cells, n_labels).

        `label_of` takes points (n, 2) to integer labels; each cell is looked at in ``n_per_side**2`` places.
        """
        places = self.spacing_nm * ((np.arange(n_per_side) + 0.5) / n_per_side - 0.5)
        shares, kT = np.zeros((self.n_cells, n_labels)), GAS_CONSTANT_KJ_MOL_K * self.temperature_kelvin
        centre = self._energy(self.points)
        for dx, dy in np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2):
            points = self.points + np.array([dx, dy])
            labels = np.asarray(label_of(points))
            if labels.shape != (self.n_cells,) or (labels < 0).any() or (labels >= n_labels).any():
                raise DataError(f"Labels from 0 to {n_labels - 1}, one a point, were expected of label_of.")
            shares[np.arange(self.n_cells), labels] += np.exp((centre - self._energy(points)) / kT)
        return shares / shares.sum(axis=1, keepdims=True)

    def within(self, centre: Sequence[float], radius_nm: float) -> np.ndarray:
        """The cells within a radius of a point, as a boolean mask."""
        return np.linalg.norm(self.points - np.asarray(centre), axis=1) <= radius_nm

    def population(self, region: np.ndarray) -> float:
        """Equilibrium probability of a region (a boolean mask over cells)."""
        return float(self.stationary_distribution[self._region(region, "region")].sum())

    def relaxation_times(self, k: int = 3) -> np.ndarray:
        """The `k` slowest relaxation times in ps, slowest first."""
        return self._slowest(k)[0]

    def relaxation_modes(self, k: int = 3) -> np.ndarray:
        """The right eigenfunctions of the `k` slowest relaxations, shape (n_cells, k), of norm 1 in equilibrium."""
        return self._slowest(k)[1]

    def _slowest(self, k):
        if not 1 <= k < self.n_cells - 1:
            raise SettingsError(f"{k} relaxation times were asked for; the grid has {self.n_cells} cells.")
        if self._modes is None or len(self._modes[0]) < k:
            # shifted a little above zero, where the generator can be inverted
            shift = 1e-6 * self.diffusion_nm2_per_ps
            start = np.random.default_rng(0).standard_normal(self.n_cells)
            values, vectors = eigsh(self._symmetric.tocsc(), k + 1, sigma=shift, v0=start)
            order = np.argsort(-values)[1:]
            self._modes = -1 / values[order], vectors[:, order] / self._root[:, None]
        times, modes = self._modes
        return times[:k], modes[:, :k]

    def committor(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Probability of reaching the target before the source, shape (n_cells,); both are boolean masks over cells."""
        source, target = self._region(source, "source"), self._region(target, "target")
        if (source & target).any():
            raise DataError("Source and target have cells in common; choose smaller regions.")
        return self._solve(~(source | target), np.zeros(self.n_cells), np.where(target, 1.0, 0.0))

    def mfpt(self, source: np.ndarray, target: np.ndarray) -> float:
        """Mean first passage time in ps from the source, averaged over its equilibrium, to the target (boolean
        masks)."""
        source = self._region(source, "source")
        times, weights = self.mfpt_of_cells(target), self.stationary_distribution * source
        return float(times @ weights / weights.sum())

    def mfpt_of_cells(self, target: np.ndarray) -> np.ndarray:
        """Mean first passage time in ps from every cell to the target, shape (n_cells,)."""
        return self._solve(~self._region(target, "target"), np.full(self.n_cells, -1.0), np.zeros(self.n_cells))

    def _solve(self, free, right, fixed):
        """The function f with K f = `right` on the free cells and f = `fixed` on the others."""
        K = self.generator
        solution = fixed.copy()
        inside = K[free][:, free]
        solution[free] = splu(inside.tocsc()).solve(right[free] - K[free][:, ~free] @ fixed[~free])
        return solution

    def propagator(self, time_ps: float) -> csr_matrix:
        """Exact transition probabilities between cells in a time, rows sum to 1.

        Returns
        -------
        csr_matrix, shape (n_cells, n_cells)
            Entries below 1e-10 are left out.
        """
        if time_ps not in self._propagators:
            self._propagators[time_ps] = self._propagate_all(time_ps)
        return self._propagators[time_ps]

    def _propagate_all(self, time_ps):
        """exp(S t) by a Taylor series of a short time, squared; S is symmetric, so rounding does not grow."""
        fastest = -self._symmetric.diagonal().min() * time_ps
        n_squared = max(0, int(np.ceil(np.log2(max(fastest, 1e-9)))))
        step = self._symmetric * (time_ps / 2**n_squared)
        total = term = sparse.identity(self.n_cells, format="csr")
        for order in range(1, 18):
            term = (term @ step) / order
            total = total + term
        # what is negligible in probabilities need not be so before they are weighted: errors are those of sqrt(pi_j /
        # pi_i)
        for _ in range(n_squared):
            total = _without_negligible(total, 1e-11)
            total = total @ total
        matrix = sparse.diags(1 / self._root) @ total @ sparse.diags(self._root)
        matrix = _without_negligible(matrix.tocsr(), _NEGLIGIBLE)
        return (sparse.diags(1 / np.asarray(matrix.sum(axis=1)).ravel()) @ matrix).tocsr()

    def propagate(self, distribution: np.ndarray, time_ps: float) -> np.ndarray:
        """A distribution over cells, shape (n_cells,) or (n_cells, k), after a time."""
        distribution = np.asarray(distribution, dtype=float)
        weighted = distribution.T / self._root
        return (self._exponential(weighted.T, time_ps).T * self._root).T

    def expect(self, values: np.ndarray, time_ps: float) -> np.ndarray:
        """Expected value of a function of the position, (n_cells,) or (n_cells, k), a time after each cell."""
        values = np.asarray(values, dtype=float)
        return (self._exponential((values.T * self._root).T, time_ps).T / self._root).T

    def _exponential(self, vectors, time_ps):
        return _apply_exponential(self._symmetric, time_ps, vectors)

    def crossing_probability(self, distribution: np.ndarray, target: np.ndarray, time_ps: float) -> float:
        """Probability that the target (a boolean mask) is reached within a time from a distribution over cells."""
        free = ~self._region(target, "target")
        start = np.asarray(distribution)[free] / self._root[free]
        survivors = _apply_exponential(self._symmetric[free][:, free], time_ps, start)
        return float(1 - survivors @ self._root[free])

    def cell_of(self, points: np.ndarray) -> np.ndarray:
        """Index of the cell of each point (n, 2), the nearest one where the point is in none."""
        points = np.asarray(points, dtype=float).reshape(-1, 2)
        index = np.rint((points - self._origin) / self.spacing_nm).astype(int)
        inside = ((index >= 0) & (index < self._shape)).all(axis=1)
        cells = np.full(len(points), -1)
        cells[inside] = self._cell[np.ravel_multi_index(index[inside].T, self._shape)]
        for k in np.flatnonzero(cells < 0):
            cells[k] = ((self.points - points[k]) ** 2).sum(axis=1).argmin()
        return cells

    def interpolate(self, values: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Values of cells, (n_cells,) or (n_cells, k), at points (n, 2): bilinear, or of the nearest cell at the
        rim."""
        values, points = np.asarray(values), np.asarray(points, dtype=float).reshape(-1, 2)
        places = (points - self._origin) / self.spacing_nm
        low = np.floor(places).astype(int)
        share = places - low
        result, covered = np.zeros((len(points), *values.shape[1:])), np.ones(len(points), dtype=bool)
        for corner in ((0, 0), (0, 1), (1, 0), (1, 1)):
            index = low + corner
            inside = ((index >= 0) & (index < self._shape)).all(axis=1)
            cells = np.full(len(points), -1)
            cells[inside] = self._cell[np.ravel_multi_index(index[inside].T, self._shape)]
            covered &= cells >= 0
            weight = np.prod(np.where(np.array(corner) == 1, share, 1 - share), axis=1)
            result += (values[np.maximum(cells, 0)].T * weight).T
        if not covered.all():
            result[~covered] = values[self.cell_of(points[~covered])]
        return result

    def uniform_square(self, centre: Sequence[float], side_nm: float) -> np.ndarray:
        """Distribution over cells that is uniform in a square, or all in the nearest cell where the square is small."""
        inside = (np.abs(self.points - np.asarray(centre)) <= side_nm / 2 + 1e-9).all(axis=1)
        if not inside.any():
            inside[self.cell_of(np.array([centre]))] = True
        return inside / inside.sum()

    def _region(self, mask, name):
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.shape != (self.n_cells,):
            raise DataError(
                f"The {name} has shape {mask.shape} and type {mask.dtype}; a boolean mask of {self.n_cells} cells "
                "was expected."
            )
        if not mask.any():
            raise DataError(f"The {name} holds no cell of the grid; choose a larger region.")
        return mask


def _links(shape, kept):
    """Which kept cells are neighbours, as a sparse matrix over the kept cells."""
    index = np.arange(len(kept)).reshape(shape)
    pairs = [(index[:-1].ravel(), index[1:].ravel()), (index[:, :-1].ravel(), index[:, 1:].ravel())]
    first, second = (np.concatenate(ends) for ends in zip(*pairs))
    both = kept[first] & kept[second]
    number = np.cumsum(kept) - 1
    i, j, n = number[first[both]], number[second[both]], int(kept.sum())
    upper = sparse.csr_matrix((np.ones(len(i)), (i, j)), shape=(n, n))
    return (upper + upper.T).tocsr()


def _without_negligible(matrix, threshold):
    matrix = matrix.tocsr()
    matrix.data[np.abs(matrix.data) < threshold] = 0.0
    matrix.eliminate_zeros()
    return matrix


def _apply_exponential(symmetric, time_ps, vectors):
    """exp(S t) v by Chebyshev polynomials, for a symmetric S whose eigenvalues are not above zero.

    Takes about ``sqrt(40 t r)`` products with S, where r is its largest rate (Tal-Ezer and Kosloff, J. Chem. Phys. 81,
    3967 (1984)); `scipy.sparse.linalg.expm_multiply` takes about ``t r``, thousands of times as many for the times
    wanted here.
    """
    radius = float(abs(symmetric).sum(axis=1).max()) / 2
    reach = radius * time_ps
    n_terms = int(np.sqrt(80 * reach) + 40)
    coefficients = 2 * ive(np.arange(n_terms), reach)
    coefficients[0] /= 2
    scaled = (symmetric / radius + sparse.identity(symmetric.shape[0])).tocsr()  # eigenvalues between -1 and 1
    before, now = vectors, scaled @ vectors
    total = coefficients[0] * before + coefficients[1] * now
    for coefficient in coefficients[2:]:
        before, now = now, 2 * (scaled @ now) - before
        total = total + coefficient * now
    return total
