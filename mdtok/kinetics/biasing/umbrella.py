"""Umbrella sampling: springs along a collective variable, put together by MBAR."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import openmm
from openmm import app

from mdtok.kinetics.biasing.axis import BiasAxis
from mdtok.kinetics.biasing.metadynamics import cv_hash
from mdtok.kinetics.cvs.collective_variable import CollectiveVariable
from mdtok.kinetics.cvs.openmm_force import to_openmm_force
from mdtok.md.bias import Bias

logger = logging.getLogger(__name__)

_SPACINGS_PER_SPREAD = 2.0  # a free particle on the spring spreads by half of the distance between windows
_MOST_ITERATIONS, _TOLERANCE_KT = 20_000, 1e-5


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

    Notes
    -----
    deeptime's TRAM with all frames in one configurational state, which is MBAR (Wu et al. say so).

    References
    ----------
    M. Shirts, J. Chodera, J. Chem. Phys. 129, 124105 (2008); H. Wu, F. Paul, C. Wehmeyer, F. Noé, Proc. Natl. Acad. Sci.
    USA 113, E3221 (2016).
    """

    def __init__(self, windows: Sequence[Umbrella], kt_kj_mol: float) -> None:
        self.windows, self.kt_kj_mol, self._last = list(windows), kt_kj_mol, None

    def log_weights(self, values: list[np.ndarray], window_of: Sequence[int]) -> list[np.ndarray]:
        """Logarithms of weights.

        Parameters
        ----------
        values : list of arrays, shape (n_frames,) each
            Of the collective variable, in pieces of simulations.
        window_of : list of int
            Number of the window that each piece is of.

        Returns
        -------
        list of ndarray, shape (n_frames,) each
        """
        from deeptime.markov.msm import TRAM
        from sklearn.exceptions import ConvergenceWarning

        biases = [
            np.stack([window.energy(one) / self.kt_kj_mol for window in self.windows], axis=1) for one in values
        ]
        states = [np.zeros(len(one), dtype=np.int32) for one in values]
        of_window = [np.full(len(one), window, dtype=np.int32) for one, window in zip(values, window_of)]
        estimator = TRAM(
            lagtime=1,
            maxiter=_MOST_ITERATIONS,
            maxerr=_TOLERANCE_KT,
            init_maxiter=_MOST_ITERATIONS,
            init_maxerr=_TOLERANCE_KT,
        )
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", ConvergenceWarning)
            model = estimator.fit_fetch((states, biases, of_window), model=self._last)
        if said:
            logger.warning("MBAR did not converge: neighbouring windows hardly overlap; give more --n-windows.")
        self._last = model  # the next is like it, and begins there
        return model.compute_sample_weights_log(states, biases)
