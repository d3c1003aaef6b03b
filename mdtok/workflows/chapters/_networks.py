"""The models of a run that the chapters look into."""


def models_of_features(judged) -> dict:
    """The models that read features, by name."""
    return {name: model for name, model in judged.models.items() if model.reads == "features"}


def berts_of(judged) -> dict:
    """Those of them that attend and classify: the trajectory BERTs."""
    models = models_of_features(judged)
    return {name: model for name, model in models.items() if hasattr(model, "attentions")}
