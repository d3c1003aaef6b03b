"""How the number of transitions depends on how long a visit must last to count."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from mdtok.report.plots.style import MODEL_COLOURS, label, label_log_axis, one_axes, styled


@styled
def plot_commit_times(counts: dict[str, np.ndarray], times_ps: Sequence[float], ax: Axes | None = None) -> Axes:
    """Transitions in all against the commit time, a line a kind of tokens.

    Parameters
    ----------
    counts : dict of str -> int array, shape (n_times, n_states, n_states)
        As `mdtok.tokens.count_transitions` gives them.
    times_ps : array of float, shape (n_times,)
        Commit times.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from mdtok.tokens import count_transitions
    >>> chain = [np.random.default_rng(0).integers(0, 2, 500)]
    >>> ax = plot_commit_times({"raw": count_transitions(chain, 2, [1, 2, 4])}, [1, 2, 4])
    >>> ax.get_xlabel()
    'commit time (ps)'
    """
    ax = one_axes(ax)
    for k, (name, tables) in enumerate(counts.items()):
        totals = np.asarray(tables).sum(axis=(1, 2))
        ax.plot(times_ps, np.maximum(totals, 0.5), "o-", color=MODEL_COLOURS[k % len(MODEL_COLOURS)], label=label(name))
    ax.set_xscale("log")
    ax.set_yscale("log")
    label_log_axis(ax.xaxis)
    label_log_axis(ax.yaxis)
    ax.set_xlabel("commit time (ps)")
    ax.set_ylabel("transitions between states")
    ax.legend()
    return ax
