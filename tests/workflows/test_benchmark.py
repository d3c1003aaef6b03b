"""`mdtok bench`: the same data for everyone, and one row a model."""

import json

import numpy as np
import pytest
from chains import THREE_STATES, simulate
from scripts import run_command

from mdtok.errors import DataError
from mdtok.workflows.benchmark import TASKS, hash_of, make_task


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_the_same_everywhere(name, tmp_path):
    assert hash_of(TASKS[name].make()) == TASKS[name].sha256
    made, read = (make_task(name, tmp_path / name) for _ in range(2))
    assert all(np.array_equal(a, b) for part in made for a, b in zip(made[part], read[part]))
    exact = json.loads((tmp_path / name / "task.json").read_text(encoding="utf-8"))["exact"]
    matrix = np.array(TASKS[name].matrix)
    assert matrix.sum(axis=1) == pytest.approx(1.0)
    assert sum(exact["populations"]) == pytest.approx(1.0) and exact["timescales_frames"][0] > 20


def test_files_that_were_changed_are_refused(tmp_path):
    make_task("three-state-v1", tmp_path / "three-state-v1")
    path = tmp_path / "three-state-v1" / "test" / "03.npy"
    tokens = np.load(path)
    tokens[7] = (tokens[7] + 1) % 3
    np.save(path, tokens)
    with pytest.raises(DataError, match="not those of three-state-v1"):
        make_task("three-state-v1", tmp_path / "three-state-v1")


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
    ],
)
def test_mistakes_are_one_line(tmp_path, arguments, words):
    np.save(tmp_path / "wrong.npy", np.array([0, 1, 3, 2] * 10))
    result = run_command("bench", *arguments, "--no-progress", cwd=tmp_path)
    assert result.returncode == 2 and words in result.stderr
