"""Models by name, as scripts take them: ``msm,msm10,order8,semi-markov,nanogpt``."""

import re

from mdtok.errors import SettingsError
from mdtok.models.dynamics import DynamicsModel

_KNOWN = "msm, msmN (lag N frames), orderN (last N tokens), semi-markov, nanogpt, nanogpt-tiny, nanogpt-medium"


def make_models(names, macrostates=None, seed=0, training_steps=None, progress=True):
    """Unfitted models by their names.

    Parameters
    ----------
    names : str
        Separated by commas: ``msm`` (lag 1), ``msm10`` (lag 10 frames), ``order8``, ``semi-markov``, ``nanogpt``,
        ``nanogpt-tiny``, ``nanogpt-medium``.
    macrostates : int array, shape (n_states,), optional
        The semi-Markov model keeps the age in the macrostate where tokens are microstates.
    seed : int
    training_steps : int, optional
        Most steps of gradient descent; the preset's own if not given.
    progress : bool

    Returns
    -------
    dict of str -> DynamicsModel

    Raises
    ------
    SettingsError
        An unknown name, or the same one twice.

    Examples
    --------
    >>> list(make_models("msm,order4"))
    ['msm', 'order4']
    """
    listed = [name.strip() for name in names.split(",") if name.strip()]
    if not listed or len(set(listed)) < len(listed):
        raise SettingsError(f"models is {names!r}; different names separated by commas were expected: {_KNOWN}.")
    return {name: _make(name, macrostates, seed, training_steps, progress) for name in listed}


def _make(name, macrostates, seed, training_steps, progress) -> DynamicsModel:
    from mdtok import models

    if match := re.fullmatch(r"msm([1-9]\d*)?", name):
        return models.MarkovModel(lagtime=int(match[1] or 1), progress=progress)
    if match := re.fullmatch(r"order([1-9]\d*)", name):
        return models.OrderKModel(order=int(match[1]), progress=progress)
    if name == "semi-markov":
        return models.SemiMarkovModel(macrostates=macrostates, progress=progress)
    if match := re.fullmatch(r"nanogpt(?:-(tiny|small|medium))?", name):
        budget = {} if training_steps is None else {"max_steps": training_steps}
        return models.NanoGPT.from_preset(match[1] or "small", seed=seed, progress=progress, **budget)
    raise SettingsError(f"There is no model {name!r}; known are {_KNOWN}.")
