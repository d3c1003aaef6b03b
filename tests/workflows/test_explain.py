"""The script that looks into a trained nano-GPT: its files, what it says, and its bad input."""

import json

import numpy as np
import pytest
from chains import THREE_STATES, simulate

from mdtok.errors import DataError, SettingsError
from mdtok.models.catalogue import make_models
from mdtok.workflows.data import TokenisedData
from mdtok.workflows.studies.explanation import explain


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run with tokens of six states and two trained models, as its stages leave them."""
    run = tmp_path_factory.mktemp("explain") / "run"
    chains = simulate(
        np.kron(THREE_STATES, np.full((2, 2), 0.5)), 12, 400, seed=1
    )  # each of three states in two halves
    split = {"train": list(range(6)), "validation": [6, 7], "test": [8, 9, 10, 11]}
    data = TokenisedData(chains, split, dt_ps=2.0, macrostates=np.arange(6) // 2, macrostate_names=["A", "B", "C"])
    (run / "tokens").mkdir(parents=True)
    data.save(run / "tokens")
    for name, model in make_models("msm,nanogpt-tiny-plain", training_steps=60, progress=False).items():
        model.fit(data.part("train"), data.part("validation"), 6).save(run / "models" / name)
    return run


def test_figures_and_sentences(trained, run_protocol):
    process = run_protocol(
        "explain_nanogpt", trained, "--model", "nanogpt-tiny-plain", "--n-prompts", 20, "--n-frames", 6, "--lagtime", 5
    )
    assert process.returncode == 0, process.stderr
    folder = trained / "insight" / "nanogpt-tiny-plain"
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "insight.json",
        "tracing_all.png",
        "tracing_early.png",
        "tracing_late.png",
        "attention_heads.png",
        "attention_profile.png",
        "attention_distance.png",
        "kinetic_distances.png",
    }
    assert all(path.stat().st_size > 1000 for path in folder.iterdir())
    content = json.loads((folder / "insight.json").read_text(encoding="utf-8"))
    assert process.stdout.strip().split("\n") == content["sentences"] and len(content["sentences"]) == 5
    assert list(content["tracing"]) == ["all", "early", "late"]
    assert content["tracing"]["all"]["n_prompts"] == 20 and np.shape(
        content["tracing"]["all"]["effects"]["residual"]["value"]
    ) == (2, 6)
    assert content["attention"]["n_frames"] == 32 and content["attention"]["future_share"] == 0
    assert np.shape(content["kinetic_distances"]["kinetic_distances"]) == (6, 6)


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        (dict(run="nowhere"), DataError, "nowhere has no tokens/"),
        (dict(name="nanogpt"), DataError, "no trained model 'nanogpt'; it has msm, nanogpt-tiny-plain."),
        (dict(name="msm"), SettingsError, "msm is a MarkovModel; a NanoGPT was expected"),
        (dict(lagtime=400), DataError, "not shorter than the longest"),
        (dict(n_frames=50), SettingsError, "n_frames is 50; 2 to 32"),
        (dict(ends="jump"), SettingsError, "ends is 'jump'"),
    ],
)
def test_bad_input_is_one_line(trained, arguments, error, words):
    with pytest.raises(error, match=words) as caught:
        explain(**{"run": trained, "name": "nanogpt-tiny-plain", "progress": False, **arguments})
    assert "\n" not in str(caught.value)


def test_the_script_says_it_and_exits_with_2(trained, run_protocol):
    process = run_protocol("explain_nanogpt", trained, "--model", "msm")
    assert (
        process.returncode == 2 and "msm is a MarkovModel" in process.stderr and process.stderr.strip().count("\n") == 0
    )
