"""Four metastable states in the plane: tokens as published or core sets, models, and all of it against known times.

python protocols/run_four_state.py                       # 8 runs of 1 µs, models learn from one; about half an hour
python protocols/run_four_state.py --quick               # the same path in under 90 s
python protocols/run_four_state.py --tokens published    # running mean of x, nearest state, short visits removed
python protocols/run_four_state.py --system three_state --n-runs 9 --out runs/three_state
"""

from dataclasses import dataclass

from mdtok.workflows.command_line import parse_settings, run_script, setting
from mdtok.workflows.core_sets import CoreSetSettings, run_core_sets


@dataclass
class FourStateSettings(CoreSetSettings):
    """Settings of run_four_state.py."""

    out: str = setting("runs/four_state", "Folder of the run.")


def main():
    run_core_sets(parse_settings(FourStateSettings, description=__doc__.splitlines()[0]))


if __name__ == "__main__":
    run_script(main)
