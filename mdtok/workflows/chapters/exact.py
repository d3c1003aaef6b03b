"""Chapter: the potential, the data, and the exact dynamics beside the simulated ones."""

import numpy as np
from scipy.constants import R

from mdtok.kinetics.estimation.estimators import implied_timescales
from mdtok.kinetics.scoring.verdicts import picoseconds
from mdtok.report import Chapter, ReportFigure, Table, number, plot_example_trajectories, plot_potential, shown
from mdtok.workflows.chapters._exact import (
    REACHED_NM,
    classifier_of,
    exact_populations,
    minima_of,
    regions_of,
    relaxation_times,
)
from mdtok.workflows.judged import JudgedRun

PLACE = 20
_LAGS = (1, 2, 5, 10, 20, 50, 100)  # token intervals
_N_SAMPLES = 100  # of the posterior
_N_GRID, _N_STARTS = 201, 300  # points an axis, and starts from each minimum, of the map


def applies(judged: JudgedRun) -> bool:
    """Where there is a potential, and labelled trajectories from its minima."""
    return judged.oracle is not None and judged.labelled is not None


def numbers(judged: JudgedRun) -> dict:
    """Relaxation times, passage times, populations and crossings: of the oracle, and of the simulated trajectories."""
    oracle, dt_ps, seed = judged.oracle, judged.tokens.dt_ps, judged.settings.seed
    first, second = regions_of(judged)
    dtrajs = judged.tokens_of([x.astype(float) for x in judged.thinned(judged.features.arrays)])
    lags = [lag for lag in _LAGS if 5 * lag <= len(dtrajs[0])]
    times = implied_timescales(dtrajs, lags, 1, dt_ps, _N_SAMPLES, seed, judged.tokenizer.n_states_).to_dict()
    return {
        "relaxation_times_ps": relaxation_times(judged),
        "populations": exact_populations(judged),
        "mfpt_ps": [oracle.mfpt(first, second), oracle.mfpt(second, first)],
        "names": list(minima_of(judged)),
        "crossings": _crossings(judged),
        "lag_ps": [lag * dt_ps for lag in lags],
        "simulated_timescale_ps": [times[str(lag)] for lag in lags],
        "data": _data(judged),
        **_shown(judged),
    }


def _crossings(judged):
    """How many of the labelled trajectories reach the other minimum, exactly and counted."""
    settings, labelled = judged.settings, judged.labelled
    classifier, regions, minima = classifier_of(judged), regions_of(judged), minima_of(judged)
    crossings = []
    for label, name in enumerate(minima):
        trajectories = np.stack([x for x, y in zip(labelled.arrays, labelled.labels) if y == label])
        distance = np.linalg.norm(trajectories - list(minima.values())[1 - label], axis=-1)
        crossed = (distance < REACHED_NM).any(axis=1)
        exact = classifier.crossing_fraction(label, regions[1 - label], settings.n_frames * settings.frame_interval_ps)
        deviation = np.sqrt(exact * (1 - exact) / len(crossed))
        crossings.append({"from": name, "exact": exact, "counted": crossed.mean(), "deviation": deviation})
    return crossings


def _data(judged):
    """How much there is of it, and of which dynamics."""
    system, labelled, long = judged.system, judged.labelled.arrays, judged.features.arrays
    return {
        "n_labelled": len(labelled),
        "n_frames": len(labelled[0]),
        "n_long": len(long),
        "n_long_frames": len(long[0]),
        "frame_ps": judged.settings.frame_interval_ps,
        "dynamics": system.dynamics,
        "temperature_kelvin": system.temperature_kelvin,
        "diffusion_nm2_per_ps": system.diffusion_nm2_per_ps,
    }


def _shown(judged):
    """What the figures show: the potential on a grid, starts, and an example from each minimum."""
    system, labelled, names = judged.system, judged.labelled, list(minima_of(judged))
    axes = [np.linspace(*limits, _N_GRID) for limits in system.bounds]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    energy = np.asarray(system.potential.energy(points.reshape(-1, 2))).reshape(points.shape[:-1])
    test = list(zip(labelled.part("test"), labelled.labels_of("test")))
    return {
        "energy_kt": (energy - energy.min()) / (R / 1000 * system.temperature_kelvin),
        "bounds_nm": [list(limits) for limits in system.bounds],
        "states": dict(system.states),
        "starts": {
            name: np.array([x[0] for x, label in zip(labelled.arrays, labelled.labels) if label == k])[:_N_STARTS]
            for k, name in enumerate(names)
        },
        "examples": {f"from {name}": next(x for x, label in test if label == k) for k, name in enumerate(names)},
    }


def draw(numbers: dict) -> Chapter:
    """Crossings and times in tables; the potential and the examples as figures."""
    data, states = numbers["data"], numbers["states"]
    text = (
        f"{data['n_labelled']:,} labelled trajectories of {data['n_frames']} frames and {data['n_long']} longer ones "
        f"of {data['n_long_frames']:,}, one frame each {data['frame_ps']:g} ps, {data['dynamics']} dynamics at "
        f"{data['temperature_kelvin']:g} K, diffusion constant {data['diffusion_nm2_per_ps']:g} nm²/ps. Exact "
        "figures are those of the generator on a grid."
    )
    figures = [
        ReportFigure(
            "potential",
            "Potential and starts",
            (
                "Energy in kT above the deepest minimum; dots are first frames, lines are two of the held-out "
                "trajectories."
            ),
            lambda: plot_potential(
                numbers["energy_kt"],
                numbers["bounds_nm"],
                states=states,
                starts=numbers["starts"],
                trajectories=list(numbers["examples"].values()),
            ),
        ),
        ReportFigure(
            "trajectories",
            "Example trajectories",
            "Coordinates of one held-out trajectory from each minimum.",
            lambda: plot_example_trajectories(
                numbers["examples"], data["frame_ps"], states={name: states[name] for name in numbers["names"]}
            ),
        ),
    ]
    return Chapter(
        "The potential, the data, and the exact dynamics",
        [text, _crossing_table(numbers["crossings"]), _time_table(numbers)],
        figures,
    )


def _crossing_table(crossings):
    rows = [
        [row["from"], *(f"{100 * row[key]:.2f} %" for key in ("exact", "counted")), f"± {100 * row['deviation']:.2f} %"]
        for row in crossings
    ]
    return Table(["start", "reach the other minimum, exact", "counted", "expected scatter"], rows)


def _time_table(numbers):
    slowest, *others = numbers["relaxation_times_ps"]
    first, second = numbers["names"]
    rows = [["slowest relaxation, exact", number(slowest)]]
    rows += [
        [f"slowest relaxation, simulated, lag {picoseconds(lag)}", shown(time, number)]
        for lag, time in zip(numbers["lag_ps"], numbers["simulated_timescale_ps"])
    ]
    rows.append(["next relaxations, exact", ", ".join(number(time) for time in others)])
    for (a, b), time in zip(((first, second), (second, first)), numbers["mfpt_ps"]):
        rows.append([f"mean first passage {a} → {b}, exact", number(time)])
    return Table(["process", "time, ps"], rows)
