"""Frames of open DCD, XTC and HDF5 files, as mdtraj trajectories; read in a process of their own."""

import contextlib

import mdtraj
import numpy as np
from mdtraj.formats import DCDTrajectoryFile, XTCTrajectoryFile
from mdtraj.utils import in_units_of

from mdtok.md.ascii_paths import ascii_path
from mdtok.md.hdf5 import open_hdf5
from mdtok.md.reader_process import open_reader


class _MdtrajFile:
    """An open file of mdtraj's, for `open_reader`."""

    def __init__(self, path):
        with ascii_path(path) as name:
            self._file = self._file_class(name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def header(self):
        """Nothing: `read_header` reads headers."""
        return {}


class XtcFile(_MdtrajFile):
    """Positions and box vectors in nm, times in ps."""

    _file_class = XTCTrajectoryFile

    def read(self, start, n_frames, stride=1):
        """Arrays of `n_frames` frames, every `stride`-th one from `start` on."""
        self._file.seek(start)
        xyz, time, _, box = self._file.read(n_frames=n_frames, stride=stride)
        return {"xyz": xyz, "time": time, "box": box}


class DcdFile(_MdtrajFile):
    """Positions and lengths of the cell in nm, its angles in degrees."""

    _file_class = DCDTrajectoryFile

    def read(self, start, n_frames, stride=1):
        """Arrays of `n_frames` frames, every `stride`-th one from `start` on."""
        self._file.seek(start)
        xyz, lengths, angles = self._file.read(n_frames=n_frames, stride=stride)
        in_units_of(xyz, "angstroms", "nanometers", inplace=True)
        if lengths is not None:
            in_units_of(lengths, "angstroms", "nanometers", inplace=True)
        return {"xyz": xyz, "lengths": lengths, "angles": angles}


class _Frames:
    def __init__(self, reader):
        self._reader = reader


class _XtcFrames(_Frames):
    def read(self, topology, start, n_frames, stride=1):
        read = self._reader.read(start, n_frames, stride)
        chunk = mdtraj.Trajectory(read["xyz"].copy(), topology, time=read["time"].copy())
        chunk.unitcell_vectors = read.get("box")
        return chunk


class _DcdFrames(_Frames):
    def read(self, topology, start, n_frames, stride=1):
        read = self._reader.read(start, n_frames, stride)
        time = np.arange(start, start + n_frames * stride, stride, dtype=float)  # the file has none: its frames
        chunk = mdtraj.Trajectory(read["xyz"].copy(), topology, time=time[: len(read["xyz"])])
        if "lengths" in read:
            chunk.unitcell_lengths, chunk.unitcell_angles = read["lengths"], read["angles"]
        return chunk


@contextlib.contextmanager
def _open_xtc(path):
    with open_reader(path, XtcFile) as reader:
        yield _XtcFrames(reader)


@contextlib.contextmanager
def _open_dcd(path):
    with open_reader(path, DcdFile) as reader:
        yield _DcdFrames(reader)


#: How a file of each kind is opened: a ``with`` block gives an object with ``read(topology, start, n_frames, stride)``.
OPENERS = {".dcd": _open_dcd, ".xtc": _open_xtc, ".h5": open_hdf5, ".hdf5": open_hdf5}
