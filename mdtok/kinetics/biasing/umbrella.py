"""Umbrella sampling: springs along a collective variable, put together by MBAR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import openmm
from openmm import app
from scipy.optimize import minimize
from scipy.special import logsumexp

from mdtok.kinetics.biasing.axis import BiasAxis
from mdtok.kinetics.biasing.metadynamics import cv_hash
from mdtok.kinetics.cvs.collective_variable import CollectiveVariable
from mdtok.kinetics.cvs.openmm_force import to_openmm_force
from mdtok.md.bias import Bias

_SPACINGS_PER_SPREAD = 2.0  # a free particle on the spring spreads by half of the distance between windows
_GTOL = 1e-9
_LEAST_OVERLAP = 0.03  # Klimovich, Shirts, Mobley, J. Comput. Aided Mol. Des. 29, 397 (2015)


@dataclass(frozen=True)
class Umbrella(Bias):
    """A spring on a collective variable: ``force_constant / 2 * (cv - centre)²``, the short way round where it is
    periodic.

    Attributes
    ----------
    cv : CollectiveVariable
    component : int
    centre : float
    force_constant_kj_mol : float
        In kJ/mol per square of the variable's unit.

    References
    ----------
    G. Torrie, J. Valleau, J. Comput. Phys. 23, 187 (1977).
    """

    cv: CollectiveVariable
    component: int
    centre: float
    force_constant_kj_mol: float

    @property
    def settings(self) -> dict[str, Any]:
        """As plain values, the CV as its hash."""
        return {
            "method": "umbrella",
            "cv": cv_hash(self.cv),
            "component": self.component,
            "centre": self.centre,
            "force_constant_kj_mol": self.force_constant_kj_mol,
        }

    def attach(self, system, openmm_system, folder):
        """See `Bias.attach`; nothing is kept."""
        shortest = "d" if self.cv.period is None else f"min(d, {self.cv.period!r} - d)"
        force = openmm.CustomCVForce(f"0.5*force_constant*({shortest})^2; d = abs(cv - centre)")
        force.addCollectiveVariable("cv", to_openmm_force(self.cv, system, component=self.component))
        force.addGlobalParameter("force_constant", self.force_constant_kj_mol)
        force.addGlobalParameter("centre", self.centre)
        openmm_system.addForce(force)
        return app.Simulation.step

    def energy(self, values: np.ndarray) -> np.ndarray:
        """Energy of the spring in kJ/mol at values of the variable."""
        distance = np.abs(values - self.centre)
        if self.cv.period is not None:
            distance = np.minimum(distance, self.cv.period - distance)
        return 0.5 * self.force_constant_kj_mol * distance**2


def umbrella_windows(
    cv: CollectiveVariable, component: int, axis: BiasAxis, n_windows: int, kt_kj_mol: float
) -> list[Umbrella]:
    """Springs at even distances from end to end (round a turn), so stiff that neighbours overlap well."""
    low = axis.low if axis.wall_low is None else axis.wall_low
    high = axis.high if axis.wall_high is None else axis.wall_high
    centres = np.linspace(low, high, n_windows, endpoint=not axis.periodic)
    stiffness = kt_kj_mol * (_SPACINGS_PER_SPREAD / (centres[1] - centres[0])) ** 2
    return [Umbrella(cv, component, float(centre), float(stiffness)) for centre in centres]


class UmbrellaWeights:
    """Weights of frames of several windows, for one unbiased ensemble.

    Parameters
    ----------
    windows : list of Umbrella
    kt_kj_mol : float
    """

    def __init__(self, windows: Sequence[Umbrella], kt_kj_mol: float) -> None:
        self.windows, self.kt_kj_mol = list(windows), kt_kj_mol
        self._last: np.ndarray | None = None  # the next free energies are like these

    def log_weights(self, values: np.ndarray, n_frames: np.ndarray) -> np.ndarray:
        """Logarithms of weights.

        Parameters
        ----------
        values : array, shape (n_frames,)
            The collective variable in frames of all windows together.
        n_frames : int array, shape (n_windows,)
            How many of them are of each window.

        Returns
        -------
        ndarray, shape (n_frames,)
        """
        self._last, log_weights = mbar(self._biases(values), n_frames, self._last)
        return log_weights

    def overlap(self, values: np.ndarray, n_frames: np.ndarray) -> bool:
        """Whether frames go over from window to window at least as they do along a chain with overlaps of 0.03."""
        biases = self._biases(values)
        free, log_weights = mbar(biases, n_frames, self._last)
        parts = np.exp(np.log(n_frames / len(values)) + free - biases + log_weights[:, None]) / np.sqrt(n_frames)
        eigenvalues = np.linalg.eigvalsh(parts.T @ parts)
        return bool(1 - eigenvalues[-2] >= 2 * _LEAST_OVERLAP * (1 - np.cos(np.pi / len(n_frames))))

    def _biases(self, values):
        return np.stack([window.energy(values) / self.kt_kj_mol for window in self.windows], axis=1)


def mbar(biases_kt: np.ndarray, n_frames: np.ndarray, start: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Free energies of biased ensembles, and the weights of their frames without a bias (MBAR).

    The convex function whose minimum solves the equations of MBAR is minimised with its Hessian, which takes ten steps
    where their self-consistent iteration takes hundreds.

    Parameters
    ----------
    biases_kt : array, shape (n_all, n_ensembles)
        Energy of each frame in each bias, in kT; frames of all ensembles, in any order.
    n_frames : int array, shape (n_ensembles,)
        Frames of each ensemble.
    start : array, shape (n_ensembles,), optional
        Free energies to begin with.

    Returns
    -------
    free_energies_kt : ndarray, shape (n_ensembles,)
        Above the first.
    log_weights : ndarray, shape (n_all,)
        Logarithms, up to a constant.

    References
    ----------
    M. Shirts, J. Chodera, J. Chem. Phys. 129, 124105 (2008); Z. Tan et al., J. Chem. Phys. 136, 144102 (2012) (the
    convex function).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = np.concatenate([rng.normal(0, 1, 5000), rng.normal(1, 1, 5000)])     # a harmonic well, and the same pushed
    >>> energies, _ = mbar(np.stack([0 * x, 0.5 - x], axis=1), np.array([5000, 5000]))
    >>> bool(abs(energies[1]) < 0.05)
    True
    """
    share = np.asarray(n_frames) / len(biases_kt)
    with np.errstate(divide="ignore"):
        log_share = np.log(share)

    def ensembles_of(free):  # how much of each frame is of each ensemble, and the mixture's density
        terms = log_share + np.append(0.0, free) - biases_kt
        mixture = logsumexp(terms, axis=1)
        return np.exp(terms - mixture[:, None]), mixture

    def value_and_slope(free):
        parts, mixture = ensembles_of(free)
        return mixture.mean() - share[1:] @ free, (parts.mean(axis=0) - share)[1:]

    def curvature(free):
        parts = ensembles_of(free)[0][:, 1:]
        return np.diag(parts.mean(axis=0)) - parts.T @ parts / len(parts)

    begin = np.zeros(len(share) - 1) if start is None else start[1:]
    found = minimize(value_and_slope, begin, jac=True, hess=curvature, method="trust-exact", options={"gtol": _GTOL})
    return np.append(0.0, found.x), -ensembles_of(found.x)[1]
