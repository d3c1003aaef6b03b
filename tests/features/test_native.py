"""Native contacts and Q on structures whose contacts are known, and on Fip35."""

import json
from dataclasses import replace

import mdtraj
import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from peptides import CRYSTAL, FIP35, beads, hairpin, noisy

from mdtok.errors import DataError, RunFolderError, SettingsError, StructureError
from mdtok.features import Contacts, Featurizer, NativeContacts, NativeFraction, Rmsd, native_contacts

RUNGS = ["TRP1-SER12", "TYR2-GLY11", "GLY3-TYR10", "SER4-TRP9"]  # of the ladder; TRP5-SER8 are 3 apart only


def q_of(native, traj, **settings):
    (values,) = Featurizer([NativeFraction(native, **settings)]).fit_transform(traj, progress=False)
    assert values.dtype == np.float32 and values.shape == (len(traj), 1)
    return values[:, 0]


def scaled(structure, *factors):
    return mdtraj.Trajectory(np.concatenate([factor * structure.xyz for factor in factors]), structure.topology)


def test_contacts_of_a_ladder():
    structure = hairpin(atoms=("CA", "CB"))
    native = native_contacts(structure, cutoff_nm=0.505)  # closer than the diagonal between CA and CB, 0.51 nm
    assert native.names(structure.topology) == RUNGS and len(native) == 4
    np.testing.assert_allclose(native.ca_nm, 0.5, atol=1e-6)
    np.testing.assert_allclose(native.closest_heavy_nm, 0.5, atol=1e-6)
    assert native.atom_pairs[:2] == [(0, "CA", 11, "CA"), (0, "CB", 11, "CB")] and len(native.atom_pairs) == 8
    with_diagonals = native_contacts(structure, cutoff_nm=0.515)
    assert len(with_diagonals) == 4 and len(with_diagonals.atom_pairs) == 16
    assert "TRP5-SER8" in native_contacts(structure, cutoff_nm=0.505, min_separation=3).names(structure.topology)
    np.testing.assert_allclose(native_contacts(structure, 0.505, scheme="ca").ca_nm, 0.5, atol=1e-6)


def test_hydrogens_are_no_contact():
    structure = hairpin(atoms=("CA", "HA"))
    assert {name for _, a, _, b in native_contacts(structure, 0.52).atom_pairs for name in (a, b)} == {"CA"}


def test_residues_of_two_chains_are_always_far_enough():
    xyz = np.array([[[0, 0, 0], [0.38, 0, 0], [0, 0.5, 0], [0.38, 0.5, 0]]])
    topology = beads(2, n_chains=2)
    assert len(native_contacts(mdtraj.Trajectory(xyz, topology), 0.51, scheme="ca")) == 2


@given(st.floats(0.5, 2.5), st.floats(1.1, 2.0), st.floats(10, 100))
def test_q_follows_its_formula(factor, lambda_, beta):
    structure = hairpin(atoms=("CA", "CB"))
    native = native_contacts(structure, 0.505)
    expected = 1 / (1 + np.exp(beta * 0.5 * (factor - lambda_)))  # every native distance is 0.5 nm
    soft = q_of(native, scaled(structure, factor), lambda_=lambda_, beta_per_nm=beta)
    assert soft[0] == pytest.approx(expected, abs=1e-4)
    if abs(factor - lambda_) > 1e-5:
        assert q_of(native, scaled(structure, factor), lambda_=lambda_, kind="hard")[0] == (factor < lambda_)


def test_q_of_calpha_beads():
    structure = hairpin()
    native = native_contacts(structure, 0.51, scheme="ca")
    np.testing.assert_allclose(q_of(native, scaled(structure, 1, 1.2, 2)), [1, 0.5, 0], atol=0.01)
    np.testing.assert_array_equal(q_of(native, scaled(structure, 1, 1.19, 1.21, 2), kind="hard"), [1, 1, 0, 0])


