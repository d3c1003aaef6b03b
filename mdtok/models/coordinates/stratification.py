"""Weights of frames by how seldom their region is visited: transition regions are few frames and set slow rates.

A density of the next frame given the past may be learnt with any weights that depend on the past alone: what it
converges to is the same (Shimodaira, J. Stat. Plan. Inference 90, 227 (2000), on covariate shift).
"""

import numpy as np
from sklearn.metrics import pairwise_distances_argmin

_LARGEST_WEIGHT = 100.0  # times the mean: a region of three frames tells next to nothing
_N_SEARCHED = 100_000  # frames among which centers are looked for


def frame_weights(frames, centers, counts, exponent):
    """Weight of every frame: the share of its region in the training frames, to the power of ``-exponent``.

    Parameters
    ----------
    frames : ndarray, shape (n_trajectories, n_frames, n_dim)
    centers : ndarray, shape (n_regions, n_dim)
        From `spread_centers`.
    counts : int array, shape (n_regions,)
        Training frames nearest each center.
    exponent : float
        0: every frame counts alike; 1: every region does.

    Returns
    -------
    ndarray of float32, shape (n_trajectories, n_frames)
        One on average over the frames that were counted.
    """
    share = np.maximum(counts, 1) / counts.sum()
    weights = share**-exponent
    mean = weights @ counts / counts.sum()
    weights = np.minimum(weights / mean, _LARGEST_WEIGHT)
    return weights[region_of(frames, centers)].reshape(frames.shape[:-1]).astype(np.float32)


def spread_centers(frames, n_centers, seed):
    """Centers that lie evenly where frames are, by k-centers: each is the frame farthest from those before.

    Parameters
    ----------
    frames : ndarray, shape (..., n_dim)
    n_centers : int
    seed : int

    Returns
    -------
    ndarray, shape (n_centers, n_dim)
        Fewer where there are fewer different frames.

    References
    ----------
    Gonzalez, Theor. Comput. Sci. 38, 293 (1985).

    Examples
    --------
    >>> spread_centers(np.array([[0.0], [0.1], [5.0], [9.0]]), 3, seed=0).shape
    (3, 1)
    """
    frames = frames.reshape(-1, frames.shape[-1])
    if len(frames) > _N_SEARCHED:
        frames = frames[np.random.default_rng(seed).choice(len(frames), _N_SEARCHED, replace=False)]
    centers = [frames[np.square(frames - frames.mean(axis=0)).sum(axis=1).argmin()]]
    distance = np.square(frames - centers[0]).sum(axis=1)
    while len(centers) < n_centers and distance.max() > 0:
        centers.append(frames[distance.argmax()])
        distance = np.minimum(distance, np.square(frames - centers[-1]).sum(axis=1))
    return np.array(centers)


def region_of(frames, centers):
    """Index of the center nearest each frame, flat."""
    return pairwise_distances_argmin(frames.reshape(-1, frames.shape[-1]), centers)
