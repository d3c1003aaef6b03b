"""A number with its interval: what every estimator gives, how it is written and how it is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import chi2

MISSING = "–"  # in the place of a number that is not known
PARTS = ("value", "low", "high")
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
    def from_samples(
        cls, value: float | np.ndarray, samples: np.ndarray | list[np.ndarray], confidence: float = _CONFIDENCE
    ) -> Estimate:
        """Percentile interval of `samples` (first axis) around `value`; NaN samples do not count."""
        tail = 100 * (1 - confidence) / 2
        samples = np.asarray(samples, dtype=float)
        seen = np.isfinite(samples).any(axis=0)
        with np.errstate(invalid="ignore"):
            low, high = np.nanpercentile(np.where(seen, samples, 0.0), [tail, 100 - tail], axis=0)
        return cls(np.asarray(value, dtype=float), np.where(seen, low, np.nan), np.where(seen, high, np.nan))

    @classmethod
    def of(cls, figure: Estimate | dict) -> Estimate:
        """An estimate as it is, or from its dict ``{"value": …, "low": …, "high": …}``, in which null is NaN.

        Examples
        --------
        >>> f"{Estimate.of({'value': 2.0, 'low': 1.5, 'high': None}):.1f}"
        '2.0 [1.5, ∞]'
        """
        return figure if isinstance(figure, cls) else cls(*(np.asarray(figure[part], dtype=float) for part in PARTS))

    @property
    def first(self) -> Estimate:
        """The first number of an array, or the number."""
        return Estimate(*(np.ravel(part)[0] for part in (self.value, self.low, self.high)))

    def __getitem__(self, index: Any) -> Estimate:
        return Estimate(self.value[index], self.low[index], self.high[index])

    def texts(self, spec: str | Callable = "") -> tuple[str, str]:
        """A number and its interval as texts; every interval that mdtok prints is written here.

        Parameters
        ----------
        spec : str or callable
            Format of a number, or a function from a number to its text.

        Returns
        -------
        value : str
            "–" where there is none.
        interval : str
            In brackets; empty where no lower end is known, and open to ∞ where no upper one is.

        Examples
        --------
        >>> Estimate(2.0, 1.5, np.inf).texts(".1f"), Estimate(2.0, np.nan, np.nan).texts(".1f")
        (('2.0', '[1.5, ∞]'), ('2.0', ''))
        """
        value, low, high = (float(part) for part in (self.value, self.low, self.high))
        show = spec if callable(spec) else lambda number: format(number, spec)
        if not np.isfinite(value):
            return MISSING, ""
        interval = f"[{show(low)}, {show(high) if np.isfinite(high) else '∞'}]" if np.isfinite(low) else ""
        return show(value), interval

    def __format__(self, spec):
        return " ".join(filter(None, self.texts(spec)))

    def __mul__(self, factor):
        return Estimate(self.value * factor, self.low * factor, self.high * factor)

    def to_dict(self) -> dict:
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
