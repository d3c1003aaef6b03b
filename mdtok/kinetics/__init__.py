"""Kinetics: estimators with intervals, the noise floor, the scorecard."""

from mdtok.lazy import lazy_names

__getattr__, __all__ = lazy_names(
    __name__,
    {
        "estimation.estimators": [
            "populations",
            "equilibrium_populations",
            "free_energies_kt",
            "implied_timescales",
            "chapman_kolmogorov",
            "mfpt_from_msm",
        ],
        "estimation.estimate": ["Estimate"],
        "estimation.passages": ["mfpt_counted", "dwell_times"],
        "transition_paths": ["find_transition_paths", "TransitionPaths", "order_of_events", "EventOrder"],
        "flux_network": ["reactive_flux", "FluxNetwork"],
        "free_energy": ["free_energy_profile", "FreeEnergyProfile"],
        "scoring.scorecard": ["score", "Scorecard"],
        "judging.judge": ["judge"],
        "judging.branching": ["conditional_chapman_kolmogorov", "ConditionalChapmanKolmogorov"],
        "estimation.master_equations": ["propagator_baselines"],
        "judging.distributions": ["jensen_shannon_distance", "surface_errors", "state_coverage"],
        "judging.correlations": ["autocorrelation", "decorrelation_time", "flux_correlation", "vamp2_gap"],
        "known_answers": ["KnownAnswers", "AgainstKnown", "estimate_facts", "estimate_figures"],
        "oracle": ["Oracle"],
        "oracle_models": ["OracleTokens", "OracleForecast"],
        "bayes_limits": ["BayesClassifier"],
        "forecasting": ["forecast_errors", "nats_per_frame"],
        "token_density": ["cell_volumes", "token_log_density"],
        "classification": ["classification_scores", "accuracy_by_slice", "nearest_at_start"],
        "collective_variables": ["compare_cvs", "fit_tica", "fit_vamp"],
        "cvs.angle": ["AngleCV"],
        "cvs.linear": ["LinearCV"],
        "cvs.network": ["NetworkCV"],
        "cvs.openmm_force": ["to_openmm_force"],
        "cvs.plumed": ["to_plumed", "save_torchscript"],
        "cvs.saved": ["load_cv"],
        "biasing.simulate": ["bias_simulation"],
        "biasing.free_energy": ["BiasedFreeEnergy"],
    },
)
