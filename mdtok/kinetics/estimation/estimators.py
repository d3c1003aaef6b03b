"""What an MSM says of trajectories, with Bayesian intervals: populations, timescales, Chapman-Kolmogorov, MFPT.

All estimators take discrete trajectories (a list of int arrays) and give frames or ps, as the name says. The MSM is
deeptime's, reversible, on the largest connected set; the posterior is sampled from counts divided by the lag time,
which are the independent ones where the tokens are Markovian at that lag.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from deeptime.markov import TransitionCountModel
from deeptime.markov.tools.analysis import timescales

from mdtok.errors import DataError, SettingsError
from mdtok.kinetics.estimation.estimate import Estimate
from mdtok.models.counted.msm import draw_posterior, estimate_msm
from mdtok.tokens.dtrajs import as_dtrajs, count_states


def count_matrix(dtrajs, lagtime, n_states):
    """Sliding-window transition counts at `lagtime` frames, shape (n_states, n_states), float."""
    counts = np.zeros((n_states, n_states))
    for dtraj in dtrajs:
        pairs = dtraj[:-lagtime] * n_states + dtraj[lagtime:]
        counts += np.bincount(pairs, minlength=n_states * n_states).reshape(n_states, n_states)
    return counts


def fit_msm(counts, lagtime, max_error=1e-8):
    """Reversible maximum-likelihood MSM of sliding counts, shape (n_states, n_states); see `estimate_msm`."""
    return estimate_msm(TransitionCountModel(counts, counting_mode="sliding", lagtime=lagtime), max_error=max_error)


def timescales_of(transition_matrix, lagtime, n_timescales, distribution=None):
    """Implied timescales ``-lagtime / ln|λ|`` in frames, slowest first, shape (n_timescales,); NaN where there is
    none."""
    n_found = min(n_timescales, len(transition_matrix) - 1)
    slowest = timescales(transition_matrix, tau=lagtime, k=n_found + 1, reversible=True, mu=distribution)[1:]
    padded = np.full(n_timescales, np.nan)
    padded[: len(slowest)] = slowest
    return padded


def check_lagtime(dtrajs, lagtime):
    """Raise unless some trajectory is longer than `lagtime` frames."""
    longest = max(len(dtraj) for dtraj in dtrajs)
    if int(lagtime) != lagtime or lagtime < 1:
        raise SettingsError(f"The lag time is {lagtime}; a whole number of frames, at least 1, was expected.")
    if lagtime >= longest:
        raise DataError(
            f"The lag time of {lagtime} frames is not shorter than the longest trajectory ({longest} frames); choose "
            "a shorter lag."
        )


def populations(dtrajs: list[np.ndarray], n_states: int | None = None, lagtime: int | None = None) -> np.ndarray:
    """Populations of the states: counted, or the stationary distribution of an MSM.

    Parameters
    ----------
    dtrajs : list of int arrays, shape (n_frames,) each
    n_states : int, optional
        The largest token plus one if not given.
    lagtime : int, optional
        Frames. When given, the populations are the stationary distribution of the MSM at that lag, which short
        trajectories that were started out of equilibrium need; states outside the connected set get 0.

    Returns
    -------
    ndarray of float, shape (n_states,)
        They sum to 1.

    Examples
    --------
    >>> import numpy as np
    >>> populations([np.array([0, 0, 1, 0])])
    array([0.75, 0.25])
    """
    dtrajs = as_dtrajs(dtrajs, n_states)
    n_states = n_states or count_states(dtrajs)
    if lagtime is None:
        counted = np.bincount(np.concatenate(dtrajs), minlength=n_states)
        return counted / counted.sum()
    check_lagtime(dtrajs, lagtime)
    msm = fit_msm(count_matrix(dtrajs, lagtime, n_states), lagtime)
    return _spread(msm.stationary_distribution, msm.count_model.state_symbols, n_states)


def _spread(distribution, symbols, n_states):
    full = np.zeros((*np.shape(distribution)[:-1], n_states))
    full[..., symbols] = distribution
    return full


def equilibrium_populations(
    dtrajs: list[np.ndarray], lagtime: int, macrostates: np.ndarray, n_samples: int = 100, seed: int = 0
) -> Estimate:
    """Populations of macrostates in equilibrium: stationary distribution of an MSM, with Bayesian 95 % intervals.

    Parameters
    ----------
    dtrajs : list of int arrays, shape (n_frames,) each
    lagtime : int
        In frames.
    macrostates : int array, shape (n_states,)
        Macrostate of each state.
    n_samples : int
    seed : int

    Returns
    -------
    Estimate
        Arrays of shape (n_macrostates,).
    """
    dtrajs, macrostates = as_dtrajs(dtrajs, len(macrostates)), np.asarray(macrostates)
    check_lagtime(dtrajs, lagtime)
    msm = fit_msm(count_matrix(dtrajs, lagtime, len(macrostates)), lagtime)
    members = np.eye(int(macrostates.max()) + 1)[
        macrostates[msm.count_model.state_symbols]
    ]  # (n_connected, n_macrostates)
    _, distributions = draw_posterior(msm, n_samples, seed)
    return Estimate.from_samples(msm.stationary_distribution @ members, distributions @ members)


def free_energies_kt(probabilities: np.ndarray) -> np.ndarray:
    """Free energies ``-ln p`` in kT, the lowest at 0; states never seen are infinite."""
    with np.errstate(divide="ignore"):
        energies = -np.log(np.asarray(probabilities, dtype=float))
    return energies - energies.min()


@dataclass
class Timescales:
    """Implied timescales over lag times, in ps (see `implied_timescales`).

    Attributes
    ----------
    lagtimes_frames : list of int
    dt_ps : float
    estimates : dict of int -> Estimate
        For each lag, arrays of shape (n_timescales,) in ps.
    """

    lagtimes_frames: list
    dt_ps: float
    estimates: dict = field(default_factory=dict)

    def to_dict(self):
        """``{lag: {"value": …, "low": …, "high": …}}``, in ps."""
        return {str(lag): estimate.to_dict() for lag, estimate in self.estimates.items()}

    def plot(self, ax=None):
        """Draw the timescales against the lag with their bands; gives the matplotlib axes."""
        from mdtok.report import plot_timescales

        return plot_timescales({"MD": self.to_dict()}, self.dt_ps, ax=ax)


def implied_timescales(
    dtrajs: list[np.ndarray],
    lagtimes: Sequence[int],
    n_timescales: int = 3,
    dt_ps: float = 1.0,
    n_samples: int = 100,
    seed: int = 0,
    n_states: int | None = None,
) -> Timescales:
    """Implied timescales of MSMs over a range of lag times, with Bayesian 95 % intervals around the maximum-likelihood
    estimate.

    Parameters
    ----------
    dtrajs : list of int arrays, shape (n_frames,) each
    lagtimes : list of int
        In frames; those not shorter than the longest trajectory are an error.
    n_timescales : int
        The slowest so many.
    dt_ps : float
        Time between frames.
    n_samples : int
        Posterior samples a lag; 0 for none (intervals are NaN).
    seed : int
    n_states : int, optional

    Returns
    -------
    Timescales

    Raises
    ------
    DataError
        A lag is longer than the trajectories, or nothing is connected.

    References
    ----------
    W. Swope, J. Pitera, F. Suits, J. Phys. Chem. B 108, 6571 (2004); the posterior is that of
    `mdtok.models.counted.msm.draw_posterior`.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> dtraj = np.cumsum(rng.random(20_000) < 0.02) % 2     # leaves each of two states with 0.02 a frame
    >>> estimate = implied_timescales([dtraj], [1], n_timescales=1).estimates[1]
    >>> bool(estimate.low[0] < -1 / np.log(1 - 2 * 0.02) < estimate.high[0])
    True
    """
    dtrajs = as_dtrajs(dtrajs, n_states)
    n_states = n_states or count_states(dtrajs)
    for lagtime in lagtimes:
        check_lagtime(dtrajs, lagtime)
    result = Timescales([int(lag) for lag in lagtimes], dt_ps)
    for lagtime in result.lagtimes_frames:
        msm = fit_msm(count_matrix(dtrajs, lagtime, n_states), lagtime)
        value = timescales_of(msm.transition_matrix, lagtime, n_timescales, msm.stationary_distribution)
        samples = np.full((1, n_timescales), np.nan)
        if n_samples:
            matrices, distributions = draw_posterior(msm, n_samples, seed)
            samples = _centred(
                value, [timescales_of(p, lagtime, n_timescales, pi) for p, pi in zip(matrices, distributions)]
            )
        result.estimates[lagtime] = Estimate.from_samples(value, samples) * dt_ps
    return result


def _centred(value, samples):
    """Samples of timescales scaled so that their median is the estimate.

    The posterior has the counts of independent windows only; where these are few for the number of states, its own
    noise lengthens all fast processes, far beyond what the estimate can be wrong by in that direction. Its spread is
    kept.
    """
    samples = np.asarray(samples)
    seen = np.isfinite(samples).any(axis=0)
    middle = np.nanmedian(np.where(seen, samples, 1.0), axis=0)
    return np.where(seen, samples * value / middle, np.nan)


def macro_propagators(dtrajs, lagtime, n_steps, n_states):
    """Probability of being in state j, k lag times after state i, counted from trajectories.

    Returns
    -------
    ndarray of float, shape (n_steps, n_states, n_states)
        Entry [k - 1, i, j]; NaN where i was never seen early enough.
    """
    propagators = np.full((n_steps, n_states, n_states), np.nan)
    for k in range(1, n_steps + 1):
        counts = count_matrix([d for d in dtrajs if len(d) > k * lagtime], k * lagtime, n_states)
        visits = counts.sum(axis=1, keepdims=True)
        np.divide(counts, visits, out=propagators[k - 1], where=visits > 0)
    return propagators


@dataclass
class ChapmanKolmogorov:
    """Predicted against observed probabilities of macrostates (see `chapman_kolmogorov`)."""

    lagtime: int
    predicted: np.ndarray  # (n_steps, n_macrostates, n_macrostates)
    observed: np.ndarray  # (n_steps, n_macrostates, n_macrostates)

    @property
    def rmse(self):
        """Root mean square difference over steps and pairs of macrostates."""
        return float(np.sqrt(np.nanmean((self.predicted - self.observed) ** 2)))


def chapman_kolmogorov(
    dtrajs: list[np.ndarray], lagtime: int, n_steps: int = 5, macrostates: np.ndarray | None = None
) -> ChapmanKolmogorov:
    """Chapman-Kolmogorov test of an MSM, with a number: `T(τ)^k` against what is counted at `kτ`, on macrostates.

    Parameters
    ----------
    dtrajs : list of int arrays, shape (n_frames,) each
    lagtime : int
        In frames.
    n_steps : int
        Multiples k = 1 .. n_steps of the lag.
    macrostates : int array, shape (n_states,), optional
        Macrostate of each state; every state is its own if not given.

    Returns
    -------
    ChapmanKolmogorov
        With ``.predicted``, ``.observed`` (n_steps, n_macrostates, n_macrostates) and ``.rmse``.

    References
    ----------
    J.-H. Prinz et al., J. Chem. Phys. 134, 174105 (2011), eq. 39.
    """
    dtrajs = as_dtrajs(dtrajs)
    check_lagtime(dtrajs, n_steps * lagtime)
    macrostates = np.arange(count_states(dtrajs)) if macrostates is None else np.asarray(macrostates)
    n_macrostates = int(macrostates.max()) + 1
    msm = fit_msm(count_matrix(dtrajs, lagtime, len(macrostates)), lagtime)
    observed = macro_propagators([macrostates[d] for d in dtrajs], lagtime, n_steps, n_macrostates)
    return ChapmanKolmogorov(lagtime, msm_propagators(msm, macrostates, n_steps), observed)


def msm_propagators(msm, macrostates, n_steps):
    """Macrostate propagators of an MSM, shape (n_steps, n_macrostates, n_macrostates); local equilibrium within
    each."""
    n_macrostates = int(np.max(macrostates)) + 1
    members = np.eye(n_macrostates)[
        np.asarray(macrostates)[msm.count_model.state_symbols]
    ]  # (n_connected, n_macrostates)
    weights = msm.stationary_distribution[:, None] * members
    weights = weights / np.where(weights.sum(axis=0) > 0, weights.sum(axis=0), np.nan)
    steps, power = [], np.eye(len(members))
    for _ in range(n_steps):
        power = power @ msm.transition_matrix
        steps.append(weights.T @ power @ members)
    return np.array(steps)


def mfpt_from_msm(
    dtrajs: list[np.ndarray],
    lagtime: int,
    macrostates: np.ndarray | None = None,
    dt_ps: float = 1.0,
    n_samples: int = 100,
    seed: int = 0,
) -> Estimate:
    """Mean first passage times between macrostates from an MSM, with Bayesian 95 % intervals.

    Parameters
    ----------
    dtrajs : list of int arrays, shape (n_frames,) each
    lagtime : int
        In frames.
    macrostates : int array, shape (n_states,), optional
        Macrostate of each state; every state is its own if not given.
    dt_ps : float
    n_samples : int
    seed : int

    Returns
    -------
    Estimate
        Arrays of shape (n_macrostates, n_macrostates) in ps; entry [i, j] is the mean time from i, in equilibrium
        within i, until j is first reached. The diagonal is 0; NaN where a macrostate is not connected.

    References
    ----------
    J.-H. Prinz et al., J. Chem. Phys. 134, 174105 (2011); deeptime's ``mfpt``.
    """
    dtrajs = as_dtrajs(dtrajs)
    check_lagtime(dtrajs, lagtime)
    macrostates = np.arange(count_states(dtrajs)) if macrostates is None else np.asarray(macrostates)
    msm = fit_msm(count_matrix(dtrajs, lagtime, len(macrostates)), lagtime)
    members = macrostates[msm.count_model.state_symbols]
    n_macrostates = int(macrostates.max()) + 1
    value = _mfpt(msm.transition_matrix, msm.stationary_distribution, members, n_macrostates)
    samples = np.full((1, *value.shape), np.nan)
    if n_samples:
        samples = [_mfpt(p, pi, members, n_macrostates) for p, pi in zip(*draw_posterior(msm, n_samples, seed))]
    return Estimate.from_samples(value, samples) * (lagtime * dt_ps)


def _mfpt(transition_matrix, distribution, members, n_macrostates):
    times = np.full((n_macrostates, n_macrostates), np.nan)
    for target in np.unique(members):
        outside = members != target
        to_target = np.zeros(len(members))
        n_outside = outside.sum()
        staying = transition_matrix[np.ix_(outside, outside)]
        to_target[outside] = np.linalg.solve(np.eye(n_outside) - staying, np.ones(n_outside))
        for origin in np.unique(members):
            weights = np.where(members == origin, distribution, 0.0)
            times[origin, target] = weights @ to_target / weights.sum()
    return times
