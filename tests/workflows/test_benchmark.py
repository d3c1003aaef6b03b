"""`mdtok bench`: the same data for everyone, and one row a model."""

import dataclasses
import json

import numpy as np
import pytest
from chains import THREE_STATES, simulate
from scripts import run_command

from mdtok.errors import DataError
from mdtok.md.definition import load_definition
from mdtok.workflows.benchmark.bench import tokens_of
from mdtok.workflows.benchmark.task import hash_of, make_task
from mdtok.workflows.benchmark.tasks import TASKS

EXACT = [name for name, task in TASKS.items() if task.sha256]


@pytest.mark.parametrize("name", EXACT)
def test_a_task_is_the_same_everywhere(name, tmp_path):
    """Its hash is part of mdtok; a chain as long as this has the populations that are said to be exact."""
    task = TASKS[name]
    made, read = (make_task(name, task, tmp_path / name, progress=False) for _ in range(2))
    assert hash_of(made) == task.sha256
    assert all(np.array_equal(a, b) for part in made for a, b in zip(made[part], read[part]))
    exact = json.loads((tmp_path / name / "task.json").read_text(encoding="utf-8"))["exact"]
    counts = np.bincount(np.concatenate([d for dtrajs in made.values() for d in dtrajs]), minlength=task.n_states)
    assert exact["populations"] == pytest.approx(counts / counts.sum(), abs=0.03)
    assert sum(exact["populations"]) == pytest.approx(1.0) and exact["timescales_frames"][0] > 20


def test_tokens_of_a_potential_are_those_of_its_features(tmp_path):
    task = TASKS["four-state-v1"]
    made = make_task("four-state-v1", task, tmp_path / "task", progress=False)
    places = np.load(tmp_path / "task" / "features" / "test" / "000.npy")
    assert places.shape == (8000, 2)
    same = task.assign(places) == made["test"][0]
    assert same.all()  # cells of 0.25 nm lie whole in squares of 0.5 nm
    assert task.macrostate_names == ["A", "B", "C", "D"] and set(task.macrostates) == {0, 1, 2, 3}


def test_a_molecule_is_simulated_split_and_assigned(tmp_path):
    """Alanine as in the task, but short; what the task says of it stays."""
    task = dataclasses.replace(TASKS["alanine-v1"], split=(2, 1, 1), length_ns=0.02)
    made = make_task("alanine-v1", task, tmp_path / "task", progress=False)
    again = make_task("alanine-v1", task, tmp_path / "task", progress=False)
    assert [len(made[part]) for part in ("train", "validation", "test")] == [2, 1, 1]
    assert len(made["test"][0]) == 20 and hash_of(made) == hash_of(again)
    assert task.macrostate_names == ["alpha_R", "beta", "alpha_L", "c7ax"]
    angles = np.radians([[-60.0, -45.0], [-150.0, 155.0], [55.0, 45.0], [65.0, -65.0], [179.0, -179.0]])
    assert task.macrostates[task.assign(angles)].tolist() == [0, 1, 2, 3, 1]
    assert task.dt_ps == 1.0 and task.exact() == {}


def test_hairpins_are_tokens_of_the_protein():
    task = TASKS["fip35-v1"]
    tokens = task.assign(np.array([[0.05, 0.0], [0.95, 0.1], [0.1, 0.95], [1.0, 0.9]]))
    names = [task.macrostate_names[m] for m in task.macrostates[tokens]]
    assert names == ["unfolded", "hairpin 1", "hairpin 2", "folded"]
    assert [feature.name for feature in task.features(load_definition("fip35_calpha"))] == ["hairpin 1", "hairpin 2"]


def test_files_that_were_changed_are_refused(tmp_path):
    task = TASKS["three-state-v1"]
    make_task("three-state-v1", task, tmp_path / "three-state-v1")
    path = tmp_path / "three-state-v1" / "test" / "003.npy"
    tokens = np.load(path)
    tokens[7] = (tokens[7] + 1) % 3
    np.save(path, tokens)
    with pytest.raises(DataError, match="not those of three-state-v1"):
        make_task("three-state-v1", task, tmp_path / "three-state-v1")
    with pytest.raises(DataError, match="holds another task"):
        make_task("rare-v1", TASKS["rare-v1"], tmp_path / "three-state-v1")


def test_generated_files_get_a_row(tmp_path):
    for name, matrix, seed in (("good", THREE_STATES, 5), ("fast", np.linalg.matrix_power(THREE_STATES, 3), 6)):
        np.savez(tmp_path / f"{name}.npz", *simulate(matrix, 30, 4000, seed))
    result = run_command(
        "bench", "three-state-v1", "--models", "", "--generated", "good=good.npz", "fast=fast.npz", "--no-progress",
        cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    rows = json.loads((tmp_path / "bench" / "three-state-v1" / "rows.json").read_text(encoding="utf-8"))["rows"]
    good, fast = rows
    assert good["verdict"] != "fails" and fast["verdict"] == "fails"
    assert good["slowest_factor"] == pytest.approx(1.0, abs=0.2) and fast["slowest_factor"] < 0.5


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["three-state-v2"], "three-state-v1"),
        (["three-state-v1", "--models", "mms"], "mms"),
        (["three-state-v1", "--models", "", "--generated", "a=wrong.npy"], "a holds the token 3"),
        (["three-state-v1", "--models", "", "--generated", "a=flat.npy"], "a holds features"),
        (["muller-brown-v1", "--models", "", "--generated", "a=flat.npy"], "a has 3 columns"),
        (["alanine-v1", "--models", "", "--generated", "a=degrees.npy"], "--periodic 'column 0=degrees'"),
        (["alanine-v1", "--models", "", "--generated", "a=nowhere.npy"], "nowhere.npy"),
    ],
)
def test_mistakes_are_one_line(tmp_path, arguments, words):
    np.save(tmp_path / "wrong.npy", np.array([0, 1, 3, 2] * 10))
    np.save(tmp_path / "flat.npy", np.random.default_rng(1).normal(size=(40, 3)))
    np.save(tmp_path / "degrees.npy", np.random.default_rng(1).uniform(-180, 180, (40, 2)))
    result = run_command("bench", *arguments, "--no-progress", cwd=tmp_path)
    assert result.returncode == 2 and words in result.stderr
    assert "Traceback" not in result.stderr and not (tmp_path / "bench").exists()


def test_generated_angles_may_be_degrees(tmp_path):
    """The tokens are the same in both units, across the border too."""
    task = TASKS["alanine-v1"]
    angles = np.random.default_rng(2).uniform(-np.pi, np.pi, (500, 2))
    angles[:2] = [[3.14, -3.14], [-3.14, 3.14]]
    np.save(tmp_path / "radians.npy", angles)
    np.save(tmp_path / "degrees.npy", np.degrees(angles))
    radians = tokens_of("a", [str(tmp_path / "radians.npy")], task, [])
    degrees = tokens_of("a", [str(tmp_path / "degrees.npy")], task, ["0=degrees", "1=degrees"])
    assert np.array_equal(radians[0], degrees[0]) and np.array_equal(radians[0], task.assign(angles))