def test_half_a_ladder_is_half_of_q():
    structure = hairpin()
    native = native_contacts(structure, 0.51, scheme="ca")
    opened = mdtraj.Trajectory(structure.xyz.copy(), structure.topology)
    opened.xyz[0, [10, 11], 1] += 5  # the two outer rungs
    assert q_of(native, opened, kind="hard")[0] == 0.5


def test_contacts_of_an_allatom_structure_measure_a_calpha_model():
    structure = hairpin(atoms=("CA", "CB"))
    native = native_contacts(structure, 0.515)
    calphas = structure.atom_slice(structure.topology.select("name CA"))
    assert q_of(native, calphas, scheme="ca")[0] == pytest.approx(1, abs=0.01)
    with pytest.raises(DataError, match="need the atom CB of .*, which this molecule .* use scheme='ca'"):
        Featurizer([NativeFraction(native)]).fit(calphas)


def test_blocks_do_not_change_q(monkeypatch):
    structure = hairpin(atoms=("CA", "CB"))
    native, traj = native_contacts(structure, 0.515), noisy(structure, 23, width_nm=0.3)
    whole = q_of(native, traj)
    monkeypatch.setattr("mdtok.features.distances.BLOCK_BYTES", 4 * 40)
    monkeypatch.setattr("mdtok.features.featurizer.CHUNK_FRAMES", 7)
    np.testing.assert_allclose(q_of(native, traj), whole, rtol=1e-6)
    assert np.ptp(whole) > 0.05


def test_numbering_and_protonation_may_differ():
    native = native_contacts(hairpin(atoms=("CA", "CB")), 0.515)
    other = hairpin(atoms=("CB", "CA"))  # another order of atoms
    for residue in other.topology.residues:
        residue.resSeq += 5
    assert native.names(other.topology)[0] == "TRP6-SER17"
    histidine, protonated = (hairpin().topology for _ in range(2))
    histidine.residue(0).name, protonated.residue(0).name = "HIS", "HIE"
    structure = mdtraj.Trajectory(hairpin().xyz, histidine)
    native_contacts(structure, 0.51, scheme="ca").require_residues(protonated)


@pytest.mark.parametrize("scheme", ["closest-heavy", "ca"])
def test_saved_and_loaded(tmp_path, scheme):
    structure = hairpin(atoms=("CA", "CB"))
    native = native_contacts(structure, 0.515, scheme=scheme)
    native.save(tmp_path / "native.json")
    loaded = NativeContacts.load(tmp_path / "native.json")
    assert (loaded.scheme, loaded.cutoff_nm, loaded.min_separation) == (scheme, 0.515, 4)
    assert loaded.residues == native.residues and loaded.atom_pairs == native.atom_pairs
    np.testing.assert_array_equal(loaded.pairs, native.pairs)
    traj = noisy(structure, 5, width_nm=0.3)
    np.testing.assert_array_equal(q_of(loaded, traj), q_of(native, traj))
    assert Contacts(loaded).names(structure.topology) == Contacts(native).names(structure.topology)


@pytest.mark.skipif(not FIP35.is_file(), reason="the structure of Fip35 is not there")
def test_fip35():
    structure = mdtraj.load(str(FIP35))
    native = native_contacts(FIP35)
    closest, pairs = mdtraj.compute_contacts(structure, scheme="closest-heavy")
    expected = {(i, j): d for (i, j), d in zip(pairs.tolist(), closest[0]) if d < 0.45 and j - i >= 4}
    assert list(map(tuple, native.pairs.tolist())) == sorted(expected)
    np.testing.assert_allclose(native.closest_heavy_nm, [expected[i, j] for i, j in native.pairs.tolist()], atol=1e-5)
    q = q_of(native, scaled(structure, 1, 1.3, 2))
    assert q[0] > 0.99 and q[0] > q[1] > q[2] and q[2] < 0.1
    ca = q_of(native, scaled(structure, 1, 1.3, 2), scheme="ca")
    assert ca[0] > 0.95 and ca[0] > ca[1] > ca[2] and ca[2] < 0.01
    assert q_of(native, scaled(structure, 1, 2), kind="hard").tolist() == [1, 0]
    with_all = Featurizer([NativeFraction(native), Contacts(native, kind="soft"), Rmsd(structure)]).fit(structure)
    assert with_all.feature_names_[0] == "Q" and with_all.feature_names_[-1] == "RMSD ca"


