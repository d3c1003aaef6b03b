"""The oracle against what is known: harmonic wells, Müller-Brown's figures, balance, grids twice as fine."""

import numpy as np
import pytest

import mdtok
from mdtok.errors import DataError, SettingsError
from mdtok.kinetics.bayes_limits import BayesClassifier
from mdtok.kinetics.oracle import Oracle
from mdtok.md.constants import GAS_CONSTANT_KJ_MOL_K

KT = GAS_CONSTANT_KJ_MOL_K * 300
D = 1e-3
STIFFNESS = np.array([40.0, 80.0])  # kJ/(mol nm^2)


def spring_of(spacing_nm):
    return Oracle(lambda p: 0.5 * (STIFFNESS * p**2).sum(axis=1), D, 300, ((-1.5, 1.5), (-1.2, 1.2)), spacing_nm)


@pytest.fixture(scope="module")
def spring():
    return spring_of(spacing_nm=0.03)


@pytest.fixture(scope="module")
def muller_brown():
    return Oracle.of(mdtok.load_system("muller_brown"))


def basins(oracle):
    return oracle.within((-0.5582, 1.4417), 0.2), oracle.within((0.6235, 0.0280), 0.2)


def test_relaxation_times_of_a_spring(spring):
    exact = KT / (D * STIFFNESS)  # of an Ornstein-Uhlenbeck process
    assert spring.relaxation_times(1)[0] == pytest.approx(exact[0], rel=0.01)
    # the second is the first's square or the other coordinate's: kT / (2 D k_x) = kT / (D k_y) here
    assert np.allclose(spring.relaxation_times(3)[1:], exact[1], rtol=0.01)


def test_a_distribution_in_a_spring_has_the_mean_and_variance_of_ornstein_uhlenbeck(spring):
    time = 20.0
    start = spring.cell_of([[0.3, -0.3]])[0]
    row = spring.propagate(np.eye(1, spring.n_cells, start)[0], time)
    decay = np.exp(-D * STIFFNESS / KT * time)
    mean = row @ spring.points
    assert row.min() > -1e-12 and row.sum() == pytest.approx(1)
    assert np.allclose(mean, decay * spring.points[start], atol=2e-3)
    assert np.allclose(row @ (spring.points - mean) ** 2, KT / STIFFNESS * (1 - decay**2), rtol=0.02)


def test_the_propagator_keeps_the_equilibrium_and_its_balance():
    spring = spring_of(spacing_nm=0.08)
    pi, P = spring.stationary_distribution, spring.propagator(5.0)
    assert np.allclose(pi @ P, pi, atol=1e-9)
    flux = P.multiply(pi[:, None]).tocsr()
    assert abs(flux - flux.T).max() < 1e-9
    assert np.allclose(P @ spring.points, spring.expect(spring.points, 5.0), atol=1e-7)
    start = np.zeros(spring.n_cells)
    start[7] = 1
    assert np.allclose(np.asarray(P[[7]].todense()).ravel(), spring.propagate(start, 5.0), atol=1e-8)


def test_rows_of_the_generator_sum_to_zero_and_balance(muller_brown):
    K, pi = muller_brown.generator, muller_brown.stationary_distribution
    assert np.abs(K.sum(axis=1)).max() < 1e-8 * abs(K).max()
    flux = K.multiply(pi[:, None]).tocsr()
    assert abs(flux - flux.T).max() < 1e-12 * abs(flux).max()


@pytest.mark.parametrize(
    ("kt", "slowest", "population"),
    [(1.0, 800.8, 0.9966), (1.5, 50.0, 0.9743), (2.0, 14.34, 0.927), (2.5, 7.05, 0.864)],
)
def test_muller_brown_has_the_known_relaxation_times_and_populations(kt, slowest, population):
    system = mdtok.load_system("muller_brown")
    oracle = Oracle.of(system, temperature_kelvin=kt / GAS_CONSTANT_KJ_MOL_K)
    assert oracle.relaxation_times(1)[0] * D == pytest.approx(slowest, rel=0.005)
    assert oracle.population(oracle.where(lambda p: p[:, 1] > 0.75)) == pytest.approx(population, abs=6e-4)


def test_a_grid_twice_as_fine_changes_nothing(muller_brown):
    system = mdtok.load_system("muller_brown")
    fine = Oracle.of(system, spacing_nm=0.01)
    assert muller_brown.relaxation_times(2) == pytest.approx(fine.relaxation_times(2), rel=0.005)
    assert muller_brown.mfpt(*basins(muller_brown)) == pytest.approx(
        fine.mfpt(*basins(fine)), rel=0.02
    )  # regions are of cells
    assert Oracle.of(system, max_energy_kt=20).relaxation_times(1) == pytest.approx(
        muller_brown.relaxation_times(1), rel=0.001
    )


@pytest.mark.parametrize(
    ("name", "expected"), [("four_state", (0.2313, 0.2313, 0.2687, 0.2687)), ("three_state", (0.3204, 0.3355, 0.3441))]
)
def test_populations_of_other_systems(name, expected):
    system = mdtok.load_system(name)
    oracle = Oracle.of(system, spacing_nm=0.05)
    minima = np.array(list(system.states.values()))
    nearest = np.linalg.norm(oracle.points[:, None] - minima, axis=-1).argmin(axis=1)
    populations = [oracle.population(nearest == k) for k in range(len(minima))]
    assert np.allclose(np.sort(populations), expected, atol=3e-3)


