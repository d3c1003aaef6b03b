"""Feature arrays: checked, and angles put on the circle."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mdtok.errors import DataError
from mdtok.features import as_features, encode_periodic
from mdtok.features.arrays import first_not_finite
from mdtok.models.trajectory_model import as_trajectories
from mdtok.tokens.dtrajs import as_dtrajs


@pytest.mark.parametrize(
    "given_",
    [[0.0, 1.0], np.array([0.0, 1.0]), np.array([[0.0], [1.0]]), [np.array([0.0, 1.0])], np.array([0, 1]), [[0, 1]]],
)
def test_one_column_in_any_form(given_):
    checked = as_features(given_)
    assert len(checked) == 1 and checked[0].dtype.kind == "f"
    assert checked[0].tolist() == [[0.0], [1.0]]


@pytest.mark.parametrize(
    "wrong, message",
    [
        ([], "No features were given"),
        ([np.zeros((3, 2)), np.zeros((3, 4))], "trajectory 1 have 4 columns; 2 were expected"),
        ([np.zeros((3, 2)), np.array([[0, 0], [0, np.nan]])], "trajectory 1 hold nan at frame 1, column 1"),
        ([np.array([1, np.inf])], "trajectory 0 hold inf at frame 1, column 0"),
        (np.zeros((0, 2)), r"shape \(0, 2\)"),
        (np.zeros((2, 2, 2)), r"shape \(2, 2, 2\)"),
        ([np.array(["a"])], "numbers were expected"),
    ],
)
def test_bad_features(wrong, message):
    with pytest.raises(DataError, match=message):
        as_features(wrong)


@pytest.mark.parametrize("shape", [(50,), (50, 3), (50, 3, 2)])
@pytest.mark.parametrize("chunk_numbers", [1, 7, 1000])
def test_what_is_not_finite_is_found_in_any_chunk(monkeypatch, shape, chunk_numbers):
    monkeypatch.setattr("mdtok.features.arrays.CHUNK_NUMBERS", chunk_numbers)
    array = np.zeros(shape)
    assert first_not_finite(array) is None and first_not_finite(array[:0]) is None
    array.flat[[77 % array.size, array.size - 1]] = np.nan, np.inf
    assert first_not_finite(array) == tuple(int(i) for i in np.argwhere(np.isnan(array))[0])


@given(arrays(np.float64, (5, 3), elements=st.floats(-np.pi, np.pi)), st.lists(st.booleans(), min_size=3, max_size=3))
def test_angles_can_be_read_back_from_the_circle(angles, periodic):
    (encoded,), names = encode_periodic(angles, periodic, ["a", "b", "c"])
    assert encoded.shape == (5, 3 + sum(periodic)) and len(names) == encoded.shape[1]
    columns = dict(zip(names, encoded.T))
    for name, angle, p in zip("abc", angles.T, periodic):
        if p:
            assert names.index(f"sin {name}") == names.index(f"cos {name}") + 1
            difference = np.arctan2(columns[f"sin {name}"], columns[f"cos {name}"]) - angle
            np.testing.assert_allclose(np.exp(1j * difference), 1, atol=1e-12)
        else:
            np.testing.assert_array_equal(columns[name], angle)


def test_encoding_keeps_float32_and_trajectories():
    encoded = encode_periodic([np.zeros((4, 2), np.float32), np.ones((2, 2), np.float32)], [True, True])
    assert [array.shape for array in encoded] == [(4, 4), (2, 4)]
    assert encoded[0].dtype == np.float32


def test_encoding_needs_one_entry_a_column():
    with pytest.raises(DataError, match="each of the 2 columns"):
        encode_periodic(np.zeros((3, 2)), [True])
    with pytest.raises(DataError, match="1 names were given for 2 columns"):
        encode_periodic(np.zeros((3, 2)), [True, True], ["phi"])


def test_tensors_are_taken_wherever_trajectories_are():
    tokens = torch.tensor([0, 1, 1, 0, 2] * 40)
    assert [len(dtraj) for dtraj in as_dtrajs(tokens)] == [200]
    assert [len(dtraj) for dtraj in as_dtrajs(tokens.reshape(4, 50))] == [50] * 4
    frames = torch.zeros(30, 2)
    assert [one.shape for one in as_trajectories(frames)] == [(30, 2)]
    assert [one.shape for one in as_trajectories([frames, frames])] == [(30, 2)] * 2
    with pytest.raises(DataError, match=r"shape \(9, 4, 3\)"):
        as_features(torch.zeros(9, 4, 3))
