"""Numbers of discrete trajectories, with intervals: counts, reversible Markov models, timescales, passages."""
