"""Encoded features as what they are of atoms: torsions, distances, contacts, for forces and input files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mdtok.errors import DataError, SettingsError
from mdtok.features.contacts import Contacts
from mdtok.features.featurizer import Dihedrals
from mdtok.features.native import NativeFraction
from mdtok.features.topologies import calpha_atoms, heavy_atoms
from mdtok.md.bonds import Bonds

if TYPE_CHECKING:
    from mdtok.features.featurizer import Featurizer


@dataclass(frozen=True, eq=False)
class Torsions:
    """Two columns an angle: its cosine and its sine.

    Attributes
    ----------
    names : list of str
        Of the columns, ``"cos phi ALA2", "sin phi ALA2", …``.
    atoms : int array, shape (n_angles, 4)
    crosses : bool array, shape (n_angles,)
        Whether the atoms belong to more than one molecule: then a periodic box counts.
    """

    names: list
    atoms: np.ndarray
    crosses: np.ndarray

    @property
    def column(self) -> np.ndarray:
        """The columns of each angle, int array of shape (n_angles, 2)."""
        return np.arange(2 * len(self.atoms)).reshape(-1, 2)


@dataclass(frozen=True, eq=False)
class Pairs:
    """A distance of atoms a column, or a contact, or the mean or the closest of several.

    Attributes
    ----------
    names : list of str
        Of the columns.
    atoms : int array, shape (n_pairs, 2)
    crosses : bool array, shape (n_pairs,)
        As for `Torsions`.
    column : int array, shape (n_pairs,)
        Which column each pair belongs to.
    closest : bool
        A column is that of its closest pair; otherwise the mean over its pairs.
    threshold_nm : array, shape (n_pairs,) or with `closest` (n_columns,), or None
        Of soft contacts, ``1 / (1 + exp(beta (r - threshold)))``; None for distances in nm.
    beta_per_nm : float
    """

    names: list
    atoms: np.ndarray
    crosses: np.ndarray
    column: np.ndarray
    closest: bool
    threshold_nm: np.ndarray | None
    beta_per_nm: float

    @property
    def share(self) -> np.ndarray:
        """What each pair counts for in its column, shape (n_pairs,)."""
        return 1 / np.bincount(self.column)[self.column]


def columns_of(featurizer: Featurizer) -> list[Torsions | Pairs]:
    """The encoded columns of a featurizer, feature by feature: angles as cosine and sine, the others as they are.

    Raises
    ------
    DataError
        The featurizer is not fitted.
    SettingsError
        A column has no derivative, or none that is known here; it is named.

    Examples
    --------
    >>> import mdtraj
    >>> from mdtok.features import Featurizer
    >>> topology = mdtraj.Topology()
    >>> residue = topology.add_residue("BUT", topology.add_chain())
    >>> for name in "ABCD":
    ...     _ = topology.add_atom(name, mdtraj.element.carbon, residue)
    >>> frame = mdtraj.Trajectory([[[0, 0, 0], [1, 0, 0], [1, 1, 0], [2, 1, 0]]], topology)
    >>> columns_of(Featurizer(Dihedrals([(0, 1, 2, 3)])).fit(frame))[0].names
    ['cos BUT0-A BUT0-B BUT0-C BUT0-D', 'sin BUT0-A BUT0-B BUT0-C BUT0-D']
    """
    if not hasattr(featurizer, "topology_"):
        raise DataError("The Featurizer is not fitted; call fit(trajs) before a collective variable is made of it.")
    topology = featurizer.topology_
    molecule_of = Bonds(topology).molecule_of
    return [_columns(feature, topology, molecule_of) for feature in featurizer.features]


def _columns(feature, topology, molecule_of):
    names = feature.names(topology)
    if isinstance(feature, Dihedrals):
        atoms = feature.indices(topology)
        if feature.encoding == "radians":
            names = [f"{function} {name}" for name in names for function in ("cos", "sin")]
        return Torsions(names, atoms, _crosses(atoms, molecule_of))
    if isinstance(feature, (Contacts, NativeFraction)) and feature.kind != "hard":
        if isinstance(feature, NativeFraction):
            atoms = feature.native.atom_indices(topology, feature.scheme)
            column, threshold = np.zeros(len(atoms), dtype=int), feature.lambda_ * feature.native_nm
        else:
            atoms, column = _contact_atoms(feature, topology)
            threshold = None if feature.kind == "distance" else np.broadcast_to(feature.threshold_nm, len(names))
        closest = isinstance(feature, Contacts) and feature.scheme == "closest-heavy"
        return Pairs(names, atoms, _crosses(atoms, molecule_of), column, closest, threshold, float(feature.beta_per_nm))
    shown = ", ".join(map(repr, names[:3])) + (", …" if len(names) > 3 else "")
    raise SettingsError(
        f"{shown} ({_kind(feature)}) cannot be a force; dihedrals, distances, soft contacts and the soft fraction of "
        "native contacts can: fit the collective variable to those."
    )


def _kind(feature):
    hard = "hard contacts, which have no slope" if getattr(feature, "kind", "") == "hard" else None
    return hard or f"of {type(feature).__name__}"


def _contact_atoms(feature, topology):
    """Pairs of atoms and the column of each: the two Cα, or all heavy atoms of one residue with all of the other."""
    if feature.scheme == "ca":
        calphas = calpha_atoms(topology)
        groups = [([calphas[i]], [calphas[j]]) for i, j in feature.residue_pairs(topology)]
    else:
        heavy = [heavy_atoms(residue) for residue in topology.residues]
        groups = [(heavy[i], heavy[j]) for i, j in feature.residue_pairs(topology)]
    atoms = [(a, b) for one, other in groups for a in one for b in other]
    sizes = [len(one) * len(other) for one, other in groups]
    return np.array(atoms), np.repeat(np.arange(len(groups)), sizes)


def _crosses(atoms, molecule_of):
    return (molecule_of[atoms] != molecule_of[atoms[:, :1]]).any(axis=1)


def names_of(columns: list[Torsions | Pairs]) -> list[str]:
    """Names of all columns in their order."""
    return [name for part in columns for name in part.names]


def with_offsets(columns: list[Torsions | Pairs]):
    """Iterate over the parts with the number of each one's first column."""
    first = 0
    for part in columns:
        yield first, part
        first += len(part.names)


def atoms_of(columns: list[Torsions | Pairs]) -> np.ndarray:
    """All atoms that are used, each once, in their order, int array."""
    return np.unique(np.concatenate([part.atoms.ravel() for part in columns]))
