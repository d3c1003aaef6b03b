"""Particles on a potential whose states are known, end to end: tokens by core sets, models, all against known answers.

Every run is a particle. One frame is one token.
"""

import logging
from dataclasses import dataclass

import numpy as np

from mdtok.errors import DataError, SettingsError
from mdtok.features import split_particles
from mdtok.md import load_system, run_replicas
from mdtok.md.definition import load_definition
from mdtok.md.particles import ParticleDefinition
from mdtok.storage import whole, write_json
from mdtok.tokens import CoreSetTokenizer, core_states, count_transitions, cut_outside, nearest_value, running_mean
from mdtok.workflows.command_line import setting
from mdtok.workflows.data import FeatureData, TokenisedData
from mdtok.workflows.folder import RunFolder
from mdtok.workflows.settings import ModelSettings
from mdtok.workflows.simulation import open_replicas
from mdtok.workflows.stages import do_stages

log = logging.getLogger(__name__)

TOKENS = ("core", "published")
_N_RUNS = 8  # at least, where the settings leave it to us
COMMIT_TIMES = (1, 2, 5, 10, 20, 50, 100, 200)  # tokens


@dataclass
class CoreSetSettings(ModelSettings):
    """Settings of the simulation and of the tokens."""

    GROUP = "simulation"

    out: str = setting("runs/core_sets", "Folder of the run.")
    system: str = setting("four_state", "A system with a potential, or the path of a folder with one.")
    n_runs: int = setting(
        0, "Independent runs, a multiple of the number of starts, which they take in turn; 0: eight, or a few more."
    )
    length_ps: float = setting(1e6, "Length of each run; each frame is a token.")
    n_training_runs: int = setting(
        1, "Runs that models learn from; one more is for validation, the others are held out.", group="tokens"
    )
    platform: str = setting("auto", "OpenMM platform; auto measures which is fastest here.")
    n_processes: int = setting(0, "Simulations at once; 0: one a core.")
    tokens: str = setting(
        "core",
        "core: the core set visited last; published: running mean of x, nearest state, no short visits.",
        group="tokens",
    )
    core_radius_nm: float = setting(0.6, "Of the core sets.", group="tokens")
    mean_frames: int = setting(50, "Frames of the running mean of the published tokens.", group="tokens")
    commit_frames: int = setting(100, "Shortest visit that counts in the published tokens.", group="tokens")
    models: str = setting(
        "msm,bayesian-msm,semi-markov,hmm4,lstm,nanogpt-plain,nanogpt", "Models to fit and to score.", names=True
    )
    lagtime: int = setting(100, "Lag time in tokens, of populations, timescales and the Chapman-Kolmogorov test.")
    lagtimes: list[int] = setting([50, 100, 200, 500, 1000], "Lag times of the implied timescales, in tokens.")
    n_chains: int = setting(50, "Chains that each model generates.")
    n_chain_tokens: int = setting(120_000, "Tokens of a chain.")

    STAGE_OF = ModelSettings.STAGE_OF | dict.fromkeys(
        ("tokens", "core_radius_nm", "mean_frames", "commit_frames", "n_training_runs"), "tokenize"
    )
    QUICK = {
        "length_ps": 60_000,
        "n_training_runs": 3,
        "models": "msm,semi-markov,nanogpt-tiny",
        "training_steps": 200,
        "lagtimes": [50, 100],
        "n_chains": 40,
        "n_chain_tokens": 6_000,
    }

    def __post_init__(self):
        super().__post_init__()
        if self.tokens not in TOKENS:
            raise SettingsError(f"--tokens is {self.tokens!r}; {' or '.join(TOKENS)} was expected.")


