"""Intervals of timescales and populations, from resampled trajectories.

Whole trajectories (or time blocks of a few long ones) are drawn with replacement, and an MSM is fitted to each draw. That
holds where tokens are not Markovian too, for which the posterior of an MSM at a short lag is far too sure: each
recrossing counts as news there.
"""

import numpy as np
from scipy.special import expit, logit
from scipy.stats import chi2, norm

from mdtok.kinetics.bootstrap import bootstrap_weights
from mdtok.kinetics.comparison import macro_populations
from mdtok.kinetics.cores import map_on_cores
from mdtok.kinetics.counts import fit_or_none
from mdtok.kinetics.estimate import Estimate

_CONFIDENCE = 0.95
_LEAST_EVENTS = 0.5  # below, a rate has no lower limit worth a number


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


def inverse_of_rate(time, rates):
    """A time with its 95 % interval, from resamples of its inverse (first axis).

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
    n_events = effective_events(time, rates)
    tail = (1 - _CONFIDENCE) / 2
    most = chi2.isf(tail, 2 * n_events + 2) / 2
    fewest = chi2.ppf(tail, 2 * np.maximum(n_events, _LEAST_EVENTS)) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = time * n_events / most, np.where(n_events > _LEAST_EVENTS, time * n_events / fewest, np.inf)
        sure = np.isinf(n_events)
        low, high = np.where(sure, time, low), np.where(sure, time, high)
    return Estimate(time, np.where(np.isfinite(time), low, np.nan), np.where(np.isfinite(time), high, np.nan))


def effective_events(time, rates):
    """How many events a time's inverse rests on, by its relative scatter; NaN where the time is not known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return 1 / (np.asarray(rates).var(axis=0, ddof=1) * np.asarray(time) ** 2)


def population_intervals(populations, samples):
    """Populations with their 95 % intervals, from resamples: normal in the log-odds, so that they stay in 0 to 1.

    A state that a resample cannot tell has the odds that it has in the most extreme one that can.
    """
    told = np.where(np.isfinite(samples), samples, np.nan)
    least = np.where(populations > 0, populations / 20, 0.5)
    told = np.clip(np.where(np.isfinite(told), told, least), least, 1 - 1e-9)
    middle, spread = logit(np.clip(populations, 1e-12, 1 - 1e-12)), logit(told).std(axis=0, ddof=1)
    reach = norm.isf((1 - _CONFIDENCE) / 2) * spread
    known = np.isfinite(populations) & (populations > 0)
    return Estimate(
        np.where(known, populations, np.nan),
        np.where(known, expit(middle - reach), np.nan),
        np.where(known, expit(middle + reach), np.nan),
    )
