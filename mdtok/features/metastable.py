"""Metastable sets of states: PCCA+ on a reversible Markov state model."""

import logging

import numpy as np

from mdtok.errors import DataError

log = logging.getLogger(__name__)


def metastable_states(dtrajs, lagtime, n_macrostates, n_states):
    """The macrostate of each state, by PCCA+, ordered by decreasing stationary population.

    Parameters
    ----------
    dtrajs : list of int arrays, shape (n_frames,) each
    lagtime : int
        Frames.
    n_macrostates, n_states : int

    Returns
    -------
    ndarray of int, shape (n_states,)
        A state outside the connected set joins the macrostate that it shares most transitions with (said in the log).

    Raises
    ------
    DataError
        Fewer connected states than macrostates, or PCCA+ leaves a macrostate empty.

    References
    ----------
    S. Röblitz, M. Weber, Adv. Data Anal. Classif. 7, 147 (2013).
    """
    from deeptime.markov import TransitionCountEstimator
    from deeptime.markov.msm import MaximumLikelihoodMSM

    counting = TransitionCountEstimator(lagtime, "sliding", n_states=n_states)
    counts = counting.fit_fetch([dtraj for dtraj in dtrajs if len(dtraj) > lagtime])
    connected = counts.submodel_largest()
    if connected.n_states < n_macrostates:
        raise DataError(f"Only {connected.n_states} states are connected at lag {lagtime}; {n_macrostates} macrostates were asked for.")
    msm = MaximumLikelihoodMSM(reversible=True).fit_fetch(connected)
    found = np.asarray(msm.pcca(n_macrostates).assignments)
    populations = np.bincount(found, msm.stationary_distribution, minlength=n_macrostates)
    if len(np.unique(found)) < n_macrostates:
        times = ", ".join(f"{time:.3g}" for time in msm.timescales(k=n_macrostates))
        raise DataError(f"PCCA+ leaves some of {n_macrostates} macrostates empty (relaxation times {times} frames); ask for fewer.")
    rank = np.argsort(np.argsort(-populations, kind="stable"))
    macrostates = np.full(n_states, -1)
    macrostates[connected.state_symbols] = rank[found]
    outside = np.flatnonzero(macrostates < 0)
    if len(outside):
        log.warning("%d of %d states are not connected both ways at lag %d; each joins its most frequent neighbour.", len(outside), n_states, lagtime)
        exchanged = counts.count_matrix + counts.count_matrix.T
        exchanged = exchanged.toarray() if hasattr(exchanged, "toarray") else np.asarray(exchanged)
        members = np.eye(n_macrostates)[macrostates[connected.state_symbols]]
        macrostates[outside] = (exchanged[np.ix_(outside, connected.state_symbols)] @ members).argmax(axis=1)
    return macrostates
