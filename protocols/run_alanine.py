"""Alanine dipeptide, end to end: simulate, tokenise, train, roll out, score, report.

    python protocols/run_alanine.py                      # 100 ns, about 12 minutes on two cores
    python protocols/run_alanine.py --quick              # the same path in under 90 s
    python protocols/run_alanine.py --temperature-kelvin 300 --solvent tip3p --length-ns 50 --out runs/ala_water

As published: 100 × 10 ns at 0.1 ps (70 minutes of simulation on two cores), as microstates, macrostates and bins of sin
φ:

    python protocols/run_alanine.py --n-replicas 100 --length-ns 10 --frame-interval-ps 0.1 --token-interval-ps 0.1
    --out runs/published python protocols/run_alanine.py --n-replicas 100 --length-ns 10 --frame-interval-ps 0.1
    --token-interval-ps 0.1 \\
        --simulation runs/published --tokens sin-phi --n-macrostates 0 --out runs/published_sin_phi
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import mdtok
from mdtok.errors import SettingsError
from mdtok.features import FeatureTable
from mdtok.storage import read_json
from mdtok.workflows.command_line import parse_settings, run_script, setting
from mdtok.workflows.folder import RunFolder
from mdtok.workflows.stages import ModelSettings, do_model_stages, tokenize

log = logging.getLogger("mdtok.protocols")

TOKENS = ("microstates", "macrostates", "sin-phi")
_SIN_PHI_BINS = 20  # Tsai, Kuo, Tiwary, Nat. Commun. 11, 5115 (2020)


@dataclass
class AlanineSettings(ModelSettings):
    """Settings of run_alanine.py."""

    out: str = setting("runs/alanine", "Folder of the run.")
    n_replicas: int = setting(20, "Independent simulations; they start in every basin in turn.")
    length_ns: float = setting(5.0, "Length of each replica.")
    temperature_kelvin: float = setting(
        450.0, "450 K crosses into φ > 0 often enough to be counted; 300 K hardly ever does."
    )
    solvent: str = setting("obc2", "obc2, gbn2, vacuum or tip3p.")
    platform: str = setting("auto", "OpenMM platform; auto measures which is fastest here.")
    n_processes: int = setting(0, "Replicas at once; 0: one a core.")
    frame_interval_ps: float = setting(0.2, "Time between the frames that are written.")
    token_interval_ps: float = setting(1.0, "Time between tokens; a multiple of the time between frames.")
    tokens: str = setting(
        "microstates", "microstates (k-means of φ and ψ), macrostates (of those), or sin-phi (20 bins of sin φ)."
    )
    simulation: str = setting(
        "", "Folder of another run of this script whose simulation is used; simulated here if not given."
    )
    n_states: int = setting(100, "Microstates (k-means).")
    n_macrostates: int = setting(4, "Metastable states (PCCA+); 0: chosen from the relaxation times.")

    STAGE_OF = ModelSettings.STAGE_OF | dict.fromkeys(
        ("token_interval_ps", "tokens", "n_states", "n_macrostates"), "tokenize"
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


def main():
    settings = parse_settings(AlanineSettings, description=__doc__.splitlines()[0])
    system = mdtok.load_system(
        "alanine_dipeptide",
        temperature_kelvin=settings.temperature_kelvin,
        solvent=settings.solvent,
        frame_interval_ps=settings.frame_interval_ps,
    )
    stride = round(settings.token_interval_ps / system.frame_interval_ps)
    if stride < 1 or abs(stride * system.frame_interval_ps - settings.token_interval_ps) > 1e-9:
        raise SettingsError(
            f"--token-interval-ps {settings.token_interval_ps} is no multiple of the {system.frame_interval_ps} ps between frames."
        )
    simulated = simulated_before(settings) if settings.simulation else None
    run = RunFolder.of(settings)

    if simulated and not run.is_done("simulate"):
        with run.stage("simulate") as figures:
            (run / "md").symlink_to(simulated, target_is_directory=True)
            figures["simulation_of"] = settings.simulation
    if settings.does("simulate") and not run.is_done("simulate"):
        with run.stage("simulate") as figures:
            trajs = mdtok.run_replicas(
                system,
                settings.n_replicas,
                settings.length_ns,
                settings.seed,
                out=run / "md",
                n_processes=settings.n_processes or None,
                platform=settings.platform,
                progress=settings.progress,
            )
            figures |= {"n_frames": trajs.n_frames, "total_ns": trajs.n_frames * trajs.dt_ps / 1000}
        log.info("simulated: %d replicas, %.4g ns in all", len(trajs), figures["total_ns"])
    if settings.does("tokenize") and not run.is_done("tokenize"):
        run.require("simulate")
        tokenize_replicas(run, settings, stride)
    do_model_stages(run, settings, "Alanine dipeptide")


def simulated_before(settings):
    """The replicas of another run of this script, checked to be those asked for."""
    there = read_json(Path(settings.simulation) / "manifest.json")
    if "simulate" not in there["stages"]:
        raise SettingsError(
            f"--simulation {settings.simulation}: its simulation is not done yet; run the same command for that folder first."
        )
    keys = ("n_replicas", "length_ns", "temperature_kelvin", "solvent", "frame_interval_ps")
    differing = [key for key in keys if there["settings"].get(key) != getattr(settings, key)]
    if differing:
        raise SettingsError(f"{settings.simulation} has another {', '.join(differing)}; give the settings of that run.")
    return (Path(settings.simulation) / "md").resolve()


def tokenize_replicas(run, settings, stride):
    """Dihedrals of every `stride`-th frame, then tokens of them."""
    replicas = sorted((run / "md").glob("replica_*"))
    paths = [folder / "trajectory.xtc" for folder in replicas]
    trajs = mdtok.open_trajectories(paths, top=replicas[0] / "topology.pdb", stride=stride)
    featurizer = mdtok.Featurizer([mdtok.Dihedrals("phi psi", encoding="radians")])
    angles = featurizer.fit(trajs).transform(trajs, progress=settings.progress)
    table = FeatureTable(angles, featurizer.feature_names_, featurizer.periodic_, trajs.dt_ps)
    n_macrostates, how = settings.n_macrostates or "auto", {"coarse": settings.tokens == "macrostates"}
    if settings.tokens == "sin-phi":
        middles = (np.arange(_SIN_PHI_BINS) + 0.5) * 2 / _SIN_PHI_BINS - 1
        tokenizer = mdtok.StateTokenizer(
            _SIN_PHI_BINS, n_macrostates, settings.lagtime, centers=middles[:, None], seed=settings.seed
        )
        how["encode"] = lambda arrays: [np.sin(array[:, :1]) for array in arrays]  # of φ
    else:
        tokenizer = mdtok.StateTokenizer(settings.n_states, n_macrostates, settings.lagtime, seed=settings.seed)
    tokenize(run, table, settings.token_interval_ps, tokenizer, settings, trajs, **how)


if __name__ == "__main__":
    run_script(main)
