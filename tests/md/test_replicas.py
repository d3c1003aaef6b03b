"""Replicas: independent, the same for the same seed however they are run, resumed, and cancelled when one fails."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import mdtraj
import numpy as np
import pytest

from mdtok.errors import DataError, RunFolderError, SettingsError
from mdtok.md import load_system, run_replicas
from mdtok.md.dihedral_rotation import find_backbone_dihedrals, measure_dihedral
from mdtok.md.xtc import frame_ends

ROOT = Path(__file__).parents[2]
QUIET = {"platform": "Reference", "progress": False}


@pytest.fixture(scope="module")
def alanine():
    return load_system("alanine_dipeptide")


class Sequential:
    """The least that an executor can be: it runs at once, and its futures can only give their result."""

    def submit(self, function, *arguments):
        return _Done(function(*arguments))


class _Done:
    def __init__(self, value):
        self.value = value

    def result(self):
        return self.value


def frames_of(folder):
    return [path.read_bytes() for path in sorted(Path(folder).glob("replica_*/trajectory.xtc"))]


def test_replicas_are_the_same_in_a_pool_and_one_by_one(alanine, tmp_path):
    pooled = run_replicas(alanine, 4, 0.004, seed=7, out=tmp_path / "pool", n_processes=2, **QUIET)
    run_replicas(alanine, 4, 0.004, seed=7, out=tmp_path / "line", executor=Sequential(), **QUIET)
    run_replicas(alanine, 4, 0.004, seed=8, out=tmp_path / "other", executor=Sequential(), **QUIET)
    assert frames_of(tmp_path / "pool") == frames_of(tmp_path / "line")
    assert not set(frames_of(tmp_path / "pool")) & set(frames_of(tmp_path / "other"))
    assert len(pooled) == 4 and pooled.n_frames == 80
    assert pooled.dt_ps == pytest.approx(0.2)
    assert pooled.topology.n_atoms == 22


def test_replicas_start_in_every_basin_and_differ(alanine, tmp_path):
    run_replicas(alanine, 5, 0.0002, seed=7, out=tmp_path, executor=Sequential(), **QUIET)
    assert len(set(frames_of(tmp_path))) == 5
    phi = find_backbone_dihedrals(alanine.topology, "phi")[0]
    for index, asked in enumerate([-60, -150, 55, 65, -60]):
        folder = tmp_path / f"replica_{index:03d}"
        first = mdtraj.load(str(folder / "trajectory.xtc"), top=str(folder / "topology.pdb"))
        away = (measure_dihedral(first.xyz[0], phi) - asked + 180) % 360 - 180
        assert abs(away) < 60, index  # 0.2 ps after the start


def test_more_replicas_and_longer_ones_add_to_what_is_there(alanine, tmp_path):
    arguments = {"seed": 7, "executor": Sequential(), **QUIET}
    run_replicas(alanine, 2, 0.002, out=tmp_path / "grown", **arguments)
    run_replicas(alanine, 3, 0.003, out=tmp_path / "grown", **arguments)
    run_replicas(alanine, 3, 0.003, out=tmp_path / "whole", **arguments)
    assert frames_of(tmp_path / "grown") == frames_of(tmp_path / "whole")


def test_finished_replicas_cost_nothing(alanine, tmp_path):
    class Refuses:
        def submit(self, *_):
            raise AssertionError("nothing was left to run")

    run_replicas(alanine, 2, 0.001, seed=7, out=tmp_path, executor=Sequential(), **QUIET)
    trajectories = run_replicas(alanine, 2, 0.001, seed=7, out=tmp_path, executor=Refuses(), **QUIET)
    assert trajectories.n_frames == 10


def test_the_bar_shows_nanoseconds_and_speed(alanine, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("mdtok.progress.SECONDS", 0.0)
    run_replicas(alanine, 2, 0.002, seed=7, out=tmp_path, executor=Sequential(), platform="Reference")
    shown = capsys.readouterr().err
    assert "ns/day" in shown and "100%" in shown


def test_a_failing_replica_is_named_and_cancels_the_rest(alanine, tmp_path):
    run_replicas(alanine, 2, 0.001, seed=1, out=tmp_path, executor=Sequential(), **QUIET)
    os.truncate(tmp_path / "replica_001" / "trajectory.xtc", 700)
    began = time.monotonic()
    with pytest.raises(DataError, match="^replica_001: .* sound frames and 5 were expected") as caught:
        run_replicas(alanine, 8, 50, seed=1, out=tmp_path, n_processes=2, **QUIET)  # half an hour of simulation
    assert "\n" not in str(caught.value)
    assert time.monotonic() - began < 60
    assert len(list(tmp_path.iterdir())) < 8  # the last ones were never begun
    # those that ran were stopped with a checkpoint, none of their frames lost
    n_frames = len(frame_ends(tmp_path / "replica_000" / "trajectory.xtc"))
    with pytest.raises(RunFolderError, match=f"holds {n_frames * 50} steps already"):
        run_replicas(alanine, 1, 0.0002, seed=1, out=tmp_path, **QUIET)


def test_a_failing_replica_leaves_one_line_and_nothing_else(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(FAILING)
    command = [sys.executable, str(script), str(tmp_path / "md")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert shown.returncode == 2
    assert len(shown.stderr.splitlines()) == 1 and "blew up" in shown.stderr


FAILING = textwrap.dedent(
    """
    import sys
    from mdtok import MdtokError, load_system, run_replicas
    if __name__ == "__main__":
        system = load_system("alanine_dipeptide", timestep_fs=40)
        try:
            run_replicas(system, 8, 20, seed=1, out=sys.argv[1], n_processes=2, platform="Reference", progress=False)
        except MdtokError as error:
            print(error, file=sys.stderr)
            sys.exit(2)
    """
)


KILLED = textwrap.dedent(
    """
    import sys
    from mdtok.md import load_system, run_replicas
    if __name__ == "__main__":
        system = load_system("alanine_dipeptide")
        run_replicas(system, 2, 0.2, seed=7, out=sys.argv[1], n_processes=2, platform="Reference", progress=False)
    """
)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="child processes are found through /proc")
def test_workers_end_with_their_parent_and_the_run_goes_on(alanine, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(KILLED)
    out = tmp_path / "md"
    process = subprocess.Popen([sys.executable, str(script), str(out)], env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        wait_for(lambda: len([path for path in out.glob("*/trajectory.xtc") if path.stat().st_size]) == 2)
        children = child_processes(process.pid)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert children
    wait_for(lambda: not any(is_running(pid) for pid in children), seconds=20)
    run_replicas(alanine, 2, 0.2, seed=7, out=out, n_processes=2, **QUIET)
    run_replicas(alanine, 1, 0.2, seed=7, out=tmp_path / "whole", n_processes=1, **QUIET)
    assert frames_of(out)[0] == frames_of(tmp_path / "whole")[0]


def child_processes(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened in time"
        time.sleep(0.02)


def test_a_worker_imports_nothing_heavy():
    code = "import sys, mdtok.md.replicas; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    shown = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert not {"torch", "transformers", "deeptime"} & set(shown.stdout.split())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_replicas": 0}, "n_replicas is 0"),
        ({"length_ns": 0}, "length_ns is 0"),
        ({"length_ns": -1}, "length_ns is -1"),
        ({"length_ns": float("nan")}, "length_ns is nan"),
        ({"n_processes": 0}, "n_processes is 0"),
        ({"starts": []}, "starts is empty"),
        ({"starts": ["beta", "gamma"]}, "no start 'gamma'"),
        ({"seed": -3}, "seed is -3"),
    ],
)
def test_wrong_arguments_leave_no_folder(alanine, tmp_path, change, words):
    arguments = {"n_replicas": 2, "length_ns": 0.01, "seed": 7, "out": tmp_path / "md", **QUIET, **change}
    with pytest.raises(SettingsError, match=words):
        run_replicas(alanine, **arguments)
    assert not (tmp_path / "md").exists()


def test_shorter_replicas_than_those_there_and_other_settings_are_refused(alanine, tmp_path):
    arguments = {"out": tmp_path, "executor": Sequential(), **QUIET}
    run_replicas(alanine, 1, 0.002, seed=7, **arguments)
    with pytest.raises(RunFolderError, match="500 steps already and 250"):
        run_replicas(alanine, 1, 0.001, seed=7, **arguments)
    with pytest.raises(RunFolderError, match="replica_000.*seed"):
        run_replicas(alanine, 1, 0.002, seed=8, **arguments)


@pytest.mark.slow
def test_populations_from_two_seeds_agree(alanine, tmp_path):
    """Share of frames in alpha_R from 2 x 8 replicas of 1 ns from the two basins that mix fast, two-sided z below 4."""
    shares = []
    for seed in (1, 2):
        out = tmp_path / str(seed)
        trajectories = run_replicas(alanine, 8, 1.0, seed=seed, out=out, starts=["alpha_R", "beta"], **QUIET)
        shares.append([share_of_alpha(trajectory.load()) for trajectory in trajectories])
    means, errors = np.mean(shares, axis=1), np.std(shares, axis=1, ddof=1) / np.sqrt(8)
    assert abs(means[0] - means[1]) / np.hypot(*errors) < 4


def share_of_alpha(trajectory):
    psi = np.degrees(mdtraj.compute_psi(trajectory)[1][:, 0])
    return ((psi > -120) & (psi < 60)).mean()
