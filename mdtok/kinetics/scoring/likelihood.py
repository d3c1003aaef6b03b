"""Held-out nats per token and calibration of transitions, teacher-forced, with intervals over trajectories."""

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from mdtok.errors import DataError
from mdtok.kinetics.estimation.bootstrap import bootstrap_weights, widened
from mdtok.kinetics.estimation.estimate import Estimate, poisson_interval
from mdtok.kinetics.estimation.passages import independent_units
from mdtok.tokens.dtrajs import as_dtrajs


@dataclass
class HeldOut:
    """What a model said of held-out tokens, one array a trajectory; entry i belongs to token ``first_token + i``."""

    first_token: int
    log_prob: list
    macro_probability: list  # of each macrostate, (n_tokens, n_macrostates) each
    before: list  # macrostate held `lagtime` frames before
    after: list  # macrostate observed

    def from_token(self, first_token):
        """The same from a later token on, so that models of different lags are judged on the same tokens."""
        skip = first_token - self.first_token
        said = (self.log_prob, self.macro_probability, self.before, self.after)
        return HeldOut(first_token, *([array[skip:] for array in arrays] for arrays in said))

    @property
    def likelihood_only(self):
        """What models are ranked by, without the rest, which is several times as large."""
        return HeldOut(self.first_token, self.log_prob, [], [], [])

    @property
    def leaving_probability(self):
        """Probability that the macrostate is left, one array a trajectory."""
        # the others are added up: one less the probability of staying loses the digits of a rare transition
        others = [
            np.where(np.arange(p.shape[1]) == k[:, None], 0.0, p) for p, k in zip(self.macro_probability, self.before)
        ]
        return [other.sum(axis=1) for other in others]

    @property
    def left(self):
        """Whether the macrostate was left, one array a trajectory."""
        return [before != after for before, after in zip(self.before, self.after)]


def evaluate_held_out(model, dtrajs, macrostates):
    """Run a fitted model over held-out trajectories, one pass.

    Parameters
    ----------
    model : DynamicsModel
    dtrajs : list of int arrays, shape (n_frames,) each
    macrostates : int array, shape (n_states,)

    Returns
    -------
    HeldOut

    Raises
    ------
    DataError
        A trajectory is not longer than the model's lag time, or holds unknown tokens.
    """
    model.require_fitted()
    lag = model.lagtime
    held_out, of_macrostate = HeldOut(lag, [], [], [], []), np.eye(macrostates.max() + 1)[macrostates]
    small = macrostates.astype(np.int32)
    for dtraj in as_dtrajs(dtrajs, model.n_states_, min_length=lag + 1):
        log_proba = model.predict_log_proba(dtraj)  # (n_frames - lag, n_states)
        if not np.isfinite(log_proba.max(axis=1)).all():
            raise DataError(
                f"{type(model).__name__} gave probabilities that are not numbers; train it with a lower learning rate."
            )
        before, after = small[dtraj[:-lag]], small[dtraj[lag:]]
        held_out.log_prob.append(log_proba[np.arange(len(after)), dtraj[lag:]])
        held_out.macro_probability.append((np.exp(log_proba) @ of_macrostate[: log_proba.shape[1]]).astype(np.float32))
        held_out.before.append(before)
        held_out.after.append(after)
    return held_out


def _resampled_sums(arrays, n_bootstrap, seed):
    """Sums over bootstrap resamples of trajectories (or blocks), shape (n_bootstrap, n_arrays), and of their
    lengths."""
    columns = [independent_units(array) for array in arrays]
    sums = np.array([[unit.sum() for unit in column] for column in columns]).T  # (n_units, n_arrays)
    lengths = np.array([len(unit) for unit in columns[0]])
    weights = bootstrap_weights(len(lengths), n_bootstrap, seed)
    return weights @ sums, weights @ lengths, len(lengths)


def nats_per_token(held_out, n_bootstrap=500, seed=0):
    """Mean negative log-probability a token with its 95 % interval (lower is better)."""
    sums, lengths, n_units = _resampled_sums([held_out.log_prob], n_bootstrap, seed)
    mean = -np.concatenate(held_out.log_prob).mean()
    return widened(Estimate.from_samples(mean, -sums[:, 0] / lengths), n_units)


def nats_difference(held_out, other, n_bootstrap=500, seed=0):
    """Paired difference in nats per token of two models on the same tokens, with its 95 % interval; positive: worse."""
    difference = [b - a for a, b in zip(held_out.log_prob, other.log_prob)]
    sums, lengths, n_units = _resampled_sums([difference], n_bootstrap, seed)
    return widened(Estimate.from_samples(np.concatenate(difference).mean(), sums[:, 0] / lengths), n_units)


def transition_calibration(held_out, n_bootstrap=500, seed=0):
    """Transitions between macrostates that a model expects on held-out tokens, over those observed, with 95 % interval.

    1 is calibrated; above 1 the model leaves too easily. NaN where none was observed.
    """
    leaving, left = held_out.leaving_probability, held_out.left
    expected, observed = np.concatenate(leaving).sum(), np.concatenate(left).sum()
    sums, _, _ = _resampled_sums([leaving, left], n_bootstrap, seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(sums[:, 1] > 0, sums[:, 0] / sums[:, 1], np.nan)
        return Estimate.from_samples(expected / observed if observed else np.nan, ratios)


def pair_calibration(held_out, n_bootstrap=500, seed=0):
    """The same for every pair of macrostates.

    Returns
    -------
    expected, observed : ndarray, shape (n_macrostates, n_macrostates)
        [i, j]: transitions from i to j, expected by the model and seen; the diagonal is 0.
    ratio : Estimate, shape (n_macrostates, n_macrostates)
        Expected over observed with its 95 % interval: the wider of that over resampled trajectories and that of a
        Poisson count (Garwood, Biometrika 28, 437 (1936)), as a handful of transitions is resampled badly. NaN where
        none was observed.
    """
    n = held_out.macro_probability[0].shape[1]
    expected, observed, low, high = np.zeros((n, n)), np.zeros((n, n)), np.full((n, n), np.nan), np.full((n, n), np.nan)
    for i, j in permutations(range(n), 2):
        said = [np.where(b == i, p[:, j], 0.0) for p, b in zip(held_out.macro_probability, held_out.before)]
        seen = [(b == i) & (a == j) for b, a in zip(held_out.before, held_out.after)]
        expected[i, j], observed[i, j] = np.concatenate(said).sum(dtype=float), np.concatenate(seen).sum()
        if observed[i, j] == 0:
            continue
        sums, _, _ = _resampled_sums([said, seen], n_bootstrap, seed)
        sums = sums[sums[:, 1] > 0]
        limits = np.quantile(sums[:, 0] / sums[:, 1], [0.025, 0.975]) if len(sums) else [np.inf, -np.inf]
        least, most = poisson_interval(observed[i, j])
        low[i, j], high[i, j] = min(limits[0], expected[i, j] / most), max(limits[1], expected[i, j] / least)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(observed > 0, expected / observed, np.nan)
    return expected, observed, Estimate(ratio, low, high)
