"""The oracle as a model among models: the best predictor of tokens, and of coordinates, that there can be."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mdtok.errors import DataError
from mdtok.models.dynamics import DynamicsModel
from mdtok.models.jumps import SparseJumpTable
from mdtok.models.trajectory_model import TrajectoryModel, as_trajectories
from mdtok.progress import tracked
from mdtok.tokens.dtrajs import as_dtrajs

if TYPE_CHECKING:
    from mdtok.kinetics.oracle import Oracle


_SAVE = "An oracle is not saved: it is made again from its system, at once."


class OracleTokens(DynamicsModel):
    """The exact predictor of tokens that are a function of the position: it filters where the particle may be.

    A cell that the border of two tokens divides gives each with its share of the cell's equilibrium.

    Parameters
    ----------
    oracle : Oracle
        A coarse grid will do: some thousand cells.
    token_of : callable
        From points (n, 2) in nm to tokens (n,), such as a tokenizer's ``transform``.
    n_states : int
        Number of tokens.
    time_ps : float
        Between tokens.
    """

    def __init__(
        self,
        oracle: Oracle,
        token_of: Callable[[np.ndarray], np.ndarray],
        n_states: int,
        time_ps: float,
        progress: bool = True,
    ) -> None:
        self.shares = oracle.shares(token_of, n_states)  # (n_cells, n_states)
        self.oracle, self.time_ps, self.progress = oracle, float(time_ps), progress
        self.n_states_, self.train_seconds_ = n_states, None

    def fit(
        self,
        dtrajs: list[np.ndarray],
        validation: list[np.ndarray] | None = None,
        n_states: int | None = None,
        checkpoint_folder: str | PathLike | None = None,
    ) -> OracleTokens:
        """Nothing to learn; checks that the tokens are known."""
        as_dtrajs(dtrajs, self.n_states_)
        return self

    @property
    def n_parameters(self) -> int:
        """None are fitted."""
        return 0

    @property
    def _transition(self):
        return self.oracle.propagator(self.time_ps)

    def predict_log_proba(self, dtraj: np.ndarray) -> np.ndarray:
        """Log-probability of every token given all before it, shape (n_frames - 1, n_states)."""
        (dtraj,) = as_dtrajs(dtraj, self.n_states_, min_length=2)
        return self._filter([dtraj])[0]

    def log_prob(self, dtrajs: list[np.ndarray]) -> list[np.ndarray]:
        """Log-probability of each observed token, all trajectories of a list at once."""
        dtrajs = as_dtrajs(dtrajs, self.n_states_, min_length=2)
        return [said[np.arange(len(d) - 1), d[1:]] for said, d in zip(self._filter(dtrajs), dtrajs)]

    def _filter(self, dtrajs):
        """Forward filtering: predict, compare with the token seen, weigh the cells by how much of them has it."""
        backward = self._transition.T.tocsr()  # takes distributions, as columns
        n_longest, stationary = max(map(len, dtrajs)), self.oracle.stationary_distribution
        said = [np.empty((len(d) - 1, self.n_states_), dtype=np.float32) for d in dtrajs]
        belief = self._given(stationary, [d[0] for d in dtrajs])  # (n_cells, n)
        for t in tracked(range(1, n_longest), "oracle", disable=not self.progress or n_longest * len(dtrajs) < 20_000):
            belief = backward @ belief
            probabilities = self.shares.T @ belief  # (n_states, n)
            for k, d in enumerate(dtrajs):
                if t < len(d):
                    said[k][t - 1] = np.log(np.maximum(probabilities[:, k] / probabilities[:, k].sum(), 1e-30))
            belief = self._given(belief, [d[min(t, len(d) - 1)] for d in dtrajs])
        return said

    def _given(self, belief, tokens):
        """What is believed, shape (n_cells,) or (n_cells, n), once the tokens are seen: (n_cells, n)."""
        stationary, seen = self.oracle.stationary_distribution, self.shares[:, tokens]
        weights = (belief if belief.ndim == 2 else belief[:, None]) * seen
        lost = weights.sum(axis=0) < 1e-250  # a step that the grid cannot make: begin again from what is seen
        weights[:, lost] = stationary[:, None] * seen[:, lost]
        weights[:, weights.sum(axis=0) == 0] = stationary[:, None]  # a token that no cell has
        return weights / weights.sum(axis=0)

    @property
    def stationary_distribution_(self) -> np.ndarray:  # type: ignore[override]
        """Exact populations of the tokens, shape (n_states_,)."""
        return self.oracle.stationary_distribution @ self.shares

    def sample(self, prompts: list[np.ndarray] | int | None, n_steps: int, seed: int) -> list[np.ndarray]:
        """Continue each prompt with the tokens of a particle that hops between cells."""
        prompts = self.check_prompts(prompts, n_steps, seed)
        rng, P = np.random.default_rng(seed), self._transition
        backward, cells = P.T.tocsr(), np.empty(len(prompts), dtype=np.int64)
        for k, prompt in enumerate(prompts):
            recent = prompt[-20:]
            belief = self._given(self.oracle.stationary_distribution, recent[:1])
            for token in recent[1:]:
                belief = self._given(backward @ belief, [token])
            cells[k] = rng.choice(self.oracle.n_cells, p=belief[:, 0])
        jumps, cumulative = SparseJumpTable(P), np.cumsum(self.shares, axis=1)
        tokens = np.empty((n_steps, len(prompts)), dtype=np.int64)
        for t in tracked(range(n_steps), "oracle", disable=not self.progress or n_steps * len(prompts) < 100_000):
            cells = jumps.draw(cells, rng)
            drawn = (rng.random(len(cells))[:, None] > cumulative[cells]).sum(axis=1)
            tokens[t] = np.minimum(drawn, self.n_states_ - 1)
        return list(tokens.T)

    def save(self, folder: str | PathLike) -> None:
        """Not saved; raises."""
        raise DataError(f"{_SAVE} ({Path(folder).name})")

    @classmethod
    def load(cls, folder: str | PathLike) -> OracleTokens:
        """Not saved; raises."""
        raise DataError(_SAVE)


class OracleForecast(TrajectoryModel):
    """The exact predictor of coordinates: conditional means, densities and samples from the propagator.

    Parameters
    ----------
    oracle : Oracle
        Its cells should be half as wide as the spread of one step at most.
    time_ps : float
        Between frames.
    """

    def __init__(self, oracle: Oracle, time_ps: float, progress: bool = True) -> None:
        self.oracle, self.time_ps, self.progress, self.n_dim_ = oracle, float(time_ps), progress, 2
        self._moments = None

    def fit(
        self,
        trajectories: list[np.ndarray],
        validation: list[np.ndarray] | None = None,
        checkpoint_folder: str | PathLike | None = None,
    ) -> OracleForecast:
        """Nothing to learn; checks the trajectories."""
        as_trajectories(trajectories, 2)
        return self

    @property
    def n_parameters(self) -> int:
        """None are fitted."""
        return 0

    def forecast(self, prompts: list[np.ndarray], n_steps: int, seed: int = 0) -> np.ndarray:
        """Conditional means E[x(t + h) | x(t)], shape (n_prompts, n_steps, 2): no predictor has a lower squared
        error."""
        last = np.stack([prompt[-1] for prompt in self.check_prompts(prompts, n_steps)])
        forecast, expected = np.empty((len(last), n_steps, 2)), self.oracle.points
        for step in tracked(range(n_steps), "oracle", delay=2, disable=not self.progress):
            expected = self.oracle.expect(expected, self.time_ps)
            forecast[:, step] = self.oracle.interpolate(expected, last)
        return forecast

    def log_density(self, trajectory: np.ndarray) -> np.ndarray:
        """Log-density of every frame given the one before, shape (n_frames - 1,), per nm^2.

        A step of few cells is taken as Gaussian, with the exact conditional mean and covariance: hops between cells
        have the right ones, but a kurtosis of ``(h / s)^2`` too much. A long step is read off the propagator, between
        its cells.
        """
        (trajectory,) = as_trajectories([trajectory], 2, min_length=2)
        before, after = trajectory[:-1], trajectory[1:]
        if self.oracle.spacing_nm > 0.25 * np.sqrt(2 * self.oracle.diffusion_nm2_per_ps * self.time_ps):
            return self._gaussian(before, after)
        P, h = self.oracle.propagator(self.time_ps), self.oracle.spacing_nm
        # from the nearest cell, moved along: within a cell, the density moves with the particle
        start = self.oracle.cell_of(before)
        place = (after - (before - self.oracle.points[start]) - self.oracle._origin) / h
        nearest = np.rint(place).astype(int)
        shift, log_density = place - nearest, np.zeros(len(before))  # (n, 2), from -1/2 to 1/2
        # a Gaussian's logarithm is a quadratic function: interpolated exactly through three cells a coordinate
        shares = np.stack([shift * (shift - 1) / 2, 1 - shift**2, shift * (shift + 1) / 2])  # (3, n, 2)
        for i, j in np.ndindex(3, 3):
            cells = self.oracle.cell_of(self.oracle._origin + h * (nearest + np.array([i - 1, j - 1])))
            log_density += (
                shares[i, :, 0] * shares[j, :, 1] * np.log(np.maximum(np.asarray(P[start, cells]).ravel(), 1e-30))
            )
        return log_density - 2 * np.log(h)

    def _gaussian(self, before, after):
        x, y = self.oracle.points.T
        if self._moments is None:
            self._moments = self.oracle.expect(
                np.stack([x, y, x * x, x * y, y * y], axis=1), self.time_ps
            )  # (n_cells, 5)
            self._moments[:, 2:] -= np.stack(
                [self._moments[:, i] * self._moments[:, j] for i, j in ((0, 0), (0, 1), (1, 1))], axis=1
            )
            self._moments[:, :2] -= self.oracle.points
        of_step = self.oracle.interpolate(self._moments, before)
        dx, dy = (after - before - of_step[:, :2]).T
        xx, xy, yy = of_step[:, 2:].T
        determinant = xx * yy - xy**2
        return (
            -0.5 * (yy * dx**2 - 2 * xy * dx * dy + xx * dy**2) / determinant
            - 0.5 * np.log(determinant)
            - np.log(2 * np.pi)
        )

    def sample(self, prompts: list[np.ndarray], n_steps: int, seed: int) -> list[np.ndarray]:
        """Continue each prompt by jumps between cells, placed uniformly in them."""
        last = np.stack([prompt[-1] for prompt in self.check_prompts(prompts, n_steps)])
        rng, jumps, cells = (
            np.random.default_rng(seed),
            SparseJumpTable(self.oracle.propagator(self.time_ps)),
            self.oracle.cell_of(last),
        )
        chains = np.empty((n_steps, len(last), 2))
        for step in tracked(range(n_steps), "oracle", disable=not self.progress or n_steps * len(last) < 100_000):
            cells = jumps.draw(cells, rng)
            chains[step] = self.oracle.points[cells] + self.oracle.spacing_nm * (rng.random((len(last), 2)) - 0.5)
        return list(chains.transpose(1, 0, 2))

    def save(self, folder: str | PathLike) -> None:
        """Not saved; raises."""
        raise DataError(f"{_SAVE} ({Path(folder).name})")

    @classmethod
    def load(cls, folder: str | PathLike) -> OracleForecast:
        """Not saved; raises."""
        raise DataError(_SAVE)
