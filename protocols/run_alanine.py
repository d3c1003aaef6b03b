"""Alanine dipeptide, end to end: simulate, tokenise, train, roll out, score, report.

    python protocols/run_alanine.py                      # 100 ns, about 12 minutes on two cores
    python protocols/run_alanine.py --quick              # the same path in under 90 s
    python protocols/run_alanine.py --temperature-kelvin 300 --solvent tip3p --length-ns 50 --out runs/ala_water
    python protocols/run_alanine.py --models msm,nanogpt,trajbert-small     # models of tokens and of coordinates

As published: 100 × 10 ns at 0.1 ps (70 minutes of simulation on two cores), as microstates, macrostates and bins of
sin φ:

    python protocols/run_alanine.py --n-replicas 100 --length-ns 10 --frame-interval-ps 0.1 --token-interval-ps 0.1 \\
        --out runs/published
    python protocols/run_alanine.py --n-replicas 100 --length-ns 10 --frame-interval-ps 0.1 --token-interval-ps 0.1 \\
        --simulation runs/published --tokens sin-phi --n-macrostates 0 --out runs/published_sin_phi
"""

from mdtok.workflows.command_line import parse_settings, run_script


def main() -> None:
    # here, so that processes that simulate do not import networks
    from mdtok.workflows.runs.known_runs import AlanineSettings, run_alanine

    run_alanine(parse_settings(AlanineSettings, description=__doc__))


if __name__ == "__main__":
    run_script(main)
