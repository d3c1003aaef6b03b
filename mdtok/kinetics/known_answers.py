"""MD and models against answers that are known: exact populations, and times from far longer simulations.

MD comes first: where it does not agree with what is known, no model can be judged by it.
"""

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from mdtok.errors import DataError
from mdtok.kinetics.estimators import equilibrium_populations, implied_timescales
from mdtok.kinetics.passages import mfpt_counted

_PARTS = ("value", "low", "high")


@dataclass
class KnownAnswers:
    """What is known of a system.

    Attributes
    ----------
    names : list of str
        Of the states.
    populations : array, shape (n_states,)
    timescales_ps : array, shape (n_timescales,)
        Slowest first.
    mfpt_ps : array, shape (n_states, n_states)
        Row from, column to.
    source : str
    """

    names: list
    populations: np.ndarray
    timescales_ps: np.ndarray
    mfpt_ps: np.ndarray
    source: str = ""

    def figures(self):
        """All of them by name, as ``{name: number}``."""
        pairs = permutations(range(len(self.names)), 2)
        return {
            **{f"population {name}": float(p) for name, p in zip(self.names, self.populations)},
            **{f"timescale {k + 1} (ps)": float(t) for k, t in enumerate(self.timescales_ps)},
            **{f"MFPT {self.names[i]} → {self.names[j]} (ps)": float(self.mfpt_ps[i, j]) for i, j in pairs},
        }


def estimate_figures(dtrajs, known, dt_ps, lagtime, n_samples=200, seed=0):
    """The figures that are known, estimated from trajectories with 95 % intervals.

    Parameters
    ----------
    dtrajs : list of int arrays, shape (n_frames,) each
        In the states of `known`.
    known : KnownAnswers
    dt_ps : float
        Time between frames.
    lagtime : int
        Frames; of the Markov model behind populations and timescales.
    n_samples : int
        Of the posterior and of the bootstrap.
    seed : int

    Returns
    -------
    dict of str -> dict
        ``value``, ``low`` and ``high`` of each of ``known.figures()``.

    Raises
    ------
    DataError
        A state that is known was never visited.
    """
    n_states = len(known.names)
    missing = np.flatnonzero(np.bincount(np.concatenate(dtrajs), minlength=n_states) == 0)
    if len(missing):
        raise DataError(f"The state {known.names[missing[0]]} was never visited; longer trajectories were expected.")
    populations = equilibrium_populations(dtrajs, lagtime, np.arange(n_states), n_samples, seed)
    (times,) = implied_timescales(
        dtrajs, [lagtime], len(known.timescales_ps), dt_ps, n_samples, seed, n_states
    ).estimates.values()
    mfpt = mfpt_counted(dtrajs, dt_ps, n_states, n_samples, seed)
    of_part = [
        KnownAnswers(known.names, *(getattr(estimate, part) for estimate in (populations, times, mfpt))).figures()
        for part in _PARTS
    ]
    return {name: dict(zip(_PARTS, (figures[name] for figures in of_part))) for name in known.figures()}


@dataclass
class AgainstKnown:
    """Estimates of several series beside what is known.

    Attributes
    ----------
    known : dict of str -> float
    series : dict of str -> dict of str -> dict
        ``series[name][figure]``: ``value``, ``low``, ``high``. The first is MD.
    yardsticks : tuple of str
        Series of MD in whose intervals the others are looked for; the first series if not given. A model can hardly be
        nearer to what is known than the MD that it learnt from.
    """

    known: dict
    series: dict
    yardsticks: tuple = ()

    def __post_init__(self):
        self.yardsticks = tuple(self.yardsticks) or (next(iter(self.series)),)

    def summary(self):
        """A line a series: largest error of a population, slowest timescale, MFPT inside the interval of MD.

        Returns
        -------
        dict of str -> dict
            ``population_error`` and that of the series' own interval (``population_half_width``), ``timescale_ps``
            (value, low, high), ``inside`` (for each yardstick whether the slowest ``timescale`` is in its interval, and
            of how many ``mfpt``), ``n_mfpt``, ``worst_mfpt`` (name and ratio to what is known).
        """
        lines = {}
        populations, passages = ([f for f in self.known if f.startswith(kind)] for kind in ("population", "MFPT"))
        slowest = next(f for f in self.known if f.startswith("timescale"))
        for name, figures in self.series.items():
            ratios = {f: figures[f]["value"] / self.known[f] for f in passages}
            worst = max(ratios, key=lambda f: abs(np.log(ratios[f])))
            lines[name] = {
                "population_error": max(abs(figures[f]["value"] - self.known[f]) for f in populations),
                "population_half_width": max((figures[f]["high"] - figures[f]["low"]) / 2 for f in populations),
                "timescale_ps": figures[slowest],
                "n_mfpt": len(passages),
                "worst_mfpt": (worst, ratios[worst]),
                "inside": {
                    md: {
                        "timescale": _is_inside(figures, self.series[md], slowest),
                        "mfpt": sum(_is_inside(figures, self.series[md], f) for f in passages),
                    }
                    for md in self.yardsticks
                },
            }
        return lines

    def agreement(self):
        """``(n, n_all, apart)``: how many known figures lie in the interval of MD, of how many, and the names of the
        others."""
        md = next(iter(self.series.values()))
        apart = [f for f, value in self.known.items() if not md[f]["low"] <= value <= md[f]["high"]]
        return len(self.known) - len(apart), len(self.known), apart

    def __str__(self):
        width = max(map(len, self.series))
        titles = [f"MFPT inside {name}" for name in self.yardsticks]
        columns = "  ".join(titles)
        lines = [
            f"{'':<{width}}  {'largest error of a population':>32}  {'slowest timescale (ps)':>28}  {columns}  worst MFPT"
        ]
        for name, line in self.summary().items():
            error = f"{line['population_error']:.4f} (its interval ±{line['population_half_width']:.4f})"
            times = "{value:,.0f} [{low:,.0f}, {high:,.0f}]".format(**line["timescale_ps"])
            worst, ratio = line["worst_mfpt"]
            inside = "  ".join(
                f"{found['mfpt']} of {line['n_mfpt']}".rjust(len(title))
                for title, found in zip(titles, line["inside"].values())
            )
            lines.append(
                f"{name:<{width}}  {error:>32}  {times:>28}  {inside}  {worst.removeprefix('MFPT ').removesuffix(' (ps)')} ×{ratio:.2f}"
            )
        n, n_all, apart = self.agreement()
        lines += [
            "",
            f"Of the known figures {n} of {n_all} lie in the 95 % interval of {next(iter(self.series))}"
            + (f"; outside: {', '.join(apart)}." if apart else "."),
        ]
        return "\n".join(lines)

    def to_dict(self):
        """For JSON."""
        return {"known": self.known, "series": self.series, "summary": self.summary()}


def _is_inside(figures, md, name):
    return bool(md[name]["low"] <= figures[name]["value"] <= md[name]["high"])
