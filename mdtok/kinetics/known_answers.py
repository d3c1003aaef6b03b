"""MD and models against answers that are known: exact populations, and times from far longer simulations.

MD comes first: where it does not agree with what is known, no model can be judged by it.
"""

from dataclasses import dataclass, field
from itertools import permutations

import numpy as np

from mdtok.errors import DataError
from mdtok.kinetics.estimation.estimate import MISSING, Estimate
from mdtok.kinetics.estimation.estimators import equilibrium_populations, implied_timescales
from mdtok.kinetics.estimation.passages import mfpt_counted
from mdtok.kinetics.oracle import Oracle
from mdtok.md.known_times import KnownTimes
from mdtok.md.particles import ParticleSystem

_PARTS = ("value", "low", "high")
EXACT = "Boltzmann weights on a grid"


@dataclass
class KnownAnswers:
    """What is known of a system.

    Attributes
    ----------
    names : list of str
        Of the states.
    populations : array, shape (n_states,)
    timescales_ps : array, shape (n_timescales,)
        Slowest first; empty where none are known.
    mfpt_ps : array, shape (n_states, n_states), or None
        Row from, column to; None where they are not known.
    source : str
    """

    names: list[str]
    populations: np.ndarray
    timescales_ps: np.ndarray = field(default_factory=lambda: np.array([]))
    mfpt_ps: np.ndarray | None = None
    source: str = ""

    @classmethod
    def of(cls, system: ParticleSystem, times: KnownTimes | None = None, spacing_nm: float = 0.05) -> "KnownAnswers":
        """Exact populations of the regions nearest the states of a potential, and the times that its system.yaml knows.

        Parameters
        ----------
        system : ParticleSystem
        times : KnownTimes, optional
            ``load_definition(name).known``.
        spacing_nm : float
            Of the grid that populations are computed on.
        """
        centres = np.array(list(system.states.values()))
        oracle = Oracle.of(system, spacing_nm=spacing_nm)
        nearest = np.linalg.norm(oracle.points[:, None] - centres, axis=-1).argmin(axis=1)
        populations = np.array([oracle.population(nearest == k) for k in range(len(centres))])
        if times is None:
            return cls(list(system.states), populations, source=EXACT)
        return cls(list(system.states), populations, np.array(times.timescales_ps), times.mfpt_ps, times.source)

    def facts(self) -> dict[str, float]:
        """All of them by name, as ``{name: number}``."""
        facts = {f"population {name}": float(p) for name, p in zip(self.names, self.populations)}
        facts |= {f"timescale {k + 1} (ps)": float(t) for k, t in enumerate(self.timescales_ps)}
        if self.mfpt_ps is not None:
            for i, j in permutations(range(len(self.names)), 2):
                facts[f"MFPT {self.names[i]} → {self.names[j]} (ps)"] = float(self.mfpt_ps[i, j])
        return facts


def estimate_facts(
    dtrajs: list[np.ndarray], known: KnownAnswers, dt_ps: float, lagtime: int, n_samples: int = 200, seed: int = 0
) -> dict[str, dict[str, float]]:
    """The facts that are known, estimated from trajectories with 95 % intervals.

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
        ``value``, ``low`` and ``high`` of each of ``known.facts()``.

    Raises
    ------
    DataError
        A state that is known was never visited.
    """
    n_states, n_times = len(known.names), len(known.timescales_ps)
    missing = np.flatnonzero(np.bincount(np.concatenate(dtrajs), minlength=n_states) == 0)
    if len(missing):
        raise DataError(f"The state {known.names[missing[0]]} was never visited; longer trajectories were expected.")
    estimates = {"populations": equilibrium_populations(dtrajs, lagtime, np.arange(n_states), n_samples, seed)}
    if n_times:
        times = implied_timescales(dtrajs, [lagtime], n_times, dt_ps, n_samples, seed, n_states)
        estimates["timescales_ps"] = times.estimates[lagtime]
    if known.mfpt_ps is not None:
        estimates["mfpt_ps"] = mfpt_counted(dtrajs, dt_ps, n_states, n_samples, seed)
    facts = {
        part: KnownAnswers(known.names, **{key: getattr(estimate, part) for key, estimate in estimates.items()}).facts()
        for part in _PARTS
    }
    return {name: {part: facts[part][name] for part in _PARTS} for name in known.facts()}


#: The old name.
estimate_figures = estimate_facts


