"""Whether two runs agree: populations, timescales and first passages of their MD, each with its interval, side by side.

The states are those of the first run, for both. Runs with a TICA, and so states, of their own each are compared in how
their protein folds.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mdtok.errors import DataError, SettingsError
from mdtok.features import encode_periodic
from mdtok.kinetics import Estimate, equilibrium_populations, implied_timescales, mfpt_counted
from mdtok.kinetics.scoring.verdicts import picoseconds
from mdtok.storage import load_arrays, read_json, write_json
from mdtok.tokens import StateTokenizer, cut_outside
from mdtok.workflows.command_line import OneStageSettings, positional, setting
from mdtok.workflows.data import TokenisedData

#: Title of a quantity, how its numbers are written, and the quantity.
Quantity = tuple[str, Callable[[float], str], Estimate]


@dataclass
class AgreementSettings(OneStageSettings):
    """Settings of a comparison of two runs."""

    first: str = positional("Folder of a run, tokenised; the states are its.")
    second: str = positional("Folder of the other run, tokenised.")
    out: str = setting("", "Folder to write agreement.json to; none if not given.")
    lagtimes: list[int] = setting([5, 10, 20], "Lag times in token intervals.")
    n_samples: int = setting(300, "Samples of the posterior and of the bootstrap.")

    GROUP = "referee"
    QUICK = {"n_samples": 50}

    def __post_init__(self):
        super().__post_init__()
        if not self.lagtimes or min(self.lagtimes) < 1:
            raise SettingsError(f"--lagtimes are {self.lagtimes}; whole numbers of at least 1 were expected.")


@dataclass
class Agreement:
    """What two runs have in common.

    Attributes
    ----------
    names : tuple of str
        Of the two runs.
    rows : list of (title, how to write a number, Estimate of the first, Estimate of the second)
    """

    names: tuple[str, str]
    rows: list[tuple[str, Callable[[float], str], Estimate, Estimate]]

    @property
    def n_overlapping(self) -> int:
        """How many of the 95 % intervals overlap."""
        return sum(_overlap(a, b) for _, _, a, b in self.rows)

    @property
    def n_comparable(self) -> int:
        """How many quantities both runs tell of."""
        return sum(_told(a, b) for _, _, a, b in self.rows)

    def __str__(self) -> str:
        lines = [f"{'':<28} {self.names[0]:>32} {self.names[1]:>32}   intervals"]
        for title, show, a, b in self.rows:
            verdict = ("overlap" if _overlap(a, b) else "APART") if _told(a, b) else "not estimable"
            lines.append(f"{title:<28} {_interval(show, a):>32} {_interval(show, b):>32}   {verdict}")
        lines += ["", f"{self.n_overlapping} of {self.n_comparable} pairs of 95 % intervals overlap."]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        rows = {title: {"first": a, "second": b, "overlap": bool(_overlap(a, b))} for title, _, a, b in self.rows}
        return {"runs": list(self.names), "quantities": rows, "n_overlapping": self.n_overlapping}


def run_agreement(settings: AgreementSettings) -> Agreement:
    """`compare_runs` as the settings say; the table goes to standard output."""
    found = compare_runs(settings.first, settings.second, settings.lagtimes, settings.n_samples, settings.seed)
    if settings.out:
        write_json(Path(settings.out) / "agreement.json", found)
    sys.stdout.write(f"{found}\n")
    return found


def compare_runs(
    first: str | Path, second: str | Path, lagtimes: Sequence[int] = (5, 10, 20), n_samples: int = 300, seed: int = 7
) -> Agreement:
    """Quantities of the MD of two runs, each with its interval, side by side.

    Parameters
    ----------
    first, second : path-like
        Folders of runs that are tokenised; the states of the first are taken for both. Where both are scored and have
        the chapter on folding, they are compared in how they fold.
    lagtimes : list of int
        Token intervals; populations are taken at the first.
    n_samples : int
        Samples of the posterior and of the bootstrap.
    seed : int

    Returns
    -------
    Agreement

    Raises
    ------
    DataError
        Runs of other features, or with a TICA of their own each that are not scored.
    """
    folders = Path(first), Path(second)
    if all((folder / "report" / "folding.json").exists() for folder in folders):
        found = [_folding(folder) for folder in folders]
    else:
        states, tokenizer = TokenisedData.load(folders[0] / "tokens"), StateTokenizer.load(folders[0] / "tokens")
        found = [
            _kinetics(_tokens_of(folder, tokenizer, folders[0]), states, lagtimes, n_samples, seed)
            for folder in folders
        ]
    of_first, of_second = ({title: (show, estimate) for title, show, estimate in of_run} for of_run in found)
    rows = [
        (title, show, estimate, of_second[title][1])
        for title, (show, estimate) in of_first.items()
        if title in of_second
    ]
    return Agreement((str(folders[0]), str(folders[1])), rows)


def _tokens_of(folder, tokenizer, first):
    """Tokens of a run's features in the states of `tokenizer`."""
    columns, known = (read_json(run / "features" / "columns.json") for run in (folder, first))
    if columns != known:
        raise DataError(
            f"{folder} has the features {columns['names']}, {first} {known['names']}; they cannot be compared."
        )
    if any(name.startswith("TICA ") for name in columns["names"]):
        raise DataError(
            f"{folder} and {first} have a TICA, and so states, of their own each; "
            "finish both with --stage score to compare how they fold."
        )
    _, dtrajs = cut_outside(tokenizer.transform(encode_periodic(load_arrays(folder / "features"), columns["periodic"])))
    return dtrajs


