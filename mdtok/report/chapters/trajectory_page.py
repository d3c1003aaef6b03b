"""The chapters of a report on models of continuous trajectories, before the scorecard's own figures."""

from html import escape

import numpy as np

from mdtok.insight import find_key_steps
from mdtok.report import trajectory_tables as tables
from mdtok.report.figures import ReportFigure
from mdtok.report.parts import Chapter
from mdtok.report.plots import attention as attention_plots
from mdtok.report.plots import trajectories as plots

_KINETICS = (
    "The test that a model of the dynamics has to pass: chains many times longer than its window, half started in "
    "each basin, seen through a Markov model at the lag time below, against the exact answer. The row of held-out "
    "MD shows what the estimator itself gets from MD of the same kind."
)
_FORECASTS = (
    "Mean squared error over the frames after the prompt, and its ratio to that of the conditional mean of the "
    "exact propagator, which no predictor can beat. A model that draws its frames is judged by the mean of its "
    "samples. The faithful model predicts one frame, so it has no density and no kinetics."
)
_CLASSES = (
    "The class is the minimum nearest the start. The process is Markovian, so of a slice only its first frame tells "
    "of the start; the Bayes limit is exact, from the propagator."
)
_CVS = (
    "Two collective variables a set, on held-out trajectories. Those of a model are read from its embeddings, "
    "averaged over the window, reduced by TICA on training trajectories; or the class logit with the slowest of "
    "them."
)
_KEY_STEPS = (
    "A key step is a frame that gets far more attention than its place explains. The same rule is applied to the "
    "trajectory with its frames shuffled: what it finds there is chance. Family-wise error rate 5 % a trajectory."
)


def chapters(judgement, results):
    """The chapters, from a Judgement and its results."""
    return [
        Chapter(
            "Long rollouts against the exact answer", _paragraph(_KINETICS) + tables.kinetics_table(results["kinetics"])
        ),
        _potential(judgement, results["exact"]),
        _forecasts(judgement, results["forecasts"]),
        _classes(judgement, results["classes"]),
        Chapter(
            "Collective variables",
            _paragraph(
                f"{_CVS} Lag time {results['cvs']['lag_ps']:g} ps; the exact slowest relaxation is "
                f"{results['cvs']['exact_timescale_ps']:,.0f} ps."
            )
            + tables.cv_table(results["cvs"]),
        ),
        _attention(judgement, results["attention"]),
    ]


def _paragraph(text):
    return f"<p>{escape(text)}</p>"


def _potential(judgement, exact):
    system, data, dt_ps = judgement.system, judgement.data, judgement.settings.frame_interval_ps
    starts = {
        name: np.array([x[0] for x, label in zip(data.labelled, data.labels) if label == k])[:300]
        for k, name in enumerate(judgement.names)
    }
    examples = {
        f"from {name}": next(x for x, label in zip(data.part("labelled", "test"), data.labels_of("test")) if label == k)
        for k, name in enumerate(judgement.names)
    }
    minima = dict(zip(judgement.names, judgement.minima))
    text = (
        f"{len(data.labelled):,} labelled trajectories of {len(data.labelled[0])} frames and {len(data.long)} longer "
        f"ones of {len(data.long[0]):,}, one frame each {dt_ps:g} ps, {system.dynamics} dynamics at "
        f"{system.temperature_kelvin:g} K, diffusion constant {system.diffusion_nm2_per_ps:g} nm²/ps. Exact figures "
        "are those of the generator on a grid."
    )
    return Chapter(
        "The potential, the data, and the exact dynamics",
        (_paragraph(text) + tables.crossing_table(exact) + tables.exact_table(exact)),
        [
            ReportFigure(
                "potential",
                "Potential and starts",
                (
                    "Energy in kT above the deepest minimum; dots are first frames, lines are two of the held-out "
                    "trajectories."
                ),
                lambda: plots.plot_potential(
                    system.potential.energy,
                    system.bounds,
                    system.temperature_kelvin,
                    states=system.states,
                    starts=starts,
                    trajectories=list(examples.values()),
                ),
            ),
            ReportFigure(
                "trajectories",
                "Example trajectories",
                "Coordinates of one held-out trajectory from each minimum.",
                lambda: plots.plot_example_trajectories(examples, dt_ps, states=minima),
            ),
        ],
    )


