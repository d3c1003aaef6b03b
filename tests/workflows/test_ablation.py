"""The ablation command: variants with seeds, in one table, resumed, and its bad input."""

import json

import numpy as np
import pytest
from chains import THREE_STATES, simulate


@pytest.fixture(scope="module")
def tokenised(run_protocol, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablation")
    for index, chain in enumerate(simulate(THREE_STATES, 12, 600, seed=1)):
        np.save(folder / f"{index}.npy", chain)
    files = [folder / f"{index}.npy" for index in range(12)]
    process = run_protocol(
        "analyze_tokens",
        "--train",
        *files,
        "--dt-ps",
        1,
        "--stage",
        "tokenize",
        "--out",
        folder / "run",
        "--lagtime",
        5,
        "--models",
        "msm",
    )
    assert process.returncode == 0, process.stderr
    return folder / "run"


def test_variants_and_seeds_become_a_table(tokenised, run_protocol):
    command = (
        "ablate",
        tokenised,
        "--variants",
        "msm,nanogpt-tiny-plain,nanogpt-tiny-plain-sampled",
        "--seeds",
        2,
        "--training-steps",
        30,
        "--lagtime",
        5,
    )
    process = run_protocol(*command)
    assert process.returncode == 0, process.stderr
    assert "nanogpt-tiny-plain-sampled" in process.stdout and "held-out MD" in process.stdout
    content = json.loads((tokenised / "ablation" / "ablation.json").read_text(encoding="utf-8"))
    assert list(content["variants"]) == ["msm", "nanogpt-tiny-plain", "nanogpt-tiny-plain-sampled"]
    msm = content["variants"]["msm"]
    assert msm["nats"]["of_seeds"][0] == msm["nats"]["of_seeds"][1]  # a counted model has no seed
    assert msm["timescale_ps"]["mean"] == pytest.approx(content["md"]["timescale_ps"]["value"], rel=0.5)
    assert (
        1 < msm["worst_mfpt"]["mean"] < 1.5 and 1 < content["training_md"]["worst_mfpt"]["value"] < 1.5
    )  # × of held-out MD
    plain = content["variants"]["nanogpt-tiny-plain"]
    assert plain["nats"]["low"] < plain["nats"]["mean"] < plain["nats"]["high"]
    assert plain["nats_above_first"]["value"] == pytest.approx(plain["nats"]["mean"] - msm["nats"]["mean"])
    weights = tokenised / "ablation" / "nanogpt-tiny-plain" / "seed_1" / "model" / "model.safetensors"
    written = weights.stat().st_mtime_ns
    again = run_protocol(*command)
    assert again.stdout == process.stdout and weights.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("nowhere",), "has no tokens/"),
        (("RUN", "--variants", "nanogpt-thrice"), "no model 'nanogpt-thrice'"),
        (("RUN", "--seeds", 0), "0 seeds were asked for"),
    ],
)
def test_bad_input_is_one_line(tokenised, run_protocol, arguments, words):
    process = run_protocol("ablate", *(tokenised if argument == "RUN" else argument for argument in arguments))
    assert process.returncode == 2 and words in process.stderr and process.stderr.strip().count("\n") == 0
