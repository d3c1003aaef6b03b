"""Models by name."""

import importlib
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

from mdtok.errors import DataError, SettingsError
from mdtok.models import (
    LSTM,
    BayesianMarkovModel,
    CopyLast,
    EventChainModel,
    GridMarkov,
    HiddenMarkovModel,
    LaggedModel,
    MarkovModel,
    NanoGPT,
    OrderKModel,
    RunLengthModel,
    SemiMarkovModel,
    TrajBert,
    TunedModel,
    VectorAutoregression,
    load_model,
)
from mdtok.models.catalogue import known_names, make_models
from mdtok.models.discovery import built_in_classes


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


def test_models_of_coordinates_are_those_of_the_presets():
    models = make_models(
        "copy-last,ornstein-uhlenbeck,grid-msm,trajbert-small,trajbert-medium-faithful,trajbert-large",
        seed=3,
        window=40,
        progress=False,
        steps_of={"trajbert-small": 7},
    )
    assert [type(model) for model in models.values()] == [
        CopyLast,
        VectorAutoregression,
        GridMarkov,
        TrajBert,
        TrajBert,
        TrajBert,
    ]
    same = {"window": 40, "seed": 3, "progress": False}
    expected = {
        "trajbert-small": TrajBert.from_preset(
            "small", **same, max_steps=7, learning_rate=3e-3, batch_size=4, patience=10, lambda_=3.0
        ),
        "trajbert-medium-faithful": TrajBert.from_preset(
            "medium", variant="faithful", **same, max_steps=60, learning_rate=1e-3, batch_size=8
        ),
        "trajbert-large": TrajBert.from_preset("large", **same),
    }
    assert {name: models[name].settings for name in expected} == {name: m.settings for name, m in expected.items()}
    assert {model.reads for model in models.values()} == {"features"} and not any(m.progress for m in models.values())


def test_steps_of_one_model_win_over_those_of_all():
    models = make_models(
        "nanogpt-tiny,lstm-tiny-lag2,trajbert-small,msm",
        training_steps=9,
        progress=False,
        steps_of={"lstm-tiny-lag2": 5, "msm": 3, "nanogpt": 4},
    )
    steps = [models["nanogpt-tiny"], models["lstm-tiny-lag2"].model, models["trajbert-small"]]
    assert [model.settings["max_steps"] for model in steps] == [9, 5, 9]
    with pytest.raises(SettingsError, match="no model 'nanogpd'; did you mean 'nanogpt'"):
        make_models("msm", steps_of={"nanogpd": 5})


def test_a_model_of_coordinates_has_no_lag():
    with pytest.raises(SettingsError, match="CopyLast reads coordinates"):
        make_models("copy-last-lag2")


def test_every_class_with_a_name_is_shown_with_its_help_line():
    names = dict(known_names())
    assert {"msm[N]", "semi-markov", "NAME-lagN", "trajbert-SIZE[-faithful]"} < set(names)
    assert len(names) == len(known_names()) and all(names.values())


@pytest.mark.parametrize("name", ["msm7", "order3", "semi-markov", "lstm-tiny-plain", "run-length", "msm-lag3", "hmm"])
def test_no_two_classes_of_mdtok_claim_a_name(name):
    patterns = [vars(known).get("name_pattern") for known in built_in_classes()]
    assert sum(bool(pattern and re.fullmatch(pattern, name)) for pattern in patterns) == 1


COIN = """
import numpy as np
from mdtok.models import DynamicsModel
from mdtok.models.saved import read_model, write_model


class Coin(DynamicsModel):
    name_pattern, name_shown, name_help = "coin([0-9]+)", "coinN", "every state is as likely, whatever was before"

    def __init__(self, luck=7):
        self.luck = luck

    @classmethod
    def from_name(cls, match, context):
        return cls(luck=int(match[1]))

    def fit(self, dtrajs, validation=None, n_states=None, checkpoint_folder=None):
        self.n_states_ = n_states or int(max(map(np.max, dtrajs))) + 1
        return self

    def predict_log_proba(self, dtraj):
        return np.full((len(dtraj) - 1, self.n_states_), -np.log(self.n_states_))

    def sample(self, prompts, n_steps, seed):
        rng = np.random.default_rng(seed)
        return [rng.integers(self.n_states_, size=n_steps) for _ in self.check_prompts(prompts, n_steps, seed)]

    def save(self, folder):
        write_model(folder, self, {"luck": self.luck}, {})

    @classmethod
    def load(cls, folder):
        settings, n_states, _ = read_model(folder, cls)
        model = cls(**settings)
        model.n_states_ = n_states
        return model

    @property
    def n_parameters(self):
        return 0
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs packages of a module each, as pip would: the module, and a dist-info folder with its entry points."""
    monkeypatch.syspath_prepend(tmp_path / "site")

    def of(package, source, value):
        info = tmp_path / "site" / f"{package}-1.0.dist-info"
        info.mkdir(parents=True)
        (tmp_path / "site" / f"{package}.py").write_text(source)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[mdtok.models]\nof-{package} = {package}:{value}\n")
        importlib.invalidate_caches()
        monkeypatch.delitem(sys.modules, package, raising=False)

    return of


