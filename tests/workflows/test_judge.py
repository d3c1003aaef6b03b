"""`mdtok judge` and `protocols/judge.py`: files in, sentences and a report out, mistakes in one line."""

import json

import mdtraj
import numpy as np
import pytest
from chains import THREE_STATES, simulate
from conftest import ROOT
from peptides import noisy
from scripts import run_command, run_protocol

HASTY = np.linalg.matrix_power(THREE_STATES, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Tokens of MD and of generators, a file a trajectory."""
    folder = tmp_path_factory.mktemp("judge")
    for name, matrix, n_chains, seed in (
        ("md", THREE_STATES, 10, 1),
        ("good", THREE_STATES, 10, 2),
        ("fast", HASTY, 10, 3),
    ):
        (folder / name).mkdir()
        for k, dtraj in enumerate(simulate(matrix, n_chains, 2000, seed)):
            np.save(folder / name / f"{k}.npy", dtraj)
    return folder


@pytest.fixture(scope="module")
def systems(tmp_path_factory):
    """Two molecules a folder, as XTC and PDB: of MD, and generated."""
    folder = tmp_path_factory.mktemp("systems")
    structure = mdtraj.load(str(ROOT / "systems" / "alanine_dipeptide" / "alanine_dipeptide.pdb"))
    for k, kind in enumerate(("md", "gen")):
        (folder / kind).mkdir()
        for j, name in enumerate(("one", "two")):
            frames = noisy(structure, 600, width_nm=0.02, seed=10 * k + j)
            frames.time = np.arange(600.0)
            frames.save_xtc(str(folder / kind / f"{name}.xtc"))
            structure.save_pdb(str(folder / kind / f"{name}.pdb"))
    return folder


def refusal(result):
    """The one line of a refusal."""
    assert result.returncode == 2, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("error")]
    assert len(lines) == 1
    return lines[0]


def test_one_command_judges_two_generators(folder):
    result = run_command(
        "judge", "--reference", "md/*.npy", "--generated", "good=good/*.npy", "fast=fast/*.npy", "--dt-ps", "1",
        "--out", "out", "--no-progress", cwd=folder,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "good passes" in result.stdout and "fast fails" in result.stdout and "of MD itself" in result.stdout
    assert "JS distance of macrostates" in result.stdout and "MD ten times shorter" in result.stdout
    content = json.loads((folder / "out" / "scorecard.json").read_text(encoding="utf-8"))
    assert not content["models"]["fast"]["passes"] and (folder / "out" / "report.html").is_file()


def test_the_script_is_the_command(folder):
    result = run_protocol(
        "judge", "--reference", "md/*.npy", "--generated", "good/*.npy", "--dt-ps", "1", "--no-time", "--no-progress",
        "--out", "ensemble", cwd=folder,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "Nothing is said of its kinetics" in result.stdout


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--generated", "a=good/*.npy"], "--reference"),
        (["--reference", "md/*.npy"], "--generated"),
        (["--reference", "md/*.npy", "--generated", "a=none/*.npy"], "No file matches none/"),
        (["--reference", "md/*.npy", "--generated", "a=md/3.npy"], "word for word"),
        (
            ["--reference", "md/*.npy", "--generated", "a=good/*.npy", "--generated-dt-ps", "1.7"],
            "a multiple of the other",
        ),
        (["--reference", "md/*.npy", "--generated", "a=good/*.npy", "--generated-dt-ps", "b=2"], "names 'b'"),
        (["--reference", "md/*.npy", "--generated", "a=good/*.npy", "--unassigned", "x"], "--unassigned"),
        (["--reference", "empty", "--generated", "a=good"], "holds no trajectory"),
    ],
)
def test_mistakes_are_one_line_before_a_folder_is_made(folder, arguments, words):
    (folder / "empty").mkdir(exist_ok=True)
    result = run_command("judge", *arguments, "--dt-ps", "1", "--out", "refused", "--no-progress", cwd=folder)
    assert words in refusal(result)
    assert not (folder / "refused").exists()


def test_folders_of_systems_give_one_table(systems):
    result = run_command(
        "judge", "--reference", "md", "--generated", "mine=gen", "--no-time", "--n-states", "10",
        "--n-macrostates", "2", "--lagtime", "1", "--out", "out", "--no-progress", cwd=systems,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "one mine" in result.stdout and "two mine" in result.stdout and "median mine" in result.stdout
    found = json.loads((systems / "out" / "systems.json").read_text(encoding="utf-8"))
    assert found["two"]["mine"]["field_metrics"]["js_ramachandran"] < 0.6
    assert (systems / "out" / "one" / "report.html").is_file()


def test_other_molecules_and_other_orders_are_named(systems):
    other = mdtraj.load(str(systems / "gen" / "one.xtc"), top=str(systems / "gen" / "one.pdb"))
    swapped = list(range(other.n_atoms))
    swapped[4], swapped[5] = 5, 4
    for name, part in (("swapped", _in_order(other, swapped)), ("fewer", other.atom_slice(range(other.n_atoms - 1)))):
        part.save_xtc(str(systems / f"{name}.xtc"))
        part[0].save_pdb(str(systems / f"{name}.pdb"))
    for name, words in (
        ("fewer", "it has 21 atoms, the reference 22"),
        ("swapped", "atoms have to be the same in the"),
    ):
        result = run_command(
            "judge", "--reference", "md/one.xtc", "--generated", f"a={name}.xtc", "--top", "md/one.pdb",
            "--generated-top", f"{name}.pdb", "--out", "refused", "--no-progress", cwd=systems,
        )  # fmt: skip
        assert words in refusal(result)


def _in_order(traj, atoms):
    """The trajectory with its atoms in another order, names and all."""
    topology, old = mdtraj.Topology(), list(traj.topology.atoms)
    chain = topology.add_chain()
    for residue in traj.topology.residues:
        new = topology.add_residue(residue.name, chain, resSeq=residue.resSeq)
        for index in atoms:
            if old[index].residue is residue:
                topology.add_atom(old[index].name, old[index].element, new)
    return mdtraj.Trajectory(traj.xyz[:, atoms], topology, traj.time)
