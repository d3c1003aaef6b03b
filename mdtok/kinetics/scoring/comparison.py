"""How far two groups of trajectories are apart in their kinetics, and how far two pieces of the same MD are.

The second is the *noise floor*: the MD is split at random into halves, many times; what the halves differ by, scaled
from their length to the lengths compared, is what a perfect model would differ by.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.spatial.distance import jensenshannon
from scipy.stats import gamma

from mdtok.kinetics.estimation.bootstrap import few_units_factor
from mdtok.kinetics.estimation.cores import map_on_cores
from mdtok.kinetics.estimation.counts import fit_or_none

METRICS = ("populations_jsd", "timescales_ps", "mfpt_ps", "dwell_ks", "ck_rmse")
RATIOS = ("timescales_ps", "mfpt_ps")
_MIN_DWELLS = 10
_COARSEST = 10.0  # halves of the MD that typically differ by more than this factor leave nothing to judge
#: The most that may be allowed for a check to say anything: a factor of 2, and what such a factor does to two states of
#: odds 1 (a divergence in nats, a probability) and to exponential dwell times (a Kolmogorov-Smirnov distance).
COARSEST_FACTOR = 2.0
COARSEST_ALLOWED = {
    "timescales_ps": np.log(COARSEST_FACTOR),
    "mfpt_ps": np.log(COARSEST_FACTOR),
    "populations_jsd": jensenshannon([1 / 2, 1 / 2], [2 / 3, 1 / 3]) ** 2,  # 0.0144
    "ck_rmse": 1 / 6,
    "dwell_ks": 1 / 4,
}
#: Share of perfect models that pass one metric, where it is judged by itself.
LEVEL = 0.97
#: Share of perfect models that pass all metrics. How much alike these are is seen in the halves of the MD. What is
#: allowed for few trajectories makes it some 95 % in truth (benchmarks/calibrate.py).
LEVEL_OF_ALL = 0.92


@dataclass
class Kinetics:
    """Point estimates of a group of trajectories; times in frames, NaN where they cannot be estimated."""

    populations: np.ndarray  # (n_macrostates,) stationary distribution of the MSM
    timescales: np.ndarray  # (n_lags, n_timescales) of the processes of all MD
    mfpt_frames: np.ndarray  # (n_macrostates, n_macrostates)
    propagators: np.ndarray  # (n_steps, n_macrostates, n_macrostates)
    dwells: list  # for each macrostate, lengths in frames and how many there are


def estimate_kinetics(counts, ground, weights=None):
    """Estimate the kinetics of some units of `Counts`, or of all.

    Parameters
    ----------
    counts : Counts
    ground : Ground
        Of all MD: where the estimates start, and which process is which.
    weights : array, shape (n_units,), optional
        How often each unit counts.

    Returns
    -------
    Kinetics
    """
    weights = counts.everything if weights is None else np.asarray(weights, dtype=float)
    timescales, populations = estimate_relaxation(counts, ground, weights)
    propagations = np.tensordot(weights, counts.propagations, axes=1)
    n_visits = propagations.sum(axis=2, keepdims=True)
    return Kinetics(
        populations,
        timescales,
        counts.passages.mfpt_frames(weights),
        np.divide(propagations, n_visits, out=np.full(propagations.shape, np.nan), where=n_visits > 0),
        [(lengths, weights @ counted) for lengths, counted in counts.dwells],
    )


def estimate_relaxation(counts, ground, weights):
    """What the MSMs of weighted units say: timescales at every lag, and equilibrium populations.

    Returns
    -------
    timescales : ndarray, shape (n_lags, n_timescales)
        Of the processes of all MD, in frames; NaN where they are not resolved.
    populations : ndarray, shape (n_macrostates,)
        NaN where a macrostate was visited and is not connected: how much of the equilibrium a state holds that is never
        left, or never entered, cannot be estimated.
    """
    protocol = counts.protocol
    fits = {
        lag: fit_or_none(counts.transition_counts(lag, weights), ground.fits.get(lag))
        for lag in protocol.counted_lagtimes
    }
    timescales = [ground.timescales_frames(fits[lag], lag, protocol.n_timescales) for lag in protocol.lagtimes]
    populations, fit = np.zeros(protocol.n_macrostates), fits[protocol.lagtime]
    if fit is not None:
        np.add.at(populations, protocol.macrostates[fit.states], fit.distribution)
    populations = np.where((populations == 0) & (weights @ counts.visits > 0), np.nan, populations)
    return np.array(timescales).reshape(len(protocol.lagtimes), protocol.n_timescales), populations


def compare(kinetics, reference):
    """Differences of `kinetics` from `reference`, one entry a metric of `METRICS`.

    Returns
    -------
    dict of str -> ndarray
        ``timescales_ps`` (n_lags, n_timescales) and ``mfpt_ps`` (n_macrostates, n_macrostates) are natural logarithms
        of ratios; ``dwell_ks`` (n_macrostates,) are Kolmogorov-Smirnov distances; ``populations_jsd`` (Jensen-Shannon
        divergence in nats) and ``ck_rmse`` have shape (1,). NaN where the reference does not tell.
    """
    reference_mfpt, mfpt = reference.mfpt_frames.copy(), kinetics.mfpt_frames.copy()
    for times in (reference_mfpt, mfpt):
        np.fill_diagonal(times, np.nan)
    reference_mfpt[np.isinf(reference_mfpt)] = np.nan
    with np.errstate(invalid="ignore"):
        both = np.isfinite(kinetics.propagators) & np.isfinite(reference.propagators)
        squares = np.where(both, (kinetics.propagators - reference.propagators) ** 2, np.nan)
        return {
            "populations_jsd": np.array([divergence(kinetics.populations, reference.populations)]),
            "timescales_ps": np.log(kinetics.timescales / reference.timescales),
            "mfpt_ps": np.log(mfpt / reference_mfpt),
            "dwell_ks": np.array([_ks(*a, *b) for a, b in zip(kinetics.dwells, reference.dwells)]),
            "ck_rmse": np.array([np.sqrt(np.nanmean(squares)) if both.any() else np.nan]),
        }


def divergence(p, q):
    """Jensen-Shannon divergence in nats; NaN where the reference cannot tell a state's population."""
    p = np.nan_to_num(p)
    return jensenshannon(p, q) ** 2 if p.sum() > 0 and q.sum() > 0 else np.nan


