"""What is each part of a model worth? Variants with several seeds each, on the tokens of a run, in one table.

    python protocols/run_alanine.py --out runs/alanine
    python protocols/ablate.py runs/alanine --variants
    nanogpt-plain,nanogpt-plain-sampled,nanogpt-plain-faithful,nanogpt

Names of variants: -plain has no anchor on counted transitions between slow basins, -sampled, -expected and -faithful
train with a second pass. What was trained lies in ablation/ of the run and is not trained again.
"""

import argparse
import sys
from pathlib import Path

from mdtok.workflows.ablation import ablate
from mdtok.workflows.command_line import run_script

VARIANTS = (
    "nanogpt-plain,nanogpt-plain-sampled,nanogpt-plain-expected,nanogpt-plain-faithful,nanogpt,nanogpt-anchored-sampled"
)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run folder, tokenised")
    parser.add_argument("--variants", default=VARIANTS, help="models by name, separated by commas")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of each variant")
    parser.add_argument("--training-steps", type=int, default=0, help="most training steps; 0: the model's own default")
    parser.add_argument("--lagtime", type=int, default=10, help="of the timescales, in token intervals")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    arguments = parser.parse_args()
    found = ablate(
        arguments.run,
        arguments.variants,
        arguments.seeds,
        arguments.training_steps or None,
        arguments.lagtime,
        arguments.seed,
    )
    sys.stdout.write(f"{found}\n")


if __name__ == "__main__":
    run_script(main)
