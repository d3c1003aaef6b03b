"""Runs with a name of their own, ``mdtok run alanine`` and its like: a workflow with settings that suit one system."""

from dataclasses import dataclass

from mdtok.errors import SettingsError
from mdtok.workflows.command_line import setting
from mdtok.workflows.runs.core_sets import CoreSetSettings, run_core_sets
from mdtok.workflows.runs.molecule import MoleculeSettings, run_molecule
from mdtok.workflows.runs.potential import PotentialSettings, run_potential
from mdtok.workflows.runs.protein import ProteinSettings, run_protein


@dataclass
class AlanineSettings(MoleculeSettings):
    """Settings of a run of alanine dipeptide."""

    out: str = setting("runs/alanine", "Folder of the run.")
    temperature_kelvin: float = setting(
        450.0, "450 K crosses into φ > 0 often enough to be counted; 300 K hardly ever does."
    )
    solvent: str = setting("obc2", "obc2, gbn2, vacuum or tip3p.")


def run_alanine(settings: AlanineSettings) -> None:
    """Alanine dipeptide, end to end."""
    run_molecule(settings)


@dataclass
class MullerBrownSettings(PotentialSettings):
    """Settings of a run on the Müller-Brown potential."""

    out: str = setting("runs/muller_brown", "Folder of the run.")


def run_muller_brown(settings: MullerBrownSettings) -> None:
    """The Müller-Brown potential, end to end."""
    run_potential(settings)


@dataclass
class FourStateSettings(CoreSetSettings):
    """Settings of a run on the four-state potential."""

    out: str = setting("runs/four_state", "Folder of the run.")
    n_runs: int = setting(8, "Independent runs, a multiple of 4: they start in the four states in turn.")


def run_four_state(settings: FourStateSettings) -> None:
    """The four-state potential, end to end."""
    run_core_sets(settings)


FIP35 = {"calpha": "fip35_calpha", "allatom": "fip35"}


@dataclass
class Fip35Settings(ProteinSettings):
    """Settings of a run of the Fip35 WW domain."""

    out: str = setting("runs/fip35", "Folder of the run.")
    system: str = setting("", "Another protein, or the path of a folder with one, in place of --model.")
    model: str = setting("calpha", "calpha (structure-based) or allatom.", group="simulation")

    def __post_init__(self):
        super().__post_init__()
        if self.model not in FIP35:
            raise SettingsError(f"--model is {self.model!r}; {' or '.join(FIP35)} was expected.")

    @property
    def protein(self) -> str:
        """Name or folder of the system."""
        return self.system or FIP35[self.model]


def run_fip35(settings: Fip35Settings) -> None:
    """The Fip35 WW domain, end to end."""
    run_protein(settings)
