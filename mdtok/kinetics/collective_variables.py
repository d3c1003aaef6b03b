"""Collective variables judged against each other: how much of the slow dynamics they keep, and what they know of it.

A collective variable (CV) is a number a frame, a function of the frame (or of a short window that ends with it) that is
fixed before it is judged: TICA or VAMP fitted to training trajectories, an embedding or class logit of a trained model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from deeptime.covariance import CovarianceModel
from deeptime.decomposition import TICA, VAMP, vamp_score
from deeptime.numeric import ZeroRankError
from scipy.stats import rankdata

from mdtok.errors import DataError, SettingsError
from mdtok.features.arrays import as_features
from mdtok.features.streaming import fit_in_chunks
from mdtok.kinetics.estimation.bootstrap import bootstrap_weights
from mdtok.kinetics.estimation.estimate import Estimate, as_plain
from mdtok.kinetics.estimation.estimators import check_lagtime
from mdtok.models.trajectory_model import as_trajectories
from mdtok.progress import tracked

if TYPE_CHECKING:
    from deeptime.decomposition import CovarianceKoopmanModel


_CUTOFF = 1e-10  # of the largest eigenvalue of the correlation matrix: columns that agree to 1e-5 are one column


@dataclass
class CVQuality:
    """What one set of collective variables is worth (see `compare_cvs`).

    Attributes
    ----------
    vamp2 : Estimate
        Cross-validated VAMP-2 score: 1 (nothing slow) up to 1 + the number of CVs (all of it, for ever).
    timescale_frames : Estimate
        The slowest timescale captured.
    rank : int
        How many of the CVs are linearly independent.
    committor_correlation : Estimate or None
        Multiple correlation with the exact committor, fitted on one half of the trajectories and judged on the other.
    best_spearman : Estimate or None
        The largest absolute rank correlation of a single CV with the exact committor.
    vamp2_difference : Estimate or None
        `vamp2` less that of the reference, its interval paired.
    """

    vamp2: Estimate
    timescale_frames: Estimate
    rank: int
    committor_correlation: Estimate | None = None
    best_spearman: Estimate | None = None
    vamp2_difference: Estimate | None = None

    def to_dict(self):
        """What is there: dicts with value, low and high, and the rank."""
        return as_plain({name: figure for name, figure in vars(self).items() if figure is not None})


def fit_tica(features: list[np.ndarray], lagtime: int, n_dim: int) -> CovarianceKoopmanModel:
    """TICA of trajectories, deeptime's own model; its ``transform(features)`` gives the `n_dim` slowest CVs.

    Parameters
    ----------
    features : list of arrays, shape (n_frames, n_features) each
        Training trajectories, of a system in equilibrium. Memory maps are read where they are, a few frames at a time.
    lagtime : int
        In frames.
    n_dim : int
        CVs to keep.

    Returns
    -------
    deeptime.decomposition.CovarianceKoopmanModel

    Raises
    ------
    DataError
        The features have fewer than `n_dim` independent columns, or a trajectory is not longer than the lag.

    References
    ----------
    G. Pérez-Hernández et al., J. Chem. Phys. 139, 015102 (2013).
    """
    return _fit(TICA, features, lagtime, n_dim)


def fit_vamp(features: list[np.ndarray], lagtime: int, n_dim: int) -> CovarianceKoopmanModel:
    """VAMP of trajectories, as `fit_tica` but with no need of equilibrium.

    References
    ----------
    H. Wu, F. Noé, J. Nonlinear Sci. 30, 23 (2020).
    """
    return _fit(VAMP, features, lagtime, n_dim)


def _fit(estimator, features, lagtime, n_dim):
    features = as_features(features)
    check_lagtime(features, lagtime)
    for index, array in enumerate(features):
        if len(array) <= lagtime:
            raise DataError(f"Trajectory {index} has {len(array)} frames; at least {lagtime + 1} were expected.")
    n_features = features[0].shape[1]
    try:
        model = fit_in_chunks(estimator(lagtime=lagtime, dim=n_dim), features)
    except ZeroRankError:
        raise DataError("All features are constant in all frames; nothing is left to find CVs in.") from None
    if n_dim > n_features or model.output_dimension < n_dim:
        raise DataError(
            f"{n_dim} CVs were asked for, but the {n_features} features have {model.output_dimension} independent "
            "columns of a variance above 1e-6; ask for fewer, or scale the features."
        )
    return model


def compare_cvs(
    cvs: Mapping[str, list[np.ndarray]],
    lagtime: int,
    committor: list[np.ndarray] | None = None,
    reference: str | None = None,
    n_folds: int = 5,
    n_bootstrap: int = 200,
    seed: int = 0,
    progress: bool = True,
) -> dict[str, CVQuality]:
    """Judge sets of collective variables, equally many each, on the same held-out trajectories.

    *Cross-validated VAMP-2*: VAMP is fitted in the space of the CVs to all folds of trajectories but one, its score
    taken on that one, averaged over folds. *Slowest timescale captured*: ``-lagtime / ln|λ|`` with the largest
    eigenvalue of the Koopman matrix ``C00^-1 C0t`` of the mean-free CVs. TICA's is the same in equilibrium, but takes
    the covariances to be symmetric in time, which those of trajectories started out of equilibrium are not: on
    Müller-Brown trajectories that start half in either basin it gave 10,500 frames for a process of 7,050, the matrix
    as it is 7,600. *Correlation with the committor*: see `CVQuality`. Only the Spearman correlation changes when CVs
    are mixed linearly.

    All intervals are 95 %, by bootstrap over trajectories, a trajectory always in the same fold or half, and the same
    resamples for all sets; those that leave a fold empty do not count. A cross-validated score of few trajectories is
    too low, and lower still in a resample, which holds fewer different ones; the interval of VAMP-2 is therefore the
    basic (pivotal) one, which turns that bias round. CVs that are constant, or combinations of others, add nothing;
    `CVQuality.rank` says so.

    Parameters
    ----------
    cvs : dict of str -> list of arrays, shape (n_frames, n_cvs) each
        For each set, its CVs along the held-out trajectories. A CV of a window of frames belongs to the window's last
        frame; all sets and the committor then have to start at the same frame.
    lagtime : int
        In frames.
    committor : list of arrays, shape (n_frames,) each, optional
        Exact committor of every frame.
    reference : str, optional
        The set to take differences of VAMP-2 to.
    n_folds : int
    n_bootstrap : int
    seed : int
    progress : bool

    Returns
    -------
    dict of str -> CVQuality

    Raises
    ------
    DataError
        Sets of unequal dimension or frames, trajectories shorter than the lag or too few, CVs all constant, or a
        committor that is constant or outside of 0 .. 1.
    SettingsError
        The lag time or `n_folds` is out of range, or `reference` names none of the sets.

    References
    ----------
    R. McGibbon, V. Pande, J. Chem. Phys. 142, 124105 (2015) (cross-validation); H. Wu, F. Noé, J. Nonlinear Sci. 30, 23
    (2020), eq. 33 (the score); H. Wu et al., J. Chem. Phys. 146, 154104 (2017) (trajectories out of equilibrium);
    A. Davison, D. Hinkley, Bootstrap Methods and their Application (1997), eq. 5.6 (the basic interval).

    Examples
    --------
    >>> rng = np.random.default_rng(3)
    >>> walks = np.zeros((20, 2000, 2))                     # relax within 100 frames and within 2
    >>> for t in range(1, 2000):
    ...     walks[:, t] = np.exp([-1 / 100, -1 / 2]) * walks[:, t - 1] + rng.normal(size=(20, 2))
    >>> cvs = {"slow": list(walks[:, :, :1]), "fast": list(walks[:, :, 1:])}
    >>> quality = compare_cvs(cvs, lagtime=10, n_bootstrap=50)
    >>> bool(quality["slow"].vamp2.value > 1.7 > 1.1 > quality["fast"].vamp2.value)
    True
    """
    cvs = _check_cvs(cvs, lagtime, reference, n_folds)
    n_trajectories = len(next(iter(cvs.values())))
    as_it_is = np.ones(n_trajectories)
    weights = np.vstack([as_it_is, bootstrap_weights(n_trajectories, n_bootstrap, seed)])
    order = np.random.default_rng(seed).permutation(n_trajectories)
    folds, halves = (np.eye(n)[order % n].T for n in (n_folds, 2))  # (n_folds, n_trajectories), 1 where in the fold
    if committor is not None:
        committor = _check_committor(committor, next(iter(cvs.values())))
    results, scores = {}, {}
    with tracked(total=len(cvs) * len(weights), desc="CVs", delay=2, disable=not progress) as bar:
        for name, arrays in cvs.items():
            whitened = _whiten(name, arrays)
            pairs = _moments([np.hstack([array[:-lagtime], array[lagtime:]]) for array in whitened])
            scores[name], rates = np.array([_vamp2_and_rate(pairs, w, folds, lagtime, name, bar) for w in weights]).T
            result = CVQuality(_pivotal(scores[name]), _inverse(_estimate(rates)), whitened[0].shape[1])
            result.vamp2.high = np.minimum(result.vamp2.high, 1 + result.rank)
            if committor is not None:
                joint = _moments([np.column_stack([array, q]) for array, q in zip(whitened, committor)])
                result.committor_correlation = _estimate([_multiple_correlation(joint, w, halves) for w in weights])
                result.best_spearman = _best_spearman(arrays, committor, weights)
            results[name] = result
    if reference is not None:
        for name, result in results.items():
            result.vamp2_difference = _pivotal(scores[name] - scores[reference])
    return results


def _check_cvs(cvs, lagtime, reference, n_folds):
    if reference is not None and reference not in cvs:
        raise SettingsError(f"The reference {reference!r} is none of the sets of CVs {', '.join(map(repr, cvs))}.")
    cvs = {name: as_trajectories(arrays) for name, arrays in cvs.items()}
    first, arrays = next(iter(cvs.items()))
    check_lagtime(arrays, lagtime)
    as_trajectories(arrays, min_length=lagtime + 1)
    for name, others in cvs.items():
        if others[0].shape[1] != arrays[0].shape[1]:
            raise DataError(
                f"{name} has {others[0].shape[1]} CVs and {first} {arrays[0].shape[1]}; sets of equal dimension were "
                "expected, reduce the larger one with fit_tica or fit_vamp."
            )
        if [len(array) for array in others] != [len(array) for array in arrays]:
            raise DataError(f"{name} and {first} are not given for the same frames of the same trajectories.")
    if int(n_folds) != n_folds or n_folds < 2:
        raise SettingsError(f"n_folds is {n_folds}; a whole number of at least 2 was expected.")
    if len(arrays) < 2 * n_folds:
        raise DataError(f"{len(arrays)} trajectories are too few for {n_folds} folds; at least two a fold are needed.")
    return cvs


def _check_committor(committor, arrays):
    committor = [np.asarray(values, dtype=float) for values in committor]
    if [values.shape for values in committor] != [(len(array),) for array in arrays]:
        raise DataError("The committor is not given for the same frames as the CVs; one number a frame was expected.")
    low, high = (function([function(values) for values in committor]) for function in (np.min, np.max))
    if not (low >= -1e-6 and high <= 1 + 1e-6 and low < high):
        raise DataError(f"The committor goes from {low:g} to {high:g}; probabilities, not all equal, were expected.")
    return committor


def _whiten(name, arrays):
    """The CVs as uncorrelated columns of variance one, as many as are linearly independent."""
    frames = np.concatenate(arrays)
    mean, scale = frames.mean(axis=0), frames.std(axis=0)
    varies = scale > 1e-7 * np.abs(frames).max(axis=0)  # the rounding of single precision
    if not varies.any():
        raise DataError(f"All CVs of {name} are constant in all frames; there is nothing to judge.")
    mean, scale = mean[varies], scale[varies]
    frames = (frames[:, varies] - mean) / scale
    values, vectors = np.linalg.eigh(frames.T @ frames / len(frames))
    kept = values > _CUTOFF * values[-1]
    return _split(frames @ (vectors[:, kept] / np.sqrt(values[kept])), arrays)


def _split(frames, arrays):
    """Frames of all trajectories as one array a trajectory, as long as those of `arrays`."""
    return np.split(frames, np.cumsum([len(array) for array in arrays])[:-1])


def _moments(arrays):
    """Sums over each trajectory of all products of two columns, a column of ones before them."""
    with_ones = [np.column_stack([np.ones(len(array)), array]) for array in arrays]
    return np.array([columns.T @ columns for columns in with_ones])  # (n_trajectories, 1 + n_columns, 1 + n_columns)


def _mean_and_covariance(moments, weights):
    sums = np.tensordot(weights, moments, axes=1)
    mean = sums[0, 1:] / sums[0, 0]
    return mean, sums[1:, 1:] / sums[0, 0] - np.outer(mean, mean)


def _covariances(moments, weights, lagtime):
    """deeptime's covariance model of pairs of frames, mean removed."""
    mean, covariance = _mean_and_covariance(moments, weights)
    n = len(mean) // 2
    return CovarianceModel(
        covariance[:n, :n],
        covariance[:n, n:],
        covariance[n:, n:],
        mean[:n],
        mean[n:],
        bessels_correction=False,
        lagtime=lagtime,
        data_mean_removed=True,
    )


