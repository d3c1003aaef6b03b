"""What a model generated, as a trajectory to look at: MD frames of its tokens, each the nearest to the one before. Not
a simulation.

    python protocols/stitch_rollout.py runs/fip35 nanogpt
    python protocols/stitch_rollout.py runs/trajectories nanogpt --traj 'runs/*.dcd' --top protein.pdb --dt-ps 1

Writes ``stitched/<model>_stitched.xtc``, ``.pdb`` and ``.json`` into the run's folder.
"""

import argparse
import logging
from pathlib import Path

import mdtok
from mdtok.errors import DataError, SettingsError
from mdtok.models.rollout import Rollout
from mdtok.storage import load_arrays
from mdtok.workflows.command_line import run_script
from mdtok.workflows.stages import TokenisedData

log = logging.getLogger("mdtok.protocols")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run folder whose rollouts are done")
    parser.add_argument("model", help="name of the model")
    parser.add_argument("--chain", type=int, default=0, help="which of its chains")
    parser.add_argument("--n-frames", type=int, default=1000, help="from the start of the chain")
    parser.add_argument(
        "--traj", nargs="+", help="the trajectories of the run, where it read them and did not simulate"
    )
    parser.add_argument("--top", help="their topology (PDB)")
    parser.add_argument("--dt-ps", type=float, help="picoseconds between their frames; DCD carries no time")
    parser.add_argument(
        "--atoms", default="all", help="what frames are superposed on: all, ca, backbone, or a selection of mdtraj"
    )
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()

    data, rollout = TokenisedData.load(arguments.run / "tokens"), load_rollout(arguments.run, arguments.model)
    if not 0 <= arguments.chain < len(rollout.dtrajs):
        raise SettingsError(
            f"--chain {arguments.chain}: {arguments.model} generated the chains 0 .. {len(rollout.dtrajs) - 1}."
        )
    tokens_of_frames = load_arrays(arguments.run / "tokens" / "of_frames")
    trajs = open_trajectories(arguments, data.dt_ps)
    stitched = mdtok.stitch_frames(
        rollout.dtrajs[arguments.chain][: arguments.n_frames],
        tokens_of_frames,
        trajs,
        arguments.run / "stitched" / arguments.model,
        of=f"chain {arguments.chain} of {arguments.model} in {arguments.run}",
        atoms=arguments.atoms,
        dt_ps=data.dt_ps * rollout.lagtime,
        seed=arguments.seed,
    )
    log.info("stitched, not simulated: %d frames in %s", len(stitched.visits), stitched.path)


def load_rollout(run, model):
    """What a model generated in a run."""
    folders = [folder.parent.name for folder in sorted((run / "rollouts").glob("*/rollout.json"))]
    if model not in folders:
        raise DataError(f"{run} has no rollout of {model!r}; it has {', '.join(folders) or 'none'}.")
    return Rollout.load(run / "rollouts" / model)


def open_trajectories(arguments, dt_ps):
    """The trajectories that the tokens are of, every so many-th frame as there."""
    replicas = sorted((arguments.run / "md").glob("replica_*"))
    if not replicas and not arguments.traj:
        raise SettingsError(f"{arguments.run} did not simulate; give --traj and --top, the trajectories that it read.")
    paths = arguments.traj or [folder / "trajectory.xtc" for folder in replicas]
    top = arguments.top or (replicas[0] / "topology.pdb" if replicas else None)
    stride = round(dt_ps / mdtok.open_trajectories(paths, top, arguments.dt_ps).dt_ps)
    return mdtok.open_trajectories(paths, top, arguments.dt_ps, max(1, stride))


if __name__ == "__main__":
    run_script(main)
