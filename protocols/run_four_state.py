"""Four metastable states in the plane: tokens as published or core sets, models, and all of it against known times.

python protocols/run_four_state.py                       # 8 runs of 1 µs, models learn from one; about half an hour
python protocols/run_four_state.py --quick               # the same path in under 90 s
python protocols/run_four_state.py --tokens published    # running mean of x, nearest state, short visits removed
python protocols/run_four_state.py --system three_state --n-runs 9 --out runs/three_state
"""

from mdtok.workflows.command_line import parse_settings, run_script


def main() -> None:
    # here, so that processes that simulate do not import networks
    from mdtok.workflows.runs.known_runs import FourStateSettings, run_four_state

    run_four_state(parse_settings(FourStateSettings, description=__doc__))


if __name__ == "__main__":
    run_script(main)
