"""Müller-Brown: trajectory BERTs trained, classified, forecast and rolled out, each against the exact answer.

    python protocols/run_muller_brown.py                        # small and medium model, under 30 minutes on two cores
    python protocols/run_muller_brown.py --quick                # the same path in under 90 s
    python protocols/run_muller_brown.py --sizes small medium large --causal-steps 3000 3000 3000 \\
        --faithful-steps 3000 3000 3000 --out runs/muller_brown_gpu     # with a GPU
"""

from dataclasses import dataclass

from mdtok.workflows.command_line import parse_settings, run_script, setting
from mdtok.workflows.folder import RunFolder
from mdtok.workflows.trajectory_stages import TrajectorySettings, roll_out, score, simulate, tokenize, train


@dataclass
class MullerBrownSettings(TrajectorySettings):
    """Settings of run_muller_brown.py."""

    out: str = setting("runs/muller_brown", "Folder of the run.")

    QUICK = {
        "n_trajectories": 60,
        "n_frames": 300,
        "n_long": 20,
        "n_long_frames": 600,
        "n_states": 20,
        "lagtime": 10,
        "sizes": ["small"],
        "causal_steps": [120],
        "faithful_steps": [20],
        "n_rollouts": 40,
        "n_forecasts": 20,
        "n_prompt": 150,
        "n_forecast": 30,
        "n_attention": 2,
    }


def main():
    settings = parse_settings(MullerBrownSettings, description=__doc__.splitlines()[0])
    run = RunFolder.of(settings)
    for name, stage in (
        ("simulate", simulate),
        ("tokenize", tokenize),
        ("train", train),
        ("rollout", roll_out),
        ("score", score),
    ):
        if settings.does(name) and not run.is_done(name):
            stage(run, settings)


if __name__ == "__main__":
    run_script(main)
