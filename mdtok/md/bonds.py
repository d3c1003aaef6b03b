"""Bonds: those of the topology held against the frames, and molecules made whole where a periodic box cuts them.

A topology of the same atoms in another order, or of another molecule, gives features that are numbers and nothing more.
Its bonds are then no bonds in the frames. Where residues are missing, two that are neighbours in the file are not
bonded.
"""

from __future__ import annotations

import logging

import mdtraj
import numpy as np

from mdtok.errors import DataError
from mdtok.md.files import one_line

log = logging.getLogger(__name__)

# Covalent radii in nm: B. Cordero et al., Dalton Trans. 2832 (2008).
_RADIUS_NM = {
    **{"H": 0.031, "B": 0.084, "C": 0.076, "N": 0.071, "O": 0.066, "F": 0.057, "Si": 0.111, "P": 0.107, "S": 0.105},
    **{"Cl": 0.102, "Se": 0.120, "Br": 0.120, "I": 0.139},
}
_STRETCH, _SLACK_NM = 1.35, 0.03  # hot, strained and coarse structures stay below; two atoms that only touch do not
_TWO_HYDROGENS_NM = 0.17  # rigid water has a bond between them
_SMALLEST_BOX_NM = 0.5  # twice the longest bond: a smaller one is none (CRYST1 1 1 1)


class Bonds:
    """The bonds of a topology that can be held against distances, and its molecules.

    Parameters
    ----------
    topology : mdtraj.Topology

    Attributes
    ----------
    pairs : ndarray of int, shape (n_bonds, 2)
        Bonds of which both elements are known; none of beads that stand for a residue.
    longest_nm : ndarray of float, shape (n_bonds,)
    molecule_of : ndarray of int, shape (n_atoms,)
        Number of the molecule that each atom is in.
    """

    def __init__(self, topology: mdtraj.Topology):
        self.topology = topology
        known = [(one, other, limit) for one, other in topology.bonds if (limit := _longest(one, other)) is not None]
        self._all = np.array([(one.index, other.index) for one, other in topology.bonds], dtype=int).reshape(-1, 2)
        self.pairs = np.array([(one.index, other.index) for one, other, _ in known], dtype=int).reshape(-1, 2)
        self.longest_nm = np.array([limit for *_, limit in known])
        self.molecule_of = np.zeros(topology.n_atoms, dtype=int)
        molecules = topology.find_molecules() if topology.n_bonds else [set(topology.atoms)]
        for number, atoms in enumerate(molecules):
            self.molecule_of[[atom.index for atom in atoms]] = number
        self.n_molecules = len(molecules)

    def whole(self, chunk: mdtraj.Trajectory, name: str, start: int = 0) -> mdtraj.Trajectory:
        """Frames whose molecules are whole; without a box where there is one molecule, so that nothing sees an image.

        Parameters
        ----------
        chunk : mdtraj.Trajectory
        name : str
            Of the trajectory, for the message.
        start : int
            Number of its first frame.

        Raises
        ------
        DataError
            A bond is none in a frame, also over the boundary: the topology is of another molecule or another order of
            atoms, or the box cannot be true.
        """
        if chunk.unitcell_lengths is None:
            if start == 0:
                self.require(chunk.xyz[:1], name, start)
            return chunk
        boxed = _has_true_box(chunk)
        if self._broken(chunk.xyz).any() or (boxed and self._is_cut(chunk)):
            made = _make_whole(chunk, self._all) if boxed else chunk
            self.require(made.xyz, name, start)
            chunk = made
        if self.n_molecules == 1 or not boxed:
            chunk = mdtraj.Trajectory(chunk.xyz, chunk.topology, time=chunk.time)
        return chunk

    def require(self, xyz: np.ndarray, name: str, start: int = 0) -> None:
        """DataError, with the worst bond named, unless all bonds are bonds in these frames."""
        broken = self._broken(xyz)
        if not broken.any():
            return
        frame = int(np.flatnonzero(broken.any(axis=1))[0])
        lengths = self._lengths(xyz[frame : frame + 1])[0]
        worst = int(np.argmax(lengths / self.longest_nm))
        one, other = (self.topology.atom(index) for index in self.pairs[worst])
        raise DataError(
            f"{name}: in frame {start + frame}, {int(broken[frame].sum())} of {len(self.pairs)} bonds of the "
            f"topology are "
            f"none; the worst is {one} (atom {one.index + 1}) to {other} (atom {other.index + 1}), "
            f"{lengths[worst]:.2f} nm "
            f"long, at most {self.longest_nm[worst]:.2f} nm was expected. Pass the topology of these very atoms in "
            f"this very "
            "order, or make molecules whole first if a box cut them."
        )

    def _is_cut(self, chunk):
        """Whether a bond, of beads too, goes over more than half of the box."""
        lengths = np.linalg.norm(chunk.xyz[:, self._all[:, 0]] - chunk.xyz[:, self._all[:, 1]], axis=-1)
        return bool((lengths > chunk.unitcell_lengths.min(axis=1, keepdims=True) / 2).any())

    def _lengths(self, xyz):
        first, second = self.pairs.T
        return np.linalg.norm(xyz[:, first] - xyz[:, second], axis=-1)

    def _broken(self, xyz):
        if not len(self.pairs):
            return np.zeros((len(xyz), 1), dtype=bool)
        return self._lengths(xyz) > self.longest_nm


