"""Trajectories of features that need not fit in memory: fed to deeptime, and projected, a few frames at a time."""

import numpy as np

from mdtok.features.arrays import row_chunks


def fit_in_chunks(estimator, features):
    """Fit deeptime's TICA or VAMP; to rounding what its ``fit_from_timeseries`` gives, which copies all features twice.

    Parameters
    ----------
    estimator : deeptime.decomposition.TICA or VAMP
        With its lag time.
    features : list of arrays, shape (n_frames, n_features) each
        Every one longer than the lag; memory maps too. They are taken to double precision chunk by chunk.

    Returns
    -------
    deeptime.decomposition.CovarianceKoopmanModel

    References
    ----------
    T. Chan, G. Golub, R. LeVeque, Tech. Rep. STAN-CS-79-773 (1979): moments of chunks put together, deeptime's
    algorithm.

    Examples
    --------
    >>> from deeptime.decomposition import TICA
    >>> walk = np.cumsum(np.random.default_rng(0).normal(size=(10_000, 2)), axis=0)
    >>> int(fit_in_chunks(TICA(lagtime=5, dim=1), [walk]).output_dimension)
    1
    """
    lagtime = estimator.lagtime
    for array in features:
        for rows in row_chunks(len(array) - lagtime, array.shape[1]):
            later = array[rows.start + lagtime : rows.stop + lagtime]
            estimator.partial_fit((array[rows].astype(np.float64), later.astype(np.float64)))
    return estimator.fetch_model()


def map_chunks(function, array):
    """What a function of frames (the ``transform`` of a TICA, say) gives of all rows of an array, in double precision.

    Parameters
    ----------
    function : callable
        From an array of float64, shape (n_rows, n_features), to one of as many rows.
    array : array, shape (n_frames, n_features)
        A memory map, say.

    Returns
    -------
    ndarray, shape (n_frames, ...)

    Examples
    --------
    >>> map_chunks(lambda frames: frames.sum(axis=1), np.eye(3, dtype=np.float32))
    array([1., 1., 1.])
    """
    return np.concatenate([function(array[rows].astype(np.float64)) for rows in row_chunks(*array.shape)])
