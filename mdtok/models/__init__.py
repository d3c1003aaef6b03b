"""Models of dynamics: one interface, and everything that stands behind it."""

import importlib

from mdtok.models.dynamics import DynamicsModel, load_model

_LAZY = {
    "MarkovModel": "mdtok.models.markov",
    "OrderKModel": "mdtok.models.backoff",
    "SemiMarkovModel": "mdtok.models.backoff",
    "NanoGPT": "mdtok.models.nanogpt",  # brings in torch and transformers, so only when asked for
}
__all__ = ["DynamicsModel", "load_model", *_LAZY]


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module 'mdtok.models' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
