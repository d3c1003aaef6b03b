"""How well models of continuous trajectories forecast held-out ones: squared error and density, intervals paired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mdtok.errors import DataError, SettingsError
from mdtok.kinetics.estimation.bootstrap import bootstrap_mean, bootstrap_ratio, bootstrap_weights
from mdtok.kinetics.estimation.estimate import Estimate
from mdtok.models.trajectory_model import as_trajectories
from mdtok.progress import tracked

if TYPE_CHECKING:
    from mdtok.models.trajectory_model import TrajectoryModel


@dataclass
class ForecastError:
    """Mean squared error of one model's forecasts (see `forecast_errors`).

    Attributes
    ----------
    mse : Estimate
        Mean over frames and coordinates, nm^2.
    by_horizon : Estimate
        The same frame by frame, arrays of shape (n_steps,), the first one frame after the prompt.
    standardised : Estimate or None
        Each coordinate in units of its standard deviation, where those were given; no unit.
    ratio : Estimate or None
        `mse` over that of the reference, its interval paired; where a reference was named.
    """

    mse: Estimate
    by_horizon: Estimate
    standardised: Estimate | None = None
    ratio: Estimate | None = None

    def to_dict(self):
        """What is there, as dicts with value, low and high."""
        return {name: estimate.to_dict() for name, estimate in vars(self).items() if estimate is not None}


def forecast_errors(
    models: Mapping[str, TrajectoryModel],
    trajectories: list[np.ndarray],
    n_prompt: int = 500,
    n_steps: int = 100,
    reference: str | None = None,
    scale: np.ndarray | None = None,
    n_bootstrap: int = 500,
    seed: int = 0,
    progress: bool = True,
) -> dict[str, ForecastError]:
    """Mean squared error of forecasts of held-out trajectories, with 95 % intervals by bootstrap over trajectories.

    Each model sees the first `n_prompt` frames of every trajectory and forecasts the `n_steps` after them.

    A forecast that is the mean of M samples lies off the model's own expectation by the variance ``s^2`` of its samples
    over M, which says nothing about the model. A model with a density says so with a method
    ``forecast_ensemble(prompts, n_steps, seed) -> (n_prompts, n_samples, n_steps, n_dim)`` of independent samples; its
    forecast is then their mean, and ``s^2 / M`` (``s^2`` with M - 1) is taken off its squared error. That leaves the
    error of the model's exact expectation, without bias; of few trajectories it may come out below zero.

    Parameters
    ----------
    models : dict of str -> TrajectoryModel
        Fitted.
    trajectories : list of arrays, shape (n_frames, n_dim) each
        Held out, in nm.
    n_prompt, n_steps : int
        Frames.
    reference : str, optional
        The model whose error is the yardstick (the Bayes-optimal predictor, say).
    scale : array of float, shape (n_dim,), optional
        Standard deviations of the training frames.
    n_bootstrap : int
    seed : int
        For models that sample, and for the bootstrap.
    progress : bool

    Returns
    -------
    dict of str -> ForecastError

    Raises
    ------
    DataError
        A trajectory is shorter than ``n_prompt + n_steps`` frames, there is one only, or a forecast is of another shape
        or not numbers.
    SettingsError
        `reference` names none of the models, or a number is out of range.

    Examples
    --------
    >>> from mdtok.models.coordinates.baselines import CopyLast, VectorAutoregression
    >>> walks = list(np.random.default_rng(7).normal(size=(40, 700, 2)).cumsum(axis=1))
    >>> models = {"copy": CopyLast().fit(walks[:20]), "var": VectorAutoregression().fit(walks[:20])}
    >>> errors = forecast_errors(models, walks[20:], reference="copy")
    >>> bool(0.9 < errors["var"].ratio.value < 1.2)         # nothing can be known of a random walk but where it is
    True
    """
    trajectories = _check(models, trajectories, reference, n_prompt + n_steps)
    if min(n_prompt, n_steps) < 1:
        raise SettingsError(f"n_prompt is {n_prompt} and n_steps {n_steps}; at least one frame of each was expected.")
    scale = None if scale is None else _check_scale(scale, trajectories[0].shape[1])
    weights = bootstrap_weights(len(trajectories), n_bootstrap, seed)
    prompts = [trajectory[:n_prompt] for trajectory in trajectories]
    truth = np.array([trajectory[n_prompt : n_prompt + n_steps] for trajectory in trajectories])
    squared = {
        name: _squared_errors(name, model, prompts, truth, seed)  # (n_trajectories, n_steps, n_dim)
        for name, model in tracked(models.items(), desc="Forecasts", delay=2, disable=not progress)
    }
    results = {}
    for name, errors in squared.items():
        by_horizon, mse = errors.mean(axis=2), errors.mean(axis=(1, 2))
        results[name] = ForecastError(bootstrap_mean(mse, weights), bootstrap_mean(by_horizon, weights))
        if scale is not None:
            results[name].standardised = bootstrap_mean((errors / scale**2).mean(axis=(1, 2)), weights)
        if reference is not None:
            results[name].ratio = bootstrap_ratio(mse, squared[reference].mean(axis=(1, 2)), weights)
    return results


def _check(models, trajectories, reference, min_length):
    if reference is not None and reference not in models:
        raise SettingsError(f"The reference {reference!r} is none of the models {', '.join(map(repr, models))}.")
    for model in models.values():
        model.require_fitted()
    return as_trajectories(trajectories, n_dim=next(iter(models.values())).n_dim_, min_length=min_length)


def _check_scale(scale, n_dim):
    scale = np.asarray(scale, dtype=float)
    if scale.shape != (n_dim,) or not (scale > 0).all():
        raise SettingsError(f"scale is {scale.tolist()}; a positive number for each of {n_dim} coordinates is needed.")
    return scale


def _squared_errors(name, model, prompts, truth, seed):
    has_ensemble = model.has_density and hasattr(model, "forecast_ensemble")
    predict = model.forecast_ensemble if has_ensemble else model.forecast
    forecast = np.asarray(predict(prompts, truth.shape[1], seed=seed))
    wanted = (len(prompts), *forecast.shape[1:2], *truth.shape[1:]) if has_ensemble else truth.shape
    if forecast.shape != wanted or not np.isfinite(forecast).all():
        raise DataError(f"{name} forecasts the shape {forecast.shape}; finite numbers of shape {wanted} were expected.")
    if not has_ensemble:
        return (forecast - truth) ** 2
    n_samples = forecast.shape[1]
    if n_samples < 2:
        raise DataError(f"{name} forecasts with an ensemble of {n_samples}; at least 2 samples were expected.")
    return (forecast.mean(axis=1) - truth) ** 2 - forecast.var(axis=1, ddof=1) / n_samples


@dataclass
class HeldOutDensity:
    """Negative log-density of held-out frames (see `nats_per_frame`).

    Attributes
    ----------
    nats : Estimate
        A frame; of a density per nm^n_dim, so that it may be below zero.
    difference : Estimate or None
        `nats` less that of the reference, its interval paired; positive: worse than the reference.
    """

    nats: Estimate
    difference: Estimate | None = None

    def to_dict(self):
        """What is there, as dicts with value, low and high."""
        return {name: estimate.to_dict() for name, estimate in vars(self).items() if estimate is not None}


def nats_per_frame(
    models: Mapping[str, TrajectoryModel],
    trajectories: list[np.ndarray],
    reference: str | None = None,
    n_bootstrap: int = 500,
    seed: int = 0,
    progress: bool = True,
) -> dict[str, HeldOutDensity]:
    """Mean negative log-density of held-out frames given those before them, in nats (lower is better), with intervals.

    Parameters
    ----------
    models : dict of str -> TrajectoryModel
        Fitted; those without a density (``has_density`` is False) are left out.
    trajectories : list of arrays, shape (n_frames, n_dim) each
        Held out; all frames but the first of each count alike.
    reference : str, optional
        The model to take differences to, frame by frame.
    n_bootstrap : int
        Resamples of trajectories.
    seed : int
    progress : bool

    Returns
    -------
    dict of str -> HeldOutDensity

    Raises
    ------
    DataError
        One trajectory only, or a model gives a frame a density of zero, or one that is no number.
    SettingsError
        `reference` names none of the models, or one without a density.
    """
    trajectories = _check(models, trajectories, reference, min_length=2)
    if reference is not None and not models[reference].has_density:
        raise SettingsError(f"The reference {reference!r} gives no density of the next frame; name another.")
    weights = bootstrap_weights(len(trajectories), n_bootstrap, seed)
    frames = np.array([len(trajectory) - 1 for trajectory in trajectories])
    with_density = {name: model for name, model in models.items() if model.has_density}
    with tracked(total=len(with_density) * len(trajectories), desc="Densities", delay=2, disable=not progress) as bar:
        sums = {name: _log_density_sums(name, model, trajectories, bar) for name, model in with_density.items()}
    results = {}
    for name, of_model in sums.items():
        results[name] = HeldOutDensity(bootstrap_ratio(-of_model, frames, weights))
        if reference is not None:
            results[name].difference = bootstrap_ratio(sums[reference] - of_model, frames, weights)
    return results


def _log_density_sums(name, model, trajectories, bar):
    """Log-density of each whole trajectory, shape (n_trajectories,)."""
    sums = []
    for index, trajectory in enumerate(trajectories):
        log_density = np.asarray(model.log_density(trajectory))
        if log_density.shape != (len(trajectory) - 1,):
            raise DataError(f"{name} gives {log_density.shape} log-densities; {(len(trajectory) - 1,)} were expected.")
        bad = ~np.isfinite(log_density)
        if bad.any():
            value, frame = log_density[bad][0], 1 + bad.argmax()
            raise DataError(f"{name} gives frame {frame} of trajectory {index} the log-density {value}.")
        sums.append(log_density.sum())
        bar.update()
    return np.array(sums)
