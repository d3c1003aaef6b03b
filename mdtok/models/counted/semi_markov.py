"""The semi-Markov chain: a back-off model of the age of the state and the state before it."""

from __future__ import annotations

import numpy as np

from mdtok.checks import require_whole_number
from mdtok.errors import SettingsError
from mdtok.models.counted.backoff import BackOffModel
from mdtok.models.counted.contexts import UNKNOWN
from mdtok.models.dynamics import draw


class SemiMarkovModel(BackOffModel):
    """A chain that remembers how long it has been in its state, and which state it came from.

    Level 2 knows the age of the state (frames since it was entered, counted from the start of the trajectory where the
    entry was not seen; in bins 1, 2, 3, 4, then logarithmic), level 3 also the different state before it.

    Parameters
    ----------
    macrostates : int array, shape (n_states,), optional
        Macrostate of each token, where tokens are fine microstates. Age and previous state are then those of the
        macrostate, and so is what levels 2 and 3 predict; the present token stays in every context, and the next one is
        drawn within the next macrostate as in the Markov chain. By default each token is a state of its own.
    bins_per_doubling : int
        Age bins in each doubling of the age beyond 4.
    reversible : bool
        Whether level 1 is the reversible Markov chain. Deeper levels are counted as they are.
    progress : bool
        Show a progress bar where sampling takes more than two seconds.

    References
    ----------
    R. Pyke, Ann. Math. Stat. 32, 1231 (1961).

    Examples
    --------
    >>> import numpy as np
    >>> model = SemiMarkovModel().fit([np.tile([0, 0, 0, 1, 1], 100)])
    >>> model.sample([[1, 0], [0, 1]], n_steps=5, seed=7)  # three frames in 0, two in 1
    [array([0, 0, 1, 1, 0]), array([1, 0, 0, 0, 1])]
    """

    name_pattern = name_shown = tuned_pattern = "semi-markov"
    name_help = "chain that knows the age of its state and the state before"
    name_use = "states whose dwell times are not exponential"

    @classmethod
    def from_name(cls, match, context):
        return cls(macrostates=context.macrostates, progress=context.progress)

    @classmethod
    def candidates(cls, match, context):
        return [
            cls(macrostates=context.macrostates, bins_per_doubling=bins, progress=context.progress)
            for bins in (1, 2, 4)
        ]

    def __init__(self, macrostates=None, bins_per_doubling=2, reversible=True, progress=True):
        require_whole_number("bins_per_doubling", bins_per_doubling, 1)
        self.reversible = bool(reversible)
        self.progress = progress
        self.bins_per_doubling = int(bins_per_doubling)
        self.macrostates = None if macrostates is None else _as_macrostates(macrostates)
        doublings = np.arange(40 * self.bins_per_doubling) / self.bins_per_doubling
        first_ages = np.concatenate([[1, 2, 3], np.ceil(4 * 2**doublings)])
        self._age_bins = np.unique(first_ages.astype(np.int64))

    def _settings(self):
        macrostates = None if self.macrostates is None else self.macrostates.tolist()
        return {"macrostates": macrostates, "bins_per_doubling": self.bins_per_doubling, "reversible": self.reversible}

    def _check_states(self, n_states):
        if self.macrostates is not None and len(self.macrostates) < n_states:
            raise SettingsError(
                f"macrostates names the macrostate of {len(self.macrostates)} tokens; there are {n_states} of them."
            )

    def _widths(self, n_states):
        return [len(self._age_bins), n_states if self.macrostates is None else self.macrostates.max() + 1]

    def _states(self, tokens):
        return tokens if self.macrostates is None else self.macrostates[tokens]

    def _draw_tokens(self, present, states, rng):
        if self.macrostates is None:
            return states
        return draw(np.where(self._state_of == states[:, None], self._token_matrix[present], 0), rng)

    def memory_at(self, dtraj: np.ndarray) -> np.ndarray:
        states, frames = self._states(dtraj), np.arange(len(dtraj))
        entered = np.concatenate([[False], states[1:] != states[:-1]])
        entry = np.maximum.accumulate(np.where(entered, frames, 0))
        previous = np.where(entry > 0, states[entry - 1], UNKNOWN)
        return np.stack([dtraj, states, frames - entry + 1, previous], dtype=np.int32, casting="same_kind")

    def advance(self, memory: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        _, old_states, ages, previous = memory
        states = self._states(tokens)
        stayed = states == old_states
        return np.stack([tokens, states, np.where(stayed, ages + 1, 1), np.where(stayed, previous, old_states)])

    def _refinements(self, memory):
        _, _, ages, previous = memory
        return [np.searchsorted(self._age_bins, ages, side="right") - 1, previous]


def _as_macrostates(macrostates):
    macrostates = np.asarray(macrostates)
    if macrostates.ndim != 1 or not np.issubdtype(macrostates.dtype, np.integer) or macrostates.min(initial=0) < 0:
        raise SettingsError("macrostates must be one whole number from 0 on for each token, shape (n_states,).")
    return macrostates.astype(np.int64)
