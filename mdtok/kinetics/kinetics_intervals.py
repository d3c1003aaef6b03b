"""Intervals of timescales and populations, from resampled trajectories.

Whole trajectories (or time blocks of a few long ones) are drawn with replacement, and an MSM is fitted to each draw. That
holds where tokens are not Markovian too, for which the posterior of an MSM at a short lag is far too sure: each
recrossing counts as news there.
"""

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm

from mdtok.kinetics.bootstrap import bootstrap_weights, few_units_factor
from mdtok.kinetics.comparison import macro_populations
from mdtok.kinetics.cores import map_on_cores
from mdtok.kinetics.counts import fit_or_none
from mdtok.kinetics.estimate import Estimate

_CONFIDENCE = 0.95


def resample_kinetics(counts, ground, n_samples, seed=0):
    """Rates of the slow processes, and populations, in resamples of the units of `counts`.

    Parameters
    ----------
    counts : Counts
    ground : Ground
    n_samples : int
    seed : int

    Returns
    -------
    rates : ndarray, shape (n_samples, n_lags, n_timescales)
        Inverse timescales, per frame; 0 where a process is not resolved.
    populations : ndarray, shape (n_samples, n_macrostates)
        NaN where they cannot be estimated.
    """
    protocol = counts.protocol

    def estimate(weights):
        fits = {
            lag: fit_or_none(counts.transition_counts(lag, weights), ground.fits.get(lag))
            for lag in protocol.counted_lagtimes
        }
        timescales = [ground.timescales_frames(fits[lag], lag, protocol.n_timescales) for lag in protocol.lagtimes]
        return timescales, macro_populations(fits[protocol.lagtime], protocol, weights @ counts.visits)

    draws = bootstrap_weights(counts.n_units, n_samples, seed)
    timescales, populations = zip(*map_on_cores(estimate, draws, counts.takes_long(n_samples)))
    timescales = np.array(timescales).reshape(n_samples, len(protocol.lagtimes), protocol.n_timescales)
    return np.nan_to_num(1 / timescales), np.array(populations)


def population_intervals(populations, samples, n_units=None):
    """Populations with their 95 % intervals, from resamples: normal in the log-odds, so that they stay in 0 to 1.

    A state that a resample cannot tell has the odds that it has in the most extreme one that can.
    """
    told = np.where(np.isfinite(samples), samples, np.nan)
    least = np.where(populations > 0, populations / 20, 0.5)
    told = np.clip(np.where(np.isfinite(told), told, least), least, 1 - 1e-9)
    middle, spread = logit(np.clip(populations, 1e-12, 1 - 1e-12)), logit(told).std(axis=0, ddof=1)
    reach = norm.isf((1 - _CONFIDENCE) / 2) * spread * (1.0 if n_units is None else few_units_factor(n_units))
    known = np.isfinite(populations) & (populations > 0)
    return Estimate(
        np.where(known, populations, np.nan),
        np.where(known, expit(middle - reach), np.nan),
        np.where(known, expit(middle + reach), np.nan),
    )
