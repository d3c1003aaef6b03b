"""Figures of continuous trajectories: potential, examples, generated against true."""

import itertools
from collections.abc import Callable, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from scipy.constants import R

from mdtok.errors import DataError
from mdtok.report.plots.style import (
    figure_legend,
    label,
    legend_above,
    looks_of,
    many_axes,
    one_axes,
    only_left,
    styled,
    time_unit,
)

_KT_COLOURS = ListedColormap(
    matplotlib.colormaps["YlGnBu"](np.linspace(0.0, 0.85, 256))
)  # light where trajectories are
_PATH_COLOURS = ("#1a1a1a", "#D55E00", "#7B2D8E", "#0072B2")
_PROMPT, _TRUTH = "#9a9a9a", "#1a1a1a"
_NAME_BOX = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}


@styled
def plot_potential(
    energy: Callable | np.ndarray,
    bounds: Sequence[Sequence[float]],
    temperature_kelvin: float | None = None,
    ax: Axes | None = None,
    *,
    states: dict[str, Sequence[float]] | None = None,
    starts: dict[str, np.ndarray] | np.ndarray | None = None,
    trajectories: list[np.ndarray] | None = None,
    highest_kt: float = 12,
    n_grid: int = 201,
) -> Axes:
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
def plot_example_trajectories(
    trajectories: dict[str, np.ndarray] | list[np.ndarray],
    dt_ps: float,
    axes: Sequence[Axes] | None = None,
    *,
    names: Sequence[str] = ("x (nm)", "y (nm)"),
    states: dict[str, Sequence[float]] | None = None,
) -> np.ndarray:
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
def plot_generated_against_true(
    prompt: np.ndarray,
    truth: np.ndarray,
    generated: dict[str, np.ndarray],
    dt_ps: float,
    axes: Sequence[Axes] | None = None,
    *,
    names: Sequence[str] = ("x (nm)", "y (nm)"),
    n_shown: int = 3,
) -> np.ndarray:
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
    figure_legend(axes[0].figure, handles, labels)


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
