"""What is held out is held out: leaks are found, chance and repetition are none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdtok.errors import DataError
from mdtok.tokens import check_held_out


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
    assert process.returncode == 2 and "word for word" in process.stderr
    assert not (tmp_path / "run" / "models").exists()
