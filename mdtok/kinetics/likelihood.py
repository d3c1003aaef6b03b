"""Held-out nats per token and calibration of transitions, teacher-forced, with intervals over trajectories."""

from dataclasses import dataclass

import numpy as np

from mdtok.errors import DataError
from mdtok.features.dtrajs import as_dtrajs
from mdtok.kinetics.estimators import Estimate
from mdtok.kinetics.passages import independent_units


@dataclass
class HeldOut:
    """What a model said of held-out tokens, one array a trajectory; entry i belongs to token ``first_token + i``."""

    first_token: int
    log_prob: list
    leaving_probability: list  # of the macrostate held `lagtime` frames before
    left: list  # whether it was left

    def from_token(self, first_token):
        """The same from a later token on, so that models of different lags are judged on the same tokens."""
        skip = first_token - self.first_token
        said = (self.log_prob, self.leaving_probability, self.left)
        return HeldOut(first_token, *([array[skip:] for array in arrays] for arrays in said))


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
    held_out = HeldOut(lag, [], [], [])
    for dtraj in as_dtrajs(dtrajs, model.n_states_, min_length=lag + 1):
        log_proba = model.predict_log_proba(dtraj)  # (n_frames - lag, n_states)
        if not np.isfinite(log_proba.max(axis=1)).all():
            raise DataError(f"{type(model).__name__} gave probabilities that are not numbers; train it with a lower learning rate.")
        before, after = macrostates[dtraj[:-lag]], macrostates[dtraj[lag:]]
        held_out.log_prob.append(log_proba[np.arange(len(after)), dtraj[lag:]])
        probabilities = np.exp(log_proba)
        staying = np.where(macrostates[None, :] == before[:, None], probabilities, 0.0).sum(axis=1)
        held_out.leaving_probability.append(np.maximum(probabilities.sum(axis=1) - staying, 0.0))
        held_out.left.append(before != after)
    return held_out


def _resampled_sums(arrays, n_bootstrap, seed):
    """Sums over bootstrap resamples of trajectories (or blocks), shape (n_bootstrap, n_arrays), and of their lengths."""
    columns = [independent_units(array) for array in arrays]
    sums = np.array([[unit.sum() for unit in column] for column in columns]).T  # (n_units, n_arrays)
    lengths = np.array([len(unit) for unit in columns[0]])
    weights = np.random.default_rng(seed).multinomial(len(lengths), np.full(len(lengths), 1 / len(lengths)), size=n_bootstrap)
    return weights @ sums, weights @ lengths


def nats_per_token(held_out, n_bootstrap=500, seed=0):
    """Mean negative log-probability a token with its 95 % interval (lower is better)."""
    sums, lengths = _resampled_sums([held_out.log_prob], n_bootstrap, seed)
    return Estimate.from_samples(-np.concatenate(held_out.log_prob).mean(), -sums[:, 0] / lengths)


def nats_difference(held_out, other, n_bootstrap=500, seed=0):
    """Paired difference in nats per token of two models on the same tokens, with its 95 % interval; positive: worse."""
    difference = [b - a for a, b in zip(held_out.log_prob, other.log_prob)]
    sums, lengths = _resampled_sums([difference], n_bootstrap, seed)
    return Estimate.from_samples(np.concatenate(difference).mean(), sums[:, 0] / lengths)


def transition_calibration(held_out, n_bootstrap=500, seed=0):
    """Transitions between macrostates that a model expects on held-out tokens, over those observed, with 95 % interval.

    1 is calibrated; above 1 the model leaves too easily. NaN where none was observed.
    """
    expected, observed = np.concatenate(held_out.leaving_probability).sum(), np.concatenate(held_out.left).sum()
    sums, _ = _resampled_sums([held_out.leaving_probability, held_out.left], n_bootstrap, seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(sums[:, 1] > 0, sums[:, 0] / sums[:, 1], np.nan)
        return Estimate.from_samples(expected / observed if observed else np.nan, ratios)
