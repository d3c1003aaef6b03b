"""Models of tokens as densities, uniform within a cell: so that they are compared with models of coordinates in nats.

A token says in which cell a frame lies; with nothing else known the frame is anywhere in it, and the log-density of the
frame is the log-probability of its token less the logarithm of the cell's volume.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mdtok.checks import require_whole_number
from mdtok.errors import DataError
from mdtok.models.dynamics import DynamicsModel

_POINTS_AT_ONCE = 2**17  # what the sequence is balanced for


def cell_volumes(
    to_states: Callable[[np.ndarray], np.ndarray],
    n_states: int,
    bounds: np.ndarray,
    n_points: int = 1_000_000,
    seed: int = 0,
) -> np.ndarray:
    """Volume of the cell of each state within a box, from points that fill it evenly (a scrambled Sobol sequence).

    Parameters
    ----------
    to_states : callable
        States (n_points,) of points (n_points, n_dim).
    n_states : int
    bounds : array, shape (n_dim, 2)
        Low and high end of each column; -π and π for an angle. Cells must not reach further.
    n_points : int
        The relative error of a cell that holds n of them is below ``1 / sqrt(n)``.
    seed : int

    Returns
    -------
    ndarray of float, shape (n_states,)
        0 for a state that no point is in.

    References
    ----------
    A. B. Owen, J. Complexity 14, 466 (1998).

    Examples
    --------
    >>> halves = cell_volumes(lambda points: (points[:, 0] > 0).astype(int), 2, [[-np.pi, np.pi]], n_points=4096)
    >>> halves.round(2)
    array([3.14, 3.14])
    """
    from scipy.stats import qmc

    require_whole_number("n_points", n_points, 1)
    low, high = np.asarray(bounds, dtype=float).T
    sobol, counts = qmc.Sobol(len(low), rng=np.random.default_rng(seed)), np.zeros(n_states)
    n_points = 2 ** int(np.ceil(np.log2(n_points)))
    for start in range(0, n_points, _POINTS_AT_ONCE):
        points = low + (high - low) * sobol.random(min(_POINTS_AT_ONCE, n_points - start))
        counts += np.bincount(to_states(points), minlength=n_states)
    return counts / n_points * np.prod(high - low)


def token_log_density(model: DynamicsModel, dtrajs: list[np.ndarray], volumes: np.ndarray) -> list[np.ndarray]:
    """Log-density, in nats, of frames whose tokens are known, each given the tokens before it.

    Parameters
    ----------
    model : DynamicsModel
        Fitted.
    dtrajs : list of int arrays, shape (n_frames,) each
        Tokens of held-out trajectories.
    volumes : array, shape (n_states,)
        From `cell_volumes`, in the units that densities of other models have.

    Returns
    -------
    list of ndarray of float, shape (n_frames - lagtime,) each

    Raises
    ------
    DataError
        A token's cell has no volume.

    Examples
    --------
    >>> from mdtok.models import MarkovModel
    >>> dtraj = np.random.default_rng(7).integers(2, size=20_000)
    >>> (nats,) = token_log_density(MarkovModel().fit([dtraj]), [dtraj], np.array([0.5, 0.5]))
    >>> bool(abs(nats.mean()) < 0.01)  # two halves of one unit, drawn at random: a uniform density of 1
    True
    """
    volumes = np.asarray(volumes, dtype=float)
    found = []
    for dtraj, log_prob in zip(dtrajs, model.log_prob(dtrajs)):
        of_frames = volumes[np.asarray(dtraj)[model.lagtime :]]
        if not (of_frames > 0).all():
            state = int(np.asarray(dtraj)[model.lagtime :][of_frames.argmin()])
            raise DataError(f"The cell of state {state} has no volume; take more points in cell_volumes.")
        found.append(log_prob - np.log(of_frames))
    return found