def true_topology(topology: mdtraj.Topology, frame: mdtraj.Trajectory, name: str) -> mdtraj.Topology:
    """The topology with the bonds that a frame has: standard ones where it has none, without those over gaps.

    Parameters
    ----------
    topology : mdtraj.Topology
    frame : mdtraj.Trajectory
        One frame of it.
    name : str
        Of its file, for messages.

    Returns
    -------
    mdtraj.Topology
        The same one if it needs no change.

    Raises
    ------
    DataError
        A bond within a residue is none in the frame.
    """
    if topology.n_bonds == 0 and topology.n_residues < topology.n_atoms:
        topology = topology.copy()
        topology.create_standard_bonds()
    bonds = Bonds(topology)
    if not len(bonds.pairs):
        return topology
    lengths = _shortest(frame, bonds.pairs)
    residue_of = np.array([atom.residue.index for atom in topology.atoms])
    between = residue_of[bonds.pairs[:, 0]] != residue_of[bonds.pairs[:, 1]]
    gaps = between & (lengths > bonds.longest_nm)
    if not gaps.any():
        Bonds(topology).whole(frame, name)
        return topology
    if gaps.sum() > max(1, between.sum() / 2):  # no protein is missing that much: these are other atoms
        bonds.require(frame.xyz, name)
    over = {tuple(sorted(pair)) for pair in bonds.pairs[gaps].tolist()}
    cut = topology.copy()
    cut._bonds = [bond for bond in cut.bonds if tuple(sorted((bond[0].index, bond[1].index))) not in over]
    Bonds(cut).whole(frame, name)  # another molecule, or another order of atoms, is said first
    shown = ", ".join(" and ".join(str(topology.atom(index).residue) for index in pair) for pair in sorted(over)[:5])
    log.warning(
        "%s: %s are not bonded (missing residues, or another molecule): nothing is measured over that.", name, shown
    )
    return cut


def _longest(one, other):
    """The longest that a bond between two atoms can be, in nm; None where that is not known."""
    if one.residue.n_atoms == 1 or other.residue.n_atoms == 1:  # beads
        return None
    radii = [_RADIUS_NM.get(atom.element.symbol) if atom.element is not None else None for atom in (one, other)]
    if None in radii:
        return None
    if radii[0] == radii[1] == _RADIUS_NM["H"]:
        return _TWO_HYDROGENS_NM
    return _STRETCH * sum(radii) + _SLACK_NM


def _has_true_box(chunk):
    lengths, angles = chunk.unitcell_lengths, chunk.unitcell_angles
    return bool(np.isfinite(lengths).all() and lengths.min() >= _SMALLEST_BOX_NM and angles.min() > 10)


def _shortest(frame, pairs):
    """Lengths of bonds in one frame, over the boundary where it has a box that can be true."""
    lengths = np.linalg.norm(frame.xyz[0, pairs[:, 0]] - frame.xyz[0, pairs[:, 1]], axis=-1)
    if frame.unitcell_lengths is not None and _has_true_box(frame):
        lengths = np.minimum(lengths, mdtraj.compute_distances(frame, pairs, periodic=True, opt=False)[0])
    return lengths


def _make_whole(chunk, pairs):
    made = mdtraj.Trajectory(chunk.xyz.copy(), chunk.topology, time=chunk.time)
    made.unitcell_lengths, made.unitcell_angles = chunk.unitcell_lengths, chunk.unitcell_angles
    try:
        return made.make_molecules_whole(inplace=False, sorted_bonds=_from_the_first_atom(chunk.topology, pairs))
    except Exception as error:
        raise DataError(
            f"Molecules cannot be made whole ({one_line(error)}); do so before (gmx trjconv -pbc whole)."
        ) from None


def _from_the_first_atom(topology, pairs):
    """Bonds in an order in which each leads from an atom that is placed to one that is not."""
    neighbours = {}
    for one, other in pairs.tolist():
        neighbours.setdefault(one, []).append(other)
        neighbours.setdefault(other, []).append(one)
    placed, ordered = set(), []
    for first in sorted(neighbours):
        if first in placed:
            continue
        placed.add(first)
        waiting = [first]
        while waiting:
            atom = waiting.pop()
            for other in neighbours[atom]:
                if other not in placed:
                    placed.add(other)
                    ordered.append((atom, other))
                    waiting.append(other)
    return np.array(ordered, dtype=np.int32)
