"""Trajectories of independent particles in the plane, one array a particle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mdtok.errors import DataError

if TYPE_CHECKING:
    from mdtok.md.trajectory import Trajectories


def split_particles(trajs: Trajectories) -> list[np.ndarray]:
    """Positions x and y of every particle of simulations of a `ParticleSystem`.

    Parameters
    ----------
    trajs : Trajectories
        As `run_replicas` gives them.

    Returns
    -------
    list of ndarray of float32, shape (n_frames, 2) each, in nm
        All particles of the first replica, then those of the next.

    Raises
    ------
    DataError
        The trajectories are of molecules.
    """
    particles = []
    for trajectory in trajs:
        atoms = list(trajectory.topology.atoms)
        if any(atom.residue.name != "PRT" for atom in atoms):
            raise DataError("These are trajectories of a molecule; those of a system with a potential were expected.")
        xyz = trajectory.load().xyz  # (n_frames, n_particles, 3)
        particles.extend(np.ascontiguousarray(xyz[:, index, :2]) for index in range(len(atoms)))
    return particles
