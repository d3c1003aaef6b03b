"""What does a nano-GPT rest on? Causal traces, attention and kinetic distances of a trained one, on held-out
trajectories.

    python protocols/run_alanine.py --out runs/alanine
    python protocols/explain_nanogpt.py runs/alanine

Writes insight/<model>/ in the run: insight.json and figures; the findings are also said in a sentence each.
"""

import argparse
import sys
from pathlib import Path

from mdtok.workflows.command_line import run_script
from mdtok.workflows.explanation import explain


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run folder, trained")
    parser.add_argument("--model", default="nanogpt", help="a nano-GPT of this run, by name")
    parser.add_argument("--n-prompts", type=int, default=100, help="prompts that causes are traced in")
    parser.add_argument(
        "--n-frames", type=int, default=0, help="tokens of a prompt; 0: the context or 32, whichever is less"
    )
    parser.add_argument(
        "--ends", default="any", help="what follows a prompt: any, transition (of macrostates), stay, mixed"
    )
    parser.add_argument("--noise", type=float, default=3.0, help="on embeddings, in their standard deviations")
    parser.add_argument("--lagtime", type=int, default=10, help="of the kinetic distances, in token intervals")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    found = explain(
        arguments.run,
        arguments.model,
        arguments.n_prompts,
        arguments.n_frames or None,
        arguments.ends,
        arguments.noise,
        arguments.lagtime,
        arguments.seed,
    )
    sys.stdout.write(f"{found}\n")


if __name__ == "__main__":
    run_script(main)
