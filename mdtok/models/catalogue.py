"""Models by name, as scripts take them: ``msm,msm10,order8,semi-markov,nanogpt``."""

import re

from mdtok.errors import SettingsError
from mdtok.models.dynamics import DynamicsModel

_KNOWN = (
    "msm, msmN (lag N frames), bayesian-msm, bayesian-msmN, orderN (last N tokens), semi-markov, age-odds, hmm, hmmN (N hidden "
    "states), lstm, lstm-medium, nanogpt, nanogpt-tiny, nanogpt-narrow, nanogpt-medium, run-length, run-length-lstm, run-length-orderN "
    "(last N events); lstm and nanogpt also with -plain, -anchored, -factorised or -states, and -sampled, -expected or "
    "-faithful (two passes), and -reversible (reversed trajectories too); nanogpt-tuned, lstm-tuned, order-tuned, semi-markov-tuned "
    "(best of three on validation); all but msmN and bayesian-msmN with -lagN at its end (every N-th frame only)"
)

_NETWORK = (
    r"(nanogpt|lstm)(?:-(tiny|narrow|small|medium))?(-plain|-anchored|-factorised|-states)?"
    r"(-sampled|-expected|-faithful)?(-reversible)?"
)
#: Three candidates each for the names that end in -tuned: what differs, and of networks the preset.
_CANDIDATES = {
    "nanogpt": [("small", {}), ("small", {"learning_rate": 1e-3}), ("tiny", {"learning_rate": 2e-3, "dropout": 0.05})],
    "lstm": [("small", {}), ("small", {"learning_rate": 5e-3}), ("medium", {"learning_rate": 1e-3})],
    "order": [{"order": order} for order in (2, 4, 8)],
    "semi-markov": [{"bins_per_doubling": bins} for bins in (1, 2, 4)],
}
_ANCHORS = {"plain": None, "anchored": "basins", "factorised": "factorised", "states": "states"}


def make_models(names, macrostates=None, seed=0, training_steps=None, progress=True):
    """Unfitted models by their names.

    Parameters
    ----------
    names : str
        Separated by commas: ``msm`` (lag 1), ``msm10`` (lag 10 frames), ``bayesian-msm10``, ``order8``,
        ``semi-markov``, ``age-odds``, ``hmm``, ``lstm``, ``nanogpt``, ``nanogpt-tiny``, ``nanogpt-narrow``,
        ``nanogpt-medium``; ``run-length`` (events predicted by a nano-GPT), ``run-length-lstm``, ``run-length-order2``
        (by counts of the last 2 events). ``-plain``, ``-anchored``, ``-factorised`` and ``-states`` say what of a
        network's transitions is anchored on counts, see `NanoGPT`; ``-sampled``, ``-expected`` and ``-faithful`` what
        replaces tokens in a second pass of training, as in ``nanogpt-plain-faithful``; ``-reversible`` learns from
        reversed trajectories too; ``-lag10`` at the end is the same model on every tenth frame only.
    macrostates : int array, shape (n_states,), optional
        The semi-Markov and the age-odds model keep the age in the macrostate where tokens are microstates.
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

    if match := re.fullmatch(r"(.+)-lag([1-9]\d*)", name):
        return models.LaggedModel(_make(match[1], macrostates, seed, training_steps, progress), lagtime=int(match[2]))
    if match := re.fullmatch(r"msm([1-9]\d*)?", name):
        return models.MarkovModel(lagtime=int(match[1] or 1), progress=progress)
    if match := re.fullmatch(r"bayesian-msm([1-9]\d*)?", name):
        return models.BayesianMarkovModel(lagtime=int(match[1] or 1), seed=seed, progress=progress)
    if match := re.fullmatch(r"order([1-9]\d*)", name):
        return models.OrderKModel(order=int(match[1]), progress=progress)
    if name == "semi-markov":
        return models.SemiMarkovModel(macrostates=macrostates, progress=progress)
    if name == "age-odds":
        return models.AgeOddsModel(macrostates=macrostates, progress=progress)
    if match := re.fullmatch(r"hmm([1-9]\d*)?", name):
        return models.HiddenMarkovModel(**({"n_hidden": int(match[1])} if match[1] else {}), progress=progress)
    if match := re.fullmatch(
        r"run-length(?:-order([1-9]\d*)|-((?:nanogpt|lstm)(?:-(?:tiny|narrow|small|medium))?))?", name
    ):
        if match[1]:
            events = models.EventChainModel(order=int(match[1]), progress=progress)
        else:
            events = _make(f"{match[2] or 'nanogpt'}-plain", None, seed, training_steps, progress)
        return models.RunLengthModel(events, progress=progress)
    if match := re.fullmatch("(order|semi-markov)-tuned", name):
        kind, fixed = (
            (models.OrderKModel, {}) if match[1] == "order" else (models.SemiMarkovModel, {"macrostates": macrostates})
        )
        return models.TunedModel([kind(**fixed, **given, progress=progress) for given in _CANDIDATES[match[1]]])
    if match := re.fullmatch(rf"{_NETWORK}(-tuned)?", name):
        kind, size, anchor, second_pass, reversible, tuned = match.groups()
        network = models.NanoGPT if kind == "nanogpt" else models.LSTM
        settings = {"seed": seed, "progress": progress} | (
            {} if training_steps is None else {"max_steps": training_steps}
        )
        settings |= {"anchor": _ANCHORS[anchor[1:]]} if anchor else {}
        settings |= {"second_pass": second_pass[1:]} if second_pass else {}
        settings |= {"reversible": True} if reversible else {}
        if not tuned:
            return network.from_preset(size or "small", **settings)
        return models.TunedModel(
            [network.from_preset(size or preset, **{**settings, **given}) for preset, given in _CANDIDATES[kind]]
        )
    raise SettingsError(f"There is no model {name!r}; known are {_KNOWN}.")
