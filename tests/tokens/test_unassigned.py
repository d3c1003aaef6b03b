"""Frames of no state: what the last core says of them keeps the kinetics; what cutting them does is said."""

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdtok.errors import DataError, SettingsError
from mdtok.kinetics.estimation.estimators import implied_timescales
from mdtok.tokens import assign_unassigned


def two_states(n_frames, leave, seed=0):
    return np.cumsum(np.random.default_rng(seed).random(n_frames) < leave) % 2


def without_jumps(dtraj):
    """-1 at every jump, as a core-set assignment gives it."""
    seen = dtraj.copy()
    seen[1:][dtraj[1:] != dtraj[:-1]] = -1
    return seen


@given(st.lists(st.integers(-1, 2), min_size=1, max_size=40).filter(lambda tokens: max(tokens) >= 0))
def test_the_last_core_goes_on_from_the_first_one(tokens):
    (found,) = assign_unassigned([np.array(tokens)])
    start = next(k for k, token in enumerate(tokens) if token >= 0)
    expected = []
    for token in tokens[start:]:
        expected.append(token if token >= 0 else expected[-1])
    assert found.tolist() == expected


def test_milestones_keep_the_timescale_and_cutting_does_not(caplog):
    """Two states left with probability 0.01: 49.5 frames exactly. 49 events a thousand frames: 1 % of error."""
    dtrajs = [two_states(20_000, 0.01, seed) for seed in range(5)]
    marked = [without_jumps(dtraj) for dtraj in dtrajs]
    (kept,) = implied_timescales(assign_unassigned(marked), [1], 1, n_samples=0).estimates[1].value
    assert kept == pytest.approx(-1 / np.log(1 - 0.02), rel=0.08)
    with caplog.at_level(logging.WARNING):
        cut = assign_unassigned(marked, "cut")
    assert all(len(np.unique(piece)) == 1 for piece in cut)
    assert "100 % of the jumps are cut out" in caplog.text


def test_they_may_be_a_state_of_their_own():
    (found,) = assign_unassigned([np.array([0, -1, 1])], "state")
    assert found.tolist() == [0, -1, 1]


def test_what_holds_no_core_is_left_out_or_refused():
    assert [d.tolist() for d in assign_unassigned([np.array([-1, -1]), np.array([1, -1])])] == [[1, 1]]
    with pytest.raises(DataError, match="Every frame is -1"):
        assign_unassigned([np.array([-1, -1])])
    with pytest.raises(SettingsError, match="unassigned is 'drop'"):
        assign_unassigned([np.array([0])], "drop")
