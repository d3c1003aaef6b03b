"""The scripts from end to end, small: from simulation, from coordinates, from feature files, from tokens."""

import json

import mdtraj
import numpy as np
import pytest
from chains import THREE_STATES, simulate


def report_of(folder):
    """The scorecard of a finished run; its report must be there."""
    assert (folder / "report" / "report.html").stat().st_size > 50_000
    return json.loads((folder / "report" / "scorecard.json").read_text(encoding="utf-8"))


def finished(process):
    """The script ended well and said so without warnings."""
    assert process.returncode == 0, process.stderr[-3000:]
    assert "Warning" not in process.stderr
    return process


# seed 0 holds out replicas that start in αR and β, so that the test does not hang on a rare crossing in 0.1 ns
TINY_ALANINE = (
    "--n-replicas",
    8,
    "--length-ns",
    0.1,
    "--n-states",
    12,
    "--n-macrostates",
    0,
    "--models",
    "msm,nanogpt-tiny",
    "--training-steps",
    20,
    "--seed",
    0,
    "--no-progress",
    "--lagtime",
    5,
)


@pytest.fixture(scope="module")
def alanine(run_protocol, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "alanine"
    return out, finished(run_protocol("run_alanine", *TINY_ALANINE, "--out", out))


def test_alanine_ends_in_a_report(alanine):
    out, process = alanine
    card = report_of(out)
    assert set(card["models"]) == {"msm", "nanogpt-tiny"} and card["dt_ps"] == 1.0
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert list(manifest["stages"]) == ["simulate", "tokenize", "train", "rollout", "score"]
    assert manifest["stages"]["simulate"]["total_ns"] == pytest.approx(0.8)
    assert str(out / "report" / "report.html") in process.stderr and "msm" in process.stderr
    assert len(list((out / "report" / "figures").iterdir())) >= 6


def test_structures_of_macrostates_lie_in_them(alanine):
    out, _ = alanine
    files = sorted((out / "tokens").glob("macrostate_*.pdb"))
    assert files and all(mdtraj.load(str(file)).n_atoms == 22 for file in files)


def test_a_finished_run_is_not_repeated(alanine, run_protocol):
    out, _ = alanine
    written = (out / "report" / "scorecard.json").stat().st_mtime_ns
    again = finished(run_protocol("run_alanine", *TINY_ALANINE, "--out", out))
    assert "done before" in again.stderr and (out / "report" / "scorecard.json").stat().st_mtime_ns == written


def test_same_seed_same_tokens_same_generated_sequence(alanine, run_protocol, tmp_path):
    out, _ = alanine
    finished(run_protocol("run_alanine", *TINY_ALANINE, "--out", tmp_path / "again"))
    for folder in ("tokens", "rollouts/msm", "rollouts/nanogpt-tiny"):
        for file in sorted((out / folder).glob("*.npy")):
            assert np.array_equal(np.load(file), np.load(tmp_path / "again" / folder / file.name)), (
                f"{folder}/{file.name}"
            )


@pytest.mark.parametrize("tokens", ["macrostates", "sin-phi"])
def test_other_tokens_of_the_same_simulation(alanine, run_protocol, tmp_path, tokens):
    run, _ = alanine
    finished(
        run_protocol(
            "run_alanine",
            *TINY_ALANINE,
            "--simulation",
            run,
            "--tokens",
            tokens,
            "--stage",
            "simulate",
            "--out",
            tmp_path / "run",
        )
    )
    finished(
        run_protocol(
            "run_alanine",
            *TINY_ALANINE,
            "--simulation",
            run,
            "--tokens",
            tokens,
            "--stage",
            "tokenize",
            "--out",
            tmp_path / "run",
        )
    )
    tokens_of = json.loads((tmp_path / "run" / "tokens" / "tokens.json").read_text(encoding="utf-8"))
    micro = json.loads((run / "tokens" / "tokens.json").read_text(encoding="utf-8"))
    angles, states = (
        np.concatenate([np.load(path) for path in sorted((tmp_path / "run" / kind).glob("[0-9]*.npy"))])
        for kind in ("features", "tokens")
    )
    if tokens == "macrostates":
        assert tokens_of["macrostates"] == list(range(len(micro["macrostate_names"])))
        assert set(np.unique(states)) == set(tokens_of["macrostates"])
    else:
        assert len(tokens_of["macrostates"]) <= 20
        width = [np.ptp(np.sin(angles[states == k, 0])) for k in np.unique(states)]
        assert max(width) <= 0.1 + 1e-6  # a bin, exactly
    process = run_protocol(
        "run_alanine", *TINY_ALANINE, "--length-ns", 0.2, "--simulation", run, "--out", tmp_path / "other"
    )
    assert process.returncode == 2 and "another length_ns" in process.stderr


def test_your_coordinates(alanine, run_protocol, tmp_path):
    out, _ = alanine
    process = run_protocol(
        "analyze_trajectories",
        "--traj",
        out / "md" / "replica_*" / "trajectory.xtc",
        "--top",
        out / "md" / "replica_000" / "topology.pdb",
        "--features",
        "phi psi",
        "--stride",
        5,
        "--n-states",
        12,
        "--models",
        "msm",
        "--lagtime",
        5,
        "--out",
        tmp_path / "run",
        "--no-progress",
    )
    finished(process)
    assert report_of(tmp_path / "run")["dt_ps"] == pytest.approx(1.0)


def test_your_feature_files(run_protocol, tmp_path):
    """Two wells in an angle, as a PLUMED COLVAR file: names, periodicity and time step come from the file."""
    rng = np.random.default_rng(1)
    for k, chain in enumerate(simulate(np.array([[0.99, 0.01], [0.01, 0.99]]), 8, 1500, seed=2)):
        phi = np.array([-2.0, 1.0])[chain] + 0.3 * rng.standard_normal(1500)
        rows = [f"{0.5 * t:.1f} {(p + np.pi) % (2 * np.pi) - np.pi:.6f} {p * p:.5f}" for t, p in enumerate(phi)]
        header = "#! FIELDS time phi d\n#! SET min_phi -pi\n#! SET max_phi pi\n"
        (tmp_path / f"COLVAR.{k}").write_text(header + "\n".join(rows) + "\n")
    process = run_protocol(
        "analyze_trajectories",
        "--feature-files",
        tmp_path / "COLVAR.*",
        "--n-states",
        8,
        "--models",
        "msm,semi-markov",
        "--out",
        tmp_path / "run",
        "--no-progress",
    )
    finished(process)
    card = report_of(tmp_path / "run")
    assert card["dt_ps"] == 0.5 and card["n_macrostates"] == 2
    # -1 / ln(1 - 0.02) frames of 0.5 ps = 24.7 ps; 12,000 frames: 7 % of error, four of them allowed
    assert card["md"]["timescales_ps"]["5"]["value"][0] == pytest.approx(24.7, rel=0.3)


def test_your_tokens_with_a_test_set_of_their_own(run_protocol, tmp_path):
    chains = simulate(THREE_STATES, 4, 4000, seed=4)
    for k, chain in enumerate(chains):
        np.savetxt(tmp_path / f"{k}.txt", chain * 10 + 5, fmt="%d")  # labels 5, 15, 25
    np.savetxt(tmp_path / "0.txt", np.append(chains[0] * 10 + 5, [-1, -1]), fmt="%d")  # -1: outside of all states
    np.savetxt(tmp_path / "short.txt", [5, 15, 5], fmt="%d")  # shorter than the lag: left out, and said so
    process = run_protocol(
        "analyze_tokens",
        "--train",
        *(tmp_path / f"{k}.txt" for k in range(3)),
        tmp_path / "short.txt",
        "--test",
        tmp_path / "3.txt",
        "--dt-ps",
        200,
        "--models",
        "msm,order2,semi-markov",
        "--out",
        tmp_path / "run",
        "--no-progress",
    )
    assert "1 of 4 trajectories are not longer than the lag" in finished(process).stderr
    assert "2 of 12005 frames are -1" in process.stderr
    card = report_of(tmp_path / "run")
    assert card["macrostate_names"] == ["5", "15", "25"] and card["reference"]["n_test_tokens"] == 4000
    # a Markov chain: all of them are right, and the MD is nearly long enough to say so
    assert not any(
        verdict.startswith("off by ×") for row in card["models"].values() for verdict in row["verdicts"].values()
    )


@pytest.mark.slow  # a run long enough to tell models apart
def test_lumped_chain_the_lag_one_msm_is_off_and_semi_markov_better(shared_data, run_protocol, tmp_path):
    process = run_protocol(
        "analyze_tokens",
        "--train",
        shared_data / "markov" / "8state_macrotraj.txt",
        "--dt-ps",
        1,
        "--models",
        "msm,semi-markov",
        "--out",
        tmp_path / "run",
        "--no-progress",
    )
    finished(process)
    rows = report_of(tmp_path / "run")["models"]
    assert rows["msm"]["verdicts"]["timescales_ps"].startswith("off by ×") and not rows["msm"]["passes"]
    assert rows["msm"]["nats_above_best"]["low"] > 0 and rows["semi-markov"]["nats_above_best"] is None
