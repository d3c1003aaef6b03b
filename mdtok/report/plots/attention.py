"""Figures of attention: maps of heads and layers, attention against time difference, distances.

Maps show attention over that of a head that looks evenly at all it may see: 1 (white) is neither much nor little, under
every mask. A model with a window shows more on the mean of its blocks: ``summarise_attention(attention_blocks(…))``.
Layers and heads are counted from 0, as in the arrays. On maps the query frame runs down, the key frame to the right.
"""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, to_rgba
from matplotlib.ticker import MaxNLocator, NullLocator

from mdtok.insight.attention_summary import AttentionSummary
from mdtok.report.plots.style import MODEL_COLOURS, columns_for, many_axes, one_axes, only_left, styled, unit_of_frames

_WIDTHS = (1.1, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0)  # of the colour scale, to either side of 1
_OVER_UNIFORM = "attention over uniform"
_UNSEEN, _GAP = "#e4e4e4", -1.0
_PAST, _FUTURE = MODEL_COLOURS[0], MODEL_COLOURS[1]


@styled
def plot_head_maps(summary: AttentionSummary, ax: Axes | None = None) -> Axes:
    """Attention maps of all heads, a row a layer, over uniform attention, on one scale; grey where nothing may be seen.

    Parameters
    ----------
    summary : AttentionSummary
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from mdtok.insight import summarise_attention
    >>> ax = plot_head_maps(summarise_attention([np.full((2, 4, 10, 10), 0.1)], progress=False))
    >>> ax.get_xlabel(), len(ax.get_xticks()), len(ax.get_yticks())
    ('head', 4, 2)
    """
    maps = summary.over_uniform("head_maps")
    n_layers, n_heads, n_bins, _ = maps.shape
    a_map = float(np.clip(12.0 / n_heads, 0.5, 0.9))
    ax = one_axes(ax, max(a_map * n_heads + 1.4, 4.5), a_map * n_layers + 0.8)
    gap = max(1, n_bins // 16)
    tiled = np.full((n_layers, n_bins + gap, n_heads, n_bins + gap), _GAP)
    tiled[:, :n_bins, :, :n_bins] = maps.transpose(0, 2, 1, 3)
    tiled = tiled.reshape(n_layers * (n_bins + gap), -1)[:-gap, :-gap]
    image = _draw_map(ax, tiled, _scale(maps))
    middles = (n_bins - 1) / 2 + np.arange(max(n_layers, n_heads)) * (n_bins + gap)
    ax.set_xticks(middles[:n_heads], [str(head) for head in range(n_heads)])
    ax.set_yticks(middles[:n_layers], [str(layer) for layer in range(n_layers)])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set(xlabel="head", ylabel="layer")
    _colour_bar(image, [ax])
    return ax


@styled
def plot_layer_maps(
    summary: AttentionSummary, axes: Sequence[Axes] | None = None, *, dt_ps: float | None = None
) -> np.ndarray:
    """Attention maps of the layers (mean over heads) and of all together, over uniform attention, on one scale.

    Parameters
    ----------
    summary : AttentionSummary
    axes : sequence of matplotlib.axes.Axes, optional
        One a layer and one for the mean.
    dt_ps : float, optional
        Time between frames; without it axes are in frames.

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (n_layers + 1,)
    """
    maps = summary.over_uniform("layer_maps")
    given, n_panels = axes is not None, len(maps) + 1
    axes = many_axes(axes, n_panels, columns_for(n_panels, 5), width=2.1, height=2.2)
    unit, size = unit_of_frames(summary.n_frames, dt_ps)
    extent, scale = np.array([0, summary.n_frames, summary.n_frames, 0]) / size, _scale(maps)
    titles = [f"layer {index}" for index in range(len(maps))] + ["mean of all"]
    for ax, title, one in zip(axes, titles, [*maps, maps.mean(axis=0)]):
        image = _draw_map(ax, one, scale, extent)
        ax.set(title=title, xlabel=f"key ({unit})", ylabel=f"query ({unit})")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(3))
    if not given:
        only_left(axes)
    _colour_bar(image, list(axes))
    return axes


@styled
def plot_segment_attention(summary: AttentionSummary, axes: Sequence[Axes] | None = None) -> np.ndarray:
    """Attention from segment to segment of the trajectory (mean over heads), over uniform attention, layer by layer.

    Parameters
    ----------
    summary : AttentionSummary
    axes : sequence of matplotlib.axes.Axes, optional
        One a layer.

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (n_layers,)
    """
    maps = summary.over_uniform("segment_maps").mean(axis=1)
    given = axes is not None
    axes = many_axes(axes, len(maps), columns_for(len(maps), 4), width=2.1, height=2.2)
    scale = _scale(maps)
    for index, (ax, one) in enumerate(zip(axes, maps)):
        image = _draw_map(ax, one, scale)
        ax.set(title=f"layer {index}", xlabel="to segment", ylabel="from segment")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(5, integer=True))
    if not given:
        only_left(axes)
    _colour_bar(image, list(axes))
    return axes


