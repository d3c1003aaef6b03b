"""Trajectories and their labels made ready for a network: checked, cut in pieces of one length, standardised."""

import numpy as np

from mdtok.errors import DataError

NO_LABEL = -100


def check_labels(labels, n_trajectories, n_classes=None):
    """Labels as an int64 array and the number of classes (0 without labels)."""
    if labels is None:
        return np.full(n_trajectories, NO_LABEL), n_classes or 0
    labels = np.asarray(labels)
    if labels.shape != (n_trajectories,) or labels.dtype.kind not in "iu":
        raise DataError(
            f"{labels.size} labels were given for {n_trajectories} trajectories; one whole number each was expected."
        )
    labels = labels.astype(np.int64)
    seen = set(labels[labels != NO_LABEL].tolist())
    wanted = set(range(n_classes)) if n_classes else set(range(max(seen, default=0) + 1))
    if n_classes is None and (len(wanted) < 2 or seen != wanted):
        missing = sorted((wanted | {0, 1}) - seen)
        raise DataError(
            f"Labels are {sorted(seen)}: class {', '.join(map(str, missing))} has no trajectory; classes 0 to n - 1 "
            "with one at least in each were expected."
        )
    if not seen <= wanted:
        raise DataError(f"Validation labels hold {sorted(seen - wanted)}, which no training trajectory has.")
    return labels, len(wanted)


def hold_out_tenth(trajectories, labels, seed):
    """What is kept and what is held out: a tenth of trajectories and labels, at least one, drawn at random."""
    if len(trajectories) < 2:
        raise DataError("One trajectory cannot be split for early stopping; pass validation=[...].")
    held_out = np.random.default_rng(seed).permutation(len(trajectories))[: max(1, len(trajectories) // 10)]
    kept = np.setdiff1d(np.arange(len(trajectories)), held_out)
    return tuple(([trajectories[k] for k in chosen], labels[chosen]) for chosen in (kept, held_out))


def piece_length(trajectories, labels, n_positions):
    """Frames of a training piece: the length of the labelled trajectories, or the shortest that the table allows.

    Raises
    ------
    DataError
        Labelled trajectories of different lengths, or longer than the position table.
    """
    lengths = np.array([len(trajectory) for trajectory in trajectories])
    labelled = np.unique(lengths[labels != NO_LABEL])
    if len(labelled) > 1:
        raise DataError(
            f"Labelled trajectories have {labelled.min()} to {labelled.max()} frames; one length was expected: cut "
            "them."
        )
    if len(labelled) and labelled[0] > n_positions:
        raise DataError(
            f"Labelled trajectories have {labelled[0]} frames, the position table {n_positions}; cut them or raise "
            "n_positions."
        )
    if len(labelled) and lengths.min() < labelled[0]:
        raise DataError(
            f"An unlabelled trajectory has {lengths.min()} frames; at least {labelled[0]} (the labelled ones' length) "
            "were expected."
        )
    return int(labelled[0]) if len(labelled) else int(min(n_positions, lengths.min()))


def cut_in_pieces(trajectory, length):
    """Pieces of `length` frames, shape (n_pieces, length, n_dim); the last overlaps the one before where need be."""
    starts = list(range(0, len(trajectory) - length + 1, length))
    if starts[-1] + length < len(trajectory):
        starts.append(len(trajectory) - length)
    return np.stack([trajectory[start : start + length] for start in starts])


def groups_of_one_length(trajectories, most):
    """Indices of trajectories of one length, ``most(length)`` in a group at most.

    Examples
    --------
    >>> [group.tolist() for group in groups_of_one_length(["ab", "abc", "cd", "ef"], lambda length: 2)]
    [[0, 2], [3], [1]]
    """
    lengths = np.array([len(trajectory) for trajectory in trajectories])
    for length in np.unique(lengths):
        of_length, at_once = np.flatnonzero(lengths == length), most(int(length))
        for first in range(0, len(of_length), at_once):
            yield of_length[first : first + at_once]


def own_statistics(frames):
    """Mean and deviation over the frames of each trajectory, (..., 1, n_dim) each; a coordinate at rest has 1."""
    std = frames.std(axis=-2, keepdims=True)
    return frames.mean(axis=-2, keepdims=True), np.where(std > 0, std, 1.0)
