"""Fip35 WW domain, end to end: simulate (or read), contacts, TICA, states, models, and how it folds.

python protocols/run_fip35.py                 # the Cα model, hundreds of foldings, about 30 minutes on two cores
python protocols/run_fip35.py --quick
python protocols/run_fip35.py --model allatom --length-ns 1000 --solvent obc2      # wants a GPU
python protocols/run_fip35.py --traj 'DESRES/*.dcd' --top fip35.pdb --dt-ps 200    # trajectories of your own
python protocols/run_fip35.py --system my_protein/ --out runs/mine                 # a folder with another protein
"""

from mdtok.workflows.command_line import parse_settings, run_script


def main() -> None:
    # here, so that processes that simulate do not import networks
    from mdtok.workflows.runs.known_runs import Fip35Settings, run_fip35

    run_fip35(parse_settings(Fip35Settings, description=__doc__))


if __name__ == "__main__":
    run_script(main)