@dataclass
class AgainstKnown:
    """Estimates of several series beside what is known.

    Attributes
    ----------
    known : dict of str -> float
    series : dict of str -> dict of str -> dict
        ``series[name][fact]``: ``value``, ``low``, ``high``. The first is MD.
    yardsticks : tuple of str
        Series of MD in whose intervals the others are looked for; the first series if not given. A model can hardly be
        nearer to what is known than the MD that it learnt from.
    """

    known: dict[str, float]
    series: dict[str, dict[str, dict[str, float]]]
    yardsticks: tuple[str, ...] = ()

    def __post_init__(self):
        self.yardsticks = tuple(self.yardsticks) or (next(iter(self.series)),)

    @classmethod
    def of(
        cls,
        known: KnownAnswers,
        groups: dict[str, tuple[list[np.ndarray], int]],
        dt_ps: float,
        lagtime: int,
        seed: int = 0,
        yardsticks: tuple[str, ...] = (),
    ) -> "AgainstKnown":
        """Estimates of groups of trajectories.

        Parameters
        ----------
        known : KnownAnswers
        groups : dict of str -> (dtrajs, stride)
            Trajectories in the states of `known`, one token each `stride` frames; the first is MD.
        dt_ps : float
            Time between frames.
        lagtime : int
            Frames; a multiple of the strides.
        seed : int
        yardsticks : tuple of str

        Raises
        ------
        DataError
            A state was never visited in one of them.
        """
        series = {
            name: estimate_facts(dtrajs, known, dt_ps * stride, lagtime // stride, seed=seed)
            for name, (dtrajs, stride) in groups.items()
        }
        return cls(known.facts(), series, yardsticks)

    def summary(self) -> dict[str, dict]:
        """A line a series: largest error of a population, slowest timescale, MFPT inside the interval of MD.

        Returns
        -------
        dict of str -> dict
            ``population_error`` and that of the series' own interval (``population_half_width``), ``timescale_ps``
            (value, low, high), ``inside`` (for each yardstick whether the slowest ``timescale`` is in its interval, and
            of how many ``mfpt``), ``n_mfpt``, ``worst_mfpt`` (name and ratio to what is known). Where no timescale or
            no passage is known, ``timescale_ps`` and ``timescale``, or ``worst_mfpt``, are None.
        """
        lines = {}
        populations, passages = ([f for f in self.known if f.startswith(kind)] for kind in ("population", "MFPT"))
        slowest = next((f for f in self.known if f.startswith("timescale")), None)
        for name, facts in self.series.items():
            ratios = {f: facts[f]["value"] / self.known[f] for f in passages}
            worst = max(ratios, key=lambda f: abs(np.log(ratios[f])), default=None)
            lines[name] = {
                "population_error": max(abs(facts[f]["value"] - self.known[f]) for f in populations),
                "population_half_width": max((facts[f]["high"] - facts[f]["low"]) / 2 for f in populations),
                "timescale_ps": slowest and facts[slowest],
                "n_mfpt": len(passages),
                "worst_mfpt": worst and (worst, ratios[worst]),
                "inside": {
                    md: {
                        "timescale": slowest and _is_inside(facts, self.series[md], slowest),
                        "mfpt": sum(_is_inside(facts, self.series[md], f) for f in passages),
                    }
                    for md in self.yardsticks
                },
            }
        return lines

    def agreement(self) -> tuple[int, int, list[str]]:
        """``(n, n_all, apart)``: how many known facts lie in the interval of MD, of how many, and the names of the
        others."""
        md = next(iter(self.series.values()))
        apart = [f for f, value in self.known.items() if not md[f]["low"] <= value <= md[f]["high"]]
        return len(self.known) - len(apart), len(self.known), apart

    def __str__(self):
        header = ["", "largest error of a population", "slowest timescale (ps)"]
        rows = [[*header, *(f"MFPT inside {name}" for name in self.yardsticks), "worst MFPT"]]
        rows += [_texts(name, line) for name, line in self.summary().items()]
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
        n, n_all, apart = self.agreement()
        outside = f"; outside: {', '.join(apart)}" if apart else ""
        said = f"Of the known facts {n} of {n_all} lie in the 95 % interval of {next(iter(self.series))}{outside}."
        return "\n".join([*lines, "", said])

    def to_dict(self) -> dict:
        """For JSON."""
        return {"known": self.known, "series": self.series, "summary": self.summary()}


def _texts(name, line):
    """The cells of a row; – for what is not known."""
    worst, ratio = line["worst_mfpt"] or ("", np.nan)
    time = line["timescale_ps"]
    return [
        name,
        f"{line['population_error']:.4f} (its interval ±{line['population_half_width']:.4f})",
        f"{Estimate.of(time):,.0f}" if time else MISSING,
        *(f"{found['mfpt']} of {line['n_mfpt']}" if worst else "–" for found in line["inside"].values()),
        f"{worst.removeprefix('MFPT ').removesuffix(' (ps)')} ×{ratio:.2f}" if worst else "–",
    ]


def _is_inside(facts, md, name):
    return bool(md[name]["low"] <= facts[name]["value"] <= md[name]["high"])
