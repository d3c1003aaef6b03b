"""Figures of continuous trajectories: potential, examples, generated against true, forecast errors, accuracies."""

import itertools

import matplotlib
import numpy as np
from matplotlib.colors import ListedColormap
from scipy.constants import R

from mdtok.errors import DataError, SettingsError
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

_KT_COLOURS = ListedColormap(
    matplotlib.colormaps["YlGnBu"](np.linspace(0.0, 0.85, 256))
)  # light where trajectories are
_PATH_COLOURS = ("#1a1a1a", "#D55E00", "#7B2D8E", "#0072B2")
_OPTIMAL_LOOK = {"color": "#1a1a1a", "linestyle": "--", "linewidth": 1.4}
_PROMPT, _TRUTH = "#9a9a9a", "#1a1a1a"
_NAME_BOX = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}


@styled
def plot_potential(
    energy,
    bounds,
    temperature_kelvin=None,
    ax=None,
    *,
    states=None,
    starts=None,
    trajectories=None,
    highest_kt=12,
    n_grid=201,
):
    """Contour map of a potential in kT above its lowest point, with minima, starts and example trajectories.

    Parameters
    ----------
    energy : callable or array of float, shape (n_x, n_y)
        From points (n, 2) in nm to energies (n,) in kJ/mol (``Potential.energy``), or energies on an even grid over
        `bounds`.
    bounds : ((x0, x1), (y0, y1))
        In nm.
    temperature_kelvin : float, optional
        Without it the energies are in kT already.
    ax : matplotlib.axes.Axes, optional
    states : dict of str -> (x, y), optional
        Minima by name.
    starts : dict of str -> array (n, 2), or array (n, 2), optional
        First frames, by the state that they are labelled with.
    trajectories : list of arrays (n_frames, 2), optional
    highest_kt : float
        Top of the colour scale.
    n_grid : int
        Points an axis where `energy` is a function.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> ax = plot_potential(lambda points: 5 * (points**2).sum(axis=1), ((-1, 1), (-2, 2)), 300.0, states={"A": (0, 0)})
    >>> ax.get_xlabel(), ax.get_ylim()
    ('x (nm)', (np.float64(-2.0), np.float64(2.0)))
    """
    given = ax is not None
    ax = one_axes(ax, 5.2, 4.4)
    x, y, energies = _on_grid(energy, bounds, n_grid)
    above_kt = (energies - energies.min()) / (1.0 if temperature_kelvin is None else R / 1000 * temperature_kelvin)
    levels = np.linspace(0, highest_kt, 2 * int(highest_kt) + 1)
    filled = ax.contourf(x, y, above_kt.T, levels, cmap=_KT_COLOURS, extend="max")
    ax.contour(x, y, above_kt.T, levels[::2], colors="#3b5a78", linewidths=0.3, alpha=0.6)
    for path, colour in zip(trajectories or [], itertools.cycle(_PATH_COLOURS)):
        path = np.asarray(path)
        ax.plot(*path.T, color=colour, linewidth=0.6, alpha=0.8)
        ax.plot(*path[0], "o", color="white", markeredgecolor=colour, markersize=5, zorder=4)
    if starts is not None:
        starts = (
            {f"starts, {name}": of for name, of in starts.items()} if isinstance(starts, dict) else {"starts": starts}
        )
        for (name, points), colour in zip(starts.items(), itertools.cycle(_PATH_COLOURS[1:])):
            ax.plot(*np.asarray(points).T, ".", color=colour, markersize=3, markeredgewidth=0, alpha=0.7)
            ax.plot([], [], ".", color=colour, markersize=8, label=label(name))
        ax.legend(loc="upper right", frameon=True, framealpha=0.85, edgecolor="none")
    for name, (state_x, state_y) in (states or {}).items():
        ax.plot(state_x, state_y, "+", color="#1a1a1a", markersize=9, markeredgewidth=1.6, zorder=5)
        ax.annotate(
            label(name),
            (state_x, state_y),
            xytext=(7, 7),
            textcoords="offset points",
            fontsize=8.5,
            bbox=_NAME_BOX,
            zorder=5,
        )
    ax.set(xlabel="x (nm)", ylabel="y (nm)", xlim=(x[0], x[-1]), ylim=(y[0], y[-1]), aspect="equal")
    if not given:
        ax.figure.colorbar(filled, ax=ax, label="energy above the minimum (kT)", shrink=0.9, ticks=levels[::4])
    return ax


