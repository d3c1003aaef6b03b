"""How often the referee is wrong: perfect models that it refuses, wrong ones that it lets pass. Takes minutes."""

import numpy as np
import pytest
from chains import THREE_STATES, ExactChain, simulate

import mdtok

N_DATA_SETS = 40


def passes(model, seed):
    chains = simulate(THREE_STATES, 20, 3000, seed)
    card = mdtok.score(
        {"model": model},
        chains[:15],
        chains[15:],
        1.0,
        lagtimes=[1, 5, 10],
        lagtime=5,
        n_bootstrap=2,
        seed=seed,
        progress=False,
    )
    return card.content["models"]["model"]["passes"]


@pytest.mark.slow
@pytest.mark.parametrize("make", [lambda: ExactChain(THREE_STATES), mdtok.MarkovModel], ids=["exact", "fitted"])
def test_perfect_models_pass(make):
    # at 6 % of false alarms in all, eight or more of 40 have probability 0.3 %
    assert sum(passes(make(), seed) for seed in range(N_DATA_SETS)) >= N_DATA_SETS - 7


@pytest.mark.slow
def test_a_model_half_as_fast_again_is_found_out():
    rates = THREE_STATES - np.eye(3)
    hasty = ExactChain(np.eye(3) + 1.5 * rates)
    assert sum(passes(hasty, seed) for seed in range(10)) == 0
