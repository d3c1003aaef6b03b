"""MD that stands as a model is worth its own length; a wrong model is worth little, a perfect one all there is."""

import numpy as np
import pytest
from chains import THREE_STATES, simulate

from mdtok.kinetics.estimation.counts import Protocol
from mdtok.kinetics.scoring.equivalent_time import ALL, Yardstick, cut_piece

PROTOCOL = Protocol(np.arange(3), [5], 5, 3, 2)


@pytest.fixture(scope="module")
def stick():
    md = simulate(THREE_STATES, 20, 2500, seed=1)
    return Yardstick.of(md, md, PROTOCOL, n_splits=50, seed=2)


def test_error_falls_with_length(stick):
    typical = np.median(stick.errors[ALL], axis=1)
    assert (typical[:-1] > 0.9 * typical[1:]).all() and typical[0] > 5 * typical[-1]


def test_md_is_worth_its_own_length(stick):
    # each interval holds it with 95 %: three misses or more of twelve have probability 2 %
    found = [stick.equivalent(simulate(THREE_STATES, 1, 2500, seed))[ALL] for seed in range(10, 22)]
    assert sum(float(f.low) <= 2500 <= float(f.high) for f in found) >= 10


def test_a_perfect_model_is_worth_all_there_is_and_a_wrong_one_little(stick):
    perfect = stick.equivalent(simulate(THREE_STATES, 40, 2500, seed=5))[ALL]
    assert np.isinf(perfect.high) and perfect.low > 5000
    hasty = stick.equivalent(simulate(np.linalg.matrix_power(THREE_STATES, 3), 40, 2500, seed=6))[ALL]
    assert hasty.high < 5000 and hasty.value < 2000


def test_what_stands_still_is_worth_less_than_the_shortest_piece(stick):
    still = stick.equivalent([np.zeros(500, dtype=int)])[ALL]
    assert still.low == 0 and 0 < still.high < 1000


def test_md_without_kinetics_cannot_tell():
    md = [np.zeros(500, dtype=int)] * 9 + [np.array([0] * 250 + [1] * 250)]
    found = Yardstick.of(md, md, Protocol(np.arange(2), [5], 5, 2, 1), n_splits=20).equivalent(md)
    assert np.isnan(found["mfpt_ps"].value) and np.isnan(found["timescales_ps"].value)


def test_pieces_have_their_length_and_are_in_a_row():
    dtrajs = [np.arange(100), 1000 + np.arange(50)]
    rng = np.random.default_rng(0)
    for n_frames in (1, 30, 100, 120, 150):
        piece = cut_piece(dtrajs, n_frames, rng)
        assert sum(map(len, piece)) == n_frames
        assert all((np.diff(part) == 1).all() for part in piece)
