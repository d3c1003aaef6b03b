"""The same model at a longer interval: what it sees, what it says of every frame, its samples, odd data."""

import numpy as np
import pytest
from chains import THREE_STATES, exact_timescales, simulate

from mdtok.errors import DataError, SettingsError
from mdtok.models import LaggedModel, MarkovModel, NanoGPT, OrderKModel, load_model


@pytest.fixture(scope="module")
def train():
    return simulate(THREE_STATES, n_chains=4, n_frames=10_000, seed=1)


def test_a_markov_model_of_thinned_frames_is_one_of_that_lag(train):
    """The same counts up to the frames at the ends; floor and seen-once smoothing are not in play."""
    lagged, markov = LaggedModel(MarkovModel(), lagtime=5).fit(train), MarkovModel(lagtime=5).fit(train)
    dtraj = train[0][:203]
    assert lagged.lagtime == 5 and lagged.predict_log_proba(dtraj).shape == (198, 3)
    np.testing.assert_allclose(lagged.predict_log_proba(dtraj), markov.predict_log_proba(dtraj), atol=1e-6)
    np.testing.assert_allclose(lagged.log_prob([dtraj])[0], markov.log_prob([dtraj])[0], atol=1e-6)


@pytest.mark.parametrize("n_frames", [4, 5, 6, 7, 8, 30])
def test_each_row_knows_only_frames_a_lag_apart(train, n_frames):
    model = LaggedModel(OrderKModel(order=3), lagtime=3).fit(train)
    dtraj = np.random.default_rng(2).integers(0, 3, n_frames)
    rows = model.predict_log_proba(dtraj)
    assert rows.shape == (n_frames - 3, 3)
    for frame in range(3, n_frames):
        past = dtraj[frame % 3 : frame : 3]
        np.testing.assert_array_equal(rows[frame - 3], model.model.predict_log_proba(np.append(past, 0))[-1])
    np.testing.assert_allclose(model.log_prob([dtraj])[0], rows[np.arange(n_frames - 3), dtraj[3:]])


def test_samples_have_the_timescale_in_steps_of_the_lag(train):
    """Slowest timescale of 200,000 sampled tokens, and that of the training data, both to about 5 %: 15 % in all."""
    model = LaggedModel(OrderKModel(order=2), lagtime=5).fit(train)
    chains = model.sample([train[0][:50:5]] * 20, n_steps=10_000, seed=3)
    assert {len(chain) for chain in chains} == {10_000}
    slowest = MarkovModel().fit(chains).msm_.timescales(1)[0] * 5
    assert slowest == pytest.approx(exact_timescales(THREE_STATES)[0], rel=0.15)


def test_networks_train_on_thinned_frames_with_checkpoints_and_are_the_same_after_saving(train, tmp_path):
    network = NanoGPT.from_preset("tiny", max_steps=20, evaluate_every_steps=10, progress=False)
    model = LaggedModel(network, lagtime=4).fit([train[0]], [train[1]], 3, checkpoint_folder=tmp_path / "checkpoints")
    assert len(model.history_) == 2 and not model.progress
    model.save(tmp_path / "model")
    again, dtraj = load_model(tmp_path / "model"), train[2][:100]
    assert again.lagtime == 4 and again.n_parameters == model.n_parameters
    np.testing.assert_array_equal(again.predict_log_proba(dtraj), model.predict_log_proba(dtraj))
    np.testing.assert_array_equal(again.sample([dtraj[::4]], 30, seed=1), model.sample([dtraj[::4]], 30, seed=1))


def test_bad_input_is_one_line(train):
    model = LaggedModel(OrderKModel(order=2), lagtime=10)
    with pytest.raises(DataError, match="trajectory 1 has 10 frames; at least 11"):
        model.fit([train[0], train[1][:10]])
    with pytest.raises(DataError, match="trajectory 0 has 0 frames"):
        model.fit([[]])
    with pytest.raises(DataError, match="not fitted"):
        model.predict_log_proba(train[0])
    with pytest.raises(SettingsError, match="MarkovModel has a lagtime of 5 already"):
        LaggedModel(MarkovModel(lagtime=5), lagtime=2)
    with pytest.raises(SettingsError, match="lagtime is 0"):
        LaggedModel(OrderKModel(), lagtime=0)
