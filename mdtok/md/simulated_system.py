"""What a simulation asks of every system, be it a molecule or particles on a potential."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import openmm
from openmm import unit

from mdtok.errors import SettingsError


class SimulatedSystem:
    """Base of systems that have a ``system``, ``starts``, a temperature, a friction, a time step and an interval of
    frames."""

    name: str
    system: openmm.System
    starts: Mapping
    temperature_kelvin: float
    friction_per_ps: float
    timestep_fs: float
    frame_interval_ps: float

    def start_positions(self, start: str | None, seed: int) -> np.ndarray:
        """Positions in nm that a simulation starts from."""
        raise NotImplementedError

    @property
    def n_atoms(self) -> int:
        """Number of atoms or particles, solvent included."""
        return self.system.getNumParticles()

    @property
    def frame_interval_steps(self) -> int:
        """Time steps from frame to frame."""
        return round(self.frame_interval_ps * 1000 / self.timestep_fs)

    @property
    def integrator_class(self) -> type:
        """Langevin (LFMiddle, Zhang et al., J. Phys. Chem. A 123, 6056 (2019))."""
        return openmm.LangevinMiddleIntegrator

    def make_integrator(self, seed: int) -> openmm.Integrator:
        """The integrator of this system.

        Parameters
        ----------
        seed : int
            1 to 2**31 - 1; OpenMM takes 0 for "choose one at random".
        """
        if not 1 <= seed < 2**31:
            raise SettingsError(f"The integrator's seed is {seed}; 1 to 2**31 - 1 was expected.")
        integrator = self.integrator_class(
            self.temperature_kelvin * unit.kelvin,
            self.friction_per_ps / unit.picosecond,
            self.timestep_fs * unit.femtosecond,
        )
        integrator.setRandomNumberSeed(int(seed))
        return integrator

    def require_start(self, start: str | None) -> None:
        """Raise SettingsError unless there is a start of that name."""
        if start not in self.starts:
            raise SettingsError(f"{self.name} has no start {start!r}; it has {', '.join(self.starts) or 'none'}.")
