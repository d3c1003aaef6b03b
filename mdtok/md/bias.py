"""What may be added to a simulation: a force that biases it, and the way it then advances."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import openmm
    from openmm import app

    from mdtok.md.simulated_system import SimulatedSystem


class Bias(ABC):
    """A bias, the same each time it is attached: what it keeps lies in the folder of the simulation.

    It is sent to other processes, so it can be pickled.
    """

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """All that decides what it does, as plain values; it is part of the settings of the simulation."""

    @abstractmethod
    def attach(
        self, system: SimulatedSystem, openmm_system: openmm.System, folder: Path
    ) -> Callable[[app.Simulation, int], None]:
        """Add the force, and say how the simulation advances.

        Parameters
        ----------
        system : MolecularSystem
        openmm_system : openmm.System
            The copy of ``system.system`` that will be simulated.
        folder : pathlib.Path
            Of the simulation. Its checkpoints do not hold what the bias keeps there: at the first call the bias has to
            be what it was at the step at which the simulation then is.

        Returns
        -------
        callable
            ``advance(simulation, n_steps)``, in place of ``simulation.step``.
        """
