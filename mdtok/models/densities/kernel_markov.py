"""A Markov model of continuous features by kernel densities: the next frame given the present one."""

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import i0e, logsumexp

from mdtok.checks import require_positive, require_whole_number
from mdtok.errors import DataError
from mdtok.models.coordinates.baselines import ArrayModel
from mdtok.models.densities.column_kinds import ColumnKinds, as_column_numbers, require_kinds
from mdtok.models.densities.torus_mixture import wrap
from mdtok.models.dynamics import draw
from mdtok.models.trajectory_model import as_trajectories
from mdtok.progress import tracked

_FRAMES_AT_ONCE = 500
_MOST_FRAMES_FOR_CHOICE = 3000
_BANDWIDTHS = (0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5)
_FLOORS = (1e-4, 1e-3, 1e-2)


class KernelMarkov(ArrayModel):
    """Conditional kernel density of the next frame given the present one: a Markov model without states.

    ``p(y | x) = (1 - e) sum_i w_i(x) K_b(y - y_i) + e q(y)`` over the pairs ``(x_i, y_i)`` of training frames that
    follow each other, with ``w_i`` in proportion to ``K_a(x - x_i)``. Kernels are products of von Mises densities for
    angles and Gaussians for reals. Only the nearest pairs of each frame count, which leaves the density normalised.
    ``q`` is uniform in angles and a Gaussian twice as wide as the training frames in reals, so that no frame has a
    density of zero. The two bandwidths and ``e`` have the highest density on validation frames.

    Parameters
    ----------
    n_nearest : int
        Pairs that count.
    angles : sequence of int
        Columns in radians; in a run the angles are known, see `TrajectoryModel.circles`.
    bandwidths : sequence of float
        What is chosen from, in radians and in deviations of a real.
    progress : bool

    Attributes
    ----------
    bandwidth_ : ndarray, shape (2,)
        Of the present frame and of the next one.
    floor_ : ndarray, shape ()
        The weight e.

    References
    ----------
    M. Rosenblatt, in Multivariate Analysis II, 25 (1969); R. J. Hyndman, D. M. Bashtannyk and G. K. Grunwald, J.
    Comput. Graph. Stat. 5, 315 (1996).

    Examples
    --------
    >>> walk = wrap(np.cumsum(np.random.default_rng(7).normal(scale=0.3, size=(2000, 1)), axis=0))
    >>> model = KernelMarkov(angles=[0]).fit([walk[:1500]], [walk[1500:]])
    >>> bool(model.log_density(walk[1500:]).mean() > -0.4)  # the exact one is -0.215
    True
    """

    name_pattern = name_shown = "kernel-markov"
    name_help = "coordinates: Markov model by kernel densities"
    name_use = "a Markov model without states, to hold density-gpt against"
    _settings = ("n_nearest", "angles", "bandwidths")
    _arrays = ("before_", "after_", "mean_", "std_", "circles_", "bandwidth_", "floor_")

    def __init__(self, n_nearest=1000, angles=(), bandwidths=_BANDWIDTHS, progress=True):
        require_whole_number("n_nearest", n_nearest, 1)
        for bandwidth in bandwidths:
            require_positive("bandwidths", bandwidth)
        self.n_nearest, self.angles, self.progress = n_nearest, as_column_numbers(angles), progress
        self.bandwidths = tuple(bandwidths)

    def fit(self, trajectories, validation=None, checkpoint_folder=None):
        """Keep all pairs; choose bandwidths on `validation`, the last tenth of each trajectory if not given."""
        trajectories = as_trajectories(trajectories, min_length=2)
        kinds = ColumnKinds(trajectories[0].shape[1], self.angles, tuple(self.circles))
        if validation is None:
            cuts = [len(one) - max(2, len(one) // 10) for one in trajectories]
            if min(cuts) < 2:
                raise DataError("Trajectories of less than 4 frames have no tail to hold out; pass validation=[...].")
            validation = [one[cut:] for one, cut in zip(trajectories, cuts)]
            trajectories = [one[:cut] for one, cut in zip(trajectories, cuts)]
        validation = as_trajectories(validation, kinds.n_given, min_length=2)
        columns = [kinds.to_columns(one) for one in trajectories]
        require_kinds(columns, kinds.is_angle)
        kinds.learn(columns)
        standardised = [kinds.standardise(one) for one in columns]
        self.before_ = np.concatenate([one[:-1] for one in standardised])
        self.after_ = np.concatenate([one[1:] for one in standardised])
        self.mean_, self.std_, self.circles_ = kinds.mean, kinds.std, np.array(kinds.circles, dtype=np.int64)
        self.n_dim_ = kinds.n_given
        self._prepare()
        self._choose(validation)
        return self

    def _prepare(self):
        self.circles = tuple(int(one) for one in self.circles_)
        n_given = len(self.mean_) + len(self.circles)
        self._kinds = ColumnKinds(n_given, self.angles, self.circles, self.mean_, self.std_)
        self._is_angle = np.array(self._kinds.is_angle)
        self._tree = cKDTree(self._on_circles(self.before_))

    def _on_circles(self, frames):
        turned = frames[:, self._is_angle]
        return np.concatenate([np.cos(turned), np.sin(turned), frames[:, ~self._is_angle]], axis=1)

    def _choose(self, validation):
        pairs = [self._pairs(one) for one in validation]
        before, after = (np.concatenate(part) for part in zip(*pairs))
        if len(before) > _MOST_FRAMES_FOR_CHOICE:
            spread = np.linspace(0, len(before) - 1, _MOST_FRAMES_FOR_CHOICE).astype(int)
            before, after = before[spread], after[spread]
        n_choices, floors = len(self.bandwidths), np.array(_FLOORS)
        sums = np.zeros((n_choices, n_choices, len(floors)))
        batches = range(0, len(before), _FRAMES_AT_ONCE)
        for start in tracked(batches, desc="KernelMarkov bandwidths", delay=2, disable=not self.progress):
            some = slice(start, start + _FRAMES_AT_ONCE)
            found, elsewhere = self._find(before[some]), self._elsewhere(after[some])[:, None]
            off = after[some][:, None] - self.after_[found]
            of_next = [self._log_kernel(off, bandwidth) for bandwidth in self.bandwidths]
            for i, bandwidth in enumerate(self.bandwidths):
                log_weights = self._log_weights(before[some], found, bandwidth)
                for j, log_kernel in enumerate(of_next):
                    kernels = logsumexp(log_weights + log_kernel, axis=1)[:, None]
                    sums[i, j] += np.logaddexp(np.log1p(-floors) + kernels, np.log(floors) + elsewhere).sum(axis=0)
        i, j, k = np.unravel_index(sums.argmax(), sums.shape)
        self.bandwidth_, self.floor_ = np.array([self.bandwidths[i], self.bandwidths[j]]), np.array(floors[k])

    def _pairs(self, trajectory):
        frames = self._kinds.standardise(self._kinds.to_columns(trajectory))
        return frames[:-1], frames[1:]

    def _find(self, before):
        """Indices of the nearest pairs, (n_frames, n_nearest)."""
        n_nearest = min(self.n_nearest, len(self.before_))
        return self._tree.query(self._on_circles(before), k=n_nearest)[1].reshape(len(before), n_nearest)

    def _log_weights(self, before, found, of_present):
        log_weights = self._log_kernel(before[:, None] - self.before_[found], of_present)
        return log_weights - logsumexp(log_weights, axis=1, keepdims=True)

    def _log_kernel(self, off, bandwidth):
        kappa, normal = bandwidth**-2, np.log(bandwidth) + 0.5 * np.log(2 * np.pi)
        of_angles = -2 * kappa * np.sin(0.5 * off) ** 2 - np.log(2 * np.pi * i0e(kappa))
        return np.where(self._is_angle, of_angles, -0.5 * kappa * off**2 - normal).sum(axis=-1)

    def _elsewhere(self, after):
        """Log-density of what may be anywhere, in standardised units."""
        uniform, wide = -np.log(2 * np.pi), -0.125 * after**2 - np.log(2) - 0.5 * np.log(2 * np.pi)
        return np.where(self._is_angle, uniform, wide).sum(axis=1)

    def log_density(self, trajectory):
        """See `TrajectoryModel.log_density`; per radian of each angle, however it is encoded."""
        self.require_fitted()
        (trajectory,) = as_trajectories([trajectory], self.n_dim_, min_length=2)
        (before, after), (of_present, of_next) = self._pairs(trajectory), self.bandwidth_
        kernels, floor = np.empty(len(before)), float(self.floor_)
        for start in range(0, len(before), _FRAMES_AT_ONCE):
            some = slice(start, start + _FRAMES_AT_ONCE)
            found = self._find(before[some])
            log_kernel = self._log_kernel(after[some][:, None] - self.after_[found], of_next)
            kernels[some] = logsumexp(self._log_weights(before[some], found, of_present) + log_kernel, axis=1)
        together = np.logaddexp(np.log1p(-floor) + kernels, np.log(floor) + self._elsewhere(after))
        return together - self._kinds.log_volume

    def sample(self, prompts, n_steps, seed):
        """See `TrajectoryModel.sample`; drawn from the kernels, never from what is elsewhere."""
        rng, (of_present, of_next) = np.random.default_rng(seed), self.bandwidth_
        frames = self._kinds.standardise(self._kinds.to_columns(self._last_frames(prompts, n_steps)))
        chains = np.empty((len(frames), n_steps, frames.shape[1]), dtype=np.float32)
        for step in tracked(range(n_steps), desc="KernelMarkov chains", delay=2, disable=not self.progress):
            found = self._find(frames)
            picked = draw(np.exp(self._log_weights(frames, found, of_present)), rng)
            after = self.after_[found[np.arange(len(frames)), picked]]
            turned = rng.vonmises(0.0, of_next**-2, size=after.shape)
            moved = after + np.where(self._is_angle, turned, of_next * rng.standard_normal(after.shape))
            chains[:, step] = frames = np.where(self._is_angle, wrap(moved), moved).astype(np.float32)
        return list(self._kinds.from_columns(self._kinds.restore(chains)))

    def forecast(self, prompts, n_steps, seed=0):
        """See `TrajectoryModel.forecast`; one sample, as the mean of angles in radians says little."""
        return np.stack(self.sample(prompts, n_steps, seed))

    @property
    def n_parameters(self):
        """Numbers of all pairs, which are what is known."""
        self.require_fitted()
        return self.before_.size + self.after_.size
