"""Times that are the inverse of a rate: their intervals and their bias, from resamples of the rate."""

import numpy as np
from scipy.stats import chi2

from mdtok.kinetics.estimation.bootstrap import few_units_factor
from mdtok.kinetics.estimation.estimate import Estimate

_CONFIDENCE = 0.95
_FEWEST_FOR_BIAS = 20  # resamples; the mean of fewer is noise
_MOST_UNRESOLVED = 0.05  # of the resamples; beyond, those that resolve the process are not like the others
_LEAST_EVENTS = 0.5  # below, a rate has no lower limit worth a number


def without_bias(time, rates):
    """A time less the bias that its resamples show: they are to it as it is to the truth.

    The slowest eigenvalue is a maximum over functions of the states, so that it is too large on average, for 100 states
    and 50 events by 15 % in the timescale.

    References
    ----------
    B. Efron, R. Tibshirani, An Introduction to the Bootstrap (1993), chapter 10.
    """
    if len(rates) < _FEWEST_FOR_BIAS:
        return time
    mean, unresolved = np.asarray(rates).mean(axis=0), (np.asarray(rates) == 0).mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        corrected = time * (mean * time)
    sound = np.isfinite(corrected) & (mean * time > 0.5) & (unresolved <= _MOST_UNRESOLVED)
    return np.where(sound, corrected, time)


def inverse_of_rate(time, rates, n_units=None):
    """A time with its 95 % interval, from resamples of its inverse (first axis), of so many units.

    The relative scatter of a rate is that of a count of events: ``n = (mean / standard deviation)²`` of them were seen,
    in effect. The interval is the exact one of a Poisson count of n, so that it is as lopsided as few events make it.

    References
    ----------
    F. Garwood, Biometrika 28, 437 (1936).

    Examples
    --------
    >>> import numpy as np
    >>> rates = np.random.default_rng(0).poisson(5, 20_000) / 5  # five events in all
    >>> f"{inverse_of_rate(np.array(1.0), rates):.1f}"
    '1.0 [0.4, 3.1]'
    """
    n_events = effective_events(time, rates) / (1.0 if n_units is None else few_units_factor(n_units) ** 2)
    tail = (1 - _CONFIDENCE) / 2
    most = chi2.isf(tail, 2 * n_events + 2) / 2
    fewest = chi2.ppf(tail, 2 * np.maximum(n_events, _LEAST_EVENTS)) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = time * n_events / most, np.where(n_events > _LEAST_EVENTS, time * n_events / fewest, np.inf)
        sure = np.isinf(n_events)
        at_once = np.asarray(time) == 0
        low, high = (np.where(sure | at_once, time, end) for end in (low, high))
    return Estimate(time, np.where(np.isfinite(time), low, np.nan), np.where(np.isfinite(time), high, np.nan))


def effective_events(time, rates):
    """How many events a time's inverse rests on, by its relative scatter; NaN where the time is not known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = np.asarray(rates, dtype=float)
        told = np.isfinite(rates)
        n = told.sum(axis=0)
        mean = np.where(told, rates, 0.0).sum(axis=0) / n
        variance = np.where(told, (rates - mean) ** 2, 0.0).sum(axis=0) / (n - 1)
        return np.where(n > 1, 1 / (variance * np.asarray(time) ** 2), np.nan)
