"""Compute platforms: chosen by measuring them on the very system that is to run."""

from __future__ import annotations

import dataclasses
import logging
import os
import time
from typing import TYPE_CHECKING

import openmm
from openmm import unit

from mdtok.errors import PlatformError

if TYPE_CHECKING:
    from mdtok.md.simulated_system import SimulatedSystem


logger = logging.getLogger(__name__)

_GPU_PLATFORMS = ("CUDA", "HIP", "OpenCL")
_SECONDS_EACH = 0.25
_WORTH_OF_REFERENCE = 1.25  # the same to the last bit: among near equals, noise in the measurement must not decide
_MOST_REFERENCE_ATOMS = 3000  # beyond, Reference takes seconds a step and never wins


@dataclasses.dataclass(frozen=True)
class PlatformChoice:
    """A platform with its properties, and what it was measured to do.

    Attributes
    ----------
    name : str
        As OpenMM calls it.
    properties : dict of str to str
    steps_per_second : float or None
        None where the platform was named by the user and so not measured.
    measured : dict of str to float
        Steps per second of every candidate.
    """

    name: str
    properties: dict
    steps_per_second: float | None = None
    measured: dict = dataclasses.field(default_factory=dict)

    @property
    def is_gpu(self) -> bool:
        """Whether this is CUDA, HIP or OpenCL."""
        return self.name in _GPU_PLATFORMS


def available_cores():
    """Number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def select_platform(platform: str | PlatformChoice, system: SimulatedSystem, n_processes: int = 1) -> PlatformChoice:
    """Choose the platform for a system: the one that is named, or for "auto" the one measured to be fastest.

    Reference is preferred where no other is a quarter faster: it alone gives the same to the last bit.

    Parameters
    ----------
    platform : str or PlatformChoice
        "auto", or a name such as "Reference", "CPU", "CUDA". A choice made before comes back as it is.
    system : MolecularSystem
        The measurement takes about a second on it.
    n_processes : int
        Simulations that will run side by side; the cores are shared among them.

    Returns
    -------
    PlatformChoice

    Raises
    ------
    PlatformError
        The named platform is not there, or cannot run this system.

    Examples
    --------
    >>> from mdtok.md import load_system
    >>> select_platform("Reference", load_system("alanine_dipeptide")).name
    'Reference'
    """
    if isinstance(platform, PlatformChoice):
        return platform
    n_threads = max(1, available_cores() // n_processes)
    names = {openmm.Platform.getPlatform(i).getName() for i in range(openmm.Platform.getNumPlatforms())}
    if platform != "auto":
        return _named(platform, names, system, n_threads)

    candidates = [PlatformChoice(name, _properties(name)) for name in _GPU_PLATFORMS if name in names]
    if "CPU" in names:
        candidates += [PlatformChoice("CPU", _properties("CPU", threads)) for threads in sorted({1, n_threads})]
    if system.n_atoms <= _MOST_REFERENCE_ATOMS:
        candidates.append(PlatformChoice("Reference", {}))
    speeds = {}
    for candidate in candidates:
        try:
            speeds[_label(candidate)] = (measure_speed(candidate, system), candidate)
        except openmm.OpenMMException as error:  # a platform can be installed where its device is not
            logger.info("%s: %s does not run here (%s).", system.name, candidate.name, error)
    if not speeds:
        raise PlatformError(f"No platform of OpenMM runs {system.name}; of {', '.join(sorted(names))} each failed.")
    measured = {label: speed for label, (speed, _) in speeds.items()}
    speed, best = max(
        speeds.values(), key=lambda entry: entry[0] * (_WORTH_OF_REFERENCE if entry[1].name == "Reference" else 1)
    )
    logger.info(
        "%s runs on %s: %s steps/s.",
        system.name,
        _label(best),
        ", ".join(f"{label} {speed:,.0f}" for label, speed in measured.items()),
    )
    return dataclasses.replace(best, steps_per_second=speed, measured=measured)


def _named(platform, names, system, n_threads):
    if platform not in names:
        raise PlatformError(f"There is no platform {platform!r} here; choose {', '.join(sorted(names))} or auto.")
    choice = PlatformChoice(platform, _properties(platform, n_threads))
    try:
        _make_context(choice, system)
    except openmm.OpenMMException as error:
        raise PlatformError(f"The platform {platform} does not work here ({' '.join(str(error).split())}).") from None
    return choice


def _properties(name, n_threads=1):
    """Mixed precision on GPUs, a fixed number of threads, and the same forces on every run."""
    known = openmm.Platform.getPlatformByName(name).getPropertyNames()
    wanted = {"Precision": "mixed", "DeterministicForces": "true", "Threads": str(n_threads)}
    return {key: value for key, value in wanted.items() if key in known}


def _label(choice):
    return f"{choice.name} ({choice.properties['Threads']} threads)" if "Threads" in choice.properties else choice.name


def _make_context(choice, system):
    platform = openmm.Platform.getPlatformByName(choice.name)
    return openmm.Context(system.system, system.make_integrator(1), platform, choice.properties)


def measure_speed(choice: PlatformChoice, system, seconds: float = _SECONDS_EACH) -> float:
    """Steps per second, by doubling the number of steps until the time is up.

    Parameters
    ----------
    choice : PlatformChoice
    system : MolecularSystem or ParticleSystem
    seconds : float
        About as long as the measurement takes.
    """
    context = _make_context(choice, system)
    integrator = context.getIntegrator()
    context.setPositions(system.positions)
    context.setVelocitiesToTemperature(system.temperature_kelvin * unit.kelvin, 1)
    integrator.step(1)  # compiles kernels where there are any
    n_steps, spent = 1, 0.0
    while spent < seconds / 2:
        n_steps *= 2
        began = time.perf_counter()
        integrator.step(n_steps)
        context.getState(positions=True)  # a GPU is asynchronous: waits until the steps are done
        spent = time.perf_counter() - began
    return n_steps / spent
