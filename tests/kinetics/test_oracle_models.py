"""The oracle as a model: filtering against brute force, better than any Markov model of tokens, exact conditional
means."""

import numpy as np
import pytest

from mdtok.errors import DataError
from mdtok.kinetics.oracle import Oracle
from mdtok.kinetics.oracle_models import OracleForecast, OracleTokens
from mdtok.md.constants import GAS_CONSTANT_KJ_MOL_K
from mdtok.models import MarkovModel

KT = GAS_CONSTANT_KJ_MOL_K * 300
D, STIFFNESS = 1e-3, 100.0


@pytest.fixture(scope="module")
def spring():
    """A stiff spring in both coordinates; a step of 1 ps has a spread of 0.044 nm."""
    return spring_of(STIFFNESS)


def spring_of(stiffness):
    return Oracle(
        lambda p: 0.5 * stiffness * (p**2).sum(axis=1),
        D,
        300,
        ((-0.8, 0.8), (-0.8, 0.8)),
        spacing_nm=0.02,
        max_energy_kt=12.0,  # 4.9 deviations: 6 in a million are farther out
    )


@pytest.fixture(scope="module")
def wells():
    """Two wells in x, few cells, three tokens along x: not Markovian."""
    oracle = Oracle(
        lambda p: 6 * (p[:, 0] ** 2 - 1) ** 2 + 20 * p[:, 1] ** 2, D, 300, ((-1.6, 1.6), (-0.4, 0.4)), spacing_nm=0.1
    )
    return OracleTokens(oracle, lambda points: np.digitize(points[:, 0], [-0.35, 0.35]), 3, 20.0, progress=False)


def ornstein_uhlenbeck(n_frames, seed, time_ps=1.0, stiffness=STIFFNESS):
    """Exact trajectory of the spring."""
    decay = np.exp(-D * stiffness / KT * time_ps)
    spread = np.sqrt(KT / stiffness * (1 - decay**2))
    rng, x = np.random.default_rng(seed), np.zeros((n_frames, 2))
    for t in range(1, n_frames):
        x[t] = decay * x[t - 1] + spread * rng.standard_normal(2)
    return x, decay, spread


# a step of two cells, and one of four; the stiffer spring, as the long one takes a grid that is as wide as it is fine
@pytest.mark.parametrize("time_ps, stiffness", [(1.0, STIFFNESS), (4.0, 2 * STIFFNESS)])
def test_densities_are_those_of_the_known_gaussian(time_ps, stiffness):
    x, decay, spread = ornstein_uhlenbeck(4000, seed=1, time_ps=time_ps, stiffness=stiffness)
    exact = -0.5 * (((x[1:] - decay * x[:-1]) / spread) ** 2).sum(axis=1) - 2 * np.log(spread) - np.log(2 * np.pi)
    said = OracleForecast(spring_of(stiffness), time_ps, progress=False).log_density(x)
    assert said.shape == (3999,)
    assert said.mean() == pytest.approx(exact.mean(), abs=1e-3)
    assert np.quantile(np.abs(said - exact), 0.99) < 0.1


def test_forecasts_are_conditional_means(spring):
    _, decay, _ = ornstein_uhlenbeck(2, seed=0)
    prompts = [np.array([[0.3, 0.0], [0.213, -0.117]])]
    forecast = OracleForecast(spring, 1.0, progress=False).forecast(prompts, 5)
    assert forecast.shape == (1, 5, 2)
    assert np.allclose(forecast[0], prompts[0][-1] * decay ** np.arange(1, 6)[:, None], atol=1e-3)


def test_samples_of_coordinates_have_the_equilibrium(spring):
    chains = OracleForecast(spring, 1.0, progress=False).sample([np.zeros((1, 2))] * 200, 100, seed=2)
    last = np.stack(chains)[:, -1]  # four times the 25 frames in which it relaxes
    assert last.var() == pytest.approx(KT / STIFFNESS, rel=4 * np.sqrt(2 / 400))


def test_filtering_is_what_brute_force_gives(wells):
    dtraj = np.array([0, 0, 1, 1, 2, 2, 1])
    P, pi, shares = wells.oracle.propagator(20.0).toarray(), wells.oracle.stationary_distribution, wells.shares

    def joint(seen):
        weights = pi * shares[:, seen[0]]
        for token in seen[1:]:
            weights = (weights @ P) * shares[:, token]
        return weights.sum()

    said = np.exp(wells.predict_log_proba(dtraj))
    for t in range(1, len(dtraj)):
        expected = [joint([*dtraj[:t], token]) / joint(dtraj[:t]) for token in range(3)]
        assert np.allclose(said[t - 1], expected, rtol=1e-5, atol=1e-8)
    assert np.allclose(wells.log_prob([dtraj, dtraj[:4]])[1], np.log(said[np.arange(3), dtraj[1:4]]), atol=1e-6)


def test_nothing_beats_it_on_its_own_tokens(wells):
    dtrajs = wells.sample([[0], [2]] * 20, 1500, seed=3)
    markov = MarkovModel().fit(dtrajs[:20])
    excess = markov.nats_per_token(dtrajs[20:]) - wells.nats_per_token(dtrajs[20:])
    assert excess > 0.005  # the tokens are not Markovian, so a Markov model loses; the sample's deviation is 1e-3


def test_what_is_predicted_does_not_depend_on_where_the_borders_cut_the_cells():
    """A grid twice as fine predicts the same, though the borders lie otherwise in its cells."""

    def model(spacing_nm):
        oracle = Oracle(
            lambda p: 6 * (p[:, 0] ** 2 - 1) ** 2 + 20 * p[:, 1] ** 2, D, 300, ((-1.6, 1.6), (-0.4, 0.4)), spacing_nm
        )
        return OracleTokens(
            oracle, lambda points: np.digitize(points[:, 0], [-0.99, 0.0, 0.96]), 4, 20.0, progress=False
        )

    coarse, fine = model(0.1), model(0.05)
    dtrajs = fine.sample([[0], [3]] * 5, 400, seed=6)
    assert coarse.nats_per_token(dtrajs) == pytest.approx(fine.nats_per_token(dtrajs), abs=1e-3)


def test_samples_of_tokens_have_the_equilibrium(wells):
    counted = np.bincount(np.concatenate(wells.sample([[0], [1], [2]] * 100, 3000, seed=4))[:], minlength=3) / 900_000
    exact = wells.oracle.stationary_distribution @ wells.shares
    assert np.allclose(counted, exact, atol=0.03)


def test_the_same_seed_gives_the_same_tokens(wells):
    first, second, other = (wells.sample([[0]], 300, seed=seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, second) and not np.array_equal(first, other)


def test_bad_input(wells):
    with pytest.raises(DataError, match="Labels from 0 to 1"):
        OracleTokens(wells.oracle, lambda points: np.digitize(points[:, 0], [-0.35, 0.35]), 2, 1.0)
    with pytest.raises(DataError):
        wells.fit([np.array([0, 1, 7])])
    with pytest.raises(DataError, match="not saved"):
        wells.save("somewhere")
