"""Molecular structures: read from PDB, and checked for residues that are mirror images of what they should be."""

from pathlib import Path

import numpy as np
from openmm import app, unit

from mdtok.errors import StructureError


def load_structure(path):
    """Read a PDB file with hydrogens and check its chirality.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    topology : openmm.app.Topology
    positions : ndarray of float, shape (n_atoms, 3), in nm

    Raises
    ------
    StructureError
        The file is missing, is no PDB file, or holds a D-residue.
    """
    path = Path(path)
    if not path.is_file():
        raise StructureError(f"The structure {path} does not exist; give the path of a PDB file.")
    try:
        with open(path, encoding="utf-8") as file:
            pdb = app.PDBFile(file)
        positions = pdb.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    except Exception as error:  # OpenMM's parser raises whatever it stumbles over
        raise StructureError(f"{path} cannot be read as a PDB file with atoms ({error}).") from None
    check_chirality(pdb.topology, positions)
    return pdb.topology, np.array(positions)


def check_chirality(topology, positions):
    """Raise StructureError if an amino acid is a D-residue (a mutation tool can make one, with a finite energy).

    The signed volume of N, C and CB seen from CA is positive in an L-residue and negative in a D-residue. Glycine and
    residues without these atoms are passed over.

    Parameters
    ----------
    topology : openmm.app.Topology
    positions : array of float, shape (n_atoms, 3), or Quantity

    Raises
    ------
    StructureError
        Names the residues.
    """
    if unit.is_quantity(positions):
        positions = positions.value_in_unit(unit.nanometer)
    positions, wrong = np.asarray(positions), []
    for residue in topology.residues():
        atoms = {atom.name: atom.index for atom in residue.atoms()}
        if {"N", "CA", "C", "CB"} <= atoms.keys():
            n, c, cb = (positions[atoms[name]] - positions[atoms["CA"]] for name in ("N", "C", "CB"))
            if np.dot(n, np.cross(c, cb)) <= 0:
                wrong.append(f"{residue.name} {residue.id}")
    if wrong:
        raise StructureError(f"The structure holds D-residues ({', '.join(wrong)}); mend it, L-residues were expected.")