def run_core_sets(settings: CoreSetSettings) -> None:
    """All stages that the settings ask for."""
    definition = load_definition(settings.system)
    if not isinstance(definition, ParticleDefinition):
        raise SettingsError(f"{definition.name} is a molecule; a system with a potential was expected.")
    n_starts = len(definition.starts or definition.states)
    settings.n_runs = settings.n_runs or n_starts * -(-_N_RUNS // n_starts)
    check_runs(settings, definition, n_starts)
    system = load_system(settings.system, n_particles=settings.n_runs // n_starts)
    run = RunFolder.of(settings)
    do_stages(
        run,
        settings,
        definition.title,
        simulate=lambda: simulate(run, settings, system),
        tokenize=lambda: make_tokens(run, settings, system),
        definition=definition,
        load_system=lambda: system,
    )


def check_runs(settings: CoreSetSettings, definition: ParticleDefinition, n_starts: int) -> None:
    """Raise SettingsError where there are too few runs, or too short ones."""
    if settings.n_runs % n_starts or not 1 <= settings.n_training_runs <= settings.n_runs - 2:
        raise SettingsError(
            f"--n-runs {settings.n_runs} and --n-training-runs {settings.n_training_runs}: a multiple of {n_starts} "
            "was expected, of which two at least are left for validation and test."
        )
    longest = max([settings.lagtime, *settings.lagtimes])
    if settings.length_ps < 20 * longest * definition.frame_interval_ps:
        raise SettingsError(
            f"--length-ps {settings.length_ps:g} is shorter than twenty of the longest lag time, {longest} tokens of "
            f"{definition.frame_interval_ps:g} ps."
        )
    if settings.tokens == "published" and not are_told_apart_by_x(definition.states):
        raise SettingsError(
            f"--tokens published tells states apart by x, which two states of {definition.name} have in common; "
            "take --tokens core."
        )


def are_told_apart_by_x(states: dict) -> bool:
    """Whether every state lies at an x of its own, as published tokens need."""
    return len({float(point[0]) for point in states.values()}) == len(states)


def simulate(run, settings: CoreSetSettings, system) -> None:
    """One simulation from each start, of as many independent particles as there are runs for it."""
    with run.stage("simulate") as facts:
        run_replicas(
            system,
            len(system.starts),
            settings.length_ps / 1000,
            settings.seed,
            out=run / "md",
            n_processes=settings.n_processes or None,
            platform=settings.platform,
            progress=settings.progress,
        )
        facts["total_ps"] = settings.n_runs * settings.length_ps
    log.info("simulated: %d runs of %g ps", settings.n_runs, settings.length_ps)


def open_runs(run, system) -> list[np.ndarray]:
    """x and y of every run, in nm, shape (n_frames, 2) each; those from different starts in turn."""
    runs, n_starts = split_particles(open_replicas(run / "md", dt_ps=system.frame_interval_ps)), len(system.starts)
    return [runs[start * system.n_atoms + k] for k in range(system.n_atoms) for start in range(n_starts)]


def make_tokens(run, settings: CoreSetSettings, system) -> None:
    """Tokens of every run in the way asked for, and how many transitions either way of making them sees."""
    names, interval = list(system.states), system.frame_interval_ps
    with run.stage("tokenize") as facts:
        runs, tokenizer = open_runs(run, system), make_tokenizer(settings, system.states)
        test = list(range(settings.n_training_runs + 1, len(runs)))
        split = {"train": list(range(settings.n_training_runs)), "validation": [settings.n_training_runs], "test": test}
        # what is before the first core is left out, and a run that never comes to one
        origins, dtrajs, positions = cut_outside(tokenizer.fit_transform(runs), runs)
        split = {part: [k for k, origin in enumerate(origins) if origin in members] for part, members in split.items()}
        if not all(split.values()):
            raise DataError(
                "No run for training, validation or test comes to a core set; take a larger --core-radius-nm, or "
                "longer runs."
            )
        FeatureData(positions, ["x (nm)", "y (nm)"], np.zeros(2, dtype=bool), split, interval).save(run / "features")
        with whole(run / "tokens") as folder:
            folder.mkdir()
            TokenisedData(dtrajs, split, interval, np.arange(len(names)), names).save(folder)
            tokenizer.save(folder)
        counts = {
            name: count_transitions(tokens, len(names), COMMIT_TIMES)
            for name, tokens in uncommitted_tokens(runs, settings, system.states).items()
        }
        commit_ps = [time * system.frame_interval_ps for time in COMMIT_TIMES]
        write_json(run / "tokens" / "commit_times.json", {"commit_ps": commit_ps, "transitions": counts})
        facts |= {"n_states": len(names), "n_tokens": sum(map(len, dtrajs))}
    log.info("transitions of all runs against the commit time (ps %s):", ", ".join(f"{time:g}" for time in commit_ps))
    for name, tables in counts.items():
        log.info("  %-18s %s", name, ", ".join(f"{total:,}" for total in tables.sum(axis=(1, 2))))


def uncommitted_tokens(runs: list[np.ndarray], settings: CoreSetSettings, states: dict) -> dict[str, list[np.ndarray]]:
    """Tokens of all runs before short visits are taken out, by the way they are made."""
    centres = np.array(list(states.values()))
    tokens = {"core sets": [in_cores(xy, centres, settings.core_radius_nm) for xy in runs]}
    if are_told_apart_by_x(states):
        levels = centres[:, 0].tolist()
        tokens["nearest x"] = [nearest_value(xy[:, 0], levels) for xy in runs]
        smooth = [running_mean(xy[:, 0], settings.mean_frames) for xy in runs]
        tokens["running mean of x"] = [nearest_value(x, levels) for x in smooth]
    return tokens


def make_tokenizer(settings: CoreSetSettings, states: dict) -> CoreSetTokenizer:
    """Core sets, or the published way of Tsai, Kuo and Tiwary (2020), around the states of a potential."""
    return CoreSetTokenizer(
        list(states.values()), settings.tokens, settings.core_radius_nm, settings.mean_frames, settings.commit_frames
    )


def in_cores(xy: np.ndarray, centres: np.ndarray, radius_nm: float) -> np.ndarray:
    """The core visited last; what is before the first visit is left out."""
    tokens = core_states(xy, centres, radius_nm)
    return tokens[tokens >= 0]