def test_the_committor_is_between_zero_and_one_and_fulfils_its_equation(muller_brown):
    source, target = basins(muller_brown)
    q = muller_brown.committor(source, target)
    assert (q[source] == 0).all() and (q[target] == 1).all()
    assert q.min() >= -1e-9 and q.max() <= 1 + 1e-9
    free = ~(source | target)
    residual = (muller_brown.generator @ q)[free]
    assert np.abs(residual).max() < 1e-6 * abs(muller_brown.generator).max()
    assert np.allclose(q + muller_brown.committor(target, source), 1, atol=1e-8)


def test_passage_times_of_two_states_and_the_relaxation_time_agree(muller_brown):
    first, second = basins(muller_brown)
    rates = 1 / muller_brown.mfpt(first, second) + 1 / muller_brown.mfpt(second, first)
    assert 1 / rates == pytest.approx(muller_brown.relaxation_times(1)[0], rel=0.08)  # equal for rates of two states


def test_the_passage_time_along_a_line_is_that_of_quadrature():
    k, width = 30.0, 0.02  # a spring in x, a channel one cell wide in y
    line = Oracle(lambda p: 0.5 * k * p[:, 0] ** 2, D, 300, ((-1.0, 1.0), (0.0, 0.0)), spacing_nm=width)
    x = np.linspace(-1, 1, 4001)
    boltzmann = np.exp(-0.5 * k * x**2 / KT)
    inner = np.concatenate([[0], np.cumsum((boltzmann[1:] + boltzmann[:-1]) / 2)]) * (x[1] - x[0])
    between = (x >= 0) & (x <= 0.5)
    exact = np.trapezoid(inner[between] / boltzmann[between], x[between]) / D
    times = line.mfpt_of_cells(line.where(lambda p: p[:, 0] >= 0.5 - 1e-9))
    assert times[line.cell_of([[0.0, 0.0]])[0]] == pytest.approx(exact, rel=0.02)


def test_crossing_grows_to_one_and_is_that_of_simulated_particles(muller_brown):
    first, second = basins(muller_brown)
    start = muller_brown.uniform_square((0.6235, 0.0280), 0.5)
    shares = [muller_brown.crossing_probability(start, first, time) for time in (1, 100, 1000, 10_000)]
    assert 0 <= shares[0] < 1e-4 and all(np.diff(shares) > 0) and shares[-1] < 1
    assert shares[2] == pytest.approx(1000 / muller_brown.mfpt(second, first), rel=0.5)  # rare, so nearly linear


def test_interpolation_is_exact_for_a_plane_and_cells_hold_their_points(spring):
    points = np.random.default_rng(0).uniform(-0.4, 0.4, size=(50, 2))
    assert np.allclose(spring.interpolate(spring.points @ [2.0, -1.0] + 3, points), points @ [2.0, -1.0] + 3)
    assert np.abs(spring.points[spring.cell_of(points)] - points).max() <= 0.015 + 1e-9
    assert spring.cell_of([[50.0, 0.0]])[0] >= 0  # outside: the nearest


def test_bayes_limits():
    system = mdtok.load_system("muller_brown")
    muller_brown = Oracle.of(
        system, spacing_nm=0.04
    )  # long times of many distributions: a grid of a quarter of the cells
    minima = np.array([system.states[name] for name in system.starts])
    best = BayesClassifier(muller_brown, minima, 0.5)
    accuracies = [best.accuracy(time) for time in (1.0, 100.0, 500.0, 1e6)]
    assert accuracies[0] > 0.9999 and all(np.diff(accuracies) < 0) and accuracies[-1] == pytest.approx(0.5, abs=1e-3)
    answers = best.predict_proba(np.concatenate([minima, [[0.2125, 0.2930]]]), 1000.0)
    assert answers[0, 0] > 0.8 and answers[1, 1] > 0.9 and np.allclose(answers.sum(axis=1), 1)
    first, second = basins(muller_brown)
    assert best.crossing_fraction(1, first, 1000.0) > best.crossing_fraction(0, second, 1000.0) > 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda o: Oracle(lambda p: p[:, 0], D, 300, ((0, 1), (0, 1)), spacing_nm=0), "spacing_nm is 0"),
        (
            lambda o: Oracle(lambda p: 1e3 * (np.abs(p[:, 0]) < 0.3), D, 300, ((-1, 1), (0, 1)), spacing_nm=0.1),
            "falls into 2 pieces",
        ),
        (lambda o: o.committor(o.within((0, 0), 0.3), o.within((0.1, 0), 0.3)), "in common"),
        (lambda o: o.mfpt(o.within((0, 0), 0.3), o.within((9, 9), 0.1)), "target holds no cell"),
        (lambda o: o.population(np.zeros(3)), "boolean mask"),
        (lambda o: o.relaxation_times(0), "relaxation times were asked"),
    ],
)
def test_bad_input(spring, make, message):
    with pytest.raises((SettingsError, DataError), match=message) as error:
        make(spring)
    assert "\n" not in str(error.value)


def test_a_cell_that_a_border_divides_is_shared():
    flat = Oracle(lambda p: 0.0 * p[:, 0], 1e-3, 300, ((0, 1), (0, 1)), spacing_nm=0.1)
    shares = flat.shares(lambda p: (p[:, 0] > 0.53).astype(int), 2)
    assert shares[flat.cell_of([(0.5, 0.2)])[0]] == pytest.approx([0.8, 0.2])  # from 0.45 to 0.55
    assert np.array_equal(shares[flat.cell_of([(0.4, 0.2), (0.6, 0.2)])], [[1, 0], [0, 1]])
