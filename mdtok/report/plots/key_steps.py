"""Figures of key steps: marked on a trajectory, and counted against their control."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from mdtok.errors import DataError
from mdtok.insight.key_step_counts import KeyStepCount
from mdtok.insight.key_steps import KeySteps
from mdtok.kinetics.estimation.estimate import Estimate
from mdtok.report.plots.style import MODEL_COLOURS, label, looks_of, many_axes, one_axes, styled, unit_of_frames

_ORIGIN_LOOKS = {
    "content": {"color": MODEL_COLOURS[1], "marker": "o"},
    "order": {"color": MODEL_COLOURS[0], "marker": "D"},
    "content and order": {"color": MODEL_COLOURS[3], "marker": "*"},
}


@styled
def plot_key_steps(
    key_steps: KeySteps,
    values: np.ndarray,
    axes: Sequence[Axes] | None = None,
    *,
    names: Sequence[str] | None = None,
    dt_ps: float | None = None,
) -> np.ndarray:
    """Key steps marked on the trajectory, and below what the two tests look at, with their thresholds.

    These are each frame's excess of attention in the true order, and its mean excess over the shuffled inputs, in the
    head where it is largest; a key step is beyond the control and beyond the least that counts.

    Parameters
    ----------
    key_steps : KeySteps
    values : array of float, shape (n_frames,) or (n_frames, n_dim)
        The trajectory, or any projection of it; a panel a column.
    axes : sequence of matplotlib.axes.Axes, optional
        One a column, and two for the tests.
    names : sequence of str, optional
        Of the columns, with their units; ``x (nm)``, ``y (nm)`` … if not given.
    dt_ps : float, optional
        Time between frames; without it the axis is in frames.

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (n_dim + 2,)

    Raises
    ------
    DataError
        The values have another number of frames than the key steps.
    """
    values = np.asarray(values, dtype=float)
    values = values[:, None] if values.ndim == 1 else values
    excess = key_steps.largest_excess
    if values.shape[:1] != excess.shape:
        raise DataError(
            f"The values have {len(values)} frames, the key steps are of {len(excess)}; give the same trajectory."
        )
    names = names or [f"{name} (nm)" for name in ("x", "y", "z", *(f"q{k}" for k in range(4, values.shape[1] + 1)))]
    given = axes is not None
    axes = many_axes(axes, values.shape[1] + 2, columns=1, width=7.4, height=1.2, sharex=True)
    unit, size = unit_of_frames(len(values), dt_ps)
    time = np.arange(len(values)) / size
    for ax, column, name in zip(axes, values.T, names):
        ax.plot(time, column, color="#9a9a9a", linewidth=0.7, zorder=1)
        ax.set_ylabel(label(name))
        _mark(ax, key_steps, time, column)
    tests = (
        ("order", "excess,\ntrue order", excess, key_steps.threshold),
        ("content", "excess,\nshuffled", key_steps.kept_excess.max(axis=(0, 1)), key_steps.content_threshold),
    )
    for ax, (origin, name, statistic, threshold) in zip(axes[-2:], tests):
        ax.vlines(time, 0, np.maximum(statistic, 0), color="#8a8a8a", linewidth=0.6)
        ax.axhline(key_steps.least_excess, linestyle=":", color="#1a1a1a", linewidth=1.0)
        ax.axhline(threshold, linestyle="--", color=_ORIGIN_LOOKS[origin]["color"], linewidth=1.0)
        _mark(ax, key_steps, time, statistic)
        highest = max(statistic.max(), threshold, key_steps.least_excess)
        ax.set_yscale("symlog", linthresh=1.0)
        ax.set_ylim(0, 2 * highest)
        ticks = [tick for tick in (0, 1, 10, 100, 1000) if tick < 2 * highest]
        ax.set_yticks(ticks, [str(tick) for tick in ticks])
        ax.minorticks_off()
        ax.set_ylabel(name)
    axes[-1].set(xlabel=f"time ({unit})" if dt_ps else "frame", xlim=(time[0], time[-1]))
    _key_step_legend(axes, key_steps, given)
    return axes


def _key_step_legend(axes, key_steps, given):
    handles = [
        Line2D([], [], **look, linestyle="none", label=f"key step by {origin}")
        for origin, look in _ORIGIN_LOOKS.items()
        if origin in key_steps.origins
    ]
    handles += [
        Line2D([], [], linestyle="--", color="#1a1a1a", linewidth=1.0, label="beyond the control"),
        Line2D([], [], linestyle=":", color="#1a1a1a", linewidth=1.0, label="least that counts"),
    ]
    found = f"{len(key_steps)} key steps" if len(key_steps) else "no key step"
    said = f"{found} at an error rate of {100 * key_steps.error_rate:g} %"
    if given:
        axes[0].legend(handles=handles, title=said)
        return
    axes[0].figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), title=said)
    axes[0].figure.align_ylabels(list(axes))
    for ax in axes[:-1]:
        ax.tick_params(labelbottom=False)


def _mark(ax, key_steps, time, column):
    for origin, look in _ORIGIN_LOOKS.items():
        frames = [frame for frame, of in zip(key_steps.frames, key_steps.origins) if of == origin]
        if frames:
            ax.plot(
                time[frames],
                column[frames],
                **look,
                linestyle="none",
                markeredgecolor="white",
                markeredgewidth=0.5,
                zorder=3,
            )


@styled
def plot_key_step_counts(counts: dict[str, KeyStepCount] | dict[str, dict], ax: Axes | None = None) -> Axes:
    """Key steps a trajectory of several models, with 95 % intervals, and how many of them chance gives.

    Parameters
    ----------
    counts : dict of str -> KeyStepCount, or its ``to_dict()``
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    counts = {name: count if isinstance(count, dict) else count.to_dict() for name, count in counts.items()}
    ax = one_axes(ax, max(4.2, 1.3 * len(counts) + 1.0), 3.4)
    top = 0.0
    for place, (name, look) in enumerate(looks_of(counts).items()):
        per_trajectory = Estimate.of(counts[name]["per_trajectory"])
        value, low, high = (float(part) for part in vars(per_trajectory).values())
        chance = counts[name]["expected_by_chance"]
        ax.errorbar(place, value, [[max(value - low, 0)], [max(high - value, 0)]], **look, linestyle="none", capsize=3)
        ax.plot([place - 0.3, place + 0.3], [chance, chance], "--", color="#1a1a1a", linewidth=1.0)
        ax.annotate(
            f"in {counts[name]['n_with_any']} of {counts[name]['n_trajectories']}",
            (place, high),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
        top = max(top, high, chance)
    ax.plot([], [], "--", color="#1a1a1a", linewidth=1.0, label="by chance, from the control")
    ax.set_xticks(range(len(counts)), [label(name) for name in counts])
    ax.set_xlim(-0.6, len(counts) - 0.4)
    ax.set_ylim(-0.04 * max(top, 1.0), 1.25 * max(top, 1.0))
    ax.tick_params(axis="x", length=0)
    ax.set_ylabel("key steps a trajectory")
    ax.legend(loc="upper left", bbox_to_anchor=(0.0, 1.12))
    return ax
