"""Systems by name: a folder's system.yaml becomes an openmm.System with its structure, its starts and its settings."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import openmm
from openmm import unit

from mdtok.errors import SettingsError
from mdtok.md import solvent as solvents
from mdtok.md.definition import load_definition
from mdtok.md.dihedral_rotation import find_backbone_dihedrals, set_dihedral
from mdtok.md.molecular_system import MolecularSystem
from mdtok.md.particles import ParticleDefinition, make_particle_system
from mdtok.md.structure import check_forcefield_fits, check_sequence, load_structure
from mdtok.md.structure_based import StructureBasedDefinition, make_structure_based_system
from mdtok.progress import tracked
from mdtok.storage import hash_file

if TYPE_CHECKING:
    from os import PathLike

    from openmm.unit import Quantity

    from mdtok.md.particles import ParticleSystem


_HOLDING_KJ_MOL = 2000.0  # holds a dihedral angle within about a degree while the rest is minimised


def load_system(
    name: str | Path,
    *,
    structure: str | PathLike | None = None,
    solvent: str | None = None,
    temperature_kelvin: float | Quantity | None = None,
    friction_per_ps: float | Quantity | None = None,
    timestep_fs: float | Quantity | None = None,
    frame_interval_ps: float | Quantity | None = None,
    n_particles: int | None = None,
    dynamics: str | None = None,
    diffusion_nm2_per_ps: float | Quantity | None = None,
    parameters: Mapping[str, float] | None = None,
    start_square_nm: float | None = None,
    trust_scripts: bool = False,
    progress: bool = True,
) -> MolecularSystem | ParticleSystem:
    """Load a system by name, ready to simulate: a molecule, or independent particles on an analytic potential.

    Parameters
    ----------
    name : str or path-like
        A system that comes with mdtok, or a folder with a system.yaml.
    structure : path-like, optional
        PDB file with hydrogens, in place of the system's own.
    solvent : {"obc2", "gbn2", "vacuum", "tip3p"}, optional
    temperature_kelvin, friction_per_ps, timestep_fs, frame_interval_ps : float or Quantity, optional
        In place of the values in system.yaml.
    n_particles : int, optional
        Of a system with a potential: independent particles in one simulation, 1 if not given.
    dynamics : {"brownian", "langevin"}, optional
        Of a system with a potential, as what follows.
    diffusion_nm2_per_ps, start_square_nm : float, optional
        The diffusion constant is a setting of Brownian dynamics, as the friction is of Langevin dynamics.
    parameters : dict of str -> float, optional
        Values of parameters of the potential, in place of those in system.yaml.
    trust_scripts : bool
        Let Python scripts in the folder's own force fields run. OpenMM would run them without asking.
    progress : bool
        Show a progress bar where the start structures take long to minimise, in a box of water.

    Returns
    -------
    MolecularSystem or ParticleSystem

    Raises
    ------
    SettingsError
        No such system, a setting that is unknown or out of range, a potential that cannot be read, or a file that leads
        out of the system's folder or holds Python code.
    StructureError
        The structure cannot be read, lacks atoms, holds a D-residue, does not fit the force field, or is of another
        sequence than the system's.

    Examples
    --------
    >>> system = load_system("alanine_dipeptide", temperature_kelvin=300)
    >>> system.n_atoms, system.solvent, sorted(system.starts)
    (22, 'obc2', ['alpha_L', 'alpha_R', 'beta', 'c7ax'])
    >>> particles = load_system("muller_brown", n_particles=100)
    >>> particles.n_atoms, particles.dynamics, list(particles.starts)
    (100, 'brownian', ['deep', 'shallow'])
    """
    definition = load_definition(
        name,
        structure=structure,
        solvent=solvent,
        temperature_kelvin=plain(temperature_kelvin, unit.kelvin),
        friction_per_ps=plain(friction_per_ps, unit.picosecond**-1),
        timestep_fs=plain(timestep_fs, unit.femtosecond),
        frame_interval_ps=plain(frame_interval_ps, unit.picosecond),
        dynamics=dynamics,
        diffusion_nm2_per_ps=plain(diffusion_nm2_per_ps, unit.nanometer**2 / unit.picosecond),
        start_square_nm=plain(start_square_nm, unit.nanometer),
    )
    if isinstance(definition, ParticleDefinition):
        idle = "friction_per_ps" if definition.dynamics == "brownian" else "diffusion_nm2_per_ps"
        if {"friction_per_ps": friction_per_ps, "diffusion_nm2_per_ps": diffusion_nm2_per_ps}[idle] is not None:
            raise SettingsError(
                f"{definition.name} runs {definition.dynamics} dynamics, which {idle} does not enter; "
                "leave it out, or choose the other dynamics."
            )
        unknown = sorted(map(str, set(parameters or {}) - set(definition.parameters)))
        if unknown:
            known = ", ".join(definition.parameters) or "none"
            raise SettingsError(f"{definition.name} has no parameter {unknown[0]!r}; it has {known}.")
        definition = dataclasses.replace(definition, parameters={**definition.parameters, **(parameters or {})})
        return make_particle_system(definition, 1 if n_particles is None else n_particles)
    if n_particles is not None or parameters is not None:
        raise SettingsError(
            f"{definition.name} is a molecule; n_particles and parameters are for systems with a potential."
        )
    if isinstance(definition, StructureBasedDefinition):
        return make_structure_based_system(definition)
    topology, positions = load_structure(definition.structure)
    forcefield = solvents.load_forcefield(definition.forcefield, definition.solvent, definition.folder, trust_scripts)
    check_forcefield_fits(topology, forcefield, definition)
    check_sequence(topology, definition)
    n_solute = topology.getNumAtoms()
    angles = [{}, *definition.starts.values()]
    structures = [_turn(topology, positions, start) for start in angles]
    if definition.solvent == "tip3p":
        topology, structures = solvents.add_water(forcefield, topology, structures)
    system = solvents.create_system(forcefield, topology, definition)
    bar = tracked(structures, desc=f"{definition.name}: minimise", disable=not progress or _is_small(system))
    minimised = [_minimise(system, topology, positions, start) for positions, start in zip(bar, angles)]
    return MolecularSystem(
        name=definition.name,
        system=system,
        topology=topology,
        positions=minimised[0],
        starts=dict(zip(definition.starts, minimised[1:])),
        solute_atoms=np.arange(n_solute),
        temperature_kelvin=float(definition.temperature_kelvin),
        friction_per_ps=float(definition.friction_per_ps),
        timestep_fs=float(definition.timestep_fs),
        frame_interval_ps=float(definition.frame_interval_ps),
        solvent=definition.solvent,
        settings={
            "system": definition.name,
            "structure_sha256": hash_file(definition.structure),
            "forcefield": list(definition.forcefield),
            "solvent": definition.solvent,
            "temperature_kelvin": float(definition.temperature_kelvin),
            "friction_per_ps": float(definition.friction_per_ps),
            "timestep_fs": float(definition.timestep_fs),
            "hydrogen_mass_amu": float(definition.hydrogen_mass_amu),
            "starts": definition.starts,
        },
    )


def plain(value, unit_of_field):
    """A plain number in the unit given, from an OpenMM Quantity or a number that is taken to be in it."""
    return value.value_in_unit(unit_of_field) if unit.is_quantity(value) else value


def _turn(topology, positions, angles):
    for name, degrees in angles.items():
        for atoms in find_backbone_dihedrals(topology, name):
            positions = set_dihedral(topology, positions, atoms, degrees)
    return positions


def _minimise(system, topology, positions, angles):
    """Minimise a structure with its start's dihedral angles held, or a start may slide into the next basin."""
    system = copy.deepcopy(system)
    held = openmm.PeriodicTorsionForce()
    for name, degrees in angles.items():
        for atoms in find_backbone_dihedrals(topology, name):
            held.addTorsion(*atoms, 1, np.radians(degrees) + np.pi, _HOLDING_KJ_MOL)
    system.addForce(held)
    # Reference is exact and the same everywhere, but too slow for a box of water.
    name, properties = ("Reference", {}) if _is_small(system) else ("CPU", {"DeterministicForces": "true"})
    platform = openmm.Platform.getPlatformByName(name)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform, properties)
    context.setPositions(positions)
    openmm.LocalEnergyMinimizer.minimize(context, 10.0, 0 if _is_small(system) else 100)
    return np.array(context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer))


def _is_small(system):
    return system.getNumParticles() < 200
