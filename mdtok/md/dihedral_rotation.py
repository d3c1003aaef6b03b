"""Backbone dihedral angles: measured, and set by rotating one side of the molecule about the bond in the middle."""

import numpy as np

from mdtok.errors import StructureError

# Atoms of each angle and the residue they are in, relative to the one that the angle is named after (IUPAC 1970).
BACKBONE_DIHEDRALS = {
    "phi": (("C", -1), ("N", 0), ("CA", 0), ("C", 0)),
    "psi": (("N", 0), ("CA", 0), ("C", 0), ("N", 1)),
}


def find_backbone_dihedrals(topology, name):
    """Atom indices of every phi or psi of a molecule.

    Parameters
    ----------
    topology : openmm.app.Topology
    name : {"phi", "psi"}

    Returns
    -------
    list of tuple of four int
        In the order of the residues.

    Raises
    ------
    StructureError
        The molecule has no such angle, or the name is neither phi nor psi.
    """
    if name not in BACKBONE_DIHEDRALS:
        raise StructureError(f"The dihedral angle '{name}' is not known; phi or psi was expected.")
    found = []
    for chain in topology.chains():
        residues = [{atom.name: atom.index for atom in residue.atoms()} for residue in chain.residues()]
        for index in range(len(residues)):
            atoms = [_atom(residues, index + offset, atom) for atom, offset in BACKBONE_DIHEDRALS[name]]
            if None not in atoms:
                found.append(tuple(atoms))
    if not found:
        raise StructureError(f"The molecule has no dihedral angle {name}; residues with atoms N, CA and C are needed.")
    return found


def _atom(residues, index, name):
    return residues[index].get(name) if 0 <= index < len(residues) else None


def measure_dihedral(positions, atoms):
    """Dihedral angle of four atoms in degrees, -180 to 180, positive clockwise along the middle bond (IUPAC).

    Examples
    --------
    >>> import numpy as np
    >>> round(float(measure_dihedral(np.array([[1, 0, 0], [0, 0, 0], [0, 0, 1], [0, 1, 1.0]]), (0, 1, 2, 3))))
    90
    """
    a, b, c, d = (np.asarray(positions)[atom] for atom in atoms)
    axis = (c - b) / np.linalg.norm(c - b)
    normal_1, normal_2 = np.cross(b - a, axis), np.cross(axis, d - c)
    return float(np.degrees(np.arctan2(np.dot(np.cross(normal_1, normal_2), axis), np.dot(normal_1, normal_2))))


def set_dihedral(topology, positions, atoms, degrees):
    """Positions with one dihedral angle set, by a rotation of everything beyond its middle bond.

    Parameters
    ----------
    topology : openmm.app.Topology
        Its bonds say what lies beyond the middle bond.
    positions : ndarray of float, shape (n_atoms, 3)
    atoms : tuple of four int
    degrees : float

    Returns
    -------
    ndarray of float, shape (n_atoms, 3)

    Raises
    ------
    StructureError
        The middle bond is part of a ring, or is no bond.
    """
    start, end = atoms[1:3]
    beyond = sorted(_atoms_beyond(topology, start, end))
    positions = np.array(positions, dtype=float)
    axis = (positions[end] - positions[start]) / np.linalg.norm(positions[end] - positions[start])
    angle = np.radians(degrees - measure_dihedral(positions, atoms))
    arms = positions[beyond] - positions[start]
    along = np.outer(arms @ axis, axis)  # Rodrigues: what is along the axis stays, the rest turns
    turned = along + np.cos(angle) * (arms - along) + np.sin(angle) * np.cross(axis, arms)
    positions[beyond] = positions[start] + turned
    return positions


def _atoms_beyond(topology, start, end):
    """Atoms that are reached from `end` without passing the bond to `start`."""
    neighbours = {}
    for first, second in topology.bonds():
        neighbours.setdefault(first.index, set()).add(second.index)
        neighbours.setdefault(second.index, set()).add(first.index)
    if end not in neighbours.get(start, ()):
        raise StructureError(f"Atoms {start} and {end} are not bonded; a dihedral angle turns about a bond.")
    reached, to_visit = {end}, [end]
    while to_visit:
        here = to_visit.pop()
        for atom in neighbours[here] - reached:
            if atom == start:
                if here != end:
                    raise StructureError(f"The bond of atoms {start} and {end} is in a ring and cannot be turned.")
                continue
            reached.add(atom)
            to_visit.append(atom)
    return reached
