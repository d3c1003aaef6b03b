"""The tables of a report on models of continuous trajectories, as HTML."""

from html import escape

import numpy as np

from mdtok.kinetics.verdicts import picoseconds
from mdtok.report.chapters import MISSING, table
from mdtok.report.plots.style import numbers


def estimate(figure, spec=".3f", factor=1.0):
    """A figure with its 95 % interval."""
    if figure is None:
        return MISSING
    value, low, high = (float(numbers(figure[part])) * factor for part in ("value", "low", "high"))
    if not np.isfinite(value):
        return MISSING
    interval = f" <small>[{low:{spec}}, {high:{spec}}]</small>" if np.isfinite([low, high]).all() else ""
    return f"{value:{spec}}{interval}"


def seconds(value):
    """A wall time."""
    return MISSING if value is None else f"{value:.3g} s"


def exact_table(exact):
    """Exact relaxation times and passage times, beside those of simulated trajectories."""
    rows = [
        [f"slowest relaxation, simulated, lag {picoseconds(lag)}", estimate(_first(figure), ".4g")]
        for lag, figure in zip(exact["lag_ps"], exact["simulated_timescale_ps"])
    ]
    rows.insert(0, ["slowest relaxation, exact", f"<b>{exact['relaxation_times_ps'][0]:.5g}</b>"])
    rows.append(["next relaxations, exact", ", ".join(f"{time:.4g}" for time in exact["relaxation_times_ps"][1:])])
    first, second = map(escape, exact["names"])
    for (a, b), time in zip(((first, second), (second, first)), exact["mfpt_ps"]):
        rows.append([f"mean first passage {a} → {b}, exact", f"{time:.4g}"])
    return table(["process", "time, ps"], rows)


def _first(figure):
    return {part: np.ravel(numbers(figure[part]))[0] for part in ("value", "low", "high")}


def crossing_table(exact):
    """Share of the labelled trajectories that reach the other minimum."""
    rows = [
        [
            escape(row["from"]),
            f"{100 * row['exact']:.2f} %",
            f"{100 * row['counted']:.2f} %",
            f"± {100 * row['deviation']:.2f} %",
        ]
        for row in exact["crossings"]
    ]
    return table(["start", "reach the other minimum, exact", "counted", "expected scatter"], rows)


def parameter_table(forecasts):
    """Parameters, training time, and how much the past of a frame counts for the next one."""
    rows = [
        [
            escape(name),
            f"{row['n_parameters']:,}",
            seconds(row["train_seconds"]),
            "–" if row["past_share"] is None else f"{row['past_share']:.2f}",
        ]
        for name, row in forecasts.items()
        if row["n_parameters"]
    ]
    return table(["model", "parameters", "training", "share of the past"], rows)


def forecast_table(forecasts):
    """Mean squared error of forecasts, its ratio to the Bayes-optimal predictor's, and nats per frame."""
    rows = []
    for name, row in forecasts.items():
        density = row["density"]
        rows.append(
            [
                escape(name),
                estimate(row["mse"], ".5f"),
                estimate(row["standardised"], ".4f"),
                estimate(row["ratio"]),
                MISSING if density is None else estimate(density["nats"], ".4f"),
                MISSING if density is None else estimate(density["difference"], "+.4f"),
            ]
        )
    return table(["model", "MSE, nm²", "standardised", "ratio to Bayes", "nats/frame", "above the oracle"], rows)


def class_table(classes):
    """Accuracy, precision, recall and F1."""
    rows = [
        [escape(name), *(estimate(row[part], ".4f") for part in ("accuracy", "precision", "recall", "f1"))]
        for name, row in classes["scores"].items()
    ]
    rows.insert(0, ["Bayes limit, exact", f"{classes['exact_accuracy']:.4f}", MISSING, MISSING, MISSING])
    return table(["classifier", "accuracy", "precision", "recall", "F1"], rows)


def slice_table(slices):
    """Accuracy of the slices of one length, the earliest first, and the exact limit."""
    n = len(slices["exact"])
    rows = [["Bayes limit, exact", *(f"{value:.3f}" for value in slices["exact"])]]
    rows += [
        [escape(name), *(f"{value:.3f}" for value in numbers(row["value"]))] for name, row in slices["models"].items()
    ]
    return table(["classifier", *(str(k + 1) for k in range(n))], rows)


def cv_table(cvs):
    """Collective variables against TICA and VAMP of the coordinates."""
    rows = []
    for name, row in cvs["sets"].items():
        rows.append(
            [
                escape(name),
                estimate(row["vamp2"], ".4f"),
                estimate(row["vamp2_difference"], "+.4f"),
                estimate(row["timescale_frames"], ",.0f", cvs["frame_ps"]),
                estimate(row["committor_correlation"]),
                estimate(row["best_spearman"]),
            ]
        )
    header = [
        "CVs",
        "VAMP-2, cross-validated",
        "above TICA",
        "slowest timescale, ps",
        "correlation with committor",
        "best single, Spearman",
    ]
    return table(header, rows)


def kinetics_table(kinetics):
    """Populations and slowest timescale of long rollouts against the exact ones."""
    exact = kinetics["exact_populations"]
    rows = [["oracle, exact", f"{exact[0]:.4f}", MISSING, f"{kinetics['exact_timescale_ps']:,.0f}", MISSING]]
    for name, row in kinetics["rows"].items():
        basin = {part: np.ravel(numbers(row["populations"][part]))[0] for part in ("value", "low", "high")}
        rows.append(
            [
                escape(name),
                estimate(basin, ".4f"),
                _held(row["populations_hold"], f"{100 * row['population_error']:.1f} points"),
                estimate(_first(row["timescale_ps"]), ",.0f"),
                _held(row["timescale_holds"], f"×{row['timescale_ratio']:.2f}"),
            ]
        )
    header = [
        "trajectories of",
        "population of the deeper basin",
        "within 3 points",
        "slowest timescale, ps",
        "within 20 %",
    ]
    return table(header, rows)


def _held(holds, text):
    look, mark = ("pass", "✓") if holds else ("fail", "✗")
    return f'<span class="mark {look}">{mark}</span> {text}'


def attention_table(attention):
    """Share of attention to the future, mean distances, and key steps against their control."""
    rows = []
    for name, row in attention["models"].items():
        keys = row["key_steps"]
        rows.append(
            [
                escape(name),
                f"{100 * row['future_share']:.1f} %",
                f"{row['distance_past']:.1f}",
                _frames(row["distance_future"]),
                f"{row['distance_uniform']:.1f}",
                estimate(keys["per_trajectory"], ".2f"),
                f"{keys['expected_by_chance']:.2f}",
                escape(keys["verdict"]),
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
    return table(header, rows)


def _frames(value):
    value = float(numbers(value))
    return f"{value:.1f}" if np.isfinite(value) else MISSING
