"""What a trained nano-GPT of a run rests on: causal traces, attention, and where it places the states, as figures and
sentences."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mdtok.errors import DataError, SettingsError
from mdtok.insight import compare_kinetic_distances, summarise_attention, trace_causes
from mdtok.insight.tracing import CORRUPTIONS
from mdtok.kinetics.estimators import check_lagtime
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
from mdtok.workflows.stages import TokenisedData

log = logging.getLogger(__name__)

_MOST_WINDOWS = 200


@dataclass
class Explanation:
    """What `explain` found: `traces` (corruption -> CausalTraces), `attention` (AttentionSummary), `distances`, and
    `folder`."""

    traces: dict
    attention: object
    distances: object
    folder: Path

    def __str__(self):
        figures = self.attention.to_dict()
        looked = (
            f"Attention looks {figures['distance_past']:.1f} tokens back on average, {figures['distance_uniform_past']:.1f} if it "
            f"were uniform ({figures['n_trajectories']} windows of {figures['n_frames']} tokens)."
        )
        return "\n".join([*map(str, self.traces.values()), looked, str(self.distances)])

    def to_dict(self):
        """For JSON."""
        return {
            "tracing": {corrupt: traces.to_dict() for corrupt, traces in self.traces.items()},
            "attention": self.attention.to_dict(),
            "kinetic_distances": self.distances.to_dict(),
            "sentences": str(self).split("\n"),
        }


def explain(
    run, name="nanogpt", n_prompts=100, n_frames=None, ends="any", noise=3.0, lagtime=10, seed=0, progress=True
):
    """Look into a nano-GPT of a run, on its held-out trajectories; writes ``insight/<name>/`` with JSON and figures.

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
    run = Path(run)
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
    data = TokenisedData.load(run / "tokens")
    check_lagtime(data.dtrajs, lagtime)
    test, folder = data.part("test"), run / "insight" / name
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
    for corrupt, traced in traces.items():
        _save(plot_causal_traces(traced, dt_ps=data.dt_ps), folder / f"tracing_{corrupt}.png")
    _save(plot_head_maps(attention), folder / "attention_heads.png")
    _save(plot_time_difference_profile(attention, dt_ps=data.dt_ps), folder / "attention_profile.png")
    _save(plot_attention_distance(attention, dt_ps=data.dt_ps), folder / "attention_distance.png")
    _save(plot_kinetic_distances(found.distances), folder / "kinetic_distances.png")
    write_json(folder / "insight.json", found.to_dict())
    log.info("figures: %s", folder)
    return found


def _attended(dtrajs, n_positions, seed):
    """Windows of one length to look at the attention on, spread over the trajectories."""
    length = min(n_positions, max(map(len, dtrajs)))
    cut, _ = windows([dtraj for dtraj in dtrajs if len(dtraj) >= length], length, length)
    return cut[np.sort(np.random.default_rng(seed).permutation(len(cut))[:_MOST_WINDOWS])]


def _save(ax, path):
    with whole(path) as partial:
        ax.figure.savefig(partial, format="png", dpi=DPI)
