"""Fip35 WW domain, end to end: simulate (or read), contacts, TICA, states, models, and how it folds.

python protocols/run_fip35.py                 # the Cα model, hundreds of foldings, about 30 minutes on two cores
python protocols/run_fip35.py --quick
python protocols/run_fip35.py --model allatom --length-ns 1000 --solvent obc2      # wants a GPU
python protocols/run_fip35.py --traj 'DESRES/*.dcd' --top fip35.pdb --dt-ps 200    # trajectories of your own
python protocols/run_fip35.py --system my_protein/ --out runs/mine                 # a folder with another protein
"""

from dataclasses import dataclass

from mdtok.errors import SettingsError
from mdtok.workflows.command_line import parse_settings, run_script, setting
from mdtok.workflows.protein import ProteinSettings, run_protein

MODELS = {"calpha": "fip35_calpha", "allatom": "fip35"}


@dataclass
class Fip35Settings(ProteinSettings):
    """Settings of run_fip35.py."""

    out: str = setting("runs/fip35", "Folder of the run.")
    system: str = setting("", "Another protein, or the path of a folder with one, in place of --model.")
    model: str = setting("calpha", "calpha (structure-based) or allatom.", group="simulation")

    def __post_init__(self):
        super().__post_init__()
        if self.model not in MODELS:
            raise SettingsError(f"--model is {self.model!r}; {' or '.join(MODELS)} was expected.")

    @property
    def protein(self):
        return self.system or MODELS[self.model]


def main():
    run_protein(parse_settings(Fip35Settings, description=__doc__.splitlines()[0]))


if __name__ == "__main__":
    run_script(main)
