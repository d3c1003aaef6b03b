"""Windows: each a slice of one trajectory, and every token in some window."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdtok.errors import DataError, SettingsError
from mdtok.tokens import windows


@st.composite
def cases(draw):
    lengths = draw(st.lists(st.integers(1, 40), min_size=1, max_size=5))
    length = draw(st.integers(1, 15))
    return lengths, length, draw(st.integers(1, length))


@given(cases())
def test_every_window_is_a_slice_and_every_token_is_covered(case):
    lengths, length, shift = case
    ends = np.cumsum(lengths)
    dtrajs = [np.arange(end - n, end) for n, end in zip(lengths, ends)]  # each token occurs once: it names its place
    tokens, mask = windows(dtrajs, length, shift)
    assert tokens.shape == mask.shape == (len(tokens), length)
    for row, real in zip(tokens, mask):
        piece = row[real]
        np.testing.assert_array_equal(piece, np.arange(piece[0], piece[0] + len(piece)))
        trajectory = np.searchsorted(ends, piece, side="right")
        assert len(set(trajectory)) == 1
        assert len(piece) == min(length, lengths[trajectory[0]])
        assert not np.any(np.diff(real.astype(int)) > 0)  # padding only at the end
    assert set(tokens[mask]) == set(range(ends[-1]))
    assert len({tuple(row) for row in tokens}) == len(tokens)  # none twice


def test_windows_start_every_shift_frames_and_the_last_ends_with_the_trajectory():
    tokens, mask = windows([np.arange(12)], length=5, shift=3)
    assert tokens[:, 0].tolist() == [0, 3, 6, 7]
    assert mask.all()


@pytest.mark.parametrize("length, shift", [(0, 1), (5, 0), (5, 6)])
def test_settings_that_would_lose_tokens(length, shift):
    with pytest.raises(SettingsError, match="1 <= shift <= length"):
        windows([[0, 1, 2]], length, shift)


def test_bad_tokens():
    with pytest.raises(DataError, match="at least 1"):
        windows([np.array([], dtype=int)], 3, 1)
    with pytest.raises(DataError, match="tokens start at 0"):
        windows([[0, -1]], 3, 1)
