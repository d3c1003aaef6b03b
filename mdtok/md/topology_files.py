"""Topologies and structures from files: PDB, PDBx, GRO and others by mdtraj's readers, HDF5 by our own."""

from pathlib import Path

import mdtraj

from mdtok.errors import DataError
from mdtok.md.ascii_paths import ascii_path
from mdtok.md.files import one_line
from mdtok.md.hdf5 import open_hdf5

# Readers of mdtraj in Python, which run nothing that a file holds. HDF5 is read by `open_hdf5`.
_STRUCTURES = (".pdb", ".ent", ".pdb.gz", ".cif", ".pdbx", ".gro", ".mol2")
_TOPOLOGIES = (*_STRUCTURES, ".prmtop", ".parm7", ".top", ".psf")
_HDF5 = (".h5", ".hdf5")
_NUMBERED_FROM_0 = (".prmtop", ".parm7", ".top")


def read_topology(path: Path) -> mdtraj.Topology:
    """The topology that a file holds.

    Raises
    ------
    DataError
        The file is of another kind, or cannot be read.
    """

    def of_hdf5(file):
        if file.topology is None:
            raise DataError("it holds frames only")
        return file.topology

    return _read(path, "topology", _TOPOLOGIES, of_hdf5, mdtraj.load_topology)


def read_structure(path: Path) -> mdtraj.Trajectory:
    """The frames of a structure file, with its topology.

    Raises
    ------
    DataError
        The file is of another kind, or cannot be read.
    """

    def of_hdf5(file):
        return file.read(file.topology, 0, file.n_frames)

    return _read(path, "structure", _STRUCTURES, of_hdf5, mdtraj.load)


def _read(path, what, endings, of_hdf5, load):
    ending = "".join(path.suffixes[-2:]).lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    try:
        if ending in _HDF5:
            with open_hdf5(path) as file:
                return of_hdf5(file)
        if ending not in endings:
            raise DataError(f"its kind is none of {', '.join((*endings, *_HDF5))}")
        with ascii_path(path) as name:
            loaded = load(name)
        if ending in _NUMBERED_FROM_0:  # mdtraj's count; the file's users count from 1
            for residue in loaded.residues:
                residue.resSeq = residue.index + 1
        return loaded
    except Exception as error:  # mdtraj's readers raise nearly anything on a file that is not theirs
        raise DataError(
            f"The {what} {path} cannot be read ({one_line(error)}); give a PDB file, for instance."
        ) from None
