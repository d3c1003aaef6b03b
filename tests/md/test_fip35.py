"""Fip35: the structure that is shipped, the table it is built from, and structures of the user's own."""

import importlib
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import mdtraj
import numpy as np
import openmm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openmm import app, unit

from mdtok.errors import StructureError
from mdtok.md import check_chirality, load_system, select_platform
from mdtok.md.dihedral_rotation import find_backbone_dihedrals, set_dihedral
from mdtok.md.structure import load_structure, sequence_of

FOLDER = Path(__file__).parents[2] / "systems" / "fip35"
SEQUENCE = "GSKLPPGWEKRMSRDGRVYYFNHITNASQFERPSG"


def load_script(name):
    """A script of systems/fip35, imported as it is when it runs: with its own folder on the path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        return importlib.import_module(name)


@pytest.fixture(scope="module")
def crystal():
    return load_script("figures")


@pytest.fixture(scope="module")
def table(crystal):
    return crystal.read_figures()


@pytest.fixture(scope="module")
def structure():
    return load_structure(FOLDER / "fip35.pdb")


@pytest.fixture(scope="module")
def fip35():
    return load_system("fip35", progress=False)


@pytest.fixture(scope="module")
def crystal_path():
    path = Path(__file__).parents[3] / "shared" / "data" / "structures" / "wwdomain_1pin_crystal.pdb"
    if not path.is_file():
        pytest.skip("../shared/data is not here")
    return path


# --- the structure that is shipped ---


def test_sequence_atoms_termini_and_chirality(structure):
    topology, positions = structure
    residues = list(topology.residues())
    assert sequence_of(residues) == SEQUENCE
    assert topology.getNumAtoms() == 562
    assert len([atom for atom in residues[0].atoms() if atom.name in ("H", "H1", "H2", "H3")]) == 3  # NH3+
    assert {"O", "OXT"} <= {atom.name for atom in residues[-1].atoms()}  # COO-
    assert {"HE2"} == {atom.name for atom in residues[22].atoms()} & {"HD1", "HE2"}  # HIE
    check_chirality(topology, positions)


def test_targets_are_met_against_the_table(structure, crystal, table):
    merit = crystal.assess(*structure, table)
    assert len(table.core) == 32
    assert merit["ca_rmsd_nm"] <= 0.1
    assert merit["n_native_pairs"] >= 60
    assert merit["native_pairs_within_cutoff"] >= 0.9
    assert merit["bad_ramachandran"] == []
    assert merit["bad_omega"] == []


def test_mdtraj_measures_the_same_against_the_crystal_itself(structure, crystal, table, crystal_path):
    topology, positions = structure
    ours = mdtraj.Trajectory(positions, mdtraj.Topology.from_openmm(topology))
    theirs = mdtraj.load(str(crystal_path))
    aligned = [theirs.topology.residue(index).atom("CA").index for index in table.aligned]
    core = [ours.topology.residue(number - 1).atom("CA").index for number in table.core]
    deviation = mdtraj.rmsd(ours.atom_slice(core), theirs.atom_slice(aligned))[0]
    assert deviation <= 0.1
    assert deviation == pytest.approx(crystal.assess(topology, positions, table)["ca_rmsd_nm"], abs=2e-4)
    _, omegas = mdtraj.compute_omega(ours)
    assert np.abs(np.degrees(omegas)).min() > 160


def test_energy_is_finite_and_minimised(structure, fip35):
    context = openmm.Context(
        fip35.system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference")
    )
    energies = []
    for positions in (structure[1], fip35.positions):
        context.setPositions(positions)
        state = context.getState(energy=True, forces=True)
        energies.append(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))
    forces = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
    assert -8000 < energies[0] < -5000  # kJ/mol; folded proteins of this size and charge
    assert abs(energies[0] - energies[1]) < 60  # what the loader's own minimisation still finds
    assert np.sqrt((forces**2).sum(axis=1).mean()) < 300  # no clash; constrained bonds keep some
    frames = [mdtraj.Trajectory(x, mdtraj.Topology.from_openmm(structure[0])) for x in (structure[1], fip35.positions)]
    assert mdtraj.rmsd(*frames)[0] < 0.02


def test_system_is_ready_to_run(fip35):
    assert fip35.n_atoms == 562
    assert fip35.solvent == "obc2"
    assert any(isinstance(force, openmm.GBSAOBCForce) for force in fip35.system.getForces())
    masses = [fip35.system.getParticleMass(i).value_in_unit(unit.amu) for i in range(562)]
    assert sum(masses) == pytest.approx(4072.55, abs=0.2)  # average masses, charge +3
    integrator = fip35.make_integrator(7)
    context = openmm.Context(fip35.system, integrator, openmm.Platform.getPlatformByName("CPU"), {"Threads": "1"})
    context.setPositions(fip35.positions)
    context.setVelocitiesToTemperature(300, 7)
    integrator.step(100)
    assert np.isfinite(context.getState(energy=True).getPotentialEnergy()._value)


# --- the table and its reading ---


def test_the_table_is_what_the_script_takes_from_the_crystal(crystal_path):
    taken = load_script("take_figures").take_figures(crystal_path)
    assert json.loads(json.dumps(taken)) == json.loads((FOLDER / "crystal_figures.json").read_text(encoding="utf-8"))


def test_the_table_names_its_source_and_is_small():
    path = FOLDER / "crystal_figures.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    assert "1PIN" in content["source"] and "Cell 89, 875 (1997)" in content["source"] and "CC0" in content["source"]
    assert path.stat().st_size < 100_000
    assert len(content["residues"]) == 34
    assert [len(row) for row in content["ca_distances_nm"]] == list(range(33, 0, -1))
    assert all(distance < 0.45 and abs(i - j) >= 3 for i, _, j, _, distance in content["contacts"])


def test_loop_1_has_no_figures_for_its_new_residue(table):
    assert 15 not in table.core and 15 not in table.torsions
    assert [number for number in range(1, 36) if number not in table.core] == [1, 2, 15]
    assert "chi1" in table.torsions[30] and "chi3" in table.torsions[9]
    assert all(SEQUENCE[number - 1] != "G" or "chi1" not in angles for number, angles in table.torsions.items())


def test_alpha_carbons_are_rebuilt_with_the_right_hand(crystal, crystal_path, table):
    pdb = mdtraj.load(str(crystal_path))
    calpha = pdb.xyz[0][pdb.topology.select("name CA")][list(table.aligned)].astype(float)
    assert crystal.rmsd(table.calpha, calpha) < 2e-4  # nm; distances are rounded to 1e-4
    assert crystal.rmsd(table.calpha * [1, 1, -1], calpha) > 0.2


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_atoms=st.integers(4, 30))
def test_rmsd_is_that_of_mdtraj(crystal, seed, n_atoms):
    generator = np.random.default_rng(seed)
    first, second = generator.normal(size=(2, n_atoms, 3))
    topology = mdtraj.Topology()
    residue = topology.add_residue("X", topology.add_chain())
    for _ in range(n_atoms):
        topology.add_atom("CA", mdtraj.element.carbon, residue)
    reference = mdtraj.rmsd(*(mdtraj.Trajectory(positions, topology) for positions in (first, second)))[0]
    assert crystal.rmsd(first, second) == pytest.approx(reference, abs=2e-3)


@pytest.mark.parametrize(
    ("letter", "phi", "psi", "bad"),
    [
        ("A", -63, -43, False),
        ("A", -120, 130, False),
        ("A", 57, 40, False),
        ("A", 60, -60, True),
        ("A", 0, 0, True),
        ("A", -60, 20, True),
        ("A", 85, 10, True),
        ("G", 85, -10, False),
        ("G", 85, 10, False),
        ("G", 0, 60, True),
        ("P", -65, 145, False),
        ("P", -120, 130, True),
        ("P", 57, 40, True),
    ],
)
def test_ramachandran_regions(crystal, letter, phi, psi, bad):
    assert crystal.is_bad_ramachandran(letter, phi, psi) is bad


def test_another_sequence_than_the_tables(crystal, table):
    topology, positions = load_structure(FOLDER.parent / "alanine_dipeptide" / "alanine_dipeptide.pdb")
    with pytest.raises(StructureError, match="contact table is for GSKLPP"):
        crystal.assess(topology, positions, table)


# --- ideal geometry ---


def test_chain_at_ideal_geometry_has_the_torsions_asked_for(crystal):
    geometry = load_script("ideal_geometry")
    asked = [{"phi": -70.0 + i, "psi": 150.0 - i, "omega": 178.0, "chi1": 60.0} for i in range(20)]
    asked[14] = {"phi": -65.0, "psi": 140.0, "omega": 180.0, "chi1": -25.0, "chi2": 40.0}  # the ring of proline closes
    topology, positions = geometry.build_chain("ARNDCQEGHILKMFPSTWYV", asked)
    positions = positions.value_in_unit(unit.nanometer)
    check_chirality(topology, positions)
    measured = crystal.backbone_torsions(topology, positions)
    for given_angles, angles in zip(asked, measured):
        for name, degrees in angles.items():
            assert degrees == pytest.approx(given_angles[name], abs=0.01)
    lengths = [np.linalg.norm(positions[first.index] - positions[second.index]) for first, second in topology.bonds()]
    assert min(lengths) > 0.12 and max(lengths) < 0.19  # rings close, nothing is torn: nm
    assert len(lengths) > len(positions) - 1  # all residues are bonded


@pytest.mark.slow
def test_build_makes_the_structure_that_is_shipped(structure):
    topology, positions = load_script("build_structure").build()
    assert [atom.name for atom in topology.atoms()] == [atom.name for atom in structure[0].atoms()]
    frames = [mdtraj.Trajectory(x, mdtraj.Topology.from_openmm(topology)) for x in (positions, structure[1])]
    assert mdtraj.rmsd(*frames)[0] < 0.05  # nm; OpenMM versions may part during the annealing


def test_check_prints_the_figures_and_refuses_a_worse_structure(tmp_path, structure):
    command = [sys.executable, str(FOLDER / "build_structure.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    for words in ("CA RMSD over 32 core", "native contacts: 9", "bad Ramachandran residues: none", "chirality: L"):
        assert words in done.stdout
    turned = tmp_path / "turned.pdb"  # the C-terminal strand swung out of the sheet
    turned.write_text(turned_out(structure))
    done = subprocess.run([*command, "--structure", str(turned)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "not all of these" in done.stderr


def turned_out(structure):
    topology, positions = structure
    positions = set_dihedral(topology, positions, find_backbone_dihedrals(topology, "psi")[25], -150)
    return pdb_text(topology, positions)


def pdb_text(topology, positions):
    file = io.StringIO()
    app.PDBFile.writeFile(topology, positions * unit.nanometer, file)
    return file.getvalue()


# --- a structure of the user's own ---


def edit(lines, change):
    """Lines of fip35.pdb, changed by a function of atom name, residue name and number: None drops an atom."""
    return "".join(
        change(line, line[12:16].strip(), line[17:20], int(line[22:26])) if line.startswith("ATOM") else line
        for line in lines
    )


def test_a_structure_of_the_users_own(tmp_path, fip35):
    shutil.copy(FOLDER / "fip35.pdb", tmp_path / "mine.pdb")
    mine = load_system("fip35", structure=tmp_path / "mine.pdb", progress=False)
    assert mine.n_atoms == fip35.n_atoms and mine.settings == fip35.settings


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda line, atom, name, number: "" if (atom, number) == ("CZ3", 8) else line, "TRP 8 lacks CZ3"),
        (lambda line, atom, name, number: "" if atom == "OXT" else line, "GLY 35 lacks OXT"),
        (lambda line, atom, name, number: "" if (atom, number) == ("HA", 9) else line, "GLU 9: .* missing 1 H atom"),
        (lambda line, atom, name, number: "" if atom[0] == "H" else line, "GLY 1: .*addHydrogens"),
        (lambda line, atom, name, number: "" if number == 15 else line, "broken between ARG 14 and GLY 16"),
        (lambda line, atom, name, number: line.replace("MET", "MSE"), "MSE 12 is not in the force field"),
        (lambda line, atom, name, number: "" if number == 35 or atom == "OXT" else line, "SER 34 lacks OXT"),
    ],
    ids=["heavy atom", "terminus", "hydrogen", "all hydrogens", "residue", "non-standard", "end of the chain"],
)
def test_what_is_wrong_with_a_structure_is_one_line(tmp_path, change, words):
    lines = (FOLDER / "fip35.pdb").read_text(encoding="utf-8").splitlines(keepends=True)
    path = tmp_path / "mine.pdb"
    path.write_text(edit(lines, change))
    with pytest.raises(StructureError, match=words) as caught:
        load_system("fip35", structure=path, progress=False)
    assert "mine.pdb" in str(caught.value) and "\n" not in str(caught.value)


def test_a_d_residue_is_refused_by_its_name(tmp_path, structure):
    topology, positions = structure
    positions, atoms = positions.copy(), {a.name: a.index for a in list(topology.residues())[25].atoms()}
    positions[[atoms["CB"], atoms["HA"]]] = positions[[atoms["HA"], atoms["CB"]]]  # the error a mutation tool makes
    (tmp_path / "mine.pdb").write_text(pdb_text(topology, positions))
    with pytest.raises(StructureError, match=r"mine.pdb: .*D-residues \(ASN 26\)"):
        load_system("fip35", structure=tmp_path / "mine.pdb")


@pytest.mark.parametrize(("number", "branches"), [(24, ("CG1", "CG2")), (25, ("OG1", "CG2"))])
def test_a_beta_carbon_of_the_wrong_hand_is_refused(structure, number, branches):
    topology, positions = structure
    positions, atoms = positions.copy(), {a.name: a.index for a in list(topology.residues())[number - 1].atoms()}
    first, second = (atoms[name] for name in branches)
    positions[[first, second]] = positions[[second, first]]
    with pytest.raises(StructureError, match=f"beta carbon .* {number};"):
        check_chirality(topology, positions)


def test_another_sequence_is_refused(tmp_path):
    other = FOLDER.parent / "alanine_dipeptide" / "alanine_dipeptide.pdb"
    with pytest.raises(StructureError, match="has the sequence XAX, fip35 has GSKLPP"):
        load_system("fip35", structure=other)


# --- solvents and stability ---


def test_gbn2_is_openmms_own(tmp_path):
    gbn2, vacuum = (load_system("alanine_dipeptide", solvent=solvent) for solvent in ("gbn2", "vacuum"))
    assert any(isinstance(force, openmm.CustomGBForce) for force in gbn2.system.getForces())
    energies = []
    for system in (gbn2.system, vacuum.system):
        context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
        context.setPositions(vacuum.positions)
        energies.append(context.getState(energy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))
    assert -80 < energies[0] - energies[1] < -30  # two peptide groups are solvated by some -50 kJ/mol


@pytest.mark.slow
@pytest.mark.parametrize("solvent", ["gbn2", "tip3p"])
def test_fip35_in_other_solvents(solvent):
    system = load_system("fip35", solvent=solvent, progress=False)
    assert len(system.solute_atoms) == 562
    assert system.n_atoms == 562 if solvent == "gbn2" else system.n_atoms > 8000
    check_chirality(system.topology, system.positions)


@pytest.mark.slow
def test_fip35_is_stable_for_a_nanosecond(fip35, table):
    """250,000 steps at 300 K in OBC2: some 40 minutes on one core, a minute on a GPU."""
    choice = select_platform("auto", fip35)
    integrator = fip35.make_integrator(7)
    platform = openmm.Platform.getPlatformByName(choice.name)
    context = openmm.Context(fip35.system, integrator, platform, choice.properties)
    context.setPositions(fip35.positions)
    context.setVelocitiesToTemperature(fip35.temperature_kelvin * unit.kelvin, 7)
    frames = []
    for _ in range(50):
        integrator.step(5000)
        frames.append(context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer))
    topology = mdtraj.Topology.from_openmm(fip35.topology)
    core = [topology.residue(number - 1).atom("CA").index for number in table.core]
    trajectory = mdtraj.Trajectory(np.array(frames), topology)
    start = mdtraj.Trajectory(fip35.positions, topology)
    assert mdtraj.rmsd(trajectory, start, atom_indices=core).max() < 0.3
