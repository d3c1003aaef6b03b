"""How far two groups of trajectories are apart in their kinetics, and how far two pieces of the same MD are.

The second is the *noise floor*: the MD is split at random into halves, many times; what the halves differ by, scaled
from their length to the lengths compared, is what a perfect model would differ by.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

from mdtok.errors import DataError
from mdtok.kinetics.estimators import count_matrix, fit_msm, timescales_of
from mdtok.kinetics.passages import Passages, dwell_times

METRICS = ("populations_jsd", "timescales_ps", "mfpt_ps", "dwell_ks", "ck_rmse")
RATIOS = ("timescales_ps", "mfpt_ps")
_MIN_DWELLS = 10
_MAX_ERROR = 1e-5  # of the MSMs of hundreds of halves: 0.2 % of a slow timescale, for a third of the time
_COARSEST = 10.0  # halves of the MD that typically differ by more than this factor leave nothing to judge
#: The most that may be allowed for a check to say anything: a factor of 3, and what such a factor does to two states of
#: odds 1 (a divergence in nats, a probability) and to exponential dwell times (a Kolmogorov-Smirnov distance).
COARSEST_ALLOWED = {
    "timescales_ps": np.log(3.0),
    "mfpt_ps": np.log(3.0),
    "populations_jsd": jensenshannon([1 / 2, 1 / 2], [3 / 4, 1 / 4]) ** 2,  # 0.034
    "ck_rmse": 1 / 4,
    "dwell_ks": 3**-0.5 - 3**-1.5,  # 0.385
}
#: Share of perfect models that pass one metric; six metrics together then let about 95 % of them pass.
LEVEL = 0.99


@dataclass
class Protocol:
    """What is estimated: the same for MD, for its halves and for every model.

    Attributes
    ----------
    macrostates : int array, shape (n_states,)
        Macrostate of each token.
    lagtimes : list of int
        Frames; timescales are compared at each of them.
    lagtime : int
        Frames; that of populations and of the Chapman-Kolmogorov steps.
    n_steps : int
        Chapman-Kolmogorov steps.
    n_timescales : int
    """

    macrostates: np.ndarray
    lagtimes: list
    lagtime: int
    n_steps: int
    n_timescales: int

    @property
    def n_states(self):
        return len(self.macrostates)

    @property
    def n_macrostates(self):
        return int(self.macrostates.max()) + 1

    @property
    def counted_lagtimes(self):
        """All lags that transitions are counted at."""
        return sorted({*self.lagtimes, self.lagtime})

    def every(self, stride):
        """The same protocol for trajectories that keep one frame in `stride`; lags that do not divide are left out."""
        if stride == 1:
            return self
        lagtimes = [lag // stride for lag in self.lagtimes if lag % stride == 0]
        if self.lagtime % stride:
            raise DataError(
                f"The lag time {self.lagtime} of the scorecard is no multiple of a model's lag of {stride} frames; "
                "choose one that is."
            )
        return Protocol(self.macrostates, lagtimes, self.lagtime // stride, self.n_steps, self.n_timescales)


@dataclass
class UnitCounts:
    """Everything countable in one trajectory, so that groups of trajectories are sums of it."""

    transitions: dict  # lag -> sparse (n_states, n_states)
    macro: np.ndarray  # (n_frames,)
    propagations: np.ndarray  # (n_steps, n_macrostates, n_macrostates)
    dwells: list  # frames, one array a macrostate

    @classmethod
    def of(cls, dtraj, protocol):
        macro = protocol.macrostates[dtraj]
        steps = [protocol.lagtime * k for k in range(1, protocol.n_steps + 1)]
        return cls(
            {lag: csr_array(_count(dtraj, lag, protocol.n_states)) for lag in protocol.counted_lagtimes},
            macro,
            np.array([_count(macro, step, protocol.n_macrostates) for step in steps]),
            dwell_times([macro], protocol.n_macrostates),
        )


def _count(dtraj, lagtime, n_states):
    return count_matrix([dtraj] if len(dtraj) > lagtime else [], lagtime, n_states)


@dataclass
class Kinetics:
    """Point estimates of a group of trajectories; times in frames."""

    populations: np.ndarray  # (n_macrostates,) stationary distribution of the MSM
    timescales: np.ndarray  # (n_lags, n_timescales), NaN where shorter than the lag
    mfpt_frames: np.ndarray  # (n_macrostates, n_macrostates)
    passage_events: np.ndarray  # (n_macrostates, n_macrostates)
    propagators: np.ndarray  # (n_steps, n_macrostates, n_macrostates)
    dwells: list


def estimate_kinetics(units, protocol):
    """Pool `UnitCounts` and estimate; a group that is too short for an MSM at some lag gets NaN there."""
    msms = {
        lag: _fit_or_none(sum(unit.transitions[lag] for unit in units).toarray(), lag)
        for lag in protocol.counted_lagtimes
    }
    timescales = np.full((len(protocol.lagtimes), protocol.n_timescales), np.nan)
    for row, lagtime in zip(timescales, protocol.lagtimes):
        msm = msms[lagtime]
        if msm is not None:
            row[:] = timescales_of(msm.transition_matrix, lagtime, protocol.n_timescales, msm.stationary_distribution)
            row[row < lagtime] = np.nan  # faster than the lag: nothing is known of it
    populations = np.zeros(protocol.n_macrostates)
    msm = msms[protocol.lagtime]
    if msm is not None:
        np.add.at(populations, protocol.macrostates[msm.count_model.state_symbols], msm.stationary_distribution)
    propagations = sum(unit.propagations for unit in units)
    visits = propagations.sum(axis=2, keepdims=True)
    propagators = np.divide(propagations, visits, out=np.full(propagations.shape, np.nan), where=visits > 0)
    dwells = [np.concatenate(of_state) for of_state in zip(*(unit.dwells for unit in units))]
    passages = Passages([unit.macro for unit in units], protocol.n_macrostates)
    return Kinetics(populations, timescales, passages.mfpt_frames(), passages.events, propagators, dwells)


def _fit_or_none(counts, lagtime):
    try:
        return fit_msm(counts, lagtime, _MAX_ERROR)
    except DataError:
        return None


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
            "populations_jsd": np.array([_divergence(kinetics.populations, reference.populations)]),
            "timescales_ps": np.log(kinetics.timescales / reference.timescales),
            "mfpt_ps": np.log(mfpt / reference_mfpt),
            "dwell_ks": np.array([_ks(a, b) for a, b in zip(kinetics.dwells, reference.dwells)]),
            "ck_rmse": np.array([np.sqrt(np.nanmean(squares)) if both.any() else np.nan]),
        }


def _divergence(p, q):
    return jensenshannon(p, q) ** 2 if p.sum() > 0 and q.sum() > 0 else np.nan


def _ks(a, b):
    return ks_2samp(a, b, method="asymp").statistic if min(len(a), len(b)) >= _MIN_DWELLS else np.nan


@dataclass
class NoiseFloor:
    """Differences between random halves of the same MD.

    Attributes
    ----------
    n_frames : int
        All frames of the MD.
    differences : dict of str -> ndarray, shape (n_splits, ...)
        What `compare` gives for each split.
    """

    n_frames: int
    differences: dict

    @classmethod
    def from_halves(cls, units, protocol, n_frames, n_splits, seed):
        """Split `units` (UnitCounts, `n_frames` in all) at random into halves, `n_splits` times."""
        rng = np.random.default_rng(seed)
        splits = []
        for _ in range(n_splits):
            order = rng.permutation(len(units))
            half = len(units) // 2
            groups = [[units[i] for i in order[:half]], [units[i] for i in order[half:]]]
            splits.append(compare(*(estimate_kinetics(group, protocol) for group in groups)))
        return cls(n_frames, {metric: np.array([split[metric] for split in splits]) for metric in METRICS})

    def scaled(self, *compared):
        """The floor of comparing pieces of other lengths: frames of training MD, of test MD and of the model's
        rollouts."""
        scale = np.sqrt(
            sum(1 / n for n in compared) / (4 / self.n_frames)
        )  # two halves differ with variance 4/n_frames
        powers = {"populations_jsd": 2}  # a divergence goes with the square of the difference
        return NoiseFloor(self.n_frames, {m: d * scale ** powers.get(m, 1) for m, d in self.differences.items()})

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
        halves = np.abs(self.differences[metric][:, testable])  # (n_splits, n_items)
        told = np.isfinite(halves)
        halves = np.where(told, halves, 0.0)
        spread = np.maximum(np.sqrt((halves**2).sum(axis=0) / told.sum(axis=0)), 1e-12)
        critical = np.quantile((halves / spread).max(axis=1), LEVEL)
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


@dataclass
class Judgement:
    """Whether a difference is within the noise (None: the MD cannot tell), its worst item, what was allowed there, and
    which items were tested: those of which no more than ×3 was allowed."""

    within: bool | None
    worst_item: tuple | None
    allowed: float | None
    tested: np.ndarray
