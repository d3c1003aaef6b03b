"""Forces of OpenMM: their energy is the collective variable, and they are its slope."""

import numpy as np
import openmm
import pytest
import torch
import two_peptides
from openmm import app, unit

from mdtok.errors import DataError, SettingsError
from mdtok.features import Contacts, Dihedrals, Featurizer
from mdtok.kinetics import LinearCV, NetworkCV, to_openmm_force
from mdtok.kinetics.cvs import python_force
from mdtok.md import load_system

NATIVE = ["torsions", "distances", "contacts", "native"]
BOX_NM = 4.0
PLATFORMS = ["Reference", "CPU", pytest.param("OpenCL", marks=pytest.mark.opencl)]


@pytest.fixture
def platform(request):
    names = {openmm.Platform.getPlatform(i).getName() for i in range(openmm.Platform.getNumPlatforms())}
    if request.param not in names:
        pytest.skip(f"OpenMM has no platform {request.param} here")
    return request.param


def linear(kind, seed=0):
    featurizer = two_peptides.featurizer(kind)
    n_columns = len(featurizer.feature_names_) + featurizer.periodic_.sum()
    rng = np.random.default_rng(seed)
    return LinearCV(featurizer, rng.normal(size=n_columns), rng.normal(size=n_columns))


def network(kind, seed=0, dtype=torch.float64):
    featurizer = two_peptides.featurizer(kind)
    n_columns = int(len(featurizer.feature_names_) + featurizer.periodic_.sum())
    torch.manual_seed(seed)
    layers = [torch.nn.Linear(n_columns, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)]
    return NetworkCV(featurizer, torch.nn.Sequential(*layers).to(dtype))


def slopes(context, xyz, atoms, step_nm=1e-4):
    """Forces by central differences of the energy."""
    forces = np.zeros((len(atoms), 3))
    for row, atom in enumerate(atoms):
        for axis in range(3):
            moved = np.array([xyz, xyz], dtype=float)
            moved[:, atom, axis] += [step_nm, -step_nm]
            energies = [two_peptides.energy_and_forces(context, one)[0] for one in moved]
            forces[row, axis] = -(energies[0] - energies[1]) / (2 * step_nm)
    return forces


