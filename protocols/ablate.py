"""What is each part of a model worth? Variants with several seeds each, on the tokens of a run, in one table.

    python protocols/run_alanine.py --out runs/alanine
    python protocols/ablate.py runs/alanine --variants nanogpt-plain,nanogpt-plain-sampled,nanogpt

Names of variants: -plain has no anchor on counted transitions between slow basins; -sampled, -expected and -faithful
train with a second pass. What was trained lies in ablation/ of the run and is not trained again.
"""

from mdtok.workflows.command_line import parse_settings, run_script
from mdtok.workflows.studies.ablation import AblationSettings, run_ablation


def main() -> None:
    run_ablation(parse_settings(AblationSettings, description=__doc__))


if __name__ == "__main__":
    run_script(main)
