"""Your discrete trajectories: models, scorecard, report.

    python protocols/analyze_tokens.py --train a.txt b.npy --test c.txt --dt-ps 200 --models msm,order8,nanogpt
    python protocols/analyze_tokens.py --train one_long_trajectory.txt --dt-ps 1   # cut into time blocks, some held out

Labels may be any whole numbers from 0 up: they are renumbered 0 .. n-1 in their order, and keep their names in the
report. Frames marked -1 are outside of all states, as deeptime and PyEMMA write them: they are left out.
"""

from mdtok.workflows.command_line import parse_settings, run_script
from mdtok.workflows.runs.own_tokens import TokenSettings, run_tokens


def main():
    run_tokens(parse_settings(TokenSettings, description=__doc__.splitlines()[0]))


if __name__ == "__main__":
    run_script(main)
