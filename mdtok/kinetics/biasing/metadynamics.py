"""Well-tempered metadynamics that survives a kill: OpenMM's own, with each Gaussian in a file."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from openmm import app, unit
from scipy.special import logsumexp

from mdtok.errors import RunFolderError
from mdtok.kinetics.biasing.axis import BiasAxis
from mdtok.kinetics.cvs.collective_variable import CollectiveVariable
from mdtok.kinetics.cvs.openmm_force import to_openmm_force
from mdtok.md.bias import Bias
from mdtok.md.constants import GAS_CONSTANT_KJ_MOL_K
from mdtok.storage import as_json, hash_json, whole

HILLS = "hills.csv"
_HEADER = "cv,height_kj_mol\n"


@dataclass(frozen=True)
class Metadynamics(Bias):
    """Gaussians along a collective variable, lower where there are many.

    Attributes
    ----------
    cv : CollectiveVariable
    component : int
        Which of its numbers.
    axis : BiasAxis
    height_kj_mol : float
        Of the first Gaussian.
    bias_factor : float
        The variable is sampled as if at so many times the temperature.
    interval_steps : int
        Steps from Gaussian to Gaussian; the n-th is added at step ``n * interval_steps``.
    temperature_kelvin : float

    References
    ----------
    A. Barducci, G. Bussi, M. Parrinello, Phys. Rev. Lett. 100, 020603 (2008).
    """

    cv: CollectiveVariable
    component: int
    axis: BiasAxis
    height_kj_mol: float
    bias_factor: float
    interval_steps: int
    temperature_kelvin: float

    @property
    def kt_kj_mol(self) -> float:
        """Thermal energy in kJ/mol."""
        return GAS_CONSTANT_KJ_MOL_K * self.temperature_kelvin

    @property
    def settings(self) -> dict[str, Any]:
        """As plain values, the CV as its hash."""
        return {
            "method": "metadynamics",
            "cv": cv_hash(self.cv),
            "component": self.component,
            **self.axis.settings,
            "height_kj_mol": self.height_kj_mol,
            "bias_factor": self.bias_factor,
            "interval_steps": self.interval_steps,
        }

    def attach(self, system, openmm_system, folder):
        """See `Bias.attach`; Gaussians are in ``hills.csv`` of the folder."""
        force = to_openmm_force(self.cv, system, component=self.component)
        return _KeptMetadynamics(self, force, openmm_system, folder / HILLS).advance


class _KeptMetadynamics(app.Metadynamics):
    """Writes each Gaussian to a file, and begins with those that were there at the step of the simulation."""

    def __init__(self, bias, force, openmm_system, path):
        self._bias, self._path, self._is_restored = bias, path, False
        axis = bias.axis
        variable = app.BiasVariable(force, axis.low, axis.high, axis.width, axis.periodic, axis.n_points)
        temperature = bias.temperature_kelvin * unit.kelvin
        super().__init__(
            openmm_system, [variable], temperature, bias.bias_factor, bias.height_kj_mol, bias.interval_steps
        )

    def advance(self, simulation, n_steps):
        if not self._is_restored:
            self._restore(simulation)
        self.step(simulation, n_steps)

    def _restore(self, simulation):
        hills = read_hills(self._path, simulation.currentStep // self.frequency)
        with whole(self._path) as partial:
            partial.write_text(_HEADER + "".join(map(_row, *hills.T)), encoding="utf-8")
        self._totalBias += self._bias.axis.walls(self._bias.kt_kj_mol)
        for position, height in hills:
            self._totalBias += height * self._bias.axis.gaussian(position)
        # One of height 0 hands the table to the context.
        super()._addGaussian([self._bias.axis.low], 0.0 * unit.kilojoule_per_mole, simulation.context)
        self._is_restored = True

    def _addGaussian(self, position, height, context):
        super()._addGaussian(position, height, context)
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(_row(position[0], height.value_in_unit(unit.kilojoule_per_mole)))


def _row(position, height):
    return f"{float(position)!r},{float(height)!r}\n"


def read_hills(path: Path, n_hills: int) -> np.ndarray:
    """Position and height in kJ/mol of the first Gaussians of a file, shape (n_hills, 2).

    Raises
    ------
    RunFolderError
        The file has fewer, or something else in it.
    """
    if n_hills == 0:
        return np.empty((0, 2))
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    rows = [line.split(",") for line in lines[1 : n_hills + 1] if line.endswith("\n")]
    try:
        hills = np.array(rows, dtype=float).reshape(-1, 2)
    except ValueError:
        hills = np.empty((0, 2))
    if len(hills) < n_hills or not np.isfinite(hills).all():
        raise RunFolderError(
            f"{path} is damaged: {n_hills} Gaussians were expected; remove the folder {path.parent} and give the same "
            "command again."
        )
    return hills


def cv_hash(cv: CollectiveVariable) -> str:
    """A hash of all that a collective variable is."""
    return hash_json(as_json(cv.to_dict()))


def metadynamics_log_weights(
    bias: Metadynamics, hills: np.ndarray, values: np.ndarray, steps: np.ndarray
) -> np.ndarray:
    """Logarithms of the weights that make frames of metadynamics an equilibrium ensemble.

    ``w = exp((V(s, t) - c(t)) / kT)`` with the bias V that each frame felt and
    ``c(t) = kT ln[∫ exp(γ V / ((γ - 1) kT)) ds / ∫ exp(V / ((γ - 1) kT)) ds]``, so that frames of all times, and of
    independent walkers, are of one ensemble once the bias has filled what it covers. Walls are taken off too.

    Parameters
    ----------
    bias : Metadynamics
    hills : array, shape (n_hills, 2)
        Position and height of the Gaussians in the order in which they were added.
    values : array, shape (n_frames,)
        The collective variable.
    steps : int array, shape (n_frames,)
        At which step each frame is, increasing.

    Returns
    -------
    ndarray, shape (n_frames,)

    References
    ----------
    P. Tiwary, M. Parrinello, J. Phys. Chem. B 119, 736 (2015), equations 12 and 13.

    Examples
    --------
    >>> from mdtok.kinetics.biasing.axis import BiasAxis
    >>> bias = Metadynamics(None, 0, BiasAxis(-3, 3, 0.5, periodic=False), 1.0, 5.0, 100, 300.0)
    >>> values, steps = np.array([0.0, 0.0, 3.0]), np.array([100, 101, 101])
    >>> weights = metadynamics_log_weights(bias, np.array([[0.0, 1.0]]), values, steps)
    >>> float(weights[0]), bool(weights[1] > weights[2])      # the first frame came before the Gaussian
    (0.0, True)
    """
    axis, kt, factor = bias.axis, bias.kt_kj_mol, bias.bias_factor
    n_before = (np.asarray(steps) - 1) // bias.interval_steps  # Gaussians that each frame felt
    firsts = np.searchsorted(n_before, np.arange(n_before[-1] + 2)) if len(values) else [0]
    log_weights = axis.at(axis.walls(kt), values) / kt
    potential, inner = np.zeros(axis.n_points), slice(0, axis.n_points - axis.periodic)
    for n_hills, (first, last) in enumerate(itertools.pairwise(firsts)):
        if n_hills:
            position, height = hills[n_hills - 1]
            potential += height * axis.gaussian(position)
        if first == last:
            continue
        reduced = potential[inner] / kt / (factor - 1)
        offset = logsumexp(factor * reduced) - logsumexp(reduced)
        log_weights[first:last] += axis.at(potential, values[first:last]) / kt - offset
    return log_weights
