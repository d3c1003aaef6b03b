"""Core sets, running means, short visits: closed values and properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdtok.errors import DataError, SettingsError
from mdtok.tokens import core_states, nearest_value, running_mean, without_short_visits

CENTRES = np.array([[2.0, -1.0], [0.5, 2.0], [-0.5, -2.0], [-2.0, 1.0]])


def test_a_core_is_left_only_for_another_core():
    way = np.array(
        [[0.0, 0.0], [2.1, -1.0], [1.2, -1.0], [2.0, -0.5], [0.5, 0.0], [0.5, 1.5], [2.0, -1.61], [2.0, -1.59]]
    )
    assert core_states(way, CENTRES, 0.6).tolist() == [-1, 0, 0, 0, 0, 1, 1, 0]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 6))
def test_no_visit_but_the_first_and_the_last_is_shorter_than_the_commit_time(dtraj, n_frames):
    committed = without_short_visits(dtraj, n_frames)
    assert len(committed) == len(dtraj) and committed[0] == dtraj[0]
    starts = np.concatenate([[0], np.flatnonzero(np.diff(committed)) + 1, [len(dtraj)]])
    assert all(length >= n_frames for length in np.diff(starts)[1:])
    if n_frames == 1:
        assert committed.tolist() == dtraj
    # what is committed is what was there: every new state begins with a visit of it
    for start in starts[1:-1]:
        assert (np.asarray(dtraj[start : start + n_frames]) == committed[start]).all()


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=40), st.integers(1, 40))
def test_a_running_mean_is_the_mean_of_the_frames_so_far(values, n_frames):
    n_frames = min(n_frames, len(values))
    expected = [np.mean(values[k - n_frames + 1 : k + 1]) for k in range(n_frames - 1, len(values))]
    assert np.allclose(running_mean(values, n_frames), expected, atol=1e-9)


def test_nearest_levels():
    assert nearest_value([2.4, 1.3, 0.1, -0.4, -1.2, -1.3, -9.0], [2.0, 0.5, -0.5, -2.0]).tolist() == [
        0,
        0,
        1,
        2,
        2,
        3,
        3,
    ]


def test_bad_input_is_one_line():
    for make, error, words in (
        (lambda: core_states(np.zeros((3, 3)), CENTRES, 0.6), DataError, "3 coordinates"),
        (lambda: core_states(np.zeros((3, 2)), CENTRES, 1.5), SettingsError, "radius is 1.5"),
        (lambda: running_mean([1.0, 2.0], 3), SettingsError, "1 to 2"),
        (lambda: without_short_visits([0, 1], 0), SettingsError, "at least 1"),
    ):
        with pytest.raises(error, match=words) as caught:
            make()
        assert "\n" not in str(caught.value)