def _on_grid(energy, bounds, n_grid):
    if callable(energy):
        x, y = (np.linspace(*limits, n_grid) for limits in bounds)
        points = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
        return x, y, np.asarray(energy(points.reshape(-1, 2))).reshape(n_grid, n_grid)
    energy = np.asarray(energy, dtype=float)
    if energy.ndim != 2:
        raise DataError(f"The energies have the shape {energy.shape}; a grid (n_x, n_y) or a function was expected.")
    x, y = (np.linspace(*limits, n) for limits, n in zip(bounds, energy.shape))
    return x, y, energy


@styled
def plot_example_trajectories(trajectories, dt_ps, axes=None, *, names=("x (nm)", "y (nm)"), states=None):
    """Coordinates of a few trajectories against time, one panel a coordinate.

    Parameters
    ----------
    trajectories : dict of str -> array (n_frames, n_dim), or list of arrays
    dt_ps : float
        Time between frames.
    axes : sequence of matplotlib.axes.Axes, optional
        One a coordinate.
    names : sequence of str
        Of the coordinates, with their units.
    states : dict of str -> sequence of float (n_dim,), optional
        Minima, drawn as lines across and named at their end.

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (n_dim,)

    Examples
    --------
    >>> axes = plot_example_trajectories([np.zeros((50, 2)), np.ones((50, 2))], dt_ps=1.0)
    >>> axes[1].get_xlabel(), axes[1].get_ylabel()
    ('time (ps)', 'y (nm)')
    """
    is_named = isinstance(trajectories, dict)
    trajectories = trajectories if is_named else {f"trajectory {k}": one for k, one in enumerate(trajectories)}
    trajectories = {name: np.asarray(one, dtype=float) for name, one in trajectories.items()}
    given, n_dim = axes is not None, _n_dim(trajectories)
    axes = many_axes(axes, n_dim, columns=1, width=7.0, height=1.7, sharex=True)
    unit, size = time_unit([len(one) * dt_ps for one in trajectories.values()])
    for dimension, (ax, name) in enumerate(zip(axes, names)):
        for (title, one), look in zip(trajectories.items(), looks_of(trajectories).values()):
            time = np.arange(len(one)) * dt_ps / size
            ax.plot(time, one[:, dimension], color=look["color"], linewidth=0.7, label=label(title))
        for state, place in (states or {}).items():
            ax.axhline(place[dimension], linestyle=":", color="#444444", linewidth=0.9, zorder=3)
            ax.annotate(
                label(state),
                (1.0, place[dimension]),
                xycoords=("axes fraction", "data"),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8.5,
            )
        ax.set_ylabel(name)
        ax.margins(x=0)
    _time_below(axes, f"time ({unit})", given)
    if is_named:
        legend_above(axes, given)
    return axes


