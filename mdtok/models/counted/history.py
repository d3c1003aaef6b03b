"""The history-augmented Markov model: a chain that knows which macrostate it came from."""

from __future__ import annotations

from mdtok.models.counted.semi_markov import SemiMarkovModel


class HistoryMarkovModel(SemiMarkovModel):
    """A Markov chain over pairs of the present token and the different macrostate visited last.

    A lumping of states is not Markovian: who has just crossed a barrier goes back more easily than who came from
    elsewhere, so that a plain MSM at a short lag gives first passage times that are too short. With the origin as part
    of the state these are unbiased wherever the origin is all that matters. Where an origin was seen too rarely, the
    chain without it answers, as in every `BackOffModel`.

    Parameters
    ----------
    macrostates : int array, shape (n_states,), optional
        Macrostate of each token; by default each token is a macrostate of its own.
    reversible : bool
        Whether the chain without origins is reversible.
    progress : bool

    References
    ----------
    E. Suárez, J. L. Adelman, D. M. Zuckerman, J. Chem. Theory Comput. 12, 3473 (2016).

    Examples
    --------
    >>> import numpy as np
    >>> model = HistoryMarkovModel(progress=False).fit([np.tile([0, 1, 2, 1], 100)])
    >>> model.sample([[0, 1]], n_steps=4, seed=7)     # to 2, since it came from 0
    [array([2, 1, 0, 1])]
    """

    name_pattern = name_shown = "history-msm"
    name_help = "Markov chain of the token and the macrostate it came from"
    name_use = (
        "macrostates that are left and entered again at their borders: where a chain came from tells where it goes"
    )

    def __init__(self, macrostates=None, reversible=True, progress=True):
        super().__init__(macrostates, bins_per_doubling=1, reversible=reversible, progress=progress)

    def _settings(self):
        settings = super()._settings()
        del settings["bins_per_doubling"]
        return settings

    def _widths(self, n_states):
        return super()._widths(n_states)[1:]

    def _refinements(self, memory):
        return super()._refinements(memory)[1:]
