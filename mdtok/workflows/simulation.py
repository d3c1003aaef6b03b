"""Stage `simulate`: replicas in ``md/`` of a run, and how they are opened again."""

import logging
from pathlib import Path

from mdtok.errors import RunFolderError
from mdtok.md import Trajectories, open_trajectories, run_replicas
from mdtok.md.replica_checks import blown_up, remarks_on

log = logging.getLogger(__name__)


def simulate(run, settings, system) -> None:
    """Replicas of a molecule in ``md/``, as many and as long as the settings say."""
    with run.stage("simulate") as facts:
        trajs = run_replicas(
            system,
            settings.n_replicas,
            settings.length_ns,
            settings.seed,
            out=run / "md",
            n_processes=settings.n_processes or None,
            platform=settings.platform,
            progress=settings.progress,
        )
        facts |= {"n_frames": trajs.n_frames, "total_ns": trajs.n_frames * trajs.dt_ps / 1000}
    log.info("simulated: %d replicas, %.4g ns in all", len(trajs), facts["total_ns"])


def replica_folders(folder) -> list[Path]:
    """The folders ``replica_NNN`` in the order of their numbers: 101 before 1000.

    Raises
    ------
    RunFolderError
        There are none.
    """
    folders = [path for path in Path(folder).glob("replica_*") if path.name.removeprefix("replica_").isdecimal()]
    if not folders:
        raise RunFolderError(f"{folder} holds no replicas; run the stage that simulates first (--stage simulate).")
    return sorted(folders, key=lambda path: int(path.name.removeprefix("replica_")))


def replica_remarks(folder) -> list[str]:
    """What a reader of the results has to know of the replicas: those that blew up, or ran at another temperature."""
    return remarks_on(replica_folders(folder))


def open_replicas(folder, stride: int = 1, dt_ps: float | None = None) -> Trajectories:
    """The trajectories that `run_replicas` left in a folder, every `stride`-th frame of them."""
    replicas = [replica for replica in replica_folders(folder) if not blown_up(replica)]
    if not replicas:
        raise RunFolderError(f"All replicas in {folder} blew up; use a shorter time step, or a lower temperature.")
    paths = [replica / "trajectory.xtc" for replica in replicas]
    return open_trajectories(paths, top=replicas[0] / "topology.pdb", dt_ps=dt_ps, stride=stride)
