"""Pieces of a molecule's trajectories with a class each: the basin, or folded or unfolded, in which a piece begins.

Leban, "Modern autoregressive architectures for the collective variable problem", labels trajectories of a particle by
the minimum where they start. A molecule has no such minima: its basins are the macrostates of the tokens, and a
protein with a fraction of native contacts is folded or unfolded.
"""

import logging

import numpy as np

from mdtok.kinetics.folding import core_of
from mdtok.models.coordinates.pieces import NO_LABEL
from mdtok.workflows.data import PARTS, FeatureData, LabelledData, TokenisedData
from mdtok.workflows.settings import FEWEST_PIECE_FRAMES

log = logging.getLogger(__name__)

Q = "Q"
_KEPT = 0.9  # of the frames, by the length of a piece
_OVERLAP, _MOST_OVERLAPPING = 4, 500_000  # training pieces a frame is in: few pieces are learnt by heart; in frames
_FEWEST_PIECES = {"train": 5, "test": 2}  # of a class, to be learnt and to be told


def cut_and_label(features: FeatureData, tokens: TokenisedData, n_frames: int) -> LabelledData | None:
    """Cut the trajectories into pieces of one length, each labelled by the class of its first frame.

    Held-out pieces do not overlap; those for training do, where they are not many.

    Parameters
    ----------
    features : FeatureData
    tokens : TokenisedData
        Of the same frames.
    n_frames : int
        Of a piece, at most; fewer where trajectories are so short that more than a tenth of the frames were lost.

    Returns
    -------
    LabelledData or None
        None where fewer than two classes have pieces enough, or pieces were too short to tell anything.

    Examples
    --------
    >>> names, classes = class_of_frames(["Q"], [np.array([[0.1], [0.5], [0.9]])], None)
    >>> names, classes[0].tolist()
    (['unfolded', 'folded'], [0, -1, 1])
    """
    if list(map(len, features.arrays)) != list(map(len, tokens.dtrajs)):
        return None
    length = _length_that_keeps([len(array) for array in features.arrays], n_frames)
    if length < FEWEST_PIECE_FRAMES:
        log.warning("no classes are taught: trajectories of %d frames are too short", length)
        return None
    names, classes = class_of_frames(features.names, features.arrays, tokens)
    n_training = sum(len(features.arrays[k]) for k in features.split["train"])
    cut: list[tuple[int, int]] = []
    split = {}
    for part in PARTS:
        stride = max(1, length // _OVERLAP) if part == "train" and n_training <= _MOST_OVERLAPPING else length
        pieces = [
            (k, start) for k in features.split[part] for start in range(0, len(features.arrays[k]) - length + 1, stride)
        ]
        split[part] = list(range(len(cut), len(cut) + len(pieces)))
        cut += pieces
    labels = np.array([classes[k][start] for k, start in cut])
    taught = [
        c
        for c in range(len(names))
        if all(np.sum(labels[split[part]] == c) >= fewest for part, fewest in _FEWEST_PIECES.items())
    ]
    if len(taught) < 2:
        log.warning("no classes are taught: fewer than two of %s begin pieces of %d frames enough", names, length)
        return None
    labels = renumber(labels, taught, NO_LABEL)
    arrays = [features.arrays[k][start : start + length].astype(float) for k, start in cut]
    return LabelledData(arrays, labels, split, [names[c] for c in taught], cut)


def class_of_frames(names: list, arrays: list, tokens: TokenisedData | None) -> tuple[list, list]:
    """Names of the classes, and the class of every frame, -1 between folded and unfolded."""
    if Q in names:
        return ["unfolded", "folded"], [core_of(array[:, names.index(Q)]) for array in arrays]
    return tokens.macrostate_names, [tokens.macrostates[dtraj] for dtraj in tokens.dtrajs]


def renumber(classes: np.ndarray, kept: list[int], otherwise: int = -1) -> np.ndarray:
    """Classes by their place among those that are kept.

    Examples
    --------
    >>> renumber(np.array([0, 2, 1, -1]), kept=[0, 2])
    array([ 0,  1, -1, -1])
    """
    return np.select([classes == one for one in kept], range(len(kept)), otherwise)


def _length_that_keeps(lengths, n_frames):
    """The length of a piece, `n_frames` at most, such that few frames lie in trajectories that are shorter."""
    lengths = np.sort(lengths)[::-1]
    held = np.cumsum(lengths) / lengths.sum()
    return int(min(n_frames, lengths[np.searchsorted(held, _KEPT)]))
