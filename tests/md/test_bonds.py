"""Topologies that are not of these atoms are refused; nothing is measured over what is no bond, or to an own image."""

import mdtraj
import numpy as np
import pytest

from mdtok.errors import DataError
from mdtok.features import Contacts, Dihedrals, Featurizer, RadiusOfGyration
from mdtok.md import open_trajectories
from mdtok.md.topology_files import read_topology

BACKBONE = ("N", "CA", "C", "O")
BOND, ANGLE = 0.14, np.radians(112.0)


def place(a, b, c, bond, angle, torsion):
    """The atom that makes the torsion a, b, c, d (natural extension reference frame)."""
    along = (c - b) / np.linalg.norm(c - b)
    normal = np.cross(b - a, along)
    normal /= np.linalg.norm(normal)
    across = np.cross(normal, along)
    turned = [-np.cos(angle), np.sin(angle) * np.cos(torsion), np.sin(angle) * np.sin(torsion)]
    return c + bond * (turned[0] * along + turned[1] * across + turned[2] * normal)


def chain_of(torsions):
    """Coordinates (n_residues, 4, 3) of N, CA, C, O in nm, from phi and psi (n_residues, 2); omega is 180 degrees."""
    atoms = [np.zeros(3), np.array([BOND, 0, 0]), np.array([1.4 * BOND, 0.13, 0])]
    for k in range(1, len(torsions)):
        for torsion in (torsions[k - 1][1], np.pi, torsions[k][0]):
            atoms.append(place(*atoms[-3:], BOND, ANGLE, torsion))
    xyz = np.array(atoms).reshape(-1, 3, 3)
    oxygen = [place(*residue, 0.123, np.radians(121.0), t[1] + np.pi) for residue, t in zip(xyz, torsions)]
    return np.concatenate([xyz, np.array(oxygen)[:, None]], axis=1)


def topology_of(names, numbers=None, chains=(), order=BACKBONE):
    topology, chain = mdtraj.Topology(), None
    for k, name in enumerate(names):
        if chain is None or k in chains:
            chain = topology.add_chain()
        residue = topology.add_residue(name, chain, resSeq=(numbers or range(1, len(names) + 1))[k])
        for atom in order:
            topology.add_atom(atom, mdtraj.element.get_by_symbol(atom[0]), residue)
    topology.create_standard_bonds()
    return topology


@pytest.fixture(scope="module")
def peptide():
    """Twelve residues of alanine that bend slowly: angles (n_frames, 12, 2) and coordinates."""
    rng = np.random.default_rng(0)
    start = np.radians(np.where(rng.random((12, 1)) < 0.5, [-120, 140], [-110, 120]))
    angles = start + np.cumsum(0.05 * rng.normal(size=(40, 12, 2)), axis=0)
    return angles, np.array([chain_of(frame) for frame in angles])


def features_of(path, top, *features):
    (found,) = Featurizer(list(features)).fit_transform(open_trajectories(path, top=top), progress=False)
    return found


def test_molecules_are_made_whole_and_see_no_image_of_their_own(peptide, tmp_path):
    """In a box that is shorter than the molecule, wrapped atom by atom and whole: the same angles, sizes, distances."""
    angles, xyz = peptide
    names, flat = ["ALA"] * 12, xyz.reshape(len(xyz), -1, 3)
    top, calphas = topology_of(names), flat[:, 1::4]
    length = 0.6 * np.linalg.norm(calphas[:, 0] - calphas[:, -1], axis=-1).max()
    first, second = np.triu_indices(12, 3)
    exact = np.linalg.norm(calphas[:, first] - calphas[:, second], axis=-1)
    assert (exact > length).any()  # the minimum image would be another
    for kind, seen in (("whole", flat), ("wrapped", flat % length)):
        traj = mdtraj.Trajectory(seen, top, time=np.arange(len(seen), dtype=float))
        traj.unitcell_lengths, traj.unitcell_angles = np.full((len(seen), 3), length), np.full((len(seen), 3), 90.0)
        traj.save_xtc(str(tmp_path / f"{kind}.xtc"))
        asked = (
            Dihedrals("phi psi", encoding="radians"),
            RadiusOfGyration("ca"),
            Contacts(scheme="ca", min_separation=3),
        )
        found = features_of(tmp_path / f"{kind}.xtc", top, *asked)
        turned = found[:, :22] - np.concatenate([angles[:, 1:, 0], angles[:, :-1, 1]], axis=1)
        assert np.abs((turned + np.pi) % (2 * np.pi) - np.pi).max() < 0.03  # XTC keeps a thousandth of a nanometre
        radius = np.sqrt(((calphas - calphas.mean(axis=1, keepdims=True)) ** 2).sum(axis=2).mean(axis=1))
        np.testing.assert_allclose(found[:, 22], radius, atol=2e-3)
        np.testing.assert_allclose(found[:, 23:], exact, atol=3e-3)


