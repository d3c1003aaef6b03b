"""A protein, end to end: simulate or open, contacts, TICA, states named by what is formed, models, and how it folds."""

import logging
import shutil
from dataclasses import dataclass

import numpy as np

from mdtok.errors import SettingsError
from mdtok.features import Contacts, FeatureTable, Featurizer, NativeFraction, RadiusOfGyration, native_contacts
from mdtok.features.streaming import map_chunks
from mdtok.kinetics import fit_tica
from mdtok.md import Trajectories, load_system, open_trajectories
from mdtok.md.definition import SystemDefinition, load_definition
from mdtok.md.particles import ParticleDefinition
from mdtok.md.structure_based import StructureBasedDefinition
from mdtok.storage import write_json
from mdtok.tokens import StateTokenizer, choose_tica
from mdtok.tokens.naming import name_by_contacts
from mdtok.workflows.command_line import setting
from mdtok.workflows.folder import RunFolder
from mdtok.workflows.settings import ModelSettings
from mdtok.workflows.simulation import open_replicas, replica_remarks, simulate
from mdtok.workflows.stages import do_stages
from mdtok.workflows.tokenising import tokenize

log = logging.getLogger(__name__)


@dataclass
class ProteinSettings(ModelSettings):
    """Settings of simulation, features and tokens of a protein."""

    GROUP = "simulation"

    out: str = setting("runs/protein", "Folder of the run.")
    system: str = setting("fip35_calpha", "A protein that comes with mdtok, or the path of a folder with one.")
    traj: list[str] = setting([], "DCD, XTC or HDF5 files or patterns, in place of a simulation.", group="data")
    top: str = setting("", "Topology (PDB) of them.", group="data")
    dt_ps: float = setting(0.0, "Picoseconds between their frames; DCD carries no time.", group="data")
    structure: str = setting("", "PDB file in place of the system's own; its contacts are the native ones.")
    solvent: str = setting("", "Of an all-atom model: obc2, gbn2, tip3p or vacuum.")
    temperature_kelvin: float = setting(0.0, "0: that of the system.")
    n_replicas: int = setting(16, "Independent simulations; they start folded and unfolded in turn.")
    length_ns: float = setting(160.0, "Length of each replica.")
    platform: str = setting("auto", "OpenMM platform; auto measures which is fastest here.")
    n_processes: int = setting(0, "Replicas at once; 0: one a core.")
    tica_lagtimes: list[int] = setting([5, 10, 20, 50], "Lags of TICA to choose from, in frames.", group="features")
    tica_dims: list[int] = setting([1, 2, 3, 4, 6, 8], "Numbers of TICA components to choose from.", group="features")
    n_states: int = setting(100, "Microstates (k-means).", group="tokens")
    n_macrostates: int = setting(5, "Metastable states (PCCA+); 0: chosen from the relaxation times.", group="tokens")
    models: str = setting(
        "msm,msm10,semi-markov,lstm,lstm-reversible,nanogpt,nanogpt-narrow-reversible",
        "Models to fit and to score, separated by commas.",
        names=True,
    )
    lagtime: int = setting(10, "Lag time in frames, of the Markov model of the states.")
    lagtimes: list[int] = setting([1, 2, 5, 10, 20], "Lag times of the implied timescales, in frames.")
    n_timescales: int = setting(4, "How many of the slowest timescales are compared.")

    STAGE_OF = ModelSettings.STAGE_OF | dict.fromkeys(
        ("tica_lagtimes", "tica_dims", "n_states", "n_macrostates"), "tokenize"
    )
    QUICK = {
        "n_replicas": 4,
        "length_ns": 8.0,
        "n_states": 30,
        "n_macrostates": 0,
        "training_steps": 300,
        "tica_lagtimes": [10],
        "tica_dims": [1, 2, 3],
        "models": "msm,order2,nanogpt-tiny",
    }

    def __post_init__(self):
        super().__post_init__()
        if self.traj and not self.top:
            raise SettingsError("--traj needs --top, a PDB file of the same atoms.")
        if not self.traj and self.n_replicas < 3:
            raise SettingsError(
                f"--n-replicas {self.n_replicas} is too few: training, validation and test need one each at least."
            )

    @property
    def protein(self) -> str:
        """Name or folder of the system."""
        return self.system

    def replaced(self) -> dict:
        """What these settings put in place of values in the system's file; None where they leave it."""
        keys = ("structure", "solvent", "temperature_kelvin")
        return {key: getattr(self, key) or None for key in keys}


