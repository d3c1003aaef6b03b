"""Imports run one way, and `import mdtok` is quick."""

import ast
import subprocess
import sys

from conftest import ROOT

ORDER = ["md", "features", "models", "kinetics", "insight", "report"]
EVERYWHERE = {"errors", "runfolder", "lazy"}
# result objects are drawn and saved by the report, which is imported only when that is asked for
ALLOWED = {
    (f"kinetics/{name}.py", "report") for name in ("estimators", "scorecard", "transition_paths", "flux_network")
}


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("mdtok"):
            parts = node.module.split(".")
            yield from [parts[1]] if len(parts) > 1 else (alias.name for alias in node.names)


def test_a_package_imports_only_what_stands_to_its_left():
    wrong = []
    for place, package in enumerate(ORDER):
        for path in (ROOT / "mdtok" / package).glob("*.py"):
            name = f"{package}/{path.name}"
            wrong += [
                f"{name} imports {other}" for other in _imports(path)
                if other not in EVERYWHERE and other not in ORDER[: place + 1] and (name, other) not in ALLOWED
            ]
    assert not wrong


def test_importing_mdtok_imports_nothing_heavy():
    code = "import sys, mdtok; mdtok.SettingsError; print({'torch', 'openmm', 'deeptime', 'matplotlib'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


def test_workers_of_simulations_do_not_import_what_they_do_not_need():
    code = "import sys, mdtok.md.simulation; print({'torch', 'transformers', 'deeptime', 'matplotlib'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"
