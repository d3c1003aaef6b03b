"""run_four_state.py from end to end, small; its tokens, its known answers, and what a user gets wrong."""

import json

import numpy as np
import pytest

TINY = (
    "--n-runs",
    4,
    "--length-ps",
    20_000,
    "--n-training-runs",
    2,
    "--models",
    "msm,order2",
    "--lagtimes",
    50,
    "--lagtime",
    50,
    "--n-chains",
    20,
    "--n-chain-tokens",
    4000,
    "--no-progress",
    "--seed",
    5,
    "--platform",
    "Reference",
)


@pytest.fixture(scope="module")
def four_state(run_protocol, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "four_state"
    process = run_protocol("run_four_state", *TINY, "--out", out)
    assert process.returncode == 0, process.stderr[-3000:]
    assert "Warning" not in process.stderr
    return out, process


@pytest.mark.slow  # of a whole run; three states take the same road in test_core_sets.py
def test_md_and_models_stand_beside_what_is_known(four_state):
    out, process = four_state
    found = json.loads((out / "report" / "known.json").read_text(encoding="utf-8"))
    assert list(found["series"]) == ["all MD", "training MD", "held-out MD", "msm", "order2"]
    known = found["known"]
    populations = [known[f"population {name}"] for name in "ABCD"]
    assert populations == pytest.approx([0.2687, 0.2313, 0.2313, 0.2687], abs=0.002)  # DESIGN's, by integration
    assert known["timescale 1 (ps)"] == 8610 and known["MFPT D → B (ps)"] == 2814 and known["MFPT B → D (ps)"] == 2643
    page = (out / "report" / "report.html").read_text(encoding="utf-8")
    for chapter in ("Against what is known", "How much of the past counts", "Transitions against commit time"):
        assert chapter in page
    assert "largest error of a population" in process.stderr and "At an interval of" in process.stderr


@pytest.mark.slow  # of a whole run; three states take the same road in test_core_sets.py
def test_real_transitions_outlast_the_commit_time_and_recrossings_do_not(four_state):
    out, _ = four_state
    commits = json.loads((out / "tokens" / "commit_times.json").read_text(encoding="utf-8"))
    counts = {name: np.sum(tables, axis=(1, 2)) for name, tables in commits["transitions"].items()}
    short, middle = commits["commit_ps"].index(1), commits["commit_ps"].index(20)
    assert counts["nearest x"][short] > 5 * counts["nearest x"][middle]
    assert counts["core sets"][short] < 1.5 * counts["core sets"][middle]


@pytest.mark.slow  # of a whole run; three states take the same road in test_core_sets.py
def test_published_tokens_stay_as_long_as_they_must(four_state, run_protocol, tmp_path):
    out, _ = four_state
    process = run_protocol("run_four_state", *TINY, "--out", out, "--tokens", "published", "--stage", "tokenize")
    assert (
        process.returncode == 2 and "tokens" in process.stderr
    )  # tokenised otherwise before: another folder is needed
    assert len(process.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--n-runs", 6), "multiple of 4"),
        (("--n-training-runs", 7), "two at least"),
        (("--tokens", "raw"), "core or published"),
        (("--length-ps", 500), "longest lag time"),
        (("--n-chains", -1), "must not be negative"),
    ],
)
def test_bad_settings_are_one_line(run_protocol, tmp_path, arguments, words):
    process = run_protocol("run_four_state", *arguments, "--out", tmp_path / "run")
    assert process.returncode == 2 and words in process.stderr
    assert len(process.stderr.strip().splitlines()) == 1 and not (tmp_path / "run").exists()
