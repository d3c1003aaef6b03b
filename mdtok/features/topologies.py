"""What features ask of a molecule: Cα and heavy atoms, a selection, names of residues; and a reference structure."""

from pathlib import Path

import mdtraj
import numpy as np

from mdtok.errors import DataError, SettingsError, StructureError
from mdtok.features.arrays import first_not_finite
from mdtok.md.bonds import Bonds
from mdtok.md.files import one_line
from mdtok.md.topology_files import read_structure

_NOT_HEAVY = {"H", "D", "VS"}  # VS: a virtual site, such as the fourth point of TIP4P
#: The same amino acid under other names, as force fields give them to its protonation states.
_STANDARD_NAME = {
    "HID": "HIS",
    "HIE": "HIS",
    "HIP": "HIS",
    "HSD": "HIS",
    "HSE": "HIS",
    "HSP": "HIS",
    "CYX": "CYS",
    "CYM": "CYS",
    "ASH": "ASP",
    "GLH": "GLU",
    "LYN": "LYS",
}


def describe(topology):
    """A molecule in a few words: ``"ACE1 ALA2 NME3, 22 atoms"``."""
    residues = [str(residue) for residue in topology.residues]
    shown = " ".join(residues if len(residues) <= 4 else [*residues[:3], "…"])
    return f"{shown}, {topology.n_atoms} atoms"


def calpha_atoms(topology):
    """The Cα atom of each residue that has one, dict of residue index -> atom index."""
    return {
        atom.residue.index: atom.index
        for atom in topology.atoms
        if atom.name == "CA" and atom.residue.name not in ("CA", "CAL")  # a calcium ion has this name too
    }


def heavy_atoms(residue):
    """Indices of the atoms of a residue that are neither hydrogens nor virtual sites, list of int."""
    return [atom.index for atom in residue.atoms if atom.element is None or atom.element.symbol not in _NOT_HEAVY]


def same_residue(name, other):
    """Whether two residue names mean the same residue, whatever its protonation."""
    return _STANDARD_NAME.get(name, name) == _STANDARD_NAME.get(other, other)


def select_atoms(topology, atoms):
    """Some atoms of a molecule.

    Parameters
    ----------
    topology : mdtraj.Topology
    atoms : str or list of int
        ``"ca"``, a selection in mdtraj's language (``"backbone"``, ``"protein"``, ``"all"``, ``"resid 0 to 9"``), or
        atom indices.

    Returns
    -------
    ndarray of int, shape (n_selected,)

    Raises
    ------
    SettingsError
        The selection cannot be understood.
    DataError
        It selects nothing, or atoms that are not there.
    """
    if isinstance(atoms, str):
        if atoms == "ca":
            selected = list(calpha_atoms(topology).values())
        else:
            try:
                selected = topology.select(atoms)
            except Exception as error:  # the parser of selections raises nearly anything
                raise SettingsError(f"The selection {atoms!r} cannot be understood ({one_line(error)}).") from None
        if len(selected) == 0:
            raise DataError(f"{atoms!r} selects no atom of this molecule ({describe(topology)}); choose other atoms.")
        return np.asarray(selected, dtype=int)
    selected = np.asarray(atoms)
    if selected.ndim != 1 or selected.size == 0 or selected.dtype.kind not in "iu":
        raise SettingsError(f"atoms is {atoms!r}; a selection such as 'ca', or a list of atom indices was expected.")
    if selected.min() < 0 or selected.max() >= topology.n_atoms:
        raise DataError(
            f"The atoms {selected.min()} .. {selected.max()} were asked for; this molecule has 0 .. "
            f"{topology.n_atoms - 1}."
        )
    return selected


def pair_names(topology, pairs):
    """Names of residue pairs, such as "TRP8-TYR20"; with the chains where names would be the same otherwise."""
    residues = list(topology.residues)
    plain = [f"{residues[i]}-{residues[j]}" for i, j in pairs]
    if len(set(plain)) == len(plain):
        return plain
    for marks in _marks(topology):
        names = [f"{residues[i]}{marks[i]}-{residues[j]}{marks[j]}" for i, j in pairs]
        if len(set(names)) == len(names):
            break
    return names


def told_apart(topology, names, residues):
    """Names of columns, each once: with the chain, the molecule, or the place in the file where two would be the same.

    Parameters
    ----------
    topology : mdtraj.Topology
    names : list of str
    residues : list of mdtraj residues
        One a name.

    Returns
    -------
    list of str
    """
    if len(set(names)) == len(names):
        return names
    for marks in _marks(topology):
        marked = [f"{name}{marks[residue.index]}" for name, residue in zip(names, residues)]
        if len(set(marked)) == len(marked):
            break
    return marked


def _marks(topology):
    """What may be said of each residue besides its name and number, the shortest first."""
    molecule_of = Bonds(topology).molecule_of
    residues = list(topology.residues)
    yield [f" chain {residue.chain.index}" for residue in residues]
    yield [f" molecule {molecule_of[next(residue.atoms).index]}" for residue in residues]
    yield [f" residue {residue.index}" for residue in residues]


def segments(topology):
    """Number of the unbroken stretch of bonded residues that each residue is in: what counts as near in sequence."""
    residues = list(topology.residues)
    number = np.array([residue.chain.index for residue in residues])
    if topology.n_bonds == 0:
        return number
    joined = {frozenset((a.residue.index, b.residue.index)) for a, b in topology.bonds if a.residue is not b.residue}
    if not joined:  # beads without bonds: chains are all that is known
        return number
    new = [k == 0 or frozenset((k - 1, k)) not in joined for k in range(len(residues))]
    return np.cumsum(new)


def load_reference(structure):
    """One structure to compare with, an mdtraj.Trajectory of a single frame.

    Parameters
    ----------
    structure : mdtraj.Trajectory or path-like
        A PDB file, or anything else that mdtraj reads with its topology.

    Raises
    ------
    StructureError
        It cannot be read, or is not one frame of finite coordinates.
    """
    if isinstance(structure, mdtraj.Trajectory):
        loaded, name = structure, "The reference structure"
    else:
        name = f"The reference structure {structure}"
        if not Path(structure).is_file():
            raise StructureError(f"{name} does not exist; give the path of a PDB file, or an mdtraj trajectory.")
        try:
            loaded = read_structure(Path(structure))
        except DataError as error:
            raise StructureError(f"The reference: {error}") from None
    if first_not_finite(loaded.xyz):
        raise StructureError(f"{name} holds coordinates that are not finite; give a whole structure.")
    if len(loaded) != 1:
        raise StructureError(f"{name} has {len(loaded)} frames; pass one of them, trajectory[0] for instance.")
    if first_not_finite(loaded.xyz):
        raise StructureError(f"{name} holds coordinates that are not finite; give a whole structure.")
    return loaded
