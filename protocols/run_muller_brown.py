"""Müller-Brown: models of tokens and of coordinates, forecast and rolled out, each against the exact answer.

    python protocols/run_muller_brown.py                        # small and medium model, under 30 minutes on two cores
    python protocols/run_muller_brown.py --quick                # the same path in under 90 s
    python protocols/run_muller_brown.py --models msm,nanogpt,trajbert-small,trajbert-small-faithful
    python protocols/run_muller_brown.py --models msm,grid-msm,trajbert-large,trajbert-large-faithful \\
        --steps-of trajbert-large=3000 trajbert-large-faithful=3000 --out runs/muller_brown_gpu     # with a GPU
"""

from mdtok.workflows.command_line import parse_settings, run_script


def main() -> None:
    # here, so that processes that simulate do not import networks
    from mdtok.workflows.runs.known_runs import MullerBrownSettings, run_muller_brown

    run_muller_brown(parse_settings(MullerBrownSettings, description=__doc__))


if __name__ == "__main__":
    run_script(main)
