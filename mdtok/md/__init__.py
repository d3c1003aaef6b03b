"""Molecular dynamics: systems, platforms, simulations that can be killed and resumed, replicas, trajectories."""

import importlib

_LAZY = {
    "load_system": "mdtok.md.system",
    "MolecularSystem": "mdtok.md.system",
    "check_chirality": "mdtok.md.structure",
    "select_platform": "mdtok.md.platforms",
    "PlatformChoice": "mdtok.md.platforms",
    "run_simulation": "mdtok.md.simulation",
    "run_replicas": "mdtok.md.replicas",
    "open_trajectories": "mdtok.md.trajectory",
    "Trajectories": "mdtok.md.trajectory",
}
__all__ = list(_LAZY)


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module 'mdtok.md' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
