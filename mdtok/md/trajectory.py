"""Trajectories on disk: opened and checked at once, read in chunks when they are used.

Opening walks over headers only, so that a truncated file or a wrong topology is known before anything is computed.
"""

import mmap
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import mdtraj
import numpy as np
from mdtraj.formats import DCDTrajectoryFile, HDF5TrajectoryFile, XTCTrajectoryFile

from mdtok.errors import DataError, SettingsError
from mdtok.md.files import find_files

_FILE_CLASS = {
    ".dcd": DCDTrajectoryFile,
    ".xtc": XTCTrajectoryFile,
    ".h5": HDF5TrajectoryFile,
    ".hdf5": HDF5TrajectoryFile,
}


def open_trajectories(paths, top=None, dt_ps=None, stride=1):
    """Open trajectory files without loading them: a sequence of lazy `TrajectoryFile`.

    Every file is checked now, by its headers: that it is there and whole, has the atoms of the topology, and frames
    that are equally far apart in time.

    Parameters
    ----------
    paths : str, path-like or list of these
        Files (DCD, XTC, or HDF5 as mdtraj writes it), or patterns such as ``"runs/*/trajectory.xtc"``. The matches of a
        pattern come in natural order (2 before 10).
    top : path-like, mdtraj.Topology or mdtraj.Trajectory, optional
        The topology of all files. Needed for DCD and XTC; HDF5 carries its own.
    dt_ps : float, optional
        Picoseconds between frames as they stand in the files. Needed for DCD, which carries no frame time; checked
        against the files that do.
    stride : int
        Use every `stride`-th frame only.

    Returns
    -------
    Trajectories
        With ``topology``, ``dt_ps`` (after `stride`), ``paths`` and ``n_frames``.

    Raises
    ------
    DataError
        A file is missing, truncated, empty, of another molecule or another time step; or the time step is not known.
    SettingsError
        `stride`, `dt_ps` or `top` is not what it should be.

    Examples
    --------
    >>> import tempfile, mdtraj, numpy as np
    >>> topology = mdtraj.Topology()
    >>> residue = topology.add_residue("ARG", topology.add_chain())
    >>> atom = topology.add_atom("CA", mdtraj.element.carbon, residue)
    >>> path = tempfile.mkdtemp() + "/walk.xtc"
    >>> mdtraj.Trajectory(np.zeros((100, 1, 3)), topology, time=0.5 * np.arange(100)).save_xtc(path)
    >>> trajs = open_trajectories(path, top=topology, stride=2)
    >>> trajs.n_frames, trajs.dt_ps
    (50, 1.0)
    >>> [len(chunk) for chunk in trajs[0].chunks(20)]
    [20, 20, 10]
    """
    if isinstance(stride, bool) or stride != int(stride) or stride < 1:
        raise SettingsError(f"stride is {stride}; a whole number of at least 1 was expected.")
    if dt_ps is not None and not (np.isfinite(dt_ps) and dt_ps > 0):
        raise SettingsError(f"dt_ps is {dt_ps}; a positive number of picoseconds was expected.")
    paths = _find_trajectories(paths)
    topology = _load_topology(top)
    scans = []
    for path in paths:
        scan = _scan(path)
        if topology is None:
            topology = scan.topology
        if topology is None:
            raise SettingsError(f"{path} carries no topology; pass top= (a PDB file, for instance).")
        if scan.n_atoms != topology.n_atoms:
            raise DataError(
                f"{path} has {scan.n_atoms} atoms, the topology has {topology.n_atoms}; pass the topology of these very atoms."
            )
        scans.append(scan)
    dt_ps = _common_dt(paths, scans, dt_ps)
    return Trajectories(
        TrajectoryFile(path, topology, scan.n_frames, float(dt_ps), int(stride)) for path, scan in zip(paths, scans)
    )


