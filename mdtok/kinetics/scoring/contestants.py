"""Whatever is to be judged, as a name, a model (or none) and what it generated (or will)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from deeptime.markov.msm import MarkovStateModel

from mdtok.errors import DataError, SettingsError
from mdtok.kinetics.estimation.passages import independent_units
from mdtok.models.counted.markov import MarkovModel
from mdtok.models.dynamics import DynamicsModel
from mdtok.models.rollout import Rollout
from mdtok.models.trajectory_model import TrajectoryModel
from mdtok.tokens.dtrajs import as_dtrajs, count_states


@dataclass
class Contestant:
    """One row of a scorecard.

    Attributes
    ----------
    name : str
    model : DynamicsModel, TrajectoryModel or None
        None for trajectories that something else generated.
    rollout : Rollout or None
        None where the model is yet to generate it.
    """

    name: str
    model: DynamicsModel | TrajectoryModel | None
    rollout: Rollout | None


def gather(models: Mapping[str, Any], rollouts: Mapping[str, Rollout], n_states: int) -> list[Contestant]:
    """Models, generated trajectories and fitted MSMs, as contestants.

    Parameters
    ----------
    models : dict of str -> object
        A DynamicsModel; a TrajectoryModel, whose rollout has to be given; a fitted MSM of deeptime; a Rollout; or
        generated trajectories, a list of int arrays (or one).
    rollouts : dict of str -> Rollout, or list of int arrays
        What models have generated before. A name that is no model's is judged by its trajectories alone.
    n_states : int

    Raises
    ------
    SettingsError
        Nothing to judge, or something of no known kind.
    DataError
        Tokens that are none of the states.
    """
    found = []
    for name, given in models.items():
        rollout = _as_rollout(name, rollouts[name], n_states) if name in rollouts else None
        if isinstance(given, TrajectoryModel) and rollout is None:
            raise SettingsError(
                f"{name} models coordinates, not tokens: pass its trajectories, as tokens, in "
                f"rollouts={{{name!r}: ...}}."
            )
        if isinstance(given, (DynamicsModel, TrajectoryModel)):
            found.append(Contestant(name, given, rollout))
        elif isinstance(given, MarkovStateModel):
            found.append(Contestant(name, MarkovModel.of(given, n_states), rollout))
        else:
            found.append(Contestant(name, None, _as_rollout(name, given, n_states)))
    found += [
        Contestant(name, None, _as_rollout(name, rollouts[name], n_states)) for name in rollouts if name not in models
    ]
    if not found:
        raise SettingsError(
            "No model was given to score; pass a dict such as {'msm': mdtok.MarkovModel()} or {'mine': trajectories}."
        )
    return found


def largest_alphabet(models: Mapping[str, Any], rollouts: Mapping[str, Rollout]) -> int:
    """Number of states that whatever was generated visits; 0 where nothing was."""
    generated = [given for given in [*models.values(), *rollouts.values()] if _is_generated(given)]
    return max((count_states(_trajectories(given)) for given in generated), default=0)


def _is_generated(given):
    return isinstance(given, Rollout) or (isinstance(given, (np.ndarray, list, tuple)) and len(given) > 0)


def _trajectories(given):
    return as_dtrajs(given.dtrajs if isinstance(given, Rollout) else given)


def _as_rollout(name, given, n_states):
    if not _is_generated(given):
        raise SettingsError(
            f"{name} is {_kind(given)}; a model, a fitted deeptime MSM or generated trajectories (a list of int "
            "arrays) were expected."
        )
    try:
        dtrajs = as_dtrajs(_trajectories(given), n_states, min_length=2)
        independent_units(dtrajs)  # what is too short for error bars is said before anything is computed
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
    return Rollout(dtrajs, given.lagtime, given.seconds) if isinstance(given, Rollout) else Rollout(dtrajs, 1, np.nan)


def _kind(given):
    return "an empty list" if isinstance(given, (list, tuple, np.ndarray)) else f"a {type(given).__name__}"
