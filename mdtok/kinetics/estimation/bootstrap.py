"""Bootstrap over trajectories, the independent units of everything that is estimated from them."""

import numpy as np
from scipy.stats import norm, t

from mdtok.errors import DataError
from mdtok.kinetics.estimation.estimate import Estimate


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


def few_units_factor(n_units, confidence=0.95):
    """By how much a bootstrap of few units is too narrow: their scatter is underestimated, and is itself uncertain.

    The factor is ``sqrt(n / (n - 1))`` times that of Student's t to a normal distribution.

    Examples
    --------
    >>> [round(few_units_factor(n), 2) for n in (8, 20, 100)]
    [1.29, 1.1, 1.02]
    """
    tail = (1 - confidence) / 2
    return float(np.sqrt(n_units / (n_units - 1)) * t.isf(tail, n_units - 1) / norm.isf(tail))


def widened(estimate, n_units):
    """An estimate whose interval comes from resampling so few units, made as wide as they are few."""
    factor = few_units_factor(n_units)
    return Estimate(
        estimate.value,
        estimate.value - factor * (estimate.value - estimate.low),
        estimate.value + factor * (estimate.high - estimate.value),
    )


def bootstrap_mean(values, weights):
    """Mean over trajectories (first axis of `values`), with its 95 % interval."""
    return widened(Estimate.from_samples(values.mean(axis=0), weights @ values / len(values)), len(values))


def bootstrap_ratio(values, others, weights):
    """Ratio of the sums of two figures over the same trajectories, shape (n_units,) each, with its 95 % interval."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return Estimate.from_samples(values.sum() / others.sum(), (weights @ values) / (weights @ others))
