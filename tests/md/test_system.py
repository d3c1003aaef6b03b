"""Systems: what is in system.yaml, the physics that comes out, and what is refused."""

import pickle
import shutil
from pathlib import Path

import mdtraj
import numpy as np
import openmm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openmm import app, unit

import mdtok
from mdtok.errors import SettingsError, StructureError
from mdtok.md import check_chirality, load_system
from mdtok.md.definition import available_systems
from mdtok.md.dihedral_rotation import find_backbone_dihedrals, measure_dihedral, set_dihedral

ALANINE = Path(__file__).parents[2] / "systems" / "alanine_dipeptide"


@pytest.fixture(scope="module")
def alanine():
    return load_system("alanine_dipeptide")


def reference_state(system, positions):
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    state = context.getState(energy=True, forces=True)
    forces = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
    return state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole), forces


def backbone_angles(system, positions):
    return {
        name: measure_dihedral(positions, find_backbone_dihedrals(system.topology, name)[0]) for name in ("phi", "psi")
    }


def test_native_obc2_has_the_energy_and_forces_of_openmms_own_force_field(alanine):
    forcefield = app.ForceField("amber14/protein.ff14SB.xml", "implicit/obc2.xml")
    documented = forcefield.createSystem(alanine.topology, constraints=app.HBonds)
    assert any(isinstance(force, openmm.GBSAOBCForce) for force in alanine.system.getForces())
    rng = np.random.default_rng(1)
    for start in alanine.starts.values():
        positions = start + rng.normal(scale=0.005, size=start.shape)
        ours, our_forces = reference_state(alanine.system, positions)
        theirs, their_forces = reference_state(documented, positions)
        assert ours == pytest.approx(theirs, abs=1e-4)  # kJ/mol, of energies of about 1000
        np.testing.assert_allclose(our_forces, their_forces, atol=1e-3)


def test_vacuum_differs_from_obc2_by_the_solvation_energy(alanine):
    vacuum = load_system("alanine_dipeptide", solvent="vacuum")
    assert not any(isinstance(force, openmm.GBSAOBCForce) for force in vacuum.system.getForces())
    in_water, _ = reference_state(alanine.system, alanine.positions)
    in_vacuum, _ = reference_state(vacuum.system, alanine.positions)
    assert -80 < in_water - in_vacuum < -30  # two peptide groups are solvated by some -50 kJ/mol


def test_masses_and_constraints(alanine):
    masses = [alanine.system.getParticleMass(i).value_in_unit(unit.amu) for i in range(alanine.n_atoms)]
    hydrogens = [atom.index for atom in alanine.topology.atoms() if atom.element.symbol == "H"]
    assert all(masses[i] == pytest.approx(4) for i in hydrogens)
    assert sum(masses) == pytest.approx(144.17, abs=0.05)  # C6H12N2O2: mass is moved, not made
    assert alanine.system.getNumConstraints() == len(hydrogens) == 12


def test_each_start_has_the_angles_of_the_yaml(alanine):
    asked = {"alpha_R": (-60, -45), "beta": (-150, 155), "alpha_L": (55, 45), "c7ax": (65, -65)}
    assert set(alanine.starts) == set(asked)
    for name, (phi, psi) in asked.items():
        angles = backbone_angles(alanine, alanine.starts[name])
        assert angles["phi"] == pytest.approx(phi, abs=1), name
        assert angles["psi"] == pytest.approx(psi, abs=1), name
        _, forces = reference_state(alanine.system, alanine.starts[name])
        assert np.abs(forces).max() < 1000, name  # no clash is left: kJ/mol/nm
        check_chirality(alanine.topology, alanine.starts[name])


def test_loading_twice_gives_the_same_system(alanine):
    again = load_system("alanine_dipeptide")
    assert openmm.XmlSerializer.serialize(again.system) == openmm.XmlSerializer.serialize(alanine.system)
    for name, positions in alanine.starts.items():
        np.testing.assert_array_equal(again.starts[name], positions)


def test_a_system_goes_to_a_worker_process_and_back(alanine):
    copy = pickle.loads(pickle.dumps(alanine))
    energy, _ = reference_state(copy.system, copy.positions)
    assert energy == reference_state(alanine.system, alanine.positions)[0]
    assert copy.settings == alanine.settings
    assert [atom.name for atom in copy.topology.atoms()] == [atom.name for atom in alanine.topology.atoms()]


