"""One simulation in one folder: it can be killed at any moment and, run again, ends as if nothing had happened."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import openmm
from openmm import app, unit

from mdtok.errors import RunFolderError, SettingsError
from mdtok.md.checkpoints import find_checkpoints, restore, save_checkpoint
from mdtok.md.platforms import select_platform
from mdtok.md.xtc import XtcWriter, truncate_frames
from mdtok.progress import tracked
from mdtok.storage import read_json, whole, write_json

if TYPE_CHECKING:
    from mdtok.md.bias import Bias
    from mdtok.md.platforms import PlatformChoice
    from mdtok.md.simulated_system import SimulatedSystem


logger = logging.getLogger(__name__)

BAR_FORMAT = "{desc}: {percentage:3.0f}%|{bar}| {n:.2f}/{total:.2f} ns [{elapsed}<{remaining}{postfix}]"
TRAJECTORY = "trajectory.xtc"
TOPOLOGY = "topology.pdb"
_SECONDS_BETWEEN_FLUSHES = 0.5
_SECONDS_BETWEEN_CHECKPOINTS = 10.0
_FRAMES_PER_ROW = 10
_FARTHEST_NM = 1e6  # an XTC file holds no more
_HEADER = "step,time_ps,potential_energy_kj_mol,temperature_kelvin\n"


class BlownUp(SettingsError):
    """Positions became NaN or huge."""


def run_simulation(
    system: SimulatedSystem,
    n_steps: int,
    *,
    out: str | Path,
    seed: int,
    start: str | None = None,
    platform: str | PlatformChoice = "auto",
    frame_interval_steps: int | None = None,
    checkpoint_interval_steps: int | None = None,
    reporters: Sequence = (),
    should_stop: Callable[[], bool] | None = None,
    bias: Bias | None = None,
    progress: bool = True,
) -> Path:
    """Simulate a system for `n_steps` steps in all, and leave its trajectory in a folder.

    Run again, it continues from the last checkpoint: frames written after it are cut off first. On the Reference
    platform the outcome is the same to the last bit, however often the run was killed or interrupted with Ctrl-C
    (as long as no other simulation runs on Reference in the same process: they share their random numbers).

    Parameters
    ----------
    system : MolecularSystem or ParticleSystem
    n_steps : int
        Total number of steps, those of earlier runs in the folder included.
    out : path-like
        The folder: ``trajectory.xtc``, ``topology.pdb``, ``state.csv``, ``checkpoint.chk`` and the one
        before, ``state.xml`` (the checkpoint for another platform or version of OpenMM) and ``settings.json``.
    seed : int
        Of the velocities and of the thermostat.
    start : str, optional
        One of ``system.starts``; if not given, the structure itself, and of particles the first start.
    platform : str or PlatformChoice
        See `select_platform`.
    frame_interval_steps : int, optional
        Steps from frame to frame; the system's own if not given.
    checkpoint_interval_steps : int, optional
        Steps from checkpoint to checkpoint; one each ten seconds if not given.
    reporters : sequence of OpenMM reporters
        Further reporters. They see the steps after the last checkpoint again when a run is continued.
    should_stop : callable, optional
        Asked at each frame; once it is true, the run ends early with a checkpoint, to be continued some other time.
    bias : Bias, optional
        A force that is added, and how the simulation advances under it.
    progress : bool
        Show a progress bar.

    Returns
    -------
    pathlib.Path
        Of the trajectory; frame i is at (i + 1) frame intervals.

    Raises
    ------
    SettingsError
        A setting is out of range, or the simulation blew up.
    RunFolderError
        The folder holds another run, or more steps than asked for.
    PlatformError
        The platform is not there.

    Examples
    --------
    >>> import tempfile
    >>> from mdtok.md import load_system
    >>> run_simulation(load_system("alanine_dipeptide"), 1000, out=tempfile.mkdtemp(), seed=7, progress=False).name
    'trajectory.xtc'
    """
    out = Path(out)
    interval = system.frame_interval_steps if frame_interval_steps is None else frame_interval_steps
    _check_count("n_steps", n_steps)
    _check_count("frame_interval_steps", interval)
    _check_count("checkpoint_interval_steps", 1 if checkpoint_interval_steps is None else checkpoint_interval_steps)
    settings = simulation_settings(system, seed, start, interval, bias)
    n_done = check_folder(out, settings, n_steps)
    if n_done == n_steps:
        return out / TRAJECTORY
    choice = select_platform(platform, system)

    out.mkdir(parents=True, exist_ok=True)
    _remove_left_over(out)
    write_json(out / "settings.json", settings)
    simulation, advance = _make_simulation(system, choice, seed, n_done, bias, out)
    if n_done:
        restore(simulation, out, find_checkpoints(out, settings))
    else:
        positions = system.start_positions(start, seed)
        simulation.context.setPositions(positions)
        velocities_seed = _openmm_seeds(seed, 0)[2]
        simulation.context.setVelocitiesToTemperature(system.temperature_kelvin * unit.kelvin, velocities_seed)
        _write_topology(out / TOPOLOGY, system, positions)
    simulation.reporters.extend(reporters)
    recorder = _Recorder(out, system, settings, interval, simulation.currentStep)
    ns_per_step = system.timestep_fs * 1e-6
    with tracked(
        total=n_steps * ns_per_step,
        initial=simulation.currentStep * ns_per_step,
        desc=system.name,
        bar_format=BAR_FORMAT,
        smoothing=0,
        disable=not progress,
    ) as bar:
        _advance(simulation, advance, n_steps, interval, checkpoint_interval_steps, recorder, bar, should_stop)
    return out / TRAJECTORY


def _check_count(name, value):
    if int(value) != value or value < 1:
        raise SettingsError(f"{name} is {value}; a whole number of at least 1 was expected.")


def simulation_settings(system, seed, start, frame_interval_steps, bias=None):
    """Everything that decides what a simulation computes, as it stands in settings.json."""
    system.start_positions(start)
    if isinstance(seed, bool) or int(seed) != seed or seed < 0:
        raise SettingsError(f"seed is {seed}; a whole number of at least 0 was expected.")
    settings = {key: value for key, value in system.settings.items() if key != "starts"}
    start = system.default_start if start is None else start
    settings["start"] = None if start is None else {"name": start, **system.settings["starts"][start]}
    settings |= {"seed": int(seed), "frame_interval_steps": int(frame_interval_steps)}
    return settings if bias is None else {**settings, "bias": bias.settings}


def check_folder(out, settings, n_steps):
    """Number of steps that a folder holds already, 0 for a new one.

    Raises
    ------
    RunFolderError
        The folder holds another run, more steps than asked for, or something else altogether.
    """
    path = out / "settings.json"
    if not path.exists():
        others = [entry.name for entry in out.iterdir() if ".partial" not in entry.name] if out.is_dir() else []
        if others or (out.exists() and not out.is_dir()):
            raise RunFolderError(f"{out} exists and holds no simulation (no settings.json); choose another folder.")
        return 0
    there = read_json(path)
    if not isinstance(there, dict):
        raise RunFolderError(f"{path} holds no settings of a simulation; choose another folder, or remove this one.")
    seen, wanted = _with_parts(there), _with_parts(settings)
    other = [
        f"{key}: {seen.get(key)!r} there, {wanted.get(key)!r} asked for"
        for key in sorted({*seen, *wanted})
        if seen.get(key) != wanted.get(key)
    ]
    if other:
        raise RunFolderError(
            f"{out} holds another simulation ({'; '.join(other)}); choose another folder, or those settings."
        )
    checkpoints = find_checkpoints(out, settings)
    n_done = checkpoints[0].step if checkpoints else 0
    if n_done > n_steps:
        raise RunFolderError(
            f"{out} holds {n_done} steps already and {n_steps} in all were asked for; "
            f"ask for at least {n_done}, or choose another folder."
        )
    return n_done


def _with_parts(settings):
    """Settings with the parts of a bias each by itself."""
    parts = settings.get("bias")
    if not isinstance(parts, dict):
        return settings
    return {**settings, "bias": True, **{f"bias {key}": value for key, value in parts.items()}}


def recorded_steps(out):
    """The step of the last row of a folder's state.csv: how far a simulation that may be running has come."""
    path = out / "state.csv"
    if not path.exists():
        return 0
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 200))
        rows = file.read().split(b"\n")[1:-1]  # whole lines; the first may have lost its beginning
    return int(rows[-1].split(b",", 1)[0]) if rows else 0


