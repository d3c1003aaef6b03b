"""Discrete trajectories: checked, read, relabelled, split."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdtok.errors import DataError, SettingsError
from mdtok.tokens import load_dtrajs, relabel, split_time_blocks, split_trajectories
from mdtok.tokens.dtrajs import as_dtrajs, count_states, draw_trajectories, split_indices

dtraj_lists = st.lists(st.lists(st.integers(-5, 9), min_size=1, max_size=20), min_size=1, max_size=4)


@pytest.mark.parametrize(
    "given_",
    [
        [0, 1, 2],
        (0, 1, 2),
        np.array([0, 1, 2]),
        np.array([0, 1, 2], dtype=np.uint8),
        [[0, 1, 2]],
        [np.array([0, 1, 2])],
        [np.array([0.0, 1.0, 2.0])],
        np.array([[0, 1, 2]]),
    ],
)
def test_one_trajectory_in_any_form(given_):
    checked = as_dtrajs(given_)
    assert len(checked) == 1 and checked[0].dtype == np.int64
    assert checked[0].tolist() == [0, 1, 2]


def test_rows_of_a_matrix_are_trajectories():
    assert [d.tolist() for d in as_dtrajs(np.array([[0, 1], [2, 3]]))] == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    "wrong, message",
    [
        ([], "No discrete trajectory"),
        ([np.zeros((2, 2), int)], r"shape \(2, 2\)"),
        ([np.array([0, 1]), np.array([])], "trajectory 1 has 0 frames"),
        ([[0, 1.5]], "not whole numbers"),
        ([[0, np.nan]], "not whole numbers"),
        ([[0, -2]], "token -2; tokens start at 0"),
        ([[0, 4]], r"token 4; 0 \.\. 3 were expected"),
        ([["a", "b"]], "not whole numbers"),
    ],
)
def test_bad_tokens(wrong, message):
    with pytest.raises(DataError, match=message):
        as_dtrajs(wrong, n_states=4)


def test_count_states_over_groups():
    assert count_states([[0, 1]], [[5, 2], [0]]) == 6


@pytest.mark.parametrize("suffix", [".npy", ".txt"])
def test_files_come_back(tmp_path, suffix):
    path = tmp_path / f"tokens{suffix}"
    dtraj = np.array([3, 1, 4, 1, 5])
    np.save(path, dtraj) if suffix == ".npy" else np.savetxt(path, dtraj, fmt="%d", header="tokens")
    assert (
        [d.tolist() for d in load_dtrajs([path])] == [d.tolist() for d in load_dtrajs(str(path))] == [[3, 1, 4, 1, 5]]
    )
    assert [d.tolist() for d in load_dtrajs(str(tmp_path / "tok*"))] == [[3, 1, 4, 1, 5]]


def test_blank_lines_stand_between_trajectories(tmp_path):
    (tmp_path / "a.txt").write_text("\n0\n1\n\n\n2\n2\n3\n\n", encoding="utf-8")
    assert [d.tolist() for d in load_dtrajs(tmp_path / "a.txt")] == [[0, 1], [2, 2, 3]]
    (tmp_path / "b.txt").write_text("0\n\n1\n\n1\n", encoding="utf-8")  # every other line is blank
    assert [d.tolist() for d in load_dtrajs(tmp_path / "b.txt")] == [[0, 1, 1]]


def test_an_archive_holds_a_trajectory_an_array(tmp_path):
    np.savez(tmp_path / "a.npz", arr_0=np.array([0, 1]), arr_1=np.array([1.0, 2.0, -1.0]))
    assert [d.tolist() for d in load_dtrajs(tmp_path / "a.npz")] == [[0, 1], [1, 2, -1]]


@pytest.mark.parametrize(
    "text", ["1_0\n2\n", "０\n１\n", "0x1\n", "1\x00\n", "1;2\n", "1e3\n", "99999999999\n", "-3\n1\n"]
)
def test_what_only_looks_like_tokens_is_refused(tmp_path, text):
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.txt"):
        load_dtrajs(tmp_path / "a.txt")


def test_text_that_numpy_wrote_is_read(tmp_path):
    np.savetxt(tmp_path / "a.txt", np.array([0, 12, -1, 345]))  # as 1.200000000000000000e+01
    assert load_dtrajs(tmp_path / "a.txt")[0].tolist() == [0, 12, -1, 345]


@pytest.mark.parametrize("text", ["3 1 4 1\n", "3\n1\n4\n1\n", "# frames\n@ xmgrace\n3\n1\n4\n1\n"])
def test_text_layouts(tmp_path, text):
    (tmp_path / "t.txt").write_text(text)
    assert load_dtrajs(tmp_path / "t.txt")[0].tolist() == [3, 1, 4, 1]


def test_one_frame_is_a_trajectory(tmp_path):
    np.save(tmp_path / "one.npy", np.array([[7]]))
    (tmp_path / "one.txt").write_text("7\n")
    assert [d.tolist() for d in load_dtrajs([tmp_path / "one.npy", tmp_path / "one.txt"])] == [[7], [7]]


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "holds no token"),
        ("one two\n", "not whole numbers"),
        ("0.5\n1.5\n", "not whole numbers"),
        ("nan\n1\n", "not whole numbers"),
        ("0 1\n2 3\n", r"shape \(2, 2\)"),
        ("0 1\n2\n", r"shape \(2, 2\)"),
    ],
)
def test_text_that_is_no_dtraj(tmp_path, text, message):
    (tmp_path / "bad.txt").write_text(text)
    with pytest.raises(DataError, match=rf"bad\.txt .*({message})"):
        load_dtrajs(tmp_path / "bad.txt")


def test_bad_files(tmp_path):
    with pytest.raises(DataError, match=r"none\.npy is not a file"):
        load_dtrajs(tmp_path / "none.npy")
    np.save(tmp_path / "objects.npy", np.array([0, None]), allow_pickle=True)
    with pytest.raises(DataError, match=r"objects\.npy cannot be read as a \.npy array"):
        load_dtrajs(tmp_path / "objects.npy")
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "empty.npy").touch()
    np.save(tmp_path / "words.npy", np.array(["a", "b"]))
    for name in ("broken", "empty", "words"):
        with pytest.raises(DataError, match=name):
            load_dtrajs(tmp_path / f"{name}.npy")
    (tmp_path / "binary.txt").write_bytes(bytes(range(128, 256)))
    with pytest.raises(DataError, match=r"binary\.txt"):
        load_dtrajs(tmp_path / "binary.txt")


@given(dtraj_lists, dtraj_lists)
def test_relabel_keeps_order_and_can_be_undone(first, second):
    groups, labels = relabel(first, second)
    assert np.all(np.diff(labels) > 0)
    used = np.concatenate([dtraj for group in groups for dtraj in group])
    assert sorted(set(used)) == list(range(len(labels)))
    for group, original in zip(groups, (first, second)):
        assert [labels[dtraj].tolist() for dtraj in group] == original


@given(st.integers(2, 30), st.floats(0.01, 0.99), st.integers(0, 5))
def test_split_is_a_partition(n, fraction, seed):
    train, test = split_trajectories(list(range(n)), fraction, seed)
    assert sorted(train + test) == list(range(n))
    assert train and test
    assert abs(len(test) - fraction * n) <= 1
    assert (train, test) == split_indices(n, fraction, seed)


def test_split_depends_on_the_seed_only():
    splits = {tuple(split_indices(20, 0.25, seed)[1]) for seed in range(5)}
    assert len(splits) > 1
    assert split_indices(20, 0.25, 3) == split_indices(20, 0.25, 3)


def test_splits_that_make_no_sense():
    with pytest.raises(DataError, match="split_time_blocks"):
        split_trajectories([[0, 1]])
    for fraction in (0, 1, -0.5):
        with pytest.raises(SettingsError, match="test_fraction"):
            split_trajectories([[0], [1]], fraction)


@given(st.lists(st.integers(10, 40), min_size=1, max_size=3), st.integers(1, 5))
def test_time_blocks_keep_every_frame_in_order(lengths, n_blocks):
    trajectories = [np.arange(n) for n in lengths]
    blocks = split_time_blocks(trajectories, n_blocks)
    assert len(blocks) == n_blocks * len(lengths)
    for i, trajectory in enumerate(trajectories):
        mine = blocks[i * n_blocks : (i + 1) * n_blocks]
        np.testing.assert_array_equal(np.concatenate(mine), trajectory)
        assert max(map(len, mine)) - min(map(len, mine)) <= 1


def test_time_blocks_that_are_too_short():
    with pytest.raises(DataError, match="7 frames cannot be cut into 4 blocks"):
        split_time_blocks([np.arange(7), np.arange(100)], 4)
    with pytest.raises(DataError):
        split_time_blocks([np.arange(7)], 0)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.integers(1, 300), st.integers(1, 3), st.integers(0, 5))
def test_trajectories_are_drawn_whole_and_fit(lengths, most_frames, at_least, seed):
    chosen = draw_trajectories([np.zeros(n) for n in lengths], most_frames, seed, at_least)
    assert chosen == sorted(set(chosen)) and len(chosen) >= min(at_least, len(lengths))
    assert len(chosen) <= at_least or sum(lengths[k] for k in chosen) <= most_frames
    if sum(lengths) <= most_frames:
        assert chosen == list(range(len(lengths)))
