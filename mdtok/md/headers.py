"""What a trajectory file says of itself, from its headers: frames, atoms, time; and whether it is whole."""

import mmap
import struct
from dataclasses import dataclass

import mdtraj
import numpy as np

from mdtok.errors import DataError
from mdtok.md.hdf5 import open_hdf5
from mdtok.md.xtc import frame_ends


@dataclass(frozen=True)
class Header:
    """What was read; `dt_ps` and `topology` are None where the format or the file does not carry them."""

    n_frames: int
    n_atoms: int
    dt_ps: float | None = None
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
    return Header(len(starts), n_atoms, _frame_spacing(path, [time for *_, time in starts]))


def _read_dcd(path):
    """Compare the size of the file with what its header says (CHARMM, NAMD and OpenMM write the same layout)."""
    size = path.stat().st_size
    try:
        with open(path, "rb") as file:
            layout = _dcd_layout(file)
    except struct.error:
        raise DataError(f"{path} is no DCD file, or ends within its header (0 sound frames); leave it out.") from None
    n_frames_said, n_atoms, first_frame_at, first_frame_bytes, frame_bytes = layout
    rest = size - first_frame_at - first_frame_bytes
    n_whole = 1 + rest // frame_bytes if rest >= 0 else 0
    if (rest < 0 and size > first_frame_at) or (rest > 0 and rest % frame_bytes):
        raise _damaged(path, n_whole, f"keep them with mdtraj.load(…)[:{n_whole}].save_dcd(…)")
    if n_whole != n_frames_said:
        raise DataError(
            f"{path} says {n_frames_said} frames in its header, its size holds {n_whole} sound frames; "
            f"keep them with mdtraj.load(…)[:{n_whole}].save_dcd(…)."
        )
    return Header(n_whole, n_atoms)


def _dcd_layout(file):
    """Frames in the header, atoms, offset of the first frame, bytes of the first and of each further frame."""
    start = file.read(8)
    marker, order = next(
        (
            (kind, order)
            for kind, n in (("i", 4), ("q", 8))
            for order in "<>"
            if struct.unpack(order + kind, start[:n])[0] == 84
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
    file.seek(title_bytes + marker_bytes, 1)
    _, n_atoms, _ = read(marker + "i" + marker)
    n_fixed, is_charmm = control[8], control[19] != 0
    n_free = n_atoms - n_fixed
    if n_fixed:
        file.seek(2 * marker_bytes + 4 * n_free, 1)
    cell_bytes = 2 * marker_bytes + 48 if is_charmm and control[10] else 0
    n_axes = 4 if is_charmm and control[11] else 3

    def bytes_of(n):
        return cell_bytes + n_axes * (2 * marker_bytes + 4 * n)

    return control[0], n_atoms, file.tell(), bytes_of(n_atoms), bytes_of(n_free)


def _read_hdf5(path):
    with open_hdf5(path) as file:
        if file.topology is not None and file.topology.n_atoms != file.n_atoms:
            raise DataError(
                f"{path} has {file.n_atoms} atoms in its frames, {file.topology.n_atoms} in its topology; write anew."
            )
        return Header(file.n_frames, file.n_atoms, _frame_spacing(path, file.times), file.topology)


def _damaged(path, n_sound, remedy):
    if n_sound == 0:
        return DataError(f"{path} is damaged, or no {path.suffix[1:].upper()} file: 0 frames are sound; leave it out.")
    return DataError(f"{path} is truncated or damaged: {n_sound} frames are sound; {remedy}, or leave it out.")


def _frame_spacing(path, times):
    """Picoseconds between frames, None where the file does not tell; DataError where they are not equally far apart."""
    times = np.asarray(times, dtype=float)
    if len(times) < 2 or times[0] == times[-1]:
        return None
    steps = np.diff(times)
    typical = np.median(steps)
    tolerance = 1e-3 * abs(typical) + 4 * np.finfo(np.float32).eps * np.abs(times).max()  # times are stored as float32
    odd = np.flatnonzero(~(np.abs(steps - typical) <= tolerance))
    if len(odd) or typical < 0:
        at = odd[0] if len(odd) else 0
        raise DataError(
            f"{path} goes from {times[at]:g} to {times[at + 1]:g} ps between frames {at} and {at + 1}, "
            f"but most frames are {typical:g} ps apart; cut it there."
        )
    return float(f"{(times[-1] - times[0]) / (len(times) - 1):.6g}")
