"""Simple models of continuous trajectories, which a transformer has to beat: copy-last and VAR(1).

They look at the last frame only, as `GridMarkov` does. `CopyLast` says that nothing moves, `VectorAutoregression` that
everything relaxes to one minimum, `GridMarkov` knows any landscape as far as its cells are small and often visited.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular

from mdtok.errors import DataError
from mdtok.models.saved import read_model, write_model
from mdtok.models.trajectory_model import TrajectoryModel, as_trajectories

_LOG_2PI = np.log(2 * np.pi)


class ArrayModel(TrajectoryModel):
    """Saving and loading of models that are a few settings and a few arrays."""

    _settings: tuple = ()  # names of the arguments of the constructor
    _arrays: tuple = ()  # names of what `fit` finds

    def save(self, folder):
        """Write ``model.json`` and ``arrays.npz`` to `folder`, which appears whole or not at all."""
        self.require_fitted()
        settings = {name: getattr(self, name) for name in self._settings}
        write_model(folder, self, settings, {name: getattr(self, name) for name in self._arrays})

    @classmethod
    def load(cls, folder):
        """Read a model that `save` wrote."""
        settings, n_dim, arrays = read_model(folder, cls)
        model = cls(**settings)
        for name in cls._arrays:
            setattr(model, name, arrays[name])
        model._prepare()
        model.n_dim_ = n_dim
        return model

    def _prepare(self):
        """What follows from the arrays."""

    def _last_frames(self, prompts, n_steps):
        return np.array([prompt[-1] for prompt in self.check_prompts(prompts, n_steps)])  # (n_prompts, n_dim)


class CopyLast(ArrayModel):
    """The model that nothing moves: every coming frame is the last one seen.

    Its error over a horizon is what diffusion alone makes of a trajectory, ``2 D t`` a coordinate where it is free.

    Examples
    --------
    >>> CopyLast().fit([[[0.0], [1.0]]]).forecast([[[3.0]]], n_steps=2).tolist()
    [[[3.0], [3.0]]]
    """

    has_density = False
    name_pattern = name_shown = "copy-last"
    name_help = "coordinates: nothing moves"
    name_use = "the least that a forecast has to beat"

    def fit(self, trajectories, validation=None, checkpoint_folder=None):
        """See `TrajectoryModel.fit`; there is nothing to fit but the number of coordinates."""
        self.n_dim_ = as_trajectories(trajectories)[0].shape[1]
        return self

    def forecast(self, prompts, n_steps, seed=0):
        """See `TrajectoryModel.forecast`."""
        return np.repeat(self._last_frames(prompts, n_steps)[:, None], n_steps, axis=1)

    def sample(self, prompts, n_steps, seed):
        """See `TrajectoryModel.sample`; the same as the forecast."""
        return list(self.forecast(prompts, n_steps))

    @property
    def n_parameters(self):
        """None, so 0."""
        return 0


class VectorAutoregression(ArrayModel):
    """First-order vector autoregression, VAR(1): ``x[t+1] = A x[t] + b + noise``, Gaussian with full covariance.

    It is the exact discretisation of an Ornstein-Uhlenbeck process, overdamped motion in one harmonic well, whose drift
    matrix is ``-ln(A)`` a frame. Fitted by least squares, which for Gaussian noise is maximum likelihood.

    Attributes
    ----------
    transition_ : ndarray of float, shape (n_dim, n_dim)
        A.
    offset_ : ndarray of float, shape (n_dim,)
        b, in the units of the coordinates.
    noise_covariance_ : ndarray of float, shape (n_dim, n_dim)
        Covariance of the noise a frame.

    References
    ----------
    H. Lütkepohl, New Introduction to Multiple Time Series Analysis (2005), section 3.2; C. W. Gardiner, Stochastic
    Methods (2009), section 4.5.6 (the Ornstein-Uhlenbeck process in many variables).

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> walk = np.zeros((20_000, 1))
    >>> for t in range(1, len(walk)):
    ...     walk[t] = 0.9 * walk[t - 1] + rng.normal(size=1)
    >>> float(VectorAutoregression().fit([walk]).transition_[0, 0].round(2))
    0.9
    """

    name_pattern = name_shown = "ornstein-uhlenbeck"
    name_help = "coordinates: one harmonic well, VAR(1)"
    name_use = "motion in one basin, and a baseline of every forecast"
    _arrays = ("transition_", "offset_", "noise_covariance_")

    def fit(self, trajectories, validation=None, checkpoint_folder=None):
        """Fit to trajectories by least squares; `validation` has nothing to decide here (see `TrajectoryModel.fit`).

        Raises
        ------
        DataError
            Too few frames, or a coordinate that is constant, a combination of others or without noise.
        """
        trajectories = as_trajectories(trajectories, min_length=2)
        before = np.concatenate([trajectory[:-1] for trajectory in trajectories])
        after = np.concatenate([trajectory[1:] for trajectory in trajectories])
        n_pairs, n_dim = before.shape
        if n_pairs <= 2 * n_dim + 1:
            raise DataError(
                f"{n_pairs} steps are too few for an autoregression of {n_dim} coordinates; at least {2 * n_dim + 2} "
                "are needed."
            )
        mean, scale = before.mean(axis=0), before.std(axis=0)
        if (constant := scale <= 1e-12 * np.abs(before).max(axis=0)).any():
            raise DataError(f"Coordinate {constant.argmax()} is constant in all frames; leave it out.")
        design = np.column_stack([(before - mean) / scale, np.ones(n_pairs)])
        solution, _, rank, _ = np.linalg.lstsq(design, after, rcond=1e-10)  # (n_dim + 1, n_dim)
        transition = solution[:-1].T / scale
        residuals = after - design @ solution
        covariance = residuals.T @ residuals / n_pairs
        if rank <= n_dim or np.linalg.eigvalsh(covariance / np.outer(scale, scale))[0] < 1e-12:
            raise DataError(
                "A coordinate is a combination of the others, or follows from the frame before without noise, so that "
                "the next frame has no density; leave it out."
            )
        self.transition_, self.noise_covariance_ = transition, covariance
        self.offset_ = solution[-1] - transition @ mean
        self._prepare()
        self.n_dim_ = n_dim
        return self

    def _prepare(self):
        self._noise_factor = np.linalg.cholesky(self.noise_covariance_)

    def forecast(self, prompts, n_steps, seed=0):
        """See `TrajectoryModel.forecast`; exact, ``A^k x + (1 + A + … + A^(k-1)) b`` after k frames."""
        return self._continue(self._last_frames(prompts, n_steps), n_steps, lambda frames: 0.0)

    def sample(self, prompts, n_steps, seed):
        """See `TrajectoryModel.sample`."""
        rng, factor = np.random.default_rng(seed), self._noise_factor.T
        frames = self._last_frames(prompts, n_steps)
        return list(self._continue(frames, n_steps, lambda frames: rng.normal(size=frames.shape) @ factor))

    def _continue(self, frames, n_steps, noise):
        chains = np.empty((n_steps, *frames.shape))
        for step in range(n_steps):
            frames = frames @ self.transition_.T + self.offset_ + noise(frames)
            chains[step] = frames
        return chains.swapaxes(0, 1).copy()

    def log_density(self, trajectory):
        """See `TrajectoryModel.log_density`."""
        self.require_fitted()
        trajectory = as_trajectories([trajectory], self.n_dim_, min_length=2)[0]
        residuals = trajectory[1:] - trajectory[:-1] @ self.transition_.T - self.offset_
        return log_gaussian(residuals, self._noise_factor)

    def relaxation_times(self) -> np.ndarray:
        """Relaxation times in frames, slowest first, shape (n_dim,): ``-1 / ln|λ|`` of the eigenvalues of A.

        Infinite where ``|λ|`` is 1 or more: the fit sees no relaxation at all.
        """
        self.require_fitted()
        sizes = np.sort(np.abs(np.linalg.eigvals(self.transition_)))[::-1]
        with np.errstate(divide="ignore"):
            return np.where(sizes < 1, -1 / np.log(np.minimum(sizes, 1)), np.inf)

    @property
    def n_parameters(self):
        """Entries of A and b and of one triangle of the covariance."""
        self.require_fitted()
        return self.n_dim_ * (self.n_dim_ + 1) + self.n_dim_ * (self.n_dim_ + 1) // 2


def log_gaussian(deviations, factor):
    """Log-density of deviations (n, n_dim) from the mean of a Gaussian; `factor` is Cholesky's of its covariance."""
    whitened = solve_triangular(factor, deviations.T, lower=True)
    return -0.5 * (whitened**2).sum(axis=0) - np.log(np.diag(factor)).sum() - 0.5 * len(factor) * _LOG_2PI
