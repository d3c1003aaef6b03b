"""Settings from flags and YAML, one-line errors, exit statuses."""

from dataclasses import dataclass, field

import pytest

from mdtok.errors import DataError, SettingsError
from mdtok.workflows.command_line import RunSettings, parse_settings, positional, run_script, setting


@dataclass
class Settings(RunSettings):
    n_replicas: int = field(default=20)
    length_ns: float = field(default=5.0)
    lagtimes: list[int] = field(default_factory=list)
    top: str = field(default="")
    models: str = setting("msm,nanogpt", "Models.", names=True)
    features: str = setting("phi psi", "Features.", names=True)
    columns: list[str] = setting([], "Columns.", names=True)

    QUICK = {"n_replicas": 2, "length_ns": 0.1}


def parse(*arguments):
    return parse_settings(Settings, list(arguments))


def write(folder, text):
    path = folder / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_flags_win_over_yaml_which_wins_over_quick_which_wins_over_defaults(tmp_path):
    path = write(tmp_path, "length_ns: 2\nlagtimes: [1, 10]\nseed: 3\n")
    settings = parse("--quick", "--settings", path, "--seed", "4")
    assert (settings.n_replicas, settings.length_ns, settings.lagtimes, settings.seed) == (2, 2.0, [1, 10], 4)


def test_dashes_and_underscores_both_work():
    assert parse("--n-replicas", "3").n_replicas == parse("--n_replicas=3").n_replicas == 3


@pytest.mark.parametrize(
    "arguments, quick", [([], False), (["--quick"], True), (["--quick", "false"], False), (["--quick=true"], True)]
)
def test_quick_is_a_switch(arguments, quick):
    settings = parse(*arguments)
    assert settings.quick is quick and settings.n_replicas == (2 if quick else 20)


@pytest.mark.parametrize(
    "arguments", [["--no-progress"], ["--progress", "False"], ["--progress=no"], ["--progress", "--no_progress"]]
)
def test_a_switch_has_many_spellings(arguments):
    assert parse(*arguments).progress is False


def test_a_list_takes_what_follows_and_may_be_empty():
    assert parse("--lagtimes", "1", "-2", "--seed", "3").lagtimes == [1, -2]
    assert parse("--lagtimes").lagtimes == []
    assert parse("--lagtimes", "1", "2", "--lagtimes", "5").lagtimes == [5]  # the last one wins


@pytest.mark.parametrize("words", [["a,b"], ["a", "b"], ["a b"], ["a, b"], ["a,", "b"]])
def test_a_list_of_names_has_one_meaning_however_it_is_typed(words, tmp_path):
    settings = parse("--models", *words, "--features", *words, "--seed", "3")
    assert (settings.models, settings.features, settings.seed) == ("a,b", "a b", 3)
    if words != ["a b"]:  # a column may have a blank in its name
        assert parse("--columns", *words).columns == ["a", "b"]
    assert parse("--settings", write(tmp_path, "models: [a, b]\ncolumns: 'a,b'\n")).models == "a,b"


def test_names_with_blanks_and_numbers_with_commas():
    assert parse("--columns", "column 0", "phi").columns == ["column 0", "phi"]
    assert parse("--lagtimes", "1,2", "5").lagtimes == [1, 2, 5]
    assert parse("--models=").models == ""


def test_quick_in_yaml(tmp_path):
    assert parse("--settings", write(tmp_path, "quick: true")).n_replicas == 2


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--n-replica", "3"], "did you mean 'n_replicas'"),
        (["--nonsense", "3"], "known: .*n_replicas"),
        (["--seed", "x"], "--seed: a whole number was expected, not .x."),
        (["--stage", "fly"], "one of all, simulate"),
        (["--seed", "-1"], "at least 0"),
        (["--seed"], "Missing value for argument '--seed'"),
        (["--lagtimes", "1", "2.5"], "--lagtimes: other values were expected than .*2.5"),
        (["--length-ns", "long"], "--length-ns: a number was expected, not 'long'"),
        (["--quick=maybe"], "--quick is 'maybe'; true or false was expected"),
        (["--lagt", "1"], "--lagt is not a setting"),  # no abbreviations
        (["stray"], "'stray' is one too many"),
        (["--settings"], "needs the path"),
        (["--settings", "nowhere.yaml"], "does not exist"),
    ],
)
def test_wrong_flags_are_one_clear_line(arguments, words):
    with pytest.raises(SettingsError, match=words) as raised:
        parse(*arguments)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "text, words",
    [
        ("lenght_ns: 3", "unknown setting 'lenght_ns' .did you mean 'length_ns'"),
        ("a: [", "not valid YAML"),
        ("3", "name: value"),
        ("seed: x", "settings.yaml: --seed: a whole number was expected, not .x."),
    ],
)
def test_wrong_yaml_is_one_clear_line(tmp_path, text, words):
    with pytest.raises(SettingsError, match=words) as raised:
        parse("--settings", write(tmp_path, text))
    assert "\n" not in str(raised.value)


@dataclass
class OfARun(Settings):
    run: str = positional("A run folder.")
    lagtime: int = setting(10, "Of the referee.", group="referee")

    GROUP = "insight"
    QUICK = {"lagtimes": [1, 2]}


def test_what_is_given_by_its_place(tmp_path):
    assert parse_settings(OfARun, ["runs/a", "--seed", "3"]).run == "runs/a"
    assert parse_settings(OfARun, ["--quick", "runs/a"]).lagtimes == [1, 2]
    path = write(tmp_path, "run: runs/b\nlagtimes: [4]\n")
    assert parse_settings(OfARun, ["--settings", path]).run == "runs/b"
    assert parse_settings(OfARun, ["--settings", path, "runs/c"]).run == "runs/c"
    with pytest.raises(SettingsError, match="RUN") as raised:
        parse_settings(OfARun, ["--seed", "3"])
    assert "\n" not in str(raised.value)


def test_help_shows_settings_in_groups_with_their_defaults(capsys):
    with pytest.raises(SystemExit) as raised:
        parse_settings(OfARun, ["--help"], description="Looks into a run.", prog="mdtok explain")
    assert raised.value.code == 0
    shown = capsys.readouterr().out
    assert "usage: mdtok explain [-h] [OPTIONS] RUN" in shown and "Looks into a run." in shown
    places = [shown.index(f"{group} options") for group in ("common", "referee", "settings")]
    assert places == sorted(places)
    assert places[0] < shown.index("--stage") < shown.index("--settings") < places[1] < shown.index("--lagtime ")
    assert "(default: 5.0)" in shown and "YAML file of settings" in shown


def test_operational_settings_do_not_decide_what_is_computed():
    one, other = parse("--out", "a", "--no-progress", "--stage", "train"), parse("--out", "b")
    assert one.computed() == other.computed() and "n_replicas" in one.computed()


@pytest.mark.parametrize(
    "error, status, words",
    [(DataError("two\nlines"), 2, "error: two lines"), (KeyboardInterrupt(), 130, "goes on from here")],
)
def test_exit_statuses(error, status, words, capsys):
    def main():
        raise error

    with pytest.raises(SystemExit) as raised:
        run_script(main)
    assert raised.value.code == status and words in capsys.readouterr().err


def test_a_bug_keeps_its_traceback():
    def main():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_script(main)