def _make_simulation(system, choice, seed, n_done, bias, out):
    """The simulation, and what makes it advance."""
    thermostat, barostat, _ = _openmm_seeds(seed, n_done)
    openmm_system = copy.deepcopy(system.system)
    for force in openmm_system.getForces():
        if isinstance(force, openmm.MonteCarloBarostat):
            force.setRandomNumberSeed(barostat)
    advance = app.Simulation.step if bias is None else bias.attach(system, openmm_system, out)
    integrator = system.make_integrator(thermostat)
    platform = openmm.Platform.getPlatformByName(choice.name)
    return app.Simulation(system.topology, openmm_system, integrator, platform, choice.properties), advance


def _openmm_seeds(seed, n_done):
    """Three seeds in 1 .. 2**31 - 2 (OpenMM takes 0 for "choose one at random").

    The step is part of them: a run continued on another platform must not repeat its noise.
    """
    state = np.random.SeedSequence([int(seed), int(n_done)]).generate_state(3)
    return [1 + int(value) % (2**31 - 2) for value in state]


def _write_topology(path, system, positions):
    solute = positions[system.solute_atoms] * unit.nanometer
    with whole(path) as partial, open(partial, "w", encoding="utf-8") as file:
        app.PDBFile.writeFile(system.solute_topology, solute, file, keepIds=True)


