"""Tuning: the best candidate on validation data, and never on anything else."""

import numpy as np
import pytest
from chains import THREE_STATES, simulate

from mdtok.errors import SettingsError
from mdtok.models import MarkovModel, OrderKModel, SemiMarkovModel, TunedModel, load_model


def with_memory(seed, n_frames=4000):
    """Every state lasts a multiple of three frames."""
    return np.repeat(np.random.default_rng(seed).integers(0, 3, n_frames // 3 + 1), 3)[:n_frames]


def test_the_best_on_validation_is_the_model(tmp_path):
    model = TunedModel(
        [OrderKModel(1, progress=False), OrderKModel(4, progress=False), SemiMarkovModel(progress=False)]
    )
    train, validation, test = [with_memory(1)], [with_memory(2)], [with_memory(3)]
    assert model.fit(train, validation) is model and model.chosen_ == int(np.argmin(model.validation_nats_)) != 0
    alone = OrderKModel(4, progress=False).fit(train, validation)
    assert model.validation_nats_[1] == alone.nats_per_token(validation)
    assert (
        model.nats_per_token(test)
        == model.candidates[model.chosen_].nats_per_token(test)
        < model.candidates[0].nats_per_token(test)
    )
    model.save(tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert again.chosen_ == model.chosen_ and again.n_parameters == model.n_parameters
    assert np.array_equal(again.predict_log_proba(test[0]), model.predict_log_proba(test[0]))
    assert np.array_equal(again.sample(3, 50, seed=1), model.sample(3, 50, seed=1))
    assert again.progress is True  # of the loaded one
    again.progress = False
    assert not again.model.progress


def test_without_validation_the_ends_of_trajectories_decide():
    model = TunedModel([MarkovModel(), OrderKModel(2, progress=False)]).fit(simulate(THREE_STATES, 5, 1000, seed=1))
    assert model.is_fitted and len(model.validation_nats_) == 2 and model.stationary_distribution_.shape == (3,)


def test_candidates_that_cannot_be_compared():
    with pytest.raises(SettingsError, match="no candidates"):
        TunedModel([])
    with pytest.raises(SettingsError, match=r"lags \[1, 5\]"):
        TunedModel([MarkovModel(), MarkovModel(lagtime=5)])
