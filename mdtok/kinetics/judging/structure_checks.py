"""Whether generated structures are molecules at all: chirality, bonds and clashes, against those of the MD."""

from __future__ import annotations

from dataclasses import dataclass

import mdtraj
import numpy as np
from scipy.sparse import csr_array, identity

_MOST_FRAMES = 500
_MARGIN_NM = 0.02  # beyond what the MD itself shows


@dataclass(frozen=True)
class StructureChecks:
    """Shares of what is wrong; NaN where there is nothing to check.

    Attributes
    ----------
    chirality_wrong : float
        Of the Cα atoms with a Cβ, over all frames: those with the handedness that the MD does not have.
    bonds_off : float
        Of all bonds: those longer or shorter than any that the MD shows, by more than 0.02 nm.
    frames_clashing : float
        Of all frames: those in which heavy atoms more than three bonds apart are nearer than any such in the MD, by
        more than 0.02 nm.
    """

    chirality_wrong: float
    bonds_off: float
    frames_clashing: float


def check_structures(trajs, reference) -> StructureChecks:
    """Check up to 500 frames of generated trajectories against as many of the MD.

    Parameters
    ----------
    trajs, reference : lists of mdtraj.Trajectory, or Trajectories
        Of the same molecule, whole.

    Returns
    -------
    StructureChecks
    """
    ours, theirs = (_some_frames(part) for part in (trajs, reference))
    return StructureChecks(_chirality(ours, theirs), _bonds(ours, theirs), _clashes(ours, theirs))


def _some_frames(trajs):
    a_traj = max(1, _MOST_FRAMES // len(trajs))
    parts = []
    for traj in trajs:
        chosen = np.unique(np.linspace(0, len(traj) - 1, min(a_traj, len(traj))).astype(int))
        parts.append(traj[chosen] if isinstance(traj, mdtraj.Trajectory) else traj.frames(chosen))
    return mdtraj.join(parts, check_topology=False)


def _chirality(ours, theirs):
    atoms = []
    for residue in ours.topology.residues:
        named = {atom.name: atom.index for atom in residue.atoms}
        if {"N", "CA", "C", "CB"} <= set(named):
            atoms.append([named[name] for name in ("CA", "N", "C", "CB")])
    if not atoms:
        return np.nan
    usual = np.sign(np.median(_handedness(theirs.xyz, atoms), axis=0))
    return float((np.sign(_handedness(ours.xyz, atoms)) != usual).mean())


def _handedness(xyz, atoms):
    centre, *others = np.transpose(xyz[:, np.array(atoms)], (2, 0, 1, 3))  # (n_frames, n_centres, 3) each
    one, two, three = (other - centre for other in others)
    return np.einsum("fcx,fcx->fc", np.cross(one, two), three)


def _bonds(ours, theirs):
    pairs = np.array([[a.index, b.index] for a, b in ours.topology.bonds])
    if not len(pairs):
        return np.nan
    lengths, known = (mdtraj.compute_distances(part, pairs, periodic=False) for part in (ours, theirs))
    low, high = known.min(axis=0) - _MARGIN_NM, known.max(axis=0) + _MARGIN_NM
    return float(((lengths < low) | (lengths > high)).mean())


def _clashes(ours, theirs):
    n = ours.topology.n_atoms
    bonds = np.array([[a.index, b.index] for a, b in ours.topology.bonds])
    if not len(bonds):
        return np.nan
    bonded = csr_array((np.ones(2 * len(bonds)), (bonds.ravel(), bonds[:, ::-1].ravel())), shape=(n, n))
    near = (identity(n) + bonded) @ (identity(n) + bonded) @ (identity(n) + bonded)  # up to three bonds apart
    heavy = [atom.index for atom in ours.topology.atoms if atom.element is None or atom.element.symbol != "H"]
    apart = np.argwhere(np.triu(near.toarray()[np.ix_(heavy, heavy)] == 0, 1))
    if not len(apart):
        return np.nan
    pairs = np.array(heavy)[apart]
    nearest, known = (mdtraj.compute_distances(part, pairs, periodic=False).min(axis=1) for part in (ours, theirs))
    return float((nearest < known.min() - _MARGIN_NM).mean())
