"""mdtok: molecular dynamics to sequences, transformers on them, and an honest verdict.

Data flows one way: ``md -> features -> tokens -> models -> kinetics -> insight -> report -> workflows``. These are the
public names.
"""

from mdtok.lazy import lazy_names

__version__ = "0.1.0"

__getattr__, _names = lazy_names(
    __name__,
    {
        "errors": ["MdtokError", "SettingsError", "DataError", "StructureError", "PlatformError", "RunFolderError"],
        "md": ["load_system", "select_platform", "run_simulation", "run_replicas", "open_trajectories", "Trajectories"],
        "features": [
            "Dihedrals",
            "Featurizer",
            "encode_periodic",
            "load_features",
            "split_particles",
            "Feature",
            "Contacts",
            "NativeContacts",
            "NativeFraction",
            "native_contacts",
            "Rmsd",
            "RadiusOfGyration",
        ],
        "tokens": [
            "StateTokenizer",
            "load_dtrajs",
            "split_trajectories",
            "split_time_blocks",
            "cut_outside",
            "assign_unassigned",
            "windows",
            "stitch_frames",
        ],
        "models": [
            "DynamicsModel",
            "MarkovModel",
            "BayesianMarkovModel",
            "OrderKModel",
            "SemiMarkovModel",
            "HistoryMarkovModel",
            "AgeOddsModel",
            "HiddenMarkovModel",
            "RunLengthModel",
            "EventChainModel",
            "LaggedModel",
            "LSTM",
            "NanoGPT",
            "TunedModel",
            "load_model",
            "TrajectoryModel",
            "CopyLast",
            "VectorAutoregression",
            "GridMarkov",
            "TrajBert",
            "DensityGPT",
            "KernelMarkov",
        ],
        "kinetics": [
            "score",
            "Scorecard",
            "judge",
            "populations",
            "implied_timescales",
            "chapman_kolmogorov",
            "mfpt_from_msm",
            "mfpt_counted",
            "dwell_times",
            "forecast_errors",
            "nats_per_frame",
            "cell_volumes",
            "token_log_density",
            "classification_scores",
            "accuracy_by_slice",
            "nearest_at_start",
            "compare_cvs",
            "fit_tica",
            "fit_vamp",
            "fit_vampnet",
            "LinearCV",
            "NetworkCV",
            "load_cv",
            "to_openmm_force",
            "to_plumed",
            "save_torchscript",
            "Oracle",
            "OracleTokens",
            "OracleForecast",
            "find_transition_paths",
            "order_of_events",
            "reactive_flux",
        ],
        "insight": [
            "diagnose_memory",
            "summarise_attention",
            "find_key_steps",
            "count_key_steps",
            "trace_causes",
            "compare_kinetic_distances",
        ],
        "report": ["write_report"],
    },
)
__all__ = ["__version__", *_names]


def __dir__():
    return sorted(__all__)
