"""What an editor sees is what is there: stubs of the lazy packages, annotations of everything public.

After a name is added to a package, ``python tests/test_names.py`` writes the stubs again.
"""

import importlib
import inspect
from pathlib import Path

import pytest

import mdtok
from mdtok.lazy import TABLES

PACKAGE = Path(mdtok.__file__).parent
LAZY = [
    "mdtok",
    *sorted(
        f"mdtok.{path.parent.name}"
        for path in PACKAGE.glob("*/__init__.py")
        if "lazy_names(" in path.read_text("utf-8")
    ),
]


def stub_of(name):
    """The text of the ``__init__.pyi`` of a package: each public name, imported from where it is."""
    package = importlib.import_module(name)
    module_of = {public: getattr(package, public).__module__ for public in package.__all__ if public != "__version__"}
    module_of |= TABLES[name]
    lines = [
        f"from {module} import {public} as {public}"
        for public, module in sorted(module_of.items(), key=lambda item: (item[1], item[0]))
    ]
    version = ["", "__version__: str"] if "__version__" in package.__all__ else []
    return "\n".join([f'"""{package.__doc__}"""', "", *lines, *version, ""])


def _stub_path(name):
    return PACKAGE.parent.joinpath(*name.split("."), "__init__.pyi")


def _names(text):
    return {line for line in text.splitlines() if line.startswith(("from ", "__version__"))}


@pytest.mark.parametrize("name", LAZY)
def test_an_editor_sees_the_public_names(name):
    wanted, seen = _names(stub_of(name)), _names(_stub_path(name).read_text(encoding="utf-8"))
    assert wanted == seen, "python tests/test_names.py writes the stubs again"


def _is_bare(function):
    signature = inspect.signature(function)
    own = [parameter for key, parameter in signature.parameters.items() if key not in ("self", "cls")]
    return inspect.Signature.empty in [signature.return_annotation, *(parameter.annotation for parameter in own)]


def _methods(public_class):
    """Public methods by name; one that stands in for a base's is described there."""
    for owner in public_class.__mro__[:-1]:
        for name, member in vars(owner).items():
            function = getattr(member, "__func__", member)
            if inspect.isfunction(function) and not name.startswith("_") and owner.__module__.startswith("mdtok."):
                yield name, inspect.unwrap(function)


@pytest.mark.parametrize("public", [name for name in mdtok.__all__ if callable(getattr(mdtok, name))])
def test_everything_public_says_its_types(public):
    thing = getattr(mdtok, public)
    if not inspect.isclass(thing):
        assert not _is_bare(inspect.unwrap(thing))
        return
    said = {name for name, function in _methods(thing) if not _is_bare(function)}
    assert {name for name, _ in _methods(thing)} == said


if __name__ == "__main__":
    for lazy in LAZY:
        _stub_path(lazy).write_text(stub_of(lazy), encoding="utf-8")