@styled
def plot_time_difference_profile(
    summary: AttentionSummary, ax: Axes | None = None, *, layer: int | None = None, dt_ps: float | None = None
) -> Axes:
    """Attention over uniform attention against the time difference, past left and future right.

    Parameters
    ----------
    summary : AttentionSummary
    ax : matplotlib.axes.Axes, optional
    layer : int, optional
        Draw the heads of this layer; without it every layer's mean over heads.
    dt_ps : float, optional
        Time between frames; without it the axis is in frames.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = one_axes(ax, 6.6, 3.8)
    ratio = summary.over_uniform("shares")
    drawn, kind = (ratio.mean(axis=1), "layer") if layer is None else (ratio[layer], "head")
    unit, size = unit_of_frames(summary.n_frames, dt_ps)
    times, edge = summary.time_differences / size, (summary.n_frames - 1) / size
    colours = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.92, len(drawn)))
    for index, (one, colour) in enumerate(zip(drawn, colours)):
        ax.plot(times, np.where(one > 0, one, np.nan), color=colour, linewidth=1.2, label=f"{kind} {index}")
    ax.axhline(1.0, linestyle="--", color="#1a1a1a", linewidth=1.0, label="uniform")
    ax.set_xscale("symlog", linthresh=1 / size, linscale=0.5)
    ax.set_yscale("log")
    sees_future = summary.share("future").max() > 0
    ax.set_xlim(-edge, edge if sees_future else 0)
    decades = 10.0 ** np.arange(np.ceil(-np.log10(size) - 1e-9), np.log10(edge) + 1e-9)
    ticks = [*-decades[::-1], 0.0, *(decades if sees_future else [])]
    ax.set_xticks(ticks, [f"−{-tick:g}" if tick < 0 else f"+{tick:g}" if tick else "0" for tick in ticks])
    ax.xaxis.set_minor_locator(NullLocator())
    _ratio_ticks(ax.yaxis, _scale(drawn))
    if sees_future:
        ax.axvline(0, color="#bbbbbb", linewidth=0.8, zorder=0)
    ax.set(xlabel=f"time difference, key − query ({unit})", ylabel=_OVER_UNIFORM)
    title = None if layer is None else f"layer {layer}"
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), ncols=1 if len(drawn) <= 12 else 2, title=title)
    return ax


@styled
def plot_attention_distance(summary: AttentionSummary, ax: Axes | None = None, *, dt_ps: float | None = None) -> Axes:
    """Mean attention distance of every head against the layer, past and future apart; dashed: of uniform attention.

    Parameters
    ----------
    summary : AttentionSummary
    ax : matplotlib.axes.Axes, optional
    dt_ps : float, optional
        Time between frames; without it distances are in frames.

    Returns
    -------
    matplotlib.axes.Axes

    References
    ----------
    A. Dosovitskiy et al., ICLR 2021, arXiv 2010.11929, figure 7 (right).
    """
    ax = one_axes(ax, 5.8, 3.6)
    unit, size = unit_of_frames(summary.n_frames, dt_ps)
    layers, tops = np.arange(len(summary.shares)), []
    for direction, colour, marker, aside in (("past", _PAST, "o", -0.12), ("future", _FUTURE, "D", 0.12)):
        distance = summary.distance(direction) / size  # (n_layers, n_heads)
        if not np.isfinite(distance).any():
            continue
        seen, uniform = np.isfinite(distance), summary.uniform_distance(direction) / size
        place = np.broadcast_to(layers[:, None] + aside, distance.shape)
        means = [of_layer[known].mean() if known.any() else np.nan for of_layer, known in zip(distance, seen)]
        ax.plot(
            place[seen],
            distance[seen],
            marker,
            color=colour,
            alpha=0.5,
            markersize=4,
            markeredgewidth=0,
            label=f"to the {direction}, each head",
        )
        ax.plot(layers + aside, means, color=colour, linewidth=1.2, label="mean of the heads")
        ax.axhline(uniform, linestyle="--", color=colour, linewidth=1.0, label="if uniform")
        tops += [np.nanmax(distance), uniform]
    ax.set_ylim(0, 1.15 * np.nanmax(tops))
    ax.set_xticks(layers)
    ax.set(xlabel="layer", ylabel=f"mean attention distance ({unit})")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def _scale(ratios):
    """Logarithmic scale around 1, as wide as nearly all of the ratios."""
    ratios = ratios[np.isfinite(ratios) & (ratios > 0)]
    widest = np.exp(np.quantile(np.abs(np.log(ratios)), 0.995))
    width = next((width for width in _WIDTHS if width >= widest), _WIDTHS[-1])
    return LogNorm(1 / width, width)


def _draw_map(ax, ratios, scale, extent=None):
    """A map, queries down; `_GAP` is white, and what is not seen grey."""
    colours = matplotlib.colormaps["RdBu_r"]
    drawn = colours(scale(np.clip(np.nan_to_num(ratios), scale.vmin, scale.vmax)))
    drawn[~np.isfinite(ratios)] = to_rgba(_UNSEEN)
    drawn[ratios == _GAP] = to_rgba("white")
    ax.imshow(drawn, extent=extent, interpolation="nearest", aspect="equal")
    return ScalarMappable(scale, colours)


def _colour_bar(image, axes):
    bar = axes[0].figure.colorbar(image, ax=axes, label=_OVER_UNIFORM, extend="both", shrink=0.9, aspect=25)
    _ratio_ticks(bar.ax.yaxis, image.norm)


def _ratio_ticks(axis, scale):
    """A logarithmic axis around 1 from end to end of the scale, with five numbers."""
    ticks = scale.vmax ** np.linspace(-1, 1, 5)
    axis.axes.set_ylim(ticks[0], ticks[-1])
    axis.set_ticks(ticks, [f"× {tick:.3g}" for tick in ticks])
    axis.set_minor_locator(NullLocator())
