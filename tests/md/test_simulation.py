"""One simulation: the physics of its ensemble, what it leaves, and that a kill at any moment changes nothing."""

import csv
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import mdtraj
import numpy as np
import openmm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openmm import app, unit

from mdtok.errors import DataError, PlatformError, RunFolderError, SettingsError
from mdtok.md import load_system, run_simulation
from mdtok.md.xtc import XtcWriter, frame_ends, truncate_frames

ROOT = Path(__file__).parents[2]
QUIET = {"platform": "Reference", "progress": False}


@pytest.fixture(scope="module")
def alanine():
    return load_system("alanine_dipeptide")


def rows_of(folder):
    with open(folder / "state.csv") as file:
        return list(csv.DictReader(file))


def assert_same_run(one, other):
    for name in ("trajectory.xtc", "state.csv", "topology.pdb", "settings.json"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    states = [openmm.XmlSerializer.deserialize((folder / "state.xml").read_text()) for folder in (one, other)]
    for get in ("getPositions", "getVelocities"):
        first, second = (getattr(state, get)(asNumpy=True)._value for state in states)
        np.testing.assert_array_equal(first, second)


# --- what a simulation leaves ---


def test_temperature_and_frames(alanine, tmp_path):
    path = run_simulation(alanine, 100_000, out=tmp_path / "run", seed=7, start="beta", **QUIET)
    trajectory = mdtraj.load(str(path), top=str(path.parent / "topology.pdb"))
    assert trajectory.n_frames == 2000
    np.testing.assert_allclose(trajectory.time, 0.2 * np.arange(1, 2001), rtol=1e-6)
    # Kinetic temperature of 51 degrees of freedom: standard deviation sqrt(2 / 51) T a row, rows 2 ps apart being two
    # friction times, so nearly independent. Five standard errors: one seed in 10^6 fails.
    temperatures = np.array([float(row["temperature_kelvin"]) for row in rows_of(path.parent)])[10:]
    assert abs(temperatures.mean() - 450) < 5 * 450 * np.sqrt(2 / 51 / len(temperatures)) * 1.2
    assert temperatures.std() == pytest.approx(450 * np.sqrt(2 / 51), rel=0.25)
    # bonds to hydrogen are constrained: the same length in every frame, but for XTC's rounding to 0.001 nm
    pairs = [[bond[0].index, bond[1].index] for bond in trajectory.topology.bonds if bond[1].element.symbol == "H"]
    assert np.ptp(mdtraj.compute_distances(trajectory, pairs), axis=0).max() < 0.0035


def test_frames_are_the_states_of_the_simulation(alanine, tmp_path):
    path = run_simulation(alanine, 500, out=tmp_path / "run", seed=7, frame_interval_steps=250, **QUIET)
    state = openmm.XmlSerializer.deserialize((path.parent / "state.xml").read_text())
    last = mdtraj.load(str(path), top=str(path.parent / "topology.pdb"))[-1]
    np.testing.assert_allclose(last.xyz[0], state.getPositions(asNumpy=True)._value, atol=6e-4)
    assert last.time[0] == pytest.approx(2.0)


def test_reporters_of_the_user_are_called(alanine, tmp_path):
    reporter = app.StateDataReporter(str(tmp_path / "mine.csv"), 100, step=True, potentialEnergy=True)
    run_simulation(alanine, 500, out=tmp_path / "run", seed=7, reporters=[reporter], **QUIET)
    del reporter
    assert len((tmp_path / "mine.csv").read_text().splitlines()) == 1 + 5


@pytest.mark.parametrize("seed", [0, 2**40])
def test_the_seed_decides_the_run(alanine, tmp_path, seed):
    for name, value in {"a": seed, "b": seed, "c": seed + 1}.items():
        run_simulation(alanine, 500, out=tmp_path / name, seed=value, **QUIET)
    assert_same_run(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a" / "trajectory.xtc").read_bytes() != (tmp_path / "c" / "trajectory.xtc").read_bytes()


# --- killed, interrupted, continued ---

KILLED = textwrap.dedent(
    """
    import sys
    from mdtok.md import load_system, run_simulation
    run_simulation(
        load_system("alanine_dipeptide"), 60_000, out=sys.argv[1], seed=7, start="alpha_R", platform="Reference",
        checkpoint_interval_steps=2_020, progress=False,
    )
    """
)


def test_killed_and_run_again_it_is_the_same_to_the_last_bit(alanine, tmp_path):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = [sys.executable, "-c", KILLED, str(killed)]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        wait_for(lambda: len(rows_of(killed)) > 0 if (killed / "state.csv").exists() else False)
        wait_for((killed / "state.xml").exists)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(frame_ends(killed / "trajectory.xtc")) < 1200  # it was killed in the middle
    first_frame = (killed / "trajectory.xtc").read_bytes()[: frame_ends(killed / "trajectory.xtc")[0]]
    with open(killed / "trajectory.xtc", "ab") as file:
        file.write(first_frame + first_frame[:50])  # a frame after the checkpoint, and one torn in the middle
    with open(killed / "state.csv", "a") as file:
        file.write("99999999,4000")

    arguments = {"seed": 7, "start": "alpha_R", "checkpoint_interval_steps": 2_020, **QUIET}
    run_simulation(alanine, 60_000, out=killed, **arguments)
    run_simulation(alanine, 60_000, out=whole, **arguments)
    assert_same_run(killed, whole)
    assert len(frame_ends(whole / "trajectory.xtc")) == 1200


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened in time"
        time.sleep(0.01)


class _Interrupt:
    """A reporter that presses Ctrl-C at a step."""

    def __init__(self, at):
        self.at = at

    def describeNextReport(self, simulation):
        return {"steps": max(1, self.at - simulation.currentStep), "include": []}

    def report(self, simulation, state):
        if simulation.currentStep == self.at:
            raise KeyboardInterrupt


def test_interrupted_and_continued(alanine, tmp_path):
    arguments = {"seed": 3, "checkpoint_interval_steps": 400, **QUIET}
    with pytest.raises(KeyboardInterrupt):
        run_simulation(alanine, 3000, out=tmp_path / "a", reporters=[_Interrupt(1250)], **arguments)
    run_simulation(alanine, 3000, out=tmp_path / "a", **arguments)
    run_simulation(alanine, 3000, out=tmp_path / "b", **arguments)
    assert_same_run(tmp_path / "a", tmp_path / "b")


def test_n_steps_is_the_total_and_can_grow(alanine, tmp_path):
    for n_steps in (1_010, 1_010, 2_500):
        run_simulation(alanine, n_steps, out=tmp_path / "a", seed=5, **QUIET)
    run_simulation(alanine, 2_500, out=tmp_path / "b", seed=5, **QUIET)
    assert_same_run(tmp_path / "a", tmp_path / "b")
    assert len(frame_ends(tmp_path / "a" / "trajectory.xtc")) == 50


def test_stopped_early_and_continued(alanine, tmp_path):
    asked = iter([False, False, True])
    run_simulation(alanine, 1000, out=tmp_path / "a", seed=5, should_stop=lambda: next(asked), **QUIET)
    assert len(frame_ends(tmp_path / "a" / "trajectory.xtc")) == 3
    for name in ("a", "b"):
        run_simulation(alanine, 1000, out=tmp_path / name, seed=5, **QUIET)
    assert_same_run(tmp_path / "a", tmp_path / "b")


def test_a_finished_run_is_not_touched(alanine, tmp_path):
    path = run_simulation(alanine, 500, out=tmp_path / "a", seed=5, **QUIET)
    before = path.stat().st_mtime_ns
    assert run_simulation(alanine, 500, out=tmp_path / "a", seed=5, platform="nowhere", progress=False) == path
    assert path.stat().st_mtime_ns == before


def test_continued_on_another_platform_from_the_portable_state(alanine, tmp_path, caplog):
    run_simulation(alanine, 500, out=tmp_path / "a", seed=5, **QUIET)
    path = run_simulation(alanine, 700, out=tmp_path / "a", seed=5, platform="CPU", progress=False)
    assert "state.xml" in caplog.text
    trajectory = mdtraj.load(str(path), top=str(path.parent / "topology.pdb"))
    np.testing.assert_allclose(trajectory.time, 0.2 * np.arange(1, 15), rtol=1e-5)
    moved = np.linalg.norm(np.diff(trajectory.xyz, axis=0), axis=2).max(axis=1)
    assert moved[9] < 5 * moved[:9].max()  # no jump where the platform changes


# --- what is refused ---


def test_a_blow_up_is_one_clear_line(tmp_path):
    wild = load_system("alanine_dipeptide", timestep_fs=40)
    with pytest.raises(SettingsError, match="blew up .* at step .* 40 fs") as caught:
        run_simulation(wild, 50_000, out=tmp_path / "a", seed=1, **QUIET)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_steps": 0}, "n_steps is 0"),
        ({"n_steps": 10.5}, "n_steps is 10.5"),
        ({"seed": -1}, "seed is -1"),
        ({"start": "gamma"}, "no start 'gamma'"),
        ({"frame_interval_steps": 0}, "frame_interval_steps is 0"),
        ({"checkpoint_interval_steps": -5}, "checkpoint_interval_steps is -5"),
    ],
)
def test_wrong_arguments_leave_no_folder(alanine, tmp_path, change, words):
    with pytest.raises(SettingsError, match=words):
        run_simulation(alanine, **{"n_steps": 100, "out": tmp_path / "a", "seed": 1, **QUIET, **change})
    assert not (tmp_path / "a").exists()


