"""What the documents say is true: notebooks run, commands and their flags exist, links lead somewhere."""

import re
import shlex
from dataclasses import fields

import matplotlib.pyplot as plt
import pytest
from conftest import ROOT

from mdtok.models.discovery import built_in_classes
from mdtok.workflows.commands import COMMANDS, RUNS

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs").glob("[sn]*/*.md"))]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.md"))
_BLOCK = re.compile(r"^```(?:bash|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_CELL = re.compile(r"^```\{code-cell\} python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_its_first_cell_to_its_last(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "notebook"}
    cells = _CELL.findall(path.read_text(encoding="utf-8"))
    assert len(cells) >= 3
    for cell in cells:
        exec(compile(cell, str(path), "exec"), names)
    plt.close("all")


def _commands(path):
    """Every ``mdtok …`` of a page, as a list of words; also those in a line of text."""
    text = path.read_text(encoding="utf-8")
    lines = [line for block in _BLOCK.findall(text) for line in block.splitlines()]
    lines += re.findall(r"`(mdtok [^`]+)`", text)
    said = [part.strip() for line in lines for part in line.split("; ")]
    words = [shlex.split(line, comments=True) for line in said if line.startswith("mdtok ")]
    return [each[1:] for each in words if len(each) > 1]


def _settings_of(words):
    if words[0] != "run":
        return COMMANDS.get(words[0])
    return RUNS.get(words[1], COMMANDS.get("run", next(iter(RUNS.values()))))


@pytest.mark.parametrize("path", [page for page in PAGES if _commands(page)], ids=lambda path: path.name)
def test_commands_and_their_flags_exist(path):
    for words in _commands(path):
        command = _settings_of(words)
        assert command is not None or words[0].startswith("-"), f"mdtok {' '.join(words)}"
        flags = {word.split("=")[0] for word in words if word.startswith("--")} - {"--help"}
        if flags:
            _, settings_class = command.load()
            known = {f"--{field.name.replace('_', '-')}" for field in fields(settings_class)}
            assert flags <= known | {flag.replace("--", "--no-", 1) for flag in known}, f"mdtok {' '.join(words)}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(path):
    for target in _LINK.findall(path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def test_every_model_with_a_name_says_what_it_is_and_when_to_use_it():
    for known in built_in_classes():
        if known.name_pattern:
            assert known.name_help and known.name_use, known
            assert not known.name_use.endswith("."), known
