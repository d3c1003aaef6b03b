"""The report draws: it knows results and styles, and nothing that could be run."""

import ast

import pytest
from conftest import ROOT

FILES = sorted((ROOT / "mdtok" / "report").rglob("*.py"))
#: What it may know of tokens is how they are checked; models, features, simulations and runs it may not know at all.
KNOWS = ("errors", "lazy", "storage", "checks", "progress", "kinetics", "insight", "report", "tokens.dtrajs")


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_report_imports_results_only(path):
    own = [name.removeprefix("mdtok.") for name in imports_of(path) if name.split(".")[0] == "mdtok"]
    wrong = [name for name in own if not any(name == room or name.startswith(f"{room}.") for room in KNOWS)]
    assert not wrong, f"{path.name} imports {', '.join(wrong)}; the report draws what others computed"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_report_loads_no_network_and_reads_no_run(path):
    heavy = {"torch", "transformers", "openmm", "mdtraj", "deeptime"}
    assert not heavy & {name.split(".")[0] for name in imports_of(path)}
    calls = [node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    called = {func.attr for func in calls if isinstance(func, ast.Attribute)}
    assert not called & {"fit", "sample", "forecast", "predict_proba", "attentions", "load"}
