"""What a tired user gets wrong: each answer is one clear line and exit status 2, before anything is computed."""

import importlib.util
import sys

import mdtraj
import numpy as np
import pytest
from conftest import ROOT

PDB = ROOT / "systems" / "alanine_dipeptide" / "alanine_dipeptide.pdb"


@pytest.fixture
def fails(capfd, monkeypatch, tmp_path):
    """Run a script that must fail: gives its one line. Nothing may be left in the --out folder that was not there."""

    def run(name, *arguments):
        spec = importlib.util.spec_from_file_location(name, ROOT / "protocols" / f"{name}.py")
        script = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, script)
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        spec.loader.exec_module(script)
        with pytest.raises(SystemExit) as stopped:
            script.run_script(script.main)
        lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error:")]
        assert stopped.value.code == 2 and len(lines) == 1
        return lines[0]

    return run


@pytest.fixture(scope="session")
def trajectory_files(tmp_path_factory):
    """Alanine dipeptide with a little noise, 40 frames, as DCD and XTC, whole and cut."""
    folder = tmp_path_factory.mktemp("trajectories")
    one = mdtraj.load(str(PDB))
    rng = np.random.default_rng(1)
    many = mdtraj.Trajectory(
        one.xyz + 0.001 * rng.standard_normal((40, one.n_atoms, 3)), one.topology, time=np.arange(40.0)
    )
    many.save_dcd(str(folder / "whole.dcd"))
    many.save_xtc(str(folder / "whole.xtc"))
    for name in ("dcd", "xtc"):
        content = (folder / f"whole.{name}").read_bytes()
        (folder / f"cut.{name}").write_bytes(content[: int(0.6 * len(content)) + 7])
    one.atom_slice(range(10)).save_pdb(str(folder / "ten_atoms.pdb"))
    return folder


@pytest.fixture
def coordinates(trajectory_files, tmp_path):
    """Arguments of analyze_trajectories.py for a file in that folder."""

    def arguments(name, top=PDB, **others):
        given = {"traj": trajectory_files / name, "top": top, "dt-ps": 1, "out": tmp_path / "run"} | others
        return [word for key, value in given.items() if value is not None for word in (f"--{key}", value)]

    return arguments


def test_missing_file(fails, coordinates):
    assert "nowhere.dcd" in fails("analyze_trajectories", *coordinates("nowhere.dcd"))


def test_missing_tokens(fails, tmp_path):
    assert "nowhere.txt" in fails("analyze_tokens", "--train", "nowhere.txt", "--dt-ps", 1, "--out", tmp_path / "run")


def test_topology_of_another_molecule(fails, coordinates, trajectory_files):
    line = fails("analyze_trajectories", *coordinates("whole.xtc", top=trajectory_files / "ten_atoms.pdb"))
    assert "22" in line and "10" in line and "atoms" in line


@pytest.mark.parametrize("name", ["cut.dcd", "cut.xtc"])
def test_truncated_trajectory_says_how_many_frames_are_sound(fails, coordinates, name):
    line = fails("analyze_trajectories", *coordinates(name))
    sound = [int(word) for word in line.replace(",", " ").split() if word.isdigit()]
    assert name in line and any(20 <= n <= 25 for n in sound)


def test_dcd_without_the_time_between_frames(fails, coordinates):
    assert "dt_ps" in fails("analyze_trajectories", *coordinates("whole.dcd", **{"dt-ps": None}))


def test_dihedral_that_the_molecule_does_not_have(fails, coordinates):
    line = fails("analyze_trajectories", *coordinates("whole.xtc", features="phi chi1"))
    assert "chi1" in line and "phi" in line


def test_nan_in_features(fails, tmp_path):
    angles = np.zeros((500, 2))
    angles[123, 1] = np.nan
    np.save(tmp_path / "angles.npy", angles)
    line = fails(
        "analyze_trajectories", "--feature-files", tmp_path / "angles.npy", "--dt-ps", 1, "--out", tmp_path / "run"
    )
    assert "angles.npy" in line and "123" in line and "nan" in line.lower()


def test_feature_file_without_time(fails, tmp_path):
    np.save(tmp_path / "angles.npy", np.random.default_rng(0).normal(size=(500, 2)))
    assert "--dt-ps" in fails(
        "analyze_trajectories", "--feature-files", tmp_path / "angles.npy", "--out", tmp_path / "run"
    )


