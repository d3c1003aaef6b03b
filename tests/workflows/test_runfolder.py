"""Files whole or not at all; a folder belongs to one run."""

import json
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pytest

from mdtok.errors import DataError, RunFolderError
from mdtok.storage import hash_file, load_arrays, read_json, save_arrays, whole, write_json
from mdtok.workflows.command_line import RunSettings, parse_settings, setting
from mdtok.workflows.commands import COMMANDS, RUNS
from mdtok.workflows.folder import RunFolder


def test_a_file_that_is_not_finished_does_not_appear(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    with pytest.raises(ZeroDivisionError), whole(path) as partial:  # noqa: PT012
        partial.write_text("half")
        raise ZeroDivisionError
    assert not path.exists()
    with whole(path) as partial:
        partial.write_text("all")
    assert path.read_text() == "all" and list(path.parent.iterdir()) == [path]


def test_a_folder_is_replaced_whole(tmp_path):
    save_arrays(tmp_path / "arrays", [np.arange(3), np.arange(2)])
    save_arrays(tmp_path / "arrays", [np.ones(4)])
    assert [array.tolist() for array in load_arrays(tmp_path / "arrays")] == [[1.0] * 4]


def test_arrays_keep_their_order_beyond_a_thousand(tmp_path):
    save_arrays(tmp_path / "arrays", [np.array([k]) for k in range(1005)])
    assert [int(array[0]) for array in load_arrays(tmp_path / "arrays")] == list(range(1005))


def test_json_is_strict_and_knows_numpy(tmp_path):
    write_json(
        tmp_path / "a.json",
        {"x": np.float32(0.5), "y": np.array([1, 2]), "z": float("nan"), 3: np.inf, "b": np.bool_(True)},
    )
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == {"x": 0.5, "y": [1, 2], "z": None, "3": None, "b": True}


def test_broken_or_absent_json_is_said(tmp_path):
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(RunFolderError, match="not valid JSON"):
        read_json(tmp_path / "a.json")
    with pytest.raises(RunFolderError, match="does not exist"):
        read_json(tmp_path / "b.json")


def test_a_run_goes_on_with_its_settings_only(tmp_path):
    data = tmp_path / "data.txt"
    data.write_text("1")
    run = RunFolder(tmp_path / "run", {"seed": 7, "lags": (1, 2)}, inputs=[data])
    with run.stage("train") as figures:
        figures["n"] = np.int64(3)
    again = RunFolder(tmp_path / "run", {"seed": 7, "lags": [1, 2]}, inputs=[data])
    assert again.is_done("train") and again.manifest["stages"]["train"]["n"] == 3
    before = (tmp_path / "run" / "manifest.json").read_text()
    with pytest.raises(RunFolderError, match="seed: 7 there, 8 asked for"):
        RunFolder(tmp_path / "run", {"seed": 8, "lags": [1, 2]}, inputs=[data])
    data.write_text("2")
    with pytest.raises(RunFolderError, match="data.txt"):
        RunFolder(tmp_path / "run", {"seed": 7, "lags": [1, 2]}, inputs=[data])
    assert (tmp_path / "run" / "manifest.json").read_text() == before


def test_a_setting_may_change_until_its_stage_has_begun(tmp_path):
    stage_of = {"n_states": "tokenize"}
    run = RunFolder(tmp_path / "run", {"seed": 7, "n_states": 5}, stage_of=stage_of)
    with run.stage("simulate"):
        (tmp_path / "run" / "md").mkdir()
    with pytest.raises(DataError), run.stage("tokenize"):
        raise DataError("n_states is too large")  # refused before it wrote anything
    run = RunFolder(tmp_path / "run", {"seed": 7, "n_states": 3}, stage_of=stage_of)
    with run.stage("tokenize"):
        pass
    with pytest.raises(RunFolderError, match="n_states: 3 there, 4 asked for"):
        RunFolder(tmp_path / "run", {"seed": 7, "n_states": 4}, stage_of=stage_of)


def test_what_is_kept_by_name_may_be_added_to(tmp_path):
    how = {"stage_of": {"models": "train", "steps": "train"}, "by_name": ("models",)}
    run = RunFolder(tmp_path / "run", {"models": "a", "steps": 5}, **how)
    for stage in ("tokenize", "train", "score"):
        with run.stage(stage) as figures:
            figures["a"] = stage
    run = RunFolder(tmp_path / "run", {"models": "a,b", "steps": 5}, **how)
    assert [run.is_done(stage) for stage in ("tokenize", "train", "score")] == [True, False, False]
    with run.stage("train") as figures:
        figures["b"] = "trained"
    done = RunFolder(tmp_path / "run", {"models": "a,b", "steps": 5}, **how).manifest["stages"]
    assert {"a": "train", "b": "trained"}.items() <= done["train"].items() and "score" not in done
    with pytest.raises(RunFolderError, match="steps: 5 there, 6 asked for"):
        RunFolder(tmp_path / "run", {"models": "a,b,c", "steps": 6}, **how)


def test_a_stage_that_was_killed_keeps_its_settings(tmp_path):
    run = RunFolder(tmp_path / "run", {"seed": 7, "n_states": 5}, stage_of={"n_states": "tokenize"})
    with pytest.raises(KeyboardInterrupt), run.stage("tokenize"):
        raise KeyboardInterrupt
    with pytest.raises(RunFolderError, match="n_states: 5 there"):
        RunFolder(tmp_path / "run", {"seed": 7, "n_states": 4}, stage_of={"n_states": "tokenize"})


def test_a_stage_that_fails_is_not_done(tmp_path):
    run = RunFolder(tmp_path / "run", {})
    with pytest.raises(ZeroDivisionError), run.stage("train"):
        raise ZeroDivisionError
    assert not run.is_done("train")
    with pytest.raises(RunFolderError, match="'train' is not done yet"):
        run.require("train")


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(RunFolderError, match="not a run of mdtok"):
        RunFolder(tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_hash_of_a_large_file_sees_its_size_and_ends(tmp_path):
    path = tmp_path / "large.bin"
    with open(path, "wb") as file:
        file.truncate(70 * 2**20)
    first = hash_file(path)
    with open(path, "r+b") as file:
        file.seek(-1, 2)
        file.write(b"x")
    assert hash_file(path) != first


#: A manifest as commit 0e4b039 wrote it, when settings were fewer.
EARLIER = {
    "schema": 1,
    "command": ["protocols/run.py", "--seed", "7"],
    "versions": {"python": "3.11.7", "mdtok": "0.1.0"},
    "settings": {"seed": 7, "lagtime": 5, "models": "msm"},
    "inputs_sha256": {},
    "begun": ["tokenize"],
    "stages": {"tokenize": {"wall_seconds": 0.0, "n_states": 3}},
}


@dataclass
class EarlierSettings(RunSettings):
    lagtime: int = setting(5, "Lag.")
    models: str = setting("msm", "Models.")


@dataclass
class TodaysSettings(EarlierSettings):
    window: int = setting(50, "New.")
    stride: int = setting(2, "New, and was 1 before.")

    STAGE_OF = {"models": "train"}
    BY_NAME = ("models",)
    BEFORE = {"stride": 1}


def test_a_run_of_an_earlier_mdtok_goes_on_with_the_settings_that_it_had(tmp_path):
    write_json(tmp_path / "manifest.json", EARLIER)
    run = RunFolder.of(TodaysSettings(out=str(tmp_path), stride=1, models="msm,order2"))
    assert run.is_done("tokenize")
    with run.stage("train"):
        pass
    assert read_json(tmp_path / "manifest.json")["settings"]["window"] == 50
    assert RunFolder.of(TodaysSettings(out=str(tmp_path), stride=1, models="msm,order2")).is_done("train")


@pytest.mark.parametrize(
    "settings, words",
    [
        ({}, "stride: 1 there, 2 asked for"),
        ({"stride": 1, "window": 10}, "window: 50 there, 10 asked for"),
        ({"stride": 1, "lagtime": 6}, "lagtime: 5 there, 6 asked for"),
    ],
)
def test_other_settings_than_an_earlier_mdtok_had_are_refused_in_one_line(tmp_path, settings, words):
    write_json(tmp_path / "manifest.json", EARLIER)
    with pytest.raises(RunFolderError, match=words) as raised:
        RunFolder.of(TodaysSettings(out=str(tmp_path), **settings))
    assert "\n" not in str(raised.value)


def test_a_setting_that_there_is_no_more_is_refused_unless_it_had_the_value_that_is_done_today(tmp_path):
    write_json(tmp_path / "manifest.json", EARLIER | {"settings": EARLIER["settings"] | {"two_sided": True}})
    with pytest.raises(RunFolderError, match="two_sided: True there, None asked for"):
        RunFolder.of(EarlierSettings(out=str(tmp_path)))
    settings = EarlierSettings(out=str(tmp_path))
    settings.BEFORE = {"two_sided": True}
    assert RunFolder.of(settings).is_done("tokenize")


def test_the_command_that_goes_on_is_said_first(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr("sys.orig_argv", ["python", "protocols/run.py", "--out", str(tmp_path / "a run")])
    RunFolder.of(parse_settings(RunSettings, ["--out", str(tmp_path / "a run")]))
    assert caplog.messages == [f"resume with: python protocols/run.py --out '{tmp_path / 'a run'}'"]
    monkeypatch.setattr("sys.argv", ["/opt/bin/mdtok", "run", "alanine", "--seed", "3"])
    settings = parse_settings(RunSettings, ["--seed", "3"])
    assert settings.command == "mdtok run alanine --seed 3"
    RunFolder.of(RunSettings(out=str(tmp_path / "from Python")))
    assert len(caplog.messages) == 1


#: What runs of commit 0e4b039 computed with, by the script that wrote it; and the command that goes on with them today.
WRITTEN = json.loads((Path(__file__).parent / "settings_of_0e4b039.json").read_text(encoding="utf-8"))
GOES_ON = {
    "run_alanine": RUNS["alanine"],
    "run_four_state": RUNS["four-state"],
    "run_fip35": RUNS["fip35"],
    "analyze_tokens": COMMANDS["tokens"],
    "analyze_trajectories": COMMANDS["analyze"],
}


@pytest.mark.parametrize("script", GOES_ON)
def test_runs_that_scripts_of_an_earlier_mdtok_wrote_go_on(tmp_path, script):
    written = {"settings": WRITTEN[script], "begun": ["simulate", "tokenize", "train", "rollout"]}
    write_json(tmp_path / "manifest.json", EARLIER | written)
    _, settings_class = GOES_ON[script].load()
    known = {field.name for field in fields(settings_class)}
    assert set(WRITTEN[script]) <= known
    RunFolder.of(settings_class(**WRITTEN[script], out=str(tmp_path)))
