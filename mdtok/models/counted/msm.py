"""Estimation of Markov state models by deeptime, their posterior, and the smoothing that prediction needs."""

import numpy as np
import scipy.sparse
from deeptime.markov.msm import MarkovStateModel, MaximumLikelihoodMSM
from deeptime.markov.tools.analysis import stationary_distribution
from deeptime.markov.tools.estimation.dense.tmat_sampling.tmatrix_sampler import TransitionMatrixSampler

from mdtok.errors import DataError

FLOOR = 1e-8  # share of every row spread over all states, so that no log-probability is infinite
_TOLERANCE = 1e-6  # how far a row of a transition matrix may be from one, deeptime's default for estimated ones


def estimate_msm(count_model, reversible=True, max_error=1e-8):
    """Maximum-likelihood MSM of deeptime on the connected set with the most counts.

    Parameters
    ----------
    count_model : deeptime.markov.TransitionCountModel
    reversible : bool
    max_error : float
        At which the iteration of the reversible estimate ends.

    Returns
    -------
    deeptime.markov.msm.MarkovStateModel
        Its states are numbered within the connected set, of two states or more; ``msm.count_model.state_symbols`` are
        the tokens.

    Raises
    ------
    DataError
        No two states are visited back and forth, or no matrix with detailed balance is found.
    """
    sets = [states for states in count_model.connected_sets(sort_by_population=True) if len(states) > 1]
    if not sets:
        raise DataError(
            f"Of {count_model.n_states} states no two are visited back and forth at lag {count_model.lagtime}, so "
            "there is no Markov model; use fewer states or longer trajectories."
        )
    connected = count_model.submodel(sets[0])
    estimator = MaximumLikelihoodMSM(
        reversible=reversible, maxerr=max_error, allow_disconnected=False, transition_matrix_tolerance=_TOLERANCE
    )
    try:
        estimate = estimator.fit(connected).fetch_model()
    except RuntimeError as error:
        raise DataError(
            f"deeptime finds no transition matrix with detailed balance ({error}); use reversible=False."
        ) from None
    return make_msm(estimate.transition_matrix, estimate.stationary_distribution, connected, reversible)


def make_msm(transition_matrix, distribution, count_model, reversible):
    return MarkovStateModel(
        transition_matrix,
        distribution,
        reversible=reversible,
        count_model=count_model,
        transition_matrix_tolerance=_TOLERANCE,
    )


def draw_posterior(msm, n_samples, seed, callback=None):
    """Transition matrices from the Bayesian posterior of an MSM.

    A sliding window counts one event up to lagtime times. Divided by lagtime the likelihood is the geometric mean over
    the lagtime ways to subsample the trajectory (deeptime's "sliding-effective"), so that an event counts once. Its
    mode "effective" divides further, by autocorrelation times that it estimates from the same few events, transition by
    transition: noisier where it matters most, with intervals far too narrow for the six slow events of 250 ns of
    alanine.

    Parameters
    ----------
    msm : deeptime.markov.msm.MarkovStateModel
        Of `estimate_msm`, with sliding counts.
    n_samples : int
    seed : int
    callback : callable, optional
        Called after each sample.

    Returns
    -------
    matrices : ndarray, shape (n_samples, n_connected, n_connected)
    distributions : ndarray, shape (n_samples, n_connected)
        The stationary distribution of each.

    References
    ----------
    B. Trendelkamp-Schroer, H. Wu, F. Paul, F. Noé, J. Chem. Phys. 143, 174101 (2015).
    """
    counts = dense(msm.count_model.count_matrix) / msm.lagtime
    rng = np.random.default_rng(seed)
    if msm.reversible:
        # deeptime's BayesianMSM takes no seed, its samplers do
        sampler = TransitionMatrixSampler(
            counts,
            reversible=True,
            P0=msm.transition_matrix,
            n_steps=1 + int(np.sqrt(len(counts))),
            seed=int(rng.integers(2**31)),
        )
        matrices, distributions = sampler.sample(n_samples, return_statdist=True, callback=callback)
        return np.asarray(matrices), np.asarray(distributions)
    matrices = np.zeros((n_samples, *counts.shape))  # without detailed balance rows are independent
    for state, row in enumerate(counts):
        seen = row > 0
        matrices[:, state, seen] = rng.dirichlet(row[seen], size=n_samples)
    return matrices, np.array([stationary_distribution(matrix, check_inputs=False) for matrix in matrices])


def smooth(transition_matrix, counts):
    """Give transitions that were never seen a probability without making rare ones less rare.

    Row i of T becomes ``(1 - e_i) T_i + e_i (1 + T T)_i / 2``, where e_i is Good and Turing's estimate of the
    probability of what was not seen yet: the share of transitions out of i that were seen once. It goes to where none
    or two steps lead, so one step on average: as ``(1 + T T) / 2 - T = (1 - T)^2 / 2``, the eigenvalue l of a slow
    process, near 1, is kept to within ``(1 - l)^2 / 2``. A floor of 1e-8, shared by all states, keeps logarithms
    finite.

    Additive pseudo-counts are wrong here: with 100 states and crossings that take a nanosecond at a picosecond a frame,
    one pseudo-count a row sends as many steps across the barriers as the physics does, or more, and each such factor is
    a factor in the slow rates.

    Parameters
    ----------
    transition_matrix : ndarray of float, shape (n_states, n_states)
    counts : ndarray of float, shape (n_states, n_states)
        Independent transition counts (sliding-window counts divided by the lag time).

    Returns
    -------
    ndarray of float, shape (n_states, n_states)
        Rows sum to one, no entry is zero.

    References
    ----------
    Good, Biometrika 40, 237 (1953).

    Examples
    --------
    >>> smooth(np.array([[0.5, 0.5], [1.0, 0.0]]), counts=np.array([[8, 8], [9, 1]])).round(3)
    array([[0.5  , 0.5  ],
           [0.925, 0.075]])
    """
    seen_once = np.where(counts <= 1, counts, 0).sum(axis=1)
    unseen = np.minimum(seen_once / np.maximum(counts.sum(axis=1), 1), 0.5)[:, None]
    none_or_two_steps = (np.eye(len(counts)) + transition_matrix @ transition_matrix) / 2
    smoothed = (1 - unseen - FLOOR) * transition_matrix + unseen * none_or_two_steps + FLOOR / len(counts)
    return smoothed / smoothed.sum(axis=1, keepdims=True)


def normalise_counts(counts):
    """Row-normalised counts; a state that was never left is followed by every state as often as that occurs."""
    leaving = counts.sum(axis=1, keepdims=True)
    arriving = counts.sum(axis=0)
    return np.where(leaving > 0, counts / np.maximum(leaving, 1e-300), arriving / arriving.sum())


def dense(matrix):
    """A count or transition matrix as an array, whichever kind deeptime made."""
    return matrix.toarray() if scipy.sparse.issparse(matrix) else np.asarray(matrix)