@dataclass(frozen=True)
class TrajectoryFile:
    """One trajectory on disk, read when it is asked for.

    Attributes
    ----------
    path : Path
    topology : mdtraj.Topology
    n_frames_in_file : int
    dt_in_file_ps : float
    stride : int
    """

    path: Path
    topology: mdtraj.Topology = field(repr=False)
    n_frames_in_file: int
    dt_in_file_ps: float
    stride: int = 1

    @property
    def n_frames(self):
        """Frames after `stride`."""
        return -(-self.n_frames_in_file // self.stride)

    def __len__(self):
        return self.n_frames

    @property
    def n_atoms(self):
        """Atoms of the topology, and of every frame."""
        return self.topology.n_atoms

    @property
    def dt_ps(self):
        """Picoseconds between frames, after `stride`."""
        return self.dt_in_file_ps * self.stride

    def chunks(self, size=1000):
        """Iterate over the trajectory in pieces of `size` frames.

        Parameters
        ----------
        size : int
            Frames a piece; the last piece may be shorter.

        Yields
        ------
        mdtraj.Trajectory
        """
        if size < 1:
            raise SettingsError(f"The chunk size is {size}; at least 1 frame was expected.")
        with self._open() as file:
            for start in range(0, self.n_frames, size):
                yield self._read(file, start, min(size, self.n_frames - start))

    def load(self):
        """The whole trajectory in memory, an mdtraj.Trajectory."""
        with self._open() as file:
            return self._read(file, 0, self.n_frames)

    def frames(self, indices):
        """Some frames in the order asked for, an mdtraj.Trajectory.

        Parameters
        ----------
        indices : list of int
            Frame numbers after `stride`, each in 0 .. n_frames - 1.
        """
        indices = np.atleast_1d(np.asarray(indices, dtype=int))
        if indices.size == 0:
            raise DataError(f"No frame of {self.path} was asked for; give at least one frame number.")
        if indices.min() < 0 or indices.max() >= self.n_frames:
            raise DataError(f"Frames {indices.min()} .. {indices.max()} of {self.path} were asked for; it has 0 .. {self.n_frames - 1}.")
        with self._open() as file:
            frames = {index: self._read(file, index, 1) for index in np.unique(indices)}
        return mdtraj.join([frames[index] for index in indices], check_topology=False)

    def _open(self):
        return _FILE_CLASS[self.path.suffix.lower()](str(self.path))

    def _read(self, file, start, n_frames):
        is_hdf5 = isinstance(file, HDF5TrajectoryFile)
        # mdtraj counts n_frames after the stride in DCD and XTC, before it in HDF5
        n_to_read = n_frames * self.stride if is_hdf5 else n_frames
        try:
            file.seek(start * self.stride)
            if is_hdf5:
                chunk = file.read_as_traj(n_frames=n_to_read, stride=self.stride)
                chunk.topology = self.topology
            else:
                chunk = file.read_as_traj(self.topology, n_frames=n_to_read, stride=self.stride)
        except (RuntimeError, OSError, ValueError) as error:
            raise DataError(f"{self.path} cannot be read at frame {start} and after ({_one_line(error)}); write it again.") from None
        if len(chunk) != n_frames:
            raise DataError(f"{self.path} gave {len(chunk)} of {n_frames} frames from frame {start} on; it changed since it was opened.")
        if not np.any(chunk.time) or isinstance(file, DCDTrajectoryFile):
            chunk.time = self.dt_ps * np.arange(start, start + n_frames)
        return chunk


class Trajectories(Sequence):
    """Several `TrajectoryFile` of one molecule and one time step, as a read-only sequence.

    Attributes
    ----------
    topology : mdtraj.Topology
    dt_ps : float
        Picoseconds between frames, after the stride.
    paths : list of Path
    n_frames : int
        All frames together.
    """

    def __init__(self, files):
        self._files = tuple(files)
        if not self._files:
            raise DataError("No trajectory is left; keep at least one.")

    def __len__(self):
        return len(self._files)

    def __getitem__(self, index):
        return Trajectories(self._files[index]) if isinstance(index, slice) else self._files[index]

    def __repr__(self):
        return f"<Trajectories: {len(self)} files, {self.n_frames} frames, {self.topology.n_atoms} atoms, {self.dt_ps:g} ps a frame>"

    @property
    def topology(self):
        return self._files[0].topology

    @property
    def dt_ps(self):
        return self._files[0].dt_ps

    @property
    def paths(self):
        return [file.path for file in self._files]

    @property
    def n_frames(self):
        return sum(file.n_frames for file in self._files)


def _find_trajectories(paths):
    paths = find_files(paths)
    for path in paths:
        if path.suffix.lower() not in _FILE_CLASS:
            raise DataError(f"{path} is no DCD, XTC or HDF5 (.h5) file; convert it with mdtraj (mdconvert) or leave it out.")
    return paths


def _load_topology(top):
    if isinstance(top, (list, tuple)):
        if len(top) != 1:
            raise SettingsError(f"{len(top)} topologies were given; all files must share one. Open each molecule by itself.")
        top = top[0]
    if top is None or isinstance(top, mdtraj.Topology):
        return top
    if isinstance(top, mdtraj.Trajectory):
        return top.topology
    if not Path(top).is_file():
        raise DataError(f"The topology {top} is not a file; give a PDB file, for instance.")
    try:
        return mdtraj.load_topology(str(top))
    except Exception as error:  # mdtraj's readers raise nearly anything on a file that is not theirs
        raise DataError(f"The topology {top} cannot be read ({_one_line(error)}); give a PDB file, for instance.") from None


def _common_dt(paths, scans, given):
    """The one time step of all files, checked against `given`."""
    known = [(path, scan.dt_ps) for path, scan in zip(paths, scans) if scan.dt_ps is not None]
    for path, dt_ps in known:
        if given is not None and not _agree(dt_ps, given):
            raise DataError(f"{path} has frames {dt_ps:g} ps apart, but dt_ps={given:g} was given; leave dt_ps out or correct it.")
        if not _agree(dt_ps, known[0][1]):
            raise DataError(
                f"{known[0][0]} has frames {known[0][1]:g} ps apart, {path} {dt_ps:g} ps; open files of one time step only."
            )
    if given is None and len(known) < len(scans):
        path = next(path for path, scan in zip(paths, scans) if scan.dt_ps is None)
        raise DataError(f"{path} does not say how far apart its frames are; pass dt_ps= (picoseconds between frames).")
    return given if given is not None else known[0][1]


def _agree(a, b):
    return abs(a - b) <= 1e-3 * max(a, b)


def _one_line(error):
    return " ".join(str(error).split()) or type(error).__name__


# What a file says of itself, from its headers


@dataclass(frozen=True)
class _Scan:
    n_frames: int
    n_atoms: int
    dt_ps: float | None = None
    topology: mdtraj.Topology | None = None


def _scan(path):
    scan_format = {".dcd": _scan_dcd, ".xtc": _scan_xtc}.get(path.suffix.lower(), _scan_hdf5)
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 frames); leave it out.")
    scan = scan_format(path)
    if scan.n_frames == 0:
        raise DataError(f"{path} holds 0 frames; leave it out.")
    return scan


