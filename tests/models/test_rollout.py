"""Rollouts: prompts never cross a trajectory's end, start in equilibrium, and keep a model's own stride."""

import numpy as np
import pytest
from chains import THREE_STATES, ExactChain, simulate, stationary

from mdtok.errors import DataError
from mdtok.models import MarkovModel
from mdtok.models.rollout import draw_prompts, roll_out


def test_prompts_are_pieces_of_one_trajectory_with_the_stride_of_the_model():
    dtrajs = [np.arange(100), np.arange(100, 130)]  # every token is its own place
    for prompt in draw_prompts(dtrajs, 50, n_steps=8, stride=3, seed=1):
        assert len(prompt) == 8 and np.all(np.diff(prompt) == 3)
        assert (prompt[0] < 100) == (prompt[-1] < 100)


def test_prompts_are_shorter_where_all_trajectories_are():
    assert [len(prompt) for prompt in draw_prompts([np.arange(5)], 3, n_steps=64, stride=2, seed=1)] == [3, 3, 3]


def test_rollouts_start_in_equilibrium_whatever_the_trajectories_were_started_from():
    # all started in state 0 and short; 4,000 prompts: 0.8 % of error, five of them allowed
    dtrajs = [d for d in simulate(THREE_STATES, 2000, 30, seed=1) if d[0] == 0]
    exact = stationary(THREE_STATES)
    assert np.mean(np.concatenate(dtrajs) == 0) > exact[0] + 0.2
    prompts = draw_prompts(dtrajs, 4000, 5, 1, seed=2, equilibrium=exact)
    ends = np.bincount([prompt[-1] for prompt in prompts], minlength=3) / 4000
    assert ends == pytest.approx(exact, abs=0.04)


def test_no_prompt_where_equilibrium_is_elsewhere():
    with pytest.raises(DataError, match="No prompt can be drawn"):
        draw_prompts([np.zeros(10, dtype=int)], 1, 5, 1, seed=1, equilibrium=np.array([0.0, 1.0]))


def test_a_rollout_has_the_size_asked_for_and_repeats_with_its_seed():
    dtrajs = simulate(THREE_STATES, 3, 500, seed=3)
    first, again, other = (roll_out(ExactChain(THREE_STATES), dtrajs, 7, 40, seed) for seed in (5, 5, 6))
    assert [len(d) for d in first.dtrajs] == [40] * 7 and first.n_tokens == 280 and first.lagtime == 1
    assert {d.dtype for d in first.dtrajs} == {np.dtype(np.int32)}  # half the memory of many millions
    assert np.array_equal(first.dtrajs, again.dtrajs) and not np.array_equal(first.dtrajs, other.dtrajs)
    assert roll_out(MarkovModel(lagtime=4).fit(dtrajs), dtrajs, 2, 10, 1).lagtime == 4


class InPieces(ExactChain):
    """Takes a thousand tokens at a time, and can be made to stop."""

    samples_in_pieces, n_calls, last_call = True, 0, None

    def sample(self, prompts, n_steps, seed):
        if self.n_calls == self.last_call:
            raise KeyboardInterrupt
        self.n_calls += 1
        self.longest = max(map(len, prompts))
        return super().sample(prompts, n_steps, seed)


def test_a_rollout_that_was_killed_goes_on_after_its_last_piece(tmp_path, monkeypatch):
    monkeypatch.setattr("mdtok.models.rollout._TOKENS_OF_A_PIECE", 1000)
    dtrajs = simulate(THREE_STATES, 3, 500, seed=3)
    at_once, killed, again = (InPieces(THREE_STATES) for _ in range(3))
    expected = roll_out(at_once, dtrajs, 10, 450, 5, pieces_folder=tmp_path / "whole")
    assert at_once.n_calls == 5 and at_once.longest == 64 + 400  # each piece knows all that was before
    killed.last_call = 3
    with pytest.raises(KeyboardInterrupt):
        roll_out(killed, dtrajs, 10, 450, 5, pieces_folder=tmp_path / "pieces")
    made = roll_out(again, dtrajs, 10, 450, 5, pieces_folder=tmp_path / "pieces")
    assert again.n_calls == 2 and [len(d) for d in made.dtrajs] == [450] * 10
    assert all(np.array_equal(a, b) for a, b in zip(made.dtrajs, expected.dtrajs))


def test_pieces_have_the_kinetics_of_the_model(monkeypatch):
    """Crossings out of state 0, 2 in 100 steps: about 1,300 of 66,000; four deviations are 0.0022."""
    monkeypatch.setattr("mdtok.models.rollout._TOKENS_OF_A_PIECE", 1000)
    rollout = roll_out(InPieces(THREE_STATES), simulate(THREE_STATES, 3, 500, seed=3), 20, 8000, 9)
    chains = np.array(rollout.dtrajs)
    assert (chains[:, 1:] != 0)[chains[:, :-1] == 0].mean() == pytest.approx(0.02, abs=0.0022)
