"""`mdtok bias`: one command, its figure and its numbers; mistakes in one line."""

import json

import numpy as np
import openmm
import pytest
import torch
import two_peptides
from scripts import run_command

from mdtok.features import Dihedrals, Featurizer
from mdtok.kinetics import LinearCV, NetworkCV
from mdtok.md import load_system

SMALL = (
    "--length-ns",
    "0.06",
    "--pilot-ns",
    "0.005",
    "--n-walkers",
    "2",
    "--platform",
    "Reference",
    "--n-processes",
    "1",
    "--no-progress",
)


def bias(*arguments, cwd):
    return run_command("bias", "--out", "out", *SMALL, *arguments, cwd=cwd)


def refusal(result):
    assert result.returncode == 2, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("error")]
    assert len(lines) == 1
    return lines[0]


def test_one_command_gives_a_free_energy_and_its_figure_and_goes_on(tmp_path):
    """Tall Gaussians, so that 0.12 ns cross; what they give is of no use."""
    tall = ("--system", "alanine", "--cv", "phi", "--state", "phi > 0", "--height-kt", "5", "--seed", "1")
    result = bias(*tall, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "resume with: " in result.stderr and "Gaussians of width" in result.stderr
    assert "free energy of phi > 0: " in result.stdout and "crossings" in result.stdout
    written = json.loads((tmp_path / "out" / "bias.json").read_text(encoding="utf-8"))
    assert written["state"] == "phi > 0" and written["md_ns"] == pytest.approx(0.12)
    assert written["run"]["settings"]["cv"] == "phi" and written["run"]["versions"]["openmm"]
    assert written["state_kt"]["low"] < written["state_kt"]["value"]
    assert (tmp_path / "out" / "bias.png").read_bytes()[:4] == b"\x89PNG"

    before = (tmp_path / "out" / "walkers" / "replica_000" / "hills.csv").read_bytes()
    again = bias(*tall, "--reference", "out", cwd=tmp_path)  # its own reference: within 0.5 kT at the end
    assert again.returncode == 0 and "within 0.5 kT of it from" in again.stdout
    assert (tmp_path / "out" / "walkers" / "replica_000" / "hills.csv").read_bytes() == before
    other = refusal(bias(*tall, "--reference", "out", "--state", "psi > 0", cwd=tmp_path))
    assert "is of the state 'phi > 0', this run of 'psi > 0'" in other
    assert "bias height_kj_mol" in refusal(bias(*tall, "--height-kt", "4", cwd=tmp_path))


def test_a_cv_of_other_atoms_is_one_line(tmp_path):
    LinearCV(two_peptides.featurizer("torsions"), np.ones(36)).save(tmp_path / "cv.json")
    said = refusal(bias("--cv", "cv.json", cwd=tmp_path))
    assert "Atom 0 of the CV is GLY1-N" in said and "make the CV from trajectories of this system" in said
    assert not (tmp_path / "out").exists()


def test_a_cv_that_needs_a_newer_openmm_is_one_line(tmp_path, monkeypatch):
    system = load_system("alanine_dipeptide")
    import mdtraj

    frame = mdtraj.Trajectory(system.positions[None], mdtraj.Topology.from_openmm(system.topology))
    network = torch.nn.Sequential(torch.nn.Linear(4, 1))
    NetworkCV(Featurizer(Dihedrals("phi psi")).fit(frame), network).save(tmp_path / "net.json")
    monkeypatch.delattr(openmm, "PythonForce")
    assert "pip install 'openmm>=8.5'" in refusal(bias("--cv", "net.json", cwd=tmp_path))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (("--cv", "rg"), "--cv is 'rg'; a dihedral angle such as phi, or a file that ends in .json"),
        (("--cv", "none.json"), "none.json does not exist"),
        (("--cv", "chi1"), "The dihedral chi1 was asked for; this molecule"),
        (("--state", "phi over 0"), "The state is 'phi over 0'; 'phi > 0'"),
        (("--method", "meta"), "--method is 'meta'; one of 'metadynamics', 'umbrella'"),
        (("--range", "1", "0"), "a low and a high end were expected"),
        (("--reference", "nowhere"), "bias.json does not exist"),
        (("--system", "alanin"), "alanin"),
        (("--system", "muller_brown"), "a molecule was expected"),
        (("--component", "-3"), "--component is -3"),
        (("--starts", "folded"), "has no start 'folded'"),
        (("--n-walkers", "0"), "n_walkers is 0"),
    ],
)
def test_mistakes_are_one_line_before_anything_is_computed(tmp_path, arguments, expected):
    assert expected in refusal(bias(*arguments, cwd=tmp_path))
    assert not (tmp_path / "out").exists()
