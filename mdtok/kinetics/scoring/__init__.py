"""The referee: models and rollouts against MD, the noise floor, what a model is worth, and the verdict."""
