"""Tokens back to structures: MD frames of each token in a row, each the nearest to the one before. Not a simulation.

Such a trajectory shows what a sequence of tokens looks like. Its frames are real, the steps between them are not:
nothing of the dynamics within a state can be read from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import mdtraj
import numpy as np
from mdtraj.formats import XTCTrajectoryFile

from mdtok.errors import DataError, SettingsError
from mdtok.features.arrays import as_features
from mdtok.features.featurizer import CHUNK_BYTES, WORKING_GB
from mdtok.features.topologies import select_atoms
from mdtok.md.ascii_paths import ascii_path
from mdtok.progress import tracked
from mdtok.storage import whole, write_json
from mdtok.tokens.dtrajs import as_dtrajs

if TYPE_CHECKING:
    from mdtok.md.trajectory import Trajectories


_BYTES_PER_ATOM = 12
_WHAT = (
    "Stitched from frames of molecular dynamics: for each generated token one MD frame of that state, the nearest to "
    "the "
    "frame before among some drawn at random, superposed on it. This is not a simulation: steps between frames carry "
    "no "
    "dynamics."
)


@dataclass
class Stitched:
    """Files of a stitched trajectory, and where its frames are from (see `stitch_frames`).

    Attributes
    ----------
    path : Path
        ``<name>_stitched.xtc``.
    topology_path : Path
        ``<name>_stitched.pdb``, its first frame.
    label_path : Path
        ``<name>_stitched.json``: what it is, of which run, and the MD frame behind every frame.
    visits : ndarray of int, shape (n_frames, 2)
        MD trajectory and frame of each frame.
    steps : ndarray of float, shape (n_frames - 1,)
        Distance of each frame from the one before: RMSD in nm, or Euclidean where features were given.
    """

    path: Path
    topology_path: Path
    label_path: Path
    visits: np.ndarray
    steps: np.ndarray


def stitch_frames(
    dtraj: np.ndarray,
    dtrajs: list[np.ndarray],
    trajs: Trajectories | mdtraj.Trajectory | Sequence[mdtraj.Trajectory],
    out: str | Path,
    *,
    of: str,
    features: list[np.ndarray] | None = None,
    atoms: str | Sequence[int] = "all",
    n_candidates: int = 100,
    dt_ps: float | None = None,
    seed: int = 0,
    memory_limit_gb: float = 2.0,
    progress: bool = True,
) -> Stitched:
    """Write a sequence of tokens as a trajectory of MD frames, each as near as possible to the one before.

    For every state up to `n_candidates` of its MD frames are drawn once and held in memory. From token to token the
    nearest of them to the frame before is taken; during one stay in a state none twice before all of them were used, so
    that a long stay does not freeze.

    Parameters
    ----------
    dtraj : int array, shape (n_frames,)
        Generated tokens.
    dtrajs : list of int arrays
        MD in the same tokens; -1 for frames outside of all states.
    trajs : Trajectories, or list of mdtraj.Trajectory
        The MD that `dtrajs` were made from, in the same order. Molecules must be whole, not cut by a periodic box.
    out : path-like
        Folder and name: ``runs/fip35/nanogpt`` gives ``nanogpt_stitched.xtc``, ``.pdb`` and ``.json`` in that folder.
    of : str
        What the tokens are of, for the label: a run, and the model or file in it.
    features : list of float arrays, shape (n_frames, n_features) each, optional
        Nearness is in these (TICA coordinates, say; angles as cosines and sines) instead of the RMSD.
    atoms : str or list of int
        On which frames are superposed and the RMSD is taken: ``"ca"``, ``"backbone"``, ``"all"``, … All are written.
    n_candidates : int
        Frames to choose from in each state; all of a state's frames where it has fewer.
    dt_ps : float, optional
        Time between tokens, that of the MD if not given.
    seed : int
        Of the draw.
    memory_limit_gb : float
        More candidates than have room in it, the program included, are refused before any frame is read.
    progress : bool

    Returns
    -------
    Stitched

    Raises
    ------
    DataError
        A token that no MD frame has, trajectories or features that are not those of `dtrajs`, coordinates that are not
        finite, or more candidates than `memory_limit_gb` has room for.

    Examples
    --------
    >>> import tempfile
    >>> topology = mdtraj.Topology()
    >>> residue = topology.add_residue("XYZ", topology.add_chain())
    >>> for name in "ABCD":
    ...     _ = topology.add_atom(name, mdtraj.element.carbon, residue)
    >>> md = mdtraj.Trajectory(np.random.default_rng(0).normal(size=(6, 4, 3)), topology, time=np.arange(6.0))
    >>> stitched = stitch_frames([0, 1, 1], [np.array([0, 0, 0, 1, 1, 1])], [md], tempfile.mkdtemp() + "/walk",
    ...                          of="an example", progress=False)
    >>> stitched.path.name, len(mdtraj.load(stitched.path, top=stitched.topology_path))
    ('walk_stitched.xtc', 3)
    """
    (tokens,) = as_dtrajs([dtraj])
    dtrajs = as_dtrajs(dtrajs, outside=True)
    trajs = [trajs] if isinstance(trajs, mdtraj.Trajectory) or hasattr(trajs, "chunks") else trajs
    _require_same_lengths("trajectories", trajs, dtrajs)
    if isinstance(n_candidates, bool) or n_candidates != int(n_candidates) or n_candidates < 1:
        raise SettingsError(f"n_candidates is {n_candidates}; a whole number of at least 1 was expected.")
    if features is not None:
        features = as_features(features)
        _require_same_lengths("features", features, dtrajs)
    topology = trajs[0].topology
    compared = select_atoms(topology, atoms)
    if len(compared) < 3:
        raise DataError(f"{atoms!r} are {len(compared)} atoms; frames are superposed on three or more.")
    visits, rows_of = _draw_candidates(tokens, dtrajs, int(n_candidates), seed)
    n_atoms = topology.n_atoms + (len(compared) if features is None else 0)  # those compared are held once more
    _require_memory(len(visits), n_atoms, memory_limit_gb, n_candidates)
    pool = _read(visits, trajs, progress)
    if features is None:
        distance = _Rmsd(pool, compared)
    else:
        distance = _Euclidean(np.array([features[index][frame] for index, frame in visits]))
    rows, steps = _walk(tokens, rows_of, distance, seed, progress)
    dt_ps = _time_step(trajs) if dt_ps is None else dt_ps
    label = {
        "what": _WHAT,
        "of": str(of),
        "n_frames": len(tokens),
        "dt_ps": dt_ps,
        "seed": seed,
        "n_candidates": int(n_candidates),
        "superposed_on": atoms,
        "nearest_by": "RMSD (nm)" if features is None else "features",
        "mean_step": steps.mean() if len(steps) else None,
        "md_trajectories": [str(getattr(traj, "path", f"trajectory {k}")) for k, traj in enumerate(trajs)],
        "columns_of_frames": ["token", "MD trajectory", "MD frame"],
        "frames": np.column_stack([tokens, visits[rows]]),
    }
    paths = _write(Path(out), pool, rows, compared, dt_ps, label, progress)
    return Stitched(*paths, visits[rows], steps)


def _require_same_lengths(what, others, dtrajs):
    lengths, n_tokens = [len(other) for other in others], [len(dtraj) for dtraj in dtrajs]
    if lengths == n_tokens:
        return
    wrong = [f"{n} frames in number {k}, its tokens {m}" for k, (n, m) in enumerate(zip(lengths, n_tokens)) if n != m]
    seen = wrong[0] if len(lengths) == len(n_tokens) else f"{len(lengths)} of them, {len(n_tokens)} of tokens"
    raise DataError(f"The {what} do not match the MD tokens ({seen}); pass the {what} that the tokens were made from.")


def _draw_candidates(tokens, dtrajs, n_candidates, seed):
    """Visits to choose from, shape (n_pool, 2), and the rows of each state among them."""
    rng = np.random.default_rng(seed)
    states = np.concatenate(dtrajs)
    firsts = np.cumsum([0] + [len(dtraj) for dtraj in dtrajs])
    drawn, rows_of, n_drawn = [], {}, 0
    for state in np.unique(tokens).tolist():
        frames = np.flatnonzero(states == state)
        if len(frames) == 0:
            raise DataError(f"No MD frame is in state {state}, which the tokens visit; pass the MD it was trained on.")
        if len(frames) > n_candidates:
            frames = np.sort(rng.choice(frames, n_candidates, replace=False))
        rows_of[state] = np.arange(n_drawn, n_drawn + len(frames))
        n_drawn += len(frames)
        drawn.append(frames)
    drawn = np.concatenate(drawn)
    trajectory = np.searchsorted(firsts, drawn, side="right") - 1
    return np.column_stack([trajectory, drawn - firsts[trajectory]]), rows_of


def _require_memory(n_pool, n_atoms, limit_gb, n_candidates):
    needed_gb = n_pool * n_atoms * _BYTES_PER_ATOM / 1e9
    if needed_gb + WORKING_GB > limit_gb:
        fitting = int(n_candidates * max(limit_gb - WORKING_GB, 0) / needed_gb)
        mend = f"Take n_candidates={fitting}, or raise it." if fitting else "Raise it, or strip the solvent first."
        raise DataError(
            f"{n_pool:,} candidate frames need {needed_gb + WORKING_GB:.1f} GB; memory_limit_gb is {limit_gb:g}. {mend}"
        )


def _read(visits, trajs, progress):
    """The candidates as one mdtraj.Trajectory, in the order of `visits`."""
    topology = trajs[0].topology
    xyz = np.empty((len(visits), topology.n_atoms, 3), dtype=np.float32)
    batch = max(1, CHUNK_BYTES // (_BYTES_PER_ATOM * topology.n_atoms))
    with tracked(total=len(visits), desc="candidates", unit="frame", disable=not progress) as bar:
        for index in np.unique(visits[:, 0]):
            of_traj = np.flatnonzero(visits[:, 0] == index)
            for rows in np.split(of_traj, range(batch, len(of_traj), batch)):
                frames, traj = visits[rows, 1], trajs[index]
                found = (traj.frames(frames) if hasattr(traj, "frames") else traj[frames]).xyz
                if found.shape[1] != topology.n_atoms:
                    seen = f"{found.shape[1]} atoms, the first one {topology.n_atoms}"
                    raise DataError(f"Trajectory {index} has {seen}; pass trajectories of one molecule.")
                if not np.isfinite(found).all():
                    raise DataError(f"Coordinates of trajectory {index} hold NaN or infinity; mend or cut them.")
                xyz[rows] = found
                bar.update(len(rows))
    return mdtraj.Trajectory(xyz, topology)


class _Rmsd:
    """Distances between candidates: RMSD after optimal superposition, in nm."""

    def __init__(self, pool, atoms):
        self._frames = pool.atom_slice(atoms)

    def __call__(self, rows, previous):
        # not precentered: a slice of a centred mdtraj.Trajectory keeps the traces of the wrong frames
        return mdtraj.rmsd(self._frames[rows], self._frames, frame=int(previous))


class _Euclidean:
    """Distances between candidates in features, shape (n_pool, n_features)."""

    def __init__(self, features):
        self._features = features

    def __call__(self, rows, previous):
        return np.linalg.norm(self._features[rows] - self._features[previous], axis=1)


def _walk(tokens, rows_of, distance, seed, progress):
    """A candidate for every token, and its distance from the one before."""
    rng = np.random.default_rng([int(seed), 1])  # not the numbers of the candidates
    rows, steps = np.empty(len(tokens), dtype=np.int64), np.empty(len(tokens) - 1)
    rows[0] = rng.choice(rows_of[int(tokens[0])])
    unused = set(rows_of[int(tokens[0])].tolist()) - {int(rows[0])}
    for t in tracked(range(1, len(tokens)), desc="nearest frames", unit="frame", disable=not progress):
        state, previous = int(tokens[t]), int(rows[t - 1])
        if state != tokens[t - 1] or not unused:
            unused = set(rows_of[state].tolist())
            if len(unused) > 1:
                unused.discard(previous)
        candidates = np.array(sorted(unused))
        distances = distance(candidates, previous)
        nearest = int(np.argmin(distances))
        rows[t], steps[t - 1] = candidates[nearest], distances[nearest]
        unused.discard(int(rows[t]))
    return rows, steps


def _time_step(trajs):
    for traj in trajs:
        if hasattr(traj, "dt_ps"):
            return float(traj.dt_ps)
        if len(traj) > 1:
            return float(traj.timestep)
    raise SettingsError("The MD does not say how far apart its frames are; pass dt_ps= (picoseconds between tokens).")


def _write(out, pool, rows, atoms, dt_ps, label, progress):
    """Coordinates, topology and label, all three or none."""
    paths = [out.with_name(f"{out.name}_stitched.{ending}") for ending in ("xtc", "pdb", "json")]
    with whole(paths[0]) as xtc, whole(paths[1]) as pdb:
        with ascii_path(xtc) as name, XTCTrajectoryFile(name, "w") as file:
            previous = None
            for t, row in enumerate(tracked(rows, desc="stitched", unit="frame", disable=not progress)):
                frame = mdtraj.Trajectory(pool.xyz[row : row + 1].copy(), pool.topology)
                if previous is None:
                    frame.save_pdb(str(pdb))
                else:
                    frame.superpose(previous, atom_indices=atoms)
                file.write(frame.xyz, time=np.array([t * dt_ps], dtype=np.float32), step=np.array([t], dtype=np.int32))
                previous = frame
        write_json(paths[2], label)
    return paths
