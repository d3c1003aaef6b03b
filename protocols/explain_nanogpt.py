"""What does a nano-GPT rest on? Causal traces, attention and kinetic distances, on held-out trajectories.

    python protocols/run_alanine.py --out runs/alanine
    python protocols/explain_nanogpt.py runs/alanine

Writes insight/<model>/ in the run: insight.json and figures; the findings are also said in a sentence each.
"""

from mdtok.workflows.command_line import parse_settings, run_script
from mdtok.workflows.studies.explanation import ExplanationSettings, run_explanation


def main() -> None:
    run_explanation(parse_settings(ExplanationSettings, description=__doc__))


if __name__ == "__main__":
    run_script(main)
