"""Models that are counted: Markov, Bayesian, hidden, order-k, semi-Markov, age odds, chains of events."""
