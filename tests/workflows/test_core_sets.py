"""Any potential with states is a folder: three of them go the whole way, judged by their exact populations alone."""

import json

import numpy as np
import pytest
import yaml
from conftest import ROOT

from mdtok.errors import SettingsError
from mdtok.workflows.runs.core_sets import CoreSetSettings, run_core_sets

TINY = {
    "n_runs": 6,
    "length_ps": 12_000,
    "n_training_runs": 3,
    "models": "msm",
    "lagtime": 20,
    "lagtimes": [20],
    "n_chains": 10,
    "n_chain_tokens": 3000,
    "platform": "Reference",
    "n_processes": 1,
    "progress": False,
}


def test_three_states_are_judged_by_their_exact_populations(tmp_path):
    run_core_sets(CoreSetSettings(out=str(tmp_path / "run"), system="three_state", **TINY))
    found = json.loads((tmp_path / "run" / "report" / "known.json").read_text(encoding="utf-8"))
    assert set(found["known"]) == {"population A", "population B", "population C"}
    assert found["series"]["all MD"]["population A"]["value"] == pytest.approx(found["known"]["population A"], abs=0.2)
    assert found["summary"]["msm"]["timescale_ps"] is None
    page = (tmp_path / "run" / "report" / "report.html").read_text(encoding="utf-8")
    assert "Three-state potential" in page and "Against what is known" in page
    starts = [int(np.load(path)[0]) for path in sorted((tmp_path / "run" / "tokens").glob("[0-9]*.npy"))]
    assert starts == [0, 1, 2, 0, 1, 2]  # the states in turn, whatever simulation they are from


def moved(folder, start_square_nm=0.0, **states):
    """The three-state potential with other states, or starts around them."""
    content = yaml.safe_load((ROOT / "systems" / "three_state" / "system.yaml").read_text(encoding="utf-8"))
    content["states"] |= states
    content["start_square_nm"] = start_square_nm
    folder.mkdir()
    (folder / "system.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(folder)


def test_what_is_before_the_first_core_is_left_out_of_tokens_and_features(tmp_path):
    system, far = moved(tmp_path / "mine", start_square_nm=2.5), {"core_radius_nm": 0.3, "stage": "simulate"}
    settings = {"out": str(tmp_path / "run"), "system": system} | TINY | far
    run_core_sets(CoreSetSettings(**settings))
    run_core_sets(CoreSetSettings(**settings | {"stage": "tokenize"}))
    tokens, features = (
        [np.load(path) for path in sorted((tmp_path / "run" / folder).glob("[0-9]*.npy"))]
        for folder in ("tokens", "features")
    )
    assert list(map(len, tokens)) == list(map(len, features)) and min(map(len, tokens)) < 12_000
    centres = [[1.5, 1.8], [0.0, -1.0], [-1.5, 1.5]]
    assert all(np.linalg.norm(xy[0] - centres[dtraj[0]]) <= 0.301 for xy, dtraj in zip(features, tokens))


def test_published_tokens_need_states_that_x_tells_apart(tmp_path):
    system = moved(tmp_path / "mine", B=[1.5, -1.0])
    with pytest.raises(SettingsError, match="two states of mine have in common; take --tokens core"):
        run_core_sets(CoreSetSettings(out=str(tmp_path / "run"), system=system, tokens="published", **TINY))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_runs": 8}, "a multiple of 3 was expected"),
        ({"n_training_runs": 5}, "two at least"),
        ({"length_ps": 300.0}, "shorter than twenty of the longest lag time, 20 tokens of 1 ps"),
        ({"system": "alanine_dipeptide"}, "alanine_dipeptide is a molecule"),
    ],
)
def test_what_cannot_be_run_is_one_line(tmp_path, changes, words):
    settings = {"out": str(tmp_path / "run"), "system": "three_state"} | TINY | changes
    with pytest.raises(SettingsError, match=words) as caught:
        run_core_sets(CoreSetSettings(**settings))
    assert "\n" not in str(caught.value) and not (tmp_path / "run").exists()
