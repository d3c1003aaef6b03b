"""HDF5 trajectories as mdtraj writes them, read with h5py by their known layout.

mdtraj reads them with PyTables, which unpickles attributes of the file as soon as a node is opened, so that a file from
a stranger could run code. h5py gives arrays and text only.
"""

import contextlib
import importlib.util
import json

import mdtraj
import numpy as np
from mdtraj.core.element import get_by_symbol, virtual

from mdtok.errors import DataError
from mdtok.md.reader_process import open_reader

_UNITS = {"coordinates": "nanometers", "time": "picoseconds", "cell_lengths": "nanometers", "cell_angles": "degrees"}
_LONGEST_TEXT_BYTES = 500_000_000
_MOST_COMPRESSED = 1100  # zlib reaches 1,030 to 1; what claims more was never written


class HDF5File:
    """An open HDF5 trajectory, for `open_reader`."""

    def __init__(self, path):
        import h5py

        self._h5py, self._file = h5py, h5py.File(path, "r")
        self._arrays = {name: self._array(name) for name in _UNITS if name in self._file}
        if "coordinates" not in self._arrays:
            raise ValueError("it holds no coordinates")
        shape = self._arrays["coordinates"].shape
        if len(shape) != 3 or shape[2] != 3:
            raise ValueError(f"its coordinates have the shape {shape}, not (frames, atoms, 3)")
        for name, array in self._arrays.items():
            if len(array) != shape[0]:
                raise ValueError(f"{len(array)} entries of {name} and {shape[0]} frames")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def header(self):
        """Frames, atoms, times in ps (None where there are none) and the topology as text (or None)."""
        n_frames, n_atoms, _ = self._arrays["coordinates"].shape
        times = self._arrays["time"][:].astype(float).tolist() if "time" in self._arrays else None
        topology = self._text("topology") if "topology" in self._file else None
        return {"n_frames": n_frames, "n_atoms": n_atoms, "times": times, "topology": topology}

    def read(self, start, n_frames, stride=1):
        """Arrays by their names in the file."""
        rows = slice(start, start + n_frames * stride, stride)
        return {name: array[rows] for name, array in self._arrays.items()}

    def _array(self, name):
        """An array of numbers that lies in this very file, in mdtraj's unit."""
        link = self._file.get(name, getlink=True)
        array = self._file[name] if isinstance(link, self._h5py.HardLink) else None
        if not isinstance(array, self._h5py.Dataset) or array.external or array.is_virtual:
            raise ValueError(f"its {name} is not an array in this file")
        if array.dtype.kind != "f" or array.ndim == 0:
            raise ValueError(f"its {name} is of the type {array.dtype}, not floating point numbers")
        if array.nbytes > _MOST_COMPRESSED * max(1, array.id.get_storage_size()):
            raise ValueError(f"its {name} says {array.shape} numbers, more than the file can hold")
        units = array.attrs.get("units")
        units = units.decode() if isinstance(units, bytes) else units
        if units is not None and str(units) != _UNITS[name]:
            raise ValueError(f"its {name} is in {str(units)[:30]}; {_UNITS[name]} was expected")
        return array

    def _text(self, name):
        dataset = self._file[name]
        if dataset.size != 1 or dataset.dtype.kind not in "SO" or dataset.dtype.itemsize > _LONGEST_TEXT_BYTES:
            raise ValueError(f"its {name} is not one text")
        text = dataset[0]
        return text.decode() if isinstance(text, bytes) else str(text)


@contextlib.contextmanager
def open_hdf5(path):
    """Open an HDF5 trajectory: a `HDF5Trajectory` for the time of the block.

    Raises
    ------
    DataError
        It is damaged or none of mdtraj's, or h5py is not installed.
    """
    if importlib.util.find_spec("h5py") is None:
        raise DataError(f'{path} needs the package h5py; install it with: pip install "mdtok[h5]".')
    try:
        with open_reader(path, HDF5File) as reader:
            yield HDF5Trajectory(reader)
    except DataError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        reason = " ".join(str(error).split()).split(" File ")[0] or type(error).__name__
        raise DataError(f"{path} is no whole HDF5 trajectory of mdtraj ({reason}); write it again.") from None


class HDF5Trajectory:
    """An open HDF5 trajectory.

    Attributes
    ----------
    n_frames, n_atoms : int
    times : ndarray of float, shape (n_frames,), in ps; empty where the file has none
    topology : mdtraj.Topology or None
    """

    def __init__(self, reader):
        self._reader, header = reader, reader.header()
        self.n_frames, self.n_atoms = header["n_frames"], header["n_atoms"]
        self.times = np.array(header["times"] or [], dtype=float)
        self.topology = None if header["topology"] is None else _topology_of(json.loads(header["topology"]))

    def read(self, topology, start: int, n_frames: int, stride: int = 1) -> mdtraj.Trajectory:
        """`n_frames` frames from `start` on, every `stride`-th one, as an mdtraj.Trajectory of `topology`."""
        read = self._reader.read(start, n_frames, stride)
        chunk = mdtraj.Trajectory(read["coordinates"].astype(np.float32), topology, time=read.get("time"))
        if "cell_lengths" in read and "cell_angles" in read:
            chunk.unitcell_lengths, chunk.unitcell_angles = read["cell_lengths"], read["cell_angles"]
        return chunk


def _topology_of(content):
    """The mdtraj.Topology of its JSON form."""
    topology = mdtraj.Topology()
    for chain_dict in sorted(content["chains"], key=_index):
        chain = topology.add_chain()
        chain.chain_id = chain_dict.get("chain_id")
        for residue_dict in sorted(chain_dict["residues"], key=_index):
            residue = topology.add_residue(
                residue_dict["name"],
                chain,
                resSeq=residue_dict.get("resSeq"),
                segment_id=residue_dict.get("segmentID", ""),
            )
            for atom_dict in sorted(residue_dict["atoms"], key=_index):
                topology.add_atom(atom_dict["name"], _element(atom_dict["element"]), residue)
    atoms = list(topology.atoms)
    for first, second in content["bonds"]:
        if not (0 <= first < len(atoms) and 0 <= second < len(atoms)):
            raise ValueError(f"its topology bonds the atoms {first} and {second} of {len(atoms)}")
        topology.add_bond(atoms[first], atoms[second])
    return topology


def _index(part):
    return part["index"]


def _element(symbol):
    try:
        return get_by_symbol(symbol)
    except KeyError:
        return virtual
