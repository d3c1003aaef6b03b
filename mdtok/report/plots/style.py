"""One look for all figures: colours, sizes, units and axes, without touching matplotlib's global settings."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from mdtok.errors import SettingsError

HELD_OUT_MD, ALL_MD, REFERENCE_MD = "held-out MD", "all MD", "reference MD"
MD_COLOURS = {"MD": "#1a1a1a", HELD_OUT_MD: "#1a1a1a", REFERENCE_MD: "#1a1a1a", ALL_MD: "#9a9a9a"}
# Okabe and Ito (2008): told apart with every common colour blindness; markers tell models apart without colour
MODEL_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6A3D9A", "#8C510A")
MODEL_MARKERS = ("s", "D", "v", "P", "X", "h", "p")
# Tol's light scheme: state maps, never models
STATE_COLOURS = ("#77AADD", "#EE8866", "#BBCC33", "#FFAABB", "#44BB99", "#EEDD88", "#99DDFF", "#AAAA00", "#DDDDDD")
MAX_PANELS = 9

P = ParamSpec("P")
T = TypeVar("T")

_RC = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.edgecolor": "#444444",
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
    "axes.grid": False,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.dpi": 160,
    "axes.unicode_minus": True,
    "text.usetex": False,
}


def style():
    """Context in which figures have mdtok's look; rcParams are as before when it ends."""
    return matplotlib.rc_context(_RC)


def styled(draw: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function that draws so that it draws in `style`."""

    @functools.wraps(draw)
    def drawn(*arguments: P.args, **settings: P.kwargs) -> T:
        with style():
            return draw(*arguments, **settings)

    return drawn


def one_axes(ax, width=5.6, height=3.8):
    """The axes given, or new ones in a Figure of their own that pyplot does not keep."""
    return ax if ax is not None else Figure((width, height), layout="constrained").subplots()


def many_axes(axes, n_panels, columns, width=2.4, height=2.1, **settings):
    """The first `n_panels` of the axes given, or new ones in a Figure of their own; a flat array."""
    if axes is not None:
        axes = np.atleast_1d(np.asarray(axes, dtype=object)).ravel()
        if len(axes) < n_panels:
            raise SettingsError(f"{len(axes)} axes were given; {n_panels} panels are to be drawn.")
        return axes[:n_panels]
    rows = -(-n_panels // columns)
    figure = Figure((max(width * columns, 4.5), height * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **settings).ravel()
    for unused in axes[n_panels:]:
        unused.remove()
    return axes[:n_panels]


def legend_above(axes, given):
    """One legend for several panels: above them, or in the first one where the axes are the caller's."""
    handles, labels = axes[0].get_legend_handles_labels()
    if given:
        axes[0].legend(handles, labels)
    else:
        figure_legend(axes[0].figure, handles, labels)


def figure_legend(figure, handles, labels):
    """A legend above all panels of a figure, in as many columns as there is room for."""
    inches = 0.75 + 0.085 * max(map(len, labels))  # a handle and the longest label
    columns = min(len(labels), max(1, int(figure.get_figwidth() / inches)))
    figure.legend(handles, labels, loc="outside upper center", ncols=columns)


def numbers(values):
    """Numbers of a scorecard, in memory or read from JSON, as a float array; what is missing (null) is NaN."""
    return np.asarray(values, dtype=float)


def label(name):
    """A name as matplotlib text: no formula from a dollar sign, not hidden from a legend by an underscore."""
    text = str(name).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def looks_of(names):
    """Colour and marker of each series: MD black or grey, models in their order in the scorecard."""
    looks, n_models = {}, 0
    for name in names:
        if name in MD_COLOURS:
            looks[name] = {"color": MD_COLOURS[name], "marker": "o"}
        else:
            colour = MODEL_COLOURS[n_models % len(MODEL_COLOURS)]
            looks[name] = {"color": colour, "marker": MODEL_MARKERS[n_models % len(MODEL_MARKERS)]}
            n_models += 1
    return looks


def time_unit(times_ps):
    """Unit in which the largest of some times has at least two digits before the point: its name and its size in ps."""
    times_ps = np.ravel(times_ps)
    largest = times_ps[np.isfinite(times_ps)].max(initial=0.0)
    return next(((unit, size) for unit, size in (("µs", 1e6), ("ns", 1e3)) if largest >= 10 * size), ("ps", 1.0))


def unit_of_frames(n_frames, dt_ps):
    """Unit of a time axis and how many frames it has; frames where the time between them is not known."""
    if dt_ps is None:
        return "frames", 1.0
    unit, size = time_unit([n_frames * dt_ps])
    return unit, size / dt_ps


def label_log_axis(axis):
    """Plain numbers on a logarithmic axis, 1-2-5 where it spans little."""
    low, high = axis.get_view_interval()
    within_decade = (1.0, 2.0, 5.0) if high / low < 200 else (1.0,)
    axis.set_major_locator(LogLocator(subs=within_decade, numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def titled(content, name):
    """A series' name; with the time between its frames where that is not the time between those of MD."""
    lagtime = content["models"].get(name, {}).get("lagtime_frames", 1)
    return name if lagtime == 1 else f"{name} (sees every {lagtime * content['dt_ps']:g} ps)"


def shown_macrostates(content):
    """The macrostates that get a panel: all, or the most populated ones where there are many."""
    populations = np.nan_to_num(numbers(content["reference"]["populations"]))
    return sorted(np.argsort(-populations, kind="stable")[:MAX_PANELS].tolist())


def columns_for(n_panels, most):
    """Columns of a grid of panels, so that its rows are nearly equally full."""
    return -(-n_panels // -(-n_panels // most))


def only_left(axes):
    """Keep the y label of the panels that begin a row."""
    for ax in axes:
        if not ax.get_subplotspec().is_first_col():
            ax.set_ylabel("")


def md_rows(content):
    """What the scorecard says of MD, by its name: held-out MD and all MD, or a reference that is all there is."""
    if content["reference"].get("n_train_tokens") == 0:
        return {REFERENCE_MD: content["reference"]}
    return {HELD_OUT_MD: content["reference"], ALL_MD: content["md"]}


def rows_with_md(content, key):
    """``{name: figures}`` of MD and of every model, for one key of the scorecard."""
    return {name: row[key] for name, row in {**md_rows(content), **content["models"]}.items()}