def check(cv, platform, box_nm=None, n_frames=6):
    """Energies to 1e-5 in every frame; forces of the first to 1e-3 of the largest, by differences on Reference."""
    traj = two_peptides.frames(n_frames, seed=3, box_nm=box_nm)
    values = cv.transform(traj, progress=False)[0][:, 0]
    made = to_openmm_force(cv, two_peptides.system(box_nm=box_nm))
    context = two_peptides.context(made, box_nm=box_nm, platform=platform)
    found = [two_peptides.energy_and_forces(context, xyz) for xyz in traj.xyz]
    assert np.ptp(values) > 1e-2
    np.testing.assert_allclose([energy for energy, _ in found], values, rtol=1e-5, atol=1e-5)
    exact = two_peptides.context(to_openmm_force(cv, two_peptides.system(box_nm=box_nm)), box_nm=box_nm)
    expected = slopes(exact, traj.xyz[0], range(0, 30, 2))
    assert np.abs(expected).max() > 1e-2
    np.testing.assert_allclose(found[0][1][::2], expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    return made


@pytest.mark.parametrize("platform", PLATFORMS, indirect=True)
@pytest.mark.parametrize("kind", NATIVE)
def test_a_linear_cv_is_a_native_force(kind, platform):
    assert isinstance(check(linear(kind), platform), openmm.CustomCVForce)


@pytest.mark.parametrize("platform", PLATFORMS, indirect=True)
@pytest.mark.parametrize("box_nm", [None, BOX_NM])
def test_a_linear_cv_of_all_features_with_and_without_a_box(platform, box_nm):
    """The second chain stands a whole box away in two directions: only the nearest image gives the features."""
    assert isinstance(check(linear("all"), platform, box_nm), openmm.PythonForce)
    check(linear("distances"), platform, box_nm)
    check(linear("torsions"), platform, box_nm)


@pytest.mark.parametrize("platform", PLATFORMS, indirect=True)
@pytest.mark.parametrize("box_nm", [None, BOX_NM])
def test_a_network_is_a_python_force(platform, box_nm):
    assert isinstance(check(network("all"), platform, box_nm), openmm.PythonForce)


def test_a_network_of_single_precision():
    cv, traj = network("all", dtype=torch.float32), two_peptides.frames(6, seed=3)
    context = two_peptides.context(to_openmm_force(cv, two_peptides.system()))
    energies = [two_peptides.energy_and_forces(context, xyz)[0] for xyz in traj.xyz]
    np.testing.assert_allclose(energies, cv.transform(traj, progress=False)[0][:, 0], atol=1e-5)


@pytest.mark.parametrize("platform", PLATFORMS, indirect=True)
def test_contacts_far_apart_have_no_force_rather_than_none_that_is_a_number(platform):
    cv = linear("contacts")
    context = two_peptides.context(to_openmm_force(cv, two_peptides.system()), platform=platform)
    xyz = two_peptides.frames(1).xyz[0]
    xyz[15:] += 50.0
    energy, forces = two_peptides.energy_and_forces(context, xyz)
    assert np.isfinite(energy) and np.isfinite(forces).all()


def test_each_component_is_its_own_force():
    featurizer = two_peptides.featurizer("distances")
    cv = LinearCV(featurizer, np.random.default_rng(0).normal(size=(len(featurizer.feature_names_), 2)))
    traj, system = two_peptides.frames(1), two_peptides.system()
    for component in (0, 1):
        context = two_peptides.context(to_openmm_force(cv, system, component=component))
        value = cv.transform(traj, progress=False)[0][0, component]
        assert two_peptides.energy_and_forces(context, traj.xyz[0])[0] == pytest.approx(value, abs=1e-5)
    with pytest.raises(SettingsError, match="There are 2 CVs, and a force is of one; say component=0 … 1"):
        to_openmm_force(cv, system)
    with pytest.raises(SettingsError, match="component is 2; 0 … 1 was expected"):
        to_openmm_force(cv, system, component=2)


@pytest.mark.parametrize("make", [linear, network])
def test_metadynamics_of_openmm_biases_it(make):
    """The bias that it adds lies where the CV is."""
    system, traj = two_peptides.system(), two_peptides.frames(1)
    cv = make("torsions")
    value = cv.transform(traj, progress=False)[0][0, 0]
    variable = app.BiasVariable(to_openmm_force(cv, system), value - 2, value + 2, 0.2, gridWidth=41)
    metadynamics = app.Metadynamics(system, [variable], 300 * unit.kelvin, 5, 1.0, 1)
    integrator = openmm.VerletIntegrator(1e-6)
    simulation = app.Simulation(
        traj.topology.to_openmm(), system, integrator, openmm.Platform.getPlatformByName("Reference")
    )
    simulation.context.setPositions(traj.xyz[0].astype(float))
    metadynamics.step(simulation, 1)
    assert metadynamics.getCollectiveVariables(simulation)[0] == pytest.approx(value, abs=1e-3)
    bias = -metadynamics.getFreeEnergy()._value
    assert bias.argmax() == 20 and bias.max() > 0.5


def test_xml_holds_neither_network_nor_code(monkeypatch):
    """OpenMM pickles the function of a PythonForce: of ours only a key, which means something as long as it lives."""
    force = to_openmm_force(network("torsions"), two_peptides.system())
    xml = openmm.XmlSerializer.serialize(force)
    assert len(xml) < 3000
    assert openmm.XmlSerializer.deserialize(xml).getParticles() == force.getParticles()
    monkeypatch.setattr(python_force, "_COMPUTATIONS", {})  # as in another process
    context = two_peptides.context(openmm.XmlSerializer.deserialize(xml))
    with pytest.raises(Exception, match="made in another process, which XML does not hold; call to_openmm_force"):
        two_peptides.energy_and_forces(context, two_peptides.frames(1).xyz[0])


def test_water_after_the_molecule_is_no_matter(alanine):
    """Atoms of a MolecularSystem are those that its trajectories keep; of an openmm.System with a topology, by name."""
    topology = two_peptides.topology(3)
    cv, traj = linear("distances"), two_peptides.frames(1, n_chains=3)
    context = two_peptides.context(to_openmm_force(cv, two_peptides.system(45), topology), n_atoms=45)
    value = cv.transform(traj.atom_slice(range(30)), progress=False)[0][0, 0]
    assert two_peptides.energy_and_forces(context, traj.xyz[0])[0] == pytest.approx(value, abs=1e-5)


@pytest.fixture(scope="module")
def alanine():
    return load_system("alanine_dipeptide")


def test_a_system_of_ours(alanine):
    import mdtraj

    traj = mdtraj.Trajectory(alanine.positions, mdtraj.Topology.from_openmm(alanine.topology))
    cv = LinearCV(Featurizer(Dihedrals("phi psi")).fit(traj), [1.0, 2.0, 3.0, 4.0])
    context = two_peptides.context(to_openmm_force(cv, alanine), n_atoms=22)
    value = cv.transform(traj, progress=False)[0][0, 0]
    assert two_peptides.energy_and_forces(context, traj.xyz[0])[0] == pytest.approx(value, abs=1e-5)


def test_other_atoms_than_those_of_the_system_are_refused(alanine):
    cv = linear("torsions")
    with pytest.raises(
        DataError, match="Atom 0 of the CV is GLY1-N .*, that of the system ACE1-.*from trajectories of"
    ):
        to_openmm_force(cv, alanine)
    with pytest.raises(DataError, match="The system has 45 atoms, the CV is of 30 .*pass topology="):
        to_openmm_force(cv, two_peptides.system(45))
    with pytest.raises(DataError, match="that of the system not there"):
        to_openmm_force(cv, two_peptides.system(15), two_peptides.topology(1))
    with pytest.raises(SettingsError, match="system is a dict; a MolecularSystem or openmm.System was expected"):
        to_openmm_force(cv, {})


def test_between_molecules_the_system_says_whether_there_is_a_box():
    with pytest.raises(SettingsError, match="'CA distance GLY1.* are between molecules; pass system="):
        to_openmm_force(linear("distances"))
    one = two_peptides.frames(2, n_chains=1)
    alone = Featurizer(Contacts(scheme="ca")).fit(one)
    assert to_openmm_force(LinearCV(alone, np.ones(len(alone.feature_names_)))).getNumCollectiveVariables() == 1


@pytest.mark.parametrize("cv, said", [(network("torsions"), "A network"), (linear("closest"), "Closest heavy atoms")])
def test_an_openmm_without_python_forces_is_named(monkeypatch, cv, said):
    monkeypatch.delattr(openmm, "PythonForce")
    with pytest.raises(SettingsError, match=rf"{said} as a force needs .* OpenMM 8\.5; this is OpenMM \d.*Update it"):
        to_openmm_force(cv, two_peptides.system())
    assert to_openmm_force(linear("torsions"), two_peptides.system()) is not None
