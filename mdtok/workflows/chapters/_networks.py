"""The models of a run that chapters look into."""

from mdtok.workflows.judged import JudgedRun


def berts_of(judged: JudgedRun) -> dict:
    """The models of features that attend and classify, by name: the trajectory BERTs."""
    return {name: model for name, model in judged.models_of_features().items() if hasattr(model, "attentions")}
