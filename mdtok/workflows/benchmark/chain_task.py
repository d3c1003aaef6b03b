"""Tasks whose chain is known: every answer is exact."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mdtok.kinetics import Oracle
from mdtok.md import load_system
from mdtok.models.jumps import JumpTable, SparseJumpTable
from mdtok.workflows.benchmark.task import Task

_SPLIT = (12, 4, 8)


@dataclass(frozen=True, kw_only=True)
class ChainTask(Task):
    """A reversible Markov chain seen through a lumping: exact answers, and memory where states are lumped.

    Attributes
    ----------
    matrix : tuple of tuples of float
        Transition matrix of a frame; every row adds to 1.
    tokens : tuple of int
        Token of each state of the chain.
    n_frames : int
        Of each trajectory.
    seed : int
    """

    what: str
    matrix: tuple
    tokens: tuple
    n_frames: int
    seed: int
    sha256: str | None
    split: tuple[int, int, int] = _SPLIT

    @property
    def n_states(self) -> int:
        """Number of tokens."""
        return max(self.tokens) + 1

    def simulate(self, folder: Path, progress: bool) -> tuple[list[np.ndarray], None]:
        """Trajectories that start in equilibrium."""
        jumps = JumpTable(np.array(self.matrix))
        states = run_chain(jumps.draw, self.stationary, self.n_frames, sum(self.split), self.seed)
        return list(np.asarray(self.tokens, dtype=np.int16)[states]), None

    @property
    def stationary(self) -> np.ndarray:
        """Populations of the chain's own states, shape (n_states,)."""
        matrix = np.array(self.matrix)
        equations = np.vstack([matrix.T - np.eye(len(matrix)), np.ones(len(matrix))])
        return np.linalg.lstsq(equations, np.append(np.zeros(len(matrix)), 1.0), rcond=None)[0]

    def exact(self) -> dict[str, Any]:
        """Populations of the tokens, and the slowest timescales in frames."""
        populations = np.bincount(self.tokens, weights=self.stationary)
        eigenvalues = np.sort(np.abs(np.linalg.eigvals(np.array(self.matrix))))[::-1]
        return {"populations": populations, "timescales_frames": -1 / np.log(eigenvalues[1:4])}


@dataclass(frozen=True, kw_only=True)
class PotentialTask(Task):
    """A particle that diffuses in a potential, as the exact chain between the cells of a grid; tokens are squares.

    The square-root approximation on the grid *is* the dynamics here, so that the answers are exact, and a seed gives
    everyone the same data; OpenMM would give other last bits on another machine.

    Attributes
    ----------
    system : str
        A potential that comes with mdtok.
    spacing_nm : float
        Side of a cell.
    square_nm : float
        Side of the square of a token. A square that holds less than 0.2 % goes to the nearest that holds more.
    dt_ps, n_frames, seed
    """

    what: str
    system: str
    spacing_nm: float
    square_nm: float
    dt_ps: float
    n_frames: int
    seed: int
    sha256: str | None
    split: tuple[int, int, int] = _SPLIT

    @cached_property
    def particle(self) -> Any:
        """The system as mdtok has it."""
        return load_system(self.system)

    @cached_property
    def oracle(self) -> Oracle:
        """Overdamped dynamics on the grid."""
        return Oracle.of(self.particle, self.spacing_nm)

    @cached_property
    def centres(self) -> np.ndarray:
        """Centre of the square of each token, nm, shape (n_states, 2)."""
        squares, square_of = np.unique(self._square_centres(self.oracle.points), axis=0, return_inverse=True)
        held = np.bincount(square_of.ravel(), weights=self.oracle.stationary_distribution)
        return squares[held > 0.002]

    def _square_centres(self, points):
        """Centre of the square of each point; borders of squares are borders of cells."""
        corner = self.oracle.points.min(axis=0) - self.spacing_nm / 2
        return corner + (np.floor((points - corner) / self.square_nm) + 0.5) * self.square_nm

    @property
    def n_states(self) -> int:
        """Number of tokens."""
        return len(self.centres)

    @property
    def n_features(self) -> int:
        """The plane."""
        return 2

    @property
    def macrostates(self) -> np.ndarray:
        """The minimum that is nearest to each token."""
        return _nearest(self.centres, np.array(list(self.particle.states.values())))

    @property
    def macrostate_names(self) -> list[str]:
        """Names of the minima."""
        return list(self.particle.states)

    def assign(self, features: np.ndarray) -> np.ndarray:
        """Tokens of positions in nm, shape (n_frames, 2)."""
        return _nearest(self._square_centres(features), self.centres)

    def simulate(self, folder: Path, progress: bool) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Trajectories that start in equilibrium: tokens, and positions at random within their cells."""
        oracle, jumps = self.oracle, SparseJumpTable(self.oracle.propagator(self.dt_ps))
        cells = run_chain(jumps.draw, oracle.stationary_distribution, self.n_frames, sum(self.split), self.seed)
        within = np.random.default_rng(self.seed + 1).uniform(-0.499, 0.499, (*cells.shape, 2)) * self.spacing_nm
        places = oracle.points[cells] + within
        token_of_cell = self.assign(oracle.points)
        return list(token_of_cell[cells].astype(np.int16)), list(places.astype(np.float32))

    def exact(self) -> dict[str, Any]:
        """Populations of the tokens, and the slowest timescales in frames."""
        weights = self.oracle.stationary_distribution
        return {
            "populations": np.bincount(self.assign(self.oracle.points), weights=weights, minlength=self.n_states),
            "timescales_frames": self.oracle.relaxation_times(3) / self.dt_ps,
        }


def run_chain(step, stationary, n_frames: int, n_chains: int, seed: int) -> np.ndarray:
    """States of independent chains that start in equilibrium, shape (n_chains, n_frames)."""
    rng = np.random.default_rng(seed)
    states = np.empty((n_frames, n_chains), dtype=np.int64)
    states[0] = rng.choice(len(stationary), n_chains, p=stationary)
    for t in range(1, n_frames):
        states[t] = step(states[t - 1], rng)
    return states.T


def _nearest(points, centres):
    return np.argmin(((np.asarray(points)[:, None] - centres) ** 2).sum(axis=2), axis=1)
