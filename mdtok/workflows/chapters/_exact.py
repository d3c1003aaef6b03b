"""What the chapters on analytic potentials share: minima, the regions around them, what is exact of the tokens."""

import numpy as np
from sklearn.metrics import pairwise_distances_argmin

from mdtok.kinetics.bayes_limits import BayesClassifier
from mdtok.workflows.judged import JudgedRun

ORACLE = "oracle (Bayes-optimal)"
REACHED_NM = 0.2  # of a minimum: nearer is there


def minima_of(judged: JudgedRun) -> dict[str, np.ndarray]:
    """The two deepest minima by name, deepest first: where trajectories start, and their classes."""
    return judged.system.deepest_starts()


def regions_of(judged: JudgedRun) -> list[np.ndarray]:
    """Cells of the oracle around each of the minima, as boolean masks."""
    return [judged.oracle.within(point, REACHED_NM) for point in minima_of(judged).values()]


def classifier_of(judged: JudgedRun) -> BayesClassifier:
    """The best classifier of slices by the minimum that they come from."""
    return BayesClassifier(judged.oracle, list(minima_of(judged).values()), judged.system.start_square_nm)


def exact_populations(judged: JudgedRun) -> np.ndarray:
    """Equilibrium populations of the basins of the tokens, shape (n_macrostates,)."""
    tokenizer = judged.tokenizer

    def basin_of(points):
        return tokenizer.macrostates_[pairwise_distances_argmin(points, tokenizer.cluster_centers_)]

    shares = judged.oracle.shares(basin_of, int(tokenizer.macrostates_.max()) + 1)
    return judged.oracle.stationary_distribution @ shares


def relaxation_times(judged: JudgedRun) -> np.ndarray:
    """The three slowest relaxation times, in ps."""
    return judged.oracle.relaxation_times(3)