@styled
def plot_generated_against_true(prompt, truth, generated, dt_ps, axes=None, *, names=("x (nm)", "y (nm)"), n_shown=3):
    """A prompt, how it truly went on, and how models continue it: some samples, their mean and the band of 90 % of
    them.

    Parameters
    ----------
    prompt : array of float, shape (n_prompt, n_dim)
        As much of it as is to be drawn; time 0 is its last frame.
    truth : array of float, shape (n_steps, n_dim)
    generated : dict of str -> array of float, shape (n_samples, n_steps, n_dim) or (n_steps, n_dim)
        Continuations of each model; one of them where it can give one only.
    dt_ps : float
    axes : sequence of matplotlib.axes.Axes, optional
        A row a coordinate, a column a model.
    names : sequence of str
    n_shown : int
        Samples drawn as lines.

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (n_dim * n_models,)

    Raises
    ------
    DataError
        A continuation has other dimensions than the truth.
    """
    prompt, truth = np.asarray(prompt, dtype=float), np.asarray(truth, dtype=float)
    generated = {name: _samples(name, made, truth) for name, made in generated.items()}
    given, n_dim, n_models = axes is not None, truth.shape[1], len(generated)
    axes = many_axes(
        axes, n_dim * n_models, n_models, width=max(2.6, 6.5 / n_models), height=1.9, sharex=True, sharey="row"
    )
    unit, size = time_unit([max(len(prompt), len(truth)) * dt_ps])
    before, after = np.arange(1 - len(prompt), 1) * dt_ps / size, np.arange(len(truth) + 1) * dt_ps / size
    looks = looks_of(generated)
    for index, ax in enumerate(axes):
        dimension, (name, made) = index // n_models, list(generated.items())[index % n_models]
        colour = looks[name]["color"]

        def from_prompt(column, dimension=dimension):
            return np.concatenate([[prompt[-1, dimension]], column])

        ax.plot(before, prompt[:, dimension], color=_PROMPT, linewidth=1.0, label="prompt")
        ax.plot(after, from_prompt(truth[:, dimension]), color=_TRUTH, linewidth=1.1, label="true", zorder=3)
        if len(made) > 1:
            low, high = (from_prompt(side) for side in np.quantile(made[..., dimension], (0.05, 0.95), axis=0))
            ax.fill_between(after, low, high, color=colour, alpha=0.18, linewidth=0, label="90 % of the samples")
            for k, one in enumerate(made[:n_shown]):
                named = "samples" if k == 0 else None
                ax.plot(after, from_prompt(one[:, dimension]), color=colour, linewidth=0.6, alpha=0.8, label=named)
        mean = made[..., dimension].mean(axis=0)
        ax.plot(after, from_prompt(mean), color=colour, linewidth=1.8, zorder=4, label="mean, or the one forecast")
        ax.axvline(0, color="#bbbbbb", linewidth=0.8, zorder=0)
        ax.margins(x=0)
        if dimension == 0:
            ax.set_title(label(name))
        ax.set_ylabel(names[dimension])
        if given or dimension == n_dim - 1:
            ax.set_xlabel(f"time ({unit})")
    if not given:
        only_left(axes)
    _legend_of_lines(axes, generated, given)
    return axes


def _samples(name, made, truth):
    made = np.asarray(made, dtype=float)
    made = made[None] if made.ndim == 2 else made
    if made.shape[1:] != truth.shape or not len(made):
        raise DataError(
            f"The continuations of {name} have the shape {made.shape}; (n_samples, "
            f"{', '.join(map(str, truth.shape))}) was expected."
        )
    return made


def _legend_of_lines(axes, generated, given):
    """One legend for all models, from the panel with the most kinds of lines, in grey where models differ by colour."""
    richest = axes[int(np.argmax([len(made) > 1 for made in generated.values()]))]
    if given:
        richest.legend(fontsize=7.5)
        return
    handles, labels = richest.get_legend_handles_labels()
    axes[0].figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))


@styled
def plot_forecast_error(errors, dt_ps, ax=None, *, optimal=None, relative=False, looks=None):
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
    if relative and optimal not in errors:
        raise SettingsError(
            f"optimal is {optimal!r}, which is none of {', '.join(map(repr, errors))}; relative errors need one "
            "of them."
        )
    yardstick = bands[optimal][0] if relative else 1.0
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
def plot_accuracy_by_slice(slices, axes=None, *, dt_ps=None, looks=None):
    """Accuracy of classification from one slice of the trajectory, slice after slice, a panel a length of slices.

    Parameters
    ----------
    slices : dict of str -> dict
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
    parts = ("value", "low", "high")
    return [numbers(estimate[part] if isinstance(estimate, dict) else getattr(estimate, part)) for part in parts]


def _n_dim(trajectories):
    shapes = {one.shape[1:] for one in trajectories.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise DataError(
            f"The trajectories have frames of shape {sorted(shapes)}; arrays (n_frames, n_dim) of one n_dim were "
            "expected."
        )
    return next(iter(shapes))[0]


def _time_below(axes, text, given):
    axes[-1].set_xlabel(text)
    if not given:
        axes[0].figure.align_ylabels(list(axes))
        for ax in axes[:-1]:
            ax.tick_params(labelbottom=False)
