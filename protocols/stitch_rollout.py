"""What a model generated, as a trajectory to look at: MD frames of its tokens, each the nearest to the one before. Not
a simulation.

    python protocols/stitch_rollout.py runs/fip35 nanogpt
    python protocols/stitch_rollout.py runs/trajectories nanogpt --traj 'runs/*.dcd' --top protein.pdb --dt-ps 1

Writes stitched/<model>_stitched.xtc, .pdb and .json into the run's folder.
"""

from mdtok.workflows.command_line import parse_settings, run_script
from mdtok.workflows.studies.stitching_rollouts import StitchingSettings, run_stitching


def main() -> None:
    run_stitching(parse_settings(StitchingSettings, description=__doc__))


if __name__ == "__main__":
    run_script(main)