def _kinetics(dtrajs, states, lagtimes, n_samples, seed) -> Iterator[Quantity]:
    """Populations, timescales and first passages of tokens."""
    how, names, n_macrostates = (
        {"n_samples": n_samples, "seed": seed},
        states.macrostate_names,
        len(states.macrostate_names),
    )
    populations = equilibrium_populations(dtrajs, lagtimes[0], states.macrostates, **how)
    for k, name in enumerate(names):
        yield f"population of {name}", "{:.4f}".format, populations[k]
    timescales = implied_timescales(dtrajs, lagtimes, 2, states.dt_ps, n_states=len(states.macrostates), **how)
    for lag, times in timescales.estimates.items():
        for k in range(2):
            if times.value[k] > lag * states.dt_ps:  # nothing is known of what is faster than the lag
                yield f"timescale {k + 1} at lag {picoseconds(lag * states.dt_ps)}", picoseconds, times[k]
    in_macrostates = [states.macrostates[dtraj] for dtraj in dtrajs]
    mfpt = mfpt_counted(in_macrostates, states.dt_ps, n_macrostates, n_samples, seed)
    for i, j in np.argwhere(~np.eye(n_macrostates, dtype=bool)):
        yield f"MFPT {names[i]} → {names[j]}", picoseconds, mfpt[i, j]


def _folding(folder) -> Iterator[Quantity]:
    """How a protein folds in the MD of a run, by what does not depend on its states."""
    found = read_json(folder / "report" / "folding.json")
    events, share = found["events"], "{:.2f}".format
    for title, i, j in (("folding MFPT", 0, 1), ("unfolding MFPT", 1, 0)):
        yield title, picoseconds, Estimate.of(events["mfpt_ps"])[i, j]
    for k, side in enumerate(("unfolded", "folded")):
        yield f"barrier from {side}, kT", share, Estimate.of(events["profile"]["barriers_kt"])[k]
    yield "folded less unfolded, kT", share, Estimate.of(events["profile"]["difference_kt"])
    if found["order"]:
        yield "transition-path time", picoseconds, Estimate.of(found["of"]["all MD"]["paths"]["mean_ps"])
        for k, name in enumerate(found["order"]["names"]):
            yield f"{name} first", share, Estimate.of(found["order"]["share_first"])[k]


def _told(a, b):
    return not np.isnan([a.low, a.high, b.low, b.high]).any()


def _overlap(a, b):
    return a.low <= b.high and b.low <= a.high


def _interval(show, estimate):
    return " ".join(filter(None, estimate.texts(show)))
