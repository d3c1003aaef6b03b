"""The one command: what it lists, that it is quick to answer, and what it says of a slip of the pen."""

import re
import subprocess
import sys
from dataclasses import fields, is_dataclass

import pytest

from mdtok.md.definition import available_systems, load_definition
from mdtok.models.catalogue import known_names
from mdtok.storage import write_json
from mdtok.workflows.commands import COMMANDS, RUNS, do, workflow_of


def said(capsys, *arguments):
    do(list(arguments))
    return capsys.readouterr().out


def test_help_lists_every_command_and_imports_nothing_heavy():
    code = (
        "import sys; from mdtok.__main__ import main; "
        "sys.argv = ['mdtok', '--help']; main(); print(sorted(sys.modules))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    shown, modules = process.stdout.rsplit("\n", 2)[:2]
    assert all(re.search(rf"^  (run )?{name} ", shown, re.MULTILINE) for name in (*RUNS, *COMMANDS))
    heavy = {"numpy", "torch", "openmm", "transformers", "deeptime", "mdtraj", "matplotlib", "tyro", "scipy"}
    assert not heavy & set(re.findall(r"'(\w+)'", modules))


WITH_SETTINGS = {f"run {name}": command for name, command in RUNS.items()} | {
    name: command for name, command in COMMANDS.items() if name not in ("systems", "models", "doctor")
}


@pytest.mark.parametrize("name", WITH_SETTINGS)
def test_a_command_takes_the_common_flags(name, capsys):
    command = WITH_SETTINGS[name]
    _, settings_class = command.load()
    assert is_dataclass(settings_class)
    assert {"out", "seed", "quick", "stage", "progress"} <= {field.name for field in fields(settings_class)}
    with pytest.raises(SystemExit) as raised:
        do([*name.split(), "--help"])
    shown = capsys.readouterr().out
    assert not raised.value.code and f"usage: mdtok {name}" in shown and command.what in shown


def test_systems_and_models_are_listed_by_what_they_say_of_themselves(capsys):
    systems = said(capsys, "systems").splitlines()
    assert [line.split()[0] for line in systems] == available_systems()
    assert "smallest molecule with a Ramachandran map" in systems[0]
    models = said(capsys, "models").splitlines()
    assert len(models) == len(known_names()) and any(line.startswith("orderN ") for line in models)
    assert "usage: mdtok models" in said(capsys, "models", "--help")


@pytest.mark.parametrize(
    "system, workflow",
    [
        ("alanine_dipeptide", "runs.molecule:run_molecule"),
        ("fip35", "runs.protein:run_protein"),
        ("fip35_calpha", "runs.protein:run_protein"),
        ("four_state", "runs.core_sets:run_core_sets"),
        ("three_state", "runs.core_sets:run_core_sets"),
        ("muller_brown", "runs.potential:run_potential"),
    ],
)
def test_a_system_is_run_by_what_fits_its_kind(system, workflow):
    assert workflow_of(load_definition(system)) == workflow


def test_a_folder_of_a_user_runs_with_what_its_file_says(tmp_path, capsys):
    text = (
        "title: My wells\npotential: x^2 + y^2\ntemperature_kelvin: 250\ntimestep_fs: 20\nframe_interval_ps: 0.5\n"
        "diffusion_nm2_per_ps: 0.002\nbounds: {x: [-1, 1], y: [-1, 1]}\nstates: {a: [0, 0], b: [0.5, 0]}\n"
    )
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "system.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit):
        do(["run", str(tmp_path / "mine"), "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "My wells." in shown and "(default: runs/mine)" in shown
    assert all(f"(default: {value})" in shown for value in (250.0, 0.002, 0.5))


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((), "A command was expected: run, analyze"),
        (("analyse",), "no command 'analyse'; did you mean 'analyze'?"),
        (("fly",), "no command 'fly'; known are run, analyze"),
        (("run",), "alanine|muller-brown|four-state|fip35 was expected"),
        (("run", "--quick"), "was expected"),
        (("run", "alanin"), "did you mean 'alanine'?"),
        (("run", "nowhere/at/all"), "known are alanine"),
        (("systems", "all"), "mdtok systems takes no arguments; 'all' was given"),
        (("ablate", "nowhere"), "nowhere has no tokens/"),
        (("ablate",), "Missing: RUN"),
        (("compare", "one"), "Missing: SECOND"),
        (("explain", "nowhere", "--stage", "train"), "this command has one stage only"),
        (("report", "nowhere"), "nowhere is not a run of mdtok"),
        (("report", "nowhere", "--out", "x"), "leave out --out"),
    ],
)
def test_a_slip_of_the_pen_is_one_line(run_command, arguments, words):
    process = run_command(*arguments)
    assert process.returncode == 2 and words in process.stderr and process.stderr.strip().count("\n") == 0


def test_a_report_of_a_run_that_is_not_scored_is_refused(run_command, tmp_path):
    write_json(
        tmp_path / "manifest.json", {"schema": 1, "settings": {}, "inputs_sha256": {}, "begun": [], "stages": {}}
    )
    process = run_command("report", tmp_path)
    assert process.returncode == 2 and process.stderr.strip().count("\n") == 0
