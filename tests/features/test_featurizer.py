"""Dihedrals against known angles and mdtraj's own; the Featurizer over files, memory and chunks."""

from pathlib import Path

import mdtraj
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdtok.errors import DataError, SettingsError
from mdtok.features import Dihedrals, Featurizer
from mdtok.md.trajectory import TrajectoryFile, open_trajectories

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"
BACKBONE = ["N", "CA", "C", "O"]


def peptide(residues=("GLY", "SER", "GLY"), n_chains=1):
    """A topology of backbone atoms, and of CB and OG where the residue is a serine."""
    topology = mdtraj.Topology()
    for _ in range(n_chains):
        chain = topology.add_chain()
        for number, name in enumerate(residues, start=1):
            residue = topology.add_residue(name, chain, resSeq=number)
            for atom in BACKBONE + ["CB", "OG"] * (name == "SER"):
                topology.add_atom(atom, mdtraj.element.get_by_symbol(atom[0]), residue)
    return topology


def random_trajectory(topology, n_frames=5, seed=0):
    return mdtraj.Trajectory(np.random.default_rng(seed).normal(size=(n_frames, topology.n_atoms, 3)), topology)


def four_atoms(angles):
    """Butane-like chains of the given torsion angles (0 is cis; positive is clockwise, seen along the middle bond)."""
    topology = mdtraj.Topology()
    residue = topology.add_residue("BUT", topology.add_chain())
    for name in "ABCD":
        topology.add_atom(name, mdtraj.element.carbon, residue)
    end = np.stack([np.cos(angles), -np.sin(angles), np.full_like(angles, -1.0)], axis=1)  # seen from +z, clockwise
    xyz = np.zeros((len(angles), 4, 3))
    xyz[:, 0] = [1, 0, 1]
    xyz[:, 2] = [0, 0, -0.5]
    xyz[:, 3] = end
    return mdtraj.Trajectory(0.1 * xyz, topology)


class Distance:
    """A feature of somebody else's: three words are enough."""

    def names(self, topology):
        return ["distance"]

    def periodic(self, topology):
        return [False]

    def transform(self, traj):
        return np.linalg.norm(traj.xyz[:, 0] - traj.xyz[:, -1], axis=1)[:, None]


@given(st.lists(st.floats(-3.1, 3.1), min_size=1, max_size=6))
def test_known_torsion_angles(angles):
    traj = four_atoms(np.array(angles))
    (radians,) = Featurizer([Dihedrals([(0, 1, 2, 3)], encoding="radians")]).fit_transform(traj, progress=False)
    np.testing.assert_allclose(radians[:, 0], angles, atol=1e-5)
    (sincos,) = Featurizer([Dihedrals([("BUT0-A", "BUT0-B", "BUT0-C", "BUT0-D")])]).fit_transform(traj, progress=False)
    np.testing.assert_allclose(sincos, np.column_stack([np.cos(angles), np.sin(angles)]), atol=1e-5)
    assert sincos.dtype == np.float32


def test_named_dihedrals_are_those_of_mdtraj():
    traj = random_trajectory(peptide())
    featurizer = Featurizer([Dihedrals("phi psi omega chi1", encoding="radians")])
    (values,) = featurizer.fit_transform(traj, progress=False)
    expected = [compute(traj)[1] for compute in (mdtraj.compute_phi, mdtraj.compute_psi, mdtraj.compute_omega)]
    np.testing.assert_allclose(values, np.hstack([*expected, mdtraj.compute_chi1(traj)[1]]), atol=1e-6)
    assert featurizer.feature_names_ == [
        "phi SER2",
        "phi GLY3",
        "psi GLY1",
        "psi SER2",
        "omega GLY1",
        "omega SER2",
        "chi1 SER2",
    ]
    assert featurizer.periodic_.all()


