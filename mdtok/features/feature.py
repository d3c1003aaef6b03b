"""What every feature of a molecule is: named columns computed from frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    import mdtraj


class Feature(ABC):
    """Columns computed from coordinates, for a `Featurizer`.

    Attributes
    ----------
    words : dict of str -> dict
        What ``--features`` calls it, and the arguments that each word stands for; none where it cannot be said in
        a word.
    """

    words: ClassVar[dict[str, dict[str, Any]]] = {}

    @classmethod
    def from_words(cls, words: list[str]) -> list[Feature]:
        """The features that some of its words stand for: one a word, unless a class puts them together."""
        return [cls(**cls.words[word]) for word in words]

    @abstractmethod
    def names(self, topology: mdtraj.Topology) -> list[str]:
        """Column names, list of str; a molecule that does not fit is refused here, before coordinates are read."""

    def periodic(self, topology: mdtraj.Topology) -> list[bool]:
        """Which columns are angles in radians, -pi .. pi, list of bool; none unless a feature says so."""
        return [False] * len(self.names(topology))

    @abstractmethod
    def transform(self, traj: mdtraj.Trajectory) -> np.ndarray:
        """The columns of each frame of an mdtraj.Trajectory, ndarray of float32, shape (n_frames, n_columns)."""

    def __repr__(self) -> str:
        shown = {
            name: value
            for name, value in vars(self).items()
            if not name.startswith("_") and isinstance(value, (str, int, float, list, tuple))
        }
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"