def test_a_box_that_is_none_is_left_alone(peptide, tmp_path):
    """CRYST1 1 1 1 (0.1 nm) stands in many files."""
    _, xyz = peptide
    top = topology_of(["ALA"] * 12)
    traj = mdtraj.Trajectory(xyz.reshape(len(xyz), -1, 3), top, time=np.arange(len(xyz), dtype=float))
    plain = Featurizer(Contacts(scheme="ca")).fit_transform(traj, progress=False)[0]
    traj.unitcell_lengths, traj.unitcell_angles = np.full((len(xyz), 3), 0.1), np.full((len(xyz), 3), 90.0)
    traj.save_xtc(str(tmp_path / "a.xtc"))
    np.testing.assert_allclose(features_of(tmp_path / "a.xtc", top, Contacts(scheme="ca")), plain, atol=3e-3)


@pytest.mark.parametrize("other", ["order", "names"])
def test_a_topology_of_other_atoms_is_refused_with_the_worst_bond(peptide, tmp_path, other):
    _, xyz = peptide
    top = topology_of(["ALA", "GLY", "SER", "VAL"])
    mdtraj.Trajectory(xyz[:, :4].reshape(len(xyz), -1, 3), top).save_xtc(str(tmp_path / "a.xtc"))
    orders = {"order": ("N", "C", "CA", "O"), "names": ("O", "C", "CA", "N")}
    wrong = topology_of(["ALA", "GLY", "SER", "VAL"], order=orders[other])
    with pytest.raises(DataError, match=r"bonds of the topology are none; the worst is .*-[CNO].* nm was expected"):
        open_trajectories(tmp_path / "a.xtc", top=wrong, dt_ps=1)


def test_nothing_is_measured_over_missing_residues(peptide, tmp_path, caplog):
    _, xyz = peptide
    kept = [0, 1, 2, 8, 9, 10]
    top = topology_of(["ALA", "GLY", "SER", "VAL", "LEU", "THR"], numbers=[10, 11, 12, 18, 19, 20])
    mdtraj.Trajectory(xyz[:, kept].reshape(len(xyz), -1, 3), top).save_xtc(str(tmp_path / "a.xtc"))
    trajs = open_trajectories(tmp_path / "a.xtc", top=top, dt_ps=1)
    names = Featurizer(Dihedrals("phi psi", encoding="radians")).fit(trajs).feature_names_
    assert names == [
        "phi GLY11",
        "phi SER12",
        "phi LEU19",
        "phi THR20",
        "psi ALA10",
        "psi GLY11",
        "psi VAL18",
        "psi LEU19",
    ]
    assert "SER12 and VAL18 are not bonded" in caplog.text
    contacts = Featurizer(Contacts(scheme="ca", min_separation=3)).fit(trajs).feature_names_
    assert "CA distance SER12-VAL18" in contacts  # six residues apart, though they are neighbours in the file


def test_two_molecules_in_one_chain_are_two_and_told_apart(peptide, tmp_path):
    """As GRO and PRMTOP files have them: nothing ends the first one."""
    _, xyz = peptide
    both = np.concatenate([xyz[:, :4], xyz[:, :4] + [0, 0, 1.0]], axis=1).reshape(len(xyz), -1, 3)
    top = topology_of(["ALA", "GLY", "SER", "VAL"] * 2, numbers=[1, 2, 3, 4] * 2)
    mdtraj.Trajectory(both, top).save_xtc(str(tmp_path / "a.xtc"))
    featurizer = Featurizer([Dihedrals("psi", encoding="radians"), Contacts(scheme="ca")])
    names = featurizer.fit(open_trajectories(tmp_path / "a.xtc", top=top, dt_ps=1)).feature_names_
    assert names[:6] == [f"psi {one} molecule {k}" for k in (0, 1) for one in ("ALA1", "GLY2", "SER3")]
    assert len(set(names)) == len(names) and "CA distance VAL4 molecule 0-ALA1 molecule 1" in names


def test_between_molecules_the_nearest_image_counts(peptide, tmp_path):
    _, xyz = peptide
    both = np.concatenate([xyz[:, :3], xyz[:, :3] + [0, 0, 3.0]], axis=1).reshape(len(xyz), -1, 3)
    top = topology_of(["ALA"] * 6, chains=(3,))
    traj = mdtraj.Trajectory(both, top, time=np.arange(len(xyz), dtype=float))
    traj.unitcell_lengths, traj.unitcell_angles = np.full((len(xyz), 3), 3.5), np.full((len(xyz), 3), 90.0)
    traj.save_xtc(str(tmp_path / "a.xtc"))
    found = features_of(tmp_path / "a.xtc", top, Contacts(pairs=[(0, 3)], scheme="ca"))
    np.testing.assert_allclose(found[:, 0], 0.5, atol=3e-3)


def test_residues_of_a_prmtop_are_counted_from_1(tmp_path, monkeypatch):
    from mdtok.md import topology_files

    read = topology_of(["ALA", "GLY"], numbers=[0, 1])
    monkeypatch.setattr(topology_files.mdtraj, "load_topology", lambda path: read)
    assert [str(residue) for residue in read_topology(tmp_path / "a.prmtop").residues] == ["ALA1", "GLY2"]
