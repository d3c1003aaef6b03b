"""Master equations with memory see a lumping through; on a Markov chain they are the MSM."""

import numpy as np
import pytest
from chains import THREE_STATES, simulate, stationary

from mdtok.errors import DataError
from mdtok.kinetics.estimation.master_equations import propagator_baselines, propagator_errors

#: Six states in a row, lumped in pairs: to leave a pair one has to be at its right end.
ROW = np.array(
    [
        [0.90, 0.10, 0.0, 0.0, 0.0, 0.0],
        [0.10, 0.80, 0.10, 0.0, 0.0, 0.0],
        [0.0, 0.10, 0.87, 0.03, 0.0, 0.0],
        [0.0, 0.0, 0.03, 0.87, 0.10, 0.0],
        [0.0, 0.0, 0.0, 0.10, 0.80, 0.10],
        [0.0, 0.0, 0.0, 0.0, 0.10, 0.90],
    ]
)
LUMPS = np.array([0, 0, 1, 1, 2, 2])


def lumped(time):
    """The exact propagator of the lumps, from equilibrium within each."""
    members = np.eye(3)[LUMPS]
    weights = stationary(ROW)[:, None] * members
    return (weights / weights.sum(axis=0)).T @ np.linalg.matrix_power(ROW, time) @ members


@pytest.fixture(scope="module")
def md():
    return [LUMPS[d] for d in simulate(ROW, 200, 5000, seed=1)]


def test_with_memory_a_lumping_is_seen_through(md):
    found = propagator_baselines(md, memory_frames=20, n_steps=6)
    errors = propagator_errors(found, np.array([lumped(20 * k) for k in range(1, 7)]))
    # a million frames, some hundred frames of correlation: 0.003 of noise; the lumping costs the MSM far more
    assert errors["qmsm"] < 0.01 and errors["igme"] < 0.01
    assert errors["msm"] > 3 * max(errors["qmsm"], errors["igme"])


def test_without_memory_they_are_the_msm():
    found = propagator_baselines(simulate(THREE_STATES, 50, 5000, seed=2), memory_frames=10, n_steps=4)
    exact = np.array([np.linalg.matrix_power(THREE_STATES, 10 * k) for k in range(1, 5)])
    assert max(propagator_errors(found, exact).values()) < 0.02


def test_up_to_the_memory_time_all_are_what_was_seen(md):
    found = propagator_baselines(md, memory_frames=7, n_steps=1)  # a prime number of frames has steps of one
    assert found["qmsm"][0] == pytest.approx(found["msm"][0])
    assert found["igme"][0] == pytest.approx(found["msm"][0], abs=0.005)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"memory_frames": 5000}, "longer than the memory time of 5000"),
        ({"memory_frames": 10, "n_states": 4}, "macrostate 3 is never seen"),
    ],
)
def test_bad_input_is_one_line(md, arguments, words):
    with pytest.raises(DataError, match=words):
        propagator_baselines(md[:3], n_steps=2, **arguments)
