"""Does a network place states as the kinetics do? Distances between its embeddings of states, against kinetic
distances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.distance import pdist, squareform
from scipy.stats import rankdata

from mdtok.errors import DataError, SettingsError
from mdtok.kinetics.estimation.bootstrap import bootstrap_weights
from mdtok.kinetics.estimation.estimate import Estimate
from mdtok.kinetics.estimation.estimators import check_lagtime, count_matrix, fit_msm
from mdtok.models.networks.neural import NeuralModel
from mdtok.tokens.dtrajs import as_dtrajs

if TYPE_CHECKING:
    from mdtok.models.networks.lstm import LSTM
    from mdtok.models.networks.nanogpt import NanoGPT


METRICS = ("euclidean", "cosine")
_FEWEST = 4  # states; of three there are six orders only


@dataclass
class KineticDistanceComparison:
    """What `compare_kinetic_distances` found.

    Attributes
    ----------
    states : ndarray of int, shape (n_connected,)
        The states that are compared, those that the Markov model connects.
    left_out : ndarray of int
        The other ones.
    embedding_distances, kinetic_distances : ndarray, shape (n_connected, n_connected)
    correlation : Estimate
        Spearman's, over pairs of states, with a 95 % interval by bootstrap over states.
    p_value : float
        Of a correlation so large if states were placed at random (Mantel).
    metric : {"euclidean", "cosine"}
    lagtime : int
        Frames.
    """

    states: np.ndarray
    left_out: np.ndarray
    embedding_distances: np.ndarray
    kinetic_distances: np.ndarray
    correlation: Estimate
    p_value: float
    metric: str
    lagtime: int

    def __str__(self):
        n = len(self.states)
        said = (
            f"{self.metric.capitalize()} distances between the embeddings of {n} states correlate with kinetic "
            "distances at a lag "
            f"of {self.lagtime} {'frame' if self.lagtime == 1 else 'frames'} by {self.correlation:.2f} (Spearman, "
            f"{n * (n - 1) // 2} pairs; p = {self.p_value:.2g})."
        )
        if not len(self.left_out):
            return said
        verb = "is" if len(self.left_out) == 1 else "are"
        left_out = f"{len(self.left_out)} of {n + len(self.left_out)} states"
        return f"{said} {left_out} {verb} left out, not connected with the others."

    def to_dict(self) -> dict:
        """For JSON."""
        return {**vars(self), "correlation": self.correlation.to_dict(), "sentence": str(self)}


def kinetic_distances(transition_matrix: np.ndarray, distribution: np.ndarray) -> np.ndarray:
    """Kinetic distance between each two states of a reversible Markov model, at its lag time.

    ``D_ij² = Σ_k λ_k² (ψ_k(i) - ψ_k(j))²`` over the eigenvalues λ_k = exp(-τ / t_k) at the lag τ and the right
    eigenvectors ψ_k, normalised by the stationary distribution π. It is computed without them, as the distance between
    what the two states become after one lag: ``D_ij² = Σ_l (T_il - T_jl)² / π_l``.

    Parameters
    ----------
    transition_matrix : ndarray, shape (n_states, n_states)
    distribution : ndarray, shape (n_states,)

    Returns
    -------
    ndarray of float, shape (n_states, n_states)

    References
    ----------
    F. Noé, C. Clementi, J. Chem. Theory Comput. 11, 5002 (2015).

    Examples
    --------
    >>> kinetic_distances(np.array([[0.9, 0.1], [0.1, 0.9]]), np.array([0.5, 0.5])).round(6)    # λ = 0.8, ψ = ±1
    array([[0. , 1.6],
           [1.6, 0. ]])
    """
    return squareform(pdist(transition_matrix / np.sqrt(distribution)))


def compare_kinetic_distances(
    model: NanoGPT | LSTM | np.ndarray,
    dtrajs: list[np.ndarray],
    lagtime: int,
    *,
    metric: str = "euclidean",
    n_permutations: int = 999,
    seed: int = 0,
) -> KineticDistanceComparison:
    """Compare distances between a network's embeddings of states with the kinetic distances of a Markov model.

    The p-value is that of Mantel's test, one-sided: how often a random renaming of the states correlates as well. Pairs
    that share a state are not independent; renaming and bootstrap of whole states take that into account.

    Parameters
    ----------
    model : NanoGPT, LSTM, or array of float (n_states, n_dim)
        Fitted; or embeddings.
    dtrajs : list of int arrays, shape (n_frames,) each
        Of the reversible Markov model.
    lagtime : int
        Of the Markov model, in frames.
    metric : {"euclidean", "cosine"}
        Of distances between embeddings.
    n_permutations : int
    seed : int

    Returns
    -------
    KineticDistanceComparison

    Raises
    ------
    DataError
        Fewer than four connected states, tokens outside the alphabet, or trajectories that are shorter than the lag.
    SettingsError
        Something that has no embeddings, or a setting out of range.

    References
    ----------
    N. Mantel, Cancer Res. 27, 209 (1967).

    Examples
    --------
    >>> line = np.random.default_rng(0).integers(-1, 2, 5000).cumsum() % 12          # states on a ring
    >>> angles = 2 * np.pi * np.arange(12) / 12
    >>> compared = compare_kinetic_distances(np.column_stack([np.cos(angles), np.sin(angles)]), [line], lagtime=5)
    >>> bool(compared.correlation.value > 0.95), compared.p_value
    (True, 0.001)
    """
    embeddings = _embeddings(model)
    if metric not in METRICS:
        raise SettingsError(f"metric is {metric!r}; one of {', '.join(map(repr, METRICS))} was expected.")
    if n_permutations < 1:
        raise SettingsError(f"n_permutations is {n_permutations}; a whole number of at least 1 was expected.")
    dtrajs = as_dtrajs(dtrajs, len(embeddings))
    check_lagtime(dtrajs, lagtime)
    msm = fit_msm(count_matrix(dtrajs, lagtime, len(embeddings)), lagtime)
    states = np.asarray(msm.count_model.state_symbols)
    if len(states) < _FEWEST:
        raise DataError(
            f"{len(states)} states are connected at a lag of {lagtime} frames; at least {_FEWEST} were expected to "
            "correlate distances."
        )
    kinetic = kinetic_distances(msm.transition_matrix, msm.stationary_distribution)
    placed = squareform(pdist(embeddings[states], metric))
    upper = np.triu_indices(len(states), 1)
    rng = np.random.default_rng(seed)
    correlation = _spearman(placed[upper], kinetic[upper])
    return KineticDistanceComparison(
        states=states,
        left_out=np.setdiff1d(np.arange(len(embeddings)), states),
        embedding_distances=placed,
        kinetic_distances=kinetic,
        correlation=Estimate.from_samples(correlation, _of_resampled_states(placed, kinetic, seed)),
        p_value=_mantel_p_value(placed[upper], kinetic[upper], len(states), n_permutations, rng),
        metric=metric,
        lagtime=lagtime,
    )


def _embeddings(model):
    if isinstance(model, NeuralModel):
        model.require_fitted()
        return model.network_.token_embedding.weight.detach().cpu().double().numpy()
    if isinstance(model, np.ndarray) and model.ndim == 2 and np.isfinite(model).all():
        return model
    raise SettingsError(
        f"A {type(model).__name__} has no embeddings of states; give a NanoGPT, an LSTM or an array (n_states, n_dim)."
    )


def _spearman(x, y):
    """Spearman's correlation; NaN where all of one are alike."""
    return float(np.corrcoef(rankdata(x), rankdata(y))[0, 1]) if np.ptp(x) > 0 and np.ptp(y) > 0 else np.nan


def _of_resampled_states(placed, kinetic, seed):
    samples = []
    for counts in bootstrap_weights(len(placed), seed=seed):
        drawn = np.repeat(np.arange(len(placed)), counts)
        i, j = np.triu_indices(len(drawn), 1)
        i, j = drawn[i[drawn[i] != drawn[j]]], drawn[j[drawn[i] != drawn[j]]]  # a state has no distance from itself
        samples.append(_spearman(placed[i, j], kinetic[i, j]) if len(i) > 2 else np.nan)
    return np.array(samples)


def _mantel_p_value(placed, kinetic, n_states, n_permutations, rng):
    ranks, others = squareform(rankdata(placed)), squareform(rankdata(kinetic))
    orders = [rng.permutation(n_states) for _ in range(n_permutations)]
    observed = (ranks * others).sum()
    renamed = np.array([(ranks[np.ix_(order, order)] * others).sum() for order in orders])
    return float((1 + (renamed >= observed).sum()) / (1 + n_permutations))
