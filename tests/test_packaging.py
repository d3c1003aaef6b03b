"""pyproject.toml, environment.yml, constraints.txt and the wheel agree."""

import importlib
import inspect
import re
import tomllib
from pathlib import Path

import pytest
import yaml

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
    for name, bound in _required("test", "lint", "h5").items():
        lowest = [int(part) for part in bound.removeprefix(">=").split(".")]
        seen = [int(part) for part in re.findall(r"\d+", exact[name.lower()])[: len(lowest)]]
        assert bound.startswith(">=") and seen >= lowest, name


def test_systems_are_installed_with_the_package():
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]
    assert wheel["force-include"] == {"systems": "mdtok/systems"}
    assert (ROOT / "systems" / "alanine_dipeptide" / "system.yaml").is_file()


@pytest.mark.parametrize(
    "package", ["mdtok", "mdtok.md", "mdtok.features", "mdtok.models", "mdtok.kinetics", "mdtok.report"]
)
def test_public_names_are_all_there_and_none_is_a_module(package):
    importlib.import_module("mdtok.models.networks.training")  # imports modules by their own names, as users may
    module = importlib.import_module(package)
    assert module.__all__ and not [name for name in module.__all__ if inspect.ismodule(getattr(module, name))]