def test_a_platform_that_is_not_there_leaves_no_folder(alanine, tmp_path):
    with pytest.raises(PlatformError):
        run_simulation(alanine, 100, out=tmp_path / "a", seed=1, platform="TPU")
    assert not (tmp_path / "a").exists()


def test_another_run_is_never_overwritten(alanine, tmp_path):
    path = run_simulation(alanine, 100, out=tmp_path / "a", seed=1, start="beta", **QUIET)
    before = path.read_bytes()
    with pytest.raises(RunFolderError, match="seed: 1 there, 2 asked for"):
        run_simulation(alanine, 200, out=tmp_path / "a", seed=2, start="beta", **QUIET)
    cold = load_system("alanine_dipeptide", temperature_kelvin=300)
    with pytest.raises(RunFolderError, match="temperature_kelvin: 450.0 there, 300.0 asked for"):
        run_simulation(cold, 200, out=tmp_path / "a", seed=1, start="beta", **QUIET)
    with pytest.raises(RunFolderError, match="start"):
        run_simulation(alanine, 200, out=tmp_path / "a", seed=1, start="c7ax", **QUIET)
    with pytest.raises(RunFolderError, match="holds 100 steps already and 50"):
        run_simulation(alanine, 50, out=tmp_path / "a", seed=1, start="beta", **QUIET)
    assert path.read_bytes() == before


