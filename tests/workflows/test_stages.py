"""One road: models of tokens and of coordinates, from feature files to one scorecard; more models later; drawn
again."""

import json
import shutil

import numpy as np
import pytest

from mdtok.errors import DataError, RunFolderError, SettingsError
from mdtok.models.rollout import Rollout
from mdtok.storage import load_arrays, read_json
from mdtok.tokens import StateTokenizer
from mdtok.workflows.data import FeatureData, TokenisedData
from mdtok.workflows.folder import RunFolder
from mdtok.workflows.runs.own_tokens import TokenSettings, run_tokens
from mdtok.workflows.runs.own_trajectories import TrajectorySettings, run_trajectories
from mdtok.workflows.stages import redraw

MODELS = "msm,ornstein-uhlenbeck,copy-last"


def hops(n_trajectories, n_frames, seed):
    """An angle that hops between two values, and a distance that goes with it."""
    rng = np.random.default_rng(seed)
    for _ in range(n_trajectories):
        state = np.cumsum(rng.random(n_frames) < 0.05) % 2
        yield np.column_stack([np.where(state, 2.5, -0.5), state]) + 0.15 * rng.normal(size=(n_frames, 2))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    for k, array in enumerate(hops(8, 600, seed=3)):
        np.save(folder / f"{k}.npy", array)
    return [str(folder / f"{k}.npy") for k in range(8)]


def settings(files, out, models=MODELS, **changes):
    given = {
        "out": str(out),
        "feature_files": files,
        "columns": ["phi", "d"],
        "periodic": ["phi"],
        "dt_ps": 2.0,
        "n_states": 6,
        "n_macrostates": 2,
        "lagtime": 5,
        "window": 8,
        "models": models,
        "progress": False,
    }
    return TrajectorySettings(**{**given, **changes})


@pytest.fixture(scope="module")
def finished(files, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "own"
    run_trajectories(settings(files, out))
    return out


def test_models_of_tokens_and_of_coordinates_stand_in_one_scorecard(finished):
    card = read_json(finished / "report" / "scorecard.json")
    assert list(card["models"]) == MODELS.split(",")
    assert card["models"]["msm"]["nll_nats_per_token"]["value"] > 0
    assert card["models"]["ornstein-uhlenbeck"]["nll_nats_per_token"] is None  # it has no probability of a token
    page = (finished / "report" / "report.html").read_text(encoding="utf-8")
    assert all(name in page for name in MODELS.split(","))


def test_a_model_that_stands_still_is_judged_and_fails(finished):
    row = read_json(finished / "report" / "scorecard.json")["models"]["copy-last"]
    assert not row["passes"]
    assert row["verdicts"]["mfpt_ps"] == "off by ×∞"
    assert all(value is None for lag in row["timescales_ps"].values() for value in lag["value"])


def test_what_a_model_of_coordinates_generates_is_tokenised_as_the_md_is(finished):
    tokens, tokenizer = TokenisedData.load(finished / "tokens"), StateTokenizer.load(finished / "tokens")
    features = FeatureData.load(finished / "features", tokens)
    assert features.frame_ps == tokens.dt_ps == 2.0
    generated = load_arrays(finished / "rollouts" / "ornstein-uhlenbeck" / "features")
    rollout = Rollout.load(finished / "rollouts" / "ornstein-uhlenbeck")
    again = tokens.tokens_of([a.astype(float) for a in generated], features.periodic, tokenizer, min_length=6)
    for one, two in zip(rollout.dtrajs, again, strict=True):
        np.testing.assert_array_equal(one, two)
    angles = np.concatenate(generated)[:, 0]
    assert (np.abs(angles) <= np.pi + 1e-6).all()


def test_a_model_is_added_and_what_was_trained_is_left_and_not_trained_otherwise(files, finished):
    written = (finished / "models" / "msm" / "model.json").stat().st_mtime_ns
    run_trajectories(settings(files, finished, f"{MODELS},trajbert-small", steps_of=["trajbert-small=40"]))
    card = read_json(finished / "report" / "scorecard.json")
    assert list(card["models"]) == [*MODELS.split(","), "trajbert-small"]
    assert (finished / "models" / "msm" / "model.json").stat().st_mtime_ns == written
    with pytest.raises(RunFolderError, match="trained for 40 steps at most, --steps-of asks for 5"):
        run_trajectories(settings(files, finished, f"{MODELS},trajbert-small", steps_of=["trajbert-small=5"]))


def test_the_report_is_drawn_again_without_computing(finished, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("computed")

    monkeypatch.setattr("mdtok.workflows.stages.score_models", refuse)
    monkeypatch.setattr("mdtok.workflows.stages.load_model", refuse)
    page = finished / "report" / "report.html"
    before = page.read_text(encoding="utf-8")
    page.unlink()
    redraw(RunFolder.open(finished))
    until_provenance = slice(0, before.index("This run"))  # there, the stage that scores has a time of its own now
    assert page.read_text(encoding="utf-8")[until_provenance] == before[until_provenance]


def test_the_report_of_an_earlier_version_is_left_as_it_is(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "old")
    (tmp_path / "old" / "report" / "judged.json").unlink()
    with pytest.raises(RunFolderError, match="scored by an earlier mdtok"):
        redraw(RunFolder.open(tmp_path / "old"))


def test_a_run_that_is_not_scored_cannot_be_drawn(tmp_path):
    with pytest.raises(RunFolderError, match="not a run of mdtok"):
        redraw(RunFolder.open(tmp_path))
    with pytest.raises(RunFolderError, match="no scorecard"):
        redraw(RunFolder(tmp_path / "begun", {}))


def test_tokens_alone_have_no_coordinates_to_learn_from(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(4000) // 7 % 2)
    with pytest.raises(DataError, match="trajbert-small reads coordinates"):
        run_tokens(
            TokenSettings(
                out=str(tmp_path / "run"), train=[str(tmp_path / "a.npy")], dt_ps=1, models="msm,trajbert-small"
            )
        )
    assert not (tmp_path / "run").exists()


def test_prompts_need_a_window_of_frames(files, tmp_path):
    with pytest.raises(DataError, match="longer than the window of 700 frames"):
        run_trajectories(settings(files, tmp_path / "run", "ornstein-uhlenbeck", window=700))


@pytest.mark.parametrize("entry", ["trajbert-small", "trajbert-small=", "trajbert-small=0", "trajbert-small=1e3"])
def test_steps_of_a_model_are_name_and_number(files, tmp_path, entry):
    with pytest.raises(SettingsError, match="NAME=N"):
        settings(files, tmp_path / "run", steps_of=[entry])


def test_unknown_ways_to_draw_prompts_are_refused(files, tmp_path):
    with pytest.raises(SettingsError, match="equilibrium or basins"):
        settings(files, tmp_path / "run", prompts="anywhere")


def test_the_scorecard_has_the_keys_of_its_contract(finished):
    card = json.loads((finished / "report" / "scorecard.json").read_text(encoding="utf-8"))
    assert {"schema", "dt_ps", "n_states", "lagtimes_frames", "reference", "noise_floor", "models"} <= set(card)
    row = {
        "nll_nats_per_token",
        "n_parameters",
        "train_seconds",
        "sample_tokens_per_second",
        "populations_jsd",
        "timescales_ps",
        "mfpt_ps",
        "dwell_ks",
        "ck_rmse",
        "transition_calibration",
        "verdicts",
    }
    assert all(row <= set(of_model) for of_model in card["models"].values())
