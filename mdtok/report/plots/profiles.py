"""Figures of free energies along one coordinate."""

import numpy as np
from matplotlib.axes import Axes

from mdtok.kinetics.free_energy import FreeEnergyProfile
from mdtok.report.plots.style import MD_COLOURS, label, looks_of, one_axes, styled

_HIGHEST_KT = 8.0


@styled
def plot_free_energy_profiles(
    profiles: dict[str, FreeEnergyProfile], coordinate: str = "coordinate", ax: Axes | None = None
) -> Axes:
    """Free energies of MD and of models along one coordinate, each above its own lowest point, with 95 % bands.

    Parameters
    ----------
    profiles : dict of str -> mdtok.kinetics.FreeEnergyProfile
        One a series; "MD", "held-out MD" and "all MD" are drawn in black and grey.
    coordinate : str
        Its name, for the axis.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from mdtok.kinetics import free_energy_profile
    >>> rng = np.random.default_rng(0)
    >>> chains = [rng.uniform(0, 1, 1000) for _ in range(8)]
    >>> plot_free_energy_profiles({"MD": free_energy_profile(chains, np.linspace(0, 1, 11), 0.5)}, "Q").get_xlabel()
    'Q'
    """
    ax = one_axes(ax)
    top = 0.0
    for name, look in looks_of(profiles).items():
        profile, is_md = profiles[name], name in MD_COLOURS
        seen = np.isfinite(profile.free_energy_kt.value)
        x, energies = profile.centres[seen], profile.free_energy_kt[seen]
        ax.plot(
            x,
            energies.value,
            color=look["color"],
            linewidth=2.2 if is_md else 1.3,
            label=label(name),
            zorder=4 if is_md else 3,
        )
        ax.fill_between(
            x, energies.low, np.minimum(energies.high, 2 * _HIGHEST_KT), color=look["color"], alpha=0.2, linewidth=0
        )
        top = max(top, energies.value.max())
    ax.set_ylim(-0.2, min(top * 1.05 + 0.2, _HIGHEST_KT))
    ax.set_xlabel(coordinate)
    ax.set_ylabel("free energy (kT)")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax
