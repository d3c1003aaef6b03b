"""Figures of a scorecard's kinetics: every function draws on the axes it is given, or on new ones, and gives them back.

New axes live in a Figure that pyplot does not know: ``ax.figure.savefig(…)`` keeps it. For a window or a notebook pass
axes of ``plt.subplots()``. ``content`` is ``Scorecard.content``, in memory or read from ``scorecard.json``.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from mdtok.errors import DataError
from mdtok.report.plots.style import (
    MD_COLOURS,
    columns_for,
    label,
    label_log_axis,
    legend_above,
    looks_of,
    many_axes,
    md_rows,
    numbers,
    one_axes,
    only_left,
    rows_with_md,
    shown_macrostates,
    styled,
    time_unit,
    titled,
)

_MOST_PAIRS_OF = 3  # up to so many macrostates, Chapman-Kolmogorov shows every pair
_LEAST_SURVIVAL = 1e-3


@styled
def plot_timescales(timescales: dict[str, dict], dt_ps: float, ax: Axes | None = None) -> Axes:
    """Implied timescales against the lag time with their 95 % bands; grey where a process is faster than the lag.

    Parameters
    ----------
    timescales : dict of str -> dict
        For each series ``{"<lag in frames>": {"value": [...], "low": [...], "high": [...]}}`` in ps, slowest first. The
        names "MD", "held-out MD" and "all MD" are drawn in black and grey.
    dt_ps : float
        Time between frames.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> timescales = {"1": {"value": [50.0], "low": [40.0], "high": [60.0]}}
    >>> timescales["10"] = {"value": [65.0], "low": [50.0], "high": [80.0]}
    >>> ax = plot_timescales({"MD": timescales}, dt_ps=1.0)
    >>> ax.get_xlabel()
    'lag time (ps)'
    """
    ax = one_axes(ax, 6.0, 4.2)
    series = {name: _by_lag(of_series, dt_ps) for name, of_series in timescales.items()}
    lag_unit, lag_size = time_unit([lag for lags, _ in series.values() for lag in lags])
    resolved = np.concatenate([bands[0].ravel() for _, bands in series.values()])
    unit, size = time_unit(resolved)
    for name, look in looks_of(series).items():
        lags, (value, low, high) = series[name]
        is_md = name in MD_COLOURS
        for process in range(value.shape[1]):
            drawn = label(name) if process == 0 else None
            ax.fill_between(
                lags / lag_size,
                low[:, process] / size,
                high[:, process] / size,
                color=look["color"],
                linewidth=0,
                alpha=0.16 if is_md else 0.10,
            )
            ax.plot(lags / lag_size, value[:, process] / size, **look, label=drawn, zorder=4 if is_md else 3)
    ax.set_xscale("log")
    ax.set_yscale("log")
    resolved = resolved[resolved > 0] / size  # NaN compares false
    if len(resolved):
        ax.set_ylim(resolved.min() / 2, resolved.max() * 3)  # of the values: bands may have no end
    else:  # nothing is slower than its lag time, and a logarithmic axis needs a positive number
        lags = np.concatenate([lags for lags, _ in series.values()])
        ax.set_xlim(lags.min() / lag_size / 2, lags.max() / lag_size * 2)
        ax.set_ylim(lags.min() / size / 2, lags.max() / size * 2)
    _shade_unresolved(ax, lag_size / size)
    ax.set_xlabel(f"lag time ({lag_unit})")
    ax.set_ylabel(f"implied timescale ({unit})")
    label_log_axis(ax.xaxis)
    label_log_axis(ax.yaxis)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def _by_lag(timescales, dt_ps):
    """Lags in ps, and value, low and high, shape (3, n_lags, n_timescales); NaN where the value is below the lag."""
    lags = sorted(timescales, key=int)
    lags_ps = np.array([int(lag) * dt_ps for lag in lags])
    bands = np.array([[numbers(timescales[lag][part]) for lag in lags] for part in ("value", "low", "high")])
    bands = bands.reshape(3, len(lags), -1)
    return lags_ps, np.where(bands[0] >= lags_ps[:, None], bands, np.nan)


def _shade_unresolved(ax, lag_per_timescale):
    limits, (low, high) = ax.get_xlim(), ax.get_ylim()
    x = np.geomspace(*limits, 50)
    ax.fill_between(x, low, np.clip(x * lag_per_timescale, low, high), color="#dddddd", linewidth=0, zorder=0)
    ax.set_xlim(limits)
    ax.set_ylim(low, high)


@styled
def plot_chapman_kolmogorov(content: dict, axes: Sequence[Axes] | None = None) -> np.ndarray:
    """Probability of a macrostate k lag times after another, MD as markers, models as lines.

    Parameters
    ----------
    content : dict
        Of a `Scorecard`.
    axes : sequence of matplotlib.axes.Axes, optional
        One a panel: every pair where there are up to three macrostates, else the probability of being in the same
        macrostate again (of the nine most populated ones).

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (n_panels,)
    """
    names, shown = content["macrostate_names"], shown_macrostates(content)
    all_pairs = len(names) <= _MOST_PAIRS_OF
    pairs = [(i, j) for i in shown for j in shown] if all_pairs else [(i, i) for i in shown]
    given = axes is not None
    axes = many_axes(axes, len(pairs), columns=len(names) if all_pairs else columns_for(len(pairs), 4))
    steps_ps = content["lagtime_frames"] * content["dt_ps"] * np.arange(content["ck_steps"] + 1)
    unit, size = time_unit(steps_ps)
    series = {name: numbers(propagators) for name, propagators in rows_with_md(content, "propagators").items()}
    md_intervals = {name: row.get("propagators_interval") for name, row in md_rows(content).items()}
    for ax, (i, j) in zip(axes, pairs):
        for name, look in looks_of(series).items():
            probability = np.concatenate([[float(i == j)], series[name][:, i, j]])
            is_md = name in MD_COLOURS
            ax.plot(
                steps_ps[: len(probability)] / size,
                probability,
                label=label(name),
                color=look["color"],
                marker="o" if is_md else None,
                linestyle="none" if is_md else "-",
                zorder=2 if is_md else 3,
                markersize=5 if is_md else None,
            )
            if md_intervals.get(name):
                low, high = (numbers(md_intervals[name][part])[:, i, j] for part in ("low", "high"))
                ax.vlines(steps_ps[1:] / size, low, high, color=look["color"], linewidth=0.9, zorder=2)
        ax.set_title(f"{label(names[i])} → {label(names[j])}")
        ax.set_xlabel(f"time ({unit})")
        ax.set_ylabel("probability")
        ax.margins(y=0.12)
    if not given:
        only_left(axes)
    legend_above(axes, given)
    return axes


@styled
def plot_dwell_times(content: dict, axes: Sequence[Axes] | None = None) -> np.ndarray:
    """Survival functions of the dwell times in each macrostate: share of the complete dwells that last at least so
    long.

    Parameters
    ----------
    content : dict
        Of a `Scorecard`.
    axes : sequence of matplotlib.axes.Axes, optional
        One a macrostate (the nine most populated ones).

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (n_panels,)
    """
    names, shown = content["macrostate_names"], shown_macrostates(content)
    given = axes is not None
    axes = many_axes(axes, len(shown), columns=columns_for(len(shown), 4))
    series = rows_with_md(content, "dwell_survival")
    unit, size = time_unit([t for dwells in series.values() for state in shown for t in dwells[state]["time_ps"]])
    for ax, state in zip(axes, shown):
        for name, look in looks_of(series).items():
            dwells = series[name][state]
            is_md = name in MD_COLOURS
            ax.plot(
                numbers(dwells["time_ps"]) / size,
                numbers(dwells["survival"]),
                label=label(titled(content, name)),
                color=look["color"],
                linewidth=2.2 if is_md else 1.3,
                zorder=2 if is_md else 3,
            )
            if "low" in dwells:
                times, low, high = (numbers(dwells[key]) for key in ("time_ps", "low", "high"))
                ax.fill_between(times / size, low, high, color=look["color"], alpha=0.14, linewidth=0, zorder=1)
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_ylim(_LEAST_SURVIVAL, 1.4)
        n_dwells = next(iter(series.values()))[state]["n_dwells"]
        ax.set_title(f"{label(names[state])} ({n_dwells} dwells)")
        ax.set_xlabel(f"dwell time ({unit})")
        label_log_axis(ax.xaxis)
        label_log_axis(ax.yaxis)
        ax.set_ylabel("share lasting so long")
    if not given:
        only_left(axes)
    legend_above(axes, given)
    return axes


@styled
def plot_populations(content: dict, ax: Axes | None = None) -> Axes:
    """Populations of the macrostates in equilibrium, bars of MD and of every model; logarithmic where one is below 2 %.

    Parameters
    ----------
    content : dict
        Of a `Scorecard`.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> md = {"populations": [0.7, 0.3]}
    >>> ax = plot_populations({"macrostate_names": ["A", "B"], "reference": md, "md": md, "models": {"msm": md}})
    >>> len(ax.patches)
    6
    """
    shown = shown_macrostates(content)
    names = [label(content["macrostate_names"][state]) for state in shown]
    series = {name: numbers(values)[shown] for name, values in rows_with_md(content, "populations").items()}
    ax = one_axes(ax, max(5.6, 0.16 * len(series) * len(shown) + 1.5), 3.4)
    width, intervals = 0.8 / len(series), _population_intervals(content)
    for place, (name, look) in enumerate(looks_of(series).items()):
        positions = np.arange(len(shown)) - 0.4 + (place + 0.5) * width
        ax.bar(positions, series[name], 0.9 * width, color=look["color"], label=label(name))
        low, high = intervals.get(name, (None, None))
        if low is not None:
            reach = np.abs([series[name] - low[shown], high[shown] - series[name]])
            ax.errorbar(positions, series[name], reach, fmt="none", ecolor="#555555", elinewidth=0.7)
    seen = np.concatenate(list(series.values()))
    seen = seen[seen > 0]
    if len(seen) and seen.min() < 0.02:
        ax.set_yscale("log")
        ax.set_ylim(seen.min() / 3, 1.3)
        label_log_axis(ax.yaxis)
    ax.set_xticks(np.arange(len(shown)), names)
    ax.tick_params(axis="x", length=0)
    ax.set_xlabel("macrostate")
    ax.set_ylabel("population")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def _population_intervals(content):
    """Lower and upper ends by the name of the series, where they are known."""
    rows = {**md_rows(content), **content["models"]}
    known = {name: row["populations_interval"] for name, row in rows.items() if "populations_interval" in row}
    return {name: tuple(numbers(interval[part]) for part in ("low", "high")) for name, interval in known.items()}


def has_training_curves(content):
    """Whether some model of the scorecard kept its training history."""
    return any(row.get("history") for row in content["models"].values())


@styled
def plot_training_curves(content: dict, ax: Axes | None = None) -> Axes:
    """Nats per token against the training step: validation solid, training dashed, the best step marked.

    Parameters
    ----------
    content : dict
        Of a `Scorecard`; models whose row has a ``history`` are drawn.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        No model kept a history.
    """
    if not has_training_curves(content):
        raise DataError("No model of this scorecard kept a training history; fit a NanoGPT to have one.")
    ax = one_axes(ax, 5.6, 3.4)
    for name, look in looks_of(content["models"]).items():
        history = content["models"][name].get("history")
        if not history:
            continue
        loss = "nats" if "train_nats" in history[0] else "loss"  # of models of coordinates, nats and class together
        steps, train, validation = (
            numbers([point[key] for point in history]) for key in ("step", f"train_{loss}", f"validation_{loss}")
        )
        ax.plot(steps, train, "--", color=look["color"], linewidth=1.0, label=f"{label(name)}, training")
        ax.plot(steps, validation, color=look["color"], label=f"{label(name)}, validation")
        if np.isfinite(validation).any():
            best = np.nanargmin(validation)
            reached = f"best step {steps[best]:g}: {validation[best]:.4f}"
            ax.plot(steps[best], validation[best], **look, linestyle="none", label=reached)
    ax.set_xlabel("training step")
    in_nats = all("train_nats" in row["history"][0] for row in content["models"].values() if row.get("history"))
    ax.set_ylabel("nats per token" if in_nats else "loss")
    ax.legend()
    return ax
