"""Held-out nats per token and calibration against exact values."""

import numpy as np
import pytest
from chains import THREE_STATES, ExactChain, simulate, stationary

from mdtok.errors import DataError
from mdtok.kinetics.scoring.likelihood import (
    evaluate_held_out,
    nats_difference,
    nats_per_token,
    pair_calibration,
    transition_calibration,
)
from mdtok.models import MarkovModel

STATES = np.arange(3)


@pytest.fixture(scope="module")
def held_out():
    return simulate(THREE_STATES, 20, 3000, seed=11)


def test_nats_of_the_exact_chain_are_its_entropy_rate(held_out):
    logs = np.log(np.where(THREE_STATES > 0, THREE_STATES, 1))
    entropy = -(stationary(THREE_STATES)[:, None] * THREE_STATES * logs).sum()
    estimate = nats_per_token(evaluate_held_out(ExactChain(THREE_STATES), held_out, STATES))
    # widened to 2.5 half-widths (4.9 standard errors) a right interval fails with 1e-6
    assert abs(estimate.value - entropy) < 2.5 * (estimate.high - estimate.low) / 2


def test_the_paired_difference_sees_what_the_intervals_cannot(held_out):
    exact = evaluate_held_out(ExactChain(THREE_STATES), held_out, STATES)
    worse = THREE_STATES * 0.97 + 0.01
    other = evaluate_held_out(ExactChain(worse / worse.sum(axis=1, keepdims=True)), held_out, STATES)
    a, b = nats_per_token(exact), nats_per_token(other)
    assert b.low < a.high  # the intervals overlap, and still
    assert nats_difference(other, exact).low > 0


def test_calibration_is_one_for_the_exact_chain_and_the_ratio_of_rates_for_a_hasty_one(held_out):
    exact = transition_calibration(evaluate_held_out(ExactChain(THREE_STATES), held_out, STATES))
    assert exact.low < 1 < exact.high
    hasty = THREE_STATES + (THREE_STATES - np.eye(3))  # every rate doubled
    estimate = transition_calibration(evaluate_held_out(ExactChain(hasty), held_out, STATES))
    assert estimate.value == pytest.approx(2 * exact.value)


def test_every_pair_is_calibrated_by_itself(held_out):
    hasty = THREE_STATES.copy()
    hasty[0, 1] *= 3
    hasty[0, 0] -= 2 * THREE_STATES[0, 1]
    expected, observed, ratio = pair_calibration(evaluate_held_out(ExactChain(hasty), held_out, STATES))
    macro = np.concatenate(held_out)
    first = np.cumsum([len(d) for d in held_out])[:-1]
    pairs = np.delete(np.stack([macro[:-1], macro[1:]]), first - 1, axis=1)
    for i in range(3):
        for j in range(3):
            if i != j:
                assert observed[i, j] == np.sum((pairs[0] == i) & (pairs[1] == j))
                assert expected[i, j] == pytest.approx(np.sum(pairs[0] == i) * hasty[i, j], rel=1e-5)
    assert ratio.low[0, 1] > 1.5
    seen = observed > 0
    seen[0, 1] = False
    assert (ratio.low[seen] < 1).all() and (ratio.high[seen] > 1).all()


def test_three_transitions_have_the_interval_of_a_poisson_count():
    """No resampling of trajectories can say how uncertain a handful of events is."""
    chain = np.zeros(4000, dtype=int)
    chain[[1000, 2000, 3000]] = 1
    transitions = np.array([[0.999, 0.001], [0.9, 0.1]])
    _, observed, ratio = pair_calibration(
        evaluate_held_out(ExactChain(transitions), [chain[:2500], chain[2500:]], np.arange(2))
    )
    assert observed[0, 1] == 3
    assert ratio.low[0, 1] <= ratio.value[0, 1] * 3 / 8.76 and ratio.high[0, 1] >= ratio.value[0, 1] * 3 / 0.62


def test_transitions_inside_a_macrostate_do_not_count():
    evaluated = evaluate_held_out(ExactChain(THREE_STATES), [np.array([0, 1, 2, 1])], np.array([0, 0, 1]))
    assert evaluated.left[0].tolist() == [False, True, True]
    assert evaluated.leaving_probability[0] == pytest.approx([0.0, 0.03, 0.02])


def test_models_of_different_lags_are_judged_on_the_same_tokens(held_out):
    lagged = evaluate_held_out(MarkovModel(lagtime=5).fit(held_out), held_out, STATES)
    frame_by_frame = evaluate_held_out(ExactChain(THREE_STATES), held_out, STATES).from_token(5)
    assert [len(a) for a in lagged.log_prob] == [len(a) for a in frame_by_frame.log_prob]


def test_tokens_unknown_to_the_model_are_said(held_out):
    with pytest.raises(DataError, match="holds the token 7"):
        evaluate_held_out(ExactChain(THREE_STATES), [np.array([0, 7])], np.arange(8))
