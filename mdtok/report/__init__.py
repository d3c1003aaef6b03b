"""Reports: figures and one self-contained page that says in words which model passes and which fails."""

from mdtok.lazy import lazy_names

__getattr__, __all__ = lazy_names(
    __name__,
    {
        "page": ["write_report"],
        "notebook": ["first_screen"],
        "parts": ["Chapter", "Table", "Verbatim", "shown", "number", "held"],
        "plots.scorecard": [
            "plot_timescales",
            "plot_chapman_kolmogorov",
            "plot_dwell_times",
            "plot_training_curves",
            "plot_populations",
        ],
        "plots.parity": ["plot_mfpt_parity"],
        "plots.trajectories": ["plot_potential", "plot_example_trajectories", "plot_generated_against_true"],
        "plots.forecasts": ["plot_forecast_error", "plot_accuracy_by_slice"],
        "plots.attention": [
            "plot_head_maps",
            "plot_layer_maps",
            "plot_segment_attention",
            "plot_time_difference_profile",
            "plot_attention_distance",
        ],
        "plots.key_steps": ["plot_key_steps", "plot_key_step_counts"],
        "figures": ["ReportFigure"],
        "plots.memory": ["plot_memory"],
        "plots.commitment": ["plot_commit_times"],
        "plots.profiles": ["plot_free_energy_profiles"],
        "plots.biased": ["plot_biased_free_energy"],
        "plots.networks": ["plot_flux_network", "plot_transition_path_times"],
        "plots.tracing": ["plot_causal_traces", "plot_kinetic_distances"],
        "plots.maps": ["Projection", "frames_of_tokens", "plot_free_energy_map", "free_energy_maps", "plot_state_map"],
    },
)