def test_settings_of_the_call_replace_those_of_the_file():
    system = load_system(
        "alanine_dipeptide",
        temperature_kelvin=300 * unit.kelvin,
        timestep_fs=2,
        frame_interval_ps=1,
        friction_per_ps=0.5,
    )
    integrator = system.make_integrator(1)
    assert integrator.getTemperature() == 300 * unit.kelvin
    assert integrator.getStepSize() == 0.002 * unit.picosecond
    assert integrator.getFriction() == 0.5 / unit.picosecond
    assert system.frame_interval_steps == 500


def test_the_structure_is_made_by_the_script_beside_it():
    import importlib.util

    spec = importlib.util.spec_from_file_location("build_structure", ALANINE / "build_structure.py")
    build_structure = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build_structure)
    topology, positions = build_structure.build()
    built = mdtraj.Trajectory(positions.value_in_unit(unit.nanometer), mdtraj.Topology.from_openmm(topology))
    kept = mdtraj.load(str(ALANINE / "alanine_dipeptide.pdb"))
    assert [atom.element for atom in built.topology.atoms] == [atom.element for atom in kept.topology.atoms]
    assert mdtraj.rmsd(built, kept)[0] < 0.002  # nm; OpenMM versions may differ in the last digits


# --- dihedral angles ---


@settings(max_examples=25, deadline=None)
@given(phi=st.floats(-179.9, 179.9), psi=st.floats(-179.9, 179.9))
def test_dihedral_angles_are_set_as_mdtraj_measures_them(alanine, phi, psi):
    positions = alanine.positions
    for name, degrees in {"phi": phi, "psi": psi}.items():
        atoms = find_backbone_dihedrals(alanine.topology, name)[0]
        positions = set_dihedral(alanine.topology, positions, atoms, degrees)
    turned = mdtraj.Trajectory(positions, mdtraj.Topology.from_openmm(alanine.topology))
    measured = [mdtraj.compute_phi(turned)[1].item(), mdtraj.compute_psi(turned)[1].item()]
    np.testing.assert_allclose(np.exp(1j * np.array(measured)), np.exp(1j * np.radians([phi, psi])), atol=2e-3)
    bonds = np.array([(first.index, second.index) for first, second in alanine.topology.bonds()])
    lengths = [np.linalg.norm(x[bonds[:, 0]] - x[bonds[:, 1]], axis=1) for x in (alanine.positions, positions)]
    np.testing.assert_allclose(lengths[0], lengths[1], atol=1e-9)


def test_a_bond_in_a_ring_cannot_be_turned():
    topology = app.Topology()
    residue = topology.addResidue("RNG", topology.addChain())
    atoms = [topology.addAtom(f"C{i}", app.Element.getBySymbol("C"), residue) for i in range(4)]
    for i in range(4):
        topology.addBond(atoms[i], atoms[(i + 1) % 4])
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0.3], [0, 1, 0]])
    with pytest.raises(StructureError, match="ring"):
        set_dihedral(topology, square, (0, 1, 2, 3), 60)


# --- chirality ---


def test_a_mirror_image_is_refused_by_the_name_of_its_residue(alanine, tmp_path):
    mirrored = alanine.positions * [1, 1, -1]
    with pytest.raises(StructureError, match="ALA 2"):
        check_chirality(alanine.topology, mirrored)
    path = tmp_path / "mirrored.pdb"
    with open(path, "w") as file:
        app.PDBFile.writeFile(alanine.topology, mirrored * unit.nanometer, file)
    with pytest.raises(StructureError, match="ALA 2"):
        load_system("alanine_dipeptide", structure=path)


def test_glycine_has_no_chirality(alanine):
    topology = app.Topology()
    residue = topology.addResidue("GLY", topology.addChain())
    for name in ("N", "CA", "C"):
        topology.addAtom(name, app.Element.getBySymbol(name[0]), residue)
    check_chirality(topology, np.eye(3))


@pytest.mark.parametrize("name", available_systems())
def test_every_system_that_comes_with_mdtok_loads_and_is_l(name):
    system = load_system(name)
    check_chirality(system.topology, system.positions)
    assert np.isfinite(reference_state(system.system, system.positions)[0])