def test_degrees_for_radians(fails, tmp_path):
    np.save(tmp_path / "angles.npy", np.linspace(-180, 180, 1000).reshape(500, 2))
    line = fails(
        "analyze_trajectories",
        "--feature-files",
        tmp_path / "angles.npy",
        "--columns",
        "phi",
        "psi",
        "--periodic",
        "phi",
        "psi",
        "--dt-ps",
        1,
        "--out",
        tmp_path / "run",
    )
    assert "degrees" in line and "radians" in line


def test_a_single_state_left_after_discretisation(fails, tmp_path):
    steps = np.linspace(0, 1, 2000)[:, None]  # drifts away and never comes back
    np.save(tmp_path / "drift.npy", steps)
    line = fails(
        "analyze_trajectories",
        "--feature-files",
        tmp_path / "drift.npy",
        "--dt-ps",
        1,
        "--n-states",
        5,
        "--n-macrostates",
        2,
        "--n-blocks",
        3,
        "--out",
        tmp_path / "run",
    )
    assert "single" in line and "state" in line


def test_a_single_token(fails, tmp_path):
    np.savetxt(tmp_path / "tokens.txt", np.full(500, 3), fmt="%d")
    assert "single state" in fails(
        "analyze_tokens", "--train", tmp_path / "tokens.txt", "--dt-ps", 1, "--out", tmp_path / "run"
    )


def test_negative_tokens(fails, tmp_path):
    np.save(tmp_path / "tokens.npy", np.arange(500) % 3 - 2)
    line = fails("analyze_tokens", "--train", tmp_path / "tokens.npy", "--dt-ps", 1, "--out", tmp_path / "run")
    assert "the token -2; 0, 1, 2, … or -1 (not assigned)" in line


@pytest.fixture
def tokens(tmp_path):
    np.savetxt(tmp_path / "tokens.txt", np.random.default_rng(1).integers(0, 3, 1000), fmt="%d")
    return tmp_path / "tokens.txt"


def test_lag_longer_than_the_trajectories(fails, tokens, tmp_path):
    line = fails(
        "analyze_tokens",
        "--train",
        tokens,
        "--dt-ps",
        1,
        "--lagtime",
        900,
        "--models",
        "msm",
        "--out",
        tmp_path / "run",
    )
    assert "900" in line and "lag" in line and not (tmp_path / "run").exists()


def test_trajectories_shorter_than_the_lag(fails, tmp_path):
    for k in range(3):
        np.save(tmp_path / f"{k}.npy", np.arange(8) % 2)
    line = fails(
        "analyze_tokens", "--train", *(tmp_path / f"{k}.npy" for k in range(3)), "--dt-ps", 1, "--out", tmp_path / "run"
    )
    assert "lag of 10" in line and "8 frames" in line


def test_lag_that_no_model_of_a_longer_lag_divides(fails, tokens, tmp_path):
    line = fails(
        "analyze_tokens",
        "--train",
        tokens,
        "--dt-ps",
        1,
        "--lagtime",
        15,
        "--models",
        "msm10",
        "--out",
        tmp_path / "run",
    )
    assert "msm10" in line and not (tmp_path / "run").exists()


def test_unknown_setting_in_yaml(fails, tmp_path):
    (tmp_path / "settings.yaml").write_text("n_replicsa: 4\n")
    line = fails("run_alanine", "--settings", tmp_path / "settings.yaml", "--out", tmp_path / "run")
    assert "n_replicsa" in line and "n_replicas" in line and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "arguments, word",
    [
        (["--solvent", "ethanol"], "ethanol"),
        (["--temperature-kelvin", "-3"], "-3"),
        (["--platform", "Abacus"], "Abacus"),
        (["--token-interval-ps", "0.3"], "0.3"),
        (["--models", "msm,oracle9000"], "oracle9000"),
        (["--n-replicas", "1"], "1"),
        (["--tokens", "words"], "words"),
        (["--simulation", "no/such/run"], "no/such/run"),
    ],
)
def test_alanine_settings_that_cannot_be(fails, tmp_path, arguments, word):
    assert word in fails("run_alanine", *arguments, "--out", tmp_path / "run", "--no-progress")


