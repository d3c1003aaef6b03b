"""Collective variables that a network of torch computes from features."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import torch

from mdtok.errors import DataError
from mdtok.features.arrays import row_chunks
from mdtok.kinetics.cvs.collective_variable import CollectiveVariable
from mdtok.kinetics.cvs.layers import layers_of

if TYPE_CHECKING:
    from mdtok.features.featurizer import Featurizer


class NetworkCV(CollectiveVariable):
    """``network(encoded features)``: any module of torch that takes features and gives one or more numbers a frame.

    Parameters
    ----------
    featurizer : Featurizer
        Fitted; of dihedrals, distances, soft contacts, the soft fraction of native contacts.
    network : torch.nn.Module
        From (n_frames, n_columns) to (n_frames, n_cvs), in the precision of its own weights. A copy is kept, as it is
        when it is used (``eval()``).

    Raises
    ------
    DataError
        The network does not take so many columns, or gives something else than numbers of each frame.
    SettingsError
        A feature that cannot be a force; it is named.

    Notes
    -----
    `save` writes stacks of the layers that `mdtok.kinetics.cvs.layers` knows whole; of another module it writes the
    weights, and `load_cv` then wants a module of the same class to put them in.

    References
    ----------
    L. Bonati, V. Rizzi, M. Parrinello, J. Phys. Chem. Lett. 11, 2998 (2020) (networks as collective variables).

    Examples
    --------
    >>> import mdtraj
    >>> from mdtok.features import Dihedrals, Featurizer
    >>> topology = mdtraj.Topology()
    >>> residue = topology.add_residue("BUT", topology.add_chain())
    >>> for name in "ABCD":
    ...     _ = topology.add_atom(name, mdtraj.element.carbon, residue)
    >>> frame = mdtraj.Trajectory([[[0, 0, 0], [0.1, 0, 0], [0.1, 0.1, 0], [0.2, 0.1, 0]]], topology)
    >>> cv = NetworkCV(Featurizer(Dihedrals([(0, 1, 2, 3)])).fit(frame), torch.nn.Sequential(torch.nn.Linear(2, 3)))
    >>> cv.transform(frame)[0].shape
    (1, 3)
    """

    def __init__(self, featurizer: Featurizer, network: torch.nn.Module) -> None:
        super().__init__(featurizer)
        self.network = copy.deepcopy(network).cpu().eval().requires_grad_(False)
        self.dtype = next((p.dtype for p in self.network.parameters() if p.is_floating_point()), torch.float32)
        self.n_cvs = self._try_out()

    def _try_out(self):
        n_columns = len(self.column_names)
        try:
            given = self.network(torch.zeros(2, n_columns, dtype=self.dtype))
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            reason = " ".join(str(error).split())[:200]
            raise DataError(
                f"The network does not take the {n_columns} columns of the encoded features ({reason})."
            ) from None
        if not isinstance(given, torch.Tensor) or given.ndim != 2 or len(given) != 2 or given.shape[1] == 0:
            seen = tuple(given.shape) if isinstance(given, torch.Tensor) else type(given).__name__
            raise DataError(f"The network gives {seen} for 2 frames; a tensor of shape (2, n_cvs) was expected.")
        return given.shape[1]

    def values(self, encoded: np.ndarray) -> np.ndarray:
        """Values of encoded features, shape (n_frames, n_columns); ndarray of shape (n_frames, n_cvs)."""
        chunks = []
        with torch.no_grad():
            for rows in row_chunks(*encoded.shape):
                chunks.append(self.network(torch.as_tensor(encoded[rows], dtype=self.dtype)).double().numpy())
        return np.concatenate(chunks)

    def settings(self) -> dict:
        """The layers (None where one is not known), and all weights with their types."""
        weights = {name: array.numpy() for name, array in self.network.state_dict().items()}
        return {
            "layers": layers_of(self.network),
            "network": type(self.network).__name__,
            "weights": {name: {"type": str(array.dtype), "values": array} for name, array in weights.items()},
        }
