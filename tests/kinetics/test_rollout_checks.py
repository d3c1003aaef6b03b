"""Drift, detailed balance and unseen steps of rollouts whose answers are known."""

import numpy as np
import pytest
from chains import THREE_STATES, simulate

from mdtok.kinetics.scoring.rollout_checks import check_rollout

STATES = np.arange(3)


@pytest.fixture(scope="module")
def train():
    return simulate(THREE_STATES, 20, 2000, seed=3)


def test_a_stationary_reversible_chain_is_found_faultless(train):
    checks = check_rollout(simulate(THREE_STATES, 100, 1000, seed=4), train, STATES)
    assert checks.unseen_share == 0
    # twice the 95th percentile, 2.5 half-widths of a 95 % interval, p = 1e-4: together wrong in less than 1 in 1,000
    assert checks.population_drift.value < 2 * checks.population_drift_by_chance
    assert abs(checks.nats_drift.value) < 2.5 * (checks.nats_drift.high - checks.nats_drift.low) / 2
    assert checks.net_flux_p > 1e-4


def test_chains_that_change_on_the_way_drift(train):
    hasty = THREE_STATES + 2 * (THREE_STATES - np.eye(3))
    first, last = simulate(THREE_STATES, 100, 500, seed=5), simulate(hasty, 100, 500, seed=6)
    checks = check_rollout([np.concatenate(pair) for pair in zip(first, last)], train, STATES)
    assert checks.nats_drift.low > 0
    stuck = [np.concatenate([d, np.zeros(500, dtype=int)]) for d in first]
    assert (
        check_rollout(stuck, train, STATES).population_drift.value
        > 2 * check_rollout(stuck, train, STATES).population_drift_by_chance
    )


def test_a_cycle_has_no_detailed_balance(train):
    cycle = np.array([[0.9, 0.1, 0.0], [0.0, 0.9, 0.1], [0.1, 0.0, 0.9]])
    checks = check_rollout(simulate(cycle, 50, 1000, seed=7), train, STATES)
    assert checks.net_flux == pytest.approx(1.0) and checks.net_flux_p < 1e-6


def test_steps_that_md_never_made_are_counted():
    train = [np.tile([0, 0, 1, 1], 50)]
    chains = [np.tile([0, 1, 2, 1], 25), np.tile([0, 1, 1, 0], 25)]
    checks = check_rollout(chains, train, STATES)
    assert checks.unseen_share == pytest.approx((25 + 25) / (2 * 99))


def test_longer_intervals_are_compared_with_thinned_md(train):
    thinned = [d[::5] for d in simulate(THREE_STATES, 100, 2000, seed=8)]
    checks = check_rollout(thinned, train, STATES, stride=5)
    assert (
        abs(checks.nats_drift.value) < 2.5 * (checks.nats_drift.high - checks.nats_drift.low) / 2
    )  # wrong in 1 in a million
    assert checks.unseen_share == 0
