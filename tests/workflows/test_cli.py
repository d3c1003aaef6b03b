"""Settings from flags and YAML, one-line errors, exit statuses."""

from dataclasses import dataclass, field

import pytest

from mdtok.errors import DataError, SettingsError
from mdtok.workflows.command_line import RunSettings, parse_settings, run_script


@dataclass
class Settings(RunSettings):
    n_replicas: int = field(default=20)
    length_ns: float = field(default=5.0)
    lagtimes: list[int] = field(default_factory=list)
    top: str = field(default="")

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


def test_quick_in_yaml(tmp_path):
    assert parse("--settings", write(tmp_path, "quick: true")).n_replicas == 2


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--n-replica", "3"], "did you mean 'n_replicas'"),
        (["--nonsense", "3"], "known: .*n_replicas"),
        (["--seed", "x"], "invalid int value"),
        (["--stage", "fly"], "one of all, simulate"),
        (["--seed", "-1"], "at least 0"),
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
        ("seed: x", "invalid int"),
    ],
)
def test_wrong_yaml_is_one_clear_line(tmp_path, text, words):
    with pytest.raises(SettingsError, match=words) as raised:
        parse("--settings", write(tmp_path, text))
    assert "\n" not in str(raised.value)


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