def _advance(simulation, advance, n_steps, interval, checkpoint_interval, recorder, bar, should_stop):
    """Step from event to event: frames, checkpoints, the end."""
    ns_per_step = bar.total / n_steps
    last_checkpoint = time.monotonic()
    while True:
        step = simulation.currentStep
        stops = [n_steps, step - step % interval + interval]
        if checkpoint_interval:
            stops.append(step - step % checkpoint_interval + checkpoint_interval)
        try:
            advance(simulation, min(stops) - step)
        except openmm.OpenMMException as error:
            if "nan" not in str(error).lower():
                raise
            raise _blown_up(simulation) from None
        step = min(stops)
        if step % interval == 0:
            recorder.add_frame(simulation)
        now = time.monotonic()
        if checkpoint_interval:
            is_due = step % checkpoint_interval == 0
        else:
            is_due = now - last_checkpoint > _SECONDS_BETWEEN_CHECKPOINTS
        is_last = step == n_steps or (should_stop is not None and should_stop())
        if is_due or is_last:
            recorder.checkpoint(simulation)
            last_checkpoint = now
        if recorder.flush_if_due(now) or is_last:
            bar.update(step * ns_per_step - bar.n)
        if is_last:
            return


def _blown_up(simulation):
    timestep_fs = simulation.integrator.getStepSize().value_in_unit(unit.femtosecond)
    return BlownUp(
        f"The simulation blew up (positions NaN or huge) at step {simulation.currentStep}; "
        f"use a time step shorter than {timestep_fs:g} fs, a lower temperature, or a structure without clashes; "
        "a potential must rise on all sides."
    )


def _remove_left_over(out):
    """What a kill left of files that were being written, by us and by OpenMM."""
    for path in (*out.glob("*.partial"), *out.glob("*.partial.*"), *out.glob("*.tmp")):
        path.unlink(missing_ok=True)


def _count_degrees_of_freedom(system):
    n_moving = sum(system.getParticleMass(i) > 0 * unit.dalton for i in range(system.getNumParticles()))
    n_of_centre = 3 if any(isinstance(force, openmm.CMMotionRemover) for force in system.getForces()) else 0
    return 3 * n_moving - system.getNumConstraints() - n_of_centre


class _Recorder:
    """Writes frames, rows of state.csv and checkpoints of one simulation, in an order that survives a kill."""

    def __init__(self, out, system, settings, interval, step):
        self.out, self.system, self.settings, self.interval = out, system, settings, interval
        self.n_frames = step // interval
        self._trajectory = XtcWriter(out / TRAJECTORY)
        truncate_frames(out / TRAJECTORY, self.n_frames)
        self._truncate_rows(step)
        self._rows, self._last_flush = [], time.monotonic()
        self._all_atoms = len(system.solute_atoms) == system.n_atoms
        self._periodic = system.system.usesPeriodicBoundaryConditions()
        self._degrees_of_freedom = _count_degrees_of_freedom(system.system)

    def _truncate_rows(self, step):
        path = self.out / "state.csv"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)[1:] if path.exists() else []
        kept = [line for line in lines if line.endswith("\n") and int(line.split(",", 1)[0]) <= step]
        with whole(path) as partial:
            partial.write_text(_HEADER + "".join(kept), encoding="utf-8")

    def add_frame(self, simulation):
        self.n_frames += 1
        with_row = self.n_frames % _FRAMES_PER_ROW == 0
        state = simulation.context.getState(positions=True, energy=with_row)
        positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
        if not (np.abs(positions) < _FARTHEST_NM).all():
            raise _blown_up(simulation)
        step = self.n_frames * self.interval
        time_ps = step * self.system.timestep_fs / 1000
        box = state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer) if self._periodic else None
        self._trajectory.add(positions if self._all_atoms else positions[self.system.solute_atoms], time_ps, step, box)
        if with_row:
            potential = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
            temperature = np.nan
            if self.system.has_velocities:
                kinetic = state.getKineticEnergy() / self._degrees_of_freedom
                temperature = (2 * kinetic / unit.MOLAR_GAS_CONSTANT_R).value_in_unit(unit.kelvin)
            self._rows.append(f"{step},{time_ps:.3f},{potential:.6f},{temperature:.3f}\n")

    def flush_if_due(self, now):
        if now - self._last_flush < _SECONDS_BETWEEN_FLUSHES:
            return False
        self._flush()
        self._last_flush = now
        return True

    def _flush(self):
        self._trajectory.flush()
        with open(self.out / "state.csv", "a", encoding="utf-8") as file:
            file.write("".join(self._rows))
        self._rows.clear()

    def checkpoint(self, simulation):
        """Frames first, so that no checkpoint is ahead of its frames."""
        self._flush()
        self._trajectory.sync()
        save_checkpoint(simulation, self.out, self.settings)
