"""Error against the length of MD: what each model is worth."""

import numpy as np
from matplotlib.axes import Axes

from mdtok.report.plots.style import label, label_log_axis, looks_of, numbers, one_axes, styled, time_unit


def has_lengths(content: dict) -> bool:
    """Whether MD pieces could be told apart, and a model has a worth among them."""
    curve = content.get("error_against_md_length")
    if curve is None or not (numbers(curve["error"]["value"]) > 0).any():
        return False
    found = [row.get("equivalent_md_ps") for row in content["models"].values()]
    return any(not np.isnan(numbers(worth["all"]["low"])) for worth in found if worth)


@styled
def plot_error_against_length(content: dict, ax: Axes | None = None) -> Axes:
    """Error of MD pieces of growing length with their 95 % band, and a level line a model.

    Where the line of a model meets that of MD is the MD time that it is worth.

    Parameters
    ----------
    content : dict
        Of a `Scorecard`.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = one_axes(ax, 6.0, 3.8)
    curve = content["error_against_md_length"]
    lengths = numbers(curve["length_ps"])
    value, low, high = (numbers(curve["error"][part]) for part in ("value", "low", "high"))
    unit, size = time_unit(lengths)
    ax.fill_between(lengths / size, low, high, color="#dddddd", linewidth=0, label="95 % of MD pieces")
    ax.plot(lengths / size, value, color="#1a1a1a", label="MD of this length")
    ax.axvline(
        float(numbers(curve["md_ps"])) / size, color="#9a9a9a", linewidth=0.8, linestyle=":", label="all MD there is"
    )
    for name, look in looks_of(content["models"]).items():
        row = content["models"][name]
        error, worth = float(numbers(row["error"])), float(numbers(row["equivalent_md_ps"]["all"]["value"]))
        if not np.isfinite(error):
            continue
        ax.axhline(error, color=look["color"], linewidth=1.2, label=label(name))
        if np.isfinite(worth) and worth > 0:
            ax.plot(worth / size, error, **look, linestyle="none")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(lengths.min() / size, lengths.max() / size)
    ax.set_xlabel(f"length of MD ({unit})")
    ax.set_ylabel("error, in halves of the MD")
    label_log_axis(ax.xaxis)
    label_log_axis(ax.yaxis)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax
