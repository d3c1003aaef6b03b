"""What mdtok finds on this machine: versions, platforms and why one does not load, devices, room, and a speed test."""

import os
import re
import shutil
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import openmm
import psutil

from mdtok.errors import PlatformError
from mdtok.md import load_system, select_platform
from mdtok.md.platforms import available_cores, measure_speed
from mdtok.workflows.folder import versions_of

PACKAGES = (
    "mdtok",
    "openmm",
    "mdtraj",
    "deeptime",
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "transformers",
    "accelerate",
    "safetensors",
    "matplotlib",
    "jinja2",
    "tyro",
)
_SECONDS = 2.0
_GB = 1e9


@dataclass
class PlatformFinding:
    """Whether a platform of OpenMM runs here.

    Attributes
    ----------
    name : str
    why_not : str
        Empty where it runs.
    device : str
        Its name, where the platform tells.
    """

    name: str
    why_not: str = ""
    device: str = ""


@dataclass
class Findings:
    """What `examine` found.

    Attributes
    ----------
    versions : dict of str -> str
        Of Python and of the packages; "not installed" where one is missing.
    platforms : list of PlatformFinding
    plugin_failures : list of str
        What OpenMM says of each plugin that did not load.
    torch : str
        Its devices, or why it has none but the processor.
    folder : str
    free_disk_gb, free_memory_gb : float
    n_cores : int
        That this process may use.
    omp_threads : str
        ``OMP_NUM_THREADS``; empty if it is not set.
    speed : str
        Of alanine dipeptide, or why it does not run.
    """

    versions: dict[str, str]
    platforms: list[PlatformFinding]
    plugin_failures: list[str]
    torch: str
    folder: str
    free_disk_gb: float
    free_memory_gb: float
    n_cores: int
    omp_threads: str
    speed: str

    def __str__(self) -> str:
        rows = [("versions", ", ".join(f"{name} {version}" for name, version in self.versions.items()))]
        for one in self.platforms:
            rows.append((f"OpenMM {one.name}", f"does not run: {one.why_not}" if one.why_not else one.device or "runs"))
        rows += [("OpenMM plugin", failure) for failure in self.plugin_failures]
        rows += [
            ("torch", self.torch),
            ("disk", f"{self.free_disk_gb:,.1f} GB free in {self.folder}"),
            ("memory", f"{self.free_memory_gb:,.1f} GB free"),
            ("cores", f"{self.n_cores}, OMP_NUM_THREADS {self.omp_threads or 'not set'}"),
            ("speed", self.speed),
        ]
        width = 2 + max(len(title) for title, _ in rows)
        return "\n".join(f"{title:<{width}}{what}" for title, what in rows)


def run_doctor() -> None:
    """``mdtok doctor``: the findings as a table on standard output."""
    sys.stdout.write(f"{examine()}\n")


def examine(folder: str | Path = ".", seconds: float = _SECONDS) -> Findings:
    """Look at this machine.

    Parameters
    ----------
    folder : path-like
        Where the room on disk is looked at.
    seconds : float
        How long the speed test takes, about.

    Returns
    -------
    Findings
    """
    return Findings(
        versions=find_versions(),
        platforms=find_platforms(),
        plugin_failures=find_plugin_failures(),
        torch=find_torch_devices(),
        folder=str(Path(folder).resolve()),
        free_disk_gb=shutil.disk_usage(folder).free / _GB,
        free_memory_gb=psutil.virtual_memory().available / _GB,
        n_cores=available_cores() or 1,
        omp_threads=os.environ.get("OMP_NUM_THREADS", ""),
        speed=speed_of_alanine(seconds),
    )


def find_versions() -> dict[str, str]:
    """Versions of Python and of the packages that mdtok uses."""
    installed = versions_of(PACKAGES)
    return {"python": sys.version.split()[0]} | {name: installed.get(name, "not installed") for name in PACKAGES}


def find_platforms() -> list[PlatformFinding]:
    """Every platform that OpenMM knows here, each tried with one particle."""
    platforms = [openmm.Platform.getPlatform(index) for index in range(openmm.Platform.getNumPlatforms())]
    return [_try(platform) for platform in platforms]


def find_plugin_failures() -> list[str]:
    """Each plugin of OpenMM that did not load, and why."""
    said = [" ".join(failure.split()) for failure in openmm.Platform.getPluginLoadFailures()]
    return [re.sub(r"^Error loading library \S*?([^/\s]+): ", r"\1: ", one) for one in said]


def _try(platform):
    system = openmm.System()
    system.addParticle(1.0)
    try:
        context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
        context.setPositions([openmm.Vec3(0, 0, 0)])
        context.getIntegrator().step(1)
        named = "DeviceName" in platform.getPropertyNames()
        return PlatformFinding(
            platform.getName(), device=platform.getPropertyValue(context, "DeviceName") if named else ""
        )
    except openmm.OpenMMException as error:  # a platform can be installed where its device is not
        return PlatformFinding(platform.getName(), why_not=" ".join(str(error).split()))


def find_torch_devices() -> str:
    """What torch can compute on besides the processor, or why nothing."""
    try:
        import torch
    except ImportError as error:
        return f"does not import: {' '.join(str(error).split())}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of a driver that is too old, which is said here
        has_cuda = torch.cuda.is_available()
    if has_cuda:
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return f"CUDA {torch.version.cuda}: {', '.join(names)}"
    if torch.backends.mps.is_available():
        return "MPS"
    if torch.version.cuda is None:
        return "processor only: this torch was built without CUDA"
    return f"processor only: built for CUDA {torch.version.cuda}, but no device or no driver answers"


def speed_of_alanine(seconds: float = _SECONDS) -> str:
    """Steps per second of alanine dipeptide on the platform that `select_platform` picks."""
    try:
        system = load_system("alanine_dipeptide", progress=False)
        choice = select_platform("auto", system)
        speed = measure_speed(choice, system, seconds)
    except (PlatformError, openmm.OpenMMException) as error:
        return f"alanine dipeptide does not run: {' '.join(str(error).split())}"
    ns_per_day = speed * system.timestep_fs * 86_400 * 1e-6
    return f"{speed:,.0f} steps/s ({ns_per_day:,.0f} ns/day) of alanine dipeptide on {choice.name}"
