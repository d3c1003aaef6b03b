"""Your trajectories: features, tokens, models, scorecard, report.

python protocols/analyze_trajectories.py --traj 'runs/*.dcd' --top protein.pdb --dt-ps 1 --features "phi psi"
python protocols/analyze_trajectories.py --traj a.xtc b.xtc --top protein.pdb --features "phi psi chi1" --tica-dim 4
python protocols/analyze_trajectories.py --traj a.xtc --top protein.pdb --features "phi psi contacts" --tica-dim 6
python protocols/analyze_trajectories.py --feature-files 'run*/COLVAR' --columns phi psi
python protocols/analyze_trajectories.py --feature-files dihedrals.npy --columns phi psi --periodic phi psi --dt-ps 1
"""

from dataclasses import dataclass, replace
from pathlib import Path

import mdtok
from mdtok.errors import SettingsError
from mdtok.features import FeatureTable, named_features
from mdtok.md.files import find_files
from mdtok.workflows.command_line import parse_settings, run_script, setting
from mdtok.workflows.folder import RunFolder
from mdtok.workflows.stages import ModelSettings, do_model_stages, tokenize


@dataclass
class TrajectorySettings(ModelSettings):
    """Settings of analyze_trajectories.py."""

    out: str = setting("runs/trajectories", "Folder of the run.")
    traj: list[str] = setting([], "DCD, XTC or HDF5 files or patterns.")
    top: str = setting("", "Topology (PDB) of the trajectories.")
    features: str = setting(
        "phi psi", "phi psi omega chi1 …, contacts, ca-contacts, contact-distances, ca-distances, rg."
    )
    feature_files: list[str] = setting([], "Instead of --traj: .npy arrays or PLUMED COLVAR files.")
    columns: list[str] = setting([], "Columns of the feature files, by name (or names for those of an array).")
    periodic: list[str] = setting([], "Columns that are angles in radians.")
    dt_ps: float = setting(0.0, "Picoseconds between frames; needed for DCD and .npy, which carry no time.")
    stride: int = setting(1, "Keep every so many-th frame.")
    tica_dim: int = setting(0, "TICA components before k-means; 0: none.")
    n_states: int = setting(100, "Microstates (k-means).")
    n_macrostates: int = setting(0, "Metastable states (PCCA+); 0: chosen from the relaxation times.")
    map_columns: list[str] = setting([], "Two columns for the free-energy maps; the first two if not given.")

    QUICK = {"n_states": 30, "training_steps": 800, "models": "msm,order2,semi-markov,nanogpt-tiny"}

    def __post_init__(self):
        super().__post_init__()
        if bool(self.traj) == bool(self.feature_files):
            raise SettingsError("Give either --traj (with --top) or --feature-files.")
        if self.stride < 1:
            raise SettingsError(f"--stride {self.stride} was given; at least 1 was expected.")
        named_features(self.features)  # an unknown name is said before anything is read


def main():
    settings = parse_settings(TrajectorySettings, description=__doc__.splitlines()[0])
    trajs, table = (None, load_table(settings)) if settings.feature_files else (open_trajectories(settings), None)
    inputs = find_files(settings.feature_files) if trajs is None else [*trajs.paths, *filter(None, [settings.top])]
    run = RunFolder.of(settings, inputs)
    if settings.does("tokenize") and not run.is_done("tokenize"):
        table = featurize(trajs, settings) if table is None else table
        tokenizer = mdtok.StateTokenizer(
            settings.n_states,
            settings.n_macrostates or "auto",
            settings.lagtime,
            settings.tica_dim or None,
            seed=settings.seed,
        )
        tokenize(run, table, table.dt_ps, tokenizer, settings, trajs)
    do_model_stages(run, settings, Path(settings.out).name, settings.map_columns)


def open_trajectories(settings):
    """The coordinate files, checked."""
    return mdtok.open_trajectories(settings.traj, settings.top or None, settings.dt_ps or None, settings.stride)


def featurize(trajs, settings):
    """Features of every frame, dihedrals in radians."""
    featurizer = mdtok.Featurizer(named_features(settings.features))
    features = featurizer.fit(trajs).transform(trajs, progress=settings.progress)
    return FeatureTable(features, featurizer.feature_names_, featurizer.periodic_, trajs.dt_ps)


def load_table(settings):
    """The feature files, every `stride`-th frame of them."""
    table = mdtok.load_features(
        settings.feature_files, settings.columns or None, settings.periodic or None, settings.dt_ps or None
    )
    if table.dt_ps is None:
        raise SettingsError("These files carry no time; give --dt-ps, the picoseconds between frames.")
    arrays = [array[:: settings.stride] for array in table.arrays]
    return replace(table, arrays=arrays, dt_ps=table.dt_ps * settings.stride)


if __name__ == "__main__":
    run_script(main)
