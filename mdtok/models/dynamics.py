"""The one interface of every model of dynamics: fit, predict, sample, save, load.

A Markov state model, an order-k chain, a semi-Markov model and a nano-GPT are the same thing to the referee. A new
model is one file with a subclass of `DynamicsModel`.
"""

from __future__ import annotations

from abc import abstractmethod
from os import PathLike
from typing import Self

import numpy as np

from mdtok.errors import DataError, SettingsError
from mdtok.models.model import Model
from mdtok.tokens.dtrajs import as_dtrajs


class DynamicsModel(Model):
    """A model of the next token given the past.

    Attributes
    ----------
    lagtime : int
        Frames a step. Samples have one token each `lagtime` frames, and token t is predicted from tokens up to
        ``t - lagtime`` only. It is 1 for all but a Markov model with a longer lag.
    n_states_ : int
        Size of the alphabet, known after `fit`.
    samples_in_pieces : bool
        Whether long rollouts are made, and kept, piece by piece: where sampling takes minutes.
    stationary_distribution_ : ndarray of float, shape (n_states_,), or None
        Where chains start that have no prompt; None where a model knows of none.
    reads, progress, history_, train_seconds_
        See `Model`.
    """

    reads, size = "tokens", "n_states"
    n_states_: int
    lagtime: int = 1
    samples_in_pieces: bool = False
    stationary_distribution_: np.ndarray | None = None

    @abstractmethod
    def fit(
        self,
        dtrajs: list[np.ndarray],
        validation: list[np.ndarray] | None = None,
        n_states: int | None = None,
        checkpoint_folder: str | PathLike | None = None,
    ) -> Self:
        """Fit to discrete trajectories.

        Parameters
        ----------
        dtrajs : list of int arrays, shape (n_frames,) each
            Training trajectories.
        validation : list of int arrays, optional
            Held-out trajectories on which hyper-parameters and early stopping are decided; never used to fit weights.
        n_states : int, optional
            Size of the alphabet, where it is larger than the largest training token plus one.
        checkpoint_folder : path-like, optional
            Where a model that trains for long leaves its checkpoints and looks for them; quick ones need none.

        Returns
        -------
        self
        """

    @abstractmethod
    def predict_log_proba(self, dtraj: np.ndarray) -> np.ndarray:
        """Log-probability of every state at every frame, given the frames before it.

        Parameters
        ----------
        dtraj : int array, shape (n_frames,)

        Returns
        -------
        ndarray of float, shape (n_frames - lagtime, n_states)
            Row i is the natural logarithm of the distribution of token ``i + lagtime``.
        """

    @abstractmethod
    def sample(self, prompts: list[np.ndarray] | int | None, n_steps: int, seed: int) -> list[np.ndarray]:
        """Continue each prompt by `n_steps` tokens, all chains at once.

        Parameters
        ----------
        prompts : list of int arrays, shape (n_prompt,) each, or int, or None
            The past of each chain, at least one token, `lagtime` frames apart. A number of chains, or None for one,
            starts from the stationary distribution of the training trajectories.
        n_steps : int
            Tokens to generate, as many as asked for: no limit by a context length.
        seed : int

        Returns
        -------
        list of int arrays, shape (n_steps,) each
            The new tokens, without the prompt.
        """

    def predict_next(self, pasts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Log-probability of the token that follows each of many short pasts; for a model of lag 1.

        Parameters
        ----------
        pasts : int array, shape (n_pasts, longest)
            One past a row; what stands behind its end is not read.
        lengths : int array, shape (n_pasts,)
            Tokens of each past, one at least.

        Returns
        -------
        ndarray of float, shape (n_pasts, n_states)

        Examples
        --------
        >>> from mdtok.models.counted.backoff import OrderKModel
        >>> model = OrderKModel(order=2, progress=False).fit([np.tile([0, 0, 1, 1], 100)])
        >>> np.exp(model.predict_next(np.array([[0, 0], [1, 0], [1, 1]]), np.array([2, 2, 1]))).round(1)
        array([[0. , 1. ],
               [1. , 0. ],
               [0.5, 0.5]])
        """
        any_token = 0  # the row of the token after the past is asked for, whatever it is
        rows = [self.predict_log_proba(np.append(past[:n], any_token))[-1] for past, n in zip(pasts, lengths)]
        return np.array(rows).reshape(len(rows), self.n_states_)

    def log_prob(self, dtrajs: list[np.ndarray]) -> list[np.ndarray]:
        """Log-probability, in nats, of each observed token given its past.

        Parameters
        ----------
        dtrajs : list of int arrays, shape (n_frames,) each

        Returns
        -------
        list of ndarray of float, shape (n_frames - lagtime,) each
        """
        self.require_fitted()
        observed = as_dtrajs(dtrajs, self.n_states_, min_length=self.lagtime + 1)
        return [self.predict_log_proba(d)[np.arange(len(d) - self.lagtime), d[self.lagtime :]] for d in observed]

    def nats_per_token(self, dtrajs: list[np.ndarray]) -> float:
        """Mean negative log-probability of the observed tokens, in nats (lower is better)."""
        return float(-np.concatenate(self.log_prob(dtrajs)).mean())

    def check_prompts(self, prompts: list[np.ndarray] | int | None, n_steps: int, seed: int = 0) -> list[np.ndarray]:
        """Check the arguments of `sample`; prompts come back as a list of int64 arrays, drawn where there were none."""
        self.require_steps(n_steps)
        if prompts is None or isinstance(prompts, (int, np.integer)):
            prompts = self._draw_starts(1 if prompts is None else int(prompts), seed)
        return as_dtrajs(prompts, self.n_states_)

    def _draw_starts(self, n_chains, seed):
        if n_chains < 1:
            raise SettingsError(f"{n_chains} chains were asked for; at least 1 was expected.")
        if self.stationary_distribution_ is None:
            raise DataError(f"This {type(self).__name__} knows no stationary distribution; give prompts to start from.")
        weights = np.asarray(self.stationary_distribution_, dtype=float)
        rng = np.random.default_rng([int(seed), 0x57A127])  # not the numbers of the steps
        return list(rng.choice(len(weights), size=(n_chains, 1), p=weights / weights.sum()))


def draw(probabilities: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one state a row from rows of probabilities, shape (n_chains, n_states), by inverting the cumulative sum."""
    cumulative = np.cumsum(probabilities, axis=1)
    thresholds = rng.random(len(cumulative)) * cumulative[:, -1]
    return np.minimum((cumulative <= thresholds[:, None]).sum(axis=1), cumulative.shape[1] - 1)
