"""How well the start of a trajectory can be told at all from what comes later: the Bayes limit, from the exact
propagator.

Trajectories start uniformly in squares around minima, equally often in each, and the class is the square. The process
is Markovian, so of a slice of a trajectory only the first frame says anything about the start, and the best answer is
the class with the largest density there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mdtok.errors import DataError

if TYPE_CHECKING:
    from mdtok.kinetics.oracle import Oracle


class BayesClassifier:
    """The best classifier of slices, and how good it is.

    Parameters
    ----------
    oracle : Oracle
    centres : array, shape (n_classes, 2), in nm
    square_nm : float
        Side of the squares.

    Examples
    --------
    >>> from mdtok.kinetics.oracle import Oracle
    >>> two_wells = Oracle(lambda p: 8 * (p[:, 0]**2 - 1)**2 + 20 * p[:, 1]**2, 1e-3, 300.0, ((-2, 2), (-1, 1)), 0.1)
    >>> best = BayesClassifier(two_wells, [[-1, 0], [1, 0]], 0.5)
    >>> bool(best.accuracy(1.0) > 0.999 > 0.51 > best.accuracy(1e6))
    True
    """

    def __init__(self, oracle: Oracle, centres: np.ndarray | Sequence[np.ndarray], square_nm: float) -> None:
        self.oracle = oracle
        self.centres = np.asarray(centres, dtype=float)
        if self.centres.ndim != 2 or len(self.centres) < 2:
            raise DataError(
                f"The centres have shape {self.centres.shape}; (n_classes, 2) with two classes at least was expected."
            )
        self._starts = np.stack([oracle.uniform_square(centre, square_nm) for centre in self.centres], axis=1)

    def distributions(self, time_ps: float) -> np.ndarray:
        """Distribution over cells a time after the start, one column a class."""
        return np.maximum(self.oracle.propagate(self._starts, time_ps), 0.0)

    def accuracy(self, time_ps: float) -> float:
        """Exact accuracy of the best classifier of slices whose first frame is at a time."""
        return float(self.distributions(time_ps).max(axis=1).sum() / len(self.centres))

    def predict_proba(self, points: np.ndarray, time_ps: float) -> np.ndarray:
        """Probability of every class for first frames (n, 2) at a time, shape (n, n_classes)."""
        # smoothed over neighbouring cells by interpolation; where nothing ever comes, all classes are alike
        densities = np.maximum(self.oracle.interpolate(self.distributions(time_ps), points), 1e-300)
        return densities / densities.sum(axis=1, keepdims=True)

    def crossing_fraction(self, label: int, target: np.ndarray, time_ps: float) -> float:
        """Probability that trajectories of one class reach a target (mask over cells) within a time."""
        return self.oracle.crossing_probability(self._starts[:, label], target, time_ps)
