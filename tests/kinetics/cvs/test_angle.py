"""An angle as a collective variable: its values, its force, its file, its PLUMED input."""

import mdtraj
import numpy as np
import pytest
import two_peptides

from mdtok.errors import DataError, SettingsError
from mdtok.features import Dihedrals, Featurizer
from mdtok.kinetics import AngleCV, load_cv, to_openmm_force, to_plumed
from mdtok.md import load_system

ATOMS = (3, 9, 18, 24)  # of both chains


def angle(encoding="sincos"):
    return AngleCV(Featurizer(Dihedrals([ATOMS], encoding=encoding)).fit(two_peptides.frames(2)))


@pytest.mark.parametrize("encoding", ["sincos", "radians"])
@pytest.mark.parametrize("box_nm", [None, 4.0])
def test_values_are_those_of_mdtraj_and_the_force_has_them_as_its_energy(encoding, box_nm):
    cv, traj = angle(encoding), two_peptides.frames(6, seed=3, box_nm=box_nm)
    expected = mdtraj.compute_dihedrals(traj, [ATOMS])[:, 0]
    values = cv.transform(traj, progress=False)[0][:, 0]
    np.testing.assert_allclose(values, expected, atol=1e-5)
    context = two_peptides.context(to_openmm_force(cv, two_peptides.system(box_nm=box_nm)), box_nm=box_nm)
    energies = [two_peptides.energy_and_forces(context, xyz)[0] for xyz in traj.xyz]
    np.testing.assert_allclose(energies, expected, atol=1e-5)


def test_trajectories_of_replicas_are_taken(tmp_path):
    from mdtok.md import open_trajectories

    traj = two_peptides.frames(5)
    traj.time = np.arange(5.0)
    traj.save_xtc(str(tmp_path / "a.xtc"))
    traj[0].save_pdb(str(tmp_path / "a.pdb"))
    opened = open_trajectories([tmp_path / "a.xtc"], top=tmp_path / "a.pdb")
    values = angle().transform(opened, progress=False)
    np.testing.assert_allclose(values[0], angle().transform(traj, progress=False)[0], atol=0.05)


def test_it_is_loaded_as_it_was_saved(tmp_path):
    angle().save(tmp_path / "angle.json")
    again, traj = load_cv(tmp_path / "angle.json"), two_peptides.frames(4)
    assert type(again) is AngleCV and again.period == pytest.approx(2 * np.pi)
    np.testing.assert_array_equal(again.transform(traj, False)[0], angle().transform(traj, False)[0])


def test_plumed_has_a_torsion_that_comes_round():
    assert to_plumed(angle(), "turn").splitlines()[-1] == "turn: TORSION ATOMS=4,10,19,25"


def test_names_say_which_angle():
    topology = load_system("alanine_dipeptide").topology
    assert AngleCV.named("psi", topology).columns[0].atoms.tolist() == [[6, 8, 14, 16]]
    with pytest.raises(DataError, match="'phi' is 8 angles of GLY1 .*; one of phi GLY2"):
        AngleCV.named("phi", two_peptides.topology())
    with pytest.raises(SettingsError, match="'rg' is not known"):
        AngleCV.named("rg", topology)


def test_anything_but_one_angle_is_refused():
    with pytest.raises(SettingsError, match="of one dihedral; cos phi GLY2"):
        AngleCV(two_peptides.featurizer("torsions"))
