"""Contacts against distances known by hand, mdtraj's own contacts and a plain double loop."""

import mdtraj
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from peptides import FIP35, beads, hairpin, noisy

from mdtok.errors import DataError, SettingsError
from mdtok.features import Contacts, Featurizer, native_contacts
from mdtok.md.trajectory import open_trajectories

KINDS = ["distance", "soft", "hard"]


def columns(feature, traj):
    featurizer = Featurizer([feature])
    (values,) = featurizer.fit_transform(traj, progress=False)
    assert values.dtype == np.float32 and values.shape == (len(traj), len(featurizer.feature_names_))
    assert not featurizer.periodic_.any()
    return dict(zip(featurizer.feature_names_, values.T))


def two_residues(gap_nm, hydrogens=False):
    """Two residues of two heavy atoms (and a hydrogen, where asked for), `gap_nm` between the closest heavy atoms."""
    atoms = ("CA", "CB", "HB") if hydrogens else ("CA", "CB")
    first = [[0, 0, 0], [0.15, 0, 0], [0.25, 0, 0]][: len(atoms)]
    second = [[0.30 + gap_nm, 0, 0], [0.15 + gap_nm, 0, 0], [0.05 + gap_nm, 0, 0]][: len(atoms)]
    return mdtraj.Trajectory(np.array([first + second]), beads(2, atoms=atoms))


@given(st.floats(0.2, 3.0), st.booleans())
def test_distances_known_by_hand(gap_nm, hydrogens):
    traj = two_residues(gap_nm, hydrogens)
    closest = columns(Contacts([(0, 1)]), traj)
    ca = columns(Contacts([(1, 0)], scheme="ca"), traj)
    assert closest["distance TRP1-TYR2"][0] == pytest.approx(gap_nm, abs=1e-5)  # hydrogens do not count
    assert ca["CA distance TYR2-TRP1"][0] == pytest.approx(gap_nm + 0.3, abs=1e-5)


@given(st.floats(0.05, 1.5), st.floats(0.2, 1.2), st.floats(5, 100))
def test_soft_and_hard_contacts_follow_their_formula(gap_nm, cutoff_nm, beta):
    traj = two_residues(gap_nm)
    soft = columns(Contacts([(0, 1)], kind="soft", cutoff_nm=cutoff_nm, beta_per_nm=beta), traj)["contact TRP1-TYR2"][0]
    hard = columns(Contacts([(0, 1)], kind="hard", cutoff_nm=cutoff_nm), traj)["contact TRP1-TYR2"][0]
    assert soft == pytest.approx(1 / (1 + np.exp(beta * (gap_nm - cutoff_nm))), abs=1e-4)
    if abs(gap_nm - cutoff_nm) > 1e-5:
        assert hard == (gap_nm < cutoff_nm)


@pytest.mark.parametrize("scheme, cutoff_nm", [("closest-heavy", 0.45), ("ca", 0.8)])
def test_default_cutoffs(scheme, cutoff_nm):
    gap = cutoff_nm if scheme == "closest-heavy" else cutoff_nm - 0.3
    (value,) = columns(Contacts([(0, 1)], scheme=scheme, kind="soft"), two_residues(gap)).values()
    assert value[0] == pytest.approx(0.5, abs=1e-3)


def test_far_apart_is_zero_and_no_warning():
    (value,) = columns(Contacts([(0, 1)], kind="soft"), two_residues(1e4)).values()
    assert value[0] == 0


