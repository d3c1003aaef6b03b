"""run_fip35.py: from the Cα model to how it folds, trajectories of one's own, and bad input."""

import json
import re
import shutil

import mdtraj
import numpy as np
import pytest
from conftest import ROOT

TINY = (
    "--temperature-kelvin",
    340,
    "--n-replicas",
    4,
    "--length-ns",
    3,
    "--n-states",
    12,
    "--n-macrostates",
    2,
    "--models",
    "msm,order2",
    "--tica-lagtimes",
    10,
    "--tica-dims",
    1,
    2,
    "--lagtimes",
    20,
    "--n-processes",
    1,
    "--no-progress",
)


@pytest.fixture(scope="module")
def folded(run_protocol, tmp_path_factory):
    out = tmp_path_factory.mktemp("fip35") / "run"
    process = run_protocol("run_fip35", *TINY, "--out", out)
    assert process.returncode == 0, process.stderr[-3000:]
    return out, process.stderr


def test_it_reaches_a_report_that_says_how_it_folds(folded):
    out, said = folded
    assert "VAMP-2 at a lag of 10 frames" in said and "native" in said
    found = json.loads((out / "report" / "folding.json").read_text(encoding="utf-8"))
    assert found["macrostates"][1].startswith("native") and not found["macrostates"][0].startswith("native")
    assert {"all MD", "msm", "order2"} == set(found["of"]) and found["of"]["all MD"]["paths"]["n_paths"] > 0
    assert "How it folds" in (out / "report" / "report.html").read_text(encoding="utf-8")
    assert len(list((out / "tokens").glob("macrostate_*.pdb"))) == 2
    assert not (out / "contacts").exists() and "contacts is removed" in said


def test_trajectories_of_ones_own_take_the_same_path(folded, run_protocol, tmp_path):
    out, _ = folded
    replicas = sorted((out / "md").glob("replica_*"))
    process = run_protocol(
        "run_fip35",
        *TINY,
        "--traj",
        *(folder / "trajectory.xtc" for folder in replicas),
        "--top",
        replicas[0] / "topology.pdb",
        "--stage",
        "tokenize",
        "--out",
        tmp_path / "own",
    )
    assert process.returncode == 0, process.stderr[-3000:]
    one, other = (
        json.loads((folder / "tokens" / "tokens.json").read_text(encoding="utf-8"))
        for folder in (out, tmp_path / "own")
    )
    assert one == other


@pytest.mark.slow
@pytest.mark.parametrize("seed", [7, 8])
def test_quick_reaches_a_report(run_protocol, tmp_path, seed):
    """Some 40 seconds each: so little MD has as few macrostates as it has, and the quick settings must not ask for
    more."""
    process = run_protocol("run_fip35", "--quick", "--seed", seed, "--no-progress", "--out", tmp_path / "run")
    assert process.returncode == 0 and "How it folds" in (tmp_path / "run" / "report" / "report.html").read_text(
        encoding="utf-8"
    )


def test_two_runs_are_compared_in_how_they_fold(folded, run_protocol, tmp_path):
    out, _ = folded
    process = run_protocol("compare_runs", out, out)
    assert process.returncode == 0 and "unfolding MFPT" in process.stdout and "APART" not in process.stdout
    n_alike, n_told = re.search(r"(\d+) of (\d+) pairs of 95 % intervals overlap", process.stdout).groups()
    assert n_alike == n_told and int(n_told) > 2  # a run agrees with itself in all that it tells of
    for part in ("tokens", "features"):
        shutil.copytree(out / part, tmp_path / "unfinished" / part)
    process = run_protocol("compare_runs", out, tmp_path / "unfinished")
    assert process.returncode == 2 and "of their own each" in process.stderr and process.stderr.strip().count("\n") == 0


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("--model", "martini"), "calpha or allatom was expected"),
        (("--traj", "x.dcd"), "--traj needs --top"),
        (("--solvent", "obc2"), "The Cα model has no solvent"),
        (("--n-replicas", 2), "--n-replicas 2 is too few"),
        (("--structure", "nowhere.pdb"), "nowhere.pdb does not exist"),
        (("--structure", ROOT / "systems" / "alanine_dipeptide" / "alanine_dipeptide.pdb"), "has the sequence"),
    ],
)
def test_bad_input_is_one_line(run_protocol, tmp_path, arguments, words):
    process = run_protocol("run_fip35", *arguments, "--out", tmp_path / "run")
    assert process.returncode == 2 and words in process.stderr and process.stderr.strip().count("\n") == 0
    assert not (tmp_path / "run").exists()


