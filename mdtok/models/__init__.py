"""Models of dynamics: one interface for tokens, one for coordinates, and everything that stands behind them.

`counted` (Markov models and their kin), `networks` (nano-GPT, LSTM), `coordinates` (the trajectory BERT and its
baselines), `densities` (the density-GPT and a Markov model by kernels) and `wrappers` (a model around another one).
"""

from mdtok.lazy import lazy_names

__getattr__, __all__ = lazy_names(
    __name__,
    {
        "dynamics": ["DynamicsModel"],
        "saved": ["load_model"],
        "trajectory_model": ["TrajectoryModel"],
        "counted.markov": ["MarkovModel"],
        "counted.bayesian": ["BayesianMarkovModel"],
        "counted.backoff": ["OrderKModel"],
        "counted.semi_markov": ["SemiMarkovModel"],
        "counted.history": ["HistoryMarkovModel"],
        "counted.age_odds": ["AgeOddsModel"],
        "counted.hidden": ["HiddenMarkovModel"],
        "counted.event_chain": ["EventChainModel"],
        "networks.nanogpt": ["NanoGPT"],
        "networks.lstm": ["LSTM"],
        "wrappers.run_length": ["RunLengthModel"],
        "wrappers.lagged": ["LaggedModel"],
        "wrappers.tuned": ["TunedModel"],
        "coordinates.trajbert": ["TrajBert"],
        "densities.density_gpt": ["DensityGPT"],
        "densities.kernel_markov": ["KernelMarkov"],
        "coordinates.baselines": ["CopyLast", "VectorAutoregression"],
        "coordinates.grid_markov": ["GridMarkov"],
    },
)
