"""What every collective variable of features is: values of frames, and a file."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import mdtraj
import numpy as np

from mdtok.errors import SettingsError
from mdtok.features.arrays import as_features, encode_periodic, row_chunks
from mdtok.features.saved_featurizer import featurizer_to_dict
from mdtok.kinetics.cvs.columns import columns_of, names_of
from mdtok.storage import write_numbers

if TYPE_CHECKING:
    from mdtok.features.featurizer import Featurizer
    from mdtok.md.trajectory import Trajectories


class CollectiveVariable(ABC):
    """A function of a molecule's encoded features (angles as cosine and sine) that is smooth, so that it has a force.

    Attributes
    ----------
    featurizer : Featurizer
    columns : list
        What each part of the encoded features is of atoms.
    n_cvs : int
        How many numbers a frame it gives.
    period : float or None
        After which it comes round again, from ``-period / 2`` to ``period / 2``; None where it does not.
    """

    n_cvs: int
    period: float | None = None

    def __init__(self, featurizer: Featurizer) -> None:
        self.columns = columns_of(featurizer)
        self.featurizer = copy.copy(featurizer)  # one that is fitted anew is another

    @property
    def column_names(self) -> list[str]:
        """Names of the encoded features, list of str."""
        return names_of(self.columns)

    @property
    def n_atoms(self) -> int:
        """Atoms of the molecule that the features are of."""
        return self.featurizer.n_atoms_

    def transform(
        self,
        data: Trajectories | mdtraj.Trajectory | Sequence[mdtraj.Trajectory] | np.ndarray | Sequence[np.ndarray],
        progress: bool = True,
    ) -> list[np.ndarray]:
        """Values along trajectories.

        Parameters
        ----------
        data : Trajectories, mdtraj.Trajectory or list of them; or array, shape (n_frames, n_features), or list of them
            Features are those of the featurizer, angles in radians as it gives them.
        progress : bool
            Show a progress bar where features are computed.

        Returns
        -------
        list of ndarray of float64, shape (n_frames, n_cvs) each

        Raises
        ------
        DataError
            Other atoms, another number of features, NaN or infinity.
        """
        if _are_trajectories(data):
            data = self.featurizer.transform(data, progress=progress)
        return [self._along(array) for array in as_features(data, len(self.featurizer.feature_names_))]

    def _along(self, features):
        values = np.empty((len(features), self.n_cvs))
        for rows in row_chunks(*features.shape):
            chunk = features[rows].astype(np.float64)
            values[rows] = self.values(encode_periodic(chunk, self.featurizer.periodic_)[0])
        return values

    @abstractmethod
    def values(self, encoded: np.ndarray) -> np.ndarray:
        """Values of encoded features, shape (n_frames, n_columns); ndarray of shape (n_frames, n_cvs)."""

    @abstractmethod
    def settings(self) -> dict:
        """What it is besides its features, as plain values and arrays."""

    def save(self, path: str | Path) -> None:
        """Write it whole, molecule and features too, as JSON; larger arrays beside it as ``.npz``. See `load_cv`."""
        if Path(path).suffix != ".json":
            raise SettingsError(
                f"A collective variable was to be saved as {path}; a name that ends in .json was expected."
            )
        write_numbers(path, self.to_dict())

    def to_dict(self) -> dict:
        """All that it is, its molecule too, as plain values and arrays."""
        said = {"schema": 1, "class": type(self).__name__, "featurizer": featurizer_to_dict(self.featurizer)}
        return {**said, **self.settings()}


def _are_trajectories(data):
    if isinstance(data, mdtraj.Trajectory) or hasattr(data, "topology"):
        return True
    return isinstance(data, (list, tuple)) and len(data) > 0 and hasattr(data[0], "n_atoms")
