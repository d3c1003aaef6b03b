"""At which temperature is a protein folded half of the time? Simulations at several, and van 't Hoff's line.

    python protocols/find_folding_temperature.py fip35_calpha --temperatures 325 332 340 348 355
    python protocols/find_folding_temperature.py fip35_calpha --structure my.pdb --temperatures 300 320 340 360

Of structure-based models. It can be killed and started again; what was simulated is not simulated again.
"""

import argparse
import sys
from pathlib import Path

from mdtok.workflows.command_line import run_script
from mdtok.workflows.folding_temperature import find_folding_temperature


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("system", help="name of a system, or a folder with a system.yaml")
    parser.add_argument(
        "--temperatures", nargs="+", type=float, default=[325.0, 332.0, 340.0, 348.0, 355.0], help="kelvin"
    )
    parser.add_argument("--structure", type=Path, help="PDB file in place of the system's own")
    parser.add_argument("--n-replicas", type=int, default=4, help="at each temperature")
    parser.add_argument("--length-ns", type=float, default=20.0, help="of each replica")
    parser.add_argument("--n-processes", type=int, default=0, help="replicas at once; 0: one a core")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("runs/folding_temperature"))
    arguments = parser.parse_args()
    found = find_folding_temperature(
        arguments.system,
        arguments.temperatures,
        arguments.out,
        arguments.n_replicas,
        arguments.length_ns,
        arguments.seed,
        arguments.structure,
        arguments.n_processes or None,
    )
    sys.stdout.write(f"{found}\n")


if __name__ == "__main__":
    run_script(main)
