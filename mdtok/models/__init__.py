"""Models of dynamics: one interface, and everything that stands behind it."""

from mdtok.lazy import lazy_names

__getattr__, __all__ = lazy_names(__name__, {
    "dynamics": ["DynamicsModel", "load_model"],
    "markov": ["MarkovModel"],
    "bayesian_markov": ["BayesianMarkovModel"],
    "backoff": ["OrderKModel", "SemiMarkovModel"],
    "age_odds": ["AgeOddsModel"],
    "nanogpt": ["NanoGPT"],
    "lstm": ["LSTM"],
    "tuned": ["TunedModel"],
    "hidden_markov": ["HiddenMarkovModel"],
    "event_chain": ["EventChainModel"],
    "run_length": ["RunLengthModel"],
    "lagged": ["LaggedModel"],
    "trajectory_model": ["TrajectoryModel"],
    "trajbert": ["TrajBert"],
    "trajectory_baselines": ["CopyLast", "VectorAutoregression", "GridMarkov"],
})
