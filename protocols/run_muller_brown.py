"""Müller-Brown: models of tokens and of coordinates, classified, forecast and rolled out, each against the exact answer.

    python protocols/run_muller_brown.py                        # small and medium model, under 30 minutes on two cores
    python protocols/run_muller_brown.py --quick                # the same path in under 90 s
    python protocols/run_muller_brown.py --models msm,nanogpt,trajbert-small,trajbert-small-faithful
    python protocols/run_muller_brown.py --models msm,grid-msm,trajbert-large,trajbert-large-faithful \\
        --steps-of trajbert-large=3000 trajbert-large-faithful=3000 --out runs/muller_brown_gpu     # with a GPU
"""

from dataclasses import dataclass

from mdtok.workflows.command_line import parse_settings, run_script, setting
from mdtok.workflows.potential import PotentialSettings, run_potential


@dataclass
class MullerBrownSettings(PotentialSettings):
    """Settings of run_muller_brown.py."""

    out: str = setting("runs/muller_brown", "Folder of the run.")

    QUICK = {
        "n_trajectories": 60,
        "n_frames": 300,
        "n_long": 20,
        "n_long_frames": 600,
        "n_states": 20,
        "lagtime": 10,
        "models": "msm,copy-last,ornstein-uhlenbeck,grid-msm,trajbert-small,trajbert-small-faithful",
        "training_steps": 400,
        "steps_of": ["trajbert-small=120", "trajbert-small-faithful=20"],
        "n_chains": 40,
        "n_forecasts": 20,
        "n_prompt": 150,
        "n_forecast": 30,
        "n_attention": 2,
    }


def main():
    run_potential(parse_settings(MullerBrownSettings, description=__doc__.splitlines()[0]))


if __name__ == "__main__":
    run_script(main)
