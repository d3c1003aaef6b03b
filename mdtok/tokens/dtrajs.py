"""Discrete trajectories (dtrajs): checked, cut, split into training and test."""

from __future__ import annotations

import numpy as np

from mdtok.errors import DataError, SettingsError
from mdtok.features.given import given_arrays

_MOST_STATES = 1_000_000  # beyond, a matrix of counts is none that anybody wants


def as_dtrajs(dtrajs, n_states=None, min_length=1, outside=False):
    """Check discrete trajectories and give them back as a list of 1-D int64 arrays: those given, where they are such.

    Parameters
    ----------
    dtrajs : array of int or list of arrays of int, shape (n_frames,) each
        One trajectory, or several; of NumPy or torch, or a column of a DataFrame.
    n_states : int, optional
        Tokens must lie in 0 .. n_states - 1.
    min_length : int
        Shortest trajectory that is of use to the caller, in frames.
    outside : bool
        Allow -1, frames outside of all states (see `cut_outside`).

    Returns
    -------
    list of ndarray of int64, shape (n_frames,) each

    Raises
    ------
    DataError
        Empty, not integers, negative, outside 0 .. n_states - 1, or too short.

    Examples
    --------
    >>> as_dtrajs([0, 1, 1])
    [array([0, 1, 1])]
    """
    dtrajs = _in_trajectories(dtrajs, given_arrays(dtrajs, "Tokens"))
    if not dtrajs:
        raise DataError("No discrete trajectory was given; pass an array of tokens or a list of them.")
    lowest = -1 if outside else 0
    return [_as_dtraj(dtraj, index, n_states, min_length, lowest) for index, dtraj in enumerate(dtrajs)]


def _in_trajectories(given, arrays):
    """A list of trajectories: a row of tokens is one, and so is a table of one column; a matrix has one a row."""
    if not isinstance(arrays, np.ndarray):
        return arrays
    if hasattr(given, "columns") and arrays.ndim == 2:
        if arrays.shape[1] != 1:
            raise DataError(f"Tokens: a table of {arrays.shape[1]} columns was given; choose the one of the tokens.")
        arrays = arrays[:, 0]
    return [arrays] if arrays.ndim < 2 else list(arrays)


def _as_dtraj(dtraj, index, n_states, min_length, lowest):
    if dtraj.ndim != 1:
        raise DataError(f"Discrete trajectory {index} has shape {dtraj.shape}; one token a frame was expected.")
    if len(dtraj) < min_length:
        raise DataError(
            f"Discrete trajectory {index} has {len(dtraj)} frames; at least {min_length} are needed. Leave it out."
        )
    if not are_whole_numbers(dtraj):
        raise DataError(
            f"Discrete trajectory {index} holds values that are not whole numbers; tokens 0, 1, 2, … were expected."
        )
    dtraj = dtraj.astype(np.int64, copy=False)  # millions of tokens pass here many times
    if len(dtraj) and dtraj.min() < lowest:
        hint = "; -1 marks frames outside of all states, see cut_outside" if dtraj.min() == -1 else ""
        raise DataError(f"Discrete trajectory {index} holds the token {dtraj.min()}; tokens start at 0{hint}.")
    if n_states is not None and len(dtraj) and dtraj.max() >= n_states:
        raise DataError(
            f"Discrete trajectory {index} holds the token {dtraj.max()}; 0 .. {n_states - 1} were expected."
        )
    return dtraj


def are_whole_numbers(array):
    """Whether an array is of integers, or of floats that are some."""
    if array.dtype.kind in "iub":
        return True
    return array.dtype.kind == "f" and bool(np.all(np.isfinite(array)) and np.all(array == np.round(array)))


def count_states(*groups):
    """Number of states in groups of dtrajs: the largest token plus one."""
    n_states = 1 + max(int(dtraj.max()) for dtrajs in groups for dtraj in as_dtrajs(dtrajs))
    if n_states > _MOST_STATES:
        raise DataError(f"A token is {n_states - 1}; number the states 0, 1, 2, … (mdtok.tokens.relabel does).")
    return n_states


