"""Reports: figures and one self-contained page that says in words which model passes and which fails."""

import importlib

_LAZY = {
    "write_report": "mdtok.report.html",
    "plot_timescales": "mdtok.report.plots",
    "plot_chapman_kolmogorov": "mdtok.report.plots",
    "plot_mfpt_parity": "mdtok.report.parity",
    "plot_dwell_times": "mdtok.report.plots",
    "plot_training_curves": "mdtok.report.plots",
    "plot_populations": "mdtok.report.plots",
    "Projection": "mdtok.report.maps",
    "frames_of_tokens": "mdtok.report.maps",
    "plot_free_energy_map": "mdtok.report.maps",
    "free_energy_maps": "mdtok.report.maps",
    "plot_state_map": "mdtok.report.maps",
}
__all__ = list(_LAZY)


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module 'mdtok.report' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
