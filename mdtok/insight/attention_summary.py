"""Attention of a model averaged over trajectories: maps, shares by time difference, distances."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mdtok.errors import DataError
from mdtok.insight.attention import (
    DIRECTIONS,
    between_first_and_last,
    bin_edges,
    block_sums,
    check_attention,
    mean_attention_distance,
    of_direction,
    segment_attention,
    time_difference_shares,
    uniform_attention,
    visible_frames,
)
from mdtok.progress import tracked


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
            edges = bin_edges(self.n_frames, values.shape[-1], part)
            uniform = block_sums(uniform, edges) / np.diff(edges)[:, None]
            if part == "head_maps":
                uniform = uniform / np.diff(edges)
        seen = np.broadcast_to(uniform, values.shape) > 0
        return np.divide(values, uniform, out=np.full(values.shape, np.nan), where=seen)

    def share(self, direction: str) -> np.ndarray:
        """Share of the attention to the "past" or the "future", shape (n_layers, n_heads); 0 for a causal model's
        future."""
        return self.shares[..., of_direction(self.time_differences, direction) != 0].sum(axis=-1)

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
    for attention in tracked(attentions, desc="attention", unit=" maps", disable=not progress):
        attention = check_attention(attention)
        if attention.ndim != 4:
            raise DataError(
                f"The attention has the shape {attention.shape}; (n_layers, n_heads, n_frames, n_frames) was expected."
            )
        if sums is None:
            shape, edges = attention.shape, bin_edges(attention.shape[-1], min(n_bins, attention.shape[-1]), "n_bins")
            bin_edges(shape[-1], n_segments, "n_segments")
            seen = np.zeros(shape[-2:], dtype=bool)
        if attention.shape != shape:
            raise DataError(
                f"Attention {n_maps} has the shape {attention.shape}, those before {shape}; cut trajectories to "
                "one length."
            )
        widths = np.diff(edges)
        parts = [
            block_sums(attention, edges) / np.outer(widths, widths),
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
    return AttentionSummary(n_maps, between_first_and_last(seen), *(total / n_maps for total in sums or ()))
