"""XTC files that grow in chunks and can be cut back to a number of frames, also after a kill during a write."""

import os
import struct
from pathlib import Path

import numpy as np
from mdtraj.formats import XTCTrajectoryFile

from mdtok.errors import DataError
from mdtok.md.ascii_paths import ascii_path

# Big-endian frames: magic, atoms, step (int32), time (float), box (9 floats), atoms. Then for up to nine atoms 3 floats
# each; for more: precision, 3 + 3 bounds, small index, number of bytes and the packed coordinates, padded to 4 bytes.
_MAGIC = 1995
_START = struct.Struct(">ii")
_FIXED_BYTES = 56
_PACKED_BYTES = struct.Struct(">i")
_PACKED_AT = 88
_MOST_UNPACKED_ATOMS = 9


class XtcWriter:
    """Appends frames to an XTC file, many at a time: frames wait in memory until `flush`.

    Parameters
    ----------
    path : path-like
        Made if it is not there, else appended to.
    """

    def __init__(self, path):
        self.path = Path(path)
        self._frames = []
        self.path.touch()

    def add(self, positions, time_ps, step, box):
        """Keep a frame: positions (n_atoms, 3) and box (3, 3) in nm, box None where there is none."""
        box = np.zeros((3, 3)) if box is None else box
        self._frames.append((np.asarray(positions, dtype=np.float32), time_ps, step, box))

    def flush(self):
        """Write the frames that wait, by one append."""
        if not self._frames:
            return
        positions, times, steps, boxes = zip(*self._frames)
        chunk = self.path.with_name(self.path.name + ".partial")
        with ascii_path(chunk) as name, XTCTrajectoryFile(name, "w") as file:
            # The file has 32 bits for the step; times are exact long after it runs over.
            file.write(
                np.array(positions),
                time=np.array(times, dtype=np.float32),
                step=(np.array(steps) % 2**31).astype(np.int32),
                box=np.array(boxes, dtype=np.float32),
            )
        with open(self.path, "ab") as file:
            file.write(chunk.read_bytes())
        chunk.unlink()
        self._frames.clear()

    def sync(self):
        """Return when what was written is on the disk."""
        with open(self.path, "rb+") as file:
            os.fsync(file.fileno())


def frame_ends(path):
    """Byte positions at which the sound frames of an XTC file end; a torn frame, and what follows it, do not count.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    list of int
        One a frame.
    """
    size, ends, position = os.path.getsize(path), [], 0
    with open(path, "rb") as file:
        while True:
            file.seek(position)
            header = file.read(_PACKED_AT + _PACKED_BYTES.size)
            if len(header) < _START.size:
                return ends
            magic, n_atoms = _START.unpack_from(header)
            if magic != _MAGIC or n_atoms < 1:
                return ends
            if n_atoms <= _MOST_UNPACKED_ATOMS:
                position += _FIXED_BYTES + 12 * n_atoms
            elif len(header) < _PACKED_AT + _PACKED_BYTES.size:
                return ends
            else:
                n_bytes = _PACKED_BYTES.unpack_from(header, _PACKED_AT)[0]
                if n_bytes < 1:
                    return ends
                position += _PACKED_AT + _PACKED_BYTES.size + 4 * -(-n_bytes // 4)
            if position > size:
                return ends
            ends.append(position)


def truncate_frames(path, n_frames):
    """Cut an XTC file down to its first `n_frames` frames.

    Raises
    ------
    DataError
        The file has fewer sound frames.
    """
    ends = frame_ends(path)
    if len(ends) < n_frames:
        raise DataError(
            f"{path} holds {len(ends)} sound frames and {n_frames} were expected; remove its folder and run it again."
        )
    os.truncate(path, ends[n_frames - 1] if n_frames else 0)
