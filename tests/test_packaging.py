"""pyproject.toml, environment.yml, constraints.txt and the wheel agree."""

import importlib
import inspect
import re
import shutil
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from hatchling.builders.wheel import WheelBuilder

import mdtok

ROOT = Path(__file__).resolve().parents[1]
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base", "tables": "pytables"}


def _split(requirement):
    name, bound = re.fullmatch(r"([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?\s*(.*)", requirement).groups()
    return name, bound.replace(" ", "")


def _pyproject():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _required(*extras):
    project = _pyproject()
    lists = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)]
    return dict(_split(requirement) for requirements in lists for requirement in requirements)


def test_conda_environment_has_the_names_and_bounds_of_pyproject():
    listed = dict(map(_split, yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]))
    assert listed.pop("pip") == ""
    assert listed.pop("python") == _pyproject()["requires-python"]
    assert listed == {CONDA_NAMES.get(name, name): bound for name, bound in _required("test", "h5").items()}


def test_every_requirement_has_an_exact_version_within_its_bounds():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    exact = dict(line.lower().split("==") for line in lines if line and not line.startswith("#"))
    assert exact["torch"] == "2.13.0"
    for name, bound in _required("test", "lint", "h5", "docs").items():
        lowest = [int(part) for part in bound.removeprefix(">=").split(".")]
        seen = [int(part) for part in re.findall(r"\d+", exact[name.lower()])[: len(lowest)]]
        assert bound.startswith(">=") and seen >= lowest, name


def test_the_version_is_said_once():
    assert _pyproject()["dynamic"] == ["version"] and "version" not in _pyproject()
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == mdtok.__version__ and citation["title"] == "mdtok"
    assert f"## [{mdtok.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_wheel_holds_what_is_no_code_too(tmp_path):
    """Built from a copy without `.git`, as hatchling finds no ignored files there; CI installs it and runs it
    elsewhere."""
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):  # what is ignored is not built
        shutil.copy(ROOT / name, tmp_path)
    for name in ("mdtok", "systems"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    wheel = next(WheelBuilder(str(tmp_path)).build(directory=str(tmp_path / "dist"), versions=["standard"]))
    assert f"mdtok-{mdtok.__version__}-" in wheel
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    data = [path for folder in ("mdtok", "systems") for path in (tmp_path / folder).rglob("*.*")]
    within = [path.relative_to(tmp_path).as_posix() for path in data]
    assert {name if name.startswith("mdtok/") else f"mdtok/{name}" for name in within} <= held
    assert {"mdtok/py.typed", "mdtok/__init__.pyi", "mdtok/report/page.css"} <= held
    assert "mdtok/systems/alanine_dipeptide/system.yaml" in held


@pytest.mark.parametrize(
    "package", ["mdtok", "mdtok.md", "mdtok.features", "mdtok.models", "mdtok.kinetics", "mdtok.report"]
)
def test_public_names_are_all_there_and_none_is_a_module(package):
    importlib.import_module("mdtok.models.networks.training")  # imports modules by their own names, as users may
    module = importlib.import_module(package)
    assert module.__all__ and not [name for name in module.__all__ if inspect.ismodule(getattr(module, name))]
