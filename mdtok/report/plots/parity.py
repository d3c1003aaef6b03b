"""Mean first passage times of models against those of held-out MD."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from mdtok.report.plots.style import (
    label,
    label_log_axis,
    looks_of,
    md_rows,
    numbers,
    one_axes,
    styled,
    time_unit,
    titled,
)

UP, RIGHT = r"$\uparrow$", r"$\rightarrow$"
_ARROW = {"markersize": 11, "markeredgewidth": 0.3, "linestyle": "none"}
_BAND = "allowed by the MD noise"
_MOST_LABELS = 20


@styled
def plot_mfpt_parity(content: dict, ax: Axes | None = None) -> Axes:
    """MFPT of every model against held-out MD, with 95 % intervals, the diagonal and how far off the verdict allows.

    A passage that was waited for but never seen stands at its lower limit: an arrow up where the model never got there,
    an arrow to the right where MD did not. Pairs of which nothing is known are named below the axis.

    Parameters
    ----------
    content : dict
        Of a `Scorecard`.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = one_axes(ax, 6.2, 5.6)
    reference = _Times.of(content["reference"]["mfpt_ps"])
    models = {name: _Times.of(row["mfpt_ps"]) for name, row in content["models"].items()}
    # a model of a longer lag misses short visits: it stands against MD seen at that lag
    at_lag = {
        name: _Times.of(row["reference_mfpt_ps"])
        for name, row in content["models"].items()
        if "reference_mfpt_ps" in row
    }
    unit, size = time_unit([reference.place, *(times.place for times in models.values())])
    for name, look in looks_of(models).items():
        _draw_model(ax, at_lag.get(name, reference), models[name], size, look, label(titled(content, name)))
    allowed = numbers(content.get("mfpt_allowed", np.full(reference.place.shape, np.nan)))
    _draw_guides(ax, [times.place / size for times in (reference, *models.values())], reference.place / size, allowed)
    _label_pairs(ax, reference, models, size, content["macrostate_names"])
    md = next(iter(md_rows(content)))
    ax.set_xlabel(f"MFPT in {md} ({unit})" + _unseen(md, reference, models, content["macrostate_names"]))
    ax.set_ylabel(f"MFPT of the model ({unit})")
    _draw_legend(ax)
    return ax


class _Times:
    """MFPTs of all ordered pairs, in ps: where each is drawn, its interval, and whether it is only a lower limit."""

    def __init__(self, value, low, high):
        self.reached = np.isfinite(value) & ~np.eye(len(value), dtype=bool)
        self.limit = ~np.isfinite(value) & np.isfinite(low)
        self.place = np.where(self.reached, value, np.where(self.limit, low, np.nan))
        self.low, self.high = (np.where(self.reached & np.isfinite(x), x, self.place) for x in (low, high))

    @classmethod
    def of(cls, estimate):
        return cls(*(numbers(estimate[part]) for part in ("value", "low", "high")))

    @property
    def known(self):
        return self.reached | self.limit


def _draw_model(ax, reference, model, size, look, name):
    both = reference.known & model.known
    sure = both & reference.reached & model.reached
    x, y = reference.place[sure], model.place[sure]
    ax.errorbar(
        x / size,
        y / size,
        **look,
        linestyle="none",
        elinewidth=0.7,
        alpha=0.9,
        label=name,
        xerr=np.abs([x - reference.low[sure], reference.high[sure] - x]) / size,
        yerr=np.abs([y - model.low[sure], model.high[sure] - y]) / size,
    )
    for unsure, marker in ((both & model.limit, UP), (both & ~model.limit & reference.limit, RIGHT)):
        if unsure.any():
            x, y = reference.place[unsure] / size, model.place[unsure] / size
            ax.plot(x, y, color=look["color"], marker=marker, **_ARROW)


