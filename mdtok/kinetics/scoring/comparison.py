"""How far two groups of trajectories are apart in their kinetics, and how far two pieces of the same MD are.

The second is the *noise floor*: the MD is split at random into halves, many times; what the halves differ by, scaled
from their length to the lengths compared, is what a perfect model would differ by.
"""

from dataclasses import dataclass

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
#: Share of perfect models that pass one metric; the metrics are alike enough for some 95 % to pass all of them.
LEVEL = 0.97


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


def compare_halves(counts, ground, halves):
    """Differences between some units and all others, for each of several choices of units.

    Parameters
    ----------
    counts : Counts
    ground : Ground
    halves : list of bool arrays, shape (n_units,)

    Returns
    -------
    dict of str -> ndarray, shape (n_splits, ...)
        What `compare` gives for each.
    """

    def difference(half):
        return compare(*(estimate_kinetics(counts, ground, units) for units in (half, ~half)))

    splits = map_on_cores(difference, halves, counts.takes_long(2 * len(halves)))
    return {metric: np.array([split[metric] for split in splits]) for metric in METRICS}


@dataclass
class NoiseFloor:
    """Differences between random halves of the same MD.

    Attributes
    ----------
    n_frames : int
        All frames of the MD.
    differences : dict of str -> ndarray, shape (n_splits, ...)
        What `compare` gives for each split.
    n_units : int
        Trajectories (or blocks) that the halves are made of.
    """

    n_frames: int
    differences: dict
    n_units: int

    @classmethod
    def from_halves(cls, counts, ground, n_splits, seed):
        """Split the units of `counts` at random into halves, `n_splits` times."""
        rng, numbers = np.random.default_rng(seed), np.arange(counts.n_units)
        halves = [np.isin(numbers, rng.permutation(numbers)[: counts.n_units // 2]) for _ in range(n_splits)]
        return cls(counts.n_frames, compare_halves(counts, ground, halves), counts.n_units)

    def scaled(self, *compared):
        """The floor of comparing pieces of other lengths: frames of training MD, of test MD and of the model's
        rollouts."""
        scale = np.sqrt(
            sum(1 / n for n in compared) / (4 / self.n_frames)
        )  # two halves differ with variance 4/n_frames
        powers = {"populations_jsd": 2}  # a divergence goes with the square of the difference
        scaled = {m: d * scale ** powers.get(m, 1) for m, d in self.differences.items()}
        return NoiseFloor(self.n_frames, scaled, self.n_units)

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
        halves = np.abs(self.differences[metric][:, testable])  # (n_splits, n_items)
        told = np.isfinite(halves)
        halves = np.where(told, halves, 0.0)
        spread = np.maximum(np.sqrt((halves**2).sum(axis=0) / told.sum(axis=0)), 1e-12)
        return spread, few_units_factor(self.n_units, LEVEL) * upper_quantile((halves / spread).max(axis=1), LEVEL)

    def judge(self, metric, difference):
        """Hold a difference against the floor, all items of a metric at once (family-wise error ``1 - LEVEL``).

        Each item is divided by its own spread between halves; the largest of them is compared with the `LEVEL` quantile
        of the largest between halves.

        Returns
        -------
        Judgement
        """
        testable = self._testable(metric) & ~np.isnan(difference)
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
