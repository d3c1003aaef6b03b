"""Settings of models with a network: said once, in the config or as keywords; a slip of the pen is told."""

import pytest

from mdtok.errors import SettingsError
from mdtok.models import LSTM, NanoGPT, TrajBert
from mdtok.models.coordinates.trajbert_network import TrajBertConfig
from mdtok.models.networks.lstm import LSTMConfig
from mdtok.models.networks.nanogpt import NanoGPTConfig
from mdtok.models.networks.training import TrainingSettings

KINDS = {
    NanoGPT: (NanoGPTConfig, dict(n_layer=1)),
    LSTM: (LSTMConfig, dict(n_hidden=16)),
    TrajBert: (TrajBertConfig, dict(n_layer=2)),
}
kinds = pytest.mark.parametrize("kind", KINDS)


@kinds
def test_settings_by_themselves_are_those_of_config_and_training(kind):
    config_class, shape = KINDS[kind]
    training = TrainingSettings(**{**kind.training_defaults, "max_steps": 7, "seed": 3})
    whole = kind(network=config_class(**shape), training=training, progress=False)
    flat = kind(**shape, max_steps=7, seed=3, progress=False)
    assert whole.settings == flat.settings
    assert flat.network.to_dict() == whole.network.to_dict() and flat.training == whole.training


@kinds
def test_settings_make_the_same_model_again(kind):
    model = kind.from_preset("small", learning_rate=1e-3)
    assert kind(**model.settings).settings == model.settings
    assert model.settings["learning_rate"] == 1e-3 and model.settings["initializer_range"] == 0.02


@kinds
def test_an_unknown_setting_is_told_with_the_nearest(kind):
    known = next(iter(KINDS[kind][1]))
    for make in (kind, kind.from_preset):
        size = ("small",) if make == kind.from_preset else ()
        with pytest.raises(
            SettingsError, match=rf"{kind.__name__} has no setting '{known}s' \(did you mean '{known}'\?\)"
        ):
            make(*size, **{f"{known}s": 2})
    with pytest.raises(SettingsError, match=rf"{kind.__name__} has no setting 'learning_rates'"):
        kind(learning_rates=2)


@kinds
def test_a_config_swallows_nothing(kind):
    config_class = KINDS[kind][0]
    for name in ("anchor_share", "learning_rate", "n_embed"):
        with pytest.raises(SettingsError, match=rf"{config_class.__name__} has no setting '{name}'"):
            config_class(**{name: 1})


@kinds
def test_what_is_given_twice_or_of_another_kind_is_refused(kind):
    config_class, shape = KINDS[kind]
    with pytest.raises(SettingsError, match=rf"{next(iter(shape))} is given by itself and in network"):
        kind(network=config_class(), **shape)
    with pytest.raises(SettingsError, match="seed is given by itself and in training"):
        kind(training=TrainingSettings(max_steps=5), seed=3)
    with pytest.raises(SettingsError, match=rf"network is a dict; a {config_class.__name__} was expected"):
        kind(network=dict(shape))


def test_what_a_trajectory_bert_decides_itself_is_not_given_in_its_config():
    with pytest.raises(SettingsError, match="n_components is given in network"):
        TrajBert(network=TrajBertConfig(n_components=5))
    with pytest.raises(SettingsError, match="attention_window is given in network"):
        TrajBert(network=TrajBertConfig(attention_window=50))
    with pytest.raises(SettingsError, match="window_shift of training is 5"):
        TrajBert(training=TrainingSettings(window_shift=5, max_steps=2))
    with pytest.raises(SettingsError, match="max_steps is None"):
        TrajBert(training=TrainingSettings())
