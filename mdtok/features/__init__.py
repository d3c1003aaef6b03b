"""Features: coordinates to numbers, numbers to tokens, tokens to windows."""

import importlib

from mdtok.features.arrays import as_features, encode_periodic
from mdtok.features.dtrajs import cut_outside, load_dtrajs, relabel, split_time_blocks, split_trajectories
from mdtok.features.feature_files import FeatureTable, load_features
from mdtok.features.windows import windows

_LAZY = {  # these bring in mdtraj and deeptime, so only when asked for
    "Dihedrals": "mdtok.features.featurizer",
    "Featurizer": "mdtok.features.featurizer",
    "StateTokenizer": "mdtok.features.tokenizer",
}
__all__ = [
    "as_features", "cut_outside", "encode_periodic", "load_dtrajs", "relabel", "split_time_blocks", "split_trajectories",
    "FeatureTable", "load_features", "windows", *_LAZY,
]


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module 'mdtok.features' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
