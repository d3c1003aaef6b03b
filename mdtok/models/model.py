"""The floor that every model stands on: what it reads, how it is made from a name, fitted, sampled, saved and loaded.

Two interfaces stand on it: `DynamicsModel` (tokens) and `TrajectoryModel` (coordinates).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from mdtok.errors import DataError, SettingsError
from mdtok.parameters import Parameterised
from mdtok.storage import damage_in_one_line


class Model(Parameterised, ABC):
    """What models of tokens and models of coordinates have in common.

    Attributes
    ----------
    reads : {"tokens", "features"}
        What a model is fitted to.
    size : {"n_states", "n_dim"}
        What `fit` finds out about its data, kept as ``n_states_`` or ``n_dim_``.
    progress : bool
        Whether `fit` and `sample` show progress bars.
    history_ : list of dict, or None
        What a model that is trained step by step says of its training.
    train_seconds_ : float, or None
        Wall time of the training, where somebody took it.
    name_pattern : str, or None
        Regular expression of the names that scripts call this class by; None for a class that has no name.
    name_shown, name_help : str
        The pattern as people read it, and one line on what it stands for.
    name_use : str
        For what data, or what question, it is the one to take; half a sentence.
    tuned_pattern : str, or None
        The names that ``-tuned`` may follow, for a class that has `candidates`.
    """

    reads: str
    size: str
    progress: bool = True
    history_: list[dict] | None = None
    train_seconds_: float | None = None
    name_pattern: str | None = None
    name_shown: str | None = None
    name_help: str | None = None
    name_use: str | None = None
    tuned_pattern: str | None = None

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for name in ("load", "from_pretrained"):  # of every class, those of other packages too
            if isinstance(method := vars(cls).get(name), classmethod):
                setattr(cls, name, classmethod(damage_in_one_line(method.__func__)))

    @classmethod
    def from_name(cls, match: re.Match, context: ModelContext) -> Model:
        """Make an unfitted model from a name; here, for a class that needs no arguments.

        Parameters
        ----------
        match : re.Match
            Of `name_pattern` with the whole name.
        context : ModelContext
            What the run knows: seed, macrostates, and the like.
        """
        model = cls()
        model.progress = context.progress
        return model

    @classmethod
    def candidates(cls, match: re.Match, context: ModelContext) -> list[Model]:
        """Unfitted models for `TunedModel` to choose from; `match` is of `tuned_pattern`."""
        raise NotImplementedError(f"{cls.__name__} has a tuned_pattern and no candidates")

    @abstractmethod
    def save(self, folder: str | PathLike) -> None:
        """Write the model to `folder` (JSON, npy, safetensors)."""

    @classmethod
    @abstractmethod
    def load(cls, folder: str | PathLike) -> Model:
        """Read a model that `save` wrote."""

    @property
    @abstractmethod
    def n_parameters(self) -> int:
        """Number of free parameters after `fit`."""

    @property
    def is_fitted(self) -> bool:
        """Whether `fit` (or `load`) is done."""
        return getattr(self, f"{self.size}_", None) is not None

    def require_fitted(self) -> None:
        """Raise DataError unless the model is fitted."""
        if not self.is_fitted:
            raise DataError(f"This {type(self).__name__} is not fitted; call fit first.")

    def require_steps(self, n_steps: int) -> None:
        """Raise an error unless the model is fitted and `n_steps` is a number of steps."""
        self.require_fitted()
        if int(n_steps) != n_steps or n_steps < 1:
            raise SettingsError(f"n_steps is {n_steps}; a whole number of at least 1 was expected.")


@dataclass(frozen=True)
class ModelContext:
    """What a run tells a model that is made from its name.

    Attributes
    ----------
    macrostates : int array, shape (n_states,), or None
        Macrostate of each token, where tokens are microstates.
    seed : int
    training_steps : int, or None
        Most steps of gradient descent; the model's own number if None.
    window : int
        Frames that a model of coordinates sees.
    progress : bool
    catalogue : object
        Makes other models, see `make` and `candidates`.
    """

    macrostates: np.ndarray | None
    seed: int
    training_steps: int | None
    window: int
    progress: bool
    catalogue: Any

    def make(self, name: str) -> Model:
        """Another unfitted model by its name, in the same context: for models around a model."""
        return self.catalogue.make(name, self)

    def candidates(self, name: str) -> list[Model]:
        """The models that ``<name>-tuned`` chooses from."""
        return self.catalogue.candidates(name, self)
