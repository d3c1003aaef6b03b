"""A small molecule with Ramachandran basins, end to end: simulate, dihedrals, tokens, models, report."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mdtok.errors import SettingsError
from mdtok.features import Featurizer, named_features
from mdtok.features.feature_files import FeatureTable
from mdtok.features.named import known_words
from mdtok.md import load_system
from mdtok.md.definition import load_definition
from mdtok.storage import read_json
from mdtok.tokens import StateTokenizer
from mdtok.workflows.command_line import setting
from mdtok.workflows.folder import RunFolder
from mdtok.workflows.settings import ModelSettings
from mdtok.workflows.simulation import open_replicas, replica_remarks, simulate
from mdtok.workflows.stages import do_stages
from mdtok.workflows.tokenising import tokenize

TOKENS = ("microstates", "macrostates", "sin-phi")
_SIN_PHI_BINS = 20  # Tsai, Kuo, Tiwary, Nat. Commun. 11, 5115 (2020)


@dataclass
class MoleculeSettings(ModelSettings):
    """Settings of simulation and tokens of a small molecule."""

    GROUP = "simulation"

    system: str = setting("alanine_dipeptide", "A molecule that comes with mdtok, or the path of a folder with one.")
    n_replicas: int = setting(20, "Independent simulations; they start in every basin in turn.")
    length_ns: float = setting(5.0, "Length of each replica.")
    temperature_kelvin: float = setting(0.0, "0: that of the system.")
    solvent: str = setting("", "obc2, gbn2, vacuum or tip3p; that of the system if not given.")
    trust_scripts: bool = setting(False, "Let Python scripts in the system's own force fields run.")
    platform: str = setting("auto", "OpenMM platform; auto measures which is fastest here.")
    n_processes: int = setting(0, "Replicas at once; 0: one a core.")
    frame_interval_ps: float = setting(0.2, "Time between the frames that are written.")
    token_interval_ps: float = setting(
        1.0, "Time between tokens; a multiple of the time between frames.", group="tokens"
    )
    features: str = setting("phi psi", f"Any of {' '.join(known_words())}.", group="features", names=True)
    tokens: str = setting(
        "microstates",
        "microstates (k-means of the features), macrostates (of those), or sin-phi (20 bins of sin φ).",
        group="tokens",
    )
    simulation: str = setting(
        "", "Folder of another run of this molecule whose simulation is used; simulated here if not given."
    )
    n_states: int = setting(100, "Microstates (k-means).", group="tokens")
    n_macrostates: int = setting(4, "Metastable states (PCCA+); 0: chosen from the relaxation times.", group="tokens")

    STAGE_OF = ModelSettings.STAGE_OF | dict.fromkeys(
        ("token_interval_ps", "features", "tokens", "n_states", "n_macrostates"), "tokenize"
    )
    QUICK = {
        "n_replicas": 8,
        "length_ns": 1.0,
        "n_states": 30,
        "n_macrostates": 0,
        "training_steps": 800,
        "models": "msm,order2,semi-markov,nanogpt-tiny",
    }

    def __post_init__(self):
        super().__post_init__()
        if self.tokens not in TOKENS:
            raise SettingsError(f"--tokens is {self.tokens!r}; {', '.join(TOKENS)} were expected.")
        if self.n_replicas < 3:
            raise SettingsError(
                f"--n-replicas {self.n_replicas} is too few: training, validation and test need one each at least."
            )
        named_features(self.features)  # an unknown name is said before anything is computed
        if self.tokens == "sin-phi" and self.features.split()[:1] != ["phi"]:
            raise SettingsError(f"--tokens sin-phi needs phi as the first of --features; {self.features!r} was given.")


def run_molecule(settings: MoleculeSettings) -> None:
    """All stages that the settings ask for."""
    definition = load_definition(settings.system)
    system = load_system(
        settings.system,
        temperature_kelvin=settings.temperature_kelvin or None,
        solvent=settings.solvent or None,
        frame_interval_ps=settings.frame_interval_ps,
        trust_scripts=settings.trust_scripts,
        progress=settings.progress,
    )
    stride = round(settings.token_interval_ps / system.frame_interval_ps)
    if stride < 1 or abs(stride * system.frame_interval_ps - settings.token_interval_ps) > 1e-9:
        raise SettingsError(
            f"--token-interval-ps {settings.token_interval_ps} is no multiple of the {system.frame_interval_ps} ps "
            "between frames."
        )
    simulated = simulated_before(settings) if settings.simulation else None
    run = RunFolder.of(settings)
    do_stages(
        run,
        settings,
        definition.title,
        simulate=lambda: link(run, settings, simulated) if simulated else simulate(run, settings, system),
        tokenize=lambda: tokenize_replicas(run, settings, stride),
        definition=definition,
        load_system=lambda: system,
    )


def link(run, settings, simulated) -> None:
    """Take the replicas of another run as ``md/``."""
    with run.stage("simulate") as facts:
        (run / "md").symlink_to(simulated, target_is_directory=True)
        facts["simulation_of"] = settings.simulation


def simulated_before(settings) -> Path:
    """The replicas of another run of this molecule, checked to be those asked for."""
    there = read_json(Path(settings.simulation) / "manifest.json")
    if "simulate" not in there["stages"]:
        raise SettingsError(
            f"--simulation {settings.simulation}: its simulation is not done yet; run the same command for that folder "
            "first."
        )
    known = {"system": "alanine_dipeptide"} | there["settings"]  # earlier runs were of no other
    keys = ("system", "n_replicas", "length_ns", "temperature_kelvin", "solvent", "frame_interval_ps")
    differing = [key for key in keys if known.get(key) != getattr(settings, key)]
    if differing:
        raise SettingsError(f"{settings.simulation} has another {', '.join(differing)}; give the settings of that run.")
    return (Path(settings.simulation) / "md").resolve()


def tokenize_replicas(run, settings, stride: int) -> None:
    """Features of every `stride`-th frame, then tokens of them."""
    trajs = open_replicas(run / "md", stride)
    featurizer = Featurizer(named_features(settings.features))
    arrays = featurizer.fit(trajs).transform(trajs, progress=settings.progress)
    table = FeatureTable(
        arrays, featurizer.feature_names_, featurizer.periodic_, trajs.dt_ps, remarks=replica_remarks(run / "md")
    )
    n_macrostates, seed, lagtime = settings.n_macrostates or "auto", settings.seed, settings.lagtime
    if settings.tokens == "sin-phi":
        middles = (np.arange(_SIN_PHI_BINS) + 0.5) * 2 / _SIN_PHI_BINS - 1
        tokenizer = StateTokenizer(_SIN_PHI_BINS, n_macrostates, lagtime, centers=middles[:, None], seed=seed)
        how = {"columns": [0], "angles": "sine"}
    else:
        tokenizer = StateTokenizer(settings.n_states, n_macrostates, lagtime, seed=seed)
        how = {"coarse": settings.tokens == "macrostates"}
    tokenize(run, table, settings.token_interval_ps, tokenizer, settings, trajs, **how)
