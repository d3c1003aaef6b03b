"""RMSD and radius of gyration against values known by hand, and under rotation."""

import mdtraj
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from peptides import CRYSTAL, FIP35, beads, hairpin, noisy, rotation

from mdtok.errors import DataError, SettingsError, StructureError
from mdtok.features import Featurizer, RadiusOfGyration, Rmsd

VECTORS = st.tuples(*[st.floats(-3, 3)] * 3)


def column(feature, traj):
    (values,) = Featurizer([feature]).fit_transform(traj, progress=False)
    assert values.dtype == np.float32 and values.shape == (len(traj), 1)
    return values[:, 0]


def moved(traj, turn, shift):
    return mdtraj.Trajectory(traj.xyz @ rotation(turn).T + np.array(shift), traj.topology)


@given(VECTORS, VECTORS)
def test_neither_distance_nor_size_change_when_a_molecule_is_moved(turn, shift):
    structure = noisy(hairpin(atoms=("CA", "CB")), 1, seed=3)
    traj = noisy(structure, 3, width_nm=0.1)
    rmsd, rg = Rmsd(structure, atoms="all"), RadiusOfGyration("all")
    assert column(rmsd, moved(structure, turn, shift))[0] == pytest.approx(0, abs=2e-3)  # float32, of some nm
    np.testing.assert_allclose(column(rmsd, moved(traj, turn, shift)), column(rmsd, traj), atol=1e-4)
    np.testing.assert_allclose(column(rg, moved(traj, turn, shift)), column(rg, traj), atol=1e-5)


def test_rmsd_known_by_hand():
    """Two atoms 1 nm apart against two 3 nm apart: each is 1 nm off its place."""
    topology = beads(2)
    one, three = (mdtraj.Trajectory([[[0, 0, 0], [length, 0, 0]]], topology) for length in (1.0, 3.0))
    assert column(Rmsd(one), three)[0] == pytest.approx(1, abs=1e-5)


def test_rmsd_is_over_the_chosen_atoms_only():
    structure = noisy(hairpin(atoms=("CA", "CB")), 1, seed=3)
    changed = mdtraj.Trajectory(structure.xyz.copy(), structure.topology)
    changed.xyz[0, structure.topology.select("name CB")] += [0, 0, 0.7]
    calphas = structure.atom_slice(structure.topology.select("name CA"))
    assert column(Rmsd(structure), changed)[0] == pytest.approx(0, abs=1e-3)
    assert column(Rmsd(calphas), changed)[0] == pytest.approx(0, abs=1e-3)  # a reference of fewer atoms
    assert column(Rmsd(structure, "all"), changed)[0] > 0.2
    assert column(Rmsd(structure, [0, 2, 4, 6]), changed)[0] == pytest.approx(0, abs=1e-3)
    three = Featurizer([Rmsd(structure, atoms) for atoms in ("ca", "name CB", [0, 1, 2])]).fit(changed)
    assert three.feature_names_ == ["RMSD ca", "RMSD name CB", "RMSD"]


def test_shape_does_not_depend_on_chunks(monkeypatch):
    features, traj = [Rmsd(hairpin()), RadiusOfGyration()], noisy(hairpin(), 23)
    whole = [column(feature, traj) for feature in features]
    monkeypatch.setattr("mdtok.features.featurizer.CHUNK_FRAMES", 5)
    np.testing.assert_allclose([column(feature, traj) for feature in features], whole, rtol=1e-5)


def test_radius_of_gyration_of_known_masses():
    """A carbon and a hydrogen 1 nm apart: sqrt(m1 m2) / (m1 + m2)."""
    topology = mdtraj.Topology()
    residue = topology.add_residue("CH", topology.add_chain())
    topology.add_atom("C", mdtraj.element.carbon, residue)
    topology.add_atom("H", mdtraj.element.hydrogen, residue)
    traj = mdtraj.Trajectory([[[0, 0, 0], [1.0, 0, 0]], [[9, 0, 0], [9, 2.0, 0]]], topology)
    c, h = mdtraj.element.carbon.mass, mdtraj.element.hydrogen.mass
    expected = np.sqrt(c * h) / (c + h)
    np.testing.assert_allclose(column(RadiusOfGyration("all"), traj), [expected, 2 * expected], rtol=1e-5)


