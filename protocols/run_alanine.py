"""Alanine dipeptide, end to end: simulate, tokenise, train, roll out, score, report.

    python protocols/run_alanine.py                      # 100 ns, about 12 minutes on two cores
    python protocols/run_alanine.py --quick              # the same path in under 90 s
    python protocols/run_alanine.py --temperature-kelvin 300 --solvent tip3p --length-ns 50 --out runs/ala_water
"""

import logging
from dataclasses import dataclass

import mdtok
from mdtok.cli import parse_settings, run_script, setting
from mdtok.errors import SettingsError
from mdtok.features import FeatureTable
from mdtok.runfolder import RunFolder
from mdtok.stages import ModelSettings, do_model_stages, tokenize

log = logging.getLogger("mdtok.protocols")


@dataclass
class AlanineSettings(ModelSettings):
    """Settings of run_alanine.py."""

    out: str = setting("runs/alanine", "Folder of the run.")
    n_replicas: int = setting(20, "Independent simulations; they start in every basin in turn.")
    length_ns: float = setting(5.0, "Length of each replica.")
    temperature_kelvin: float = setting(450.0, "450 K crosses into φ > 0 often enough to be counted; 300 K hardly ever does.")
    solvent: str = setting("obc2", "obc2, vacuum or tip3p.")
    platform: str = setting("auto", "OpenMM platform; auto measures which is fastest here.")
    n_processes: int = setting(0, "Replicas at once; 0: one a core.")
    frame_interval_ps: float = setting(0.2, "Time between the frames that are written.")
    token_interval_ps: float = setting(1.0, "Time between tokens; a multiple of the time between frames.")
    n_states: int = setting(100, "Microstates (k-means).")
    n_macrostates: int = setting(4, "Metastable states (PCCA+); 0: chosen from the relaxation times.")

    STAGE_OF = ModelSettings.STAGE_OF | dict.fromkeys(("token_interval_ps", "n_states", "n_macrostates"), "tokenize")
    QUICK = {
        "n_replicas": 8, "length_ns": 1.0, "n_states": 30, "n_macrostates": 0, "training_steps": 800,
        "models": "msm,order2,semi-markov,nanogpt-tiny",
    }

    def __post_init__(self):
        super().__post_init__()
        if self.n_replicas < 3:
            raise SettingsError(
                f"--n-replicas {self.n_replicas} is too few: training, validation and test need one each at least."
            )


def main():
    settings = parse_settings(AlanineSettings, description=__doc__.splitlines()[0])
    system = mdtok.load_system(
        "alanine_dipeptide", temperature_kelvin=settings.temperature_kelvin, solvent=settings.solvent,
        frame_interval_ps=settings.frame_interval_ps,
    )
    stride = round(settings.token_interval_ps / system.frame_interval_ps)
    if stride < 1 or abs(stride * system.frame_interval_ps - settings.token_interval_ps) > 1e-9:
        raise SettingsError(
            f"--token-interval-ps {settings.token_interval_ps} is no multiple of the {system.frame_interval_ps} ps between frames."
        )
    run = RunFolder(settings.out, settings.computed(), stage_of=settings.STAGE_OF)

    if settings.does("simulate") and not run.is_done("simulate"):
        with run.stage("simulate") as figures:
            trajs = mdtok.run_replicas(
                system, settings.n_replicas, settings.length_ns, settings.seed, out=run / "md",
                n_processes=settings.n_processes or None, platform=settings.platform, progress=settings.progress,
            )
            figures |= {"n_frames": trajs.n_frames, "total_ns": trajs.n_frames * trajs.dt_ps / 1000}
        log.info("simulated: %d replicas, %.4g ns in all", len(trajs), figures["total_ns"])
    if settings.does("tokenize") and not run.is_done("tokenize"):
        run.require("simulate")
        tokenize_replicas(run, settings, stride)
    do_model_stages(run, settings, "Alanine dipeptide")


def tokenize_replicas(run, settings, stride):
    """Dihedrals of every `stride`-th frame, then tokens of them."""
    replicas = sorted((run / "md").glob("replica_*"))
    paths = [folder / "trajectory.xtc" for folder in replicas]
    trajs = mdtok.open_trajectories(paths, top=replicas[0] / "topology.pdb", stride=stride)
    featurizer = mdtok.Featurizer([mdtok.Dihedrals("phi psi", encoding="radians")])
    angles = featurizer.fit(trajs).transform(trajs, progress=settings.progress)
    table = FeatureTable(angles, featurizer.feature_names_, featurizer.periodic_, trajs.dt_ps)
    tokenizer = mdtok.StateTokenizer(settings.n_states, settings.n_macrostates or "auto", settings.lagtime, seed=settings.seed)
    tokenize(run, table, settings.token_interval_ps, tokenizer, settings, trajs)


if __name__ == "__main__":
    run_script(main)