@given(
    n_residues=st.integers(2, 7),
    n_atoms=st.integers(2, 4),
    n_chains=st.integers(1, 2),
    min_separation=st.integers(1, 4),
    scheme=st.sampled_from(["closest-heavy", "ca"]),
    seed=st.integers(0, 99),
)
def test_all_pairs_against_a_plain_loop(n_residues, n_atoms, n_chains, min_separation, scheme, seed):
    topology = beads(n_residues, n_chains, atoms=("CA", "CB", "OG", "HA")[:n_atoms])
    xyz = np.random.default_rng(seed).normal(size=(3, topology.n_atoms, 3)).astype(np.float32)
    chosen = [[a for a in r.atoms if (a.name == "CA" if scheme == "ca" else a.name != "HA")] for r in topology.residues]
    pairs = [
        (r, s)
        for r in topology.residues
        for s in topology.residues
        if r.index < s.index and (r.chain != s.chain or s.index - r.index >= min_separation)
    ]
    feature = Contacts(scheme=scheme, min_separation=min_separation)
    if not pairs:
        with pytest.raises(DataError, match="lower min_separation"):
            feature.names(topology)
        return

    def closest(frame, r, s):
        return min(np.linalg.norm(frame[a.index] - frame[b.index]) for a in chosen[r.index] for b in chosen[s.index])

    expected = [[closest(frame, r, s) for r, s in pairs] for frame in xyz]
    (values,) = Featurizer([feature]).fit_transform(mdtraj.Trajectory(xyz, topology), progress=False)
    np.testing.assert_allclose(values, expected, atol=1e-5)
    assert len(set(feature.names(topology))) == len(pairs)


def test_names_tell_chains_apart_only_where_needed():
    topology = beads(2, n_chains=2)
    assert Contacts([(0, 3)], scheme="ca").names(topology) == ["CA distance TRP1-TYR2"]
    assert Contacts([(0, 3), (2, 1)], scheme="ca", kind="hard").names(topology) == [
        "CA contact TRP1 chain 0-TYR2 chain 1",
        "CA contact TRP1 chain 1-TYR2 chain 0",
    ]


@pytest.mark.parametrize("scheme", ["closest-heavy", "ca"])
@pytest.mark.parametrize("kind", KINDS)
def test_neither_chunks_nor_blocks_change_the_result(monkeypatch, scheme, kind):
    traj = noisy(hairpin(atoms=("CA", "CB", "CG")), 23)
    (whole,) = Featurizer([Contacts(scheme=scheme, kind=kind)]).fit_transform(traj, progress=False)
    monkeypatch.setattr("mdtok.features.featurizer.CHUNK_FRAMES", 5)
    monkeypatch.setattr("mdtok.features.distances.BLOCK_BYTES", 4 * 200)  # a few frames at a time
    monkeypatch.setattr("mdtok.features.contacts._ATOM_PAIRS_AT_A_TIME", 40)  # a few residue pairs at a time
    (pieces,) = Featurizer([Contacts(scheme=scheme, kind=kind)]).fit_transform(traj, progress=False)
    np.testing.assert_array_equal(pieces, whole)


def test_minimum_image_in_a_periodic_box():
    traj = two_residues(1.5)
    traj.unitcell_lengths, traj.unitcell_angles = np.full((1, 3), 2.0), np.full((1, 3), 90.0)
    (value,) = columns(Contacts([(0, 1)], scheme="ca"), traj).values()
    assert value[0] == pytest.approx(0.2, abs=1e-5)  # 1.8 nm apart in a box of 2 nm


def test_native_contacts_have_a_threshold_each():
    structure = hairpin(atoms=("CA", "CB"))
    native = native_contacts(structure, cutoff_nm=0.55)
    assert np.ptp(native.ca_nm) == pytest.approx(0, abs=1e-6) and len(native) == 4  # rungs of the ladder, but the turn
    at_threshold = mdtraj.Trajectory(1.8 * structure.xyz, structure.topology)
    soft = columns(Contacts(native, kind="soft"), at_threshold)
    assert list(soft) == [f"contact {name}" for name in native.names(structure.topology)]
    np.testing.assert_allclose(list(soft.values()), 0.5, atol=1e-4)
    looser = columns(Contacts(native, kind="hard", lambda_=1.9), at_threshold)
    tighter = columns(Contacts(native, kind="hard", lambda_=1.7), at_threshold)
    assert all(value[0] == 1 for value in looser.values()) and all(value[0] == 0 for value in tighter.values())
    by_cutoff = columns(Contacts(native, kind="hard", cutoff_nm=0.85), at_threshold)
    assert all(value[0] == 0 for value in by_cutoff.values())  # rungs are 0.9 nm apart now
    ca = Contacts(native, scheme="ca", kind="soft")
    np.testing.assert_allclose(ca.threshold_nm, 1.2 * native.ca_nm)


