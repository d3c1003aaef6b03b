"""Encoded features as torch computes them from positions, so that forces follow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from mdtok.kinetics.cvs.columns import Pairs, Torsions


class EncodedFeatures:
    """Positions to encoded features, in double precision, with their derivatives.

    Parameters
    ----------
    columns : list
        As `columns_of` gives them.
    atoms : int array
        The atoms whose positions will be given, in ascending order.

    Examples
    --------
    >>> angle = Torsions(["cos", "sin"], np.array([[2, 5, 6, 9]]), np.array([False]))
    >>> positions = torch.tensor([[0, 0, 1], [0, 0, 0], [1, 0, 0], [1, 1, 0]], dtype=torch.float64)
    >>> EncodedFeatures([angle], np.array([2, 5, 6, 9]))(positions)[0].round(decimals=3).abs()
    tensor([0., 1.], dtype=torch.float64)
    """

    def __init__(self, columns: Sequence[Torsions | Pairs], atoms: np.ndarray) -> None:
        self._parts = [_Torsions(one, atoms) if isinstance(one, Torsions) else _Pairs(one, atoms) for one in columns]

    def __call__(self, positions: torch.Tensor, box: torch.Tensor | None = None) -> torch.Tensor:
        """The features of one frame, shape (1, n_columns).

        Parameters
        ----------
        positions : tensor of float64, shape (n_atoms, 3), in nm
            Of whole molecules.
        box : tensor, shape (3, 3), optional
            Box vectors in OpenMM's reduced form; distances between molecules are then to the nearest image.
        """
        return torch.cat([part(positions, box) for part in self._parts])[None]


def _between(positions, first, second, crosses, box):
    """Vectors from one atom to another, shape (n, 3)."""
    vectors = positions[second] - positions[first]
    if box is None or not crosses.any():
        return vectors
    nearest = vectors
    for axis in (2, 1, 0):  # of a reduced box, c is the only vector with a z, and so on
        nearest = nearest - torch.round(nearest[:, axis] / box[axis, axis]).detach()[:, None] * box[axis]
    return torch.where(crosses[:, None], nearest, vectors)


class _Torsions:
    def __init__(self, part, atoms):
        self.atoms = torch.as_tensor(np.searchsorted(atoms, part.atoms))
        self.crosses = torch.as_tensor(part.crosses)

    def __call__(self, positions, box):
        i, j, k, m = self.atoms.T
        first, second, third = (
            _between(positions, one, other, self.crosses, box) for one, other in ((i, j), (j, k), (k, m))
        )
        one, other = torch.linalg.cross(first, second), torch.linalg.cross(second, third)
        lengths = one.norm(dim=1) * other.norm(dim=1)
        cosine = (one * other).sum(dim=1) / lengths
        sine = (first * other).sum(dim=1) * second.norm(dim=1) / lengths
        return torch.stack([cosine, sine], dim=1).reshape(-1)


class _Pairs:
    def __init__(self, part, atoms):
        self.first, self.second = torch.as_tensor(np.searchsorted(atoms, part.atoms)).T
        self.crosses = torch.as_tensor(part.crosses)
        self.column, self.closest, self.n_columns = torch.as_tensor(part.column), part.closest, len(part.names)
        self.share = torch.as_tensor(part.share)
        self.beta = part.beta_per_nm
        self.threshold = (
            None if part.threshold_nm is None else torch.as_tensor(np.array(part.threshold_nm, dtype=float))
        )

    def __call__(self, positions, box):
        values = _between(positions, self.first, self.second, self.crosses, box).norm(dim=1)
        empty = torch.zeros(self.n_columns, dtype=values.dtype)
        if self.closest:
            values = empty.scatter_reduce(0, self.column, values, "amin", include_self=False)
        if self.threshold is not None:
            values = torch.sigmoid(self.beta * (self.threshold - values))
        return values if self.closest else empty.index_add(0, self.column, self.share * values)
