"""States that a Markov model leaves out: those that are not connected both ways with the rest."""

from __future__ import annotations

import numpy as np
from deeptime.markov import TransitionCountEstimator

from mdtok.errors import DataError
from mdtok.tokens.dtrajs import as_dtrajs

#: Shares of the frames above which a verdict says what is left out, and above which there is none.
SAID, REFUSED = 0.05, 0.5


def share_left_out(dtrajs: list[np.ndarray], lagtime: int, n_states: int | None = None) -> float:
    """Share of the frames in states outside of the largest connected set.

    Parameters
    ----------
    dtrajs : list of int arrays, shape (n_frames,) each
    lagtime : int
        In frames, at which transitions are counted.
    n_states : int, optional

    Returns
    -------
    float
        1 where no two states are visited back and forth.

    Examples
    --------
    >>> share_left_out([np.array([0, 1, 0, 1, 2, 2, 2, 2])], 1)  # the state 2 is never left
    0.5
    """
    dtrajs = as_dtrajs(dtrajs)
    counted = [dtraj for dtraj in dtrajs if len(dtraj) > lagtime]
    if not counted:
        return 1.0
    counts = TransitionCountEstimator(lagtime, "sliding", n_states=n_states, sparse=True).fit_fetch(counted)
    sets = [states for states in counts.connected_sets(sort_by_population=True) if len(states) > 1]
    if not sets:
        return 1.0
    frames = np.bincount(np.concatenate(dtrajs), minlength=counts.n_states)
    return float(1 - frames[sets[0]].sum() / frames.sum())  # the set that Markov models take


def require_connected(dtrajs: list[np.ndarray], lagtime: int, what: str, n_states: int | None = None) -> float:
    """`share_left_out`; DataError where more than half of the frames would be left out."""
    left_out = share_left_out(dtrajs, lagtime, n_states)
    if left_out > REFUSED:
        raise DataError(
            f"{100 * left_out:.0f} % of the frames of the {what} are in states that are not entered and left again at "
            f"lag {lagtime} (or one state is all there is): there is no Markov model of the rest. Use fewer states, "
            "longer trajectories or a shorter lag."
        )
    return left_out