def test_a_folder_of_something_else_is_refused(alanine, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RunFolderError, match="no settings.json"):
        run_simulation(alanine, 100, out=tmp_path, seed=1, **QUIET)


@pytest.mark.parametrize("content", ["{broken", "[1, 2]", json.dumps({"seed": 1})])
def test_corrupted_settings(alanine, tmp_path, content):
    run_simulation(alanine, 100, out=tmp_path / "a", seed=1, **QUIET)
    (tmp_path / "a" / "settings.json").write_text(content)
    with pytest.raises(RunFolderError) as caught:
        run_simulation(alanine, 200, out=tmp_path / "a", seed=1, **QUIET)
    assert "\n" not in str(caught.value)


def test_lost_frames_are_told(alanine, tmp_path):
    path = run_simulation(alanine, 500, out=tmp_path / "a", seed=1, **QUIET)
    os.truncate(path, 1000)
    with pytest.raises(DataError, match="sound frames and 10 were expected"):
        run_simulation(alanine, 1000, out=tmp_path / "a", seed=1, **QUIET)


# --- XTC ---


@settings(max_examples=40, deadline=None)
@given(n_atoms=st.sampled_from([1, 9, 10, 22]), n_frames=st.integers(1, 8), data=st.data())
def test_an_xtc_cut_anywhere_gives_back_its_sound_frames(tmp_path_factory, n_atoms, n_frames, data):
    path = tmp_path_factory.mktemp("xtc") / "t.xtc"
    writer = XtcWriter(path)
    positions = np.random.default_rng(n_frames).normal(size=(n_frames, n_atoms, 3))
    for index, frame in enumerate(positions):
        writer.add(frame, 0.2 * index, index, None)
        if index % 3 == 0:
            writer.flush()
    writer.flush()
    ends = frame_ends(path)
    assert len(ends) == n_frames and ends[-1] == path.stat().st_size
    cut = data.draw(st.integers(0, ends[-1]))
    os.truncate(path, cut)
    n_sound = sum(end <= cut for end in ends)
    assert frame_ends(path) == ends[:n_sound]
    with pytest.raises(DataError):
        truncate_frames(path, n_sound + 1)
    truncate_frames(path, n_sound)
    if n_sound:
        with mdtraj.formats.XTCTrajectoryFile(str(path)) as file:
            xyz, times, steps, _ = file.read()
        np.testing.assert_allclose(xyz, positions[:n_sound], atol=6e-4)
        np.testing.assert_array_equal(steps, np.arange(n_sound))
        np.testing.assert_allclose(times, 0.2 * np.arange(n_sound), rtol=1e-6)


@pytest.mark.slow
def test_a_box_of_water_saves_the_molecule_only(tmp_path):
    system = load_system("alanine_dipeptide", solvent="tip3p", temperature_kelvin=300 * unit.kelvin, progress=False)
    for n_steps in (100, 200):
        path = run_simulation(system, n_steps, out=tmp_path / "a", seed=1, start="beta", platform="CPU", progress=False)
    trajectory = mdtraj.load(str(path), top=str(path.parent / "topology.pdb"))
    assert (trajectory.n_frames, trajectory.n_atoms) == (4, 22)
    assert trajectory.unitcell_lengths.shape == (4, 3)
    assert trajectory.unitcell_volumes.mean() == pytest.approx(system.n_atoms / 3 / 33, rel=0.15)  # 33 waters a nm^3