def _scan_xtc(path):
    """Walk from frame header to frame header (the layout is GROMACS's xtc: big-endian XDR)."""
    times, offset, size, n_atoms = [], 0, path.stat().st_size, None
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        while offset < size:
            is_sound, end = False, size
            if offset + 16 <= size:
                magic, n_here, _, time = struct.unpack_from(">iiif", data, offset)
                if offset == 0 and magic != 1995:
                    raise DataError(f"{path} is not an XTC file (it starts with {magic}, 1995 was expected).")
                n_atoms = n_here if offset == 0 else n_atoms
                end = _end_of_xtc_frame(data, offset, n_atoms)
                is_sound = magic == 1995 and n_here == n_atoms and end <= size
            if not is_sound:
                raise _damaged(path, len(times), f"keep them with: head -c {offset}")
            times.append(time)
            offset = end
    return _Scan(len(times), n_atoms, _frame_spacing(path, times))


def _end_of_xtc_frame(data, offset, n_atoms):
    if n_atoms <= 9:  # so few are stored without compression
        return offset + 56 + 12 * n_atoms
    if offset + 92 > len(data):
        return len(data) + 1
    n_bytes, = struct.unpack_from(">i", data, offset + 88)
    return offset + 92 + -(-n_bytes // 4) * 4 if n_bytes >= 0 else len(data) + 1


def _scan_dcd(path):
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
    if rest < 0 and size > first_frame_at or rest > 0 and rest % frame_bytes:
        raise _damaged(path, n_whole, "write these anew with mdtraj")
    if n_whole != n_frames_said:
        raise DataError(
            f"{path} says {n_frames_said} frames in its header, its size holds {n_whole} sound frames; write these anew with mdtraj."
        )
    return _Scan(n_whole, n_atoms)


def _dcd_layout(file):
    """Frames in the header, atoms, offset of the first frame, bytes of the first and of each further frame."""
    start = file.read(8)
    marker, order = next(
        ((kind, order) for kind, n in (("i", 4), ("q", 8)) for order in "<>" if struct.unpack(order + kind, start[:n])[0] == 84),
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
    title_bytes, = read(marker)
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


def _scan_hdf5(path):
    try:
        import tables
    except ImportError:
        raise DataError(f'{path} needs the package tables to be read; install it with: pip install "mdtok[h5]".') from None
    try:
        with HDF5TrajectoryFile(str(path)) as file:
            n_frames, n_atoms, _ = file.root.coordinates.shape
            times = file.root.time[:] if "time" in file.root else []
            topology = file.topology
    except (tables.exceptions.HDF5ExtError, tables.exceptions.NoSuchNodeError, OSError, ValueError) as error:
        raise DataError(f"{path} is no whole HDF5 trajectory of mdtraj ({_one_line(error).split(' File ')[0]}); write it again.") from None
    return _Scan(n_frames, n_atoms, _frame_spacing(path, times), topology)


def _damaged(path, n_sound, remedy):
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
            f"{path} goes from {times[at]:g} to {times[at + 1]:g} ps between frames {at} and {at + 1}, but most frames are "
            f"{typical:g} ps apart; cut it there."
        )
    return float(f"{(times[-1] - times[0]) / (len(times) - 1):.6g}")