def _ks(lengths, counted, other_lengths, other_counted):
    """Kolmogorov-Smirnov distance of two sets of dwells, each given as lengths and how many there are of each."""
    if min(counted.sum(), other_counted.sum()) < _MIN_DWELLS:
        return np.nan
    at = np.union1d(lengths, other_lengths)
    ours, theirs = (
        np.append(0.0, np.cumsum(of))[np.searchsorted(by, at, side="right")] / of.sum()
        for by, of in ((lengths, counted), (other_lengths, other_counted))
    )
    return np.abs(ours - theirs).max()


def compare_all(pairs):
    """Differences of pairs of `Kinetics`: what `compare` gives for each, shape (n_pairs, ...) a metric."""
    differences = [compare(*pair) for pair in pairs]
    return {metric: np.array([one[metric] for one in differences]) for metric in METRICS}


def estimate_halves(counts, ground, halves):
    """Kinetics of some units and of all others, for each of several choices of units.

    Parameters
    ----------
    counts : Counts
    ground : Ground
    halves : list of bool arrays, shape (n_units,)

    Returns
    -------
    list of (Kinetics, Kinetics)
    """
    return map_on_cores(
        lambda half: tuple(estimate_kinetics(counts, ground, units) for units in (half, ~half)),
        halves,
        counts.takes_long(2 * len(halves)),
    )


def with_stays_of(kinetics, counts, weights=None):
    """The same kinetics, with the dwells and first passages of other counts of the same units."""
    weights = counts.everything if weights is None else np.asarray(weights, dtype=float)
    dwells = [(lengths, weights @ counted) for lengths, counted in counts.dwells]
    return replace(kinetics, mfpt_frames=counts.passages.mfpt_frames(weights), dwells=dwells)


