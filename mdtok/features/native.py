"""Native contacts of a structure, and how many of them a frame has: Q."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from mdtok.errors import DataError, SettingsError, StructureError
from mdtok.features.distances import SCHEMES, contact, distance_blocks, require_known, require_positive
from mdtok.features.feature import Feature
from mdtok.features.topologies import (
    calpha_atoms,
    describe,
    heavy_atoms,
    load_reference,
    pair_names,
    same_residue,
    segments,
)
from mdtok.storage import read_json, write_json

if TYPE_CHECKING:
    import mdtraj


CUTOFF_NM = {"closest-heavy": 0.45, "ca": 0.8}
#: A native contact counts as formed up to so many times its native distance. 1.8 is that of Best, Hummer and Eaton for
#: heavy atoms; Cα beads do not come closer than they are, and 1.2 is usual for them.
LAMBDA = {"closest-heavy": 1.8, "ca": 1.2}


@dataclass(frozen=True, eq=False)
class NativeContacts:
    """Native contacts, by residue and atom name, so that they hold for every topology of the same residues.

    Attributes
    ----------
    scheme : {"closest-heavy", "ca"}
        What a contact is: two heavy atoms, or two Cα, closer than `cutoff_nm`.
    cutoff_nm : float
    min_separation : int
        Residues of a chain that are at least so far apart in sequence.
    residues : dict of int -> (str, int)
        Name and number of each residue with a contact, by its index (from 0).
    pairs : ndarray of int, shape (n_contacts, 2)
        Residue indices of each contact.
    ca_nm : ndarray, shape (n_contacts,)
        Native Cα distance of each contact.
    closest_heavy_nm : ndarray, shape (n_contacts,), or None
        Native distance of the closest heavy atoms; None for the scheme "ca".
    atom_pairs : list of (int, str, int, str)
        All pairs of heavy atoms closer than the cutoff: residue index and atom name of both. Empty for the scheme "ca".
    atom_nm : ndarray, shape (n_atom_pairs,)
        Their native distances.
    """

    scheme: str
    cutoff_nm: float
    min_separation: int
    residues: dict
    pairs: np.ndarray
    ca_nm: np.ndarray
    closest_heavy_nm: np.ndarray | None
    atom_pairs: list
    atom_nm: np.ndarray

    def __post_init__(self):
        require_known("scheme", self.scheme, SCHEMES)
        n_contacts, n_atom_pairs = len(self.pairs), len(self.atom_pairs)
        heavy = self.scheme == "closest-heavy"
        lengths_agree = (
            np.shape(self.pairs) == (n_contacts, 2)
            and np.shape(self.ca_nm) == (n_contacts,)
            and (np.shape(self.closest_heavy_nm) == (n_contacts,) if heavy else self.closest_heavy_nm is None)
            and np.shape(self.atom_nm) == (n_atom_pairs,)
            and bool(n_atom_pairs) == heavy
        )
        named = {int(i) for i in np.ravel(self.pairs)} | {i for i, _, j, _ in self.atom_pairs for i in (i, j)}
        if n_contacts == 0 or not lengths_agree or not named <= self.residues.keys():
            raise DataError(
                f"{n_contacts} native contacts with {n_atom_pairs} atom pairs do not go together with their distances "
                "and residues; make them with native_contacts(structure)."
            )
        for distances in (self.ca_nm, self.closest_heavy_nm, self.atom_nm):
            if distances is not None and not np.all(np.isfinite(distances) & (np.asarray(distances) > 0)):
                raise DataError(
                    "Native distances must be positive numbers of nm; make them with native_contacts(structure)."
                )

    def __len__(self) -> int:
        return len(self.pairs)

    def between(self, first: Sequence[int], second: Sequence[int]) -> NativeContacts:
        """The contacts between two stretches of residues, such as the strands of a hairpin.

        Parameters
        ----------
        first, second : range or list of int
            Residue indices (from 0), in either order.

        Returns
        -------
        NativeContacts

        Raises
        ------
        DataError
            There is no contact between them.
        """
        first, second = set(first), set(second)

        def is_between(i, j):
            return (i in first and j in second) or (i in second and j in first)

        pairs = np.array([is_between(i, j) for i, j in self.pairs], dtype=bool)
        atoms = np.array([is_between(i, j) for i, _, j, _ in self.atom_pairs], dtype=bool)
        if not pairs.any():
            raise DataError(
                f"The residues {sorted(first)} and {sorted(second)} have no native contact; give others, counted "
                "from 0."
            )
        return replace(
            self,
            pairs=self.pairs[pairs],
            ca_nm=self.ca_nm[pairs],
            closest_heavy_nm=None if self.closest_heavy_nm is None else self.closest_heavy_nm[pairs],
            atom_pairs=[pair for pair, kept in zip(self.atom_pairs, atoms) if kept],
            atom_nm=self.atom_nm[atoms],
        )

    def distances_nm(self, scheme: str) -> np.ndarray:
        """Native distance of each contact in a scheme, shape (n_contacts,)."""
        require_known("scheme", scheme, SCHEMES)
        if scheme == "ca":
            return self.ca_nm
        if self.closest_heavy_nm is None:
            raise SettingsError(
                "These native contacts were made from Cα atoms and have no heavy-atom distances; use scheme='ca', or "
                "native_contacts(structure, scheme='closest-heavy')."
            )
        return self.closest_heavy_nm

    def names(self, topology: mdtraj.Topology) -> list[str]:
        """Names of the contacts in a molecule, list of str such as "TRP8-TYR20".

        Raises
        ------
        DataError
            The molecule has other residues.
        """
        self.require_residues(topology)
        return pair_names(topology, self.pairs)

    def require_residues(self, topology: mdtraj.Topology) -> None:
        """DataError unless `topology` has these residues at these places (numbers and protonation may differ)."""
        for index, (name, number) in self.residues.items():
            found = topology.residue(index) if index < topology.n_residues else None
            if found is None or not same_residue(found.name, name):
                raise DataError(
                    f"Residue {index} of the native contacts is {name}{number}, of this molecule "
                    f"({describe(topology)}) {found or 'not there'}; pass the native contacts of the same sequence."
                )

    def atom_indices(self, topology: mdtraj.Topology, scheme: str) -> np.ndarray:
        """Atoms of the pairs that Q is counted over, int array of shape (n_pairs, 2).

        All native pairs of heavy atoms, or the Cα of each contact.
        """
        self.require_residues(topology)
        wanted = self.atom_pairs
        if scheme == "ca":
            wanted = [(i, "CA", j, "CA") for i, j in self.pairs]
        names = {index: {atom.name: atom.index for atom in topology.residue(index).atoms} for index in self.residues}
        for index, name in sorted({atom for i, a, j, b in wanted for atom in ((int(i), a), (int(j), b))}):
            if name not in names[index]:
                raise DataError(
                    f"Native contacts need the atom {name} of {topology.residue(index)}, which this molecule "
                    f"({describe(topology)}) does not have; "
                    + ("a Cα of every residue was expected." if scheme == "ca" else "use scheme='ca'.")
                )
        return np.array([(names[i][a], names[j][b]) for i, a, j, b in wanted])

    def to_dict(self) -> dict:
        """All of it, for a file."""
        return {"schema": 1, **vars(self)}

    def save(self, path: str | Path) -> None:
        """Write the contacts as JSON."""
        write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: str | Path) -> NativeContacts:
        """Read what `save` wrote; DataError where the file holds something else."""
        return cls.from_dict(read_json(path), path)

    @classmethod
    def from_dict(cls, content: dict, path: str | Path) -> NativeContacts:
        """What `to_dict` gave, read from the file `path`; DataError where that is something else."""
        try:
            content = dict(content)
            if content.pop("schema") != 1:
                raise ValueError("another schema")
            residues = content["residues"].items()
            content["residues"] = {int(index): (str(name), int(number)) for index, (name, number) in residues}
            content["pairs"] = np.array(content["pairs"], dtype=int)
            content["atom_pairs"] = [(int(i), str(a), int(j), str(b)) for i, a, j, b in content["atom_pairs"]]
            for name in ("ca_nm", "closest_heavy_nm", "atom_nm"):
                content[name] = None if content[name] is None else np.array(content[name], dtype=float)
            return cls(**content)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path} is no list of native contacts ({' '.join(str(error).split())}).") from None


def native_contacts(
    structure: str | Path | mdtraj.Trajectory,
    cutoff_nm: float | None = None,
    min_separation: int = 4,
    scheme: str = "closest-heavy",
) -> NativeContacts:
    """The native contacts of a structure: residues with two heavy atoms (or their Cα) closer than a cutoff.

    Parameters
    ----------
    structure : mdtraj.Trajectory of one frame, or path of a PDB file
        Molecules must be whole, not cut by a periodic box. Residues without a Cα are passed over.
    cutoff_nm : float, optional
        0.45 nm by default, 0.8 nm for the scheme "ca".
    min_separation : int
        Residues i and j of a chain with ``|i - j| >= min_separation``; residues of two chains always.
    scheme : {"closest-heavy", "ca"}

    Returns
    -------
    NativeContacts
        With Cα distances in both schemes, so that a Cα model can be measured by the contacts of an all-atom structure.

    Raises
    ------
    StructureError
        The structure is missing, more than one frame, without Cα atoms, or has no contact under the cutoff.

    References
    ----------
    Best, Hummer and Eaton, Proc. Natl. Acad. Sci. USA 110, 17874 (2013): heavy atoms under 0.45 nm, ``|i - j| > 3``.

    Examples
    --------
    >>> import mdtraj, numpy as np
    >>> topology = mdtraj.Topology()
    >>> chain = topology.add_chain()
    >>> for number in range(1, 6):
    ...     _ = topology.add_atom("CA", mdtraj.element.carbon, topology.add_residue("GLY", chain, resSeq=number))
    >>> ring = 0.38 * np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1]])
    >>> native = native_contacts(mdtraj.Trajectory(ring, topology), scheme="ca")
    >>> native.names(topology), native.ca_nm.round(3)
    (['GLY1-GLY5'], array([0.537]))
    """
    require_known("scheme", scheme, SCHEMES)
    cutoff_nm = CUTOFF_NM[scheme] if cutoff_nm is None else cutoff_nm
    require_positive(cutoff_nm=cutoff_nm, min_separation=min_separation)
    structure = load_reference(structure)
    topology, xyz = structure.topology, structure.xyz[0].astype(float)
    calphas = calpha_atoms(topology)
    if not calphas:
        raise StructureError(f"The structure ({describe(topology)}) has no Cα atoms; a protein was expected.")
    found = _close_pairs(topology, xyz, calphas, cutoff_nm, min_separation, scheme)  # (n_atom_pairs, 2) atom indices
    if len(found) == 0:
        raise StructureError(
            f"The structure ({describe(topology)}) has no contact under {cutoff_nm:g} nm between residues "
            f"{min_separation} or more apart; raise cutoff_nm (in nm) or lower min_separation."
        )
    atoms, atom_nm = list(topology.atoms), _length(xyz, found)
    residue_of = np.array([[atoms[a].residue.index, atoms[b].residue.index] for a, b in found])
    pairs, contact_of = np.unique(residue_of, axis=0, return_inverse=True)
    closest = np.full(len(pairs), np.inf)
    np.minimum.at(closest, contact_of.reshape(-1), atom_nm)
    residues = {int(i): (topology.residue(i).name, topology.residue(i).resSeq) for i in np.unique(pairs)}
    ca_nm = _length(xyz, np.array([[calphas[i], calphas[j]] for i, j in pairs]))
    if scheme == "ca":
        return NativeContacts(scheme, cutoff_nm, min_separation, residues, pairs, ca_nm, None, [], np.array([]))
    named = [(int(i), atoms[a].name, int(j), atoms[b].name) for (i, j), (a, b) in zip(residue_of, found)]
    return NativeContacts(scheme, cutoff_nm, min_separation, residues, pairs, ca_nm, closest, named, atom_nm)


def _close_pairs(topology, xyz, calphas, cutoff_nm, min_separation, scheme):
    """Pairs of atoms under the cutoff in residues far enough apart, in order of residues, int (n_pairs, 2)."""
    atoms = [[calphas[i]] if scheme == "ca" else heavy_atoms(topology.residue(i)) for i in calphas]
    residue = np.repeat(list(calphas), [len(group) for group in atoms])
    chain = segments(topology)[residue]
    atoms = np.concatenate(atoms)
    close = np.sort(cKDTree(xyz[atoms]).query_pairs(cutoff_nm, output_type="ndarray"), axis=1)  # positions in `atoms`
    first, second = close.T
    far = np.where(chain[first] == chain[second], residue[second] - residue[first] >= min_separation, True)
    close = close[far]
    return atoms[close[np.lexsort((close[:, 1], close[:, 0]))]]


def _length(xyz, pairs):
    return np.linalg.norm(xyz[pairs[:, 0]] - xyz[pairs[:, 1]], axis=1)


class NativeFraction(Feature):
    """Fraction of native contacts, one column, "Q" unless it is named.

    Mean over the native atom pairs of ``1 / (1 + exp(beta (r - lambda r0)))``, r0 being the distance in the native
    structure; or, where `kind` is "hard", the share of pairs with ``r < lambda r0``.

    Parameters
    ----------
    native : NativeContacts
    beta_per_nm : float
        Steepness of soft contacts.
    lambda_ : float, optional
        1.8 for heavy atoms, 1.2 for Cα.
    kind : {"soft", "hard"}
    scheme : {"closest-heavy", "ca"}, optional
        Over all native pairs of heavy atoms, or over the Cα of the residues in contact (for Cα models, too, by the
        contacts of an all-atom structure). That of `native` by default.
    name : str
        Of the column.

    References
    ----------
    Best, Hummer and Eaton, Proc. Natl. Acad. Sci. USA 110, 17874 (2013), eq. 1: beta 50 /nm, lambda 1.8.

    Examples
    --------
    >>> import mdtraj, numpy as np
    >>> topology = mdtraj.Topology()
    >>> chain = topology.add_chain()
    >>> for number in range(1, 6):
    ...     _ = topology.add_atom("CA", mdtraj.element.carbon, topology.add_residue("GLY", chain, resSeq=number))
    >>> ring = 0.38 * np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1]])
    >>> native = native_contacts(mdtraj.Trajectory(ring, topology), scheme="ca")
    >>> NativeFraction(native).transform(mdtraj.Trajectory([ring, 2 * ring], topology)).round(2)
    array([[1.],
           [0.]], dtype=float32)
    """

    def __init__(
        self,
        native: NativeContacts,
        beta_per_nm: float = 50.0,
        lambda_: float | None = None,
        kind: str = "soft",
        scheme: str | None = None,
        name: str = "Q",
    ) -> None:
        if not isinstance(native, NativeContacts):
            raise SettingsError(f"native is {type(native).__name__}; pass what native_contacts(structure) returns.")
        self.native = native
        self.scheme = native.scheme if scheme is None else scheme
        native.distances_nm(self.scheme)  # says what is wrong with the scheme
        require_known("kind", kind, ("soft", "hard"))
        self.lambda_ = LAMBDA[self.scheme] if lambda_ is None else lambda_
        require_positive(beta_per_nm=beta_per_nm, lambda_=self.lambda_)
        self.beta_per_nm = beta_per_nm
        self.kind = kind
        self.name = name

    def names(self, topology: mdtraj.Topology) -> list[str]:
        """Column names, list of str."""
        self.native.atom_indices(topology, self.scheme)  # another molecule is known before coordinates are read
        return [self.name]

    @property
    def native_nm(self) -> np.ndarray:
        """Native distance of each pair of atoms that is counted, in nm."""
        return self.native.ca_nm if self.scheme == "ca" else self.native.atom_nm

    def transform(self, traj: mdtraj.Trajectory) -> np.ndarray:
        """Q of each frame.

        Parameters
        ----------
        traj : mdtraj.Trajectory

        Returns
        -------
        ndarray of float32, shape (n_frames, 1)
        """
        atom_pairs = self.native.atom_indices(traj.topology, self.scheme)
        q = np.empty((len(traj), 1), dtype=np.float32)
        for frames, distances in distance_blocks(traj, atom_pairs):
            formed = contact(distances, self.lambda_ * self.native_nm, self.kind, self.beta_per_nm)
            q[frames, 0] = formed.mean(axis=1, dtype=np.float64)
        return q