@pytest.mark.skipif(not CRYSTAL.is_file(), reason="the crystal structure of the WW domain is not there")
def test_the_wild_type_is_another_sequence():
    with pytest.raises(DataError, match="of the native contacts is .* pass the native contacts of the same sequence"):
        Featurizer([NativeFraction(native_contacts(CRYSTAL))]).fit(mdtraj.load(str(FIP35)))


# Bad input


def test_structures_without_native_contacts(tmp_path):
    with pytest.raises(StructureError, match="no contact under 0.3 nm between residues 4 or more apart"):
        native_contacts(hairpin(), cutoff_nm=0.3)
    with pytest.raises(StructureError, match="no Cα atoms"):
        native_contacts(hairpin(atoms=("CB",)))
    with pytest.raises(StructureError, match=r"nowhere.pdb does not exist"):
        native_contacts(tmp_path / "nowhere.pdb")
    (tmp_path / "notes.txt").write_text("no atoms\n")
    with pytest.raises(StructureError, match=r"notes.txt cannot be read"):
        native_contacts(tmp_path / "notes.txt")
    with pytest.raises(StructureError, match=r"has 3 frames; pass one of them"):
        native_contacts(noisy(hairpin(), 3))
    broken = hairpin()
    broken.xyz[0, 2] = np.nan
    with pytest.raises(StructureError, match="not finite"):
        native_contacts(broken)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda native: native_contacts(hairpin(), scheme="cb"), "scheme is 'cb'"),
        (lambda native: native_contacts(hairpin(), cutoff_nm=-1), "cutoff_nm is -1"),
        (lambda native: NativeFraction(native, kind="fuzzy"), "kind is 'fuzzy'"),
        (lambda native: NativeFraction(native, lambda_=0), "lambda_ is 0"),
        (lambda native: NativeFraction(native, scheme="closest-heavy"), "made from Cα atoms"),
        (lambda native: NativeFraction(hairpin()), "pass what native_contacts"),
    ],
)
def test_settings_of_native_contacts_that_make_no_sense(make, message):
    with pytest.raises(SettingsError, match=message):
        make(native_contacts(hairpin(), 0.51, scheme="ca"))


@pytest.mark.parametrize(
    "change",
    [
        {"pairs": np.zeros((0, 2), int)},
        {"ca_nm": np.ones(3)},
        {"ca_nm": np.array([1, 1, 1, -1.0])},
        {"residues": {}},
        {"atom_pairs": [(0, "CA", 11, "CA")]},
    ],
)
def test_contacts_that_do_not_go_together(change):
    with pytest.raises(DataError, match=r"make them with native_contacts\(structure\)"):
        replace(native_contacts(hairpin(), 0.51, scheme="ca"), **change)


def test_files_that_hold_something_else(tmp_path):
    path = tmp_path / "native.json"
    for content in ({"schema": 1}, {"schema": 2}, [1, 2]):
        path.write_text(json.dumps(content))
        with pytest.raises(DataError, match="native.json is no list of native contacts"):
            NativeContacts.load(path)
    with pytest.raises(RunFolderError, match="does not exist"):
        NativeContacts.load(tmp_path / "nowhere.json")


def test_contacts_between_two_stretches():
    native = native_contacts(str(ROOT / "systems" / "fip35" / "fip35.pdb"))
    hairpin = native.between(range(6, 14), range(15, 24))
    assert 0 < len(hairpin) < len(native) and len(hairpin.atom_pairs) == len(hairpin.atom_nm) > len(hairpin)
    assert all(6 <= i < 14 and 15 <= j < 24 for i, j in hairpin.pairs)
    assert len(native.between(range(15, 24), range(6, 14))) == len(hairpin)
    whole = native.between(range(35), range(35))
    np.testing.assert_array_equal(whole.pairs, native.pairs)
    with pytest.raises(DataError, match="have no native contact"):
        native.between([0], [1])