def _vamp2_and_rate(moments, weights, folds, lagtime, name, bar):
    bar.update()
    if not ((folds @ weights) > 0).all():
        return np.nan, np.nan  # a resample without any trajectory of some fold
    try:
        scores = [_vamp2(moments, weights * (1 - fold), weights * fold, lagtime) for fold in folds]
    except ZeroRankError:
        if (weights == 1).all():
            raise DataError(f"All CVs of {name} are constant within a fold; use more trajectories.") from None
        return np.nan, np.nan
    cov = _covariances(moments, weights, lagtime)
    koopman = np.linalg.lstsq(cov.cov_00, cov.cov_0t, rcond=_CUTOFF)[0]
    largest = np.abs(np.linalg.eigvals(koopman)).max()
    return np.mean(scores), -np.log(np.clip(largest, 1e-300, 1)) / lagtime  # at 1 or more nothing is seen to relax


def _vamp2(moments, train, test, lagtime):
    model = VAMP(lagtime=lagtime).fit_from_covariances(_covariances(moments, train, lagtime)).fetch_model()
    return vamp_score(model, r=2, covariances_test=_covariances(moments, test, lagtime))


def _multiple_correlation(moments, weights, halves):
    """Correlation of the last column with its linear fit by the others, fitted on one half and judged on the other."""
    correlations = []
    for half in halves:
        if not (weights @ half > 0 and weights @ (1 - half) > 0):
            return np.nan
        _, fitted = _mean_and_covariance(moments, weights * half)
        _, judged = _mean_and_covariance(moments, weights * (1 - half))
        slopes = np.linalg.lstsq(fitted[:-1, :-1], fitted[:-1, -1], rcond=_CUTOFF)[0]
        correlations.append(_correlation(slopes @ judged[:-1, -1], slopes @ judged[:-1, :-1] @ slopes, judged[-1, -1]))
    return np.mean(correlations)


