"""Figures of transition path theory: the network of reactive fluxes, and how long transition paths last."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from mdtok.errors import DataError
from mdtok.kinetics.flux_network import FluxNetwork
from mdtok.kinetics.transition_paths import TransitionPaths
from mdtok.report.plots.style import MD_COLOURS, STATE_COLOURS, label, looks_of, one_axes, styled, time_unit

_LEAST_SHARE = 0.01  # of the total flux; weaker arrows are left out
_LEAST_NUMBERED = 0.05  # arrows that have their share beside them
_LARGEST_DISC, _SMALLEST_DISC = 2600.0, 90.0  # points squared
_WIDEST_ARROW, _THINNEST_ARROW = 7.0, 0.6  # points
_LEVELS = (0.55, -0.55, 1.0, -1.0, 0.28, -0.28, 0.8, -0.8)  # 0 is left free for the straight way from source to target
_LABEL_AT = 0.42  # of an arrow's length
_ROOM = 0.9  # between two discs, in units of height, where it can be had
_ASPECT = 2.4  # how much longer the axes are along the committor than across it
_N_BINS = 30
_BOX = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}


@styled
def plot_flux_network(flux: FluxNetwork, ax: Axes | None = None) -> Axes:
    """Macrostates as discs along the committor, net reactive fluxes as arrows with their share of the total.

    Areas of discs grow with the population (the smallest are drawn larger, to be seen), widths of arrows with the flux.
    Fluxes below 1 % of the total, and macrostates that are not connected, are left out; fluxes below 5 % have no
    number. Heights mean nothing.

    Parameters
    ----------
    flux : mdtok.kinetics.FluxNetwork
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from mdtok.kinetics import reactive_flux
    >>> chain = np.array([0, 0, 1, 2, 2, 1] * 50 + [0])
    >>> ax = plot_flux_network(reactive_flux([chain], 1, source=0, target=2, n_samples=0))
    >>> ax.get_xlabel()
    'committor: probability of reaching 2 before 0'
    """
    ax = one_axes(ax, 7.0, 4.2)
    names, populations, committors = flux.macrostate_names, flux.populations.value, flux.committors.value
    shares = flux.flux_shares
    drawn = np.flatnonzero(populations > 0)
    places = _place(committors, drawn, flux.source, flux.target)
    areas = np.maximum(_LARGEST_DISC * populations / populations.max(), _SMALLEST_DISC)
    radii = np.sqrt(areas / np.pi)  # points
    for i, j in zip(*np.nonzero(shares >= _LEAST_SHARE)):
        _draw_arrow(ax, places[i], places[j], radii[i], radii[j], shares[i, j])
    for k, state in enumerate(drawn):
        colour = STATE_COLOURS[k % len(STATE_COLOURS)]
        ax.scatter(*places[state], s=areas[state], color=colour, edgecolor="#444444", linewidth=0.8, zorder=3)
        up = 1 if places[state][1] > 0 else -1  # names stand away from the arrows
        ax.annotate(
            f"{label(names[state])}\n{_percent(populations[state])}",
            places[state],
            xytext=(0, up * (radii[state] + 4)),
            textcoords="offset points",
            ha="center",
            va="bottom" if up > 0 else "top",
            fontsize=8.5,
            zorder=5,
            linespacing=1.1,
            bbox=_BOX,
        )
    unit, size = time_unit(flux.mfpt_ps.value)
    source, target = (label(", ".join(names[state] for state in states)) for states in (flux.source, flux.target))
    ax.set_title(f"{source} → {target}: MFPT {flux.mfpt_ps * (1 / size):.4g} {unit}")
    ax.set_xlabel(f"committor: probability of reaching {target} before {source}")
    heights = [height for _, height in places.values()]
    ax.set_xlim(-0.12, 1.12)
    ax.set_ylim(min(heights) - 0.75, max(heights) + 0.75)
    ax.set_xticks(np.linspace(0, 1, 6))
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    return ax


def _place(committors, states, source, target):
    """Where each macrostate is drawn: x is its committor, y near the middle but not too near those placed before."""
    places = {}
    for end in (source, target):
        ends = [state for state in end if state in states]
        for state, height in zip(ends, np.linspace(0.5, -0.5, len(ends)) if len(ends) > 1 else [0.0]):
            places[state] = (float(committors[state]), float(height))
    between = sorted(set(states.tolist()) - set(places), key=lambda state: committors[state])
    for state in between:
        x = float(committors[state])

        def room(height, x=x):
            return min(np.hypot(_ASPECT * (x - other), height - at) for other, at in places.values())

        rooms = [round(room(height), 2) for height in _LEVELS]
        chosen = next((k for k, free in enumerate(rooms) if free >= _ROOM), int(np.argmax(rooms)))
        places[state] = (x, _LEVELS[chosen])
    return places


def _draw_arrow(ax, start, end, start_radius, end_radius, share):
    width = max(_WIDEST_ARROW * share, _THINNEST_ARROW)
    ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=7 + 1.8 * width,
            shrinkA=start_radius + 1,
            shrinkB=end_radius + 1,
            linewidth=width,
            color="#8a8a8a",
            zorder=2,
            joinstyle="miter",
            capstyle="butt",
        )
    )
    if share < _LEAST_NUMBERED:
        return
    along = np.array(start) + _LABEL_AT * (np.array(end) - np.array(start))  # not halfway, where arrows cross
    ax.annotate(_percent(share), along, ha="center", va="center", fontsize=8, color="#333333", zorder=2.5, bbox=_BOX)


def _percent(share):
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"


@styled
def plot_transition_path_times(paths: dict[str, TransitionPaths], ax: Axes | None = None) -> Axes:
    """Histograms of how long transition paths last, with their means and 95 % intervals.

    Parameters
    ----------
    paths : dict of str -> mdtok.kinetics.TransitionPaths
        One a series; "MD", "held-out MD" and "all MD" are drawn in black and grey.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        No series has a path.

    Examples
    --------
    >>> from mdtok.kinetics import find_transition_paths
    >>> dtrajs = [np.array([0] * 5 + [1] * n + [2]) for n in range(1, 11)]
    >>> ax = plot_transition_path_times({"MD": find_transition_paths(dtrajs, source=0, target=2, dt_ps=1.0)})
    >>> ax.get_xlabel()
    'transition-path time (ps)'
    """
    seen = {name: found for name, found in paths.items() if len(found)}
    if not seen:
        raise DataError("No series has a transition path; there is nothing to draw.")
    ax = one_axes(ax)
    durations = {name: found.durations_ps for name, found in seen.items()}
    longest = max(found.max() for found in durations.values())
    step = max(found.dt_ps for found in seen.values())
    width = step * max(1, int(np.ceil(longest / step / _N_BINS)))  # whole frames, or there would be gaps between bins
    edges = np.arange(step / 2, longest + step / 2 + width, width)
    unit, size = time_unit(longest)
    for name, look in looks_of(seen).items():
        mean, colour = seen[name].mean_ps * (1 / size), look["color"]
        density, _ = np.histogram(durations[name], edges, density=True)
        text = f"{label(name)}: {len(seen[name])} paths, mean {mean:.3g} {unit}"
        ax.stairs(density * size, edges / size, color=colour, linewidth=1.6, label=text, zorder=3)
        shade = 0.12 if name in MD_COLOURS else 0.06
        ax.stairs(density * size, edges / size, color=colour, fill=True, alpha=shade, zorder=1)
        ax.axvspan(mean.low, mean.high, color=colour, alpha=0.18, linewidth=0, zorder=0)
        ax.axvline(mean.value, color=colour, linestyle="--", linewidth=1.0, zorder=2)
    ax.set_xlim(0, edges[-1] / size)
    ax.set_ylim(0, None)
    ax.set_xlabel(f"transition-path time ({unit})")
    ax.set_ylabel(f"density (1/{unit})")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return ax
