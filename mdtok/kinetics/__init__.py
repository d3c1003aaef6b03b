"""Kinetics: estimators with intervals, the noise floor, the scorecard."""

import importlib

_LAZY = {
    "populations": "estimators", "equilibrium_populations": "estimators", "free_energies_kt": "estimators", "implied_timescales": "estimators",
    "chapman_kolmogorov": "estimators", "mfpt_from_msm": "estimators", "Estimate": "estimators",
    "mfpt_counted": "passages", "dwell_times": "passages",
    "score": "scorecard", "Scorecard": "scorecard",
}
__all__ = list(_LAZY)


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module 'mdtok.kinetics' has no attribute {name!r}")
    return getattr(importlib.import_module(f"mdtok.kinetics.{_LAZY[name]}"), name)
