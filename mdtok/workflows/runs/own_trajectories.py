"""Trajectories or feature files of the user, end to end: features, tokens, models, scorecard, report."""

from dataclasses import dataclass, replace
from pathlib import Path

from mdtok.errors import SettingsError
from mdtok.features import Featurizer, load_features, named_features
from mdtok.features.feature_files import FeatureTable
from mdtok.features.named import known_words
from mdtok.md import open_trajectories
from mdtok.md.files import find_files
from mdtok.tokens import StateTokenizer, check_no_overlap
from mdtok.workflows.command_line import setting
from mdtok.workflows.folder import RunFolder
from mdtok.workflows.settings import ModelSettings
from mdtok.workflows.stages import do_stages
from mdtok.workflows.tokenising import tokenize


@dataclass
class TrajectorySettings(ModelSettings):
    """Settings of trajectories, features and tokens."""

    GROUP = "data"

    out: str = setting("runs/trajectories", "Folder of the run.")
    traj: list[str] = setting([], "DCD, XTC or HDF5 files or patterns.")
    top: str = setting("", "Topology (PDB) of the trajectories.")
    features: str = setting("phi psi", f"Any of {' '.join(known_words())}.", group="features", names=True)
    feature_files: list[str] = setting([], "Instead of --traj: .npy, .npz, COLVAR of PLUMED, .xvg or .csv files.")
    columns: list[str] = setting(
        [], "Columns of the feature files, by name (or names for those of an array).", names=True
    )
    periodic: list[str] = setting(
        [], "Columns that are angles in radians; phi=degrees; d=0:1.5 for a period.", names=True
    )
    dt_ps: float = setting(0.0, "Picoseconds between frames; needed for DCD and .npy, which carry no time.")
    stride: int = setting(1, "Keep every so many-th frame.")
    tica_dim: int = setting(0, "TICA components before k-means; 0: none.", group="tokens")
    n_states: int = setting(100, "Microstates (k-means).", group="tokens")
    n_macrostates: int = setting(0, "Metastable states (PCCA+); 0: chosen from the relaxation times.", group="tokens")
    map_columns: list[str] = setting(
        [], "Two columns for the free-energy maps; the first two if not given.", group="referee", names=True
    )

    QUICK = {"n_states": 30, "training_steps": 800, "models": "msm,order2,semi-markov,nanogpt-tiny"}

    def __post_init__(self):
        super().__post_init__()
        if bool(self.traj) == bool(self.feature_files):
            raise SettingsError("Give either --traj (with --top) or --feature-files.")
        if self.stride < 1:
            raise SettingsError(f"--stride {self.stride} was given; at least 1 was expected.")
        named_features(self.features)  # an unknown name is said before anything is read


def run_trajectories(settings: TrajectorySettings) -> None:
    """All stages that the settings ask for."""
    trajs, table = (None, load_table(settings)) if settings.feature_files else (open_files(settings), None)
    inputs = find_files(settings.feature_files) if trajs is None else [*trajs.paths, *filter(None, [settings.top])]
    run = RunFolder.of(settings, inputs)
    tokenizer = StateTokenizer(
        settings.n_states,
        settings.n_macrostates or "auto",
        settings.lagtime,
        settings.tica_dim or None,
        seed=settings.seed,
    )

    def make_tokens():
        made = featurize(trajs, settings) if table is None else table
        check_no_overlap(made.arrays, made.files or [str(path) for path in trajs.paths])
        tokenize(run, made, made.dt_ps, tokenizer, settings, trajs)

    do_stages(run, settings, Path(settings.out).name, tokenize=make_tokens, map_columns=settings.map_columns)


def open_files(settings):
    """The coordinate files, checked."""
    return open_trajectories(settings.traj, settings.top or None, settings.dt_ps or None, settings.stride)


def featurize(trajs, settings) -> FeatureTable:
    """Features of every frame, dihedrals in radians."""
    featurizer = Featurizer(named_features(settings.features))
    features = featurizer.fit(trajs).transform(trajs, progress=settings.progress)
    return FeatureTable(features, featurizer.feature_names_, featurizer.periodic_, trajs.dt_ps)


def load_table(settings) -> FeatureTable:
    """The feature files, every `stride`-th frame of them."""
    table = load_features(
        settings.feature_files, settings.columns or None, settings.periodic or None, settings.dt_ps or None
    )
    if table.dt_ps is None:
        raise SettingsError("These files carry no time; give --dt-ps, the picoseconds between frames.")
    arrays = [array[:: settings.stride] for array in table.arrays]
    return replace(table, arrays=arrays, dt_ps=table.dt_ps * settings.stride)
