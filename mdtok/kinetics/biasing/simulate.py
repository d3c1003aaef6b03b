"""Biased simulations of a molecule along a collective variable, from the range to the free energy."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np

from mdtok.checks import require_one_of, require_positive, require_whole_number
from mdtok.errors import SettingsError
from mdtok.kinetics.biasing.axis import axis_of
from mdtok.kinetics.biasing.free_energy import (
    FEWEST_FRAMES,
    BiasedFreeEnergy,
    MetadynamicsWalks,
    UmbrellaWalks,
    Walk,
    estimate_free_energy,
)
from mdtok.kinetics.biasing.metadynamics import HILLS, Metadynamics, read_hills
from mdtok.kinetics.biasing.state import State
from mdtok.kinetics.biasing.umbrella import umbrella_windows
from mdtok.kinetics.cvs.collective_variable import CollectiveVariable
from mdtok.kinetics.cvs.openmm_force import to_openmm_force
from mdtok.md.constants import GAS_CONSTANT_KJ_MOL_K
from mdtok.md.molecular_system import MolecularSystem
from mdtok.md.replicas import run_replicas

logger = logging.getLogger(__name__)

METHODS = ("metadynamics", "umbrella")
_N_BINS = 60
_MOST_DISCARDED = 0.9


def bias_simulation(
    system: MolecularSystem,
    cv: CollectiveVariable,
    out: str | Path,
    *,
    length_ns: float,
    method: str = "metadynamics",
    component: int | None = None,
    state: str = "",
    n_walkers: int = 4,
    n_windows: int = 24,
    height_kt: float = 0.5,
    bias_factor: float = 10.0,
    gaussian_interval_ps: float = 1.0,
    low: float | None = None,
    high: float | None = None,
    width: float | None = None,
    starts: Sequence[str | None] = (None,),
    pilot_ns: float = 0.05,
    discard: float = 0.2,
    seed: int = 7,
    platform: str = "auto",
    n_processes: int | None = None,
    executor: Any | None = None,
    progress: bool = True,
) -> BiasedFreeEnergy:
    """Well-tempered metadynamics or umbrella sampling along a collective variable, and the free energy it gives.

    Called again with the same settings, it goes on from the last checkpoints, and what is finished costs nothing.

    Parameters
    ----------
    system : MolecularSystem
    cv : LinearCV, NetworkCV or AngleCV
        Of the atoms of the system.
    out : path-like
        Folder: ``pilot/``, a short simulation from each start of the system, and ``walkers/`` or ``windows/``; in each
        of these a folder a simulation (see `run_simulation`), for metadynamics with its Gaussians in ``hills.csv``.
    length_ns : float
        Of each walker or window.
    method : {"metadynamics", "umbrella"}
    component : int, optional
        Which number of the CV, from 0; needed where it has several.
    state : str
        Whose free energy is asked for: ``"phi > 0"``, ``"phi > 0 and psi < 1.5"`` (radians), ``"cv > 0.3"``.
    n_walkers : int
        Independent simulations of metadynamics, each with its own bias: their scatter is in the intervals.
    n_windows : int
        Of umbrella sampling, at even distances.
    height_kt, bias_factor, gaussian_interval_ps : float
        Of metadynamics.
    low, high : float, optional
        Range of the CV; see `axis_of`.
    width : float, optional
        Standard deviation of Gaussians.
    starts : list of str or None
        Where walkers start, in turn; None is the structure itself. A window starts where the pilot was nearest.
    pilot_ns : float
        Length of each short simulation; they give range and width, and no frames.
    discard : float
        Share of each simulation that is left out at its beginning.
    seed : int
    platform : str
    n_processes, executor : optional
        See `run_replicas`.
    progress : bool

    Returns
    -------
    BiasedFreeEnergy

    Raises
    ------
    DataError
        The CV is of other atoms than the system, or the state names what the molecule has not.
    SettingsError
        A setting is out of range, simulations are too short for error bars, the CV needs a newer OpenMM, or all of
        the simulations blew up.
    RunFolderError
        The folder holds another simulation.

    References
    ----------
    A. Barducci, G. Bussi, M. Parrinello, Phys. Rev. Lett. 100, 020603 (2008) (well-tempered metadynamics); P. Tiwary,
    M. Parrinello, J. Phys. Chem. B 119, 736 (2015) (its weights); M. Shirts, J. Chodera, J. Chem. Phys. 129, 124105
    (2008) (MBAR, the weights of umbrella windows).

    Examples
    --------
    >>> import tempfile
    >>> from mdtok.kinetics import AngleCV
    >>> from mdtok.md import load_system
    >>> system = load_system("alanine_dipeptide", temperature_kelvin=300)
    >>> phi = AngleCV.named("phi", system.topology)
    >>> found = bias_simulation(                                                        # doctest: +SKIP
    ...     system, phi, tempfile.mkdtemp(), length_ns=10, state="phi > 0"
    ... )
    """
    require_one_of("method", method, METHODS)
    for name, value in (("length_ns", length_ns), ("pilot_ns", pilot_ns), ("height_kt", height_kt)):
        require_positive(name, value)
    require_whole_number("n_walkers", n_walkers, 1)
    require_whole_number("n_windows", n_windows, 2)
    require_positive("bias_factor less 1", bias_factor - 1)
    require_whole_number("gaussian_interval_ps in time steps", _steps(system, gaussian_interval_ps), 1)
    if not 0 <= discard <= _MOST_DISCARDED:
        raise SettingsError(f"discard is {discard!r}; a share of 0 to {_MOST_DISCARDED} was expected.")
    if low is not None and high is not None and not low < high:
        raise SettingsError(f"low is {low!r} and high {high!r}; low below high was expected.")
    if cv.period is not None and (low is not None or high is not None):
        raise SettingsError("An angle has a whole turn; leave out low and high.")
    if length_ns * 1000 / system.frame_interval_ps < FEWEST_FRAMES:
        raise SettingsError(
            f"length_ns is {length_ns:g} and frame_interval_ps {system.frame_interval_ps:g}; at least {FEWEST_FRAMES} "
            "frames of each walker or window were expected."
        )
    measure, folder = _Measure(system, cv, component, state), Path(out)
    for start in starts:
        if start is not None:
            system.require_start(start)
    how: dict[str, Any] = {"seed": seed, "platform": platform, "n_processes": n_processes, "executor": executor}
    how["progress"] = progress

    pilot_starts = list(system.starts) or [None]
    trajs = run_replicas(system, len(pilot_starts), pilot_ns, out=folder / "pilot", starts=pilot_starts, **how)
    seen = [walk.values for walk in measure(trajs, progress=False)]
    axis = axis_of(cv, measure.component, seen, low, high, width)
    logger.info("%s", _told(axis))
    if method == "metadynamics":
        kt, interval = _kt(system), _steps(system, gaussian_interval_ps)
        bias = Metadynamics(
            cv, measure.component, axis, height_kt * kt, float(bias_factor), interval, system.temperature_kelvin
        )
        trajs = run_replicas(system, n_walkers, length_ns, out=folder / "walkers", starts=starts, biases=[bias], **how)
        walks = _metadynamics_walks(bias, trajs, measure(trajs, progress), system.frame_interval_steps, progress)
    else:
        windows = umbrella_windows(cv, measure.component, axis, n_windows, _kt(system))
        nearest = [pilot_starts[_nearest(window, seen)] for window in windows]
        trajs = run_replicas(
            system, n_windows, length_ns, out=folder / "windows", starts=nearest, biases=windows, **how
        )
        left = [windows[int(path.parent.name.rpartition("_")[2])] for path in trajs.paths]  # one may have blown up
        walks = UmbrellaWalks(left, measure(trajs, progress), _kt(system))
    md_ns = sum(len(walk.values) for walk in walks.walks) * system.frame_interval_ps / 1000
    edges = _edges(axis, walks.walks)
    return estimate_free_energy(walks, edges, md_ns, method, state, discard, seed=seed, progress=progress)


class _Measure:
    """The collective variable and the state along trajectories of a system; what does not fit is said at once."""

    def __init__(self, system, cv, component, state):
        if not isinstance(system, MolecularSystem):
            raise SettingsError(f"{system.name} is particles on a potential; a molecule was expected.")
        to_openmm_force(cv, system, component=component)
        self.cv, self.component = cv, 0 if component is None else component
        self.state = State.of(state) if state else None
        self.angles = self.state.angles(system.solute_topology) if self.state else {}
        topology = mdtraj.Topology.from_openmm(system.solute_topology)
        self([mdtraj.Trajectory(system.positions[system.solute_atoms], topology)], progress=False)

    def __call__(self, trajs, progress):
        values = [of_traj[:, self.component] for of_traj in self.cv.transform(trajs, progress=progress)]
        if self.state is None:
            return [Walk(of_traj, None) for of_traj in values]
        columns = {name: angle.transform(trajs, progress=progress) for name, angle in self.angles.items()}
        return [
            Walk(
                of_traj,
                self.state.holds({"cv": of_traj, **{name: column[k][:, 0] for name, column in columns.items()}}),
            )
            for k, of_traj in enumerate(values)
        ]


def _metadynamics_walks(bias, trajs, walks, steps_per_frame, progress):
    hills = [
        read_hills(path.parent / HILLS, len(walk.values) * steps_per_frame // bias.interval_steps)
        for path, walk in zip(trajs.paths, walks)
    ]
    return MetadynamicsWalks(bias, hills, walks, steps_per_frame, progress)


def _kt(system):
    return GAS_CONSTANT_KJ_MOL_K * system.temperature_kelvin


def _steps(system, interval_ps):
    return round(interval_ps * 1000 / system.timestep_fs)


def _nearest(window, seen):
    """Which of the pilot's simulations came nearest to the centre of a window."""
    return int(np.argmin([window.energy(values).min() for values in seen]))


def _told(axis):
    walls = "" if axis.wall_low is None else f", walls at {axis.wall_low:.4g} and {axis.wall_high:.4g}"
    return f"bias from {axis.low:.4g} to {axis.high:.4g}{walls}; Gaussians of width {axis.width:.4g}"


def _edges(axis, walks):
    """Bins of the whole turn, or of what was seen."""
    if axis.periodic:
        return np.linspace(axis.low, axis.high, _N_BINS + 1)
    ends = min(walk.values.min() for walk in walks), max(walk.values.max() for walk in walks)
    return np.linspace(*ends, _N_BINS + 1)
