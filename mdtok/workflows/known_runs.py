"""Runs with a name of their own, ``mdtok run alanine`` and its like: a workflow with settings that suit one system."""

from dataclasses import dataclass

from mdtok.workflows.command_line import setting
from mdtok.workflows.molecule import MoleculeSettings, run_molecule
from mdtok.workflows.potential import PotentialSettings, run_potential


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