def test_columns_stand_side_by_side_with_names():
    traj = random_trajectory(peptide())
    featurizer = Featurizer([Dihedrals("chi1"), Distance(), Dihedrals("chi1", encoding="radians")])
    (values,) = featurizer.fit_transform(traj, progress=False)
    assert featurizer.feature_names_ == ["cos chi1 SER2", "sin chi1 SER2", "distance", "chi1 SER2"]
    assert featurizer.periodic_.tolist() == [False, False, False, True]
    np.testing.assert_allclose(values[:, :2], np.column_stack([np.cos(values[:, 3]), np.sin(values[:, 3])]), atol=1e-6)


def test_names_tell_chains_apart_only_where_needed():
    names = Dihedrals("chi1", encoding="radians").names(peptide(n_chains=2))
    assert names == ["chi1 SER2 chain 0", "chi1 SER2 chain 1"]


def test_files_memory_and_chunks_agree(tmp_path):
    traj = random_trajectory(peptide(), n_frames=2300)  # more than two chunks
    traj.xyz *= 0.02  # no bond is too long to be one
    traj.save_dcd(str(tmp_path / "a.dcd"))
    trajs = open_trajectories(tmp_path / "a.dcd", top=traj, dt_ps=1)
    featurizer = Featurizer([Dihedrals("phi psi")])
    in_memory = featurizer.fit_transform(traj, progress=False)
    from_file = featurizer.fit_transform(trajs, progress=False)
    both = featurizer.transform([trajs[0], traj[:10]], progress=False)
    np.testing.assert_allclose(from_file[0], in_memory[0], atol=2e-5)
    np.testing.assert_allclose(both[1], in_memory[0][:10], atol=1e-6)
    assert [array.shape for array in both] == [(2300, 8), (10, 8)]


def test_chunks_are_shorter_where_frames_are_large(monkeypatch):
    seen = []

    class Seen(Distance):
        def transform(self, traj):
            seen.append(len(traj))
            return super().transform(traj)

    traj = random_trajectory(peptide(), n_frames=25)
    monkeypatch.setattr("mdtok.features.featurizer.CHUNK_BYTES", 10 * (12 * traj.n_atoms + 4))
    (values,) = Featurizer([Seen()]).fit_transform(traj, progress=False)
    assert seen == [10, 10, 5]
    np.testing.assert_array_equal(values, Distance().transform(traj))


def test_what_does_not_fit_in_memory_is_refused_before_it_is_read():
    """A million frames of 528 contacts (Fip35, all pairs) are 2.1 GB; half of them fit."""

    class Wide(Distance):
        def names(self, topology):
            return [f"column {i}" for i in range(528)]

    long, half = (TrajectoryFile(Path("not_there.xtc"), peptide(), 1_000_000, 1.0, stride) for stride in (1, 2))
    refused = r"528 features of 1,000,000 frames need 2\.6 GB; memory_limit_gb is 2\. .*\(stride=2\)"
    with pytest.raises(DataError, match=refused):
        Featurizer([Wide()]).fit(long).transform(long, progress=False)
    with pytest.raises(DataError, match=r"1,000,000 frames need 2\.6 GB"):  # all trajectories together
        Featurizer([Wide()]).fit_transform([half, half], progress=False)
    for featurizer, traj in ((Featurizer([Wide()]), half), (Featurizer([Wide()], memory_limit_gb=3), long)):
        with pytest.raises(DataError, match="not_there.xtc cannot be read"):  # not refused, so it goes on to read
            featurizer.fit(traj).transform(traj, progress=False)
    with pytest.raises(SettingsError, match="memory_limit_gb is 0.1; more than 0.5"):
        Featurizer([Wide()], memory_limit_gb=0.1)


def test_progress_can_be_silenced(capfd, monkeypatch):
    monkeypatch.setattr("mdtok.progress.SECONDS", 0.0)
    featurizer = Featurizer([Distance()]).fit(random_trajectory(peptide()))
    featurizer.transform(random_trajectory(peptide()), progress=False)
    assert capfd.readouterr().err == ""
    featurizer.transform(random_trajectory(peptide()))
    assert "features" in capfd.readouterr().err


# Bad input


