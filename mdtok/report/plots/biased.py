"""The figure of a biased simulation: the free energy along its variable, and how that of a state came about."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from mdtok.kinetics.biasing.free_energy import BiasedFreeEnergy
from mdtok.kinetics.estimation.estimate import Estimate
from mdtok.report.plots.style import MODEL_COLOURS, many_axes, styled

_HIGHEST_KT, _TOLERANCE_KT = 25.0, 0.5


@styled
def plot_biased_free_energy(
    found: BiasedFreeEnergy, coordinate: str = "CV", reference_kt: Estimate | None = None, axes: Any = None
) -> tuple[Axes, ...]:
    """Free energy along the biased variable with its 95 % band, and that of the state against the MD it took.

    Parameters
    ----------
    found : BiasedFreeEnergy
    coordinate : str
        Name of the variable, for the axis.
    reference_kt : Estimate, optional
        The free energy of the state from elsewhere; drawn with a band of 0.5 kT.
    axes : array of matplotlib.axes.Axes, optional

    Returns
    -------
    tuple of matplotlib.axes.Axes
        One, or two where a state was asked for.

    Examples
    --------
    >>> profile = Estimate(np.array([0.0, 2.0]), np.array([0.0, 1.5]), np.array([0.0, 2.5]))
    >>> found = BiasedFreeEnergy("umbrella", np.arange(3.0), profile, "", None, 1.0, np.empty(0), np.empty(0), 0)
    >>> [ax.get_xlabel() for ax in plot_biased_free_energy(found, "phi (rad)")]
    ['phi (rad)']
    """
    n_panels = 1 if found.state_kt is None else 2
    axes = many_axes(axes, n_panels, columns=2, width=4.2, height=3.2)
    _profile(axes[0], found, coordinate)
    if found.state_kt is not None:
        _state(axes[1], found, reference_kt)
    return tuple(axes)


def _profile(ax, found, coordinate):
    seen = np.isfinite(found.free_energy_kt.value)  # the line is broken where nothing was seen
    values, low, high = (np.where(seen, part, np.nan) for part in vars(found.free_energy_kt).values())
    ax.plot(found.centres, values, color=MODEL_COLOURS[0])
    ax.fill_between(found.centres, low, high, color=MODEL_COLOURS[0], alpha=0.2, linewidth=0)
    ax.set_ylim(-0.5, min(1.1 * np.nanmax(values) + 0.5, _HIGHEST_KT))
    ax.set_xlabel(coordinate)
    ax.set_ylabel("free energy (kT)")
    ax.set_title(f"{found.method}, {found.md_ns:.3g} ns of MD")


def _state(ax, found, reference_kt):
    ax.plot(found.times_ns, found.state_kt_at, color=MODEL_COLOURS[0])
    ends = [found.state_kt_at]
    if np.isfinite(found.state_kt.value):
        value, *bounds = (float(part) for part in (found.state_kt.value, found.state_kt.low, found.state_kt.high))
        low, high = (end if np.isfinite(end) else value for end in bounds)  # the title says where one is open
        ax.errorbar([found.md_ns], [value], [[value - low], [high - value]], fmt="o", color=MODEL_COLOURS[0], capsize=3)
        ends.append([low, high])
    if reference_kt is not None:
        at = float(reference_kt.value)
        ax.axhline(at, color="#1a1a1a", linewidth=1)
        ax.axhspan(at - _TOLERANCE_KT, at + _TOLERANCE_KT, color="#1a1a1a", alpha=0.12, linewidth=0)
        ax.text(0.98, at + _TOLERANCE_KT, f"reference ± {_TOLERANCE_KT} kT", ha="right", va="bottom",
                transform=ax.get_yaxis_transform())  # fmt: skip
        ends.append([at - 2 * _TOLERANCE_KT, at + 2 * _TOLERANCE_KT])
    ends = np.concatenate(ends)
    if np.isfinite(ends).any():
        ax.set_ylim(np.nanmin(ends[np.isfinite(ends)]) - 0.3, np.nanmax(ends[np.isfinite(ends)]) + 0.3)
    ax.set_xlim(0, 1.03 * found.md_ns)
    ax.set_xlabel("MD of all simulations (ns)")
    ax.set_ylabel(f"free energy of {found.state} (kT)")
    ax.set_title(f"{found.state_kt:.2f} kT (95 %), {found.n_crossings} crossings")
