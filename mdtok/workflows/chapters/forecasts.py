"""Chapter: how well models of coordinates forecast, against the Bayes-optimal predictor."""

import numpy as np

from mdtok.kinetics.estimation.estimate import MISSING, Estimate
from mdtok.kinetics.forecasting import forecast_errors, nats_per_frame
from mdtok.kinetics.oracle_models import OracleForecast
from mdtok.report import Chapter, ReportFigure, Table, plot_forecast_error, plot_generated_against_true, shown
from mdtok.workflows.chapters._exact import ORACLE
from mdtok.workflows.chapters._networks import berts_of
from mdtok.workflows.judged import JudgedRun

PLACE = 30
_MEANING = (
    "Mean squared error over the frames after the prompt, and its ratio to that of the conditional mean of the "
    "exact propagator, which no predictor can beat. A model that draws its frames is judged by the mean of its "
    "samples. The faithful model predicts one frame, so it has no density and no kinetics."
)


def applies(judged: JudgedRun) -> bool:
    """Where the best predictor is known, and models read coordinates."""
    return judged.oracle is not None and judged.labelled is not None and bool(judged.models_of_features())


def numbers(judged: JudgedRun) -> dict:
    """Squared error of forecasts and nats per frame of every model and of the oracle; and what networks generated."""
    settings = judged.settings
    exact = OracleForecast(judged.oracle, settings.frame_interval_ps, settings.progress)
    models = {ORACLE: exact, **judged.models_of_features()}
    scores = _scores(judged, models)
    generated = _generated(judged)
    return {
        "models": scores,
        "optimal": ORACLE,
        "n_prompt": judged.settings.n_prompt,
        "n_forecast": judged.settings.n_forecast,
        "frame_ps": judged.settings.frame_interval_ps,
        **generated,
        "sentences": [_sentence(name, scores[name]) for name in generated["generated"]],
    }


def _scores(judged, models):
    settings = judged.settings
    held_out = judged.labelled.part("test")[: settings.n_forecasts]
    scale = np.concatenate(judged.labelled.part("train")).std(axis=0)
    how = {"seed": settings.seed, "progress": settings.progress}
    errors = forecast_errors(models, held_out, settings.n_prompt, settings.n_forecast, ORACLE, scale, **how)
    nats = nats_per_frame(models, held_out, ORACLE, **how)
    berts = berts_of(judged)
    return {
        name: {
            **errors[name].to_dict(),
            "n_parameters": model.n_parameters,
            "train_seconds": getattr(model, "train_seconds_", None),
            "past_share": model.past_share_ if model.has_density and name in berts else None,
            "density": nats[name].to_dict() if name in nats else None,
        }
        for name, model in models.items()
    }


def _generated(judged):
    """One held-out trajectory, and what every network makes of its beginning."""
    n_prompt, n_forecast, seed = (getattr(judged.settings, key) for key in ("n_prompt", "n_forecast", "seed"))
    held_out = judged.labelled.part("test")[0]
    prompt, generated = held_out[:n_prompt], {}
    for name, bert in berts_of(judged).items():
        if bert.has_density:
            generated[name] = bert.forecast_ensemble([prompt], n_forecast, seed)[0]
        else:
            generated[name] = bert.forecast([prompt], n_forecast)[0]
    return {"prompt": prompt[-n_forecast:], "truth": held_out[n_prompt : n_prompt + n_forecast], "generated": generated}


def _sentence(name, row):
    ratio = Estimate.of(row["ratio"])
    return f"{name}: MSE {ratio:.3f} times the Bayes-optimal predictor's."


def draw(numbers: dict) -> Chapter:
    """Parameters and errors in tables; what was generated, and the error against the horizon, as figures."""
    text = f"{numbers['n_forecast']} frames after {numbers['n_prompt']} of prompt. {_MEANING}"
    figures = [
        ReportFigure(
            "forecast_error",
            "Error against horizon",
            "The dashed line is the Bayes-optimal predictor; bands are 95 % intervals.",
            lambda: plot_forecast_error(numbers["models"], numbers["frame_ps"], optimal=numbers["optimal"]),
        )
    ]
    if numbers["generated"]:
        generated = ReportFigure(
            "generated",
            "Generated against true",
            "A held-out trajectory, how it went on (black), and what each model makes of it: samples, their mean "
            "and the band of 90 % of them, or the one continuation of a model that has no density.",
            lambda: plot_generated_against_true(
                numbers["prompt"], numbers["truth"], numbers["generated"], numbers["frame_ps"]
            ),
        )
        figures.insert(0, generated)
    return Chapter("Forecasts", [text, _parameter_table(numbers["models"]), _error_table(numbers["models"])], figures)


def _parameter_table(models):
    rows = [
        [
            name,
            f"{row['n_parameters']:,}",
            MISSING if row["train_seconds"] is None else f"{row['train_seconds']:.3g} s",
            MISSING if row["past_share"] is None else f"{row['past_share']:.2f}",
        ]
        for name, row in models.items()
        if row["n_parameters"]
    ]
    return Table(["model", "parameters", "training", "share of the past"], rows)


def _error_table(models):
    rows = [
        [
            name,
            shown(row["mse"], ".5f"),
            shown(row["standardised"], ".4f"),
            shown(row["ratio"]),
            shown(row["density"] and row["density"]["nats"], ".4f"),
            shown(row["density"] and row["density"]["difference"], "+.4f"),
        ]
        for name, row in models.items()
    ]
    return Table(["model", "MSE, nm²", "standardised", "ratio to Bayes", "nats/frame", "above the oracle"], rows)
