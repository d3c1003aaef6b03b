"""What a model of a run generated, as a trajectory of MD frames to look at: ``stitched/<model>_stitched.xtc`` there."""

import logging
from dataclasses import dataclass
from pathlib import Path

from mdtok.errors import DataError, SettingsError
from mdtok.md import Trajectories, open_trajectories
from mdtok.models.rollout import Rollout
from mdtok.storage import load_arrays
from mdtok.tokens import stitch_frames
from mdtok.tokens.stitching import Stitched
from mdtok.workflows.command_line import FinishedRunSettings, positional, setting
from mdtok.workflows.data import TokenisedData
from mdtok.workflows.simulation import open_replicas

log = logging.getLogger(__name__)


@dataclass
class StitchingSettings(FinishedRunSettings):
    """Settings of a stitched rollout."""

    model: str = positional("Name of the model whose rollout it is.")
    chain: int = setting(0, "Which of its chains.")
    n_frames: int = setting(1000, "Frames, from the start of the chain.")
    atoms: str = setting("all", "What frames are superposed on: all, ca, backbone, or a selection of mdtraj.")
    traj: list[str] = setting([], "The trajectories of the run, where it read them and did not simulate.", group="data")
    top: str = setting("", "Their topology (PDB).", group="data")
    dt_ps: float = setting(0.0, "Picoseconds between their frames; DCD carries no time.", group="data")

    GROUP = "stitching"
    QUICK = {"n_frames": 100}


def run_stitching(settings: StitchingSettings) -> Stitched:
    """Stitch a chain of a rollout, each MD frame the nearest to the one before; where it lies is logged."""
    run = Path(settings.run)
    data, rollout = TokenisedData.load(run / "tokens"), load_rollout(run, settings.model)
    if not 0 <= settings.chain < len(rollout.dtrajs):
        raise SettingsError(
            f"--chain {settings.chain}: {settings.model} generated the chains 0 .. {len(rollout.dtrajs) - 1}."
        )
    if settings.n_frames < 1:
        raise SettingsError(f"--n-frames {settings.n_frames}: at least 1 was expected.")
    stitched = stitch_frames(
        rollout.dtrajs[settings.chain][: settings.n_frames],
        load_arrays(run / "tokens" / "of_frames"),
        trajectories_of(run, settings, data.dt_ps),
        Path(settings.out or run / "stitched") / settings.model,
        of=f"chain {settings.chain} of {settings.model} in {run}",
        atoms=settings.atoms,
        dt_ps=data.dt_ps * rollout.lagtime,
        seed=settings.seed,
        progress=settings.progress,
    )
    log.info("stitched, not simulated: %d frames in %s", len(stitched.visits), stitched.path)
    return stitched


def load_rollout(run: Path, model: str) -> Rollout:
    """What a model generated in a run.

    Raises
    ------
    DataError
        The run has no rollout of that model.
    """
    there = [path.parent.name for path in sorted((run / "rollouts").glob("*/rollout.json"))]
    if model not in there:
        raise DataError(f"{run} has no rollout of {model!r}; it has {', '.join(there) or 'none'}.")
    return Rollout.load(run / "rollouts" / model)


def trajectories_of(run: Path, settings: StitchingSettings, dt_ps: float) -> Trajectories:
    """The trajectories that the tokens of a run are of, every so many-th frame as there.

    Raises
    ------
    SettingsError
        The run did not simulate, and no trajectories were given.
    """
    if settings.traj:

        def open_every(stride):
            return open_trajectories(settings.traj, settings.top or None, settings.dt_ps or None, stride)
    elif (run / "md").is_dir():

        def open_every(stride):
            return open_replicas(run / "md", stride)
    else:
        raise SettingsError(f"{run} did not simulate; give --traj and --top, the trajectories that it read.")
    return open_every(max(1, round(dt_ps / open_every(1).dt_ps)))
