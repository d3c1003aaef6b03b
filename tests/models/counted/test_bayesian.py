"""The Bayesian Markov model against the posterior that is known for two states, and its chains against that."""

import numpy as np
import pytest
from chains import THREE_STATES, simulate
from scipy.stats import beta

from mdtok.errors import DataError, SettingsError
from mdtok.models import BayesianMarkovModel, MarkovModel, load_model

TWENTY_DWELLS = np.concatenate([np.repeat([0, 1], [90, 30])] * 20 + [[0]])  # 0 -> 1 and 1 -> 0 twenty times


def test_without_detailed_balance_rows_are_beta_distributed():
    """Mean within 5 standard errors of 2,000 samples, deviation within 12 % (7 sigma): false alarm below 1e-5."""
    model = BayesianMarkovModel(n_samples=2000, reversible=False, seed=1).fit([TWENTY_DWELLS])
    for state, known in (0, beta(20, 20 * 89)), (1, beta(20, 20 * 29)):
        leave = model.posterior_[:, state, 1 - state]
        assert leave.std() == pytest.approx(known.std(), rel=0.12)
        assert leave.mean() == pytest.approx(known.mean(), abs=5 * known.std() / np.sqrt(2000))
        assert model.predictive_matrix_[state, 1 - state] == pytest.approx(leave.mean(), rel=1e-5)  # nothing seen once
        np.testing.assert_allclose(np.exp(model.predict_log_proba([state, 0]))[0], model.predictive_matrix_[state])


@pytest.mark.parametrize("reversible", [True, False])
def test_chains_differ_by_what_the_data_leave_open(reversible):
    """Rates of leaving 0 in 300 long chains: deviation of the posterior (4.5 sigma, 20 %), far above that of one
    matrix."""
    known = beta(20, 20 * 89)
    rates = {}
    for kind in BayesianMarkovModel(n_samples=500, reversible=reversible), MarkovModel(reversible=reversible):
        chains = kind.fit([TWENTY_DWELLS]).sample([[0]] * 300, n_steps=30_000, seed=2)
        rates[type(kind)] = np.array([(chain[1:][chain[:-1] == 0] == 1).mean() for chain in chains])
    chance = rates[MarkovModel].std()
    assert chance < known.std() / 3
    assert rates[BayesianMarkovModel].std() == pytest.approx(np.hypot(known.std(), chance), rel=0.2)
    assert rates[BayesianMarkovModel].mean() == pytest.approx(known.mean(), abs=5 * known.std() / np.sqrt(300))


def test_with_much_data_it_is_the_markov_model():
    train = simulate(THREE_STATES, n_chains=5, n_frames=40_000, seed=1)
    test = simulate(THREE_STATES, n_chains=2, n_frames=20_000, seed=2)
    for lagtime in (1, 5):
        bayesian, markov = BayesianMarkovModel(lagtime, n_samples=20).fit(train), MarkovModel(lagtime).fit(train)
        np.testing.assert_allclose(bayesian.predictive_matrix_, markov.predictive_matrix_, atol=0.005)
        assert bayesian.nats_per_token(test) == pytest.approx(markov.nats_per_token(test), abs=1e-3)
        assert bayesian.predict_log_proba(test[0][:50]).shape == (50 - lagtime, 3)


def test_states_that_were_hardly_seen_have_probabilities():
    model = BayesianMarkovModel(n_samples=10).fit([np.concatenate([[3, 3, 2], TWENTY_DWELLS])], n_states=5)
    rows = np.exp(model.predict_log_proba([0, 1, 2, 3, 4, 0]))
    assert (rows > 0).all()
    np.testing.assert_allclose(rows.sum(axis=1), 1)
    assert all(set(np.unique(chain)) <= set(range(5)) for chain in model.sample([[4], [3], [0]], 200, seed=1))


def test_a_hundred_states_take_little_memory():
    dtraj = np.random.default_rng(0).integers(0, 100, 20_000)
    model = BayesianMarkovModel(n_samples=100, progress=False).fit([dtraj])
    assert model.posterior_.nbytes == 8_000_000
    chains = model.sample([[k] for k in range(100)], n_steps=100, seed=0)
    assert np.bincount(np.concatenate(chains), minlength=100).min() > 0


def test_seeded_and_the_same_after_saving(tmp_path):
    model = BayesianMarkovModel(lagtime=2, n_samples=30, seed=4).fit([TWENTY_DWELLS])
    same, other = (BayesianMarkovModel(lagtime=2, n_samples=30, seed=seed).fit([TWENTY_DWELLS]) for seed in (4, 5))
    np.testing.assert_array_equal(same.posterior_, model.posterior_)
    assert not np.array_equal(other.posterior_, model.posterior_)
    model.save(tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert type(again) is BayesianMarkovModel and again.lagtime == 2 and again.n_parameters == model.n_parameters
    np.testing.assert_array_equal(again.predictive_matrix_, model.predictive_matrix_)
    np.testing.assert_array_equal(again.sample([[0]] * 5, 100, seed=1), model.sample([[0]] * 5, 100, seed=1))


def test_bad_input_is_one_line():
    with pytest.raises(SettingsError, match="n_samples is 1"):
        BayesianMarkovModel(n_samples=1)
    with pytest.raises(SettingsError, match="lagtime is 0"):
        BayesianMarkovModel(lagtime=0)
    with pytest.raises(DataError, match="too short for a lagtime of 10"):
        BayesianMarkovModel(lagtime=10).fit([[0, 1, 0]])
