"""Estimates beside what is known: a chain whose populations, timescales and passage times have closed answers."""

import numpy as np
import pytest
from chains import THREE_STATES, simulate

import mdtok
from mdtok.errors import DataError
from mdtok.kinetics import AgainstKnown, KnownAnswers, estimate_facts
from mdtok.md.definition import load_definition

NAMES = ["a", "b", "c"]


def exact(matrix):
    """Stationary distribution, relaxation times and mean first passage times of a Markov chain, in steps."""
    values, vectors = np.linalg.eig(matrix.T)
    order = np.argsort(-values.real)
    pi = vectors[:, order[0]].real
    times, n = -1 / np.log(values.real[order[1:]]), len(matrix)
    passages = np.zeros((n, n))
    for j in range(n):
        others = [k for k in range(n) if k != j]
        passages[others, j] = np.linalg.solve(np.eye(n - 1) - matrix[np.ix_(others, others)], np.ones(n - 1))
    return KnownAnswers(NAMES, pi / pi.sum(), times, passages, "algebra")


def test_estimates_lie_around_the_exact_answers():
    """11 intervals of 95 %: fewer than 8 of them hold the exact answer in 1 of 3,000 data sets (binomial)."""
    known = exact(THREE_STATES)
    facts = estimate_facts(simulate(THREE_STATES, 40, 4000, seed=3), known, dt_ps=1.0, lagtime=1, seed=0)
    assert set(facts) == set(known.facts()) and len(facts) == 3 + 2 + 6
    against = AgainstKnown(known.facts(), {"MD": facts})
    n, n_all, apart = against.agreement()
    assert n_all == 11 and n >= 8 and len(apart) == n_all - n
    for name, value in known.facts().items():
        assert facts[name]["value"] == pytest.approx(value, rel=0.15)


def test_a_hasty_model_is_outside():
    known = exact(THREE_STATES)
    md = estimate_facts(simulate(THREE_STATES, 40, 4000, seed=3), known, 1.0, 1)
    fast = THREE_STATES @ THREE_STATES @ THREE_STATES
    hasty = estimate_facts(simulate(fast, 40, 4000, seed=4), known, 1.0, 1)
    against = AgainstKnown(known.facts(), {"MD": md, "hasty": hasty})
    line = against.summary()["hasty"]
    assert line["inside"] == {"MD": {"timescale": False, "mfpt": 0}} and line["worst_mfpt"][1] < 0.6
    assert against.summary()["MD"]["inside"] == {"MD": {"timescale": True, "mfpt": 6}}
    both = AgainstKnown(known.facts(), {"MD": md, "hasty": hasty}, yardsticks=("MD", "hasty")).summary()["hasty"][
        "inside"
    ]
    assert both["hasty"] == {"timescale": True, "mfpt": 6} and both["MD"]["mfpt"] == 0
    said = str(against)
    assert "0 of 6" in said and "of 11 lie in the 95 % interval of MD" in said
    assert against.to_dict()["summary"]["hasty"]["n_mfpt"] == 6


def test_a_state_that_was_never_visited_is_one_line():
    with pytest.raises(DataError, match="state c was never visited"):
        estimate_facts([np.array([0, 1] * 50)], exact(THREE_STATES), 1.0, 1)


def test_populations_alone_are_judged_where_no_time_is_known():
    known = KnownAnswers(NAMES, exact(THREE_STATES).populations)
    md = estimate_facts(simulate(THREE_STATES, 40, 4000, seed=3), known, 1.0, 1)
    assert list(md) == ["population a", "population b", "population c"]
    against = AgainstKnown(known.facts(), {"MD": md})
    line = against.summary()["MD"]
    assert line["timescale_ps"] is None and line["worst_mfpt"] is None and line["n_mfpt"] == 0
    assert line["population_error"] < 0.05 and "of 3 lie in the 95 % interval of MD" in str(against)


def test_the_populations_of_a_potential_are_its_boltzmann_weights():
    """By symmetry of the four states, and by the sums of a grid of one's own."""
    definition = load_definition("four_state")
    known = KnownAnswers.of(mdtok.load_system("four_state"), definition.known)
    assert known.populations == pytest.approx([0.2687, 0.2313, 0.2313, 0.2687], abs=0.002)
    assert known.facts()["timescale 1 (ps)"] == 8610 and known.source == definition.known.source
    system = mdtok.load_system("three_state")
    alone = KnownAnswers.of(system)
    axis = np.linspace(-4.5, 4.5, 181)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    weights = np.exp(-system.potential.energy(points) / system.kt_kj_mol)
    nearest = np.linalg.norm(points[:, None] - list(system.states.values()), axis=-1).argmin(axis=1)
    assert alone.populations == pytest.approx(np.bincount(nearest, weights) / weights.sum(), abs=0.01)
    assert set(alone.facts()) == {"population A", "population B", "population C"}
