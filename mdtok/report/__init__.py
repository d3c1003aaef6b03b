"""Reports: figures and one self-contained page that says in words which model passes and which fails."""

from mdtok.lazy import lazy_names

__getattr__, __all__ = lazy_names(__name__, {
    "html": ["write_report", "Chapter"],
    "plots": [
        "plot_timescales", "plot_chapman_kolmogorov", "plot_dwell_times", "plot_training_curves", "plot_populations",
    ],
    "parity": ["plot_mfpt_parity"],
    "trajectories": [
        "plot_potential", "plot_example_trajectories", "plot_generated_against_true", "plot_forecast_error",
        "plot_accuracy_by_slice",
    ],
    "attention": [
        "plot_head_maps", "plot_layer_maps", "plot_segment_attention", "plot_time_difference_profile",
        "plot_attention_distance", "plot_key_steps", "plot_key_step_counts",
    ],
    "figures": ["ReportFigure"],
    "memory": ["plot_memory", "chapter_on_memory"],
    "commitment": ["plot_commit_times"],
    "known_answers": ["chapter_on_known_answers"],
    "profiles": ["plot_free_energy_profiles"],
    "folding": ["chapter_on_folding"],
    "networks": ["plot_flux_network", "plot_transition_path_times"],
    "tracing_plots": ["plot_causal_traces", "plot_kinetic_distances"],
    "maps": ["Projection", "frames_of_tokens", "plot_free_energy_map", "free_energy_maps", "plot_state_map"],
})
