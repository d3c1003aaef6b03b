"""The one interface of every model of continuous trajectories: fit, forecast, sample, density, save, load.

It is to coordinates what `DynamicsModel` is to tokens: copy-last, an Ornstein-Uhlenbeck fit, a Markov model on a grid,
the exact propagator and a transformer are the same thing to those who compare them.
"""

from __future__ import annotations

from abc import abstractmethod
from os import PathLike
from typing import Self

import numpy as np

from mdtok.errors import DataError
from mdtok.features.given import given_arrays
from mdtok.models.model import Model


class TrajectoryModel(Model):
    """A model of the next frame given the past.

    Attributes
    ----------
    n_dim_ : int
        Coordinates a frame, known after `fit`.
    has_density : bool
        Whether the model gives a probability density of the next frame, and with it `log_density` and kinetics. A model
        without one continues every prompt in one way only.
    circles : tuple of int
        First of the two columns that are cosine and sine of an angle, for each angle; told before `fit`. A model that
        draws frames may put them back on the circle, or the next ones are drawn from where no training frame was.
    reads, progress, history_, train_seconds_
        See `Model`.
    """

    reads, size = "features", "n_dim"
    n_dim_: int
    has_density: bool = True
    circles: tuple[int, ...] = ()

    @abstractmethod
    def fit(
        self,
        trajectories: list[np.ndarray],
        validation: list[np.ndarray] | None = None,
        checkpoint_folder: str | PathLike | None = None,
    ) -> Self:
        """Fit to trajectories, arrays of shape (n_frames, n_dim); `validation` decides early stopping. Gives self."""

    def fit_labelled(
        self,
        labelled: list[np.ndarray],
        labels: np.ndarray,
        unlabelled: list[np.ndarray],
        validation: list[np.ndarray] | None = None,
        validation_labels: np.ndarray | None = None,
        checkpoint_folder: str | PathLike | None = None,
    ) -> TrajectoryModel:
        """Fit where some trajectories have a class each; a model that knows no classes takes them as any other.

        Parameters
        ----------
        labelled : list of arrays, shape (n_frames, n_dim) each
        labels : int array, shape (n_labelled,)
            0 to n - 1.
        unlabelled : list of arrays
        validation, validation_labels
            Labelled trajectories for early stopping.
        checkpoint_folder : path-like, optional

        Returns
        -------
        self
        """
        return self.fit([*labelled, *unlabelled], validation, checkpoint_folder)

    @abstractmethod
    def forecast(self, prompts: list[np.ndarray], n_steps: int, seed: int = 0) -> np.ndarray:
        """Expected frames after each prompt.

        Parameters
        ----------
        prompts : list of arrays, shape (n_prompt, n_dim) each
        n_steps : int
        seed : int
            Used by models that average over samples.

        Returns
        -------
        ndarray of float, shape (n_prompts, n_steps, n_dim)
        """

    @abstractmethod
    def sample(self, prompts: list[np.ndarray], n_steps: int, seed: int) -> list[np.ndarray]:
        """Continue each prompt by `n_steps` frames: a list of arrays (n_steps, n_dim), without the prompts."""

    def log_density(self, trajectory: np.ndarray) -> np.ndarray:
        """Natural logarithm of the density of every frame given those before it, shape (n_frames - 1,), in nats.

        In the units of the coordinates: where those are nm, the density is per nm^n_dim.
        """
        raise DataError(f"{type(self).__name__} gives no density of the next frame.")

    def check_prompts(self, prompts: list[np.ndarray], n_steps: int) -> list[np.ndarray]:
        """Check the arguments of `forecast` and `sample`; prompts come back as a list of float64 arrays."""
        self.require_steps(n_steps)
        return as_trajectories(prompts, self.n_dim_)


def as_trajectories(trajectories, n_dim=None, min_length=1):
    """Trajectories as a list of float64 arrays (n_frames, n_dim), checked.

    Raises
    ------
    DataError
        None at all, arrays of unequal dimension, frames that are not numbers, or fewer frames than `min_length`.

    Examples
    --------
    >>> [trajectory.shape for trajectory in as_trajectories([[[0, 1], [1, 1]], [[2, 3]]])]
    [(2, 2), (1, 2)]
    """
    trajectories = given_arrays(trajectories, "Trajectories")
    if isinstance(trajectories, np.ndarray) and trajectories.ndim == 2:
        trajectories = [trajectories]
    arrays = [np.asarray(trajectory, dtype=np.float64) for trajectory in trajectories]
    if not arrays:
        raise DataError("No trajectory was given; a list of arrays of shape (n_frames, n_dim) was expected.")
    for index, array in enumerate(arrays):
        if array.ndim != 2:
            raise DataError(f"Trajectory {index} has the shape {array.shape}; (n_frames, n_dim) was expected.")
        wanted = n_dim or arrays[0].shape[1]
        if array.shape[1] != wanted:
            raise DataError(f"Trajectory {index} has {array.shape[1]} coordinates a frame; {wanted} were expected.")
        if len(array) < min_length:
            raise DataError(f"Trajectory {index} has {len(array)} frames; at least {min_length} were expected.")
        bad = ~np.isfinite(array).all(axis=1)
        if bad.any():
            raise DataError(
                f"Trajectory {index} has {bad.sum()} frames that are not numbers, the first is frame {bad.argmax()}; "
                "cut them out before."
            )
    return arrays
