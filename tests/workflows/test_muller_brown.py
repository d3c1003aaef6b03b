"""run_muller_brown.py from end to end, small; killed parts are not judged again; what a tired user gets wrong."""

import json

import numpy as np
import pytest

from mdtok.storage import read_numbers

TINY = (
    "--n-trajectories",
    40,
    "--n-frames",
    200,
    "--n-long",
    20,
    "--n-long-frames",
    200,
    "--n-states",
    8,
    "--lagtime",
    4,
    "--window",
    20,
    "--models",
    "msm,copy-last,ornstein-uhlenbeck,grid-msm,trajbert-small,trajbert-small-faithful",
    "--steps-of",
    "trajbert-small=30",
    "trajbert-small-faithful=4",
    "--n-chains",
    20,
    "--n-forecasts",
    8,
    "--n-prompt",
    50,
    "--n-forecast",
    10,
    "--n-attention",
    2,
    "--frame-interval-ps",
    5,
    "--no-progress",
    "--seed",
    3,
    "--token-interval-frames",
    5,
)


@pytest.fixture(scope="module")
def muller_brown(run_protocol, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "muller_brown"
    process = run_protocol("run_muller_brown", *TINY, "--out", out)
    assert process.returncode == 0, process.stderr[-3000:]
    assert "Warning" not in process.stderr
    return out, process


def test_it_ends_in_a_report_with_every_table(muller_brown):
    out, process = muller_brown
    page = (out / "report" / "report.html").read_text(encoding="utf-8")
    for chapter in (
        "Long rollouts",
        "exact dynamics",
        "Forecasts",
        "Classification",
        "Collective variables",
        "Attention",
    ):
        assert chapter in page
    assert "trajbert-small" in process.stderr and "Bayes-optimal" in process.stderr
    card = json.loads((out / "report" / "scorecard.json").read_text(encoding="utf-8"))
    assert list(card["models"]) == ["oracle", *TINY[TINY.index("--models") + 1].split(",")]
    assert (
        card["models"]["oracle"]["nll_nats_per_token"]["value"]
        < card["models"]["msm"]["nll_nats_per_token"]["value"] + 0.2
    )
    assert card["models"]["trajbert-small"]["nll_nats_per_token"] is None


def test_its_results_stand_beside_the_exact_ones(muller_brown):
    out, _ = muller_brown
    names = ("exact", "forecasts", "classes", "attention")
    results = {name: read_numbers(out / "report" / f"{name}.json") for name in names}
    assert results["exact"]["relaxation_times_ps"][0] == pytest.approx(7050, rel=0.01)
    assert np.sum(results["exact"]["populations"]) == pytest.approx(1)
    forecasts = results["forecasts"]["models"]
    optimal = forecasts["oracle (Bayes-optimal)"]["mse"]["value"]
    assert 0 < optimal < forecasts["copy-last"]["mse"]["value"]
    assert forecasts["trajbert-small-faithful"]["n_parameters"] == 38_708
    assert results["classes"]["exact_accuracy"] > 0.999
    assert results["classes"]["scores"]["nearest minimum at start"]["accuracy"]["value"] == 1.0
    assert results["attention"]["models"]["trajbert-small"]["future_share"] == 0
    assert results["attention"]["models"]["trajbert-small-faithful"]["future_share"] > 0.1


@pytest.mark.slow  # scores the whole run once more, half a minute
def test_what_is_judged_is_not_judged_again(muller_brown, run_protocol):
    out, _ = muller_brown
    written = (out / "report" / "forecasts.json").stat().st_mtime_ns
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    del manifest["stages"]["score"]
    (out / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (out / "report" / "kinetics.json").unlink()
    again = run_protocol("run_muller_brown", *TINY, "--out", out)
    assert again.returncode == 0, again.stderr[-3000:]
    assert "judged: kinetics" in again.stderr and "judged: forecasts" not in again.stderr
    assert (out / "report" / "forecasts.json").stat().st_mtime_ns == written


def test_a_run_of_an_earlier_layout_is_refused_in_one_line(run_protocol, tmp_path):
    (tmp_path / "trajectories").mkdir()
    (tmp_path / "trajectories" / "split.json").write_text("{}", encoding="utf-8")
    process = run_protocol("run_muller_brown", "--quick", "--out", tmp_path)
    errors = [line for line in process.stderr.splitlines() if line.startswith("error:")]
    assert process.returncode == 2
    assert len(errors) == 1
    assert "earlier mdtok" in errors[0]


def test_a_potential_with_a_syntax_error_is_one_line(run_protocol, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "system.yaml").write_text(
        "potential: x^2 + (y^2\ntemperature_kelvin: 300\ntimestep_fs: 20\nframe_interval_ps: "
        "1\ndiffusion_nm2_per_ps: 0.001\n"
        "bounds: {x: [-1, 1], y: [-1, 1]}\nstates: {a: [0, 0], b: [0.5, 0]}\n",
        encoding="utf-8",
    )
    process = run_protocol("run_muller_brown", "--system", tmp_path / "mine", "--out", tmp_path / "run")
    errors = [line for line in process.stderr.splitlines() if line.startswith("error:")]
    assert process.returncode == 2 and len(errors) == 1 and "syntax error near" in errors[0]