def test_the_fip35_model_of_the_shared_data_is_l():
    path = Path(__file__).parents[3] / "shared" / "data" / "structures" / "fip35_model_clean.pdb"
    if not path.is_file():
        pytest.skip("../shared/data is not here")
    pdb = app.PDBFile(str(path))
    check_chirality(pdb.topology, pdb.positions)


# --- what is refused ---


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "alanin"}, "alanine_dipeptide"),
        ({"name": "alanine_dipeptide", "solvent": "methanol"}, "obc2"),
        ({"name": "alanine_dipeptide", "temperature_kelvin": 0}, "temperature_kelvin is 0"),
        ({"name": "alanine_dipeptide", "temperature_kelvin": -300.0}, "above 0"),
        ({"name": "alanine_dipeptide", "temperature_kelvin": float("nan")}, "temperature_kelvin"),
        ({"name": "alanine_dipeptide", "timestep_fs": 3}, "whole number of time steps"),
    ],
)
def test_wrong_arguments(arguments, words):
    with pytest.raises(SettingsError, match=words) as caught:
        load_system(**arguments)
    assert "\n" not in str(caught.value)


def test_wrong_start_lists_those_there_are(alanine):
    with pytest.raises(SettingsError, match="alpha_R, beta, alpha_L, c7ax"):
        alanine.start_positions("alphaR")


def test_openmms_random_seed_zero_is_refused(alanine):
    with pytest.raises(SettingsError, match="seed"):
        alanine.make_integrator(0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("solvent: obc2", "solvent: obc3"), "obc3"),
        (("timestep_fs: 4", "timestep_ps: 4"), "unknown key timestep_ps"),
        (("temperature_kelvin: 450", "temperature_kelvin: hot"), "'hot'"),
        (("temperature_kelvin: 450", "# "), "lacks temperature_kelvin"),
        (("phi: -60", "chi: -60"), "starts"),
        (("starts:", "starts: ["), "not valid YAML"),
        (("forcefield: [amber14/protein.ff14SB.xml]", "forcefield: amber14"), "a list of texts"),
    ],
)
def test_a_wrong_system_file_is_named_with_what_is_wrong(tmp_path, change, words):
    folder = tmp_path / "mine"
    shutil.copytree(ALANINE, folder)
    text = (folder / "system.yaml").read_text()
    assert change[0] in text
    (folder / "system.yaml").write_text(text.replace(*change))
    with pytest.raises(SettingsError, match=words) as caught:
        load_system(folder)
    assert "system.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_of_the_user_is_a_system(tmp_path):
    shutil.copytree(ALANINE, tmp_path / "mine")
    assert mdtok.load_system(tmp_path / "mine").name == "mine"


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "does not exist"), ("hello\n", "PDB file with atoms"), ("ATOM  what is this\n", "cannot be read")],
)
def test_a_structure_that_is_none(tmp_path, text, words):
    path = tmp_path / "x.pdb"
    if text:
        path.write_text(text)
    with pytest.raises(StructureError, match=words):
        load_system("alanine_dipeptide", structure=path)


def test_a_structure_without_hydrogens_does_not_fit_the_force_field(tmp_path):
    lines = (ALANINE / "alanine_dipeptide.pdb").read_text().splitlines(keepends=True)
    path = tmp_path / "heavy.pdb"
    path.write_text("".join(line for line in lines if line.startswith(("ATOM", "HETATM")) and line[77] != "H"))
    with pytest.raises(StructureError, match="heavy.pdb") as caught:
        load_system("alanine_dipeptide", structure=path)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_box_of_water():
    system = load_system("alanine_dipeptide", solvent="tip3p", progress=False)
    assert system.n_atoms > 1500
    assert len(system.solute_atoms) == 22
    assert all(positions.shape == (system.n_atoms, 3) for positions in system.starts.values())
    assert [atom.name for atom in system.solute_topology.atoms()][:6] == ["H1", "CH3", "H2", "H3", "C", "O"]
    assert any(isinstance(force, openmm.MonteCarloBarostat) for force in system.system.getForces())
    assert backbone_angles(system, system.starts["c7ax"])["phi"] == pytest.approx(65, abs=10)
