"""Do two runs agree? Populations, timescales and first passages of their MD, each with its interval, side by side.

    python protocols/run_alanine.py --seed 7 --out runs/seven
    python protocols/run_alanine.py --seed 8 --out runs/eight --stage simulate
    python protocols/run_alanine.py --seed 8 --out runs/eight --stage tokenize
    python protocols/compare_runs.py runs/seven runs/eight

The states are those of the first run, for both. Runs of run_fip35.py are compared in how they fold: each has a TICA,
and so states, of its own.
"""

import argparse
import logging
import sys
from pathlib import Path

import numpy as np

import mdtok
from mdtok.errors import DataError
from mdtok.features import encode_periodic
from mdtok.kinetics import Estimate, equilibrium_populations, implied_timescales, mfpt_counted
from mdtok.kinetics.verdicts import picoseconds
from mdtok.storage import load_arrays, read_json
from mdtok.tokens import cut_outside
from mdtok.workflows.command_line import run_script
from mdtok.workflows.stages import TokenisedData

log = logging.getLogger("mdtok.protocols")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs=2, type=Path, help="two run folders, tokenised")
    parser.add_argument("--lagtimes", nargs="+", type=int, default=[5, 10, 20], help="in token intervals")
    parser.add_argument("--n-samples", type=int, default=300, help="of the posterior and of the bootstrap")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()

    if all((folder / "report" / "folding.json").exists() for folder in arguments.runs):
        rows = [folding_of(folder) for folder in arguments.runs]
    else:
        first = TokenisedData.load(arguments.runs[0] / "tokens")
        tokenizer = mdtok.StateTokenizer.load(arguments.runs[0] / "tokens")
        rows = [
            quantities(tokens_of(folder, tokenizer, arguments.runs[0]), first, arguments) for folder in arguments.runs
        ]
    found = [{title: (show, numbers) for title, show, numbers in of_run} for of_run in rows]
    lines = [f"{'':<28} {arguments.runs[0]!s:>32} {arguments.runs[1]!s:>32}   intervals"]
    n_apart = n_rows = 0
    for title in (title for title in found[0] if title in found[1]):
        (show, a), (_, b) = found[0][title], found[1][title]
        overlap = a.low <= b.high and b.low <= a.high
        n_rows, n_apart = n_rows + 1, n_apart + (not overlap)
        lines.append(
            f"{title:<28} {interval(show, a):>32} {interval(show, b):>32}   {'overlap' if overlap else 'APART'}"
        )
    sys.stdout.write("\n".join([*lines, "", f"{n_rows - n_apart} of {n_rows} pairs of 95 % intervals overlap.", ""]))


def tokens_of(folder, tokenizer, first):
    """Tokens of a run's features in the states of `tokenizer`."""
    columns, known = (read_json(run / "features" / "columns.json") for run in (folder, first))
    if columns != known:
        raise DataError(
            f"{folder} has the features {columns['names']}, {first} {known['names']}; they cannot be compared."
        )
    if any(name.startswith("TICA ") for name in columns["names"]):
        raise DataError(
            f"{folder} and {first} have a TICA, and so states, of their own each; finish both with --stage score to compare how they fold."
        )
    _, dtrajs = cut_outside(tokenizer.transform(encode_periodic(load_arrays(folder / "features"), columns["periodic"])))
    return dtrajs


def quantities(dtrajs, data, arguments):
    """(title, how to show it, Estimate) of everything compared."""
    settings = {"n_samples": arguments.n_samples, "seed": arguments.seed}
    names, n_macrostates = data.macrostate_names, len(data.macrostate_names)
    populations = equilibrium_populations(dtrajs, arguments.lagtimes[0], data.macrostates, **settings)
    for k, name in enumerate(names):
        yield f"population of {name}", "{:.4f}".format, populations[k]
    timescales = implied_timescales(
        dtrajs, arguments.lagtimes, 2, data.dt_ps, n_states=len(data.macrostates), **settings
    )
    for lag, times in timescales.estimates.items():
        for k in range(2):
            if times.value[k] > lag * data.dt_ps:  # nothing is known of what is faster than the lag
                yield f"timescale {k + 1} at lag {picoseconds(lag * data.dt_ps)}", picoseconds, times[k]
    mfpt = mfpt_counted(
        [data.macrostates[d] for d in dtrajs], data.dt_ps, n_macrostates, arguments.n_samples, arguments.seed
    )
    for i, j in np.argwhere(~np.eye(n_macrostates, dtype=bool)):
        yield f"MFPT {names[i]} → {names[j]}", picoseconds, mfpt[i, j]


def folding_of(folder):
    """The same of how a protein folds in the MD of a run, by what does not depend on its states."""
    found = read_json(folder / "report" / "folding.json")
    events = found["events"]
    share = "{:.2f}".format
    for title, i, j in (("folding MFPT", 0, 1), ("unfolding MFPT", 1, 0)):
        yield title, picoseconds, estimate(events["mfpt_ps"])[i, j]
    for k, side in enumerate(("unfolded", "folded")):
        yield f"barrier from {side}, kT", share, estimate(events["profile"]["barriers_kt"])[k]
    yield "folded less unfolded, kT", share, estimate(events["profile"]["difference_kt"])
    if found["order"]:
        yield "transition-path time", picoseconds, estimate(found["of"]["all MD"]["paths"]["mean_ps"])
        for k, name in enumerate(found["order"]["names"]):
            yield f"{name} first", share, estimate(found["order"]["share_first"])[k]


def estimate(saved):
    """An Estimate as JSON has it."""
    return Estimate(**{part: np.array(numbers, dtype=float) for part, numbers in saved.items()})


def interval(show, estimate):
    """``value [low, high]``."""
    return f"{show(estimate.value)} [{show(estimate.low)}, {show(estimate.high)}]"


if __name__ == "__main__":
    run_script(main)
