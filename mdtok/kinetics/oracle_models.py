"""The oracle as a model among models: the best predictor of tokens, and of coordinates, that there can be."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from mdtok.errors import DataError
from mdtok.features.dtrajs import as_dtrajs, count_states
from mdtok.models.dynamics import DynamicsModel
from mdtok.models.trajectory_model import TrajectoryModel, as_trajectories

_SAVE = "An oracle is not saved: it is made again from its system, at once."


class OracleTokens(DynamicsModel):
    """The exact predictor of tokens that are a function of the position: it filters where the particle may be.

    Parameters
    ----------
    oracle : Oracle
        A coarse grid will do: some thousand cells.
    tokens_of_cells : int array, shape (n_cells,)
        Token of each cell, from a tokenizer's ``transform(oracle.points)``.
    time_ps : float
        Between tokens.
    """

    def __init__(self, oracle, tokens_of_cells, time_ps, progress=True):
        self.tokens_of_cells = np.asarray(tokens_of_cells)
        if self.tokens_of_cells.shape != (oracle.n_cells,) or (self.tokens_of_cells < 0).any():
            raise DataError(f"tokens_of_cells has shape {self.tokens_of_cells.shape}; a token of 0 or more for each of {oracle.n_cells} cells was expected.")
        self.oracle, self.time_ps, self.progress = oracle, float(time_ps), progress
        self.n_states_ = int(self.tokens_of_cells.max()) + 1
        self.train_seconds_ = None

    def fit(self, dtrajs, validation=None, n_states=None, checkpoint_folder=None):
        """Nothing to learn; checks that the tokens are known, and makes room for `n_states`."""
        self.n_states_ = max(self.n_states_, int(n_states or 0))
        as_dtrajs(dtrajs, self.n_states_)
        return self

    @property
    def n_parameters(self):
        """None are fitted."""
        return 0

    @property
    def _transition(self):
        return self.oracle.propagator(self.time_ps)

    def predict_log_proba(self, dtraj):
        """Log-probability of every token given all before it, shape (n_frames - 1, n_states)."""
        (dtraj,) = as_dtrajs(dtraj, self.n_states_, min_length=2)
        return self._filter([dtraj])[0]

    def log_prob(self, dtrajs):
        """Log-probability of each observed token, all trajectories of a list at once."""
        dtrajs = as_dtrajs(dtrajs, self.n_states_, min_length=2)
        return [said[np.arange(len(d) - 1), d[1:]] for said, d in zip(self._filter(dtrajs), dtrajs)]

    def _filter(self, dtrajs):
        """Forward filtering: predict, compare with the token seen, keep the cells that it allows."""
        backward = self._transition.toarray().T.copy()  # distributions as columns; many at once are quicker through a dense matrix
        n_cells, n_longest = self.oracle.n_cells, max(map(len, dtrajs))
        lump = np.zeros((self.n_states_, n_cells))
        lump[self.tokens_of_cells, np.arange(n_cells)] = 1.0
        said = [np.empty((len(d) - 1, self.n_states_), dtype=np.float32) for d in dtrajs]
        belief = np.stack([self._within(self.oracle.stationary_distribution, d[0]) for d in dtrajs], axis=1)  # (n_cells, n)
        for t in tqdm(range(1, n_longest), "oracle", disable=not self.progress or n_longest * len(dtrajs) < 20_000):
            belief = backward @ belief
            probabilities = lump @ belief  # (n_states, n)
            for k, d in enumerate(dtrajs):
                if t < len(d):
                    said[k][t - 1] = np.log(np.maximum(probabilities[:, k] / probabilities[:, k].sum(), 1e-30))
            seen = np.array([d[min(t, len(d) - 1)] for d in dtrajs])
            allowed = belief * (self.tokens_of_cells[:, None] == seen)
            lost = allowed.sum(axis=0) < 1e-250  # a step that the grid cannot make: begin again from what is seen
            if lost.any():
                allowed[:, lost] = np.stack([self._within(self.oracle.stationary_distribution, s) for s in seen[lost]], axis=1)
            belief = allowed / allowed.sum(axis=0)
        return said

    def _within(self, distribution, token):
        weights = distribution * (self.tokens_of_cells == token)
        if not weights.sum() > 0:  # a token that no cell has
            return distribution
        return weights / weights.sum()

    def sample(self, prompts, n_steps, seed):
        """Continue each prompt with the tokens of a particle that hops between cells."""
        prompts = self.check_prompts(prompts, n_steps)
        rng, P = np.random.default_rng(seed), self._transition
        cells = np.empty(len(prompts), dtype=np.int64)
        for k, prompt in enumerate(prompts):
            belief = self._within(self.oracle.stationary_distribution, prompt[0])
            for token in prompt[-20:]:
                belief = self._within(belief @ P, token)
            cells[k] = rng.choice(self.oracle.n_cells, p=belief / belief.sum())
        hop = Hopper(P)
        tokens = np.empty((n_steps, len(prompts)), dtype=np.int64)
        for t in tqdm(range(n_steps), "oracle", disable=not self.progress or n_steps * len(prompts) < 100_000):
            cells = hop(cells, rng)
            tokens[t] = self.tokens_of_cells[cells]
        return list(tokens.T)

    def save(self, folder):
        """Not saved; raises."""
        raise DataError(f"{_SAVE} ({Path(folder).name})")

    @classmethod
    def load(cls, folder):
        """Not saved; raises."""
        raise DataError(_SAVE)


class OracleForecast(TrajectoryModel):
    """The exact predictor of coordinates: conditional means, densities and samples from the propagator.

    Parameters
    ----------
    oracle : Oracle
        Its cells should be half as wide as the spread of one step at most: the density of a step of spread s has an error of
        about ``(h / s)^4 / 24`` nats a coordinate pair.
    time_ps : float
        Between frames.
    """

    def __init__(self, oracle, time_ps, progress=True):
        self.oracle, self.time_ps, self.progress, self.n_dim_ = oracle, float(time_ps), progress, 2

    def fit(self, trajectories, validation=None, checkpoint_folder=None):
        """Nothing to learn; checks the trajectories."""
        as_trajectories(trajectories, 2)
        return self

    @property
    def n_parameters(self):
        """None are fitted."""
        return 0

    def forecast(self, prompts, n_steps, seed=0):
        """Conditional means E[x(t + h) | x(t)], shape (n_prompts, n_steps, 2): no predictor has a lower squared error."""
        last = np.stack([prompt[-1] for prompt in self.check_prompts(prompts, n_steps)])
        forecast, expected = np.empty((len(last), n_steps, 2)), self.oracle.points
        for step in tqdm(range(n_steps), "oracle", delay=2, disable=not self.progress):
            expected = self.oracle.expect(expected, self.time_ps)
            forecast[:, step] = self.oracle.interpolate(expected, last)
        return forecast

    def log_density(self, trajectory):
        """Log-density of every frame given the one before, shape (n_frames - 1,), per nm^2; interpolated between cells."""
        (trajectory,) = as_trajectories([trajectory], 2, min_length=2)
        P, h = self.oracle.propagator(self.time_ps), self.oracle.spacing_nm
        before, after = trajectory[:-1], trajectory[1:]
        # from the nearest cell, moved along: within a cell, the density moves with the particle
        start = self.oracle.cell_of(before)
        moved = after - (before - self.oracle.points[start])
        places = (moved - self.oracle._origin) / h
        low, log_density = np.floor(places).astype(int), np.zeros(len(before))
        share = places - low
        for corner in ((0, 0), (0, 1), (1, 0), (1, 1)):
            cells = self.oracle.cell_of(self.oracle._origin + h * (low + corner))
            weight = np.prod(np.where(np.array(corner) == 1, share, 1 - share), axis=1)
            values = np.asarray(P[start, cells]).ravel()
            log_density += weight * np.log(np.maximum(values, 1e-30))  # a Gaussian's logarithm is nearly linear in a cell
        curvature = share * (1 - share) * h**2 / (2 * self.oracle.diffusion_nm2_per_ps * self.time_ps) / 2
        return log_density + curvature.sum(axis=1) - 2 * np.log(h)

    def sample(self, prompts, n_steps, seed):
        """Continue each prompt by hopping between cells, placed uniformly in them."""
        last = np.stack([prompt[-1] for prompt in self.check_prompts(prompts, n_steps)])
        rng, hop, cells = np.random.default_rng(seed), Hopper(self.oracle.propagator(self.time_ps)), self.oracle.cell_of(last)
        chains = np.empty((n_steps, len(last), 2))
        for step in tqdm(range(n_steps), "oracle", disable=not self.progress or n_steps * len(last) < 100_000):
            cells = hop(cells, rng)
            chains[step] = self.oracle.points[cells] + self.oracle.spacing_nm * (rng.random((len(last), 2)) - 0.5)
        return list(chains.transpose(1, 0, 2))

    def save(self, folder):
        """Not saved; raises."""
        raise DataError(f"{_SAVE} ({Path(folder).name})")

    @classmethod
    def load(cls, folder):
        """Not saved; raises."""
        raise DataError(_SAVE)


class Hopper:
    """Draws the next cell of many particles from a sparse transition matrix."""

    def __init__(self, matrix):
        self.first, self.cells = matrix.indptr, matrix.indices
        self.cumulative = np.concatenate([[0.0], np.cumsum(matrix.data)])

    def __call__(self, cells, rng):
        low, high = self.cumulative[self.first[cells]], self.cumulative[self.first[cells + 1]]
        at = np.searchsorted(self.cumulative, low + rng.random(len(cells)) * (high - low), side="right") - 1
        return self.cells[np.clip(at, self.first[cells], self.first[cells + 1] - 1)]
