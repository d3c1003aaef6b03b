"""Stitched trajectories: every frame is an MD frame of its token, near the one before, and the files say what they
are."""

import json

import mdtraj
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peptides import beads, hairpin, noisy, rotation

import mdtok
from mdtok.errors import DataError, SettingsError
from mdtok.tokens import stitch_frames

STRUCTURE = hairpin(8)


def opening(n_frames, seed=0):
    """A hairpin whose second strand moves away, frame by frame, turned and shifted at random."""
    rng = np.random.default_rng(seed)
    xyz = np.repeat(STRUCTURE.xyz, n_frames, axis=0)
    xyz[:, 4:, 1] += 0.1 * np.arange(n_frames)[:, None]
    xyz = [frame @ rotation(rng.normal(size=3)).T + rng.normal(size=3) for frame in xyz]
    return mdtraj.Trajectory(np.array(xyz), STRUCTURE.topology, time=2.0 * np.arange(n_frames))


def stitch(folder, tokens, dtrajs, trajs, **settings):
    return stitch_frames(
        tokens, dtrajs, trajs, folder / "walk", of="test, rollout 0", **{"progress": False, **settings}
    )


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=25), st.integers(0, 99))
def test_every_frame_is_an_md_frame_of_its_token(tmp_path_factory, tokens, seed):
    trajs = [noisy(STRUCTURE, 12, seed=1), noisy(STRUCTURE, 9, seed=2)]
    dtrajs = [np.arange(12) % 3, np.array([0, 1, 2, -1, 0, 1, 2, -1, 0])]
    found = stitch(tmp_path_factory.mktemp("stitched"), tokens, dtrajs, trajs, dt_ps=1.0, n_candidates=4, seed=seed)
    assert [dtrajs[k][frame] for k, frame in found.visits] == tokens
    written = mdtraj.load(str(found.path), top=str(found.topology_path))
    for frame, (k, source) in zip(written, found.visits):
        # XTC rounds to 0.001 nm
        assert mdtraj.rmsd(frame, trajs[k][source])[0] == pytest.approx(0, abs=2e-3)


def test_the_nearest_frame_is_taken_whatever_its_orientation_and_laid_on_the_one_before(tmp_path):
    # state 0 is the hairpin; state 1 has it opened by 0.1 .. 0.9 nm: the way out is the shortest steps
    md = opening(10)
    found = stitch(tmp_path, [0, 1, 1, 1, 1], [np.array([0] + [1] * 9)], [md])
    assert found.visits[:, 1].tolist() == [0, 1, 2, 3, 4]
    written = mdtraj.load(str(found.path), top=str(found.topology_path))
    apart = [np.sqrt(np.mean(np.sum((a - b) ** 2, axis=1))) for a, b in zip(written.xyz, written.xyz[1:])]
    assert apart == pytest.approx(found.steps, abs=2e-3)  # as they stand, no superposition: that was done
    assert written.time.tolist() == [0, 2, 4, 6, 8]


def test_features_say_what_is_near(tmp_path):
    backwards = [np.arange(10.0)[::-1, None]]
    dtraj = np.array([1] * 9 + [0])
    found = stitch(tmp_path, [0, 1, 1], [dtraj], [opening(10)], features=backwards)
    assert found.visits[:, 1].tolist() == [9, 8, 7] and found.steps.tolist() == [1, 1]


def test_a_long_stay_goes_through_all_candidates_before_one_comes_again(tmp_path):
    found = stitch(tmp_path, [0] * 12, [np.zeros(6, dtype=int)], [noisy(STRUCTURE, 6)], dt_ps=1.0)
    frames = found.visits[:, 1]
    assert sorted(frames[:6]) == list(range(6)) and len(set(frames[6:11])) == 5
    assert (np.diff(frames) != 0).all()
    alone = stitch(tmp_path, [0, 0, 0], [np.array([0, 1, 1])], [noisy(STRUCTURE, 3)], dt_ps=1.0)
    assert alone.visits[:, 1].tolist() == [0, 0, 0] and alone.steps == pytest.approx([0, 0], abs=1e-3)


