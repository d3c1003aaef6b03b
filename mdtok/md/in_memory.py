"""Trajectories that another library holds: of mdtraj in memory, universes of MDAnalysis. They are read like files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
from mdtraj.core.element import get_by_symbol, virtual

from mdtok.errors import DataError
from mdtok.md.bonds import true_topology

_NM_PER_ANGSTROM = 0.1


class HeldTrajectory:
    """A trajectory that is held elsewhere, with the reading interface of `TrajectoryFile`.

    Attributes
    ----------
    topology : mdtraj.Topology
    path : Path
        What it is called in messages.
    dt_ps : float
        Picoseconds between frames, after `stride`.
    """

    def __init__(
        self, held: Any, topology: mdtraj.Topology, name: str, n_frames: int, dt_ps: float, stride: int = 1
    ) -> None:
        self._held, self.topology, self.path = held, topology, Path(name)
        self.n_atoms, self.stride = topology.n_atoms, stride
        self.n_frames, self.dt_ps = -(-n_frames // stride), dt_ps * stride

    def __len__(self) -> int:
        return self.n_frames

    def chunks(self, size: int = 1000) -> Iterator[mdtraj.Trajectory]:
        """Iterate over the trajectory in pieces of `size` frames, each an mdtraj.Trajectory."""
        for start in range(0, self.n_frames, size):
            yield self.frames(range(start, min(start + size, self.n_frames)))

    def load(self) -> mdtraj.Trajectory:
        """All frames, an mdtraj.Trajectory."""
        return self.frames(range(self.n_frames))

    def frames(self, indices: Sequence[int]) -> mdtraj.Trajectory:
        """Some frames in the order asked for; each in 0 .. n_frames - 1."""
        indices = np.atleast_1d(np.asarray(indices, dtype=int))
        if indices.size == 0 or indices.min() < 0 or indices.max() >= self.n_frames:
            raise DataError(f"Frames of {self.path} were asked for that it has not; it has 0 .. {self.n_frames - 1}.")
        rows = indices * self.stride
        chunk = self._held[rows] if isinstance(self._held, mdtraj.Trajectory) else _of_universe(self._held, rows)
        chunk = mdtraj.Trajectory(
            chunk.xyz, self.topology, self.dt_ps * indices, chunk.unitcell_lengths, chunk.unitcell_angles
        )
        if not np.isfinite(chunk.xyz).all():
            frame = indices[np.argmin(np.isfinite(chunk.xyz).all(axis=(1, 2)))]
            raise DataError(f"{self.path} has coordinates that are not numbers in frame {frame}; cut it before.")
        return chunk


def is_universe(given: Any) -> bool:
    """Whether this is a universe of MDAnalysis (or a group of its atoms), which need not be installed."""
    return type(given).__module__.split(".")[0] == "MDAnalysis" and hasattr(given, "atoms")


def is_held(given: Any) -> bool:
    """Whether this is a trajectory in memory, or a universe."""
    return isinstance(given, mdtraj.Trajectory) or is_universe(given)


def hold(given: Any, index: int, dt_ps: float | None = None, stride: int = 1) -> HeldTrajectory:
    """A trajectory of mdtraj, or a universe of MDAnalysis, to be read like a file.

    Raises
    ------
    DataError
        It has no frame, bonds that its first frame has not, or does not say how far apart its frames are.
    """
    if isinstance(given, mdtraj.Trajectory):
        name, n_frames, topology = f"mdtraj trajectory {index}", len(given), given.topology
        own = float(given.timestep) if n_frames > 1 else None
    else:
        frames = given.universe.trajectory
        name, n_frames, topology = f"MDAnalysis universe {index}", len(frames), _topology_of(given)
        own = float(frames.dt) if n_frames > 1 else None
    if n_frames == 0 or topology is None or topology.n_atoms == 0:
        raise DataError(f"{name} has no frame, no atom or no topology; leave it out.")
    if dt_ps is None and not (own is not None and own > 0):
        raise DataError(f"{name} does not say how far apart its frames are; pass dt_ps= (picoseconds between frames).")
    held = HeldTrajectory(given, topology, name, n_frames, float(dt_ps or own or 0.0), int(stride))
    held.topology = true_topology(topology, held.frames([0]), name)
    return held


def _of_universe(group, rows):
    frames, xyz, cells = group.universe.trajectory, [], []
    for row in rows:
        now = frames[int(row)]
        xyz.append(np.array(group.atoms.positions, dtype=np.float32) * _NM_PER_ANGSTROM)
        cells.append(None if now.dimensions is None else np.array(now.dimensions, dtype=float))
    chunk = mdtraj.Trajectory(np.array(xyz), None)
    if all(cell is not None and cell[:3].all() for cell in cells):
        chunk.unitcell_lengths = np.array(cells)[:, :3] * _NM_PER_ANGSTROM
        chunk.unitcell_angles = np.array(cells)[:, 3:]
    return chunk


def _topology_of(group):
    """The mdtraj.Topology of atoms of MDAnalysis, with the bonds that it knows."""
    topology, chains, residues, ours = mdtraj.Topology(), {}, {}, {}
    for atom in group.atoms:
        segment = getattr(atom, "segid", "")
        if segment not in chains:
            chains[segment] = topology.add_chain()
        if atom.resindex not in residues:
            residues[atom.resindex] = topology.add_residue(
                str(getattr(atom, "resname", "UNK")), chains[segment], resSeq=int(atom.resid), segment_id=str(segment)
            )
        ours[int(atom.index)] = topology.add_atom(atom.name, _element(atom), residues[atom.resindex])
    if list(ours) != sorted(ours) or [atom.index for atom in topology.atoms] != list(range(len(ours))):
        raise DataError("Atoms of one residue or segment are apart in the universe; sort them, or write a PDB file.")
    for bond in getattr(group, "bonds", []):
        first, second = (ours.get(int(index)) for index in bond.indices)
        if first is not None and second is not None:
            topology.add_bond(first, second)
    if topology.n_bonds == 0:
        topology.create_standard_bonds()
    return topology


def _element(atom):
    try:
        return get_by_symbol(str(getattr(atom, "element", "")).strip())
    except KeyError:
        return virtual