def test_folder_of_another_run_is_never_overwritten(fails, tokens, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    (out / "manifest.json").write_text(
        '{"settings": {"seed": 1}, "inputs_sha256": {}, "begun": ["tokenize"], "stages": {}}'
    )
    line = fails("analyze_tokens", "--train", tokens, "--dt-ps", 1, "--seed", 2, "--models", "msm", "--out", out)
    assert "another run" in line and "seed: 1 there, 2 asked for" in line
    assert (out / "manifest.json").read_text().startswith('{"settings": {"seed": 1}')  # as it was


def test_folder_that_is_no_run(fails, tokens, tmp_path):
    assert "not a run of mdtok" in fails(
        "analyze_tokens", "--train", tokens, "--dt-ps", 1, "--models", "msm", "--out", tmp_path
    )


def test_a_stage_before_its_time(fails, tokens, tmp_path):
    line = fails(
        "analyze_tokens",
        "--train",
        tokens,
        "--dt-ps",
        1,
        "--models",
        "msm",
        "--stage",
        "score",
        "--out",
        tmp_path / "run",
    )
    assert "'rollout' is not done yet" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--window", 2000), "window of 2000 frames is longer than the position table"),
        (("--models", "trajbert-huge"), "no model 'trajbert-huge'; did you mean 'trajbert-SIZE'?"),
        (("--n-prompt", 990), "longer than a trajectory"),
        (("--n-trajectories", 3), "20 at least"),
        (("--lagtime", 900), "more than a fifth"),
        (("--steps-of", "trajbert-small"), "'trajbert-small' does not read NAME=N"),
        (("--system", "nowhere"), "no system 'nowhere'"),
        (("--system", "alanine_dipeptide"), "has no setting"),
        (("--frame-interval-ps", 0.03), "whole number of time steps"),
    ],
)
def test_settings_of_muller_brown(fails, tmp_path, arguments, message):
    assert message in fails("run_muller_brown", *arguments, "--out", tmp_path / "run")


def tokens_file(path, n_frames=4000, seed=0, leave=0.05):
    tokens = np.cumsum(np.random.default_rng(seed).random(n_frames) < leave) % 2
    np.savetxt(path, tokens, fmt="%d")
    return path


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--train", "a.txt", "--test", "a.txt"], "a.txt is in --train and in --test"),
        (["--train", "a.txt", "a.txt"], "a.txt was given twice"),
        (["--train", "a.txt", "copy.txt"], "a.txt share frames: 2 to 3992"),
        (["--train", "a.txt", "b.txt", "--test", "part.txt"], "part.txt are frames"),
        (["--train", "a.txt", "b.txt", "--test", "still.txt"], "100 % of the frames of the test trajectories"),
        (["--train", "a.txt", "b.txt", "--test", "short.txt"], "frames are too few and too short for error bars"),
        (["--train", "a.txt", "--lagtime", "900"], "lag time of 900 is not shorter than the longest test trajectory"),
        (["--train", "a.txt", "--unassigned", "drop"], "--unassigned is 'drop'"),
    ],
)
def test_tokens_that_cannot_be_judged_are_said_before_anything_is_made(run_protocol, tmp_path, arguments, words):
    tokens_file(tmp_path / "a.txt")
    tokens_file(tmp_path / "b.txt", seed=1)
    lines = (tmp_path / "a.txt").read_text(encoding="utf-8").splitlines()
    (tmp_path / "copy.txt").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "part.txt").write_text("\n".join(lines[1000:3000]), encoding="utf-8")
    (tmp_path / "still.txt").write_text("\n".join(["0"] * 500), encoding="utf-8")
    (tmp_path / "short.txt").write_text("0\n1\n0\n", encoding="utf-8")
    arguments = [str(tmp_path / word) if word.endswith(".txt") else word for word in arguments]
    lag = [] if "--lagtime" in arguments else ["--lagtime", "2"]
    out = tmp_path / "run"
    ran = run_protocol("analyze_tokens", *arguments, *lag, "--dt-ps", 1, "--models", "msm", "--out", out)
    assert ran.returncode == 2 and words in ran.stderr and ran.stderr.count("\n") == 1, ran.stderr
    assert not out.exists()
