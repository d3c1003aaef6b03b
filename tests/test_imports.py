"""Imports run one way, in the order that docs/architecture.md gives, and `import mdtok` is quick."""

import ast
import re
import subprocess
import sys

import pytest
from conftest import ROOT

PACKAGE = ROOT / "mdtok"
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ORDER = re.search(r"^(md → .*)$", ARCHITECTURE, re.MULTILINE)[1].split(" → ")
GROUND_FLOOR = set(re.findall(r"`(\w+)`", re.search(r"ground floor: ([^.]*)\.", ARCHITECTURE)[1]))
#: Result objects draw and save themselves: the report is imported only when that is asked for (deeptime does the same).
DRAWN_ON_CALL = {
    f"mdtok.kinetics.{name}"
    for name in ("estimation.estimators", "scoring.scorecard", "transition_paths", "flux_network")
}


def _name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_name(path): path for path in PACKAGE.rglob("*.py")}


def _imported(path):
    """Modules of the package that a file imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "mdtok")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively; the full name was expected"
            if node.module and node.module.split(".")[0] == "mdtok":
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    yield full if full in MODULES else node.module


IMPORTS = {name: set(_imported(path)) for name, path in MODULES.items()}


def _wing(module):
    return module.split(".")[1] if "." in module else ""


def test_the_map_names_every_wing_and_only_the_ground_floor_lies_loose():
    wings = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    loose = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert wings == set(ORDER)
    assert loose == GROUND_FLOOR


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_only_what_stands_to_its_left(module):
    own = _wing(module)
    if own in GROUND_FLOOR:
        allowed = GROUND_FLOOR
    elif own in ORDER:
        allowed = GROUND_FLOOR | set(ORDER[: ORDER.index(own) + 1])
    else:  # mdtok itself and __main__
        allowed = GROUND_FLOOR | set(ORDER)
    drawn = {"report"} if module in DRAWN_ON_CALL else set()
    wrong = {other for other in IMPORTS[module] if _wing(other) not in allowed | drawn}
    assert not wrong, f"{module} imports {', '.join(sorted(wrong))}"


def test_nothing_imports_in_a_circle():
    """Every import counts, those inside functions too; but for results that draw themselves."""
    arrows = {
        name: {other for other in others if not (name in DRAWN_ON_CALL and _wing(other) == "report")}
        for name, others in IMPORTS.items()
    }
    done, open_ = set(), []

    def walk(name):
        if name in open_:
            pytest.fail(" → ".join([*open_[open_.index(name) :], name]))
        if name in done:
            return
        open_.append(name)
        for other in sorted(arrows.get(name, ())):
            walk(other)
        done.add(open_.pop())

    for name in sorted(arrows):
        walk(name)


def _run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_mdtok_imports_nothing_heavy():
    assert (
        _run(
            "import sys, mdtok; mdtok.SettingsError; print({'numpy', 'torch', 'openmm', 'deeptime', 'matplotlib'} & "
            "set(sys.modules))"
        )
        == "set()"
    )


def test_workers_of_simulations_do_not_import_what_they_do_not_need():
    code = (
        "import sys, mdtok.md.simulation; print({'torch', 'transformers', 'deeptime', 'matplotlib'} & set(sys.modules))"
    )
    assert _run(code) == "set()"


@pytest.mark.parametrize(
    "script", ["run_alanine", "run_muller_brown", "run_four_state", "run_fip35", "find_folding_temperature"]
)
def test_scripts_that_simulate_are_light_to_import(script):
    """Each worker process imports the script once more: with torch that is seconds, and half a gigabyte, a process."""
    path = ROOT / "protocols" / f"{script}.py"
    code = f"import runpy, sys; runpy.run_path({str(path)!r}, run_name='__mp_main__'); print(HEAVY & set(sys.modules))"
    heavy = {"torch", "transformers", "deeptime", "matplotlib", "mdtraj"}
    assert _run(code.replace("HEAVY", repr(heavy))) == "set()"
