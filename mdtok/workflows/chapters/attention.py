"""Chapter: where trajectory BERTs look, and whether there are frames that they look at more than chance explains."""

import itertools

import numpy as np

from mdtok.insight import attention_blocks, count_key_steps, find_key_steps, summarise_attention
from mdtok.insight.attention_summary import AttentionSummary
from mdtok.insight.key_steps import KeySteps
from mdtok.kinetics.estimation.estimate import MISSING
from mdtok.report import (
    Chapter,
    ReportFigure,
    Table,
    plot_attention_distance,
    plot_head_maps,
    plot_key_step_counts,
    plot_key_steps,
    plot_layer_maps,
    plot_segment_attention,
    plot_time_difference_profile,
    shown,
)
from mdtok.workflows.chapters._networks import berts_of
from mdtok.workflows.judged import JudgedRun

PLACE = 60
_N_FRAMES, _N_SHUFFLES = 250, 25
_N_SEGMENTS = 10  # of a window, fewer where it has fewer frames
_MOST_COLUMNS = 4  # of a trajectory that are drawn
_MEANING = (
    "A key step is a frame that gets far more attention than its place explains. The same rule is applied to the "
    "trajectory with its frames shuffled: what it finds there is chance. Family-wise error rate 5 % a trajectory."
)


def applies(judged: JudgedRun) -> bool:
    """Where a trajectory BERT was trained on trajectories with classes."""
    return bool(berts_of(judged)) and judged.labelled is not None


def numbers(judged: JudgedRun) -> dict:
    """Mean attention of every BERT as maps, its distances, and key steps with their control."""
    seed, progress = judged.settings.seed, judged.settings.progress
    shown_frames, berts = _looked_at(judged), berts_of(judged)
    seen = judged.features.encode(shown_frames)
    summaries = {name: _summary(bert, seen) for name, bert in berts.items()}
    counts = {name: count_key_steps(bert, seen, _N_SHUFFLES, seed, progress=progress) for name, bert in berts.items()}
    first, bert = next(iter(berts.items()))
    steps = find_key_steps(bert, seen[0], seed=seed, progress=False)
    return {
        "models": {
            name: {**summary.to_dict(), "key_steps": counts[name].to_dict()} for name, summary in summaries.items()
        },
        "n_frames": len(seen[0]),
        "n_trajectories": len(seen),
        "frame_ps": judged.features.frame_ps,
        "columns": _columns(judged.features),
        "maps": {name: _as_arrays(summary) for name, summary in summaries.items()},
        "one": {"model": first, "trajectory": shown_frames[0][:, :_MOST_COLUMNS], "key_steps": vars(steps)},
    }


def _looked_at(judged):
    """Beginnings of held-out trajectories."""
    return [x[:_N_FRAMES] for x in judged.labelled.part("test")[: max(2, judged.settings.n_attention)]]


def _columns(features):
    """Names of the features as axes show them."""
    return [f"{name} (rad)" if angle else name for name, angle in zip(features.names, features.periodic)]


def _summary(bert, trajectories):
    """Attention averaged over trajectories, and over the windows of a model that sees no more."""
    windows = (block for x in trajectories for block in attention_blocks(bert.attentions(x)))
    first = next(windows)
    n_segments = min(_N_SEGMENTS, first.shape[-1])
    return summarise_attention(itertools.chain([first], windows), n_segments, progress=False)


def _as_arrays(summary):
    """A summary as a file holds it; single precision is enough to be drawn."""
    parts = {name: np.asarray(part) for name, part in vars(summary).items() if name != "n_trajectories"}
    small = {name: part.astype(np.float32) if part.dtype == float else part for name, part in parts.items()}
    return {"n_trajectories": summary.n_trajectories, **small}


def draw(numbers: dict) -> Chapter:
    """A table, five figures a model, and the key steps."""
    text = f"{_MEANING} The first {numbers['n_frames']} frames of {numbers['n_trajectories']} held-out trajectories."
    figures = [
        figure
        for name, arrays in numbers["maps"].items()
        for figure in _figures_of_model(name, _from_arrays(arrays), numbers["frame_ps"])
    ]
    return Chapter("Attention", [text, _table(numbers["models"])], [*figures, *_figures_of_key_steps(numbers)])


def _from_arrays(arrays):
    return AttentionSummary(**{k: v if k == "n_trajectories" else np.asarray(v) for k, v in arrays.items()})


def _figures_of_model(name, summary, dt_ps):
    key = name.replace("-", "_")
    return [
        ReportFigure(
            f"{key}_heads",
            f"Attention of every head, {name}",
            "Mean over trajectories; a row a layer, a column a head; query down, key across, one logarithmic scale.",
            lambda: plot_head_maps(summary),
        ),
        ReportFigure(
            f"{key}_layers",
            f"Attention of the layers, {name}",
            "Mean over the heads of each layer, and over all.",
            lambda: plot_layer_maps(summary, dt_ps=dt_ps),
        ),
        ReportFigure(
            f"{key}_segments",
            f"Attention between segments, {name}",
            "Share of each segment's attention that goes to each other.",
            lambda: plot_segment_attention(summary),
        ),
        ReportFigure(
            f"{key}_profile",
            f"Attention against time difference, {name}",
            "Past left, future right; a line a layer.",
            lambda: plot_time_difference_profile(summary, dt_ps=dt_ps),
        ),
        ReportFigure(
            f"{key}_distance",
            f"Mean attention distance, {name}",
            "A point a head; dashed is uniform attention.",
            lambda: plot_attention_distance(summary, dt_ps=dt_ps),
        ),
    ]


def _figures_of_key_steps(numbers):
    one, dt_ps = numbers["one"], numbers["frame_ps"]
    steps = _key_steps(one["key_steps"])
    counts = {name: row["key_steps"] for name, row in numbers["models"].items()}
    return [
        ReportFigure(
            "key_steps",
            f"Key steps of one trajectory, {one['model']}",
            "Marked on the trajectory; below, the excess of attention and its threshold.",
            lambda: plot_key_steps(steps, one["trajectory"], names=numbers.get("columns"), dt_ps=dt_ps),
        ),
        ReportFigure(
            "key_step_counts",
            "Key steps a trajectory",
            "With 95 % intervals, and what the shuffled control gives.",
            lambda: plot_key_step_counts(counts),
        ),
    ]


def _key_steps(kept):
    """Key steps as they were: in a file an empty array has no type, and a threshold that nothing passes is null."""
    steps = KeySteps(**{**kept, "frames": np.asarray(kept["frames"], dtype=int)})
    for name in ("excess", "kept_excess"):
        setattr(steps, name, np.asarray(kept[name], dtype=float))
    for name in ("threshold", "content_threshold"):
        setattr(steps, name, np.inf if kept[name] is None else kept[name])
    return steps


def _table(models):
    rows = []
    for name, row in models.items():
        keys = row["key_steps"]
        rows.append(
            [
                name,
                f"{100 * row['future_share']:.1f} %",
                f"{row['distance_past']:.1f}",
                _frames(row["distance_future"]),
                f"{row['distance_uniform']:.1f}",
                shown(keys["per_trajectory"], ".2f"),
                f"{keys['expected_by_chance']:.2f}",
                keys["verdict"],
            ]
        )
    header = [
        "model",
        "attention to the future",
        "mean distance to the past, frames",
        "to the future",
        "if uniform",
        "key steps a trajectory",
        "by chance",
        "verdict",
    ]
    return Table(header, rows)


def _frames(value):
    """A distance; null in a file, where nothing may be seen."""
    return MISSING if value is None or not np.isfinite(value) else f"{value:.1f}"
