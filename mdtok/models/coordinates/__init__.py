"""Models of coordinates: the trajectory BERT and its baselines."""
