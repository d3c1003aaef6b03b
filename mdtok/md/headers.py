"""What a trajectory file says of itself, from its headers: frames, atoms, time; and whether it is whole."""

import logging
import mmap
import struct
from dataclasses import dataclass

import mdtraj
import numpy as np

from mdtok.errors import DataError
from mdtok.md.hdf5 import open_hdf5
from mdtok.md.xtc import frame_ends

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Header:
    """What was read; `times_ps` and `topology` are None where the format or the file does not carry them."""

    n_frames: int
    n_atoms: int
    times_ps: np.ndarray | None = None
    topology: mdtraj.Topology | None = None


def read_header(path):
    """Read the header of a trajectory file, or raise DataError where the file is damaged, empty or none of its kind."""
    read = {".dcd": _read_dcd, ".xtc": _read_xtc}.get(path.suffix.lower(), _read_hdf5)
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 frames); leave it out.")
    header = read(path)
    if header.n_frames == 0:
        raise DataError(f"{path} holds 0 frames; leave it out.")
    return header


def _read_xtc(path):
    ends = frame_ends(path)
    if not ends or ends[-1] < path.stat().st_size:
        raise _damaged(path, len(ends), f"keep them with: head -c {ends[-1] if ends else 0} {path.name} > sound.xtc")
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        starts = [struct.unpack_from(">iiif", data, start) for start in (0, *ends[:-1])]
    n_atoms = starts[0][1]
    for frame, (_, n_here, _, _) in enumerate(starts):
        if n_here != n_atoms:
            raise DataError(f"{path} has {n_atoms} atoms in its first frame, {n_here} in frame {frame}; cut it there.")
    return Header(len(starts), n_atoms, _told([time for *_, time in starts]))


def _read_dcd(path):
    """Compare the size of the file with what its header says (CHARMM, NAMD and OpenMM write the same layout)."""
    size = path.stat().st_size
    try:
        with open(path, "rb") as file:
            layout = _dcd_layout(file)
    except (struct.error, OSError, ValueError, OverflowError):
        raise DataError(f"{path} is no DCD file, or ends within its header (0 sound frames); leave it out.") from None
    n_frames_said, n_atoms, first_frame_at, first_frame_bytes, frame_bytes, axes = layout
    if n_atoms < 1 or first_frame_bytes < 1 or frame_bytes < 1:
        raise DataError(f"{path} says that it has {n_atoms} atoms; it is damaged, leave it out.")
    rest = size - first_frame_at - first_frame_bytes
    n_whole = 1 + rest // frame_bytes if rest >= 0 else 0
    if n_whole == 0:
        raise _damaged(path, 0, "")
    n_sound = _sound_frames(path, n_whole, first_frame_at, first_frame_bytes, frame_bytes, axes)
    if n_sound < n_whole or n_whole < n_frames_said:
        raise _damaged(path, n_sound, f"keep them with mdtraj.load(…)[:{n_sound}].save_dcd(…)")
    if rest % frame_bytes or n_whole > n_frames_said:  # writers count a frame when it is written
        log.warning(
            "%s is still being written, or was not closed (its header says %d frames): its %d sound frames are read.",
            *(path, n_frames_said, n_whole),
        )
    return Header(n_whole, n_atoms)


def _sound_frames(path, n_frames, first_frame_at, first_frame_bytes, frame_bytes, axes):
    """How many frames from the first one on have the lengths that they should have written before every axis."""
    (marker, of_first), (_, of_others) = axes
    expected = len(of_first)
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for frame in range(n_frames):
            if frame == 0:
                start, places = first_frame_at, of_first
            else:
                start, places = first_frame_at + first_frame_bytes + (frame - 1) * frame_bytes, of_others
            read = [struct.unpack_from(marker, data, start + place)[0] for place, _ in places]
            if len(read) != expected or any(said != n_bytes for said, (_, n_bytes) in zip(read, places)):
                return frame
    return n_frames


def _dcd_layout(file):
    """Frames in the header, atoms, offset of the first frame, bytes of the first and of each further frame."""
    start = file.read(12)
    marker, order = next(
        (
            (kind, order)
            for kind, n in (("i", 4), ("q", 8))  # some Fortran compilers write lengths of 64 bits
            for order in "<>"
            if start[n : n + 4] == b"CORD" and struct.unpack(order + kind, start[:n])[0] == 84
        ),
        (None, None),
    )
    if marker is None:
        raise struct.error("no DCD")
    marker_bytes = struct.calcsize(marker)

    def read(kinds):
        return struct.unpack(order + kinds, file.read(struct.calcsize(order + kinds)))

    file.seek(marker_bytes)
    magic, *control = read("4s20i")
    if magic != b"CORD":
        raise struct.error("no DCD")
    read(marker)
    (title_bytes,) = read(marker)
    if title_bytes < 0:
        raise struct.error("no DCD")
    file.seek(title_bytes + marker_bytes, 1)
    _, n_atoms, _ = read(marker + "i" + marker)
    n_fixed, is_charmm = control[8], control[19] != 0
    n_free = n_atoms - n_fixed
    if n_fixed:
        file.seek(2 * marker_bytes + 4 * n_free, 1)
    cell_bytes = 2 * marker_bytes + 48 if is_charmm and control[10] else 0
    n_axes = 4 if is_charmm and control[11] else 3

    def axes_of(n):
        """Bytes of a frame, and where in it the length of each axis stands and what it is."""
        axis = 2 * marker_bytes + 4 * n
        places = [(cell_bytes + k * axis + at, 4 * n) for k in range(n_axes) for at in (0, axis - marker_bytes)]
        return cell_bytes + n_axes * axis, (order + marker, places)

    (first_bytes, first), (other_bytes, other) = axes_of(n_atoms), axes_of(n_free)
    return control[0], n_atoms, file.tell(), first_bytes, other_bytes, (first, other)


def _read_hdf5(path):
    with open_hdf5(path) as file:
        if file.topology is not None and file.topology.n_atoms != file.n_atoms:
            raise DataError(
                f"{path} has {file.n_atoms} atoms in its frames, {file.topology.n_atoms} in its topology; write anew."
            )
        return Header(file.n_frames, file.n_atoms, _told(file.times), file.topology)


def _damaged(path, n_sound, remedy):
    if n_sound == 0:
        return DataError(f"{path} is damaged, or no {path.suffix[1:].upper()} file: 0 frames are sound; leave it out.")
    return DataError(f"{path} is truncated or damaged: {n_sound} frames are sound; {remedy}, or leave it out.")


def _told(times):
    """Times of frames; None where the file does not tell, since all are the same."""
    times = np.asarray(times, dtype=float)
    return None if len(times) < 2 or (times == times[0]).all() else times