def relabel(*groups: list[np.ndarray]) -> tuple[list[list[np.ndarray]], np.ndarray]:
    """Map the labels that occur in groups of dtrajs to 0 .. n_states - 1, keeping their order.

    Returns
    -------
    groups : list of lists of ndarray
        The same trajectories in the new tokens.
    labels : ndarray of int64, shape (n_states,)
        The label of each new token.
    """
    labels = np.unique(np.concatenate([np.asarray(dtraj) for group in groups for dtraj in group]))
    return [[np.searchsorted(labels, dtraj) for dtraj in group] for group in groups], labels


def split_trajectories(
    dtrajs: list[np.ndarray], test_fraction: float = 0.25, seed: int = 0
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Split a list of trajectories (tokens or features) into training and test, whole trajectories only.

    Parameters
    ----------
    dtrajs : list of arrays
        Anything with one entry a trajectory.
    test_fraction : float
        Share of the trajectories that is held out; at least one, and one is always left for training.
    seed : int
        Which ones.

    Returns
    -------
    train, test : lists

    Raises
    ------
    DataError
        There is one trajectory only: cut it with `split_time_blocks` first.

    Examples
    --------
    >>> import numpy as np
    >>> train, test = split_trajectories([np.array([0, 1])] * 4, test_fraction=0.25, seed=7)
    >>> len(train), len(test)
    (3, 1)
    """
    train, test = split_indices(len(dtrajs), test_fraction, seed)
    return [dtrajs[i] for i in train], [dtrajs[i] for i in test]


def split_indices(n_trajectories, test_fraction=0.25, seed=0):
    """Indices of the training and of the test trajectories, each sorted (see `split_trajectories`)."""
    if not 0 < test_fraction < 1:
        raise SettingsError(f"test_fraction is {test_fraction}; a number between 0 and 1 was expected.")
    if n_trajectories < 2:
        raise DataError(
            "One trajectory cannot be split by trajectory; cut it into blocks with split_time_blocks first."
        )
    n_test = min(max(1, round(test_fraction * n_trajectories)), n_trajectories - 1)
    order = np.random.default_rng(seed).permutation(n_trajectories)
    return sorted(order[n_test:].tolist()), sorted(order[:n_test].tolist())


def cut_outside(dtrajs: list[np.ndarray], *aligned: list[np.ndarray], min_length: int = 2) -> tuple:
    """Leave out the frames that lie outside of all states (token -1): each trajectory falls into the pieces between.

    Parameters
    ----------
    dtrajs : list of int arrays, shape (n_frames,) each
    *aligned : lists of arrays, shape (n_frames, ...) each
        Cut in the same way (features, say).
    min_length : int
        Shorter pieces are left out, in frames.

    Returns
    -------
    origins : list of int
        The trajectory that each piece comes from.
    pieces : list of int arrays
    *aligned_pieces : lists of arrays

    Examples
    --------
    >>> origins, pieces = cut_outside([np.array([0, 1, -1, 2, 2, 2])])
    >>> origins, [piece.tolist() for piece in pieces]
    ([0, 0], [[0, 1], [2, 2, 2]])
    """
    dtrajs = as_dtrajs(dtrajs, outside=True)
    spans = [
        (index, start, stop)
        for index, dtraj in enumerate(dtrajs)
        for start, stop in zip(*_runs(dtraj >= 0))
        if stop - start >= min_length
    ]
    cut = [[arrays[index][start:stop] for index, start, stop in spans] for arrays in (dtrajs, *aligned)]
    return [index for index, _, _ in spans], *cut


def _runs(inside):
    edges = np.diff(np.concatenate([[False], inside, [False]]).astype(int))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)


def split_time_blocks(trajectories: list[np.ndarray], n_blocks: int) -> list[np.ndarray]:
    """Cut each trajectory into `n_blocks` contiguous blocks of (nearly) equal length.

    Parameters
    ----------
    trajectories : list of arrays, shape (n_frames, ...) each
    n_blocks : int

    Returns
    -------
    list of arrays
        ``len(trajectories) * n_blocks`` blocks, in order of time.

    Raises
    ------
    DataError
        A trajectory is shorter than two frames a block.
    """
    shortest = min(len(trajectory) for trajectory in trajectories)
    if n_blocks < 1 or shortest < 2 * n_blocks:
        raise DataError(
            f"A trajectory of {shortest} frames cannot be cut into {n_blocks} blocks of two frames or more."
        )
    return [block for trajectory in trajectories for block in np.array_split(trajectory, n_blocks)]


def cut_in_blocks(trajectories: list[np.ndarray], n_blocks: int) -> list[np.ndarray]:
    """Cut trajectories of any lengths into about `n_blocks` time blocks in all, long ones into more than short ones.

    Parameters
    ----------
    trajectories : list of arrays, shape (n_frames, ...) each
    n_blocks : int

    Returns
    -------
    list of arrays
        At least one a trajectory, in order of time; none of fewer than two frames unless it was given so.

    Examples
    --------
    >>> [len(block) for block in cut_in_blocks([np.zeros(100), np.zeros(10)], 11)]
    [10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10]
    """
    total = max(1, sum(map(len, trajectories)))
    counts = [max(1, min(-(-len(one) * n_blocks // total), len(one) // 2)) for one in trajectories]
    return [block for one, count in zip(trajectories, counts) for block in np.array_split(one, count)]


def split_frames(lengths, fraction=0.25, seed=0):
    """Indices of two parts of trajectories, each sorted: the second has about `fraction` of the *frames*.

    At least one trajectory is in either part. Where all are of one length this is `split_indices`.

    Parameters
    ----------
    lengths : sequence of int
        Frames of each trajectory.
    fraction : float
    seed : int

    Examples
    --------
    >>> split_frames([10, 10, 10, 70], 0.3, seed=1)
    ([3], [0, 1, 2])
    """
    if not 0 < fraction < 1:
        raise SettingsError(f"The share of a split is {fraction}; a number between 0 and 1 was expected.")
    n = len(lengths)
    if n < 2:
        raise DataError("One trajectory cannot be split; cut it into blocks first.")
    order = np.random.default_rng(seed).permutation(n)
    shares = np.cumsum(np.asarray(lengths, dtype=float)[order]) / sum(lengths) * n  # in trajectories of mean length
    off = np.round(np.abs(shares[:-1] - fraction * n), 9)
    nearest = np.flatnonzero(off == off.min()) + 1
    n_test = int(nearest[0] if len(nearest) == 1 or nearest[0] % 2 == 0 else nearest[1])  # round half to even
    return sorted(order[n_test:].tolist()), sorted(order[:n_test].tolist())


def hold_out_tails(dtrajs, fraction=0.1):
    """Cut the last `fraction` of each trajectory off, where that leaves two frames or more on both sides."""
    cuts = [len(dtraj) - int(fraction * len(dtraj)) for dtraj in dtrajs]
    tails = [dtraj[cut:] for dtraj, cut in zip(dtrajs, cuts) if len(dtraj) - cut >= 2]
    if not tails:
        raise DataError(
            f"The longest trajectory has {max(map(len, dtrajs))} frames: its last tenth is too short for early "
            "stopping. Pass validation=[...]."
        )
    return [dtraj[:cut] if len(dtraj) - cut >= 2 else dtraj for dtraj, cut in zip(dtrajs, cuts)], tails


def draw_trajectories(arrays, most_frames, seed=0, at_least=1):
    """Indices of trajectories drawn at random that have `most_frames` frames together at most, but `at_least` so many;
    all if they fit.

    Examples
    --------
    >>> len(draw_trajectories([np.zeros(10), np.zeros(10), np.zeros(10)], 25, seed=1))
    2
    >>> draw_trajectories([np.zeros(10), np.zeros(10)], 20)
    [0, 1]
    """
    order = np.random.default_rng(seed).permutation(len(arrays))
    n_fitting = int(np.searchsorted(np.cumsum([len(arrays[k]) for k in order]), most_frames, side="right"))
    return sorted(int(k) for k in order[: max(at_least, n_fitting)])


def thin_dtrajs(dtrajs, stride):
    """Every `stride`-th frame from every offset, each as a trajectory of its own; those of one token are left out."""
    return [part for dtraj in dtrajs for part in (dtraj[offset::stride] for offset in range(stride)) if len(part) > 1]