def test_radius_of_gyration_leaves_water_out():
    topology = beads(2)
    water = topology.add_residue("HOH", topology.add_chain())
    topology.add_atom("O", mdtraj.element.oxygen, water)
    traj = mdtraj.Trajectory([[[0, 0, 0], [1.0, 0, 0], [50, 0, 0]]], topology)
    assert column(RadiusOfGyration(), traj)[0] == pytest.approx(0.5, abs=1e-5)
    assert column(RadiusOfGyration("all"), traj)[0] > 10


@pytest.mark.skipif(not FIP35.is_file(), reason="the structure of Fip35 is not there")
def test_fip35_against_a_superposition_by_singular_values():
    structure = mdtraj.load(str(FIP35))
    traj = noisy(structure, 3, width_nm=0.1)
    calphas = structure.topology.select("name CA")
    centred = [xyz[calphas] - xyz[calphas].mean(axis=0) for xyz in (*traj.xyz, structure.xyz[0])]
    expected = []
    for frame in centred[:-1]:
        u, s, vt = np.linalg.svd(frame.T.astype(float) @ centred[-1])
        s[2] *= np.sign(np.linalg.det(u @ vt))
        expected.append(np.sqrt((np.sum(frame**2) + np.sum(centred[-1] ** 2) - 2 * s.sum()) / len(calphas)))
    np.testing.assert_allclose(column(Rmsd(FIP35), traj), expected, atol=1e-4)
    assert column(Rmsd(FIP35, "backbone"), structure)[0] == pytest.approx(0, abs=1e-3)
    assert 0.8 < column(RadiusOfGyration(), structure)[0] < 1.2  # a folded domain of 35 residues


# Bad input


def test_a_reference_with_other_atoms():
    structure = hairpin()
    with pytest.raises(
        DataError, match=r"over 12 atoms of this molecule .* but 'ca' are 6 of the reference .* that both"
    ):
        Featurizer([Rmsd(hairpin(6))]).fit(structure)
    other = mdtraj.Trajectory(structure.xyz, beads(12, names=("TRP", "ALA")))
    with pytest.raises(DataError, match="compares TYR2-CA with ALA2-CA of the reference"):
        Featurizer([Rmsd(other)]).fit(structure)
    with pytest.raises(DataError, match="'ca' selects no atom"):
        Featurizer([Rmsd(structure)]).fit(hairpin(atoms=("CB",)))


@pytest.mark.skipif(not CRYSTAL.is_file(), reason="the crystal structure of the WW domain is not there")
def test_the_crystal_structure_of_the_wild_type_has_other_residues():
    with pytest.raises(DataError, match="choose atoms that both have"):
        Featurizer([Rmsd(CRYSTAL)]).fit(mdtraj.load(str(FIP35)))


@pytest.mark.parametrize(
    "atoms, error, message",
    [
        ("name of a thing (", SettingsError, "cannot be understood"),
        ("resname XYZ", DataError, "selects no atom"),
        ([], SettingsError, "a list of atom indices was expected"),
        ([0.5], SettingsError, "a list of atom indices was expected"),
        ([0, 99], DataError, r"atoms 0 \.\. 99 were asked for; this molecule has 0 \.\. 11"),
    ],
)
def test_atoms_that_cannot_be_chosen(atoms, error, message):
    with pytest.raises(error, match=message):
        Rmsd(hairpin(), atoms)
    with pytest.raises(error, match=message):
        Featurizer([RadiusOfGyration(atoms)]).fit(hairpin())


def test_references_that_are_no_structure(tmp_path):
    with pytest.raises(StructureError, match="does not exist"):
        Rmsd(tmp_path / "nowhere.pdb")
    with pytest.raises(StructureError, match="2 frames"):
        Rmsd(noisy(hairpin(), 2))


def test_atoms_without_mass():
    topology = mdtraj.Topology()
    topology.add_atom("X", mdtraj.element.virtual, topology.add_residue("DUM", topology.add_chain()))
    with pytest.raises(DataError, match="no known masses"):
        RadiusOfGyration("all").names(topology)
