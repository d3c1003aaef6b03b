"""mdtok: molecular dynamics to sequences, transformers on them, and an honest verdict.

Data flows one way: ``md -> features -> models -> kinetics -> report``. The names below are the public ones; each is
imported when it is first used, so that ``import mdtok`` (and every worker process of a simulation) stays quick.
"""

import importlib

__version__ = "0.1.0"

_HOME_OF = {
    "mdtok.errors": ["MdtokError", "SettingsError", "DataError", "StructureError", "PlatformError", "RunFolderError"],
    "mdtok.md": [
        "load_system", "select_platform", "run_simulation", "run_replicas", "open_trajectories", "Trajectories",
    ],
    "mdtok.features": [
        "Dihedrals", "Featurizer", "StateTokenizer", "encode_periodic", "load_features", "load_dtrajs",
        "split_trajectories", "split_time_blocks", "cut_outside", "windows",
    ],
    "mdtok.models": ["DynamicsModel", "MarkovModel", "OrderKModel", "SemiMarkovModel", "NanoGPT", "load_model"],
    "mdtok.kinetics": [
        "score", "Scorecard", "populations", "implied_timescales", "chapman_kolmogorov", "mfpt_from_msm", "mfpt_counted",
        "dwell_times",
    ],
    "mdtok.report": ["write_report"],
}
_MODULE_OF = {name: module for module, names in _HOME_OF.items() for name in names}
__all__ = ["__version__", *sorted(_MODULE_OF)]


def __getattr__(name):
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'mdtok' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__():
    return sorted(__all__)