def _best_spearman(arrays, committor, weights):
    """Ranks are those among all frames; only the trajectories are resampled, not the ranks."""
    ranks = rankdata(np.column_stack([np.concatenate(arrays), np.concatenate(committor)]), axis=0)
    ranks = (ranks - ranks.mean(axis=0)) / len(ranks)
    moments = _moments(_split(ranks, arrays))
    spearman = []
    for resample in weights:
        _, covariance = _mean_and_covariance(moments, resample)
        spearman.append(np.abs(_correlation(covariance[:-1, -1], np.diag(covariance)[:-1], covariance[-1, -1])))
    spearman = np.array(spearman)
    return _estimate(spearman[:, np.argmax(spearman[0])])


def _correlation(covariance, variance, other_variance):
    """0 where there is no variance."""
    product = np.maximum(variance * other_variance, 0)
    return np.divide(covariance, np.sqrt(product), out=np.zeros(np.shape(covariance)), where=product > 1e-24)


def _estimate(samples):
    """The first is the value, the others are resamples."""
    return Estimate.from_samples(samples[0], samples[1:])


def _pivotal(samples):
    """As `_estimate`, for a figure whose resamples are as biased against it as it is against the truth."""
    value, percentile = samples[0], _estimate(samples)
    low, high = 2 * value - percentile.high, 2 * value - percentile.low
    return Estimate(percentile.value, np.minimum(low, value), np.maximum(high, value))


def _inverse(estimate):
    with np.errstate(divide="ignore"):
        return Estimate(1 / estimate.value, 1 / estimate.high, 1 / estimate.low)
