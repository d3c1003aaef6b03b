"""A number with its interval: what every estimator gives, how it is written and how it is shown."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

_CONFIDENCE = 0.95


@dataclass
class Estimate:
    """A number (or an array of them) with its interval, all of one shape.

    Examples
    --------
    >>> f"{Estimate(np.array([2.0, 3.0]), np.array([1.5, 2.0]), np.array([2.5, 4.0]))[1]:.1f}"
    '3.0 [2.0, 4.0]'
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def from_samples(cls, value, samples, confidence=_CONFIDENCE):
        """Percentile interval of `samples` (first axis) around `value`; NaN samples do not count."""
        tail = 100 * (1 - confidence) / 2
        samples = np.asarray(samples, dtype=float)
        seen = np.isfinite(samples).any(axis=0)
        with np.errstate(invalid="ignore"):
            low, high = np.nanpercentile(np.where(seen, samples, 0.0), [tail, 100 - tail], axis=0)
        return cls(np.asarray(value, dtype=float), np.where(seen, low, np.nan), np.where(seen, high, np.nan))

    def __getitem__(self, index):
        return Estimate(self.value[index], self.low[index], self.high[index])

    def __format__(self, spec):
        return f"{float(self.value):{spec}} [{float(self.low):{spec}}, {float(self.high):{spec}}]"

    def __mul__(self, factor):
        return Estimate(self.value * factor, self.low * factor, self.high * factor)

    def to_dict(self):
        """``{"value": …, "low": …, "high": …}`` as the scorecard writes it."""
        return {"value": self.value, "low": self.low, "high": self.high}


def as_plain(value):
    """A value, or a dict of values, for JSON: estimates, and all that has a ``to_dict``, as dicts.

    Examples
    --------
    >>> as_plain({"n": 3, "share": Estimate(0.5, 0.4, 0.6)})
    {'n': 3, 'share': {'value': 0.5, 'low': 0.4, 'high': 0.6}}
    """
    if isinstance(value, dict):
        return {key: as_plain(one) for key, one in value.items()}
    return value.to_dict() if hasattr(value, "to_dict") else value


def poisson_interval(count, confidence=_CONFIDENCE):
    """Exact interval of the mean of Poisson variables that were `count` once (Garwood, Biometrika 28, 437 (1936)).

    Examples
    --------
    >>> [round(float(limit), 2) for limit in poisson_interval(3)]
    [0.62, 8.77]
    """
    tail, count = (1 - confidence) / 2, np.asarray(count, dtype=float)
    low = np.where(count > 0, chi2.ppf(tail, 2 * np.maximum(count, 1)) / 2, 0.0)
    return low, chi2.isf(tail, 2 * count + 2) / 2
