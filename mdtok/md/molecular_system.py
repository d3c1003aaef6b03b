"""A molecule that is ready to run: an openmm.System with its structure, its starts and its settings."""

from __future__ import annotations

import dataclasses

import numpy as np
import openmm
from openmm import app, unit

from mdtok.md.simulated_system import SimulatedSystem


@dataclasses.dataclass(frozen=True, eq=False)
class MolecularSystem(SimulatedSystem):
    """A molecule, its force field and the settings of its dynamics.

    Attributes
    ----------
    name : str
    system : openmm.System
    topology : openmm.app.Topology
    positions : ndarray of float, shape (n_atoms, 3), in nm
        The structure, minimised.
    starts : dict of str to ndarray of float, shape (n_atoms, 3), in nm
        Minimised structures in each basin, by name.
    solute_atoms : ndarray of int
        The atoms that trajectories keep: all but water and ions.
    temperature_kelvin, friction_per_ps, timestep_fs, frame_interval_ps : float
    solvent : {"obc2", "gbn2", "vacuum", "tip3p"}
    settings : dict
        Everything above that decides what a simulation computes, as plain values.
    """

    name: str
    system: openmm.System
    topology: app.Topology
    positions: np.ndarray
    starts: dict
    solute_atoms: np.ndarray
    temperature_kelvin: float
    friction_per_ps: float
    timestep_fs: float
    frame_interval_ps: float
    solvent: str
    settings: dict

    @property
    def solute_topology(self) -> app.Topology:
        """The openmm Topology of the atoms that trajectories keep."""
        if len(self.solute_atoms) == self.n_atoms:
            return self.topology
        modeller = app.Modeller(self.topology, self.positions * unit.nanometer)
        keep = set(self.solute_atoms.tolist())
        modeller.delete([atom for atom in self.topology.atoms() if atom.index not in keep])
        return modeller.topology

    #: Whether particles have momenta, and with them a kinetic temperature.
    has_velocities = True
    #: Where a simulation starts that names no start: the structure itself.
    default_start = None

    def start_positions(self, start: str | None, seed: int = 0) -> np.ndarray:
        """Positions of a start, by its name, the same for every seed; None gives the structure itself.

        Raises
        ------
        SettingsError
            There is no start of that name.
        """
        if start is None:
            return self.positions
        self.require_start(start)
        return self.starts[start]
