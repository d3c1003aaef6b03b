"""Where a bias lives: what a variable can reach, walls, and Gaussians as OpenMM adds them."""

import numpy as np
import openmm
import pytest
import torsion_molecule as molecule
import two_peptides
from openmm import app, unit

from mdtok.errors import SettingsError
from mdtok.kinetics import AngleCV, LinearCV
from mdtok.kinetics.biasing.axis import BiasAxis, axis_of, reachable


def linear(kind):
    featurizer = two_peptides.featurizer(kind)
    n_columns = int(len(featurizer.feature_names_) + featurizer.periodic_.sum())
    rng = np.random.default_rng(0)
    return LinearCV(featurizer, rng.normal(size=n_columns), rng.normal(size=n_columns))


@pytest.mark.parametrize("kind", ["torsions", "contacts", "native"])
def test_a_linear_cv_of_angles_and_contacts_never_leaves_what_it_can_reach(kind):
    cv = linear(kind)
    low, high = reachable(cv)
    values = cv.transform(two_peptides.frames(200, seed=1), progress=False)[0]
    assert low < values.min() and values.max() < high
    axis = axis_of(cv, 0, [values[:, 0]])
    assert axis.low < low and high < axis.high and axis.wall_low is None and not axis.walls(2.5).any()


def test_an_angle_alone_reaches_its_amplitude():
    cv = LinearCV(molecule.featurizer(), [3.0, 4.0], [0.5, 0.0])
    assert reachable(cv) == pytest.approx((-6.5, 3.5))


def test_distances_have_no_end_and_get_walls_around_what_was_seen():
    cv = linear("distances")
    assert reachable(cv) is None
    axis = axis_of(cv, 0, [np.array([1.0, 2.0]), np.array([2.5, 3.0])])
    assert (axis.wall_low, axis.wall_high) == pytest.approx((0.8, 3.2))
    assert (axis.low, axis.high) == pytest.approx((0.56, 3.44))
    walls = axis.walls(2.5)
    assert walls[[0, -1]] == pytest.approx(100.0) and not walls[axis.n_points // 2]
    assert not walls[(axis.grid > 0.8) & (axis.grid < 3.2)].any()


def test_the_width_of_gaussians_is_that_of_a_basin_not_of_the_cut():
    cv, rng = AngleCV(molecule.featurizer()), np.random.default_rng(0)
    seen = (np.pi + rng.normal(0, 0.2, 4000) + np.pi) % (2 * np.pi) - np.pi  # about the cut
    axis = axis_of(cv, 0, [seen])
    assert axis.periodic and axis.width == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize("periodic", [True, False])
def test_gaussians_are_those_of_openmm(periodic):
    axis = BiasAxis(-np.pi, np.pi, 0.3, periodic)
    force = openmm.CustomTorsionForce("theta")
    force.addTorsion(0, 1, 2, 3, [])
    variable = app.BiasVariable(force, axis.low, axis.high, axis.width, periodic, axis.n_points)
    system = molecule.system()
    meta = app.Metadynamics(system.system, [variable], 300 * unit.kelvin, 5.0, 1.0, 10)
    simulation = app.Simulation(system.topology, system.system, system.make_integrator(1))
    simulation.context.setPositions(system.positions)
    meta.step(simulation, 10)
    found = -meta.getFreeEnergy().value_in_unit(unit.kilojoule_per_mole) * 4 / 5  # the bias, from (γ - 1) / γ
    at = meta.getCollectiveVariables(simulation)[0]
    np.testing.assert_allclose(found, axis.gaussian(at), rtol=1e-12, atol=1e-15)
    assert axis.at(found, np.array([at + 2 * np.pi * periodic])) == pytest.approx(1.0, abs=2e-3)


def test_a_table_is_nothing_beyond_its_ends():
    axis = BiasAxis(0.0, 1.0, 0.1, False)
    assert axis.at(np.ones(axis.n_points), np.array([-0.1, 0.5, 1.1])).tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("low, high, width", [(1.0, 1.0, 0.1), (0.0, 1.0, 0.0), (0.0, 1.0, 0.6)])
def test_a_range_without_room_is_refused(low, high, width):
    with pytest.raises(SettingsError, match="a positive width below half of the range"):
        BiasAxis(low, high, width, False)