def test_files_on_disk_are_read_frame_by_frame_and_the_seed_repeats(tmp_path):
    STRUCTURE.save_pdb(str(tmp_path / "top.pdb"))
    for k in range(2):
        md = noisy(STRUCTURE, 30, seed=k)
        mdtraj.Trajectory(md.xyz, md.topology, time=5.0 * np.arange(30)).save_xtc(str(tmp_path / f"md{k}.xtc"))
    trajs = mdtok.open_trajectories(tmp_path / "md*.xtc", top=tmp_path / "top.pdb")
    dtrajs, tokens = [np.arange(30) % 2, np.arange(30) // 15], np.random.default_rng(0).integers(0, 2, 40)
    one, again, other = (stitch(tmp_path, tokens, dtrajs, trajs, n_candidates=5, seed=seed) for seed in (1, 1, 2))
    assert (one.visits == again.visits).all() and (one.visits != other.visits).any()
    assert len({tuple(visit) for visit in one.visits}) <= 10  # five of each state
    label = json.loads(one.label_path.read_text())
    assert label["dt_ps"] == 5.0 and label["md_trajectories"] == [str(path) for path in trajs.paths]


def test_the_files_say_that_they_are_stitched_and_from_what(tmp_path):
    found = stitch(tmp_path, [0, 1], [np.array([0, 1])], [noisy(STRUCTURE, 2)], dt_ps=3.0, seed=4)
    assert [path.name for path in (found.path, found.topology_path, found.label_path)] == [
        "walk_stitched.xtc",
        "walk_stitched.pdb",
        "walk_stitched.json",
    ]
    label = json.loads(found.label_path.read_text())
    assert "not a simulation" in label["what"] and label["of"] == "test, rollout 0"
    assert label["columns_of_frames"] == ["token", "MD trajectory", "MD frame"]
    assert label["frames"] == [[0, 0, 0], [1, 0, 1]] and label["seed"] == 4 and label["dt_ps"] == 3.0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        p.name for p in (found.path, found.topology_path, found.label_path)
    )


def test_an_interrupted_write_leaves_no_trajectory(tmp_path, monkeypatch):
    superposed = []

    def interrupt(self, *arguments, **settings):
        superposed.append(self)
        if len(superposed) == 3:
            raise KeyboardInterrupt
        return self

    monkeypatch.setattr(mdtraj.Trajectory, "superpose", interrupt)
    with pytest.raises(KeyboardInterrupt):
        stitch(tmp_path, [0] * 6, [np.zeros(6, dtype=int)], [noisy(STRUCTURE, 6)], dt_ps=1.0)
    assert all(path.suffix == ".partial" for path in tmp_path.iterdir())


MD, TOKENS = noisy(STRUCTURE, 4), np.array([0, 1, 0, 1])
BROKEN = mdtraj.Trajectory(np.where(np.arange(4)[:, None, None] == 2, np.nan, MD.xyz), MD.topology)


@pytest.mark.parametrize(
    ("tokens", "dtrajs", "trajs", "settings", "error", "message"),
    [
        ([0, 2], [TOKENS], [MD], {}, DataError, "No MD frame is in state 2"),
        (
            [0, 1],
            [TOKENS, TOKENS],
            [MD],
            {},
            DataError,
            "The trajectories do not match the MD tokens \\(1 of them, 2 of tokens\\)",
        ),
        ([0, 1], [TOKENS[:3]], [MD], {}, DataError, "4 frames in number 0, its tokens 3"),
        (
            [0, 1],
            [TOKENS],
            [MD],
            {"features": [np.zeros((3, 1))]},
            DataError,
            "The features do not match .*3 frames in number 0",
        ),
        ([0, 1], [TOKENS], [MD], {"n_candidates": 0}, SettingsError, "n_candidates is 0"),
        (
            [0, 1],
            [TOKENS],
            [MD],
            {"memory_limit_gb": 0.4},
            DataError,
            "4 candidate frames need 0.5 GB; memory_limit_gb is 0.4. Raise it",
        ),
        ([0, 1], [TOKENS], [MD], {"atoms": [0, 1]}, DataError, "2 atoms; frames are superposed on three or more"),
        ([0, 1], [TOKENS], [BROKEN], {}, DataError, "trajectory 0 hold NaN"),
        (
            [0, 1],
            [TOKENS] * 2,
            [MD, noisy(hairpin(10), 4)],
            {},
            DataError,
            "Trajectory 1 has 10 atoms, the first one 8",
        ),
        ([0], [TOKENS[:1]], [MD[0]], {"dt_ps": None}, SettingsError, "pass dt_ps="),
        ([-1, 0], [TOKENS], [MD], {}, DataError, "holds the token -1"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(tmp_path, tokens, dtrajs, trajs, settings, error, message):
    with pytest.raises(error, match=message):
        stitch(tmp_path, tokens, dtrajs, trajs, **{"dt_ps": 1.0, **settings})
    assert not list(tmp_path.iterdir())


def test_too_many_candidates_are_refused_before_a_frame_is_read_with_a_number_that_fits(tmp_path):
    class Huge:
        topology = beads(50_000)
        dt_ps = 1.0

        def __len__(self):
            return 5000

        def frames(self, indices):
            raise AssertionError("read")

    dtrajs = [np.arange(5000) % 10]
    with pytest.raises(
        DataError, match="1,000 candidate frames need 1.7 GB; memory_limit_gb is 1. Take n_candidates=41"
    ):
        stitch(tmp_path, np.arange(10), dtrajs, [Huge()], memory_limit_gb=1)
