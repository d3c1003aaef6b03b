"""Prompts of models of coordinates: pieces of training trajectories that end where they should, as often as they
should."""

from types import SimpleNamespace

import numpy as np
import pytest

from mdtok.errors import DataError
from mdtok.tokens import StateTokenizer
from mdtok.workflows.coordinate_rollouts import draw_prompts, roll_out_coordinates
from mdtok.workflows.data import FeatureData, TokenisedData
from mdtok.workflows.judged import JudgedRun

WINDOW = 10


def judged(prompts="equilibrium", frames_per_token=1, shares=(0.9, 0.1), seed=0):
    """A run of one coordinate that hops between 0 and 1; training trajectories are at 1 for the second share."""
    rng = np.random.default_rng(5)
    arrays = []
    for n_frames in (400, 300, 350):
        at_one = np.repeat(rng.random(n_frames // 10) < shares[1], 10)
        arrays.append((at_one + 0.1 * rng.normal(size=n_frames))[:, None].astype(np.float32))
    split = {"train": [0, 2], "validation": [], "test": [1]}
    features = FeatureData(arrays, ["x"], np.array([False]), split, 1.0, frames_per_token)
    tokenizer = StateTokenizer(2, 2, lagtime=1, centers=np.array([[0.0], [1.0]]))
    tokenizer.fit([array.astype(float) for array in arrays], progress=False)
    tokens = TokenisedData(tokenizer.transform(arrays), split, 1.0, tokenizer.macrostates_, ["0", "1"])
    settings = SimpleNamespace(seed=seed, window=WINDOW, prompts=prompts, lagtime=2)
    return JudgedRun(None, settings, tokens, features, tokenizer=tokenizer)


def test_a_prompt_is_a_window_of_a_training_trajectory():
    run = judged()
    training = run.features.read_by_models("train")
    starts = [np.lib.stride_tricks.sliding_window_view(array[:, 0], WINDOW) for array in training]
    for prompt in draw_prompts(run, 30, np.array([0.5, 0.5])):
        assert prompt.shape == (WINDOW, 1)
        assert any((windows == prompt[:, 0]).all(axis=1).any() for windows in starts)


def ends_at_one(prompts):
    return np.mean([prompt[-1, 0] > 0.5 for prompt in prompts])


def test_prompts_end_in_each_basin_in_turn():
    assert ends_at_one(draw_prompts(judged("basins"), 400, np.array([0.9, 0.1]))) == 0.5


def test_prompts_end_in_a_state_as_often_as_equilibrium_has_it():
    """The draw of 4000 has a standard deviation of 0.008: five of them, less than one false alarm in a million."""
    share = ends_at_one(draw_prompts(judged(), 4000, np.array([0.3, 0.7])))
    assert abs(share - 0.7) < 0.04


def test_the_same_seed_draws_the_same_prompts():
    first, again, other = (draw_prompts(judged(seed=seed), 20, np.array([0.5, 0.5])) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_basin_that_training_never_ends_in_is_said():
    run = judged("basins")
    run.features.arrays = [np.zeros_like(array) + 0.01 * (k + 1) for k, array in enumerate(run.features.arrays)]
    run.tokenizer.macrostates_ = np.array([1, 0])
    with pytest.raises(DataError, match="No prompt ends in macrostate 0"):
        draw_prompts(run, 4, np.array([0.5, 0.5]))


class Constant:
    """Goes on at one place for ever."""

    has_density = True

    def __init__(self, place):
        self.place = place

    def sample(self, prompts, n_steps, seed):
        return [np.full((n_steps, 1), self.place) for _ in prompts]


def test_chains_are_thinned_to_tokens():
    made = roll_out_coordinates(judged(frames_per_token=4), Constant(1.0), [None] * 3, n_tokens=6)
    assert [len(dtraj) for dtraj in made.tokens.dtrajs] == [6, 6, 6]
    assert len(made.example) == 24
    assert set(np.concatenate(made.tokens.dtrajs)) == {1}


def test_of_a_model_that_draws_nothing_few_chains_are_enough():
    model = Constant(0.0)
    model.has_density = False
    assert len(roll_out_coordinates(judged(), model, [None] * 500, n_tokens=5).features) == 20


def test_a_model_that_leaves_all_connected_states_has_no_kinetics():
    run = judged()
    run.tokenizer.outside_centers_ = np.array([[50.0]])
    with pytest.raises(DataError, match="no kinetics"):
        roll_out_coordinates(run, Constant(50.0), [None] * 3, n_tokens=6)