def _draw_legend(ax):
    """Models first, then what the arrows and the band mean."""
    handles = sorted(ax.get_legend_handles_labels()[0], key=lambda handle: handle.get_label() == _BAND)
    markers = [line.get_marker() for line in ax.get_lines()]
    for marker, meaning in (
        (UP, "never reached by the model: lower limit"),
        (RIGHT, "never reached by MD: lower limit"),
    ):
        if marker in markers:
            handles.append(Line2D([], [], color="#666666", marker=marker, label=meaning, **_ARROW))
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _draw_guides(ax, places, reference, allowed):
    """The diagonal, and for each pair how far off the verdict lets a model be."""
    places = np.concatenate([place.ravel() for place in places])
    places = places[places > 0]  # NaN compares false
    low, high = (places.min() / 2, places.max() * 2) if len(places) else (1.0, 10.0)
    ends = np.array([low, high])
    for x, factor in zip(reference[np.isfinite(reference)], allowed[np.isfinite(reference)]):
        if np.isfinite(factor):
            ax.plot([x, x], [x / factor, x * factor], color="#e4e4e4", linewidth=7, solid_capstyle="butt", zorder=0)
    ax.plot([], [], color="#e4e4e4", linewidth=7, label=_BAND)
    ax.plot(ends, ends, color="#888888", linewidth=0.8, zorder=1)
    ax.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
    label_log_axis(ax.xaxis)
    label_log_axis(ax.yaxis)


def _label_pairs(ax, reference, models, size, names):
    """Name each pair once, above the axes, with a thin line down to where it stands; the worst where they are many."""
    pairs = np.argwhere(reference.known & np.any([times.known for times in models.values()], axis=0))
    if not len(pairs):
        return
    if len(pairs) > _MOST_LABELS:
        ratios = np.array([times.place[*pairs.T] / reference.place[*pairs.T] for times in models.values()])
        away = np.nan_to_num(np.abs(np.log(ratios))).max(axis=0)  # (n_pairs,)
        pairs = pairs[np.argsort(-away, kind="stable")[:_MOST_LABELS]]
    pairs = sorted(pairs.tolist(), key=lambda pair: reference.place[*pair])
    in_axes = {"transform": ax.transAxes}
    low, high = np.log(ax.get_xlim())
    true = np.array([(np.log(reference.place[i, j] / size) - low) / (high - low) for i, j in pairs])
    for (i, j), x, spread in zip(pairs, true, _spread(true, 0.042)):
        ax.plot([x, x, spread], [0.0, 1.0, 1.04], color="#cccccc", linewidth=0.5, zorder=0, clip_on=False, **in_axes)
        pair = f"{label(names[i])} → {label(names[j])}"
        ax.text(spread, 1.05, pair, rotation=90, fontsize=7.5, color="#444444", ha="center", va="bottom", **in_axes)


def _spread(places, gap):
    """Sorted places moved apart to at least `gap`, as little as may be, each crowd about its middle."""
    crowds = [[place] for place in places]
    merged = True
    while merged:
        merged, kept = False, [crowds[0]]
        for crowd in crowds[1:]:
            if np.mean(crowd) - np.mean(kept[-1]) < gap * (len(crowd) + len(kept[-1])) / 2:
                kept[-1] = kept[-1] + crowd
                merged = True
            else:
                kept.append(crowd)
        crowds = kept
    return np.concatenate([np.mean(crowd) + gap * (np.arange(len(crowd)) - (len(crowd) - 1) / 2) for crowd in crowds])


def _unseen(md, reference, models, names):
    """A line that names the pairs which cannot be drawn, by who did not see them."""
    lines = []
    for who, times in {md: reference, **models}.items():
        missing = [f"{names[i]} → {names[j]}" for i, j in np.argwhere(~times.known) if i != j]
        if missing:
            more = f" and {len(missing) - 4} more" if len(missing) > 4 else ""
            lines.append(label(f"\nnot seen in {who}: {', '.join(missing[:4])}{more}"))
    return "".join(lines)
