"""Structure-based models: the native structure is the minimum, the forms are the published ones, bad input is one
line."""

import json
from pathlib import Path

import numpy as np
import openmm
import pytest
import yaml
from conftest import ROOT

import mdtok
from mdtok.errors import SettingsError, StructureError
from mdtok.features.topologies import calpha_atoms

FIP35 = ROOT / "systems" / "fip35" / "fip35.pdb"


@pytest.fixture(scope="module")
def system():
    return mdtok.load_system("fip35_calpha")


def make_folder(folder, **changes):
    """A system of the user's own: fip35_calpha without its sequence and contacts."""
    content = yaml.safe_load((ROOT / "systems" / "fip35_calpha" / "system.yaml").read_text(encoding="utf-8"))
    content |= {"structure": str(FIP35)} | changes
    for key in {"sequence", "contacts"} - set(changes):
        del content[key]
    folder.mkdir(exist_ok=True)
    (folder / "system.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder


def energy_and_forces(system, positions):
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    state = context.getState(energy=True, forces=True)
    return state.getPotentialEnergy()._value, state.getForces(asNumpy=True)._value


def test_the_native_structure_is_the_minimum(system):
    energy, forces = energy_and_forces(system.system, system.positions)
    depth = 3.3 * len(system.settings["contacts"])
    assert -depth <= energy < -0.99 * depth  # what is missing is the repulsion of other pairs
    assert np.abs(forces).max() < 10
    rng = np.random.default_rng(0)
    for _ in range(20):
        moved, _ = energy_and_forces(system.system, system.positions + 0.01 * rng.standard_normal((35, 3)))
        assert moved > energy


def test_forces_are_the_slope_of_the_energy(system):
    rng = np.random.default_rng(1)
    positions = system.positions + 0.03 * rng.standard_normal((35, 3))
    direction = rng.standard_normal((35, 3))
    _, forces = energy_and_forces(system.system, positions)
    (high, _), (low, _) = (energy_and_forces(system.system, positions + step * direction) for step in (1e-5, -1e-5))
    assert (high - low) / 2e-5 == pytest.approx(-(forces * direction).sum(), rel=1e-5)


@pytest.mark.parametrize("barrier", [0.0, 0.1, 0.4])
def test_a_contact_has_the_published_form(tmp_path, barrier):
    made = mdtok.load_system(make_folder(tmp_path / "own", desolvation_barrier=barrier, contact_energy_kj_mol=1.0))
    contact = next(
        force
        for force in made.system.getForces()
        if isinstance(force, openmm.CustomBondForce) and force.getNumPerBondParameters()
    )
    pair = openmm.System()
    for _ in range(2):
        pair.addParticle(1.0)
    single = openmm.CustomBondForce(contact.getEnergyFunction())
    single.addPerBondParameter("r0")
    for k in range(contact.getNumGlobalParameters()):
        single.addGlobalParameter(contact.getGlobalParameterName(k), contact.getGlobalParameterDefaultValue(k))
    single.addBond(0, 1, [0.6])
    pair.addForce(single)

    def at(r):
        return energy_and_forces(pair, [[0, 0, 0], [r, 0, 0]])[0]

    assert at(0.6) == pytest.approx(-1) and at(2.0) == pytest.approx(0, abs=1e-3)
    if barrier:
        assert at(0.75) == pytest.approx(barrier) and at(0.9) == pytest.approx(-0.2)
        assert at(0.6 - 1e-9) == pytest.approx(at(0.6 + 1e-9)) and at(0.75 - 1e-9) == pytest.approx(at(0.75 + 1e-9))
    else:
        assert at(0.75) == pytest.approx(5 * 0.8**12 - 6 * 0.8**10)


def test_unfolded_is_stretched_out_with_the_bonds_and_angles_of_the_chain(system):
    folded, unfolded = system.starts["folded"], system.starts["unfolded"]
    np.testing.assert_allclose(*(np.linalg.norm(np.diff(x, axis=0), axis=1) for x in (folded, unfolded)), rtol=1e-9)
    np.testing.assert_allclose(*(np.linalg.norm(x[2:] - x[:-2], axis=1) for x in (folded, unfolded)), rtol=1e-9)
    assert np.linalg.norm(unfolded[-1] - unfolded[0]) > 8 > 3 > np.linalg.norm(folded[-1] - folded[0])


def test_contacts_are_those_of_the_table_or_of_the_structure(system, tmp_path):
    table = {tuple(pair) for pair in system.settings["contacts"]}
    own = mdtok.load_system(make_folder(tmp_path / "own"))
    assert len(table & {tuple(pair) for pair in own.settings["contacts"]}) >= 0.9 * len(table)
    given = json.loads((ROOT / "systems" / "fip35_calpha" / "contacts.json").read_text(encoding="utf-8"))["pairs"]
    assert table == {(i - 1, j - 1) for i, j in given}


def test_it_is_simulated_like_any_other_system(system, tmp_path):
    trajs = mdtok.run_replicas(system, 2, 0.2, seed=3, out=tmp_path / "md", n_processes=1, progress=False)
    assert trajs.n_frames == 40 and len(calpha_atoms(trajs.topology)) == 35
    native = mdtok.native_contacts(str(FIP35))
    q = mdtok.Featurizer([mdtok.NativeFraction(native, scheme="ca")]).fit(trajs).transform(trajs, progress=False)
    assert q[0].mean() > 0.5 > 0.2 > q[1].mean()  # the first replica starts folded, the second stretched out


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"contact_energy_kj_mol": -1.0}, "contact_energy_kj_mol is -1.0"),
        ({"desolvation_barrier": -0.1}, "desolvation_barrier is -0.1"),
        ({"contacts": "nowhere.json"}, "contacts: nowhere.json, which is no file"),
        ({"contact_nm": 0.1}, "has no contact under 0.1 nm"),
        ({"solvent": "obc2"}, "unknown key solvent"),
        ({"structure": str(ROOT / "systems" / "alanine_dipeptide" / "alanine_dipeptide.pdb")}, "one chain of residues"),
        ({"sequence": "G" * 35}, "has the sequence GSKLPPGWEKRMSRDGRVYYFNHITNASQFERPSG"),
    ],
)
def test_bad_input_is_one_line(tmp_path, changes, words):
    with pytest.raises((SettingsError, StructureError)) as caught:
        mdtok.load_system(make_folder(tmp_path / "own", **changes))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_contacts_that_do_not_fit_the_structure_are_refused(tmp_path):
    folder = make_folder(tmp_path / "own", contacts="contacts.json")
    for pairs in ([[1, 36]], [[5, 6]]):
        Path(folder / "contacts.json").write_text(json.dumps({"pairs": pairs}), encoding="utf-8")
        with pytest.raises(SettingsError, match="do not fit the structure"):
            mdtok.load_system(folder)
