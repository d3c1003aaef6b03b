"""A counted model of streams of events: state, duration, state, duration, …"""

from __future__ import annotations

import numpy as np

from mdtok.checks import require_whole_number
from mdtok.models.counted.backoff import BackOffModel
from mdtok.models.counted.contexts import UNKNOWN


class EventChainModel(BackOffModel):
    """A chain of events that backs off to fewer of them, for `RunLengthModel`.

    An order-k model of the same stream refines by the duration of the event before ahead of its state, which thins the
    counts for little, and believes a level equally whether it speaks of states or of durations. Here states come first,
    and every level speaks of one of the two: the next state is predicted from the present duration, then also the
    present state, the state before, its duration, …; a duration from the present state, then also the state before, its
    duration, …

    Parameters
    ----------
    order : int
        Events of the past, the present one among them.
    progress : bool
        Show a progress bar where sampling takes more than two seconds.

    Examples
    --------
    >>> events = np.tile([0, 3, 1, 2], 100)  # three frames in 0, two in 1
    >>> EventChainModel().fit([events]).sample([[0, 3, 1]], n_steps=3, seed=7)
    [array([2, 0, 3])]
    """

    reversible = False  # a duration belongs to the state before it, so a stream has no detailed balance

    def __init__(self, order=2, progress=True):
        require_whole_number("order", order, 1)
        self.order, self.progress = int(order), progress

    def _settings(self):
        return {"order": self.order}

    def memory_at(self, dtraj: np.ndarray) -> np.ndarray:
        """Last tokens, newest first, and whether the newest is a duration; streams begin with a state."""
        memory = np.full((2 * self.order + 1, len(dtraj)), UNKNOWN, dtype=np.int32)
        for age in range(min(2 * self.order, len(dtraj))):
            memory[age, age:] = dtraj[: len(dtraj) - age]
        memory[-1] = np.arange(len(dtraj)) % 2
        return memory

    def advance(self, memory: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        return np.concatenate([[tokens], memory[:-2], [1 - memory[-1]]])

    def _levels(self):
        """Of each level from the second on: whether it predicts a state, and the age of the token that refines it."""
        levels = [(True, 1)]
        for event in range(1, self.order):
            levels += [(True, 2 * event + 1), (False, 2 * event), (True, 2 * event), (False, 2 * event - 1)]
        return levels

    def _refinements(self, memory):
        predicts_state = memory[-1] == 1
        # a constant leaves the contexts of the other kind as they are
        return [np.where(predicts_state == of_states, memory[age], 0) for of_states, age in self._levels()]

    def _widths(self, n_states):
        return [n_states] * len(self._levels())
