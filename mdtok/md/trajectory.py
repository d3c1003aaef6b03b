"""Trajectories on disk: opened and checked at once, read in chunks when they are used.

Opening walks over headers only, so that a truncated file or a wrong topology is known before anything is computed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np

from mdtok.errors import DataError, SettingsError
from mdtok.md.bonds import true_topology
from mdtok.md.files import find_files, one_line
from mdtok.md.frame_times import common_spacing
from mdtok.md.frames import OPENERS
from mdtok.md.headers import read_header
from mdtok.md.in_memory import HeldTrajectory, hold, is_held
from mdtok.md.series import Piece, in_series
from mdtok.md.topology_files import read_topology


def open_trajectories(
    paths: str | Path | Sequence[str | Path] | Any,
    top: str | Path | mdtraj.Topology | mdtraj.Trajectory | None = None,
    dt_ps: float | None = None,
    stride: int = 1,
) -> Trajectories:
    """Open trajectory files without loading them: a sequence of lazy `TrajectoryFile`.

    Every file is checked now, by its headers: that it is there and whole, has the atoms of the topology, and frames
    that are equally far apart in time. The bonds of the topology are held against the first frame; those over missing
    residues are left out of the topology.

    Parameters
    ----------
    paths : str, path-like or list of these
        Files (DCD, XTC, or HDF5 as mdtraj writes it), or patterns such as ``"runs/*/trajectory.xtc"``. The matches of a
        pattern come in natural order (2 before 10). Pieces of one run (``run.part0002.xtc``) become one trajectory.
        Or mdtraj trajectories in memory, or universes of MDAnalysis, which bring their topology.
    top : path-like, mdtraj.Topology or mdtraj.Trajectory, optional
        The topology of all files. Needed for DCD and XTC; HDF5 carries its own.
    dt_ps : float, optional
        Picoseconds between frames as they stand in the files, whatever their times say. Needed for DCD, which carries
        no frame time.
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
    held = [paths] if is_held(paths) else paths
    if isinstance(held, (list, tuple)) and held and all(is_held(one) for one in held):
        return _hold_all(held, top, dt_ps, stride)
    paths = _find_trajectories(paths)
    topology = _load_topology(top)
    headers = []
    for path in paths:
        header = read_header(path)
        if topology is None:
            topology = header.topology
        if topology is None:
            raise SettingsError(f"{path} carries no topology; pass top= (a PDB file, for instance).")
        if header.n_atoms != topology.n_atoms:
            raise DataError(
                f"{path} has {header.n_atoms} atoms, the topology has {topology.n_atoms}; "
                "pass the topology of these very atoms."
            )
        headers.append(header)
    series, spacings = in_series(paths, headers, dt_ps)
    names = [str(pieces[0].path) for pieces in series]
    spacing = common_spacing(names, spacings, dt_ps)
    if spacing is None or (dt_ps is None and None in spacings):
        name = names[spacings.index(None)]
        raise DataError(f"{name} does not say how far apart its frames are; pass dt_ps= (picoseconds between frames).")
    first = TrajectoryFile(paths[0], topology, headers[0].n_frames, spacing)
    topology = true_topology(topology, first.frames([0]), str(paths[0]))
    return Trajectories(
        TrajectoryFile(
            pieces[0].path,
            topology,
            sum(piece.n_frames for piece in pieces),
            float(spacing),
            int(stride),
            tuple(pieces) if len(pieces) > 1 or pieces[0].rows is not None else (),
            known is not None,
        )
        for pieces, known in zip(series, spacings)
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
    pieces : tuple of Piece
        Where it is of several files, or some of its frames are left out.
    has_times : bool
        Whether the times of the file are those of its frames.
    """

    path: Path
    topology: mdtraj.Topology = field(repr=False)
    n_frames_in_file: int
    dt_in_file_ps: float
    stride: int = 1
    pieces: tuple = field(default=(), repr=False)
    has_times: bool = True

    @property
    def n_frames(self) -> int:
        """Frames after `stride`."""
        return -(-self.n_frames_in_file // self.stride)

    def __len__(self) -> int:
        return self.n_frames

    @property
    def n_atoms(self) -> int:
        """Atoms of the topology, and of every frame."""
        return self.topology.n_atoms

    @property
    def dt_ps(self) -> float:
        """Picoseconds between frames, after `stride`."""
        return self.dt_in_file_ps * self.stride

    def chunks(self, size: int = 1000) -> Iterator[mdtraj.Trajectory]:
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
        with self._open() as files:
            for start in range(0, self.n_frames, size):
                yield self._read(files, start, min(size, self.n_frames - start))

    def load(self) -> mdtraj.Trajectory:
        """The whole trajectory in memory, an mdtraj.Trajectory."""
        with self._open() as files:
            return self._read(files, 0, self.n_frames)

    def frames(self, indices: Sequence[int]) -> mdtraj.Trajectory:
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
            raise DataError(
                f"Frames {indices.min()} .. {indices.max()} of {self.path} were asked for; it has 0 .. "
                f"{self.n_frames - 1}."
            )
        with self._open() as files:
            read = {index: self._read(files, index, 1) for index in np.unique(indices)}
        return mdtraj.join([read[index] for index in indices], check_topology=False)

    @contextlib.contextmanager
    def _open(self):
        """All files, open: a dict of path -> frames."""
        with contextlib.ExitStack() as stack:
            opened = {}
            for path in dict.fromkeys(piece.path for piece in self._pieces()):
                try:
                    opened[path] = stack.enter_context(OPENERS[path.suffix.lower()](path))
                except OSError as error:
                    raise DataError(f"{path} cannot be read ({one_line(error)}); write it again.") from None
            yield opened

    def _pieces(self):
        return self.pieces or (Piece(self.path, self.n_frames_in_file),)

    def _read(self, files, start, n_frames):
        wanted, before, read = np.arange(start, start + n_frames) * self.stride, 0, []
        for piece in self._pieces():
            mine = wanted[(wanted >= before) & (wanted < before + piece.n_frames)] - before
            before += piece.n_frames
            if len(mine):
                read.append(self._read_piece(files[piece.path], piece, mine))
        chunk = read[0] if len(read) == 1 else mdtraj.join(read, check_topology=False)
        if not self.has_times or not np.any(chunk.time):
            chunk.time = self.dt_ps * np.arange(start, start + n_frames)
        return chunk

    def _read_piece(self, frames, piece, mine):
        """Frames of one file, by their numbers among those that count."""
        rows = mine if piece.rows is None else piece.rows[mine]
        step = self.stride if len(rows) > 1 and (np.diff(rows) == self.stride).all() else 1
        n_in_a_row = (int(rows[-1]) - int(rows[0])) // step + 1
        try:
            chunk = frames.read(self.topology, int(rows[0]), n_in_a_row, step)
        except (RuntimeError, OSError, ValueError) as error:
            raise DataError(
                f"{piece.path} cannot be read at frame {rows[0]} and after ({one_line(error)}); write it again."
            ) from None
        if len(chunk) != n_in_a_row:
            raise DataError(
                f"{piece.path} gave {len(chunk)} of {n_in_a_row} frames from frame {rows[0]} on; it changed since "
                f"it was "
                "opened."
            )
        if not np.isfinite(chunk.xyz).all():
            at = int(rows[0]) + step * int(np.argmin(np.isfinite(chunk.xyz).all(axis=(1, 2))))
            raise DataError(
                f"{piece.path} has coordinates that are not numbers in frame {at}; it is damaged, or its simulation "
                "broke there: cut it before."
            )
        return chunk if n_in_a_row == len(rows) else chunk.slice((rows - rows[0]) // step)


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

    def __init__(self, files: Iterable[TrajectoryFile | HeldTrajectory]) -> None:
        self._files = tuple(files)
        if not self._files:
            raise DataError("No trajectory is left; keep at least one.")

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int | slice) -> Any:
        return Trajectories(self._files[index]) if isinstance(index, slice) else self._files[index]

    def __repr__(self):
        n_atoms = self.topology.n_atoms
        return f"<Trajectories: {len(self)} files, {self.n_frames} frames, {n_atoms} atoms, {self.dt_ps:g} ps a frame>"

    @property
    def topology(self) -> mdtraj.Topology:
        return self._files[0].topology

    @property
    def dt_ps(self) -> float:
        return self._files[0].dt_ps

    @property
    def paths(self) -> list[Path]:
        return [file.path for file in self._files]

    @property
    def n_frames(self) -> int:
        return sum(file.n_frames for file in self._files)


def _hold_all(given, top, dt_ps, stride):
    if top is not None:
        raise SettingsError("top was given with trajectories in memory, which have their own topology; leave it out.")
    trajs = [hold(one, index, dt_ps, stride) for index, one in enumerate(given)]
    for one in trajs[1:]:
        if one.n_atoms != trajs[0].n_atoms:
            raise DataError(
                f"{one.path} has {one.n_atoms} atoms, {trajs[0].path} {trajs[0].n_atoms}; open one molecule."
            )
    common_spacing([str(one.path) for one in trajs], [one.dt_ps for one in trajs], None)
    return Trajectories(trajs)


def _find_trajectories(paths):
    paths = find_files(paths)
    for path in paths:
        if path.suffix.lower() not in OPENERS:
            raise DataError(
                f"{path} is no DCD, XTC or HDF5 (.h5) file; convert it with mdtraj (mdconvert) or leave it out."
            )
    return paths


def _load_topology(top):
    if isinstance(top, (list, tuple)):
        if len(top) != 1:
            raise SettingsError(
                f"{len(top)} topologies were given; all files must share one. Open each molecule by itself."
            )
        top = top[0]
    if top is None or isinstance(top, mdtraj.Topology):
        return top
    if isinstance(top, mdtraj.Trajectory):
        return top.topology
    if not Path(top).is_file():
        raise DataError(f"The topology {top} is not a file; give a PDB file, for instance.")
    return read_topology(Path(top))
