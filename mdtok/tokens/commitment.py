"""Tokens of states that a trajectory is committed to: core sets, and running means without short visits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mdtok.errors import DataError, SettingsError

OUTSIDE = -1


def core_states(points: np.ndarray, centres: np.ndarray, radius: float) -> np.ndarray:
    """The core that was visited last, at every frame (milestoning): a border crossed back and forth is no transition.

    Parameters
    ----------
    points : ndarray, shape (n_frames, n_dim)
    centres : ndarray, shape (n_states, n_dim)
    radius : float
        Of the cores, which must not overlap.

    Returns
    -------
    ndarray of int64, shape (n_frames,)
        -1 before the first visit of a core; `cut_outside` leaves those frames out.

    Raises
    ------
    SettingsError
        The cores overlap.
    DataError
        Points and centres have different numbers of coordinates.

    References
    ----------
    Schütte, Noé, Lu, Sarich, Vanden-Eijnden, J. Chem. Phys. 134, 204105 (2011).

    Examples
    --------
    >>> core_states(np.array([[0.5], [0.1], [0.6], [0.9], [0.5]]), np.array([[0.0], [1.0]]), 0.2)
    array([-1,  0,  0,  1,  1])
    """
    points, centres = np.atleast_2d(np.asarray(points, dtype=float)), np.atleast_2d(np.asarray(centres, dtype=float))
    if points.shape[1] != centres.shape[1]:
        raise DataError(
            f"Points have {points.shape[1]} coordinates, centres {centres.shape[1]}; the same number was expected."
        )
    apart = np.linalg.norm(centres[:, None] - centres, axis=-1)[~np.eye(len(centres), dtype=bool)]
    if not radius > 0 or (len(apart) and apart.min() <= 2 * radius):
        raise SettingsError(
            f"radius is {radius}; a positive number below {apart.min(initial=np.inf) / 2:.3g} was expected, half the "
            "distance of the "
            "nearest centres."
        )
    distances = np.linalg.norm(points[:, None] - centres, axis=-1)  # (n_frames, n_states)
    inside = np.where(distances.min(axis=1) <= radius, distances.argmin(axis=1), OUTSIDE)
    return hold_last(inside)


def hold_last(states):
    """States with every -1 replaced by the state before it; leading ones stay.

    Examples
    --------
    >>> hold_last(np.array([-1, 2, -1, -1, 0]))
    array([-1,  2,  2,  2,  0])
    """
    states = np.asarray(states, dtype=np.int64)
    known = np.maximum.accumulate(np.where(states != OUTSIDE, np.arange(len(states)), -1))
    return np.where(known >= 0, states[known], OUTSIDE)


def running_mean(values: np.ndarray, n_frames: int) -> np.ndarray:
    """Mean of each frame and the `n_frames` - 1 before it; the first frames, with a shorter past, are left out.

    Parameters
    ----------
    values : ndarray, shape (n,)
    n_frames : int

    Returns
    -------
    ndarray, shape (n - n_frames + 1,)

    Examples
    --------
    >>> running_mean(np.array([0.0, 2.0, 4.0, 0.0]), 2)
    array([1., 3., 2.])
    """
    values = np.asarray(values, dtype=float)
    if not 1 <= n_frames <= len(values):
        raise SettingsError(f"n_frames is {n_frames}; 1 to {len(values)}, the length of the trajectory, was expected.")
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return (sums[n_frames:] - sums[:-n_frames]) / n_frames


def nearest_value(values: np.ndarray, levels: Sequence[float] | np.ndarray) -> np.ndarray:
    """Index of the level nearest each value.

    Examples
    --------
    >>> nearest_value(np.array([1.9, 0.4, -3.0]), [2.0, 0.5, -0.5, -2.0])
    array([0, 1, 3])
    """
    return np.abs(np.asarray(values, dtype=float)[:, None] - np.asarray(levels, dtype=float)).argmin(axis=1)


def without_short_visits(dtraj: np.ndarray, n_frames: int) -> np.ndarray:
    """Tokens in which a visit shorter than `n_frames` counts as part of the state before it.

    Visits are looked at in order of time, so that two short ones in a row do not make a long one; the first visit
    stays.

    Parameters
    ----------
    dtraj : int array, shape (n,)
    n_frames : int
        Shortest visit that counts: the commit time.

    Returns
    -------
    ndarray of int64, shape (n,)

    References
    ----------
    Tsai, Kuo, Tiwary, Nat. Commun. 11, 5115 (2020): spurious transitions of their four-state trajectory.

    Examples
    --------
    >>> without_short_visits(np.array([0, 0, 1, 0, 2, 2, 2]), 2)
    array([0, 0, 0, 0, 2, 2, 2])
    """
    if n_frames < 1:
        raise SettingsError(f"n_frames is {n_frames}; a whole number of at least 1 was expected.")
    dtraj = np.asarray(dtraj, dtype=np.int64)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(dtraj)) + 1])
    lengths = np.diff(np.append(starts, len(dtraj)))
    kept = (lengths >= n_frames) | (starts == 0)
    return hold_last(np.repeat(np.where(kept, dtraj[starts], OUTSIDE), lengths))


def count_transitions(dtrajs: list[np.ndarray], n_states: int, commit_frames: Sequence[int]) -> np.ndarray:
    """Transitions between states that are left over when visits shorter than a commit time do not count.

    Parameters
    ----------
    dtrajs : list of int arrays, shape (n_frames,) each
    n_states : int
    commit_frames : sequence of int
        Commit times: the shortest visits that count.

    Returns
    -------
    ndarray of int, shape (n_commit_times, n_states, n_states)
        Row from, column to.

    Examples
    --------
    >>> count_transitions([np.array([0, 0, 1, 0, 0, 1, 1])], 2, [1, 2]).tolist()
    [[[0, 2], [1, 0]], [[0, 1], [0, 0]]]
    """
    counts = np.zeros((len(commit_frames), n_states, n_states), dtype=np.int64)
    for table, n_frames in zip(counts, commit_frames):
        for dtraj in dtrajs:
            committed = without_short_visits(dtraj, n_frames)
            left = np.flatnonzero(np.diff(committed))
            np.add.at(table, (committed[left], committed[left + 1]), 1)
    return counts
