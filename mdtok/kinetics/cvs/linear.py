"""Linear collective variables of features: a TICA or VAMP component, or weights of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from mdtok.errors import DataError, SettingsError
from mdtok.kinetics.cvs.collective_variable import CollectiveVariable
from mdtok.kinetics.cvs.columns import columns_of, names_of

if TYPE_CHECKING:
    from deeptime.decomposition import CovarianceKoopmanModel

    from mdtok.features.featurizer import Featurizer

_CONSTANT = 1e-6  # a standard deviation below this (of the mean, where that is above 1) is rounding


class LinearCV(CollectiveVariable):
    """``(encoded features - mean) @ weights``, with the features said of atoms, so that it runs anywhere.

    Parameters
    ----------
    featurizer : Featurizer
        Fitted; of dihedrals, distances, soft contacts, the soft fraction of native contacts.
    weights : array, shape (n_columns,) or (n_columns, n_cvs)
        For each encoded column (an angle has two, its cosine and its sine).
    mean : array, shape (n_columns,), optional
        0 by default.

    Raises
    ------
    DataError
        The featurizer is not fitted; weights or mean are no numbers, or not one a column; or a CV has no weight at all.
    SettingsError
        A feature that cannot be a force; it is named.

    References
    ----------
    J. McCarty, M. Parrinello, J. Chem. Phys. 147, 204109 (2017), and M. Sultan, V. Pande, J. Chem. Theory Comput. 13,
    2440 (2017): TICA components as collective variables of biased simulations.

    Examples
    --------
    >>> import mdtraj
    >>> from mdtok.features import Dihedrals, Featurizer
    >>> topology = mdtraj.Topology()
    >>> residue = topology.add_residue("BUT", topology.add_chain())
    >>> for name in "ABCD":
    ...     _ = topology.add_atom(name, mdtraj.element.carbon, residue)
    >>> frame = mdtraj.Trajectory([[[0, 0, 0], [0.1, 0, 0], [0.1, 0.1, 0], [0.2, 0.1, 0]]], topology)
    >>> featurizer = Featurizer(Dihedrals([(0, 1, 2, 3)], encoding="radians")).fit(frame)
    >>> cv = LinearCV(featurizer, weights=[2.0, 0.5])
    >>> cv.column_names, cv.transform(frame)[0].round(3)
    (['cos BUT0-A BUT0-B BUT0-C BUT0-D', 'sin BUT0-A BUT0-B BUT0-C BUT0-D'], array([[-2.]]))
    """

    def __init__(self, featurizer: Featurizer, weights: ArrayLike, mean: ArrayLike | None = None) -> None:
        super().__init__(featurizer)
        names = self.column_names
        weights = _as_numbers("weights", weights)
        self.weights = weights[:, None] if weights.ndim == 1 else weights
        self.mean = np.zeros(len(names)) if mean is None else _as_numbers("mean", mean)
        if self.weights.ndim != 2 or len(self.weights) != len(names) or self.mean.shape != (len(names),):
            raise DataError(
                f"weights have the shape {weights.shape} and mean {self.mean.shape}; {len(names)} rows were expected, "
                f"one a column of {_shown(names)} (angles are cosines and sines)."
            )
        self.n_cvs = self.weights.shape[1]
        without = np.flatnonzero(~self.weights.any(axis=0))
        if self.n_cvs == 0 or len(without):
            raise DataError(f"The weights of CV {without[0] if len(without) else 0} are all 0; it would be constant.")

    @classmethod
    def from_model(cls, featurizer: Featurizer, model: CovarianceKoopmanModel) -> LinearCV:
        """The components of TICA or VAMP, as many as the model keeps.

        Parameters
        ----------
        featurizer : Featurizer
            That gave the features.
        model : deeptime.decomposition.CovarianceKoopmanModel
            As `fit_tica` and `fit_vamp` give it, fitted to the encoded features:
            ``fit_tica(encode_periodic(features, featurizer.periodic_), lagtime, n_dim)``.

        Raises
        ------
        DataError
            The model is of another number of columns, or of columns that were constant.
        """
        lacking = [part for part in ("mean_0", "cov_00", "transform") if not hasattr(model, part)]
        if lacking:
            raise SettingsError(f"{type(model).__name__} is no fitted model of TICA or VAMP; pass that of fit_tica.")
        names = names_of(columns_of(featurizer))
        if len(model.cov_00) != len(names):
            raise DataError(
                f"The model is of {len(model.cov_00)} columns, the encoded features have {len(names)} "
                f"({_shown(names)}); fit it to encode_periodic(features, featurizer.periodic_)."
            )
        constant = np.sqrt(np.diag(model.cov_00)) <= _CONSTANT * np.maximum(1, np.abs(model.mean_0))
        if constant.any():
            raise DataError(
                f"{_shown([name for name, still in zip(names, constant) if still])} did not change in the frames that "
                "the model was fitted to, so that it knows nothing of them; leave these columns out."
            )
        mean = model.mean_0 if model.cov.data_mean_removed else np.zeros(len(model.cov_00))
        unit = np.eye(len(mean))
        weights = model.transform(mean + unit) - model.transform(mean[None])  # whatever scaling the model applies
        return cls(featurizer, weights, mean)

    def values(self, encoded: np.ndarray) -> np.ndarray:
        """Values of encoded features, shape (n_frames, n_columns); ndarray of shape (n_frames, n_cvs)."""
        return (encoded - self.mean) @ self.weights

    def settings(self) -> dict:
        """Weights and mean."""
        return {"weights": self.weights, "mean": self.mean}


def _as_numbers(name, values):
    array = np.array(values)
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise DataError(f"{name} holds something that is no finite number; numbers were expected.")
    return array.astype(np.float64)


def _shown(names):
    return ", ".join(map(repr, names[:3])) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
