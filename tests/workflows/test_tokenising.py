"""Splits, blocks, lags: what stages decide from lengths alone, before anything is computed; and the order of
replicas."""

from itertools import chain
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdtok.errors import DataError, RunFolderError
from mdtok.workflows.simulation import replica_folders
from mdtok.workflows.tokenising import FEW_TRAJECTORIES, check_lag, cut_if_few, long_enough, split_in_three


def settings(**changes):
    return SimpleNamespace(
        **{"test_fraction": 0.25, "validation_fraction": 0.15, "seed": 3, "lagtime": 5, "lagtimes": [], **changes}
    )


@given(n=st.integers(3, 200), test=st.floats(0.05, 0.6), validation=st.floats(0.05, 0.35), seed=st.integers(0, 99))
def test_every_trajectory_is_in_one_part_and_no_part_is_empty(n, test, validation, seed):
    split = split_in_three([7] * n, settings(test_fraction=test, validation_fraction=validation, seed=seed))
    assert sorted(chain.from_iterable(split.values())) == list(range(n))
    assert all(split.values())
    assert split == split_in_three([7] * n, settings(test_fraction=test, validation_fraction=validation, seed=seed))


@pytest.mark.parametrize("n", [1, 2])
def test_fewer_than_three_trajectories_cannot_be_split(n):
    with pytest.raises(DataError):
        split_in_three([7] * n, settings())


@given(lengths=st.lists(st.integers(40, 300), min_size=1, max_size=12), n_blocks=st.integers(1, 20))
def test_blocks_are_the_trajectories_put_in_a_row(lengths, n_blocks):
    trajectories = [np.arange(n) for n in lengths]
    blocks = cut_if_few(trajectories, n_blocks)
    np.testing.assert_array_equal(np.concatenate(blocks), np.concatenate(trajectories))
    if len(lengths) >= FEW_TRAJECTORIES:
        assert (len(blocks) > len(lengths)) == (max(lengths) > 3 * np.mean(lengths))
    else:
        assert len(blocks) >= n_blocks


def test_short_trajectories_among_long_ones_are_left_whole():
    assert sorted(map(len, cut_if_few([np.zeros(1000), np.zeros(15)], 10)))[:2] == [15, 100]


@given(
    lengths=st.lists(st.integers(20, 60), min_size=8, max_size=30),
    long=st.integers(500, 50_000),
    seed=st.integers(0, 99),
)
def test_parts_have_their_shares_of_the_frames(lengths, long, seed):
    """One trajectory far longer than the rest: a split by trajectories would give it to one part."""
    blocks = cut_if_few([np.zeros(n) for n in [*lengths, long]], 20)
    frames = [len(block) for block in blocks]
    split = split_in_three(frames, settings(seed=seed))
    share = {part: sum(frames[k] for k in members) / sum(frames) for part, members in split.items()}
    assert share["test"] == pytest.approx(0.25, abs=0.11) and share["validation"] == pytest.approx(0.15, abs=0.11)


def test_a_split_that_cannot_have_its_shares_is_refused():
    with pytest.raises(DataError, match=r"% of the frames, .* asked for: the lengths are too different \(5 to 900\)"):
        split_in_three([5] * 9 + [900], settings(test_fraction=0.25))


@pytest.mark.parametrize("lags", [{"lagtime": 40}, {"lagtimes": [1, 2, 40]}])
def test_a_lag_that_test_trajectories_are_too_short_for_is_refused(lags):
    check_lag(settings(**lags), [10, 41])
    with pytest.raises(DataError, match="lag time of 40 .* longest test trajectory \\(40 tokens\\)"):
        check_lag(settings(**lags), [10, 40])


def test_short_trajectories_are_left_out_and_said(caplog):
    kept = long_enough([np.zeros(3), np.zeros(6)], lagtime=5)
    assert [len(dtraj) for dtraj in kept] == [6]
    assert "1 of 2 trajectories are not longer than the lag of 5" in caplog.text
    with pytest.raises(DataError, match="longest has 3 frames"):
        long_enough([np.zeros(3)], lagtime=5)


def test_replicas_come_in_the_order_of_their_numbers(tmp_path):
    for number in (1000, 101, 2, 0):
        (tmp_path / f"replica_{number:03d}").mkdir()
    (tmp_path / "replica_old").mkdir()
    assert [path.name for path in replica_folders(tmp_path)] == [
        "replica_000",
        "replica_002",
        "replica_101",
        "replica_1000",
    ]
    with pytest.raises(RunFolderError, match="no replicas"):
        replica_folders(tmp_path / "replica_old")