def test_a_model_of_another_package_is_a_model_like_any_other(install, tmp_path):
    install("coins", COIN, "Coin")
    assert dict(known_names())["coinN"] == "every state is as likely, whatever was before"
    models = make_models("msm,coin3,coin5-lag2", progress=False)
    coin, lagged = models["coin3"].fit([[0, 1, 2, 0]]), models["coin5-lag2"].fit([np.array([0, 1, 2, 0])])
    assert (coin.luck, lagged.model.luck) == (3, 5)
    coin.save(tmp_path / "coin")
    lagged.save(tmp_path / "lagged")
    loaded = load_model(tmp_path / "coin")
    assert type(loaded).__name__ == "Coin" and loaded.luck == 3
    np.testing.assert_array_equal(loaded.sample([[0]], 9, seed=1), coin.sample([[0]], 9, seed=1))
    assert load_model(tmp_path / "lagged").model.luck == 5


@pytest.mark.parametrize(
    ("source", "value", "message"),
    [
        ("import no_such_package", "Coin", r"'of-coins' \(coins:Coin\) .* cannot be imported \(ModuleNotFoundError"),
        ("raise RuntimeError('two\\nlines')", "Coin", r"cannot be imported \(RuntimeError: two lines\); mend"),
        ("Coin = 3", "Coin", "is no subclass of DynamicsModel or TrajectoryModel"),
        (COIN.replace("def save", "def store"), "Coin", "lacks save"),
        (COIN.replace("coin([0-9]+)", "coin("), "Coin", "has the name pattern 'coin\\('"),
        (COIN.replace("coin([0-9]+)", "msm"), "Coin", r"'msm' is claimed by mdtok\S+MarkovModel and coins.Coin"),
        (COIN.replace("class Coin", "class MarkovModel"), "MarkovModel", "is called MarkovModel like mdtok"),
        (COIN + "\n\nPenny = Coin\n", "Penny", "is a class called Coin"),
    ],
)
def test_what_is_wrong_with_a_model_of_another_package_is_one_line(install, source, value, message):
    install("coins", source, value)
    with pytest.raises(SettingsError, match=message) as raised:
        make_models("msm")
    assert "\n" not in str(raised.value)


def test_a_folder_cannot_name_code(install, tmp_path):
    install("coins", COIN, "Coin")
    make_models("coin3")["coin3"].fit([[0, 1]]).save(tmp_path / "model")
    saved = tmp_path / "model" / "model.json"
    for name in ("coins.Coin", "coins:Coin", "catalogue", "os", "__builtins__", "", None, ["Coin"]):
        saved.write_text(json.dumps({"class": name, "n_states": 2, "settings": {}}))
        with pytest.raises(DataError, match="is no model of mdtok"):
            load_model(tmp_path / "model")


def test_a_markov_model_loads_without_transformers(tmp_path):
    make_models("msm", progress=False)["msm"].fit([np.array([0, 1, 1, 0, 1, 0])]).save(tmp_path / "model")
    code = (
        "import sys, mdtok; from mdtok.models.catalogue import make_models; make_models('msm,order2,bayesian-msm3');"
        f" mdtok.load_model({str(tmp_path / 'model')!r}); print('transformers' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "False"


def test_the_example_of_the_readme_is_a_model(install, tmp_path):
    readme = (ROOT / "mdtok" / "models" / "README.md").read_text(encoding="utf-8")
    install("frequent", re.search(r"```python\n(\"\"\".*?)```", readme, re.DOTALL)[1], "Frequencies")
    assert "frequencies[N]" in dict(known_names())
    model = make_models("frequencies3")["frequencies3"].fit([[0, 1, 1, 1]])
    assert np.exp(model.predict_log_proba([0, 0])).round(2).tolist() == [[0.4, 0.6]]
    model.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    np.testing.assert_array_equal(loaded.sample(3, 50, seed=1), model.sample(3, 50, seed=1))
