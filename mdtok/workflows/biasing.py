"""``mdtok bias``: a molecule pushed along a collective variable, and the free energy that this gives."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mdtok.checks import require_one_of
from mdtok.errors import DataError, SettingsError
from mdtok.storage import read_json, whole, write_json
from mdtok.workflows.command_line import OneStageSettings, say_how_to_resume, setting

log = logging.getLogger(__name__)

RESULT, FIGURE = "bias.json", "bias.png"
METHODS = ("metadynamics", "umbrella")
_SHORT_NAMES = {"alanine": "alanine_dipeptide"}


@dataclass
class BiasSettings(OneStageSettings):
    """Settings of a biased simulation."""

    GROUP = "simulation"

    out: str = setting("runs/bias", "Folder of the simulations and the result; what is there is not done again.")
    system: str = setting("alanine", "A system by name, or a folder with a system.yaml.")
    cv: str = setting("phi", "A dihedral angle by name (phi, 'phi ALA2'), or a file that a CV's save() wrote.")
    component: int = setting(-1, "Which number of the CV, from 0; needed where it has several.")
    state: str = setting("", "Whose free energy: 'phi > 0', 'phi > 0 and psi < 1.5' (radians), 'cv > 0.3'.")
    method: str = setting("metadynamics", f"One of {', '.join(METHODS)}.")
    reference: str = setting("", "Folder of another such run with the same state, to be held against.")
    temperature_kelvin: float = setting(300.0, "Of the thermostat.")
    length_ns: float = setting(5.0, "Length of each walker or window.")
    pilot_ns: float = setting(0.05, "Length of the short simulations before, which give the CV's range and width.")
    frame_interval_ps: float = setting(1.0, "From frame to frame.")
    n_walkers: int = setting(4, "Independent walkers of metadynamics; their scatter is in the interval.")
    starts: list[str] = setting([], "Where walkers start, in turn: starts of the system; the structure if not given.")
    platform: str = setting("auto", "Of OpenMM; auto measures.")
    n_processes: int = setting(0, "Simulations at once; 0: one a core.")
    range: list[float] = setting([], "Low and high end of the CV; found by itself if not given.", group="bias")
    width: float = setting(0.0, "Standard deviation of Gaussians; 0: that of the CV within basins.", group="bias")
    height_kt: float = setting(0.5, "Height of the first Gaussian in kT.", group="bias")
    bias_factor: float = setting(10.0, "The CV is sampled as if at so many times the temperature.", group="bias")
    gaussian_interval_ps: float = setting(1.0, "From Gaussian to Gaussian.", group="bias")
    n_windows: int = setting(24, "Windows of umbrella sampling.", group="bias")
    discard: float = setting(0.2, "Share of each simulation that is left out at its beginning.", group="bias")

    QUICK = {"length_ns": 0.25, "n_walkers": 2, "n_windows": 12}

    def __post_init__(self):
        super().__post_init__()
        require_one_of("--method", self.method, METHODS)
        if self.range and (len(self.range) != 2 or self.range[0] >= self.range[1]):
            raise SettingsError(f"--range is {self.range}; a low and a high end were expected.")
        if self.component < -1:
            raise SettingsError(f"--component is {self.component}; a whole number of at least 0 was expected.")


def run_bias(settings: BiasSettings) -> None:
    """`bias_simulation` as the settings say: ``bias.json`` and ``bias.png`` in the folder, sentences on the screen."""
    from mdtok.kinetics.biasing.simulate import bias_simulation  # --help need not wait
    from mdtok.md import load_system
    from mdtok.md.molecular_system import MolecularSystem
    from mdtok.report.figures import DPI
    from mdtok.report.plots.biased import plot_biased_free_energy
    from mdtok.workflows.folder import versions_of

    system = load_system(
        _SHORT_NAMES.get(settings.system, settings.system),
        temperature_kelvin=settings.temperature_kelvin,
        frame_interval_ps=settings.frame_interval_ps,
        progress=settings.progress,
    )
    if not isinstance(system, MolecularSystem):
        raise SettingsError(f"{system.name} is particles on a potential; a molecule was expected.")
    reference = _reference(settings) if settings.reference else None
    cv = _cv(settings, system)
    low, high = settings.range or (None, None)
    say_how_to_resume(settings)
    found = bias_simulation(
        system,
        cv,
        settings.out,
        length_ns=settings.length_ns,
        method=settings.method,
        component=None if settings.component < 0 else settings.component,
        state=settings.state,
        n_walkers=settings.n_walkers,
        n_windows=settings.n_windows,
        height_kt=settings.height_kt,
        bias_factor=settings.bias_factor,
        gaussian_interval_ps=settings.gaussian_interval_ps,
        low=low,
        high=high,
        width=settings.width or None,
        starts=settings.starts or [None],
        pilot_ns=settings.pilot_ns,
        discard=settings.discard,
        seed=settings.seed,
        platform=settings.platform,
        n_processes=settings.n_processes or None,
        progress=settings.progress,
    )
    folder, told = Path(settings.out), [str(found)]
    content = found.to_dict()
    if reference is not None:
        content |= {"reference_kt": reference, "ns_to_stay_within": found.ns_to_stay_within(float(reference.value))}
        told.append(_against(found, reference))
    run = {"command": settings.command, "settings": settings.computed(), "versions": versions_of(("mdtok", "openmm"))}
    write_json(folder / RESULT, {"schema": 1, **content, "run": run})
    with whole(folder / FIGURE) as partial:
        coordinate = f"{settings.cv} (rad)" if cv.period else Path(settings.cv).stem
        axes = plot_biased_free_energy(found, coordinate, reference)
        axes[0].figure.savefig(partial, format="png", dpi=DPI)
    sys.stdout.write("\n".join([*told, "", f"{folder / RESULT}, {folder / FIGURE}"]) + "\n")


def _cv(settings, system):
    from mdtok.kinetics.cvs.angle import AngleCV
    from mdtok.kinetics.cvs.saved import load_cv

    if settings.cv.endswith(".json"):
        return load_cv(settings.cv)
    try:
        return AngleCV.named(settings.cv, system.solute_topology)
    except SettingsError:
        raise SettingsError(
            f"--cv is {settings.cv!r}; a dihedral angle such as phi, or a file that ends in .json, was expected."
        ) from None


def _reference(settings):
    """The free energy of the state that another run found."""
    from mdtok.kinetics.estimation.estimate import Estimate

    path = Path(settings.reference) / RESULT
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("state_kt"), dict):
        raise DataError(f"{path} says no free energy of a state; a run of mdtok bias with --state was expected.")
    if content.get("state") != settings.state:
        raise DataError(f"{path} is of the state {content.get('state')!r}, this run of {settings.state!r}.")
    reference = Estimate.of(content["state_kt"])
    if not np.isfinite(reference.value):
        raise DataError(f"{path}: the state was not seen on both sides there; a longer run was expected.")
    return reference


def _against(found, reference):
    ns = found.ns_to_stay_within(float(reference.value))
    within = f"within 0.5 kT of it from {ns:.3g} ns of MD on" if np.isfinite(ns) else "not within 0.5 kT of it"
    return f"reference: {reference:.2f} kT; {within}"
