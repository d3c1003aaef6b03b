"""Intervals of timescales and populations, from resampled trajectories.

Whole trajectories (or time blocks of a few long ones) are drawn with replacement, and an MSM is fitted to each draw.
That holds where tokens are not Markovian too, for which the posterior of an MSM at a short lag is far too sure: each
recrossing counts as news there.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm

from mdtok.kinetics.estimation.bootstrap import bootstrap_weights, few_units_factor, widened
from mdtok.kinetics.estimation.cores import map_on_cores
from mdtok.kinetics.estimation.counts import Counts
from mdtok.kinetics.estimation.estimate import Estimate
from mdtok.kinetics.scoring.comparison import estimate_relaxation

_CONFIDENCE = 0.95
_N_DRAWS = 200


@dataclass
class Resamples:
    """Rates of the slow processes, and populations, in resamples of some units.

    Attributes
    ----------
    counts : Counts
        Of the units.
    rates : ndarray, shape (n_samples, n_lags, n_timescales)
        Inverse timescales, per frame; 0 where a process is not resolved.
    populations : ndarray, shape (n_samples, n_macrostates)
        NaN where they cannot be estimated.
    """

    counts: Counts
    rates: np.ndarray
    populations: np.ndarray


def resample_kinetics(counts, ground, n_samples, seed=0) -> Resamples:
    """Draw the units of `counts` with replacement, and estimate rates and populations from each draw."""
    draws = bootstrap_weights(counts.n_units, n_samples, seed)
    estimates = map_on_cores(
        lambda weights: estimate_relaxation(counts, ground, weights), draws, counts.takes_long(n_samples)
    )
    timescales, populations = (np.array(each) for each in zip(*estimates))
    return Resamples(counts, np.nan_to_num(1 / timescales), populations)


def population_intervals(populations, samples, n_units=None):
    """Populations with their 95 % intervals, from resamples: normal in the log-odds, so that they stay in 0 to 1.

    A state that a resample cannot tell, or hardly sees, counts with a twentieth of its population there.
    """
    least = np.where(populations > 0, populations / 20, 0.5)
    told = np.clip(np.where(np.isfinite(samples), samples, least), least, 1 - 1e-9)
    middle, spread = logit(np.clip(populations, 1e-12, 1 - 1e-12)), logit(told).std(axis=0, ddof=1)
    reach = norm.isf((1 - _CONFIDENCE) / 2) * spread * (1.0 if n_units is None else few_units_factor(n_units))
    known = np.isfinite(populations) & (populations > 0)
    return Estimate(
        np.where(known, populations, np.nan),
        np.where(known, expit(middle - reach), np.nan),
        np.where(known, expit(middle + reach), np.nan),
    )


def propagator_intervals(counts, propagators, seed=0):
    """95 % intervals of counted propagators, shape (n_steps, n_macrostates, n_macrostates)."""
    drawn = np.tensordot(bootstrap_weights(counts.n_units, _N_DRAWS, seed), counts.propagations, axes=1)
    visits = drawn.sum(axis=-1, keepdims=True)
    samples = np.divide(drawn, visits, out=np.full(drawn.shape, np.nan), where=visits > 0)
    found = widened(Estimate.from_samples(propagators, samples), counts.n_units)
    return Estimate(propagators, np.maximum(found.low, 0.0), np.minimum(found.high, 1.0))


def survival_functions(counts, units, frame_ps, seed=0):
    """Survival of the dwells in each macrostate at logarithmic times, with 95 % intervals: what a figure needs.

    Parameters
    ----------
    counts : Counts
        Of whole trajectories.
    units : Counts
        Of what is resampled.
    frame_ps : float
    seed : int

    Returns
    -------
    list of dict
        ``time_ps``, ``survival``, ``low``, ``high``, ``n_dwells`` and ``mean_ps``, one a macrostate.
    """
    weights = bootstrap_weights(units.n_units, _N_DRAWS, seed)
    return [_survival(*dwells, *of_units, weights, frame_ps) for dwells, of_units in zip(counts.dwells, units.dwells)]


def _survival(lengths, counted, unit_lengths, of_units, weights, frame_ps, n_points=60):
    counted = counted.sum(axis=0)
    n_dwells = int(counted.sum())
    if not n_dwells:
        return {"time_ps": [], "survival": [], "low": [], "high": [], "n_dwells": 0}
    times = np.unique(np.geomspace(lengths.min(), lengths.max(), n_points))
    survival = _share_lasting(lengths, counted[None], times)[0]
    samples = _share_lasting(unit_lengths, weights @ of_units, times)
    found = widened(Estimate.from_samples(survival, samples), len(weights[0]))
    ends = {"low": np.maximum(found.low, 0.0), "high": np.minimum(found.high, 1.0)}
    mean_ps = lengths @ counted / n_dwells * frame_ps
    return {"time_ps": times * frame_ps, "survival": survival, **ends, "n_dwells": n_dwells, "mean_ps": mean_ps}


def _share_lasting(lengths, counted, times):
    """Share of the dwells that last at least so long, shape (n_draws, n_times); NaN in draws without any."""
    n_draws = len(counted)
    shorter = np.concatenate([np.zeros((n_draws, 1)), np.cumsum(counted, axis=1)], axis=1)
    total = shorter[:, -1:]
    shares = np.divide(shorter, total, out=np.full(shorter.shape, np.nan), where=total > 0)
    return 1 - shares[:, np.searchsorted(lengths, times, side="left")]
