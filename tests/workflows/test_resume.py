"""Killed with SIGKILL in the middle and started again: the same frames, the same weights, a report."""

import json
import signal
import subprocess
import sys
import time

import mdtraj
import numpy as np
import pytest
from chains import THREE_STATES, simulate
from conftest import ROOT


def kill_when(condition, name, *arguments, timeout=120):
    """Start a script, kill it as soon as `condition` holds; it must not have ended by itself."""
    command = [sys.executable, str(ROOT / "protocols" / f"{name}.py"), *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + timeout
    try:
        while not condition():
            assert process.poll() is None, "the script ended before it could be killed"
            assert time.monotonic() < deadline, "the script never came to the point where it was to be killed"
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        status = process.wait()
    assert status == -signal.SIGKILL


@pytest.mark.slow  # a whole run; tests/md kills simulations themselves
def test_simulation_killed_in_the_middle(run_protocol, tmp_path):
    out = tmp_path / "run"
    arguments = [
        "--n-replicas",
        8,
        "--length-ns",
        0.3,
        "--n-states",
        10,
        "--n-macrostates",
        0,
        "--models",
        "msm",
        "--out",
        out,
        "--no-progress",
        "--lagtime",
        5,
        "--seed",
        0,
    ]
    last = out / "md" / "replica_005" / "trajectory.xtc"
    kill_when(lambda: last.exists() and last.stat().st_size > 20_000, "run_alanine", *arguments)
    assert not (out / "report").exists()
    process = run_protocol("run_alanine", *arguments)
    assert process.returncode == 0, process.stderr[-2000:]
    for folder in sorted((out / "md").iterdir()):
        traj = mdtraj.load(str(folder / "trajectory.xtc"), top=str(folder / "topology.pdb"))
        assert traj.n_frames == 1500
        assert np.allclose(traj.time, 0.2 * np.arange(1, 1501), atol=1e-3)
    assert (out / "report" / "report.html").exists()


@pytest.mark.slow  # a script killed and ended twice; tests/models/networks/test_training.py kills training itself
def test_training_killed_in_the_middle(run_protocol, tmp_path):
    out = tmp_path / "run"
    for k, chain in enumerate(simulate(THREE_STATES, 8, 3000, seed=9)):
        np.save(tmp_path / f"{k}.npy", chain)
    arguments = [
        "--train",
        *(tmp_path / f"{k}.npy" for k in range(8)),
        "--dt-ps",
        1,
        "--models",
        "msm,nanogpt-tiny",
        "--training-steps",
        400,
        "--no-progress",
    ]
    checkpoints = out / "models" / "nanogpt-tiny.checkpoints"
    kill_when(lambda: any(checkpoints.glob("step_*")), "analyze_tokens", *arguments, "--out", out)
    assert not (out / "models" / "nanogpt-tiny").exists()
    process = run_protocol("analyze_tokens", *arguments, "--out", out)
    assert process.returncode == 0, process.stderr[-2000:]
    assert (out / "report" / "report.html").exists()
    for stage in ("tokenize", "train"):
        process = run_protocol("analyze_tokens", *arguments, "--out", tmp_path / "uninterrupted", "--stage", stage)
        assert process.returncode == 0, process.stderr[-2000:]
    weights = [folder / "models" / "nanogpt-tiny" / "model.safetensors" for folder in (out, tmp_path / "uninterrupted")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert not checkpoints.exists()


@pytest.mark.slow  # two whole runs
def test_stages_one_by_one_reach_the_same_report(run_protocol, tmp_path):
    np.save(tmp_path / "tokens.npy", np.concatenate(simulate(THREE_STATES, 1, 8000, seed=5)))
    command = ("analyze_tokens", "--train", tmp_path / "tokens.npy", "--dt-ps", 1, "--models", "msm,order2")
    for stage in ("tokenize", "train", "rollout", "score"):
        process = run_protocol(*command, "--out", tmp_path / "run", "--no-progress", "--stage", stage)
        assert process.returncode == 0, process.stderr[-2000:]
        assert (tmp_path / "run" / "report" / "report.html").exists() == (stage == "score")
    at_once = run_protocol(*command, "--out", tmp_path / "at_once", "--no-progress")
    assert at_once.returncode == 0, at_once.stderr[-2000:]
    assert _rows(tmp_path / "run") == _rows(tmp_path / "at_once")


def _rows(out):
    """Rows of the scorecard as text, without how quick the machine was."""
    rows = json.loads((out / "report" / "scorecard.json").read_text(encoding="utf-8"))["models"]
    times = ("train_seconds", "sample_tokens_per_second")
    return json.dumps({name: {k: v for k, v in row.items() if k not in times} for name, row in rows.items()})
