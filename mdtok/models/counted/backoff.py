"""Counted models with memory: the next token given ever finer contexts, each backing off to the coarser one.

Level 1 is the present token, with the distribution of a Markov chain. Every deeper level refines the context, and its
counts c (N in all) are mixed with the level before: ``P_j = (c_j + s_j P_{j-1}) / (N_j + s_j)``. The strengths s_j are
chosen on held-out log-probability. What a context never showed is left to the coarser one, and in the end to the Markov
chain, so nothing leaks between basins. `OrderKModel` refines by older tokens, `SemiMarkovModel` by the age of the state
and the state before it. Where states are lumps of tokens, deeper levels speak of the next state only, and the Markov
chain says which of its tokens: counts would be too few for both.

The form is that of MacKay and Peto, Nat. Lang. Eng. 1, 289 (1995).
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from pathlib import Path

import numpy as np

from mdtok.checks import require_whole_number
from mdtok.models.counted.contexts import UNKNOWN, ContextLevel, mix
from mdtok.models.counted.markov import MarkovModel
from mdtok.models.dynamics import DynamicsModel
from mdtok.models.jumps import JumpTable
from mdtok.models.saved import read_model, write_model
from mdtok.progress import tracked
from mdtok.tokens.dtrajs import as_dtrajs, count_states

STRENGTHS = (np.inf, 3000.0, 1000.0, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3)  # infinity: the level is of no use
_STORED = ("keys", "pairs", "counts")  # arrays of a level


class BackOffModel(DynamicsModel):
    """What all back-off models share; a subclass says what it remembers and how that refines the context.

    A memory is an int array of shape (n_entries, n): one column for each frame of a trajectory, or for each chain that
    is sampled. Its first row is the present token. Subclasses also set `reversible` and `progress`.
    """

    @abstractmethod
    def _settings(self):
        """Arguments of the constructor, for JSON."""

    @abstractmethod
    def memory_at(self, dtraj):
        """Memory at every frame of a trajectory, shape (n_entries, n_frames)."""

    @abstractmethod
    def advance(self, memory, tokens):
        """Memory after one more token a chain."""

    @abstractmethod
    def _refinements(self, memory):
        """What each level from the second on adds to the context: int arrays, shape (n,), UNKNOWN where it is."""

    @abstractmethod
    def _widths(self, n_states):
        """Number of values of each refinement."""

    def _states(self, tokens):
        """State of each token, which is what deeper levels predict; the token itself here."""
        return tokens

    def _check_states(self, n_states):
        """Raise SettingsError where a setting does not fit the alphabet."""

    def fit(self, dtrajs, validation=None, n_states=None, checkpoint_folder=None):
        """Count, and choose the strengths on `validation` (see `DynamicsModel.fit`).

        Without `validation` the strengths are chosen on the last tenth of each trajectory, with counts from the nine
        before it; then everything is counted.
        """
        dtrajs = as_dtrajs(dtrajs, n_states, min_length=2)
        n_states = n_states or count_states(dtrajs)
        self._check_states(n_states)
        if validation is not None:
            validation = as_dtrajs(validation, n_states, min_length=2)
            self._count(dtrajs, n_states)
            strengths = self._choose_strengths(validation, [0] * len(validation))
        else:
            cuts = [max(2, len(dtraj) - len(dtraj) // 10) for dtraj in dtrajs]
            self._count([dtraj[:cut] for dtraj, cut in zip(dtrajs, cuts)], n_states)
            strengths = self._choose_strengths(dtrajs, [cut - 1 for cut in cuts])
            self._count(dtrajs, n_states)
        useful = 1 + max(np.flatnonzero(np.isfinite(strengths)), default=-1)
        levels = zip(self.levels_[:useful], strengths)
        self.levels_ = [replace(level, strength=strength) for level, strength in levels]
        self.n_states_ = n_states
        return self

    def _count(self, dtrajs, n_states):
        self._set_markov(MarkovModel(reversible=self.reversible).fit(dtrajs, n_states=n_states))
        targets = np.concatenate([self._states(dtraj[1:]).astype(np.int32) for dtraj in dtrajs])
        memory = np.concatenate([self.memory_at(dtraj)[:, :-1] for dtraj in dtrajs], axis=1)
        contexts = memory[0]
        self.levels_ = []
        for refinement, width in zip(self._refinements(memory), self._widths(n_states)):
            level, contexts = ContextLevel.count(contexts, refinement, width, targets, self._state_matrix.shape[1])
            self.levels_.append(level)

    def _set_markov(self, markov):
        self.markov_ = markov
        self._token_matrix = markov.predictive_matrix_  # from token to token, (n_states, n_states)
        self._state_of = self._states(np.arange(markov.n_states_))
        self._state_matrix = np.zeros((markov.n_states_, self._state_of.max() + 1))  # from token to state
        np.add.at(self._state_matrix.T, self._state_of, self._token_matrix.T)

    def _choose_strengths(self, dtrajs, first_frames):
        """Coordinate ascent on the log-probability of the tokens after `first_frames`, from the coarsest level down."""
        strengths = [np.inf] * len(self.levels_)
        observed = self._observed(dtrajs, first_frames)
        for level in [*range(len(strengths))] * 2:
            scores = []
            for strength in STRENGTHS:
                strengths[level] = strength
                scores.append(np.log(mix(*observed[1:], strengths)).sum())
            strengths[level] = STRENGTHS[int(np.argmax(scores))]  # the largest of equals, so without evidence infinity
        return strengths

    def _observed(self, dtrajs, first_frames):
        """What was observed, seen by each level.

        Probability of each token given its state, of the state in the Markov chain, and the share of the state and the
        total of counts in each deeper context.
        """
        parts = []
        for dtraj, first in zip(dtrajs, first_frames):
            tokens, *contexts = self._contexts(self.memory_at(dtraj)[:, first:-1])
            next_states = self._state_of[dtraj[first + 1 :]]
            probabilities = self._state_matrix[tokens, next_states]
            parts.append(
                np.stack(
                    [
                        self._token_matrix[tokens, dtraj[first + 1 :]] / probabilities,
                        probabilities,
                        *(level.share(nodes, next_states) for level, nodes in zip(self.levels_, contexts)),
                        *(level.totals[nodes] for level, nodes in zip(self.levels_, contexts)),
                    ]
                )
            )
        given_state, probabilities, *rest = np.concatenate(parts, axis=1)
        return given_state, probabilities, rest[: len(self.levels_)], rest[len(self.levels_) :]

    def _contexts(self, memory):
        """Number of the context at each level, shape (n,) each; UNKNOWN where training did not show it."""
        contexts = [memory[0].astype(np.int64)]
        for level, refinement in zip(self.levels_, self._refinements(memory)):
            contexts.append(level.find(contexts[-1], refinement))
        return contexts

    def predict_log_proba(self, dtraj):
        """See `DynamicsModel.predict_log_proba`."""
        self.require_fitted()
        dtraj = as_dtrajs([dtraj], self.n_states_, min_length=2)[0]
        return self._log_proba_after(self.memory_at(dtraj)[:, :-1])

    def predict_next(self, pasts, lengths):
        """See `DynamicsModel.predict_next`; all pasts at once."""
        self.require_fitted()
        if not len(pasts):
            return np.empty((0, self.n_states_))
        return self._log_proba_after(
            np.stack([self.memory_at(past[:n])[:, -1] for past, n in zip(pasts, lengths)], axis=1)
        )

    def _log_proba_after(self, memory):
        """Log-probability of the next token, shape (n, n_states), for memories (n_entries, n)."""
        tokens = memory[0]
        change = self.predict_states(memory)[:, self._state_of] / self._state_matrix[tokens][:, self._state_of]
        return np.log(self._token_matrix[tokens] * change)

    def predict_states(self, memory: np.ndarray) -> np.ndarray:
        """Probabilities of the next state, shape (n, n_macrostates), for memories (n_entries, n)."""
        tokens, *contexts = self._contexts(memory)
        probabilities = self._state_matrix[tokens]
        for level, nodes in zip(self.levels_, contexts):
            known = np.flatnonzero(nodes != UNKNOWN)
            trust = level.trust[nodes[known], None]
            probabilities[known] = trust * level.distributions(nodes[known]) + (1 - trust) * probabilities[known]
        return probabilities

    def log_prob(self, dtrajs):
        """See `DynamicsModel.log_prob`; the same numbers without the rows around them."""
        self.require_fitted()
        dtrajs = as_dtrajs(dtrajs, self.n_states_, min_length=2)
        observed = [self._observed([dtraj], [0]) for dtraj in dtrajs]
        return [np.log(given_state * mix(*rest, self.strengths_)) for given_state, *rest in observed]

    def sample(self, prompts, n_steps, seed):
        """See `DynamicsModel.sample`.

        The mixture is drawn as one: each level overrules the coarser ones with probability N / (N + s), and then
        answers from its own counts.
        """
        prompts = self.check_prompts(prompts, n_steps, seed)
        rng = np.random.default_rng(seed)
        jumps = JumpTable(self._token_matrix)
        memory = np.stack([self.memory_at(prompt)[:, -1] for prompt in prompts], axis=1)
        chains = np.empty((n_steps, len(prompts)), dtype=np.int64)
        for step in tracked(range(n_steps), desc=f"{type(self).__name__} chains", delay=2, disable=not self.progress):
            present, *contexts = self._contexts(memory)
            tokens = jumps.draw(present, rng)
            states = self._state_of[tokens]
            chance = rng.random((len(self.levels_), 2, len(tokens)))
            for level, nodes, (overrule, pick) in zip(self.levels_, contexts, chance):
                answers = np.flatnonzero(overrule < level.trust[nodes])
                states[answers] = level.draw(nodes[answers], pick[answers])
            moved = np.flatnonzero(states != self._state_of[tokens])
            tokens[moved] = self._draw_tokens(present[moved], states[moved], rng)
            chains[step] = tokens
            memory = self.advance(memory, tokens)
        return list(chains.T.copy())

    def _draw_tokens(self, present, states, rng):
        """Next tokens within given next states, as the Markov chain has it."""
        return states

    @property
    def stationary_distribution_(self):
        """Of the Markov chain, shape (n_states_,)."""
        return self.markov_.stationary_distribution_

    @property
    def strengths_(self):
        """Strength s_j of each level from the second to the deepest that helped held-out data; infinity: it did not."""
        return [level.strength for level in self.levels_]

    @property
    def n_parameters(self):
        """Free transition probabilities: those of the Markov chain, and followers less one of each context in use."""
        self.require_fitted()
        in_use = [level for level in self.levels_ if np.isfinite(level.strength)]
        return self.markov_.n_parameters + sum(len(level.counts) - len(level.keys) for level in in_use)

    def save(self, folder):
        """Write ``model.json``, ``arrays.npz`` and ``markov/`` to `folder`, which appears whole or not at all."""
        self.require_fitted()
        arrays = {"strengths": np.array(self.strengths_)}
        for number, level in enumerate(self.levels_, start=2):
            arrays |= {f"{name}_{number}": getattr(level, name) for name in _STORED}
        write_model(folder, self, self._settings(), arrays, parts={"markov": self.markov_})

    @classmethod
    def load(cls, folder):
        """Read a model that `save` wrote."""
        settings, n_states, arrays = read_model(folder, cls)
        model = cls(**settings)
        model._set_markov(MarkovModel.load(Path(folder) / "markov"))
        n_followers = model._state_matrix.shape[1]
        model.levels_ = [
            ContextLevel(*(arrays[f"{name}_{number}"] for name in _STORED), width, n_followers, float(strength))
            for number, (width, strength) in enumerate(zip(model._widths(n_states), arrays["strengths"]), start=2)
        ]
        model.n_states_ = n_states
        return model


class OrderKModel(BackOffModel):
    """A Markov chain of order k that backs off to shorter pasts: level j knows the last j tokens.

    Parameters
    ----------
    order : int
        Tokens of the past, the present one among them; 1 is a plain Markov chain.
    reversible : bool
        Whether level 1 is the reversible Markov chain. Deeper levels are counted as they are.
    progress : bool
        Show a progress bar where sampling takes more than two seconds.

    References
    ----------
    D. J. C. MacKay, L. C. B. Peto, Nat. Lang. Eng. 1, 289 (1995): counts mixed with the distribution of a shorter past.

    Examples
    --------
    >>> import numpy as np
    >>> model = OrderKModel(order=2).fit([np.tile([0, 0, 1, 1], 100)])
    >>> np.exp(model.predict_log_proba([0, 0])).round(2)  # at the start nothing is older than the present token
    array([[0.5, 0.5]])
    >>> model.sample([[0, 0], [1, 1]], n_steps=4, seed=7)
    [array([1, 1, 0, 0]), array([0, 0, 1, 1])]
    """

    name_pattern, name_shown = r"order([1-9]\d*)", "orderN"
    name_help = "Markov chain of the last N tokens, backing off to fewer"
    name_use = "the last few frames tell more than the present one, and frames are many"
    tuned_pattern = "order"

    @classmethod
    def from_name(cls, match, context):
        return cls(order=int(match[1]), progress=context.progress)

    @classmethod
    def candidates(cls, match, context):
        return [cls(order=order, progress=context.progress) for order in (2, 4, 8)]

    def __init__(self, order=8, reversible=True, progress=True):
        require_whole_number("order", order, 1)
        self.reversible = bool(reversible)
        self.progress = progress
        self.order = int(order)

    def _settings(self):
        return {"order": self.order, "reversible": self.reversible}

    def _widths(self, n_states):
        return [n_states] * (self.order - 1)

    def memory_at(self, dtraj: np.ndarray) -> np.ndarray:
        memory = np.full((self.order, len(dtraj)), UNKNOWN, dtype=np.int32)
        for age in range(min(self.order, len(dtraj))):
            memory[age, age:] = dtraj[: len(dtraj) - age]
        return memory

    def advance(self, memory: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        memory[1:] = memory[:-1]
        memory[0] = tokens
        return memory

    def _refinements(self, memory):
        return memory[1:]
