"""Counted models with memory: the next token given ever finer contexts, each backing off to the coarser one.

Level 1 is the present token, with the distribution of a Markov chain. Every deeper level refines the context, and its
counts c (N in all) are mixed with the level before: ``P_j = (c_j + s_j P_{j-1}) / (N_j + s_j)``. The strengths s_j are
chosen on held-out log-probability. What a context never showed is left to the coarser one, and in the end to the Markov
chain, so nothing leaks between basins. `OrderKModel` refines by older tokens, `SemiMarkovModel` by the age of the state
and the state before it.

The form is that of MacKay and Peto, Nat. Lang. Eng. 1, 289 (1995).
"""

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse
from tqdm import tqdm

from mdtok.errors import SettingsError
from mdtok.features.dtrajs import as_dtrajs, count_states
from mdtok.models.dynamics import DynamicsModel
from mdtok.models.markov import JumpTable, normalise_counts, read_model, require_whole_number, smooth, write_model

STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, np.inf)  # inf: the level is of no use
UNKNOWN = -1


class BackOffModel(DynamicsModel):
    """What all back-off models share; a subclass says what it remembers and how that refines the context.

    A memory is an int array of shape (n_entries, n): one column for each frame of a trajectory, or for each chain that
    is sampled. Its first row is the present token.
    """

    @abstractmethod
    def _settings(self):
        """Arguments of the constructor, for JSON."""

    @abstractmethod
    def _memory(self, dtraj):
        """Memory at every frame of a trajectory, shape (n_entries, n_frames)."""

    @abstractmethod
    def _advance(self, memory, tokens):
        """Memory after one more token a chain."""

    @abstractmethod
    def _refinements(self, memory):
        """What each level from the second on adds to the context: int arrays, shape (n,), UNKNOWN where it is."""

    @abstractmethod
    def _widths(self, n_states):
        """Number of values of each refinement."""

    def _check_states(self, n_states):
        """Raise SettingsError where a setting does not fit the alphabet."""

    def fit(self, dtrajs, validation=None, n_states=None):
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
        self.levels_ = [replace(level, strength=strength) for level, strength in zip(self.levels_, strengths)]
        self.n_states_ = n_states
        return self

    def _count(self, dtrajs, n_states):
        targets = np.concatenate([dtraj[1:] for dtraj in dtrajs])
        memory = np.concatenate([self._memory(dtraj)[:, :-1] for dtraj in dtrajs], axis=1)
        contexts = memory[0].astype(np.int64)
        pairs = np.bincount(contexts * n_states + targets, minlength=n_states**2)
        self._set_markov_counts(pairs.reshape(n_states, n_states))
        self.levels_ = []
        for refinement, width in zip(self._refinements(memory), self._widths(n_states)):
            level, contexts = _Level.count(contexts, refinement, width, targets, n_states)
            self.levels_.append(level)

    def _set_markov_counts(self, counts):
        self.markov_counts_ = counts
        self.markov_matrix_ = smooth(normalise_counts(counts), counts)

    def _choose_strengths(self, dtrajs, first_frames):
        """Coordinate ascent on the log-probability of the tokens after `first_frames`, from the coarsest level down."""
        strengths = [np.inf] * len(self.levels_)
        observed = self._observed(dtrajs, first_frames)
        for level in [*range(len(strengths))] * 2:
            scores = []
            for strength in STRENGTHS:
                strengths[level] = strength
                scores.append(np.log(_mix(*observed, strengths)).sum())
            strengths[level] = STRENGTHS[int(np.argmax(scores))]
        return strengths

    def _observed(self, dtrajs, first_frames):
        """Of each token that followed: its Markov probability, and in each deeper context its share and the total."""
        parts = []
        for dtraj, first in zip(dtrajs, first_frames):
            targets = dtraj[first + 1:]
            tokens, *contexts = self._contexts(self._memory(dtraj)[:, first:-1])
            deeper = list(zip(self.levels_, contexts))
            parts.append(np.stack([
                self.markov_matrix_[tokens, targets],
                *(level.share(nodes, targets) for level, nodes in deeper),
                *(level.totals[nodes] for level, nodes in deeper),
            ]))
        probabilities, *rest = np.concatenate(parts, axis=1)
        return probabilities, rest[:len(self.levels_)], rest[len(self.levels_):]

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
        tokens, *contexts = self._contexts(self._memory(dtraj)[:, :-1])
        probabilities = self.markov_matrix_[tokens]  # (n_frames - 1, n_states)
        for level, nodes in zip(self.levels_, contexts):
            known = np.flatnonzero(nodes != UNKNOWN)
            trust = level.trust[nodes[known], None]
            probabilities[known] = trust * level.distributions(nodes[known]) + (1 - trust) * probabilities[known]
        return np.log(probabilities)

    def log_prob(self, dtrajs):
        """See `DynamicsModel.log_prob`; the same numbers without the rows around them."""
        self.require_fitted()
        dtrajs = as_dtrajs(dtrajs, self.n_states_, min_length=2)
        return [np.log(_mix(*self._observed([dtraj], [0]), self.strengths_)) for dtraj in dtrajs]

    def sample(self, prompts, n_steps, seed, progress=True):
        """See `DynamicsModel.sample`.

        The mixture is drawn as one: each level overrules the coarser ones with probability N / (N + s), and then
        answers from its own counts.
        """
        prompts = self.check_prompts(prompts, n_steps)
        rng = np.random.default_rng(seed)
        jumps = JumpTable(self.markov_matrix_)
        memory = np.stack([self._memory(prompt)[:, -1] for prompt in prompts], axis=1)
        chains = np.empty((n_steps, len(prompts)), dtype=np.int64)
        for step in tqdm(range(n_steps), desc=f"{type(self).__name__} chains", delay=2, disable=not progress):
            present, *contexts = self._contexts(memory)
            tokens = jumps.draw(present, rng)
            chance = rng.random((len(self.levels_), 2, len(tokens)))
            for level, nodes, (overrule, pick) in zip(self.levels_, contexts, chance):
                answers = np.flatnonzero(overrule < level.trust[nodes])
                tokens[answers] = level.draw(nodes[answers], pick[answers])
            chains[step] = tokens
            memory = self._advance(memory, tokens)
        return list(chains.T.copy())

    @property
    def strengths_(self):
        """Strength s_j of each level from the second on; infinity where a level did not help held-out data."""
        return [level.strength for level in self.levels_]

    @property
    def n_parameters(self):
        """Stored free transition probabilities: followers seen less one for each context, over all levels."""
        self.require_fitted()
        markov = np.count_nonzero(self.markov_counts_) - np.count_nonzero(self.markov_counts_.sum(axis=1))
        return int(markov + sum(len(level.counts) - len(level.keys) for level in self.levels_))

    def save(self, folder):
        """Write ``model.json`` and ``arrays.npz`` to `folder`, which appears whole or not at all."""
        self.require_fitted()
        arrays = {"markov_counts": self.markov_counts_, "strengths": np.array(self.strengths_)}
        for number, level in enumerate(self.levels_, start=2):
            arrays |= {f"{name}_{number}": getattr(level, name) for name in ("keys", "pairs", "counts")}
        write_model(folder, self, self._settings(), arrays)

    @classmethod
    def load(cls, folder):
        """Read a model that `save` wrote."""
        settings, n_states, arrays = read_model(folder, cls)
        model = cls(**settings)
        model._set_markov_counts(arrays["markov_counts"])
        model.levels_ = [
            _Level(*(arrays[f"{name}_{number}"] for name in ("keys", "pairs", "counts")), width, n_states, float(strength))
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

    Examples
    --------
    >>> import numpy as np
    >>> model = OrderKModel(order=2).fit([np.tile([0, 0, 1, 1], 100)])
    >>> np.exp(model.predict_log_proba([0, 0])).round(2)  # at the start nothing is older than the present token
    array([[0.5, 0.5]])
    >>> model.sample([[0, 0], [1, 1]], n_steps=4, seed=7)
    [array([1, 1, 0, 0]), array([0, 0, 1, 1])]
    """

    def __init__(self, order=8):
        require_whole_number("order", order, 1)
        self.order = int(order)

    def _settings(self):
        return {"order": self.order}

    def _widths(self, n_states):
        return [n_states] * (self.order - 1)

    def _memory(self, dtraj):
        memory = np.full((self.order, len(dtraj)), UNKNOWN, dtype=np.int32)
        for age in range(min(self.order, len(dtraj))):
            memory[age, age:] = dtraj[:len(dtraj) - age]
        return memory

    def _advance(self, memory, tokens):
        memory[1:] = memory[:-1]
        memory[0] = tokens
        return memory

    def _refinements(self, memory):
        return memory[1:]


class SemiMarkovModel(BackOffModel):
    """A chain that remembers how long it has been in its state, and where it came from.

    Level 2 knows the age of the state (frames since it was entered, counted from the start of the trajectory where the
    entry was not seen; in bins 1, 2, 3, 4, then logarithmic), level 3 also the different state before it.

    Parameters
    ----------
    macrostates : int array, shape (n_states,), optional
        Macrostate of each token. Where tokens are fine microstates, age and previous state are those of the macrostate,
        while the present token stays in every context. By default each token is a state of its own.
    bins_per_doubling : int
        Age bins in each doubling of the age beyond 4.

    Examples
    --------
    >>> import numpy as np
    >>> model = SemiMarkovModel().fit([np.tile([0, 0, 0, 1, 1], 100)])
    >>> model.sample([[1, 0], [0, 1]], n_steps=5, seed=7)  # three frames in 0, two in 1
    [array([0, 0, 1, 1, 0]), array([1, 0, 0, 0, 1])]
    """

    def __init__(self, macrostates=None, bins_per_doubling=2):
        require_whole_number("bins_per_doubling", bins_per_doubling, 1)
        self.bins_per_doubling = int(bins_per_doubling)
        self.macrostates = None if macrostates is None else _as_macrostates(macrostates)
        steps = np.arange(40 * self.bins_per_doubling) / self.bins_per_doubling
        self._age_bins = np.unique(np.concatenate([[1, 2, 3], np.ceil(4 * 2**steps)]).astype(np.int64))  # first age of each

    def _settings(self):
        macrostates = None if self.macrostates is None else self.macrostates.tolist()
        return {"macrostates": macrostates, "bins_per_doubling": self.bins_per_doubling}

    def _check_states(self, n_states):
        if self.macrostates is not None and len(self.macrostates) < n_states:
            raise SettingsError(
                f"macrostates names the macrostate of {len(self.macrostates)} tokens; there are {n_states} of them."
            )

    def _widths(self, n_states):
        return [len(self._age_bins), n_states if self.macrostates is None else self.macrostates.max() + 1]

    def _states(self, tokens):
        return tokens if self.macrostates is None else self.macrostates[tokens]

    def _memory(self, dtraj):
        states, frames = self._states(dtraj), np.arange(len(dtraj))
        entered = np.concatenate([[False], states[1:] != states[:-1]])
        entry = np.maximum.accumulate(np.where(entered, frames, 0))
        previous = np.where(entry > 0, states[entry - 1], UNKNOWN)
        return np.stack([dtraj, states, frames - entry + 1, previous])

    def _advance(self, memory, tokens):
        _, old_states, ages, previous = memory
        states = self._states(tokens)
        stayed = states == old_states
        return np.stack([tokens, states, np.where(stayed, ages + 1, 1), np.where(stayed, previous, old_states)])

    def _refinements(self, memory):
        _, _, ages, previous = memory
        return [np.searchsorted(self._age_bins, ages, side="right") - 1, previous]


@dataclass(frozen=True)
class _Level:
    """Counts of what followed each context of one level, sparse and sorted.

    A context is known by its key, ``parent * width + refinement``, and numbered in the order of keys; a pair is
    ``context * n_states + follower``. Arrays over contexts end in a zero, which is where UNKNOWN (-1) points.
    """

    keys: np.ndarray  # (n_contexts,)
    pairs: np.ndarray  # (n_pairs,)
    counts: np.ndarray  # (n_pairs,)
    width: int
    n_states: int
    strength: float = np.inf

    @classmethod
    def count(cls, parents, refinements, width, targets, n_states):
        """Count one level; also gives the context of each frame, for the next level to refine."""
        known = np.flatnonzero((parents != UNKNOWN) & (refinements != UNKNOWN))
        keys, nodes = np.unique(parents[known] * width + refinements[known], return_inverse=True)
        pairs, counts = np.unique(nodes * n_states + targets[known], return_counts=True)
        level = cls(keys, pairs, counts, int(width), int(n_states))
        contexts = np.full(len(parents), UNKNOWN)
        # What was seen once is not refined: every child would only repeat the same observation.
        contexts[known] = np.where(level.totals[nodes] > 1, nodes, UNKNOWN)
        return level, contexts

    def find(self, parents, refinements):
        """Number of each context, UNKNOWN where it is not stored."""
        wanted = np.where((parents != UNKNOWN) & (refinements != UNKNOWN), parents * self.width + refinements, UNKNOWN)
        position = np.searchsorted(self.keys, wanted)
        return np.where(self._keys_and_end[position] == wanted, position, UNKNOWN)

    @cached_property
    def _keys_and_end(self):
        return np.append(self.keys, np.iinfo(np.int64).max)

    @cached_property
    def totals(self):
        """Times that each context was seen, shape (n_contexts + 1,)."""
        totals = np.bincount(self.pairs // self.n_states, weights=self.counts, minlength=len(self.keys) + 1)
        return totals.astype(np.int64)

    @cached_property
    def trust(self):
        """Weight of each context against the coarser one, N / (N + s), shape (n_contexts + 1,)."""
        return self.totals / (self.totals + self.strength)

    @cached_property
    def _cumulative(self):
        return np.cumsum(self.counts)

    @cached_property
    def _first(self):
        return np.concatenate([[0], np.cumsum(self.totals[:-1])])

    @cached_property
    def _table(self):
        ends = np.searchsorted(self.pairs, np.arange(len(self.keys) + 1) * self.n_states)
        followers = (self.pairs % self.n_states, ends)
        return scipy.sparse.csr_matrix((self.counts, *followers), shape=(len(self.keys), self.n_states))

    def distributions(self, nodes):
        """Relative frequencies of followers, shape (n, n_states); no node may be UNKNOWN."""
        return self._table[nodes].toarray() / self.totals[nodes, None]

    def share(self, nodes, targets):
        """Relative frequency of one follower of each context, shape (n,); 0 where the context is UNKNOWN."""
        wanted = np.where(nodes != UNKNOWN, nodes * self.n_states + targets, UNKNOWN)
        position = np.searchsorted(self.pairs, wanted)
        seen = np.append(self.pairs, UNKNOWN - 1)[position] == wanted
        return np.where(seen, np.append(self.counts, 0)[position], 0) / np.maximum(self.totals[nodes], 1)

    def draw(self, nodes, uniform):
        """One follower of each context, as often as it was counted; no node may be UNKNOWN."""
        nth = self._first[nodes] + (uniform * self.totals[nodes]).astype(np.int64)
        return self.pairs[np.searchsorted(self._cumulative, nth, side="right")] % self.n_states


def _mix(probabilities, shares, totals, strengths):
    """Probability of the observed tokens, from the Markov chain through all deeper levels."""
    for share, total, strength in zip(shares, totals, strengths):
        trust = total / (total + strength)
        probabilities = trust * share + (1 - trust) * probabilities
    return probabilities


def _as_macrostates(macrostates):
    macrostates = np.asarray(macrostates)
    if macrostates.ndim != 1 or not np.issubdtype(macrostates.dtype, np.integer) or macrostates.min(initial=0) < 0:
        raise SettingsError("macrostates must be one whole number from 0 on for each token, shape (n_states,).")
    return macrostates.astype(np.int64)