def run_protein(settings: ProteinSettings) -> None:
    """All stages that the settings ask for."""
    definition = load_protein(settings)
    own = open_trajectories(settings.traj, settings.top, settings.dt_ps or None) if settings.traj else None
    system = None
    if own is not None:
        native_contacts(str(definition.structure)).require_residues(own.topology)  # another molecule is said here
    else:
        system = load_system(settings.protein, **settings.replaced(), progress=settings.progress)
    run = RunFolder.of(settings, [] if own is None else [*own.paths, settings.top])
    do_stages(
        run,
        settings,
        definition.title,
        simulate=None if system is None else lambda: simulate(run, settings, system),
        tokenize=lambda: make_tokens(run, settings, definition, open_replicas(run / "md") if own is None else own),
        map_columns=["TICA 1", "Q"],
        definition=definition,
        load_system=None if system is None else lambda: system,
    )


def load_protein(settings: ProteinSettings) -> SystemDefinition | StructureBasedDefinition:
    """What the system's file says, with the settings in place of some of it.

    Raises
    ------
    SettingsError
        It is no protein, or a Cα model with a solvent.
    """
    definition = load_definition(settings.protein)
    if isinstance(definition, ParticleDefinition):
        raise SettingsError(f"{definition.name} is a potential; a protein was expected.")
    if settings.solvent and isinstance(definition, StructureBasedDefinition):
        raise SettingsError("The Cα model has no solvent; leave out --solvent, or take an all-atom model.")
    # other values do not make another kind of it
    return load_definition(settings.protein, **settings.replaced())  # type: ignore[return-value]


def make_tokens(run, settings: ProteinSettings, definition, trajs: Trajectories) -> None:
    """Contacts of all residues, TICA of them, microstates and macrostates, named by what is formed in them.

    The contacts lie in ``contacts/`` until the tokens are made: of a million frames they are 2 GB.
    """
    is_calpha = trajs.topology.n_atoms == trajs.topology.n_residues
    scheme = "ca" if is_calpha else "closest-heavy"
    order_parameters = Featurizer(folding_features(definition, scheme)).fit(trajs)
    contacts = Featurizer([Contacts(scheme=scheme, kind="soft")]).fit(trajs)
    contacts = contacts.transform(trajs, progress=settings.progress, out=run / "contacts")
    order = order_parameters.transform(trajs, progress=settings.progress)
    choice = choose_tica(
        contacts,
        settings.tica_lagtimes,
        settings.tica_dims,
        settings.lagtime,
        seed=settings.seed,
        progress=settings.progress,
    )
    log.info("%s", choice)
    tica = fit_tica(contacts, choice.lagtime, choice.n_dim)
    components = [map_chunks(tica.transform, array) for array in contacts]
    remarks = replica_remarks(run / "md") if (run / "md").is_dir() else []
    names = [*(f"TICA {k + 1}" for k in range(choice.n_dim)), *order_parameters.feature_names_]
    arrays = [np.column_stack(pair).astype(np.float32) for pair in zip(components, order)]
    column = {name: k for k, name in enumerate(names)}
    formed = list(definition.contacts_between) or ["Q"]  # a protein without named parts is folded or not

    def name_states(features, macro):
        parts = {name: features[:, column[name]] for name in formed}
        return name_by_contacts(features[:, column["Q"]], parts, features[:, column["Rg"]], macro)

    tokenize(
        run,
        FeatureTable(arrays, names, np.zeros(len(names), dtype=bool), trajs.dt_ps, remarks=remarks),
        trajs.dt_ps,
        StateTokenizer(settings.n_states, settings.n_macrostates or "auto", settings.lagtime, seed=settings.seed),
        settings,
        trajs,
        columns=list(range(choice.n_dim)),
        name_states=name_states,
    )
    write_json(run / "tokens" / "tica_choice.json", vars(choice))
    shutil.rmtree(run / "contacts")
    log.info("contacts: %s is removed, the tokens are made", run / "contacts")


def folding_features(definition: SystemDefinition | StructureBasedDefinition, scheme: str) -> list:
    """Fractions of native contacts, of all (Q) and of the pairs of parts that are named, and the radius of gyration."""
    native = native_contacts(str(definition.structure))
    parts = {
        name: native.between(*(definition.residues_of(part) for part in pair))
        for name, pair in definition.contacts_between.items()
    }
    return [
        NativeFraction(native, scheme=scheme),
        *(NativeFraction(part, scheme=scheme, name=name) for name, part in parts.items()),
        RadiusOfGyration(atoms="ca"),
    ]
