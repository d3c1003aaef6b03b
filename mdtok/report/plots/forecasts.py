"""Figures of what models foretell: errors of forecasts, accuracy of classes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from mdtok.errors import SettingsError
from mdtok.kinetics.estimation.estimate import Estimate
from mdtok.kinetics.forecasting import ForecastError
from mdtok.report.plots.style import (
    label,
    label_log_axis,
    legend_above,
    looks_of,
    many_axes,
    numbers,
    one_axes,
    only_left,
    styled,
    time_unit,
)

_OPTIMAL_LOOK = {"color": "#1a1a1a", "linestyle": "--", "linewidth": 1.4}


@styled
def plot_forecast_error(
    errors: dict[str, ForecastError] | dict[str, dict],
    dt_ps: float,
    ax: Axes | None = None,
    *,
    optimal: str | None = None,
    relative: bool = False,
    looks: dict[str, dict] | None = None,
) -> Axes:
    """Mean squared error of forecasts against their horizon, with 95 % bands; the Bayes-optimal predictor dashed.

    Parameters
    ----------
    errors : dict of str -> ForecastError, or dict with ``by_horizon``
        One a model.
    dt_ps : float
        Time between frames.
    ax : matplotlib.axes.Axes, optional
    optimal : str, optional
        The name among `errors` of the predictor that cannot be beaten.
    relative : bool
        Draw errors over those of `optimal` (without bands: those of a ratio are narrower than of its parts).
    looks : dict of str -> dict, optional
        Colour and marker of each name (``style.looks_of`` of all of them), so that a model looks alike in several
        figures.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = one_axes(ax, 6.6, 3.8)
    models = [name for name in errors if name != optimal]
    looks = looks or looks_of(models)
    bands = {
        name: _band(error["by_horizon"] if isinstance(error, dict) else error.by_horizon)
        for name, error in errors.items()
    }
    if relative and (optimal is None or optimal not in errors):
        raise SettingsError(
            f"optimal is {optimal!r}, which is none of {', '.join(map(repr, errors))}; relative errors need one "
            "of them."
        )
    yardstick = bands[optimal][0] if optimal is not None and relative else 1.0
    unit, size = time_unit([len(value) * dt_ps for value, _, _ in bands.values()])
    smallest = min(np.nanmin(np.where(value > 0, value, np.nan)) for value, _, _ in bands.values())
    for name, (value, low, high) in bands.items():
        horizon = np.arange(1, len(value) + 1) * dt_ps / size
        look = (
            _OPTIMAL_LOOK if name == optimal else {**looks[name], "markevery": _marks(len(value), models.index(name))}
        )
        value = np.where(value > 0, value / yardstick, np.nan)
        ax.plot(horizon, value, **look, label=label(name), zorder=4 if name == optimal else 3)
        if relative:
            continue
        ax.fill_between(horizon, np.maximum(low, smallest / 10), high, color=look["color"], alpha=0.12, linewidth=0)
    ax.set_xscale("log")
    label_log_axis(ax.xaxis)
    if not relative:
        ax.set_yscale("log")
        ax.set_ylim(bottom=smallest / 1.5)
        label_log_axis(ax.yaxis)
    ax.set_xlabel(f"time after the prompt ({unit})")
    ax.set_ylabel("MSE over the Bayes-optimal" if relative else "mean squared error (nm²)")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def _marks(n_points, index):
    """Points that carry a marker: a few, evenly spaced on a logarithmic axis, shifted from model to model."""
    places = np.geomspace(1, n_points, 7)[:-1] * (n_points ** (1 / 6)) ** ((index % 5) / 5)
    return sorted(set(np.clip(np.rint(places).astype(int) - 1, 0, n_points - 1).tolist()))


@styled
def plot_accuracy_by_slice(
    slices: dict[int, dict],
    axes: Sequence[Axes] | None = None,
    *,
    dt_ps: float | None = None,
    looks: dict[str, dict] | None = None,
) -> np.ndarray:
    """Accuracy of classification from one slice of the trajectory, slice after slice, a panel a length of slices.

    Parameters
    ----------
    slices : dict of int -> dict
        For each length in frames ``{"models": {name: {"value": [...], "low": [...], "high": [...]}}, "exact": [...]}``,
        a number a slice; estimates may be `Estimate`. "exact" is the Bayes limit, and may be missing.
    axes : sequence of matplotlib.axes.Axes, optional
        One a length.
    dt_ps : float, optional
        Time between frames; without it the axis is in frames.
    looks : dict of str -> dict, optional
        Colour and marker of each name, as in `plot_forecast_error`.

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (n_lengths,)

    Examples
    --------
    >>> small = {"value": [0.98, 0.91], "low": [0.97, 0.9], "high": [0.99, 0.92]}
    >>> plot_accuracy_by_slice({"500": {"models": {"small": small}, "exact": [0.99, 0.93]}})[0].get_title()
    '2 × 500 frames'
    """
    given = axes is not None
    lengths = sorted(slices, key=int, reverse=True)
    axes = many_axes(axes, len(lengths), len(lengths), width=2.8, height=2.9, sharey=True)
    looks = looks or looks_of(list(dict.fromkeys(name for one in slices.values() for name in one["models"])))
    longest = max(int(length) * len(_band(next(iter(slices[length]["models"].values())))[0]) for length in lengths)
    unit, size = ("frames", 1.0) if dt_ps is None else time_unit([longest * dt_ps])
    frame = 1.0 if dt_ps is None else dt_ps / size
    for ax, length in zip(axes, lengths):
        models, exact = slices[length]["models"], slices[length].get("exact")
        width = int(length) * frame
        for index, (name, estimate) in enumerate(models.items()):
            value, low, high = _band(estimate)
            middles = (np.arange(len(value)) + 0.5 + 0.5 * (index - (len(models) - 1) / 2) / len(models)) * width
            bars = [np.maximum(value - low, 0), np.maximum(high - value, 0)]
            ax.errorbar(middles, value, bars, **looks[name], linewidth=0.9, elinewidth=0.8, label=label(name))
        if exact is not None:
            edges = np.arange(len(exact) + 1) * width
            ax.stairs(numbers(exact), edges, baseline=None, **_OPTIMAL_LOOK, label="Bayes limit", zorder=4)
        ax.set(
            title=f"{len(value)} × {length} frames",
            xlabel=f"time ({unit})",
            ylabel="accuracy",
            xlim=(0, len(value) * width),
        )
    if not given:
        only_left(axes)
    legend_above(axes, given)
    return axes


def _band(estimate):
    return list(vars(Estimate.of(estimate)).values())
