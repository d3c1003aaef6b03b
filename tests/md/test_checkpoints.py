"""A damaged checkpoint is never taken for a sound one: the run goes on from another, to the same end, or stops."""

import json
import shutil

import numpy as np
import pytest

from mdtok.errors import RunFolderError
from mdtok.md import load_system, run_simulation
from mdtok.md.checkpoints import NEWEST, PORTABLE, PREVIOUS, find_checkpoints

QUIET = {"platform": "Reference", "progress": False, "frame_interval_steps": 50, "checkpoint_interval_steps": 100}


@pytest.fixture(scope="module")
def alanine():
    return load_system("alanine_dipeptide", solvent="vacuum")


@pytest.fixture(scope="module")
def runs(alanine, tmp_path_factory):
    """One run of 300 steps, one of 500, and one of another seed."""
    folder = tmp_path_factory.mktemp("runs")
    for name, steps, seed in (("half", 300, 5), ("whole", 500, 5), ("other", 300, 6)):
        run_simulation(alanine, steps, out=folder / name, seed=seed, **QUIET)
    return folder


def damage(path, kind, rng, other):
    content = bytearray(path.read_bytes())
    if kind == "empty":
        content = bytearray()
    elif kind == "cut":
        content = content[: int(rng.integers(1, len(content)))]
    elif kind == "flipped":
        content[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
    elif kind == "zeros":
        at = int(rng.integers(len(content) - 64))
        content[at : at + 64] = bytes(64)
    elif kind == "swapped":
        content = bytearray(other.read_bytes())
    path.write_bytes(content)


@pytest.mark.parametrize("kind", ["empty", "cut", "flipped", "zeros", "swapped"])
@pytest.mark.parametrize("name", [NEWEST, PORTABLE, PREVIOUS])
def test_damage_is_seen_wherever_it_is(runs, tmp_path, kind, name):
    settings, rng = json.loads((runs / "half" / "settings.json").read_text(encoding="utf-8")), np.random.default_rng(0)
    sound = (runs / "half" / name).read_bytes()
    for _ in range(20):
        folder = tmp_path / "run"
        shutil.copytree(runs / "half", folder)
        damage(folder / name, kind, rng, runs / "other" / name)
        if (folder / name).read_bytes() != sound:
            assert name not in {one.path.name for one in find_checkpoints(folder, settings)}
        shutil.rmtree(folder)


@pytest.mark.parametrize("damaged", [[NEWEST], [NEWEST, PORTABLE], [PREVIOUS, PORTABLE]])
def test_the_run_goes_on_from_what_is_sound_to_the_same_end(alanine, runs, tmp_path, caplog, damaged):
    folder = tmp_path / "run"
    shutil.copytree(runs / "half", folder)
    for name in damaged:
        damage(folder / name, "cut", np.random.default_rng(1), None)
    run_simulation(alanine, 500, out=folder, seed=5, **QUIET)
    assert damaged[0] in caplog.text and "is damaged" in caplog.text
    one, other = ((where / "trajectory.xtc").read_bytes() for where in (folder, runs / "whole"))
    assert len(one) == len(other)
    if damaged != [NEWEST]:  # the portable state carries no random numbers of Reference
        assert one == other


def test_where_none_is_sound_the_run_stops(alanine, runs, tmp_path):
    shutil.copytree(runs / "half", tmp_path / "run")
    for name in (NEWEST, PORTABLE, PREVIOUS):
        damage(tmp_path / "run" / name, "zeros", np.random.default_rng(2), None)
    with pytest.raises(RunFolderError, match="are damaged, or of another run, and no other checkpoint is there"):
        run_simulation(alanine, 500, out=tmp_path / "run", seed=5, **QUIET)


def test_runs_of_earlier_versions_go_on(alanine, runs, tmp_path):
    """They had neither the line nor the hash, nor a checkpoint before."""
    folder = tmp_path / "run"
    shutil.copytree(runs / "half", folder)
    (folder / PREVIOUS).unlink()
    (folder / NEWEST).write_bytes((folder / NEWEST).read_bytes().split(b"\n", 1)[1])
    (folder / PORTABLE).write_bytes((folder / PORTABLE).read_bytes().split(b"<!-- mdtok")[0])
    run_simulation(alanine, 500, out=folder, seed=5, **QUIET)
    assert (folder / "trajectory.xtc").read_bytes() == (runs / "whole" / "trajectory.xtc").read_bytes()


def test_what_a_kill_left_is_removed(alanine, runs, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(runs / "half", folder)
    left = [folder / f"{name}{end}" for name in (NEWEST, PORTABLE) for end in (".partial", ".partial.0.tmp")]
    for path in left:
        path.write_bytes(b"half of it")
    run_simulation(alanine, 500, out=folder, seed=5, **QUIET)
    assert not any(path.exists() for path in left)
