"""Metastable sets of chains whose sets are known."""

import numpy as np
import pytest
from deeptime.markov.msm import MarkovStateModel

from mdtok.errors import DataError
from mdtok.tokens.metastable import metastable_states


def blocks(sizes, leak=0.001):
    """A reversible chain of well-mixed blocks that exchange rarely."""
    n = sum(sizes)
    weights = np.full((n, n), leak)
    start = 0
    for size in sizes:
        weights[start : start + size, start : start + size] = 1.0
        start += size
    return MarkovStateModel(weights / weights.sum(axis=1, keepdims=True), reversible=True)


def test_sets_are_the_blocks_largest_first():
    sizes = [2, 5, 3]
    assert metastable_states(blocks(sizes), 3).tolist() == [2] * 2 + [0] * 5 + [1] * 3


def test_the_number_is_found_from_the_relaxation_times():
    assert metastable_states(blocks([4, 4, 4, 4])).max() + 1 == 4
    assert metastable_states(blocks([4, 4], leak=0.5)).max() + 1 == 2  # at least two


def test_too_many_sets_are_refused_with_a_number_that_works():
    with pytest.raises(DataError, match="only 5 connected states"):
        metastable_states(blocks([2, 3]), 6)
    msm = blocks([3, 3])
    try:
        metastable_states(msm, 5)
    except DataError as error:
        possible = int(str(error).split("n_macrostates=")[1].rstrip("."))
        assert metastable_states(msm, possible).max() + 1 == possible
