"""Chapter: populations and slowest timescale of long rollouts of coordinates, and of MD, against the exact ones."""

import numpy as np

from mdtok.kinetics.estimation.estimate import MISSING, Estimate
from mdtok.kinetics.estimation.estimators import equilibrium_populations, implied_timescales
from mdtok.report import Chapter, Table, held, shown
from mdtok.workflows.chapters._exact import exact_populations, relaxation_times
from mdtok.workflows.chapters._networks import berts_of
from mdtok.workflows.judged import JudgedRun

PLACE = 10
_POPULATION_TOLERANCE, _TIMESCALE_TOLERANCE = 0.03, 0.20  # what a model of the dynamics is asked for
_N_SAMPLES = 100  # of the posterior
_MEANING = (
    "The test that a model of the dynamics has to pass: chains many times longer than its window, half started in "
    "each basin, seen through a Markov model at the lag time below, against the exact answer. The row of held-out "
    "MD shows what the estimator itself gets from MD of the same kind."
)


def applies(judged: JudgedRun) -> bool:
    """Where there is an exact answer, and a model of coordinates that has been rolled out."""
    return judged.oracle is not None and judged.labelled is not None and bool(judged.rollout_features())


def numbers(judged: JudgedRun) -> dict:
    """Populations and slowest timescale of held-out MD and of every rollout, with their distance to the exact ones."""
    groups = {"held-out MD": judged.thinned(judged.features.part("test"))}
    # one that draws nothing comes to rest, and has no kinetics
    drawn = {name for name, model in judged.models_of_features().items() if model.has_density}
    groups |= {name: list(made) for name, made in judged.rollout_features().items() if name in drawn}
    populations, timescale = exact_populations(judged), float(relaxation_times(judged)[0])
    rows = {name: _row(judged, made, populations, timescale) for name, made in groups.items()}
    return {
        "lag_ps": judged.settings.lagtime * judged.tokens.dt_ps,
        "exact_timescale_ps": timescale,
        "exact_populations": populations,
        "rows": rows,
        "sentences": [
            _sentence(name, rows[name], timescale, judged.settings) for name in berts_of(judged) if name in rows
        ],
    }


def _row(judged, trajectories, exact_populations, exact_timescale):
    lag, seed, tokenizer = judged.settings.lagtime, judged.settings.seed, judged.tokenizer
    dtrajs = judged.tokens_of(trajectories)
    timescale = implied_timescales(
        dtrajs, [lag], 1, judged.tokens.dt_ps, _N_SAMPLES, seed, tokenizer.n_states_
    ).to_dict()[str(lag)]
    populations = equilibrium_populations(dtrajs, lag, tokenizer.macrostates_, _N_SAMPLES, seed).to_dict()
    off = float(np.abs(np.asarray(populations["value"]) - exact_populations).max())
    ratio = float(timescale["value"][0]) / exact_timescale
    return {
        "timescale_ps": timescale,
        "populations": populations,
        "population_error": off,
        "timescale_ratio": ratio,
        "populations_hold": off <= _POPULATION_TOLERANCE,
        "timescale_holds": abs(ratio - 1) <= _TIMESCALE_TOLERANCE,
    }


def _sentence(name, row, exact, settings):
    said = {key: "holds" if row[key] else "fails" for key in ("populations_hold", "timescale_holds")}
    value, interval = (Estimate.of(row["timescale_ps"]).first * (1 / exact)).texts(".2f")
    return (
        f"{name}: populations {100 * row['population_error']:.1f} points off ({said['populations_hold']}), "
        f"slowest timescale ×{value} {interval} of the exact {exact:,.0f} ps ({said['timescale_holds']}), "
        f"chains {settings.n_long_frames // settings.window} windows long."
    )


def draw(numbers: dict) -> Chapter:
    """A row of exact numbers, then one a group of trajectories."""
    exact = numbers["exact_populations"]
    rows = [["oracle, exact", f"{exact[0]:.4f}", MISSING, f"{numbers['exact_timescale_ps']:,.0f}", MISSING]]
    for name, row in numbers["rows"].items():
        rows.append(
            [
                name,
                shown(row["populations"], ".4f"),
                held(row["populations_hold"], f"{100 * row['population_error']:.1f} points"),
                shown(row["timescale_ps"], ",.0f"),
                held(row["timescale_holds"], f"×{row['timescale_ratio']:.2f}"),
            ]
        )
    header = [
        "trajectories of",
        "population of the deeper basin",
        f"within {100 * _POPULATION_TOLERANCE:.0f} points",
        "slowest timescale, ps",
        f"within {100 * _TIMESCALE_TOLERANCE:.0f} %",
    ]
    lag = f"The lag time is {numbers['lag_ps']:g} ps."
    return Chapter("Long rollouts against the exact answer", [f"{_MEANING} {lag}", Table(header, rows)])