def test_dihedral_that_the_molecule_does_not_have():
    traj = random_trajectory(peptide(("GLY", "GLY")))
    seen = r"chi1 was asked for; this molecule \(GLY1 GLY2, 8 atoms\) has phi \(1\), psi \(1\)"
    with pytest.raises(DataError, match=seen):
        Featurizer([Dihedrals("phi chi1")]).fit(traj)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_broken_coordinates_are_named(value):
    good, bad = random_trajectory(peptide(), 10), random_trajectory(peptide(), 1600)
    bad.xyz[1500, 3, 1] = value
    with pytest.raises(DataError, match=r"Coordinates of trajectory 1 hold (nan|inf) at frame 1500"):
        Featurizer([Dihedrals("phi")]).fit_transform([good, bad], progress=False)


def test_broken_features_are_named():
    class Broken(Distance):
        def transform(self, traj):
            values = super().transform(traj)
            values[3] = np.inf
            return values

    with pytest.raises(DataError, match="Features of trajectory 0 hold inf at frame 3"):
        Featurizer([Broken()]).fit_transform(random_trajectory(peptide()), progress=False)


@pytest.mark.parametrize(
    "atoms, message",
    [
        ((0, 1, 2, 99), r"atom 99 was asked for; this molecule has the atoms 0 \.\. 13"),
        (("GLY1-N", "GLY1-CA", "GLY1-C", "GLY9-N"), "'GLY9-N' occurs 0 times"),
    ],
)
def test_atoms_that_are_not_there(atoms, message):
    with pytest.raises(DataError, match=message):
        Featurizer([Dihedrals([atoms])]).fit(random_trajectory(peptide()))


def test_atom_names_that_fit_two_chains():
    with pytest.raises(DataError, match="occurs 2 times"):
        Dihedrals([("GLY1-N", "GLY1-CA", "GLY1-C", "GLY1-O")]).names(peptide(n_chains=2))


@pytest.mark.parametrize(
    "settings",
    [{"which": "zeta"}, {"which": ""}, {"which": [(0, 1, 2)]}, {"which": [(0, 1, 2, 2)]}, {"encoding": "degrees"}],
)
def test_settings_that_make_no_sense(settings):
    with pytest.raises(SettingsError):
        Dihedrals(**settings)


def test_the_same_angle_twice():
    with pytest.raises(SettingsError, match="twice"):
        Dihedrals("phi phi").names(peptide())


def test_featurizer_used_wrongly():
    with pytest.raises(SettingsError, match="No feature"):
        Featurizer([])
    with pytest.raises(DataError, match="not fitted"):
        Featurizer([Distance()]).transform(random_trajectory(peptide()))
    with pytest.raises(DataError, match="No trajectory"):
        Featurizer([Distance()]).fit([])
    featurizer = Featurizer([Distance()]).fit(random_trajectory(peptide()))
    with pytest.raises(DataError, match="trajectory 0 has 8 atoms; the Featurizer was fitted to 14"):
        featurizer.transform(random_trajectory(peptide(("GLY", "GLY"))))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data folder is not there")
def test_real_alanine_dipeptide():
    """The two basins of ff99SB-ILDN in OBC lie at phi < 0; what is reached is compared with mdtraj on the whole
    file."""
    folder = SHARED / "alanine_dcd"
    trajs = open_trajectories(folder / "trajectory-0.dcd", top=folder / "ala2.pdb", dt_ps=1)
    featurizer = Featurizer([Dihedrals("phi psi")])
    (features,) = featurizer.fit_transform(trajs, progress=False)
    assert featurizer.feature_names_ == [f"{f} {angle} ALA2" for angle in ("phi", "psi") for f in ("cos", "sin")]
    phi = mdtraj.compute_phi(trajs[0].load())[1][:, 0]
    np.testing.assert_allclose(np.arctan2(features[:, 1], features[:, 0]), phi, atol=1e-5)
    with pytest.raises(DataError, match=r"omega was asked for; .* \(ACE1 ALA2 NME3, 22 atoms\) has phi \(1\), psi"):
        Featurizer([Dihedrals("omega")]).fit(trajs)