@dataclass
class NoiseFloor:
    """Differences between pieces of the same MD.

    Attributes
    ----------
    variance : float
        Of a difference between two such pieces, per frame: the sum of their inverse lengths, less what they share.
    differences : dict of str -> ndarray, shape (n_splits, ...)
        What `compare` gives for each two.
    n_units : int
        Trajectories (or blocks) that the pieces are made of.
    of_shape : bool
        Whether the pieces are as long as what is judged: what some of them never see it need not see either.
    """

    variance: float
    differences: dict
    n_units: int
    of_shape: bool = False

    def scaled(self, *compared):
        """The floor of comparing pieces of other lengths: frames of training MD, of test MD and of the model's
        rollouts."""
        scale = np.sqrt(sum(1 / n for n in compared) / self.variance)
        powers = {"populations_jsd": 2}  # a divergence goes with the square of the difference
        scaled = {m: d * scale ** powers.get(m, 1) for m, d in self.differences.items()}
        return NoiseFloor(sum(1 / n for n in compared), scaled, self.n_units, self.of_shape)

    def summary(self, metric):
        """Median and `LEVEL` quantile of the largest difference in a split, factors for ratios; NaN if MD cannot
        tell."""
        sizes = np.abs(self.differences[metric]).reshape(len(self.differences[metric]), -1)
        sizes = np.where(np.isfinite(sizes) & self._testable(metric).ravel(), sizes, 0.0).max(axis=1, initial=0.0)
        if not self._testable(metric).any():
            return {"value": np.nan, "high": np.nan}
        sizes = np.exp(sizes) if metric in RATIOS else sizes
        return {"value": float(np.median(sizes)), "high": float(np.quantile(sizes, LEVEL))}

    def _testable(self, metric):
        """Items that both halves tell of in at least nine splits of ten, and ratios that they tell to a factor of
        ten."""
        differences = self.differences[metric]
        told = np.isfinite(differences)
        testable = told.mean(axis=0) >= 0.9
        if metric in RATIOS:
            squares = np.where(told, differences, 0.0) ** 2
            testable &= np.sqrt(squares.sum(axis=0) / np.maximum(told.sum(axis=0), 1)) <= np.log(_COARSEST)
        return testable

    def allowed(self, metric):
        """What is allowed for each item of a metric, whether that is little enough to tell or not; NaN where halves do
        not tell."""
        testable = self._testable(metric)
        allowed = np.full(testable.shape, np.nan)
        if testable.any():
            spread, critical = self._critical(metric, testable)
            allowed[testable] = critical * spread
        return allowed

    def _critical(self, metric, testable):
        """Spread of each item between halves, and how many of them the largest one of a perfect model stays within."""
        spread, largest = self._largest(metric, testable)
        critical = upper_quantile(largest, LEVEL) * self._together
        return spread, few_units_factor(self.n_units, LEVEL) * critical

    def _largest(self, metric, testable):
        """Spread of each item between halves, and the largest item of each split in units of it."""
        halves = np.abs(self.differences[metric][:, testable])  # (n_splits, n_items)
        told = np.isfinite(halves)
        halves = np.where(told, halves, 0.0)
        spread = np.maximum(np.sqrt((halves**2).sum(axis=0) / told.sum(axis=0)), 1e-12)
        return spread, (halves / spread).max(axis=1)

    @cached_property
    def _together(self):
        """By what factor the limits of single metrics are changed, so that all hold at once for `LEVEL_OF_ALL`."""
        sizes = []
        for metric in METRICS:
            testable = self._testable(metric)
            if testable.any():
                _, largest = self._largest(metric, testable)
                sizes.append(largest / max(upper_quantile(largest, LEVEL), 1e-12))
        return upper_quantile(np.max(sizes, axis=0), LEVEL_OF_ALL)

    def judge(self, metric, difference):
        """Hold a difference against the floor, all items of a metric at once.

        Each item is divided by its own spread between halves; the largest of them is compared with the largest between
        halves, at a level at which all metrics together refuse a perfect model once in ``1 / (1 - LEVEL_OF_ALL)``.

        Returns
        -------
        Judgement
        """
        testable = self._testable(metric) & ~np.isnan(difference)
        if self.of_shape:
            testable &= np.isfinite(difference) | np.isfinite(self.differences[metric]).all(axis=0)
        if not testable.any():
            return Judgement(None, None, None, np.zeros(np.shape(difference), dtype=bool))
        spread, critical = self._critical(metric, testable)
        size = np.abs(difference[testable])
        off, told = size > critical * spread, critical * spread <= COARSEST_ALLOWED[metric]
        items = np.zeros(np.shape(difference), dtype=bool)
        items[testable] = told
        if not (off | told).any():
            return Judgement(None, None, None, items)
        # of those that are off, the one a reader minds most; else the one nearest to being off
        worst = int(np.argmax(np.where(off, size, -1.0) if off.any() else np.where(told, size / spread, -1.0)))
        item = tuple(int(i) for i in np.argwhere(testable)[worst])
        return Judgement(not off.any(), item, float(critical * spread[worst]), items)


def upper_quantile(sizes, level):
    """A far quantile of positive numbers, by the gamma distribution of their mean and spread.

    Of a hundred numbers the 99th percentile is hardly more than the largest, and as uncertain.

    Examples
    --------
    >>> sizes = np.abs(np.random.default_rng(0).normal(size=(100_000, 5))).max(axis=1)
    >>> round(upper_quantile(sizes, 0.99), 1), round(float(np.quantile(sizes, 0.99)), 1)
    (3.1, 3.1)
    """
    mean, variance = float(np.mean(sizes)), float(np.var(sizes))
    return mean if variance <= 0 else float(gamma.ppf(level, mean**2 / variance, scale=variance / mean))


@dataclass
class Judgement:
    """Whether a difference is within the noise (None: the MD cannot tell), its worst item, what was allowed there, and
    which items were tested: those of which no more than ×2 was allowed."""

    within: bool | None
    worst_item: tuple | None
    allowed: float | None
    tested: np.ndarray
