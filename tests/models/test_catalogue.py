"""Models by name."""

import pytest

from mdtok.errors import SettingsError
from mdtok.models import MarkovModel, NanoGPT, OrderKModel, SemiMarkovModel
from mdtok.models.catalogue import make_models


def test_names_make_models():
    models = make_models("msm, msm10,order8,semi-markov,nanogpt-tiny", seed=3, training_steps=7, progress=False)
    kinds = [type(model) for model in models.values()]
    assert kinds == [MarkovModel, MarkovModel, OrderKModel, SemiMarkovModel, NanoGPT]
    assert models["msm10"].lagtime == 10 and models["order8"].order == 8
    assert models["nanogpt-tiny"].settings["max_steps"] == 7 and models["nanogpt-tiny"].settings["seed"] == 3
    assert not any(model.progress for model in models.values())


@pytest.mark.parametrize("names", ["", "msm,msm", "msm0", "orderx", "gpt4", "nanogpt-huge"])
def test_names_that_are_none_are_said_with_those_that_are(names):
    with pytest.raises(SettingsError, match="semi-markov") as raised:
        make_models(names)
    assert "\n" not in str(raised.value)
