"""Do two runs agree? Populations, timescales and first passages of their MD, each with its interval, side by side.

    python protocols/run_alanine.py --seed 7 --out runs/seven
    python protocols/run_alanine.py --seed 8 --out runs/eight --stage simulate
    python protocols/run_alanine.py --seed 8 --out runs/eight --stage tokenize
    python protocols/compare_runs.py runs/seven runs/eight

The states are those of the first run, for both. Runs of run_fip35.py are compared in how they fold: each has a TICA,
and so states, of its own.
"""

from mdtok.workflows.command_line import parse_settings, run_script
from mdtok.workflows.studies.agreement import AgreementSettings, run_agreement


def main() -> None:
    run_agreement(parse_settings(AgreementSettings, description=__doc__))


if __name__ == "__main__":
    run_script(main)
