"""Models by name."""

import pytest

from mdtok.errors import SettingsError
from mdtok.models import LSTM, HiddenMarkovModel, MarkovModel, NanoGPT, OrderKModel, SemiMarkovModel
from mdtok.models.catalogue import make_models


def test_names_make_models():
    models = make_models("msm, msm10,order8,semi-markov,nanogpt-tiny", seed=3, training_steps=7, progress=False)
    kinds = [type(model) for model in models.values()]
    assert kinds == [MarkovModel, MarkovModel, OrderKModel, SemiMarkovModel, NanoGPT]
    assert models["msm10"].lagtime == 10 and models["order8"].order == 8
    assert models["nanogpt-tiny"].settings["max_steps"] == 7 and models["nanogpt-tiny"].settings["seed"] == 3
    assert not any(model.progress for model in models.values())


def test_networks_with_and_without_anchor_and_second_pass():
    models = make_models("nanogpt,nanogpt-plain,nanogpt-tiny-plain-faithful,lstm,lstm-medium-anchored-expected,hmm3", progress=False)
    kinds = [type(model) for model in models.values()]
    assert kinds == [NanoGPT, NanoGPT, NanoGPT, LSTM, LSTM, HiddenMarkovModel]
    assert models["hmm3"].n_hidden == (3,)
    said = {name: (m.settings["anchor"], m.settings["second_pass"]) for name, m in models.items() if name != "hmm3"}
    assert said == {
        "nanogpt": ("basins", None), "nanogpt-plain": (None, None), "nanogpt-tiny-plain-faithful": (None, "faithful"),
        "lstm": (None, None), "lstm-medium-anchored-expected": ("basins", "expected"),
    }


@pytest.mark.parametrize("names", ["", "msm,msm", "msm0", "orderx", "gpt4", "nanogpt-huge"])
def test_names_that_are_none_are_said_with_those_that_are(names):
    with pytest.raises(SettingsError, match="semi-markov") as raised:
        make_models(names)
    assert "\n" not in str(raised.value)