def _forecasts(judgement, forecasts):
    settings = judgement.settings
    held_out = judgement.data.part("labelled", "test")[0]
    prompt = held_out[: settings.n_prompt]
    generated = {}
    for name, bert in judgement.berts.items():
        bert.progress = False
        if bert.has_density:
            generated[name] = bert.forecast_ensemble([prompt], settings.n_forecast, settings.seed)[0]
        else:
            generated[name] = bert.forecast([prompt], settings.n_forecast)[0]
    optimal = next(iter(forecasts))
    tabled = tables.parameter_table(forecasts) + tables.forecast_table(forecasts)
    return Chapter(
        "Forecasts",
        _paragraph(f"{settings.n_forecast} frames after {settings.n_prompt} of prompt. {_FORECASTS}") + tabled,
        [
            ReportFigure(
                "generated",
                "Generated against true",
                "A held-out trajectory, how it went on (black), and what each model makes of it: samples, their "
                "mean and the band of 90 % of them, or the one continuation of a model that has no density.",
                lambda: plots.plot_generated_against_true(
                    prompt[-settings.n_forecast :],
                    held_out[settings.n_prompt : settings.n_prompt + settings.n_forecast],
                    generated,
                    settings.frame_interval_ps,
                ),
            ),
            ReportFigure(
                "forecast_error",
                "Error against horizon",
                "The dashed line is the Bayes-optimal predictor; bands are 95 % intervals.",
                lambda: plots.plot_forecast_error(forecasts, settings.frame_interval_ps, optimal=optimal),
            ),
        ],
    )


def _classes(judgement, classes):
    slices = {int(n): one for n, one in classes["slices"].items()}
    body = _paragraph(f"{_CLASSES} {classes['n_test']} held-out trajectories.") + tables.class_table(classes)
    for n_frames, one in slices.items():
        body += f"<h3>Slices of {n_frames} frames</h3>" + tables.slice_table(one)
    if not slices:  # trajectories of less than two slices of 100 frames
        return Chapter("Classification", body)
    return Chapter(
        "Classification",
        body,
        [
            ReportFigure(
                "slices",
                "Accuracy by slice",
                "Each point is one slice of every trajectory; the line in black is the exact Bayes limit.",
                lambda: plots.plot_accuracy_by_slice(slices, dt_ps=judgement.settings.frame_interval_ps),
            )
        ],
    )


def _attention(judgement, attention):
    dt_ps, figures = judgement.settings.frame_interval_ps, []
    for name, bert in judgement.berts.items():
        summary = judgement.attention_summary(bert)
        key = name.replace("-", "_")
        figures += [
            ReportFigure(
                f"{key}_heads",
                f"Attention of every head, {name}",
                (
                    "Mean over trajectories; a row a layer, a column a head; query down, key across, one "
                    "logarithmic scale."
                ),
                lambda summary=summary: attention_plots.plot_head_maps(summary),
            ),
            ReportFigure(
                f"{key}_layers",
                f"Attention of the layers, {name}",
                "Mean over the heads of each layer, and over all.",
                lambda summary=summary: attention_plots.plot_layer_maps(summary, dt_ps=dt_ps),
            ),
            ReportFigure(
                f"{key}_segments",
                f"Attention between segments, {name}",
                "Share of each segment's attention that goes to each other.",
                lambda summary=summary: attention_plots.plot_segment_attention(summary),
            ),
            ReportFigure(
                f"{key}_profile",
                f"Attention against time difference, {name}",
                "Past left, future right; a line a layer.",
                lambda summary=summary: attention_plots.plot_time_difference_profile(summary, dt_ps=dt_ps),
            ),
            ReportFigure(
                f"{key}_distance",
                f"Mean attention distance, {name}",
                "A point a head; dashed is uniform attention.",
                lambda summary=summary: attention_plots.plot_attention_distance(summary, dt_ps=dt_ps),
            ),
        ]
    first, bert = next(iter(judgement.berts.items()))
    seen = judgement.looked_at()[0]
    steps = find_key_steps(bert, seen, seed=judgement.settings.seed, progress=False)
    figures.append(
        ReportFigure(
            "key_steps",
            f"Key steps of one trajectory, {first}",
            "Marked on the trajectory; below, the excess of attention and its threshold.",
            lambda: attention_plots.plot_key_steps(steps, seen, dt_ps=dt_ps),
        )
    )
    counts = {name: row["key_steps"] for name, row in attention["models"].items()}
    figures.append(
        ReportFigure(
            "key_step_counts",
            "Key steps a trajectory",
            "With 95 % intervals, and what the shuffled control gives.",
            lambda: attention_plots.plot_key_step_counts(counts),
        )
    )
    text = (
        f"{_KEY_STEPS} The first {attention['n_frames']} frames of {attention['n_trajectories']} held-out trajectories."
    )
    return Chapter("Attention", _paragraph(text) + tables.attention_table(attention), figures)
