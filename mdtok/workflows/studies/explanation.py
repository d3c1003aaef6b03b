"""What a trained nano-GPT of a run rests on: causal traces, attention, and where it places the states, as figures and
sentences."""

import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mdtok.errors import DataError, SettingsError
from mdtok.insight import compare_kinetic_distances, summarise_attention, trace_causes
from mdtok.insight.tracing import CORRUPTIONS
from mdtok.kinetics.estimation.estimators import check_lagtime
from mdtok.models import NanoGPT, load_model
from mdtok.report import (
    plot_attention_distance,
    plot_causal_traces,
    plot_head_maps,
    plot_kinetic_distances,
    plot_time_difference_profile,
)
from mdtok.report.figures import DPI
from mdtok.storage import whole, write_json
from mdtok.tokens import windows
from mdtok.workflows.command_line import FinishedRunSettings, setting
from mdtok.workflows.data import TokenisedData

log = logging.getLogger(__name__)

_MOST_WINDOWS = 200


@dataclass
class Explanation:
    """What `explain` found: `traces` (corruption -> CausalTraces), `attention` (AttentionSummary), `distances`, and
    `folder`."""

    traces: dict
    attention: Any
    distances: Any
    folder: Path

    def __str__(self) -> str:
        figures = self.attention.to_dict()
        looked = (
            f"Attention looks {figures['distance_past']:.1f} tokens back on average, "
            f"{figures['distance_uniform_past']:.1f} if it were uniform "
            f"({figures['n_trajectories']} windows of {figures['n_frames']} tokens)."
        )
        return "\n".join([*map(str, self.traces.values()), looked, str(self.distances)])

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "tracing": {corrupt: traces.to_dict() for corrupt, traces in self.traces.items()},
            "attention": self.attention.to_dict(),
            "kinetic_distances": self.distances.to_dict(),
            "sentences": str(self).split("\n"),
        }


@dataclass
class ExplanationSettings(FinishedRunSettings):
    """Settings of what is asked of a nano-GPT."""

    model: str = setting("nanogpt", "A nano-GPT of this run, by name.", group="models")
    n_prompts: int = setting(100, "Prompts that causes are traced in.")
    n_frames: int = setting(0, "Tokens of a prompt; 0: the context or 32, whichever is less.")
    ends: str = setting("any", "What follows a prompt: any, transition (of macrostates), stay, mixed.")
    noise: float = setting(3.0, "On embeddings, in their standard deviations.")
    lagtime: int = setting(10, "Of the kinetic distances, in token intervals.")
    seed: int = setting(0, "Of the prompts and of the noise.")

    GROUP = "insight"
    QUICK = {"n_prompts": 20}


def run_explanation(settings: ExplanationSettings) -> Explanation:
    """`explain` as the settings say; its sentences go to standard output."""
    found = explain(
        settings.run,
        settings.model,
        settings.n_prompts,
        settings.n_frames or None,
        settings.ends,
        settings.noise,
        settings.lagtime,
        settings.seed,
        settings.progress,
        settings.out or None,
    )
    sys.stdout.write(f"{found}\n")
    return found


def explain(
    run: str | Path,
    name: str = "nanogpt",
    n_prompts: int = 100,
    n_frames: int | None = None,
    ends: str = "any",
    noise: float = 3.0,
    lagtime: int = 10,
    seed: int = 0,
    progress: bool = True,
    out: str | Path | None = None,
) -> Explanation:
    """Look into a nano-GPT of a run, on its held-out trajectories; writes JSON and figures.

    Parameters
    ----------
    run : path-like
        Folder of a run whose models are trained.
    name : str
        The model, a folder in ``models/``.
    n_prompts, n_frames, ends, noise
        Of the causal traces, see `mdtok.insight.trace_causes`.
    lagtime : int
        Of the Markov model of all MD that gives the kinetic distances, in token intervals.
    seed : int
    progress : bool
    out : path-like, optional
        ``<run>/insight/<name>`` if not given.

    Returns
    -------
    Explanation

    Raises
    ------
    DataError
        The run has no tokens, or no such model.
    SettingsError
        The model is no nano-GPT, or a setting is out of range.
    """
    model = _trained_nanogpt(Path(run), name)
    data = TokenisedData.load(Path(run) / "tokens")
    check_lagtime(data.dtrajs, lagtime)
    test, folder = data.part("test"), Path(out or Path(run) / "insight" / name)
    traces = {
        corrupt: trace_causes(
            model,
            test,
            corrupt=corrupt,
            n_prompts=n_prompts,
            n_frames=n_frames,
            ends=ends,
            macrostates=data.macrostates,
            noise=noise,
            seed=seed,
            progress=progress,
        )
        for corrupt in CORRUPTIONS
    }
    attention = summarise_attention(
        map(model.attentions, _attended(test, model.settings["n_positions"], seed)), progress=progress
    )
    found = Explanation(traces, attention, compare_kinetic_distances(model, data.dtrajs, lagtime, seed=seed), folder)
    for file_name, axes in _drawn(found, data.dt_ps):
        with whole(folder / file_name) as partial:
            axes.figure.savefig(partial, format="png", dpi=DPI)
    write_json(folder / "insight.json", found.to_dict())
    log.info("figures: %s", folder)
    return found


def _trained_nanogpt(run, name):
    """That model of a run, or one line that says what is amiss."""
    if not (run / "tokens" / "tokens.json").exists():
        raise DataError(f"{run} has no tokens/; give the folder of a run whose models are trained.")
    if not (run / "models" / name / "model.json").exists():
        there = sorted(path.parent.name for path in (run / "models").glob("*/model.json"))
        raise DataError(f"{run} has no trained model {name!r}; it has {', '.join(there) or 'none'}.")
    model = load_model(run / "models" / name)
    if not isinstance(model, NanoGPT):
        raise SettingsError(
            f"{name} is a {type(model).__name__}; a NanoGPT was expected, as only its parts can be traced."
        )
    return model


def _drawn(found, dt_ps) -> Iterator[tuple[str, Any]]:
    """Name of the file and axes of every figure, drawn when it is asked for."""
    for corrupt, traced in found.traces.items():
        yield f"tracing_{corrupt}.png", plot_causal_traces(traced, dt_ps=dt_ps)
    yield "attention_heads.png", plot_head_maps(found.attention)
    yield "attention_profile.png", plot_time_difference_profile(found.attention, dt_ps=dt_ps)
    yield "attention_distance.png", plot_attention_distance(found.attention, dt_ps=dt_ps)
    yield "kinetic_distances.png", plot_kinetic_distances(found.distances)


def _attended(dtrajs, n_positions, seed):
    """Windows of one length to look at the attention on, spread over the trajectories."""
    length = min(n_positions, max(map(len, dtrajs)))
    cut, _ = windows([dtraj for dtraj in dtrajs if len(dtraj) >= length], length, length)
    return cut[np.sort(np.random.default_rng(seed).permutation(len(cut))[:_MOST_WINDOWS])]
