"""Where a transformer looks: maps, segments, time differences and distances of its attention.

An attention map ``A[..., q, k]`` says how much of its attention the query frame q gives to the key frame k; its rows
sum to one. The time difference of a pair is ``k - q`` in frames: negative to the past, positive to the future.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from tqdm.auto import tqdm

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
    return _between_first_and_last(seen)


def _between_first_and_last(seen):
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
    edges = _edges(attention.shape[-1], n_segments, "n_segments")
    return _block_sums(attention, edges) / np.diff(edges)[:, None]


def _edges(n_frames, n_parts, name):
    if int(n_parts) != n_parts or not 1 <= n_parts <= n_frames:
        raise SettingsError(f"{name} is {n_parts}; a whole number from 1 to the {n_frames} frames was expected.")
    return np.arange(int(n_parts) + 1) * n_frames // int(n_parts)


def _block_sums(attention, edges):
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
    return attention * np.abs(_of_direction(_time_differences(attention.shape[-1]), direction))


def _of_direction(differences, direction):
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
    within = _of_direction(differences, direction)
    counted = shares if direction == "both" else np.where(within != 0, shares, 0.0)
    total = counted.sum(axis=-1)
    return np.divide(counted @ np.abs(within), total, out=np.full(total.shape, np.nan), where=total > _NO_ATTENTION)


@dataclass
class AttentionSummary:
    """Attention averaged over trajectories (see `summarise_attention`).

    Attributes
    ----------
    n_trajectories : int
    visible : ndarray of bool, shape (n_frames, n_frames)
        Which frames a query may see.
    head_maps : ndarray of float, shape (n_layers, n_heads, n_bins, n_bins)
        Mean weights, of each head, over bins of neighbouring frames.
    layer_maps : ndarray of float, shape (n_layers, n_frames, n_frames)
        Mean over the heads of a layer.
    segment_maps : ndarray of float, shape (n_layers, n_heads, n_segments, n_segments)
        See `segment_attention`.
    shares : ndarray of float, shape (n_layers, n_heads, 2 n_frames - 1)
        See `time_difference_shares`.
    """

    n_trajectories: int
    visible: np.ndarray
    head_maps: np.ndarray
    layer_maps: np.ndarray
    segment_maps: np.ndarray
    shares: np.ndarray

    @property
    def n_frames(self) -> int:
        """Frames of a trajectory."""
        return len(self.visible)

    @property
    def mean_map(self) -> np.ndarray:
        """Mean over all layers and heads, shape (n_frames, n_frames)."""
        return self.layer_maps.mean(axis=0)

    @property
    def time_differences(self) -> np.ndarray:
        """Key minus query, in frames, shape (2 n_frames - 1,)."""
        return np.arange(-(self.n_frames - 1), self.n_frames)

    @property
    def profile(self) -> np.ndarray:
        """Mean weight ``w(Δ)`` of the pairs Δ apart that may be seen, shape (n_layers, n_heads, 2 n_frames - 1); else
        NaN."""
        pairs = np.rint(time_difference_shares(self.visible) * self.n_frames)
        return np.divide(self.shares * self.n_frames, pairs, out=np.full(self.shares.shape, np.nan), where=pairs > 0)

    @property
    def uniform_shares(self) -> np.ndarray:
        """Shares of uniform attention over what may be seen, shape (2 n_frames - 1,)."""
        return time_difference_shares(uniform_attention(self.visible))

    def over_uniform(self, part: str) -> np.ndarray:
        """A part of the summary over that of uniform attention: 1 is what a head that looks evenly has; NaN if unseen.

        Parameters
        ----------
        part : {"head_maps", "layer_maps", "segment_maps", "shares"}

        Returns
        -------
        ndarray of float, of the shape of that part
        """
        uniform, values = uniform_attention(self.visible), getattr(self, part)
        if part == "shares":
            uniform = self.uniform_shares
        elif part != "layer_maps":
            edges = _edges(self.n_frames, values.shape[-1], part)
            uniform = _block_sums(uniform, edges) / np.diff(edges)[:, None]
            if part == "head_maps":
                uniform = uniform / np.diff(edges)
        seen = np.broadcast_to(uniform, values.shape) > 0
        return np.divide(values, uniform, out=np.full(values.shape, np.nan), where=seen)

    def share(self, direction: str) -> np.ndarray:
        """Share of the attention to the "past" or the "future", shape (n_layers, n_heads); 0 for a causal model's
        future."""
        return self.shares[..., _of_direction(self.time_differences, direction) != 0].sum(axis=-1)

    def distance(self, direction: str = "both") -> np.ndarray:
        """Mean attention distance of every head in frames, shape (n_layers, n_heads)."""
        return mean_attention_distance(self.shares, direction)

    def uniform_distance(self, direction: str = "both") -> float:
        """Mean distance of uniform attention over what may be seen, in frames; NaN where nothing may be."""
        return float(mean_attention_distance(self.uniform_shares, direction))

    def to_dict(self) -> dict:
        """Figures for a table: of all heads together, and of every head."""
        together = self.shares.mean(axis=(0, 1))
        figures: dict = {"n_trajectories": self.n_trajectories, "n_frames": self.n_frames}
        for direction in ("past", "future"):
            figures[f"{direction}_share"] = float(self.share(direction).mean())
            figures[f"{direction}_share_by_head"] = self.share(direction)
        for direction in DIRECTIONS:
            ending = "" if direction == "both" else f"_{direction}"
            figures[f"distance{ending}"] = float(mean_attention_distance(together, direction))
            figures[f"distance{ending}_by_head"] = self.distance(direction)
            figures[f"distance_uniform{ending}"] = self.uniform_distance(direction)
        return figures


def summarise_attention(
    attentions: Iterable[np.ndarray], n_segments: int = 10, n_bins: int = 200, progress: bool = True
) -> AttentionSummary:
    """Average attention over trajectories, one after another; only one trajectory's maps are held.

    Parameters
    ----------
    attentions : iterable of array of float, shape (n_layers, n_heads, n_frames, n_frames) each
        A generator, say ``(model.attentions(trajectory) for trajectory in trajectories)``.
    n_segments : int
        Segments of the trajectory to average over.
    n_bins : int
        Bins of frames in the maps of single heads; as many as frames where there are fewer.
    progress : bool

    Returns
    -------
    AttentionSummary

    Raises
    ------
    DataError
        No map at all, maps of different shapes, or such that are no attention weights.
    SettingsError
        More segments than frames.

    Examples
    --------
    >>> causal = uniform_attention(np.tri(50, dtype=bool))
    >>> summary = summarise_attention((np.tile(causal, (2, 3, 1, 1)) for _ in range(4)), n_segments=5, progress=False)
    >>> summary.n_trajectories, summary.head_maps.shape, float(summary.share("future").max())
    (4, (2, 3, 50, 50), 0.0)
    """
    n_maps, sums = 0, None
    for attention in tqdm(attentions, desc="attention", unit=" maps", disable=not progress):
        attention = check_attention(attention)
        if attention.ndim != 4:
            raise DataError(
                f"The attention has the shape {attention.shape}; (n_layers, n_heads, n_frames, n_frames) was expected."
            )
        if sums is None:
            shape, edges = attention.shape, _edges(attention.shape[-1], min(n_bins, attention.shape[-1]), "n_bins")
            _edges(shape[-1], n_segments, "n_segments")
            seen = np.zeros(shape[-2:], dtype=bool)
        if attention.shape != shape:
            raise DataError(
                f"Attention {n_maps} has the shape {attention.shape}, those before {shape}; cut trajectories to "
                "one length."
            )
        widths = np.diff(edges)
        parts = [
            _block_sums(attention, edges) / np.outer(widths, widths),
            attention.mean(axis=1, dtype=np.float64),
            segment_attention(attention, n_segments),
            time_difference_shares(attention),
        ]
        sums = parts if sums is None else [total + part for total, part in zip(sums, parts)]
        seen |= visible_frames(attention)
        n_maps += 1
    if not n_maps:
        raise DataError(
            "No attention was given; an iterable of arrays (n_layers, n_heads, n_frames, n_frames) was expected."
        )
    return AttentionSummary(n_maps, _between_first_and_last(seen), *(total / n_maps for total in sums or ()))
