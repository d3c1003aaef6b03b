"""At which temperature is a protein folded half of the time? Simulations at several, and van 't Hoff's line.

    python protocols/find_folding_temperature.py fip35_calpha --temperatures 325 332 340 348 355
    python protocols/find_folding_temperature.py fip35_calpha --structure my.pdb --temperatures 300 320 340 360

Of structure-based models. It can be killed and started again; what was simulated is not simulated again.
"""

from mdtok.workflows.command_line import parse_settings, run_script


def main() -> None:
    # here, so that processes that simulate do not import networks
    from mdtok.workflows.studies.folding_temperature import FoldingTemperatureSettings, run_folding_temperature

    run_folding_temperature(parse_settings(FoldingTemperatureSettings, description=__doc__))


if __name__ == "__main__":
    run_script(main)
