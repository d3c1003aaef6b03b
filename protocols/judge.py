"""Judge what anything generated: trajectories, features or tokens against MD, in one command.

    python protocols/judge.py --reference 'md/*.xtc' --generated mine='gen/*.xtc' --top ala.pdb
    python protocols/judge.py --reference md.npy --generated a=a.npy b=b.npy --dt-ps 1 --periodic 0 1
    python protocols/judge.py --reference md_folder --generated mine=gen_folder      # one NAME.xtc + NAME.pdb a system
    python protocols/judge.py --reference md.xtc --generated mine=samples.xtc --top x.pdb --no-time

Several generators stand in one card. One that has another frame interval is compared at the longer one, which has to be
a multiple of the other.
"""

from mdtok.workflows.command_line import parse_settings, run_script
from mdtok.workflows.judging import JudgeSettings, run_judge


def main():
    run_judge(parse_settings(JudgeSettings, description=__doc__.splitlines()[0]))


if __name__ == "__main__":
    run_script(main)
