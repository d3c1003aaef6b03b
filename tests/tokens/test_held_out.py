"""What is held out is held out: leaks are found, chance and repetition are none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdtok.errors import DataError
from mdtok.tokens import check_held_out, check_no_overlap


def persistent(seed, n_frames=20_000, n_states=4, leave=0.05):
    rng = np.random.default_rng(seed)
    return np.cumsum((rng.random(n_frames) < leave) * rng.integers(1, n_states, n_frames)) % n_states


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(3, 200), st.sampled_from([0.02, 0.05, 1.0]), st.integers(0, 8000))
def test_a_piece_of_training_data_is_found_wherever_it_stands(seed, n_states, leave, start):
    train, test = persistent(seed, 30_000, n_states, leave), persistent(seed + 1, 20_000, n_states, leave)
    check_held_out([train], [test])
    test[4000:16_000] = train[start : start + 12_000]
    with pytest.raises(DataError, match="word for word"):
        check_held_out([train[:5], train], [persistent(seed + 2, 500), test])


def test_what_repeats_itself_is_no_leak():
    check_held_out([np.tile([0, 0, 1, 1], 1000)], [np.tile([0, 0, 1, 1], 500)])
    check_held_out([np.zeros(5000, dtype=int)], [np.zeros(5000, dtype=int)])


def test_a_file_given_twice_is_said_before_training(run_protocol, tmp_path):
    for name, seed in (("a", 1), ("b", 2)):
        np.save(tmp_path / f"{name}.npy", persistent(seed))
    process = run_protocol(
        "analyze_tokens",
        "--train",
        tmp_path / "a.npy",
        tmp_path / "b.npy",
        "--test",
        tmp_path / "b.npy",
        "--dt-ps",
        1,
        "--models",
        "msm",
        "--out",
        tmp_path / "run",
        "--no-progress",
    )
    assert process.returncode == 2 and "b.npy is in --train and in --test" in process.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("leave", [0.5, 0.05, 0.005])
def test_copies_of_few_jumps_are_found_and_independent_ones_are_not(leave):
    """Two states: their order is always the same, and only the lengths of the visits tell. False alarms: 1e-6."""
    for seed in range(30):
        given_, other = (persistent(2 * seed + k, 5000, 2, leave) for k in (0, 1))
        check_no_overlap([given_, other], ["a", "b"])
        with pytest.raises(DataError, match="c and a share frames: 1?[0-9]* to"):
            check_no_overlap([given_, other, given_[700:4700]], ["a", "b", "c"])


def test_three_copies_are_no_less_found_than_two():
    tokens = persistent(3, 5000, 2, 0.01)
    with pytest.raises(DataError, match="b and a share frames"):
        check_no_overlap([tokens, tokens.copy(), tokens.copy(), tokens.copy()], list("abcd"))


def test_overlapping_features_are_named_by_their_files():
    arrays = [np.random.default_rng(seed).normal(size=(500, 2)).astype(np.float32) for seed in range(3)]
    check_no_overlap(arrays, ["a.npy", "b.npy", "c.npy"])
    arrays[2][100:200] = arrays[0][300:400]
    with pytest.raises(DataError, match=r"c\.npy and a\.npy share frames: 100 to 199 of the one are 300 to 399"):
        check_no_overlap(arrays, ["a.npy", "b.npy", "c.npy"])


def test_a_slow_coordinate_of_few_digits_is_no_leak():
    """Walks that pass the same rounded values one after another are not copies."""
    walks = [np.round(np.random.default_rng(k).normal(size=(20_000, 1)).cumsum(axis=0) * 0.01, 2) for k in range(6)]
    check_no_overlap(walks, list("abcdef"))
