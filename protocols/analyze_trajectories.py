"""Your trajectories: features, tokens, models, scorecard, report.

python protocols/analyze_trajectories.py --traj 'runs/*.dcd' --top protein.pdb --dt-ps 1 --features "phi psi"
python protocols/analyze_trajectories.py --traj a.xtc b.xtc --top protein.pdb --features "phi psi chi1" --tica-dim 4
python protocols/analyze_trajectories.py --traj a.xtc --top protein.pdb --features "phi psi contacts" --tica-dim 6
python protocols/analyze_trajectories.py --feature-files 'run*/COLVAR' --columns phi psi --models msm,trajbert-small
python protocols/analyze_trajectories.py --feature-files dihedrals.npy --columns phi psi --periodic phi psi --dt-ps 1
"""

from mdtok.workflows.command_line import parse_settings, run_script
from mdtok.workflows.runs.own_trajectories import TrajectorySettings, run_trajectories


def main():
    run_trajectories(parse_settings(TrajectorySettings, description=__doc__.splitlines()[0]))


if __name__ == "__main__":
    run_script(main)
