"""Four metastable states in the plane: tokens as published or core sets, models, and all of it against known times.

python protocols/run_four_state.py                       # 8 runs of 1 µs, models learn from one of them; about half an
hour python protocols/run_four_state.py --quick               # the same path in under 90 s
python protocols/run_four_state.py --tokens published    # running mean of x, nearest state, short visits removed
"""

import logging
from dataclasses import dataclass

import numpy as np

import mdtok
from mdtok.errors import SettingsError
from mdtok.features import split_particles
from mdtok.kinetics import AgainstKnown, KnownAnswers, estimate_facts
from mdtok.md.definition import load_definition
from mdtok.storage import whole, write_json
from mdtok.tokens import core_states, count_transitions, nearest_value, running_mean, without_short_visits
from mdtok.workflows.command_line import parse_settings, run_script, setting
from mdtok.workflows.folder import RunFolder
from mdtok.workflows.stages import ModelSettings, TokenisedData, do_model_stages

log = logging.getLogger("mdtok.protocols")

PUBLISHED_LEVELS = (2.0, 0.5, -0.5, -2.0)  # values of x that stand for A, B, C, D (Tsai, Kuo, Tiwary 2020)
COMMIT_TIMES = (1, 2, 5, 10, 20, 50, 100, 200)


@dataclass
class FourStateSettings(ModelSettings):
    """Settings of run_four_state.py."""

    out: str = setting("runs/four_state", "Folder of the run.")
    n_runs: int = setting(8, "Independent runs, a multiple of 4: they start in the four states in turn.")
    length_ps: float = setting(1e6, "Length of each run; one frame and one token each ps.")
    n_training_runs: int = setting(
        1, "Runs that models learn from; one more is for validation, the others are held out."
    )
    platform: str = setting("auto", "OpenMM platform; auto measures which is fastest here.")
    n_processes: int = setting(0, "Simulations at once; 0: one a core.")
    tokens: str = setting(
        "core", "core: the core set visited last; published: running mean of x, nearest state, no short visits."
    )
    core_radius_nm: float = setting(0.6, "Of the core sets.")
    mean_frames: int = setting(50, "Frames of the running mean of the published tokens.")
    commit_frames: int = setting(100, "Shortest visit that counts in the published tokens.")
    models: str = setting("msm,bayesian-msm,semi-markov,hmm4,lstm,nanogpt-plain,nanogpt", "Models to fit and to score.")
    lagtime: int = setting(100, "Lag time in ps, of populations, timescales and the Chapman-Kolmogorov test.")
    lagtimes: list[int] = setting([50, 100, 200, 500, 1000], "Lag times of the implied timescales, in ps.")
    n_chains: int = setting(50, "Chains that each model generates.")
    n_chain_tokens: int = setting(120_000, "Tokens of a chain.")

    STAGE_OF = ModelSettings.STAGE_OF | dict.fromkeys(
        ("tokens", "core_radius_nm", "mean_frames", "commit_frames", "n_training_runs"), "tokenize"
    )
    QUICK = {
        "n_runs": 8,
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
        if self.n_runs % 4 or not 1 <= self.n_training_runs <= self.n_runs - 2:
            raise SettingsError(
                f"--n-runs {self.n_runs} and --n-training-runs {self.n_training_runs}: a multiple of 4 was expected, of which two at "
                "least are left for validation and test."
            )
        if self.tokens not in ("core", "published"):
            raise SettingsError(f"--tokens is {self.tokens!r}; core or published was expected.")
        if self.length_ps < 20 * max([self.lagtime, *self.lagtimes]):
            raise SettingsError(
                f"--length-ps {self.length_ps:g} is shorter than twenty of the longest lag time, {max([self.lagtime, *self.lagtimes])} ps."
            )


def main():
    settings = parse_settings(FourStateSettings, description=__doc__.splitlines()[0])
    system = mdtok.load_system("four_state", n_particles=settings.n_runs // 4)
    run = RunFolder.of(settings)
    if settings.does("simulate") and not run.is_done("simulate"):
        simulate(run, settings, system)
    if settings.does("tokenize") and not run.is_done("tokenize"):
        run.require("simulate")
        tokenize(run, settings, system)
    do_model_stages(
        run,
        settings,
        "Four-state potential",
        make_chapters=lambda data, card: [judge(run, settings, system, data, card)],
    )


def simulate(run, settings, system):
    """One simulation of ``n_runs / 4`` independent particles from each of the four states."""
    with run.stage("simulate") as figures:
        mdtok.run_replicas(
            system,
            len(system.states),
            settings.length_ps / 1000,
            settings.seed,
            out=run / "md",
            n_processes=settings.n_processes or None,
            platform=settings.platform,
            progress=settings.progress,
        )
        figures["total_ps"] = settings.n_runs * settings.length_ps
    log.info("simulated: %d runs of %g ps", settings.n_runs, settings.length_ps)


def positions(run, system):
    """x and y of every run, in nm, shape (n_frames, 2) each; those from different states in turn."""
    replicas = sorted((run / "md").glob("replica_*"))
    trajs = mdtok.open_trajectories(
        [replica / "trajectory.xtc" for replica in replicas],
        top=replicas[0] / "topology.pdb",
        dt_ps=system.frame_interval_ps,
    )
    runs = split_particles(trajs)
    return [runs[start * system.n_atoms + k] for k in range(system.n_atoms) for start in range(len(replicas))]


def tokenize(run, settings, system):
    """Tokens of every run in the way asked for, and how many transitions either way of making them sees."""
    centres, names = np.array(list(system.states.values())), list(system.states)
    with run.stage("tokenize") as figures:
        runs = positions(run, system)
        dtrajs = [make_tokens(xy, settings, centres) for xy in runs]
        test = list(range(settings.n_training_runs + 1, len(dtrajs)))
        split = {"train": list(range(settings.n_training_runs)), "validation": [settings.n_training_runs], "test": test}
        with whole(run / "tokens") as folder:
            folder.mkdir()
            TokenisedData(dtrajs, split, system.frame_interval_ps, np.arange(len(names)), names).save(folder)
        levels = {"core sets": [in_cores(xy, centres, settings.core_radius_nm) for xy in runs]}
        levels["nearest x"] = [nearest_value(xy[:, 0], PUBLISHED_LEVELS) for xy in runs]
        levels["running mean of x"] = [
            nearest_value(running_mean(xy[:, 0], settings.mean_frames), PUBLISHED_LEVELS) for xy in runs
        ]
        counts = {name: count_transitions(tokens, len(names), COMMIT_TIMES) for name, tokens in levels.items()}
        write_json(run / "tokens" / "commit_times.json", {"commit_ps": COMMIT_TIMES, "transitions": counts})
        figures |= {"n_states": len(names), "n_tokens": sum(map(len, dtrajs))}
    log.info("transitions of all runs against the commit time (ps %s):", ", ".join(map(str, COMMIT_TIMES)))
    for name, tables in counts.items():
        log.info("  %-18s %s", name, ", ".join(f"{total:,}" for total in tables.sum(axis=(1, 2))))


def make_tokens(xy, settings, centres):
    """Tokens of one run, as the settings say."""
    if settings.tokens == "core":
        return in_cores(xy, centres, settings.core_radius_nm)
    smooth = running_mean(xy[:, 0], settings.mean_frames)
    return without_short_visits(nearest_value(smooth, PUBLISHED_LEVELS), settings.commit_frames)


def in_cores(xy, centres, radius_nm):
    """The core visited last; what is before the first visit is left out."""
    tokens = core_states(xy, centres, radius_nm)
    return tokens[np.argmax(tokens >= 0) :]


def judge(run, settings, system, data, card):
    """MD and every model against what is known: a table in the log, ``report/known.json``, a chapter of the report."""
    from mdtok.report import ReportFigure, chapter_on_known_answers, plot_commit_times
    from mdtok.storage import read_json

    known = KnownAnswers.of(system, load_definition("four_state").known)
    groups = {"all MD": (data.dtrajs, 1), "training MD": (data.part("train"), 1), "held-out MD": (data.part("test"), 1)}
    groups |= {name: (rollout.dtrajs, rollout.lagtime) for name, rollout in card.rollouts.items()}
    against = AgainstKnown(
        known.facts(),
        {
            name: estimate_facts(dtrajs, known, data.dt_ps * stride, settings.lagtime // stride, seed=settings.seed)
            for name, (dtrajs, stride) in groups.items()
        },
        yardsticks=("all MD", "training MD"),
    )
    write_json(run / "report" / "known.json", against.to_dict())
    log.info("\n%s", against)
    commits = read_json(run / "tokens" / "commit_times.json")
    counts = {name: np.array(tables) for name, tables in commits["transitions"].items()}
    figure = ReportFigure(
        "commit_times",
        "Transitions against commit time",
        "Visits shorter than the commit time are counted to the state before. Where a line is level, the transitions are real; where "
        "it falls, they were recrossings.",
        lambda: plot_commit_times(counts, commits["commit_ps"]),
    )
    return chapter_on_known_answers(against, known.source, [figure])


if __name__ == "__main__":
    run_script(main)
