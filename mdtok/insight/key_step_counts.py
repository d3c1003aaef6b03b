"""Key steps counted over trajectories, beside what shuffled frames give."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.stats import binom

from mdtok.errors import DataError
from mdtok.insight.key_steps import BOTH, CONTENT, ORDER, SIGNIFICANT, find_key_steps
from mdtok.kinetics.estimation.bootstrap import bootstrap_mean, bootstrap_weights
from mdtok.kinetics.estimation.estimate import Estimate
from mdtok.progress import tracked


@dataclass
class KeyStepCount:
    """How many key steps a model has, and whether that is more than chance (see `count_key_steps`).

    Attributes
    ----------
    per_trajectory, runs_per_trajectory : Estimate
        Key steps, and runs of consecutive ones, a trajectory, with 95 % intervals by bootstrap over trajectories.
    expected_by_chance : float
        Key steps a trajectory that the same rule finds in the control.
    n_with_any, n_trajectories : int
        Trajectories in which there is one, of all.
    p_value : float
        Probability of at least so many of them if every one had a false key step with the stated error rate.
    by_origin : dict of str -> int
        Key steps by what they hang on.
    key_steps : list of KeySteps
    """

    per_trajectory: Estimate
    runs_per_trajectory: Estimate
    expected_by_chance: float
    n_with_any: int
    n_trajectories: int
    p_value: float
    by_origin: dict
    key_steps: list = field(repr=False)

    @property
    def verdict(self) -> str:
        """One sentence: whether there are key steps."""
        seen = f"in {self.n_with_any} of {self.n_trajectories} trajectories, p = {self.p_value:.2g}"
        return f"key steps {seen}" if self.p_value <= SIGNIFICANT else f"no more than chance: {seen}"

    def to_dict(self) -> dict:
        """All but the steps of single trajectories, for JSON."""
        figures = {name: value for name, value in vars(self).items() if name != "key_steps"}
        for name in ("per_trajectory", "runs_per_trajectory"):
            figures[name] = figures[name].to_dict()
        return {**figures, "verdict": self.verdict}


def count_key_steps(
    model: Any,
    trajectories: list[np.ndarray],
    n_shuffles: int = 25,
    seed: int = 0,
    *,
    progress: bool = True,
    **rule: Any,
) -> KeyStepCount:
    """Count key steps over several trajectories, with an interval and what the control gives.

    Parameters
    ----------
    model : object with ``attentions(trajectory)``, or callable
    trajectories : sequence of arrays
        Two at least; independent of one another.
    n_shuffles, seed, progress
        See `find_key_steps`; every trajectory is shuffled by its own seed.
    **rule
        ``error_rate``, ``least_excess``, ``min_queries`` of `find_key_steps`.

    Returns
    -------
    KeyStepCount

    Raises
    ------
    DataError
        Fewer than two trajectories; else as `find_key_steps`.

    Examples
    --------
    >>> uniform = lambda x: np.full((1, 2, len(x), len(x)), 1 / len(x))
    >>> walks = np.random.default_rng(7).normal(size=(3, 30, 2)).cumsum(axis=1)
    >>> count_key_steps(uniform, walks, progress=False).verdict
    'no more than chance: in 0 of 3 trajectories, p = 1'
    """
    trajectories = list(trajectories)
    if len(trajectories) < 2:
        raise DataError(
            f"{len(trajectories)} trajectories were given; two at least are needed to count with an interval."
        )
    seeds = np.random.SeedSequence(seed).generate_state(len(trajectories)).tolist()
    bar = tracked(trajectories, desc="key steps", unit=" trajectories", disable=not progress)
    found = [
        find_key_steps(model, trajectory, n_shuffles, own_seed, progress=False, **rule)
        for trajectory, own_seed in zip(bar, seeds)
    ]
    weights = bootstrap_weights(len(found), seed=seed)
    n_with_any = sum(len(steps) > 0 for steps in found)
    origins = [origin for steps in found for origin in steps.origins]
    return KeyStepCount(
        per_trajectory=bootstrap_mean(np.array([float(len(steps)) for steps in found]), weights),
        runs_per_trajectory=bootstrap_mean(np.array([float(len(steps.runs)) for steps in found]), weights),
        expected_by_chance=float(np.mean([steps.expected_by_chance for steps in found])),
        n_with_any=n_with_any,
        n_trajectories=len(found),
        p_value=float(binom.sf(n_with_any - 1, len(found), found[0].error_rate)),
        by_origin={origin: origins.count(origin) for origin in (CONTENT, ORDER, BOTH)},
        key_steps=found,
    )
