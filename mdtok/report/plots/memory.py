"""How long the memory of tokens is."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from mdtok.insight.memory import AGE, MemoryDiagnosis
from mdtok.kinetics.estimation.estimate import Estimate
from mdtok.report.plots.style import MODEL_COLOURS, MODEL_MARKERS, label, one_axes, styled


@styled
def plot_memory(diagnosis: MemoryDiagnosis | dict, ax: Axes | None = None) -> Axes:
    """Nats saved against tokens of past, a line an interval between tokens.

    Parameters
    ----------
    diagnosis : MemoryDiagnosis, or its ``to_dict()``
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from mdtok.insight import diagnose_memory
    >>> chain = np.repeat(np.random.default_rng(0).integers(0, 2, 2000), 3)
    >>> ax = plot_memory(diagnose_memory([chain], [chain[:3000]], intervals=[1, 3], order=4, progress=False))
    >>> ax.get_xlabel(), len(ax.get_legend().get_texts())
    ('past that a model sees (tokens)', 2)
    """
    ax = one_axes(ax, width=7.0)
    content = diagnosis if isinstance(diagnosis, dict) else diagnosis.to_dict()
    lines = [
        (
            one["pasts"],
            Estimate.of(one["gains"]),
            f"{one['interval_frames'] * content['dt_ps']:g} ps between tokens",
            "-",
        )
        for one in content["intervals"]
    ]
    network = content["network"]
    if network is not None:
        lines.append((network["pasts"], Estimate.of(network["gains"]), label(network["name"]), "--"))
    counts = sorted({past for pasts, *_ in lines for past in pasts if past != AGE})
    places = [*counts, *([AGE] if any(AGE in pasts for pasts, *_ in lines) else [])]
    for k, (pasts, gains, name, dashes) in enumerate(lines):
        x = np.array([places.index(past) for past in pasts]) + 0.06 * (k - (len(lines) - 1) / 2)
        bars = np.maximum([gains.value - gains.low, gains.high - gains.value], 0)
        colour, marker = MODEL_COLOURS[k % len(MODEL_COLOURS)], MODEL_MARKERS[k % len(MODEL_MARKERS)]
        n_counted = len(pasts) - (pasts[-1] == AGE)
        ax.plot(x[:n_counted], gains.value[:n_counted], dashes, color=colour)
        ax.errorbar(x, gains.value, bars, fmt=marker, color=colour, elinewidth=1, label=name)
    ax.axhline(0, color="#444444", linewidth=0.8, zorder=0)
    ax.xaxis.set_major_locator(FixedLocator(range(len(places))))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticklabels([str(past) for past in places])
    ax.set_xlabel("past that a model sees (tokens)")
    ax.set_ylabel("held-out nats saved per token")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))  # bars may be anywhere inside
    return ax
