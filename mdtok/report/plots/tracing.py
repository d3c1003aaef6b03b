"""Figures of what a transformer rests on and knows: causal traces, and embeddings against kinetic distances."""

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from mdtok.insight.kinetic_distance import KineticDistanceComparison
from mdtok.insight.tracing import CausalTraces, layer_names
from mdtok.report.plots.style import MODEL_COLOURS, label_log_axis, one_axes, styled, time_unit

_N_BINS = 12
_LEAST_NATS = 0.01  # of the colour scale: less is no finding, and shall not look like one


@styled
def plot_causal_traces(traces: CausalTraces, ax: Axes | None = None, *, dt_ps: float | None = None) -> Axes:
    """Heat map of indirect effects: a row for each layer of each kind, a column for each token, dots on the sites that
    matter.

    Red: restoring this activation makes the true next token more likely; blue: less.

    Parameters
    ----------
    traces : CausalTraces
    ax : matplotlib.axes.Axes, optional
    dt_ps : float, optional
        Time between tokens; without it the axis is in tokens.

    Returns
    -------
    matplotlib.axes.Axes

    References
    ----------
    K. Meng et al., NeurIPS 2022, arXiv 2202.05262, figure 1.
    """
    rows, names, marks = [], [], []
    for kind, effect in traces.effects.items():
        if rows:  # an empty row between kinds
            rows.append(np.full(traces.n_frames, np.nan))
            names.append("")
            marks.append(np.zeros(traces.n_frames, dtype=bool))
        rows += list(effect.value)
        names += [f"{kind}, {layer}" for layer in layer_names(kind, len(effect.value))]
        marks += list(traces.significant[kind])
    ax = one_axes(ax, 7.2, 0.24 * len(rows) + 1.2)
    unit, size = ("tokens", 1.0) if dt_ps is None else time_unit([traces.n_frames * dt_ps])
    step = 1.0 if dt_ps is None else dt_ps / size
    times = (np.arange(traces.n_frames) - traces.n_frames + 1) * step
    widest = max(float(np.nanmax(np.abs(rows))), _LEAST_NATS)
    extent = [times[0] - step / 2, step / 2, len(rows) - 0.5, -0.5]
    image = ax.imshow(
        rows,
        cmap=matplotlib.colormaps["RdBu_r"],
        norm=Normalize(-widest, widest),
        extent=extent,
        aspect="auto",
        interpolation="nearest",
    )
    row, token = np.nonzero(marks)
    ax.plot(times[token], row, ".", color="#1a1a1a", markeredgecolor="white", markeredgewidth=0.5, markersize=7)
    named = [place for place, name in enumerate(names) if name]
    ax.set_yticks(named, [names[place] for place in named])
    ax.tick_params(axis="y", length=0)
    ax.spines[:].set_visible(False)
    part = {"all": "all tokens", "early": "the early half", "late": "the late half"}[traces.corrupt]
    ax.set(
        xlabel=f"before the last token ({unit})",
        title=f"noise on {part}: {float(traces.clean.value):.2f} to {float(traces.corrupted.value):.2f} nats per token",
    )
    ax.figure.colorbar(image, ax=ax, label="nats given back", aspect=12)
    return ax


@styled
def plot_kinetic_distances(comparison: KineticDistanceComparison, ax: Axes | None = None) -> Axes:
    """Distance between embeddings against kinetic distance, a point for each pair of states; with median and quartiles.

    Parameters
    ----------
    comparison : KineticDistanceComparison
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = one_axes(ax, 5.0, 3.8)
    upper = np.triu_indices(len(comparison.states), 1)
    kinetic, placed = comparison.kinetic_distances[upper], comparison.embedding_distances[upper]
    few = len(kinetic) < 200
    ax.plot(
        kinetic,
        placed,
        ".",
        color="#8a8a8a",
        alpha=0.9 if few else 0.35,
        markersize=5 if few else 2.5,
        markeredgewidth=0,
        rasterized=True,
    )
    if len(kinetic) >= 5 * _N_BINS:
        bins = np.array_split(np.argsort(kinetic), _N_BINS)
        middles = [np.median(kinetic[part]) for part in bins]
        low, median, high = np.transpose([np.percentile(placed[part], [25, 50, 75]) for part in bins])
        ax.fill_between(middles, low, high, color=MODEL_COLOURS[0], alpha=0.2, linewidth=0)
        ax.plot(middles, median, color=MODEL_COLOURS[0], marker="o", markersize=3.5)
    ax.set(
        xlabel=f"kinetic distance at a lag of {comparison.lagtime} {'frame' if comparison.lagtime == 1 else 'frames'}",
        ylabel=f"{comparison.metric} distance of embeddings",
        title=f"Spearman {comparison.correlation:.2f}, p = {comparison.p_value:.2g}",
    )
    if kinetic.min() > 0:
        ax.set_xscale("log")
        label_log_axis(ax.xaxis)
    return ax
