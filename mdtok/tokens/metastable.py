"""Metastable sets of states: PCCA+ on a reversible Markov state model."""

import logging

import numpy as np
from deeptime.markov.msm import MarkovStateModel
from deeptime.markov.tools.analysis import eigenvectors

from mdtok.errors import DataError

log = logging.getLogger(__name__)

_MOST_CHOSEN = 5
_SLOW = 5  # lag times: a relaxation slower than this is a process of its own


def metastable_states(msm, n_macrostates=None):
    """The metastable set of each state of a reversible MSM, by PCCA+.

    Parameters
    ----------
    msm : deeptime.markov.msm.MarkovStateModel
    n_macrostates : int, optional
        Chosen if not given: one more than there are relaxation times slower than five lag times, 2 to 5, as far as
        PCCA+ gives each set a state.

    Returns
    -------
    ndarray of int, shape (msm.n_states,)
        Sets are numbered by decreasing stationary population.

    Raises
    ------
    DataError
        Fewer states than sets, or PCCA+ leaves a set without a state; the message says how many sets are possible.

    References
    ----------
    S. Röblitz, M. Weber, Adv. Data Anal. Classif. 7, 147 (2013).

    Examples
    --------
    >>> from deeptime.markov.msm import MarkovStateModel
    >>> matrix = [[0.90, 0.09, 0.01], [0.09, 0.90, 0.01], [0.005, 0.005, 0.99]]
    >>> metastable_states(MarkovStateModel(matrix, reversible=True), 2).tolist()
    [1, 1, 0]
    """
    if n_macrostates is None:
        return _number_by_population(_choose(msm), msm.stationary_distribution)
    if n_macrostates > msm.n_states:
        raise DataError(f"n_macrostates is {n_macrostates}; only {msm.n_states} connected states are left.")
    sets = _pcca(msm, n_macrostates)
    if sets is None:
        possible = next((n for n in range(n_macrostates - 1, 1, -1) if _pcca(msm, n) is not None), None)
        times = ", ".join(f"{time:.3g}" for time in msm.timescales(k=n_macrostates))
        raise DataError(
            f"{n_macrostates} macrostates were asked for, but PCCA+ leaves some of them without a state (relaxation "
            "times "
            f"{times} frames); ask for n_macrostates={possible}."
        )
    return _number_by_population(sets, msm.stationary_distribution)


def _pcca(msm, n_sets):
    if np.iscomplexobj(eigenvectors(msm.transition_matrix, n_sets)):  # as PCCA+ takes them
        msm = _without_symmetry(msm)
    sets = np.asarray(msm.pcca(n_sets).assignments)
    return sets if len(np.unique(sets)) == n_sets else None


def _without_symmetry(msm):
    """The chain changed by one part in 10^9, reversible as before.

    Sets that are exactly alike (a symmetric molecule) have equal eigenvalues; by rounding these can come out as complex
    pairs, of which PCCA+ would take the real part of the same vector twice.
    """
    noise = np.random.default_rng(0).random((msm.n_states, msm.n_states))
    flux = msm.stationary_distribution[:, None] * msm.transition_matrix
    flux = (flux + flux.T) * (1 + 1e-9 * (noise + noise.T))
    return MarkovStateModel(flux / flux.sum(axis=1, keepdims=True), reversible=True, lagtime=msm.lagtime)


def _choose(msm):
    if msm.n_states == 2:
        return np.arange(2)
    n_slow = int(np.sum(msm.timescales(k=min(_MOST_CHOSEN, msm.n_states) - 1) > _SLOW * msm.lagtime))
    for n_sets in range(max(2, n_slow + 1), 1, -1):
        sets = _pcca(msm, n_sets)
        if sets is not None:
            log.info("%d macrostates, from the relaxation times; n_macrostates sets another number.", n_sets)
            return sets
    raise DataError("PCCA+ finds no two metastable sets; use more states or a longer lag time.")


def _number_by_population(sets, distribution):
    populations = np.bincount(sets, distribution)
    return np.argsort(np.argsort(-populations, kind="stable"))[sets]
