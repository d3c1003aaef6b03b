"""Potentials as text: energies written out by hand and computed by OpenMM, stationary points, bad expressions."""

import numpy as np
import openmm
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from openmm import unit

from mdtok.errors import DataError, SettingsError
from mdtok.md import Potential, load_system

SYSTEMS = ("muller_brown", "four_state", "three_state")


def gauss(u, centre):
    return np.exp(-((u - centre) ** 2) / (2 * 0.8**2))


def by_hand(name, p):
    x, y = p.T
    if name == "muller_brown":
        A, a, b, c = (-200, -100, -170, 15), (-1, -1, -6.5, 0.7), (0, 0, 11, 0.6), (-10, -10, -6.5, 0.7)
        X, Y = (1, 0, -0.5, -1), (0, 0.5, 1.5, 1)
        return 0.15 * sum(
            A[k] * np.exp(a[k] * (x - X[k]) ** 2 + b[k] * (x - X[k]) * (y - Y[k]) + c[k] * (y - Y[k]) ** 2)
            for k in range(4)
        )
    walls = 1e-4 * (x**6 + y**6)
    if name == "four_state":
        wells = ((2, -1), (0.5, 2), (-0.5, -2), (-2, 1))
        return walls + gauss(x, 0) * gauss(y, 0) - sum(gauss(x, u) * gauss(y, v) for u, v in wells)
    return walls - sum(gauss(x, u) * gauss(y, v) for u, v in ((1.5, 1.8), (0, -1), (-1.5, 1.5)))


def points_of(system, n, seed=0):
    (x0, x1), (y0, y1) = system.bounds
    return np.random.default_rng(seed).uniform((x0, y0), (x1, y1), size=(n, 2))


def make_context(openmm_system):
    platform = openmm.Platform.getPlatformByName("Reference")
    return openmm.Context(openmm_system, openmm.VerletIntegrator(0.001), platform)


def openmm_energy(context, point):
    context.setPositions([point])
    return context.getState(energy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)


@pytest.mark.parametrize("name", SYSTEMS)
def test_energies_of_numpy_and_openmm_are_those_written_out_by_hand(name):
    system = load_system(name)
    points = points_of(system, 200)
    expected = by_hand(name, points)
    assert np.allclose(system.potential.energy(points), expected, rtol=1e-12, atol=1e-9)
    context = make_context(system.system)
    for point, energy, gradient in zip(points, expected, system.potential.gradient(points)):
        assert abs(openmm_energy(context, [*point, 0.0]) - energy) < 1e-6
        forces = context.getState(forces=True).getForces(asNumpy=True)
        force = forces.value_in_unit(unit.kilojoule_per_mole / unit.nanometer)[0]
        assert np.allclose(force, [*-gradient, 0.0], rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("dynamics", ["brownian", "langevin"])
@pytest.mark.parametrize("name", SYSTEMS)
def test_the_spring_in_z_is_independent_of_x_and_y_and_as_soft_as_the_time_step_asks(name, dynamics):
    system = load_system(name, dynamics=dynamics)
    context = make_context(system.system)
    step_ps, kt = system.timestep_fs / 1000, system.kt_kj_mol
    spring = 2 * (openmm_energy(context, [0.3, 0.2, 1.0]) - openmm_energy(context, [0.3, 0.2, 0.0]))
    for x, y, z in ((0.0, 0.0, 0.5), (-0.5, 1.4, -0.1)):
        above = openmm_energy(context, [x, y, z]) - openmm_energy(context, [x, y, 0.0])
        assert above == pytest.approx(0.5 * spring * z**2, rel=1e-6)
    if dynamics == "brownian":  # a step goes this share of the way back to the plane
        assert system.diffusion_nm2_per_ps * spring / kt * step_ps == pytest.approx(1 / 32, rel=1e-6)
    else:
        assert np.sqrt(spring / system.mass_amu) * step_ps == pytest.approx(1 / 4, rel=1e-6)


def test_the_time_step_hardly_widens_the_stiffest_minimum():
    # Euler-Maruyama on a spring makes the variance 1 / (1 - rate step / 2) times what it should be
    system = load_system("muller_brown")
    stiffest = max(np.linalg.eigvalsh(system.potential.hessian(point)).max() for point in system.states.values())
    rate = system.diffusion_nm2_per_ps * stiffest / system.kt_kj_mol
    bias = 1 / (1 - rate * system.timestep_fs / 1000 / 2) - 1
    assert 0.001 < bias < 0.005


def test_muller_brown_has_its_minima_saddles_and_barriers():
    system = load_system("muller_brown")  # Müller and Brown (1979), energies times the scale of 0.15
    minima, saddles = system.potential.stationary_points(system.bounds)
    assert np.allclose(minima, [(-0.5582, 1.4417), (0.6235, 0.0280), (-0.0500, 0.4667)], atol=1e-4)
    assert np.allclose(saddles, [(0.2125, 0.2930), (-0.8220, 0.6243)], atol=1e-4)
    assert np.allclose(system.potential.energy(minima) / 0.15, (-146.700, -108.167, -80.768), atol=1e-3)
    assert np.allclose(system.potential.energy(saddles) / 0.15, (-72.249, -40.665), atol=1e-3)
    barrier = (system.potential.energy(saddles[1]) - system.potential.energy(minima[0]))[0] / system.kt_kj_mol
    assert barrier == pytest.approx(0.15 * (146.700 - 40.665) / 2.494, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "expected"), [("four_state", (0.2687, 0.2313, 0.2313, 0.2687)), ("three_state", (0.3204, 0.3441, 0.3355))]
)
def test_boltzmann_populations_by_quadrature(name, expected):
    system = load_system(name)
    axis = np.linspace(-5, 5, 501)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    weights = np.exp(-system.potential.energy(grid) / system.kt_kj_mol)
    minima = np.array(list(system.states.values()))
    nearest = np.linalg.norm(grid[:, None] - minima, axis=-1).argmin(axis=1)
    populations = np.bincount(nearest, weights=weights) / weights.sum()
    # the nearest minimum in place of basins of attraction: the little that lies between may be counted elsewhere
    assert np.allclose(np.sort(populations), np.sort(expected), atol=3e-3)


