"""A Markov state model of coordinates on a regular grid."""

import numpy as np
from scipy.sparse import csr_array, diags_array
from scipy.spatial import cKDTree

from mdtok.checks import require_positive
from mdtok.errors import DataError, SettingsError
from mdtok.models.coordinates.baselines import ArrayModel, log_gaussian
from mdtok.models.trajectory_model import as_trajectories
from mdtok.progress import tracked


class GridMarkov(ArrayModel):
    """A Markov state model on a regular grid, one frame a step; only cells that were visited are states.

    The probability of a step from cell i to cell j is ``(n_ij + k_ij) / (n_i + 1)`` with the counts ``n_ij``. The one
    pseudo-count a cell goes where ``k``, the displacements seen in all cells together (and staying), would carry it: no
    further than frames really step, so that barriers stay barriers. A position outside of all visited cells belongs to
    the nearest one.

    The density of the next frame is the probability of its cell over the cell's area, flat within a cell. The share
    `outside_` of it is a Gaussian with mean and covariance of the training frames instead, so that no frame has a
    density of zero; it is Good and Turing's estimate of the share of frames in cells never visited (frames alone in
    their cell over all frames, at least 1e-8).

    Parameters
    ----------
    cell_nm : float
        Edge of a cell, in the units of the coordinates. About the step of a frame is good: smaller cells are seldom
        visited, in larger ones trajectories forget where they were, and relax too fast.
    progress : bool

    Attributes
    ----------
    cells_ : ndarray of int, shape (n_cells, n_dim)
        Cell c covers ``cells_[c] * cell_nm`` to ``(cells_[c] + 1) * cell_nm``.
    means_ : ndarray of float, shape (n_cells, n_dim)
        Mean of the training frames in each cell.
    transition_matrix_ : scipy.sparse.csr_array, shape (n_cells, n_cells)

    References
    ----------
    J.-H. Prinz et al., J. Chem. Phys. 134, 174105 (2011); I. J. Good, Biometrika 40, 237 (1953).

    Examples
    --------
    >>> model = GridMarkov(cell_nm=1.0).fit([[[0.5], [1.5], [0.5], [1.5], [1.5]]])
    >>> model.transition_matrix_.toarray().round(3)
    array([[0.167, 0.833],
           [0.444, 0.556]])
    """

    name_pattern = name_shown = "grid-msm"
    name_help = "coordinates: Markov state model on a grid"
    name_use = "two coordinates: what a Markov model of cells can forecast"
    _settings = ("cell_nm",)
    _arrays = (
        "cells_",
        "means_",
        "frames_",
        "first_frame_",
        "counts_",
        "origins_",
        "targets_",
        "gaussian_",
        "outside_",
    )
    _frames_kept = 200  # a cell, for sampling
    _largest_matrix = 50_000_000  # entries: 600 MB

    def __init__(self, cell_nm=0.05, progress=True):
        require_positive("cell_nm", cell_nm)
        self.cell_nm = float(cell_nm)
        self.progress = progress

    def fit(self, trajectories, validation=None, checkpoint_folder=None):
        """Count transitions; `validation` has nothing to decide here (see `TrajectoryModel.fit`).

        Raises
        ------
        DataError
            A trajectory has one frame only, or all frames lie in one cell.
        SettingsError
            The cells are so small that the transition matrix would not fit into memory.
        """
        trajectories = as_trajectories(trajectories, min_length=2)
        frames = np.concatenate(trajectories)
        extent = np.ptp(frames, axis=0) / self.cell_nm + 2
        if np.prod(extent) > 2**62 or np.abs(frames).max() / self.cell_nm > 2**53:
            raise SettingsError(f"Cells of {self.cell_nm} are too small for these coordinates; choose larger ones.")
        positions = np.floor(frames / self.cell_nm).astype(np.int64)
        self.cells_, states, visits = np.unique(positions, axis=0, return_inverse=True, return_counts=True)
        states = states.ravel()
        if len(self.cells_) < 2:
            raise DataError(f"All frames lie in one cell of {self.cell_nm}; choose a smaller cell_nm.")
        order = np.argsort(states, kind="stable")
        starts = np.concatenate([[0], np.cumsum(visits)])
        self.means_ = np.add.reduceat(frames[order], starts[:-1], axis=0) / visits[:, None]
        kept = np.minimum(visits, self._frames_kept)
        self.first_frame_ = np.concatenate([[0], np.cumsum(kept)])
        rank = np.arange(kept.sum()) - np.repeat(self.first_frame_[:-1], kept)
        picked = np.repeat(starts[:-1], kept) + rank * np.repeat(visits, kept) // np.repeat(kept, kept)
        self.frames_ = frames[order[picked]]
        ends = np.cumsum([len(trajectory) for trajectory in trajectories])[:-1] - 1
        pairs = np.delete(states[:-1] * len(visits) + states[1:], ends)  # no step leads from one trajectory to the next
        pairs, self.counts_ = np.unique(pairs, return_counts=True)
        self.origins_, self.targets_ = np.divmod(pairs, len(visits))
        spread = np.cov(frames.T).reshape(frames.shape[1], -1) + self.cell_nm**2 / 12 * np.eye(frames.shape[1])
        self.gaussian_ = np.vstack([frames.mean(axis=0), np.linalg.cholesky(spread)])  # (1 + n_dim, n_dim)
        self.outside_ = np.array(min(max((visits == 1).sum() / len(frames), 1e-8), 0.5))
        self._prepare()
        self.n_dim_ = frames.shape[1]
        return self

    def _prepare(self):
        self._tree = cKDTree((self.cells_ + 0.5) * self.cell_nm)
        self._low = self.cells_.min(axis=0)
        self._shape = tuple(self.cells_.max(axis=0) - self._low + 1)
        self._numbers = np.ravel_multi_index((self.cells_ - self._low).T, self._shape)  # sorted, as the cells are
        n_cells = len(self.cells_)
        counts = csr_array((self.counts_.astype(float), (self.origins_, self.targets_)), shape=(n_cells, n_cells))
        self.transition_matrix_ = _rows_to_one(counts + self._displaced())
        self._cumulative = np.cumsum(self.transition_matrix_.data)  # each row adds one

    def _displaced(self):
        """Where the displacements seen in all cells together (and staying) lead from each cell, sparse."""
        displacements = np.vstack([self.cells_[self.targets_] - self.cells_[self.origins_], 0 * self.cells_[:1]])
        steps, kinds = np.unique(displacements, axis=0, return_inverse=True)
        n_cells = len(self.cells_)
        if len(steps) * n_cells > self._largest_matrix:
            raise SettingsError(
                f"Cells of {self.cell_nm} make {n_cells} states with {len(steps)} displacements, too many for memory; "
                "choose a larger cell_nm."
            )
        weights = np.bincount(kinds.ravel(), weights=np.append(self.counts_, 1))
        targets = np.array([self._find(self.cells_ + step) for step in steps])  # (n_steps, n_cells), -1 never visited
        which, origins = np.nonzero(targets >= 0)
        return _rows_to_one(csr_array((weights[which], (origins, targets[which, origins])), shape=(n_cells, n_cells)))

    def _find(self, positions):
        """State of each cell position (n, n_dim), -1 where never visited."""
        relative = positions - self._low
        inside = ((relative >= 0) & (relative < self._shape)).all(axis=1)
        relative = np.where(inside[:, None], relative, 0).astype(np.int64)
        numbers = np.ravel_multi_index(relative.T, self._shape)
        found = np.minimum(np.searchsorted(self._numbers, numbers), len(self._numbers) - 1)
        return np.where(inside & (self._numbers[found] == numbers), found, -1)

    def _states(self, frames):
        """State of each frame (n, n_dim), and whether its cell was visited; where not, the nearest is its state."""
        states = self._find(np.floor(frames / self.cell_nm))
        visited = states >= 0
        states[~visited] = self._tree.query(frames[~visited])[1]
        return states, visited

    def forecast(self, prompts, n_steps, seed=0):
        """See `TrajectoryModel.forecast`; exact, the mean of `means_` over the propagated cells."""
        states, _ = self._states(self._last_frames(prompts, n_steps))
        chains = np.empty((len(states), n_steps, self.n_dim_))
        expected = self.means_  # after k frames, from each cell
        for step in range(n_steps):
            expected = self.transition_matrix_ @ expected
            chains[:, step] = expected[states]
        return chains

    def sample(self, prompts, n_steps, seed):
        """See `TrajectoryModel.sample`; cell by cell, each frame one of the training frames of its cell.

        At most 200 frames a cell are kept for that, evenly picked.
        """
        states, _ = self._states(self._last_frames(prompts, n_steps))
        rng = np.random.default_rng(seed)
        rows, n_kept = self.transition_matrix_.indptr, np.diff(self.first_frame_)
        chains = np.empty((n_steps, len(states), self.n_dim_))
        for step in tracked(range(n_steps), desc="GridMarkov chains", delay=2, disable=not self.progress):
            found = np.searchsorted(self._cumulative, states + rng.random(len(states)), side="right")
            states = self.transition_matrix_.indices[np.clip(found, rows[states], rows[states + 1] - 1)]
            picked = (rng.random(len(states)) * n_kept[states]).astype(np.int64)
            chains[step] = self.frames_[self.first_frame_[states] + picked]
        return list(chains.swapaxes(0, 1).copy())

    def log_density(self, trajectory):
        """See `TrajectoryModel.log_density`."""
        self.require_fitted()
        trajectory = as_trajectories([trajectory], self.n_dim_, min_length=2)[0]
        states, visited = self._states(trajectory)
        probabilities = np.asarray(self.transition_matrix_[states[:-1], states[1:]]).ravel() * visited[1:]
        in_cells = (1 - self.outside_) * probabilities / self.cell_nm**self.n_dim_
        outside = np.log(self.outside_) + log_gaussian(trajectory[1:] - self.gaussian_[0], self.gaussian_[1:])
        with np.errstate(divide="ignore"):
            return np.logaddexp(np.log(in_cells), outside)

    @property
    def n_parameters(self):
        """Free transition probabilities: transitions seen, less one a cell that was left."""
        self.require_fitted()
        return len(self.counts_) - len(np.unique(self.origins_))


def _rows_to_one(matrix):
    matrix = csr_array(diags_array(1 / matrix.sum(axis=1)) @ matrix)
    matrix.sort_indices()
    return matrix
