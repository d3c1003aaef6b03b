"""Rare transitions anchored on counts: the next basin from counted statistics, the state within it from a network.

A softmax that is trained on millions of fast jumps gives rare transitions a few times too much probability, and every
such factor is a factor in the slow rates. Here ``P(state | past) = P(basin | past) P(state | basin, past)``: the first
factor is counted, and a network may correct it, between each two basins as far as held-out trajectories bear out:
frequent transitions it may know better than counts do, rare ones never. The second factor is the network's alone.
"""

import logging
from pathlib import Path

import numpy as np
import torch
from scipy.special import logsumexp

from mdtok.errors import DataError
from mdtok.models.counted.age_odds import AgeOddsModel
from mdtok.models.counted.backoff import OrderKModel
from mdtok.models.counted.markov import MarkovModel
from mdtok.models.counted.semi_markov import SemiMarkovModel
from mdtok.models.networks.held_out_choice import SHARES, least_share
from mdtok.models.saved import load_model
from mdtok.storage import damage_in_one_line, read_json, write_json
from mdtok.tokens.metastable import metastable_states

log = logging.getLogger(__name__)

_MOST_BASINS = 6
_FEW_STATES = 6
_CONTEXT_OVER_PROCESS = 5  # a network sees five relaxations in a context before it is left alone with a process
_ORDER, _ROUNDS = 8, 300
_FLOOR = -30.0  # a logarithm: nothing is impossible, and no difference is infinite


class BasinAnchor:
    """Probability of the next basin: counted, given the state and the past.

    Basins are the metastable sets (PCCA+) of the processes that are slower than a fifth of a network's context: what is
    faster a network sees often enough, and whole. Crossings between them have the odds of the microstate and of the age
    of the basin (`AgeOddsModel`). A handful of states are a basin each; there ages and pasts of up to 8 tokens are
    counted in every state, and the two are mixed as held-out trajectories have it.

    Attributes
    ----------
    basins_ : ndarray of int, shape (n_states,)
        Basin of each state.
    models_ : list of BackOffModel
    weights_ : ndarray, shape (n_models,)

    Examples
    --------
    >>> slow = np.repeat(np.arange(20) % 2, 300)
    >>> anchor = BasinAnchor.fit([slow], [slow], n_states=2, n_positions=100)
    >>> anchor.basins_.tolist(), anchor.log_proba(slow).shape
    ([0, 1], (5999, 2))
    """

    def __init__(self, basins, models, weights):
        self.basins_, self.models_, self.weights_ = np.asarray(basins), list(models), np.asarray(weights)

    @classmethod
    def fit(cls, dtrajs, validation, n_states, n_positions, of_states=False):
        """Basins and their statistics; None where no process is slow enough, or none can be estimated.

        With `of_states` every state is a basin, however many there are.
        """
        try:
            basins = np.arange(n_states) if of_states else slow_basins(dtrajs, n_states, n_positions)
            if basins is None:
                return None
            if n_states <= _FEW_STATES or of_states:
                models = [SemiMarkovModel(macrostates=basins), OrderKModel(order=_ORDER)][: 1 if of_states else 2]
            else:
                models = [AgeOddsModel(basins)]
            for model in models:
                model.progress = False
                model.fit(dtrajs, validation, n_states)
        except DataError as error:  # no state is left and found again, so there is nothing to count
            log.info("Transitions are not anchored on counts: %s", error)
            return None
        return cls(basins, models, _weights(models, basins, validation))

    @property
    def n_basins(self):
        """Number of basins."""
        return int(self.basins_.max()) + 1

    @property
    def n_parameters(self):
        """Counted probabilities, and weights less one."""
        return sum(model.n_parameters for model in self.models_) + len(self.models_) - 1

    def log_proba(self, dtraj):
        """Log-probability of the next basin at every frame but the last, float32, shape (n_frames - 1, n_basins)."""
        return self.log_proba_after([model.memory_at(dtraj)[:, :-1] for model in self.models_])

    def log_proba_after(self, memory):
        """The same for memories of many chains, as `memory_of` and `advance` give them: shape (n_chains, n_basins)."""
        probabilities = sum(
            w * model.predict_states(part) for w, model, part in zip(self.weights_, self.models_, memory)
        )
        with np.errstate(divide="ignore"):
            return np.maximum(np.log(probabilities), _FLOOR).astype(np.float32)

    def memory_of(self, prompts):
        """What each model remembers of the past of each chain: a list of arrays, shape (n_entries, n_chains) each."""
        return [np.stack([model.memory_at(prompt)[:, -1] for prompt in prompts], axis=1) for model in self.models_]

    def advance(self, memory, tokens):
        """The memory after one more token a chain."""
        return [model.advance(part, tokens) for model, part in zip(self.models_, memory)]

    def save(self, folder):
        """Write the statistics to `folder`."""
        for number, model in enumerate(self.models_):
            model.save(Path(folder) / f"model_{number}")
        write_json(Path(folder) / "anchor.json", {"basins": self.basins_, "weights": self.weights_})

    @classmethod
    @damage_in_one_line
    def load(cls, folder):
        """Read what `save` wrote."""
        saved = read_json(Path(folder) / "anchor.json")
        models = [load_model(Path(folder) / f"model_{number}") for number in range(len(saved["weights"]))]
        return cls(saved["basins"], models, saved["weights"])


