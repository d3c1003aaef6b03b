"""Where a transformer looks: maps, segments, time differences and distances of its attention.

An attention map ``A[..., q, k]`` says how much of its attention the query frame q gives to the key frame k; its rows
sum to one. The time difference of a pair is ``k - q`` in frames: negative to the past, positive to the future.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mdtok.errors import DataError, SettingsError

DIRECTIONS = ("both", "past", "future")
_ROW_TOLERANCE = 1e-3
_NO_ATTENTION = 1e-9  # a smaller share in a direction is rounding, and has no distance


def check_attention(attention):
    """An attention array (..., n_frames, n_frames) as it is, if it is one.

    Raises
    ------
    DataError
        Not square, negative, not numbers, or rows that do not sum to one.
    """
    attention = np.asarray(attention)
    if attention.ndim < 2 or attention.shape[-1] != attention.shape[-2] or attention.size == 0:
        raise DataError(
            f"The attention has the shape {attention.shape}; (n_layers, n_heads, n_frames, n_frames) was expected."
        )
    rows = attention.sum(axis=-1)
    if not np.isfinite(rows).all() or attention.min() < 0:
        raise DataError(
            "The attention holds negative values or such that are not numbers; weights after softmax were expected."
        )
    worst = rows.ravel()[np.abs(rows - 1).argmax()]
    if abs(worst - 1) > _ROW_TOLERANCE:
        raise DataError(
            f"A row of the attention sums to {worst:.4g}; 1 was expected: pass weights after softmax, without dropout."
        )
    return attention


def visible_frames(attention: np.ndarray) -> np.ndarray:
    """Which frames a query may see, as its attention in all heads tells: bool array (n_frames, n_frames).

    A query sees every frame from the first to the last that any head gives attention to; this covers full, causal,
    local and block-wise masks, and weights so small that they are zero.

    Parameters
    ----------
    attention : array of float, shape (..., n_frames, n_frames)

    Examples
    --------
    >>> visible_frames([[1.0, 0.0], [0.5, 0.5]])
    array([[ True, False],
           [ True,  True]])
    """
    attention = check_attention(attention)
    n_frames = attention.shape[-1]
    seen = np.zeros((n_frames, n_frames), dtype=bool)
    for one in attention.reshape(-1, n_frames, n_frames):
        seen |= one > 0
    return between_first_and_last(seen)


def between_first_and_last(seen):
    frames = np.arange(len(seen))
    first, last = seen.argmax(axis=1), len(seen) - 1 - seen[:, ::-1].argmax(axis=1)
    return (frames >= first[:, None]) & (frames <= last[:, None])


def uniform_attention(visible: np.ndarray) -> np.ndarray:
    """Attention that gives every visible frame the same, shape (n_frames, n_frames); the yardstick of all others."""
    return visible / visible.sum(axis=1, keepdims=True)


def attention_blocks(attention: np.ndarray) -> Iterator[np.ndarray]:
    """The blocks that a local attention falls into, one after another, each an attention array of its own.

    A model with a window of W frames gives blocks of W frames (the last may be shorter); one that sees all gives
    itself. To look at the average window, summarise the blocks.

    Yields
    ------
    ndarray of float, shape (..., n_block, n_block)

    Examples
    --------
    >>> [block.shape for block in attention_blocks(np.kron(np.eye(3), np.full((4, 4), 0.25)))]
    [(4, 4), (4, 4), (4, 4)]
    """
    attention = np.asarray(attention)
    visible = visible_frames(attention)
    first, last = visible.argmax(axis=1), len(visible) - 1 - visible[:, ::-1].argmax(axis=1)
    earliest, latest = np.minimum.accumulate(first[::-1])[::-1], np.maximum.accumulate(last)
    edges = np.arange(1, len(first))  # no query before an edge sees beyond it, none after it sees back
    starts = np.flatnonzero(np.r_[True, (latest[:-1] < edges) & (earliest[1:] >= edges)])
    for start, end in zip(starts, [*starts[1:], len(first)]):
        yield attention[..., start:end, start:end]


def segment_attention(attention: np.ndarray, n_segments: int) -> np.ndarray:
    """Share of the attention of one segment of the trajectory that goes to another; rows sum to one.

    Parameters
    ----------
    attention : array of float, shape (..., n_frames, n_frames)
    n_segments : int
        Segments of equal length (the last ones a frame longer where it does not divide).

    Returns
    -------
    ndarray of float, shape (..., n_segments, n_segments)
        Entry (i, j): mean over the queries in segment i of their attention to all frames of segment j.

    Raises
    ------
    SettingsError
        More segments than frames.

    Examples
    --------
    >>> segment_attention(np.full((4, 4), 0.25), n_segments=2)
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """
    attention = np.asarray(attention)
    edges = bin_edges(attention.shape[-1], n_segments, "n_segments")
    return block_sums(attention, edges) / np.diff(edges)[:, None]


def bin_edges(n_frames, n_parts, name):
    if int(n_parts) != n_parts or not 1 <= n_parts <= n_frames:
        raise SettingsError(f"{name} is {n_parts}; a whole number from 1 to the {n_frames} frames was expected.")
    return np.arange(int(n_parts) + 1) * n_frames // int(n_parts)


def block_sums(attention, edges):
    return np.add.reduceat(np.add.reduceat(attention, edges[:-1], axis=-1), edges[:-1], axis=-2)


def time_difference_shares(attention: np.ndarray) -> np.ndarray:
    """Share of the attention at each time difference, ``S(Δ) = (1 / n_frames) Σ_q A[q, q + Δ]``; it sums to one over Δ.

    Parameters
    ----------
    attention : array of float, shape (..., n_frames, n_frames)

    Returns
    -------
    ndarray of float, shape (..., 2 n_frames - 1)
        For Δ = key - query = -(n_frames - 1) .. n_frames - 1, in frames; Δ = 0 is in the middle.

    Examples
    --------
    >>> time_difference_shares([[1.0, 0.0], [0.5, 0.5]])
    array([0.25, 0.75, 0.  ])
    """
    attention = np.asarray(attention)
    n_frames = attention.shape[-1]
    maps = attention.reshape(-1, n_frames * n_frames)
    place = (_time_differences(n_frames) + n_frames - 1).ravel()
    shares = [np.bincount(place, weights=one, minlength=2 * n_frames - 1) / n_frames for one in maps]
    return np.array(shares).reshape(*attention.shape[:-2], 2 * n_frames - 1)


def _time_differences(n_frames):
    frames = np.arange(n_frames)
    return frames - frames[:, None]  # (query, key): key - query


def weight_by_time_difference(attention: np.ndarray, direction: str = "both") -> np.ndarray:
    """Attention times the time that it bridges, ``A[q, k] |k - q|`` in frames, to the past, to the future or both.

    The sum of a row is the mean distance that this query looks back or ahead.

    Parameters
    ----------
    attention : array of float, shape (..., n_frames, n_frames)
    direction : {"both", "past", "future"}

    Returns
    -------
    ndarray of float, shape (..., n_frames, n_frames)

    Examples
    --------
    >>> weight_by_time_difference([[0.5, 0.5], [0.5, 0.5]], direction="past")
    array([[0. , 0. ],
           [0.5, 0. ]])
    """
    attention = np.asarray(attention)
    return attention * np.abs(of_direction(_time_differences(attention.shape[-1]), direction))


def of_direction(differences, direction):
    """Time differences in one direction; 0 for those in the other."""
    if direction not in DIRECTIONS:
        raise SettingsError(f"direction is {direction!r}; one of {', '.join(map(repr, DIRECTIONS))} was expected.")
    if direction == "both":
        return differences
    return np.where(differences < 0 if direction == "past" else differences > 0, differences, 0)


def mean_attention_distance(shares: np.ndarray, direction: str = "both") -> np.ndarray:
    """Mean time that attention bridges, in frames: ``Σ |Δ| S(Δ) / Σ S(Δ)`` over one direction of time or both.

    The mean attention distance of vision transformers, with time in the place of pixels. The frame itself (Δ = 0)
    counts in "both" only.

    Parameters
    ----------
    shares : array of float, shape (..., 2 n_frames - 1)
        Of `time_difference_shares`.
    direction : {"both", "past", "future"}

    Returns
    -------
    ndarray of float, shape (...)
        NaN where no attention goes in that direction.

    References
    ----------
    A. Dosovitskiy et al., An image is worth 16x16 words, ICLR 2021, arXiv 2010.11929, figure 7 (right).

    Examples
    --------
    >>> shares = time_difference_shares(uniform_attention(np.tri(5, dtype=bool)))     # causal, uniform
    >>> float(mean_attention_distance(shares)), float(mean_attention_distance(shares, "future"))
    (1.0, nan)
    """
    shares = np.asarray(shares, dtype=float)
    n_frames = (shares.shape[-1] + 1) // 2
    differences = np.arange(-(n_frames - 1), n_frames)
    within = of_direction(differences, direction)
    counted = shares if direction == "both" else np.where(within != 0, shares, 0.0)
    total = counted.sum(axis=-1)
    return np.divide(counted @ np.abs(within), total, out=np.full(total.shape, np.nan), where=total > _NO_ATTENTION)
