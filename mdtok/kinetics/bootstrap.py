"""Bootstrap over trajectories, the independent units of everything that is estimated from them."""

import numpy as np

from mdtok.errors import DataError
from mdtok.kinetics.estimate import Estimate


def bootstrap_weights(n_units, n_bootstrap=500, seed=0):
    """How often each trajectory counts in each resample, shape (n_bootstrap, n_units), rows adding to `n_units`.

    Two figures that are computed with the same weights are paired: what makes a trajectory hard for both drops out of
    their difference or ratio.

    Raises
    ------
    DataError
        There is one trajectory only.

    References
    ----------
    B. Efron, R. Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.

    Examples
    --------
    >>> bootstrap_weights(3, n_bootstrap=2).sum(axis=1).tolist()
    [3, 3]
    """
    if n_units < 2:
        raise DataError("There is one held-out trajectory only, which leaves nothing to resample; hold out more.")
    return np.random.default_rng(seed).multinomial(n_units, np.full(n_units, 1 / n_units), size=n_bootstrap)


def bootstrap_mean(values, weights):
    """Mean over trajectories (first axis of `values`), with its 95 % interval."""
    return Estimate.from_samples(values.mean(axis=0), weights @ values / len(values))


def bootstrap_ratio(values, others, weights):
    """Ratio of the sums of two figures over the same trajectories, shape (n_units,) each, with its 95 % interval."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return Estimate.from_samples(values.sum() / others.sum(), (weights @ values) / (weights @ others))