@pytest.mark.skipif(not FIP35.is_file(), reason="the structure of Fip35 is not there")
@pytest.mark.parametrize("scheme", ["closest-heavy", "ca"])
def test_fip35_as_mdtraj_computes_it(scheme):
    traj = noisy(mdtraj.load(str(FIP35)), 30)
    expected, pairs = mdtraj.compute_contacts(traj, scheme=scheme)
    found = columns(Contacts(scheme=scheme), traj)
    assert len(found) == len(pairs) == 528  # 35 residues, 3 or more apart
    np.testing.assert_allclose(np.column_stack(list(found.values())), expected, atol=1e-6)
    assert "TRP8-" in list(found)[7 * 32 - 21]  # residue 8, counted from 1, after the pairs of residues 1 to 7
    explicit = columns(Contacts(pairs, scheme=scheme), traj)
    assert list(explicit) == list(found)


def test_alanine_dipeptide_from_files_as_mdtraj_computes_it(shared_data):
    folder = shared_data / "readers"
    trajs = open_trajectories(folder / "frame0.xtc", top=folder / "native.pdb")
    found = columns(Contacts([(0, 2), (0, 1)]), trajs[0])
    assert list(found) == ["distance ACE1-NME3", "distance ACE1-ALA2"]
    expected, _ = mdtraj.compute_contacts(trajs[0].load(), [(0, 2), (0, 1)], scheme="closest-heavy")
    np.testing.assert_allclose(np.column_stack(list(found.values())), expected, atol=1e-6)


# Bad input


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"scheme": "closest"}, "scheme is 'closest'; 'closest-heavy', 'ca' was expected"),
        ({"kind": "fuzzy"}, "kind is 'fuzzy'"),
        ({"pairs": "some"}, "pairs is 'some'"),
        ({"pairs": [(0, 1, 2)]}, "shape"),
        ({"pairs": []}, "shape"),
        ({"pairs": [(0.5, 1.5)]}, "float64"),
        ({"pairs": [(-1, 3)]}, "residue -1 was asked for"),
        ({"pairs": [(3, 3)]}, "with itself"),
        ({"pairs": [(0, 3), (3, 0)]}, "twice"),
        ({"kind": "soft", "cutoff_nm": 0.0}, "cutoff_nm is 0.0; a positive number"),
        ({"kind": "soft", "beta_per_nm": np.nan}, "beta_per_nm is nan"),
        ({"cutoff_nm": 0.5}, "A distance has no cutoff_nm"),
        ({"kind": "soft", "lambda_": 1.8}, "lambda_ is for native contacts"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(SettingsError, match=message):
        Contacts(**settings)


def test_native_contacts_without_the_distances_that_are_asked_for():
    native = native_contacts(hairpin(), scheme="ca")
    with pytest.raises(SettingsError, match="made from Cα atoms"):
        Contacts(native, scheme="closest-heavy", kind="soft")


@pytest.mark.parametrize(
    "feature, topology, message",
    [
        (Contacts([(0, 12)]), hairpin().topology, r"residue 12 was asked for; this molecule \(.*\) has 0 \.\. 11"),
        (Contacts(), beads(5, atoms=("CB", "OG")), "no Cα atoms; give the pairs"),
        (Contacts([(0, 3)], scheme="ca"), beads(5, atoms=("CB", "OG")), "TRP1 was asked for, which has no Cα atom"),
        (Contacts([(0, 3)]), beads(5, atoms=("HA",)), "has no heavy atom"),
        (Contacts(), beads(5), "single atoms.*use scheme='ca'"),
        (Contacts(min_separation=9, scheme="ca"), beads(5), "no two residues 9 or more apart"),
        (Contacts(native_contacts(hairpin(), scheme="ca")), beads(12, names=("ALA",)), "of the same sequence"),
    ],
)
def test_molecules_that_do_not_fit(feature, topology, message):
    with pytest.raises(DataError, match=message) as raised:
        Featurizer([feature]).fit(mdtraj.Trajectory(np.zeros((1, topology.n_atoms, 3)), topology))
    assert "\n" not in str(raised.value)


def test_a_calcium_ion_is_no_calpha():
    topology = beads(4)
    ion = topology.add_residue("CA", topology.add_chain())
    topology.add_atom("CA", mdtraj.element.calcium, ion)
    assert Contacts(scheme="ca").names(topology) == ["CA distance TRP1-SER4"]