def _weights(models, basins, validation):
    """Weights of a mixture of models, by expectation-maximisation of the held-out likelihood of the next basin."""
    weights = np.full(len(models), 1 / len(models))
    if len(models) == 1:
        return weights
    likelihoods = np.stack(
        [
            np.concatenate(
                [
                    model.predict_states(model.memory_at(d)[:, :-1])[np.arange(len(d) - 1), basins[d[1:]]]
                    for d in validation
                ]
            )
            for model in models
        ],
        axis=1,
    )  # (n_tokens, n_models)
    for _ in range(_ROUNDS):
        answer = weights * likelihoods
        weights = (answer / np.maximum(answer.sum(axis=1, keepdims=True), 1e-300)).mean(axis=0)
    return weights / weights.sum()


def slow_basins(dtrajs, n_states, n_positions):
    """The metastable set of each state, for as many processes as are slower than a fifth of `n_positions` frames.

    Returns
    -------
    ndarray of int, shape (n_states,), or None
        None where all processes are faster. Up to 6 states are a basin each. A state out of the connected set is in the
        basin that it is followed by most.
    """
    if n_states <= _FEW_STATES:
        return np.arange(n_states)
    lagtime = max(1, min(n_positions // 10, (min(map(len, dtrajs)) - 1) // 2))
    markov = MarkovModel(lagtime=lagtime).fit(dtrajs, n_states=n_states)
    connected = np.asarray(markov.msm_.count_model.state_symbols)
    if len(connected) < 2:
        return None
    times = markov.msm_.timescales(k=min(_MOST_BASINS, len(connected)) - 1)
    for n_basins in range(1 + int(np.sum(np.asarray(times) > n_positions / _CONTEXT_OVER_PROCESS)), 1, -1):
        try:
            sets = np.arange(2) if len(connected) == 2 else metastable_states(markov.msm_, n_basins)
        except DataError:
            continue  # PCCA+ leaves a set empty
        basins = np.full(n_states, -1)
        basins[connected] = sets
        reached = markov.predictive_matrix_[:, connected] @ np.eye(n_basins)[sets]  # (n_states, n_basins)
        return np.where(basins >= 0, basins, reached.argmax(axis=1))
    return None


def basin_masses(logits, basin_of, n_basins):
    """Logarithm of the sum of exponentials of the logits (..., n_states) in each basin, shape (..., n_basins)."""
    return torch.stack([logits[..., basin_of == k].logsumexp(dim=-1) for k in range(n_basins)], dim=-1)


def anchored_log_proba(outputs, anchor, current, basin_of, share):
    """Log-probabilities of states from a network's outputs and the counted log-probabilities of basins.

    Parameters
    ----------
    outputs : Tensor, shape (..., n_states + n_basins)
        Logits of states and corrections of basins.
    anchor : Tensor, shape (..., n_basins)
    current : LongTensor, shape (...)
        Basin of the last token.
    basin_of : LongTensor, shape (n_states,)
    share : Tensor, shape (n_basins, n_basins)
        Of the correction from one basin (row) to another that is believed, 0 to 1.

    Returns
    -------
    Tensor, shape (..., n_states)
    """
    n_states, n_basins = len(basin_of), anchor.shape[-1]
    logits, correction = outputs.split([n_states, n_basins], dim=-1)
    change = correction - correction.gather(-1, current[..., None])  # to stay is the reference, (..., n_basins)
    basins = (anchor + share[current] * change).log_softmax(dim=-1)  # (..., n_basins)
    if n_states == n_basins:
        return basins[..., basin_of]  # nothing is left to say within a basin
    return logits + (basins - basin_masses(logits, basin_of, n_basins))[..., basin_of]


def choose_shares(anchor, correction, current, following, window):
    """The share of the correction that held-out windows bear out, for each two basins by itself, see `least_share`.

    Parameters
    ----------
    anchor, correction : ndarray, shape (n_tokens, n_basins)
    current, following : int array, shape (n_tokens,)
        Basin of the last token and of the next one.
    window : int array, shape (n_tokens,)
        The window of each token: the unit of the standard error.

    Returns
    -------
    ndarray of float32, shape (n_basins, n_basins)
    """
    n_basins = anchor.shape[1]
    share, change = np.zeros((n_basins, n_basins)), correction - correction[np.arange(len(current)), current][:, None]
    for i, j in [(first, second) for first in range(n_basins) for second in range(first)] * 2:
        rows = np.flatnonzero((current == i) | (current == j))
        losses = np.empty((window.max() + 1, len(SHARES)))
        for column, of_pair in enumerate(SHARES):
            share[i, j] = share[j, i] = of_pair
            basins = anchor[rows] + share[current[rows]] * change[rows]
            log_prob = basins[np.arange(len(rows)), following[rows]] - logsumexp(basins, axis=1)
            losses[:, column] = np.bincount(window[rows], -log_prob, minlength=len(losses))
        share[i, j] = share[j, i] = least_share(losses)
    return share.astype(np.float32)
