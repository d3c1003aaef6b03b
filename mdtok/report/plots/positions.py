"""The field's metrics against the place in the rollout: whether a generator wanders off."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from mdtok.kinetics.judging.field_metrics import TITLES
from mdtok.report.plots.style import label, legend_above, looks_of, many_axes, numbers, styled

_SHOWN = ("js_macrostates", "js_torsions", "js_ramachandran", "js_columns", "js_tica0")
_MOST_PANELS = 3


def shown_along(content: dict) -> list[str]:
    """Metrics that some generator has in each tenth of its rollouts."""
    found = content.get("field_metrics", {}).get("by_position", {}).values()
    told = {key for row in found if row for key in row["values"]}
    return [key for key in _SHOWN if key in told][:_MOST_PANELS]


@styled
def plot_positions(content: dict, axes: Sequence[Axes] | None = None) -> np.ndarray:
    """JS distances in each tenth of the rollouts; dashed: pieces of MD as long as a tenth.

    Parameters
    ----------
    content : dict
        Of a `Scorecard` of ``judge``.
    axes : sequence of matplotlib.axes.Axes, optional
        One a metric.

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (n_metrics,)
    """
    keys, found = shown_along(content), content["field_metrics"]["by_position"]
    given, axes = axes is not None, many_axes(axes, len(keys), len(keys), width=3.2, height=2.9)
    looks = looks_of(content["models"])
    for ax, key in zip(axes, keys):
        for name, row in found.items():
            if not row or key not in row["values"]:
                continue
            values = numbers(row["values"][key])
            ax.plot(10 * np.arange(1, len(values) + 1) - 5, values, **looks[name], label=label(name))
        levels = {float(numbers(row["md"][key])) for row in found.values() if row and key in row["md"]}
        for number, level in enumerate(sorted(levels)):
            said = "_" if number else "MD as long as a tenth"  # one entry, where rollouts are not all as long
            ax.axhline(level, color="#1a1a1a", linestyle="--", linewidth=0.8, label=said)
        ax.set_ylim(bottom=0)
        ax.set_xlim(0, 100)
        ax.set_title(TITLES[key][0])
        ax.set_xlabel("place in the rollout (%)")
    axes[0].set_ylabel("JS distance")
    legend_above(axes, given)
    return axes