@settings(max_examples=30, deadline=None)
@given(st.floats(-1.5, 1.2), st.floats(-0.4, 2.0))
def test_the_gradient_is_that_of_differences(x, y):
    potential, step = load_system("muller_brown").potential, 1e-6
    moved = np.array([[x + step, y], [x - step, y], [x, y + step], [x, y - step]])
    energies = potential.energy(moved)
    differences = np.array([energies[0] - energies[1], energies[2] - energies[3]]) / (2 * step)
    assert np.allclose(potential.gradient([[x, y]])[0], differences, rtol=1e-4, atol=1e-3)


NUMBERS = st.sampled_from(["2", "0.5", ".25", "3.", "1e-1"])
EXPRESSIONS = st.recursive(
    st.one_of(st.sampled_from(["x", "y", "a", "r"]), NUMBERS),
    lambda inner: st.one_of(
        # no brackets: which comes first is for the parsers to say
        st.tuples(inner, st.sampled_from(["+", "-", " * ", "/", "^"]), inner).map("".join),
        inner.map("-{}".format),
        inner.map("({})".format),
        st.tuples(st.sampled_from(["exp({})", "sqrt({})", "sin({})", "tanh({})", "abs({})", "square({})"]), inner).map(
            lambda call: call[0].format(call[1])
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(EXPRESSIONS, st.floats(0.1, 2), st.floats(0.1, 2))
def test_openmm_reads_every_expression_as_numpy_does(expression, x, y):
    potential = Potential(f"{expression}; r = sqrt(x^2 + y^2)", {"a": 1.5})
    force = openmm.CustomExternalForce(potential.expression)
    force.addGlobalParameter("a", 1.5)
    force.addParticle(0, [])
    system = openmm.System()
    system.addParticle(1.0)
    system.addForce(force)
    with np.errstate(all="ignore"):
        energy = potential.energy([[x, y]])[0]
    assume(np.isfinite(energy) and abs(energy) < 1e12)
    assert openmm_energy(make_context(system), [x, y, 0.0]) == pytest.approx(energy, rel=1e-9, abs=1e-9)


def test_definitions_may_build_on_those_after_them():
    potential = Potential("k*r; r = sqrt(r2); r2 = x^2 + y^2", {"k": 2.0})
    assert potential.energy([[3.0, 4.0]]) == pytest.approx(10.0)
    assert Potential("-x^2").energy([[3.0, 0.0]]) == pytest.approx(-9.0)  # as in OpenMM: the power first


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("x^2 + (y", "syntax error near .* never closed"),
        ("x^2 +* y", "syntax error near"),
        ("k*x^2", "names 'k'"),
        ("x**2", r"powers are written x\^2"),
        ("exp + x", "names 'exp'"),
        ("foo(x)", "calls 'foo"),
        ("exp(x, y)", "calls"),
        ("", "an expression in x and y"),
        (3, "an expression in x and y"),
        ("x; r 2", "after a semicolon"),
        ("a; a = b; b = a", "names 'a'"),
        ("__import__('os')", "calls"),
        ("x.real", "not arithmetic"),
        ("'text'", "numbers were expected"),
        ("x if y else 1", "not arithmetic"),
        ("[x]", "not arithmetic"),
        ("x // y", "'x // y', which is not arithmetic"),
        ("x % 2", "not arithmetic"),
        ("z^2", "names 'z'"),
    ],
)
def test_a_bad_expression_is_one_clear_line(expression, message):
    with pytest.raises(SettingsError, match=message) as error:
        Potential(expression)
    assert "\n" not in str(error.value)


def test_a_syntax_error_is_said_with_its_place():
    with pytest.raises(SettingsError, match=r"near '.*2\^4 \+\) - .*' in 'x\^2 \+ y\^2"):
        Potential("x^2 + y^2 + x^4*y^2 + (x + 2^4 +) - 3*y^3")


def test_points_that_are_not_in_the_plane():
    for points in (np.zeros((2, 3)), np.zeros(3), np.zeros((1, 2, 2))):
        with pytest.raises(DataError, match=r"\(n, 2\) was expected"):
            Potential("x").energy(points)


def test_bad_parameters():
    with pytest.raises(SettingsError, match="parameter k is 'a'"):
        Potential("k*x", {"k": "a"})
    with pytest.raises(SettingsError, match="'x' cannot be"):
        Potential("x", {"x": 1.0})
    with pytest.raises(SettingsError, match="'lambda' cannot be"):
        Potential("lambda*x", {"lambda": 1.0})


@pytest.mark.parametrize(
    "expression",
    [
        "; ;",
        "x" + "+x" * 9000,
        "-" * 3000 + "x",
        "1e999*x",
        "9" * 400 + "*x",
        "x;x=y",
        "+x",
        "x # y",
        "0x10*x",
        "1_0*x",
        "\u2028x",
        "a;a=x;a=y",
        "a0;" + ";".join(f"a{n}=a{n + 1}+a{n + 1}" for n in range(40)) + ";a40=x",  # 2^40 operations written out
    ],
)
def test_expressions_without_end_or_meaning_are_refused_in_one_line(expression):
    with pytest.raises(SettingsError) as error:
        Potential(expression)
    assert "\n" not in str(error.value) and len(str(error.value)) < 300