def test_trajectories_of_another_molecule_are_refused(run_protocol, tmp_path):
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for number in range(35):
        topology.add_atom("CA", mdtraj.element.carbon, topology.add_residue("GLY", chain, resSeq=number + 1))
    traj = mdtraj.Trajectory(np.random.default_rng(0).random((50, 35, 3)), topology, time=np.arange(50.0))
    traj.save_xtc(str(tmp_path / "other.xtc"))
    traj[0].save_pdb(str(tmp_path / "other.pdb"))
    process = run_protocol(
        "run_fip35", "--traj", tmp_path / "other.xtc", "--top", tmp_path / "other.pdb", "--out", tmp_path / "run"
    )
    assert (
        process.returncode == 2
        and "of the native contacts is" in process.stderr
        and process.stderr.strip().count("\n") == 0
    )
    assert not (tmp_path / "run").exists()


def test_a_rollout_becomes_a_trajectory_that_says_what_it_is(folded, run_protocol):
    out, _ = folded
    process = run_protocol("stitch_rollout", out, "msm", "--n-frames", 20, "--atoms", "ca")
    assert process.returncode == 0, process.stderr[-2000:]
    assert "not simulated" in process.stderr
    stitched = mdtraj.load(out / "stitched" / "msm_stitched.xtc", top=out / "stitched" / "msm_stitched.pdb")
    assert len(stitched) == 20 and stitched.n_residues == 35 and stitched.timestep == pytest.approx(10)
    label = json.loads((out / "stitched" / "msm_stitched.json").read_text(encoding="utf-8"))
    assert "not a simulation" in label["what"] and label["of"] == f"chain 0 of msm in {out}"
    tokens = np.load(out / "rollouts" / "msm" / "000.npy")[:20]
    assert [row[0] for row in label["frames"]] == tokens.tolist()


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("lstm",), "has no rollout of 'lstm'; it has msm, order2"),
        (("msm", "--chain", 900), "generated the chains 0 .. "),
    ],
)
def test_what_cannot_be_stitched_is_one_line(folded, run_protocol, arguments, words):
    process = run_protocol("stitch_rollout", folded[0], *arguments)
    assert process.returncode == 2 and words in process.stderr and process.stderr.strip().count("\n") == 0


def test_all_atom_trajectories_take_the_same_path(run_protocol, tmp_path):
    """Not a simulation: the shipped structure, blown up and back at random times, which breaks its contacts and makes
    them again."""
    structure, rng = mdtraj.load(str(ROOT / "systems" / "fip35" / "fip35.pdb")), np.random.default_rng(3)
    centred = structure.xyz[0] - structure.xyz[0].mean(axis=0)
    for k in range(4):
        open_or_closed = np.cumsum(rng.random(200) < 0.05) % 2
        open_or_closed[:4] = 0  # the first frame has the bonds of the topology
        size = 1 + 2 * np.convolve(open_or_closed, np.ones(4) / 4, mode="same")
        xyz = size[:, None, None] * centred + 0.01 * rng.normal(size=(200, *centred.shape)) + 5
        mdtraj.Trajectory(xyz, structure.topology, time=200.0 * np.arange(200)).save_dcd(str(tmp_path / f"{k}.dcd"))
    process = run_protocol(
        "run_fip35",
        "--traj",
        tmp_path / "*.dcd",
        "--top",
        ROOT / "systems" / "fip35" / "fip35.pdb",
        "--dt-ps",
        200,
        "--n-states",
        10,
        "--n-macrostates",
        2,
        "--tica-lagtimes",
        1,
        "--tica-dims",
        1,
        "--lagtime",
        1,
        "--lagtimes",
        1,
        "--n-timescales",
        1,
        "--models",
        "msm,order2",
        "--no-progress",
        "--out",
        tmp_path / "run",
    )
    assert process.returncode == 0, process.stderr[-3000:]
    found = json.loads((tmp_path / "run" / "report" / "folding.json").read_text(encoding="utf-8"))
    folding_ps = found["events"]["mfpt_ps"]["value"][0][1]
    assert 200 / 0.05 / 2 < folding_ps < 2 * 200 / 0.05 and found["events"]["profile"]["basins_at"][1] > 0.8
    assert mdtraj.load(str(next((tmp_path / "run" / "tokens").glob("macrostate_0_*.pdb")))).n_atoms == 562
