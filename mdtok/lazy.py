"""Public names that are imported when they are first used, so that ``import mdtok`` and worker processes stay quick."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

#: For each package, the module that gives each of its lazy names; an editor sees them in its ``__init__.pyi``.
TABLES: dict[str, dict[str, str]] = {}


def lazy_names(package: str, names_of: dict[str, list[str]]) -> tuple[Callable[[str], Any], list[str]]:
    """``__getattr__`` and ``__all__`` of a package whose public names live in its modules (PEP 562).

    Parameters
    ----------
    package : str
        ``__name__`` of the package.
    names_of : dict of str -> list of str
        For each module, as seen from the package, the names that it gives.

    Returns
    -------
    getattr : callable
    names : list of str
    """
    module_of = {name: f"{package}.{module}" for module, names in names_of.items() for name in names}
    TABLES[package] = module_of

    def get(name):
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(module_of[name]), name)

    return get, list(module_of)
