"""Mirror images, stretched bonds and atoms in each other are counted; MD against itself has none."""

import mdtraj
import numpy as np
import pytest
from conftest import ROOT
from peptides import beads, noisy

from mdtok.kinetics.judging.structure_checks import check_structures


@pytest.fixture(scope="module")
def md():
    structure = mdtraj.load(str(ROOT / "systems" / "alanine_dipeptide" / "alanine_dipeptide.pdb"))
    return noisy(structure, 100, width_nm=0.004, seed=1)


def test_md_is_sound(md):
    found = check_structures([md], [md])
    assert (found.chirality_wrong, found.bonds_off, found.frames_clashing) == (0.0, 0.0, 0.0)


def test_a_mirror_image_has_the_wrong_hand(md):
    xyz = md.xyz.copy()
    xyz[:25, :, 0] *= -1
    found = check_structures([mdtraj.Trajectory(xyz, md.topology)], [md])
    assert found.chirality_wrong == pytest.approx(0.25) and found.bonds_off == 0.0


def test_a_stretched_molecule_has_its_bonds_off(md):
    found = check_structures([mdtraj.Trajectory(md.xyz * 1.4, md.topology)], [md])
    assert found.bonds_off > 0.85 and found.frames_clashing == 0.0


def test_atoms_in_each_other_clash(md):
    xyz, heavy = md.xyz.copy(), [a.index for a in md.topology.atoms if a.element.symbol != "H"]
    xyz[:50, heavy[-1]] = xyz[:50, heavy[0]] + 0.05
    assert check_structures([mdtraj.Trajectory(xyz, md.topology)], [md]).frames_clashing == pytest.approx(0.5)


def test_beads_without_bonds_have_nothing_to_check():
    traj = mdtraj.Trajectory(np.random.default_rng(0).random((5, 6, 3)), beads(6))
    found = check_structures([traj], [traj])
    assert np.isnan([found.chirality_wrong, found.bonds_off, found.frames_clashing]).all()
