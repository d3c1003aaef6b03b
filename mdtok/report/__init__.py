"""Reports: figures and one self-contained page that says in words which model passes and which fails."""

from mdtok.lazy import lazy_names

__getattr__, __all__ = lazy_names(__name__, {
    "html": ["write_report"],
    "plots": [
        "plot_timescales", "plot_chapman_kolmogorov", "plot_dwell_times", "plot_training_curves", "plot_populations",
    ],
    "parity": ["plot_mfpt_parity"],
    "maps": ["Projection", "frames_of_tokens", "plot_free_energy_map", "free_energy_maps", "plot_state_map"],
})
