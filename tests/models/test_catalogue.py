"""Models by name."""

import pytest

from mdtok.errors import SettingsError
from mdtok.models import (
    LSTM,
    BayesianMarkovModel,
    EventChainModel,
    HiddenMarkovModel,
    LaggedModel,
    MarkovModel,
    NanoGPT,
    OrderKModel,
    RunLengthModel,
    SemiMarkovModel,
    TunedModel,
)
from mdtok.models.catalogue import make_models


def test_names_make_models():
    models = make_models("msm, msm10,order8,semi-markov,nanogpt-tiny", seed=3, training_steps=7, progress=False)
    kinds = [type(model) for model in models.values()]
    assert kinds == [MarkovModel, MarkovModel, OrderKModel, SemiMarkovModel, NanoGPT]
    assert models["msm10"].lagtime == 10 and models["order8"].order == 8
    assert models["nanogpt-tiny"].settings["max_steps"] == 7 and models["nanogpt-tiny"].settings["seed"] == 3
    assert not any(model.progress for model in models.values())


def test_networks_with_and_without_anchor_and_second_pass():
    models = make_models(
        "nanogpt,nanogpt-plain,nanogpt-tiny-plain-faithful,lstm,lstm-medium-anchored-expected,hmm3", progress=False
    )
    kinds = [type(model) for model in models.values()]
    assert kinds == [NanoGPT, NanoGPT, NanoGPT, LSTM, LSTM, HiddenMarkovModel]
    assert models["hmm3"].n_hidden == (3,)
    said = {name: (m.settings["anchor"], m.settings["second_pass"]) for name, m in models.items() if name != "hmm3"}
    assert said == {
        "nanogpt": ("basins", None),
        "nanogpt-plain": (None, None),
        "nanogpt-tiny-plain-faithful": (None, "faithful"),
        "lstm": (None, None),
        "lstm-medium-anchored-expected": ("basins", "expected"),
    }


def test_networks_that_learn_from_reversed_trajectories():
    models = make_models("nanogpt-narrow-reversible,lstm-anchored-sampled-reversible,nanogpt-tuned", progress=False)
    narrow, lstm, tuned = models.values()
    assert (
        narrow.settings["reversible"] and lstm.settings["reversible"] and not tuned.candidates[0].settings["reversible"]
    )
    assert (narrow.settings["n_embd"], narrow.settings["n_layer"], narrow.settings["n_positions"]) == (32, 2, 100)


def test_events_longer_intervals_and_the_posterior():
    models = make_models(
        "bayesian-msm,bayesian-msm10,run-length,run-length-order3,run-length-lstm",
        seed=3,
        training_steps=7,
        progress=False,
    )
    kinds = [type(model) for model in models.values()]
    assert kinds == [BayesianMarkovModel, BayesianMarkovModel, RunLengthModel, RunLengthModel, RunLengthModel]
    assert models["bayesian-msm10"].lagtime == 10 and models["bayesian-msm"].seed == 3
    tokens = [models[name].model for name in ("run-length", "run-length-order3", "run-length-lstm")]
    assert [type(model) for model in tokens] == [NanoGPT, EventChainModel, LSTM]
    assert (
        tokens[0].settings["max_steps"] == 7
        and tokens[0].settings["seed"] == 3
        and tokens[0].settings["anchor"] is None
    )
    lagged = make_models(
        "nanogpt-plain-lag10,order4-lag5,semi-markov-lag2,run-length-order2-lag3,nanogpt-tiny-lag20", progress=False
    )
    assert [type(model) for model in lagged.values()] == [LaggedModel] * 5
    assert [model.lagtime for model in lagged.values()] == [10, 5, 2, 3, 20]
    assert [type(model.model) for model in lagged.values()] == [
        NanoGPT,
        OrderKModel,
        SemiMarkovModel,
        RunLengthModel,
        NanoGPT,
    ]
    assert [lagged[name].model.settings["anchor"] for name in ("nanogpt-plain-lag10", "nanogpt-tiny-lag20")] == [
        None,
        "basins",
    ]
    assert not any(model.progress for model in [*models.values(), *lagged.values()])


def test_a_lag_is_given_once():
    with pytest.raises(SettingsError, match="MarkovModel has a lagtime of 5 already"):
        make_models("msm5-lag2")


def test_every_kind_is_tuned_among_three():
    models = make_models(
        "nanogpt-tuned,nanogpt-plain-tuned,lstm-tuned,order-tuned,semi-markov-tuned",
        seed=4,
        training_steps=9,
        progress=False,
    )
    assert all(type(model) is TunedModel and len(model.candidates) == 3 for model in models.values())
    networks = models["nanogpt-plain-tuned"].candidates
    assert {m.settings["anchor"] for m in networks} == {None} and {m.settings["max_steps"] for m in networks} == {9}
    assert [m.settings["n_embd"] for m in networks] == [128, 128, 32] and {m.settings["seed"] for m in networks} == {4}
    assert [m.order for m in models["order-tuned"].candidates] == [2, 4, 8]
    assert not any(model.progress for model in models.values())


@pytest.mark.parametrize(
    "names",
    [
        "",
        "msm,msm",
        "msm0",
        "orderx",
        "gpt4",
        "nanogpt-huge",
        "nanogpt-lag0",
        "nanogpt-lag",
        "-lag3",
        "run-length-order0",
        "run-length-plain",
        "bayesian-msm0",
    ],
)
def test_names_that_are_none_are_said_with_those_that_are(names):
    with pytest.raises(SettingsError, match="semi-markov") as raised:
        make_models(names)
    assert "\n" not in str(raised.value)
