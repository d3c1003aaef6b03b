"""Distances between atoms, a few frames at a time, and how close counts as a contact."""

import mdtraj
import numpy as np
from scipy.special import expit

from mdtok.errors import SettingsError
from mdtok.md.bonds import Bonds

BLOCK_BYTES = 16 * 2**20  # of distances at a time: what fits the processor's cache is three times as fast as 200 MB
SCHEMES = ("closest-heavy", "ca")


def distance_blocks(traj, atom_pairs):
    """Iterate over the distances of atom pairs, so many frames at a time that memory stays bounded.

    Parameters
    ----------
    traj : mdtraj.Trajectory
        Where it has a periodic box, distances between molecules are those to the nearest image.
    atom_pairs : int array, shape (n_pairs, 2)

    Yields
    ------
    frames : slice
    distances : ndarray of float32, shape (n_frames of the slice, n_pairs), in nm
    """
    n_frames = max(1, BLOCK_BYTES // (4 * len(atom_pairs)))
    within = None
    if traj.unitcell_lengths is not None:
        molecule_of = Bonds(traj.topology).molecule_of
        within = molecule_of[atom_pairs[:, 0]] == molecule_of[atom_pairs[:, 1]]
    for start in range(0, len(traj), n_frames):
        frames = slice(start, min(start + n_frames, len(traj)))
        yield frames, _distances(traj.slice(frames, copy=False), atom_pairs, within)


def _distances(traj, atom_pairs, within):
    """Between molecules to the nearest image; within one never to an own image."""
    if within is None:
        return mdtraj.compute_distances(traj, atom_pairs, periodic=False)
    distances = mdtraj.compute_distances(traj, atom_pairs, periodic=True)
    if within.any():
        distances[:, within] = mdtraj.compute_distances(traj, atom_pairs[within], periodic=False)
    return distances


def contact(distances, threshold_nm, kind, beta_per_nm):
    """How far each distance is a contact, 0 .. 1.

    Soft: ``1 / (1 + exp(beta (r - threshold)))``, the switching function of Best, Hummer and Eaton; hard: 1 where
    ``r < threshold``, otherwise 0.

    Parameters
    ----------
    distances : array of float32, in nm
    threshold_nm : float or array
    kind : {"soft", "hard"}
    beta_per_nm : float
        Steepness of a soft contact.

    Returns
    -------
    ndarray of float32

    Examples
    --------
    >>> contact(np.float32([0.40, 0.45, 0.50]), 0.45, "soft", beta_per_nm=50).round(3)
    array([0.924, 0.5  , 0.076], dtype=float32)
    """
    threshold_nm = np.asarray(threshold_nm, dtype=np.float32)
    if kind == "hard":
        return (distances < threshold_nm).astype(np.float32)
    return expit(np.float32(beta_per_nm) * (threshold_nm - distances))


def require_known(name, value, known):
    """SettingsError unless `value` is one of `known`."""
    if value not in known:
        raise SettingsError(f"{name} is {value!r}; {', '.join(map(repr, known))} was expected.")


def require_positive(**values):
    """SettingsError unless every value that is given (not None) is a positive number."""
    for name, value in values.items():
        if value is not None and not (np.isfinite(value) and value > 0):
            raise SettingsError(f"{name} is {value}; a positive number was expected.")
