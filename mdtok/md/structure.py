"""Molecular structures: read from PDB, and checked for missing atoms, broken chains and mirror images of residues."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from openmm import app, unit

from mdtok.errors import StructureError

#: Heavy atoms of the side chains of the standard residues; all have N, CA, C and O besides.
SIDE_CHAINS = {
    "ALA": "CB",
    "ARG": "CB CG CD NE CZ NH1 NH2",
    "ASN": "CB CG OD1 ND2",
    "ASP": "CB CG OD1 OD2",
    "CYS": "CB SG",
    "GLN": "CB CG CD OE1 NE2",
    "GLU": "CB CG CD OE1 OE2",
    "GLY": "",
    "HIS": "CB CG ND1 CD2 CE1 NE2",
    "ILE": "CB CG1 CG2 CD1",
    "LEU": "CB CG CD1 CD2",
    "LYS": "CB CG CD CE NZ",
    "MET": "CB CG SD CE",
    "PHE": "CB CG CD1 CD2 CE1 CE2 CZ",
    "PRO": "CB CG CD",
    "SER": "CB OG",
    "THR": "CB OG1 CG2",
    "TRP": "CB CG CD1 CD2 NE1 CE2 CE3 CZ2 CZ3 CH2",
    "TYR": "CB CG CD1 CD2 CE1 CE2 CZ OH",
    "VAL": "CB CG1 CG2",
}
_LETTERS = dict(zip(SIDE_CHAINS, "ARNDCQEGHILKMFPSTWYV"))
_ALSO_KNOWN = ("ACE", "NME", "NHE")  # caps
_LONGEST_BOND_NM = 0.25  # between residues; a peptide bond has 0.133, a disulfide 0.205
_FARTHEST_NM = 1e4  # the columns of a PDB file end at 1,000 nm
# Beta carbons of (2S,3R)-threonine and (2S,3S)-isoleucine: centre, and three neighbours of positive signed volume.
_CENTRES = {"THR": ("CB", "CA", "OG1", "CG2"), "ILE": ("CB", "CA", "CG1", "CG2")}


def load_structure(path):
    """Read a PDB file with hydrogens and check its heavy atoms, its chain and its chirality.

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
        The file is missing, is no PDB file, lacks heavy atoms of a residue, has a broken chain or holds a D-residue.
    """
    path = Path(path)
    if not path.is_file():
        raise StructureError(f"The structure {path} does not exist; give the path of a PDB file.")
    try:
        with open(path, encoding="utf-8") as file:
            pdb = app.PDBFile(file)
        positions = pdb.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
        if not (np.abs(positions) < _FARTHEST_NM).all():
            raise ValueError("it has positions that are not numbers, or beyond what the format holds")
    except Exception as error:  # OpenMM's parser raises whatever it stumbles over
        reason = " ".join(str(error).split()) or type(error).__name__
        raise StructureError(f"{path} cannot be read as a PDB file with atoms ({reason}).") from None
    try:
        _check_heavy_atoms(pdb.topology)
        _check_bonds(pdb.topology, positions)
        check_chirality(pdb.topology, positions)
    except StructureError as error:
        raise StructureError(f"{path}: {error}") from None
    return pdb.topology, np.array(positions)


def sequence_of(residues):
    """One-letter codes of residues; X is anything but the standard amino acids, caps and water included.

    Parameters
    ----------
    residues : iterable of openmm.app.Residue

    Returns
    -------
    str
    """
    return "".join(_LETTERS.get(residue.name, "X") for residue in residues)


def check_forcefield_fits(topology, forcefield, definition):
    """Raise StructureError, with the residue and what to do, where a force field has no template for a residue.

    Parameters
    ----------
    topology : openmm.app.Topology
        The molecule, without the water that a box of water adds to it.
    forcefield : openmm.app.ForceField
    definition : SystemDefinition

    Raises
    ------
    StructureError
        Names a residue that is not a standard one first: its neighbours do not fit then either.
    """
    unmatched = forcefield.getUnmatchedResidues(topology)
    strange = [residue for residue in unmatched if residue.name not in (*SIDE_CHAINS, *_ALSO_KNOWN)]
    if strange:
        files = ", ".join(definition.forcefield)
        raise StructureError(
            f"{definition.structure}: {_label(strange[0])} is not in the force field {files}; "
            "take it out or put a standard residue in its place."
        )
    if unmatched:
        try:
            forcefield.createSystem(topology)
        except ValueError as error:
            reason = " ".join(str(error).split()).partition(" For more information")[0].partition("). ")[2]
            raise StructureError(
                f"The force field does not fit {definition.structure} at {_label(unmatched[0])}: "
                f"{reason or 'some atoms or bonds are missing.'}"
            ) from None


def check_sequence(topology, definition):
    """Raise StructureError where a structure has another `sequence` than its system.yaml says, if that says one."""
    seen, expected = sequence_of(topology.residues()), definition.sequence
    if expected and seen != expected:
        raise StructureError(
            f"{definition.structure} has the sequence {seen}, {definition.name} has {expected}; "
            "for another molecule make a folder with a system.yaml of its own."
        )


def check_chirality(topology: app.Topology, positions: np.ndarray | unit.Quantity) -> None:
    """Raise StructureError if an amino acid is a D-residue (a mutation tool can make one, with a finite energy).

    The signed volume of N, C and CB seen from CA is positive in an L-residue and negative in a D-residue; the beta
    carbons of threonine and isoleucine are checked in the same way. Glycine and residues without these atoms are
    passed over.

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
    positions, wrong, wrong_side_chains = np.asarray(positions), [], []
    for residue in topology.residues():
        atoms = {atom.name: positions[atom.index] for atom in residue.atoms()}
        if _signed_volume(atoms, "CA", "N", "C", "CB") <= 0:
            wrong.append(_label(residue))
        elif residue.name in _CENTRES and _signed_volume(atoms, *_CENTRES[residue.name]) <= 0:
            wrong_side_chains.append(_label(residue))
    if wrong:
        raise StructureError(f"The structure holds D-residues ({', '.join(wrong)}); mend it, L-residues were expected.")
    if wrong_side_chains:
        raise StructureError(f"The beta carbon has the wrong chirality in {', '.join(wrong_side_chains)}; mend it.")


def _signed_volume(atoms, centre, *neighbours):
    """Of the three neighbours seen from the centre, in nm^3; infinite where one of the atoms is not there."""
    if not {centre, *neighbours} <= atoms.keys():
        return np.inf
    first, second, third = (atoms[name] - atoms[centre] for name in neighbours)
    return np.dot(first, np.cross(second, third))


def _check_heavy_atoms(topology):
    for chain in topology.chains():
        residues = list(chain.residues())
        for residue in residues:
            if residue.name not in SIDE_CHAINS:
                continue
            expected = ["N", "CA", "C", "O", *SIDE_CHAINS[residue.name].split()]
            if residue is residues[-1]:
                expected.append("OXT")
            names = {atom.name for atom in residue.atoms()}
            missing = [name for name in expected if name not in names]
            if missing:
                raise StructureError(f"{_label(residue)} lacks {', '.join(missing)}; all atoms were expected.")


def _check_bonds(topology, positions):
    for first, second in topology.bonds():
        length = np.linalg.norm(positions[first.index] - positions[second.index])
        if first.residue is not second.residue and length > _LONGEST_BOND_NM:
            raise StructureError(
                f"The chain is broken between {_label(first.residue)} and {_label(second.residue)} "
                f"({length:.2f} nm); model the residues that are missing."
            )


def _label(residue):
    return f"{residue.name} {residue.id}"
