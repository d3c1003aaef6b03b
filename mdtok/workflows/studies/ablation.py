"""What a part of a model is worth: variants of it, several seeds each, judged alike on the tokens of a run.

Each trained variant and its rollout lie in ``ablation/<variant>/seed_<k>/`` of the run, and are not made again.
"""

import logging
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import t as student

from mdtok.errors import DataError, SettingsError
from mdtok.kinetics import implied_timescales
from mdtok.kinetics.estimation.estimate import Estimate
from mdtok.kinetics.estimation.passages import Passages
from mdtok.kinetics.scoring import likelihood
from mdtok.kinetics.scoring.protocol import make_protocol
from mdtok.kinetics.scoring.rollout_checks import check_rollout
from mdtok.kinetics.scoring.scored_rollouts import roll_out_like
from mdtok.models import load_model
from mdtok.models.catalogue import make_models
from mdtok.models.rollout import Rollout
from mdtok.storage import write_json
from mdtok.tokens import check_held_out
from mdtok.workflows.command_line import FinishedRunSettings, say_how_to_resume, setting
from mdtok.workflows.data import TokenisedData

log = logging.getLogger(__name__)

_FEW_ARRIVALS = 10  # passages seen less often in the held-out MD say nothing of a mean

#: Title of each figure of a variant, and how it is written.
COLUMNS = {
    "nats": ("held-out nats/token", "{:.4f}"),
    "timescale_ps": ("slowest timescale (ps)", "{:,.0f}"),
    "second_ps": ("second (ps)", "{:,.0f}"),
    "worst_mfpt": ("worst MFPT off by", "×{:.2f}"),
    "expected_over_observed": ("transitions expected/observed", "{:.2f}"),
    "nats_drift": ("drift of nats", "{:+.4f}"),
    "population_drift": ("drift of populations", "{:.3f}"),
    "train_seconds": ("training (s)", "{:.0f}"),
    "nats_above_first": ("nats above the first", "{:+.4f}"),
}


@dataclass
class Ablation:
    """What `ablate` found.

    Attributes
    ----------
    content : dict
        ``variants[name]``: each figure with ``mean``, ``low``, ``high`` (95 %, Student, over seeds) and ``of_seeds``,
        and ``nats_above_first``, the paired difference in held-out nats from the first variant with its interval over
        trajectories; ``md`` and ``training_md``: the figures that MD has, of the held-out and of the training
        trajectories.
    """

    content: dict

    def __str__(self) -> str:
        variants = self.content["variants"]
        columns = [key for key in COLUMNS if any(figures.get(key) for figures in variants.values())]
        rows = {**variants, "held-out MD": self.content["md"], "training MD": self.content["training_md"]}
        width = max(map(len, rows))
        lines = [f"{'':<{width}}" + "".join(f"  {COLUMNS[key][0]:>30}" for key in columns)]
        for name, figures in rows.items():
            cells = [_cell(key, figures[key]) if figures.get(key) else "" for key in columns]
            lines.append(f"{name:<{width}}" + "".join(f"  {cell:>30}" for cell in cells))
        lines += [
            "",
            f"Means over {self.content['n_seeds']} seeds with 95 % intervals (Student); "
            "MD with those of its posterior.",
            "Worst MFPT: of all pairs of macrostates, the factor that is furthest from that of the held-out MD.",
        ]
        return "\n".join(lines)


@dataclass
class AblationSettings(FinishedRunSettings):
    """Settings of an ablation."""

    variants: str = setting(
        "nanogpt-plain,nanogpt-plain-sampled,nanogpt-plain-expected,nanogpt-plain-faithful,nanogpt,"
        "nanogpt-anchored-sampled",
        "Models by name, separated by commas; the others are compared with the first.",
        group="models",
        names=True,
    )
    seeds: int = setting(3, "Seeds of each variant.", group="models")
    training_steps: int = setting(0, "Most training steps; 0: the model's own default.", group="models")
    lagtime: int = setting(10, "Of the timescales, in token intervals.", group="referee")
    seed: int = setting(0, "The first seed.")

    QUICK = {"seeds": 1, "training_steps": 200}

    def __post_init__(self):
        super().__post_init__()
        _check(self.run, self.variants, self.seeds)


def run_ablation(settings: AblationSettings) -> Ablation:
    """`ablate` as the settings say; the table goes to standard output."""
    say_how_to_resume(settings)
    found = ablate(
        settings.run,
        settings.variants,
        settings.seeds,
        settings.training_steps or None,
        settings.lagtime,
        settings.seed,
        settings.progress,
        settings.out or None,
    )
    sys.stdout.write(f"{found}\n")
    return found


def ablate(
    run: str | Path,
    variants: str,
    n_seeds: int = 3,
    training_steps: int | None = None,
    lagtime: int = 10,
    seed: int = 0,
    progress: bool = True,
    out: str | Path | None = None,
) -> Ablation:
    """Train every variant with every seed on the tokens of a run, roll it out, and judge it on the held-out
    trajectories.

    Parameters
    ----------
    run : path-like
        Folder of a run that is tokenised.
    variants : str
        Names of models separated by commas, see `mdtok.models.catalogue.make_models`; the first is what others are
        compared with.
    n_seeds : int
    training_steps : int, optional
        Most steps of gradient descent.
    lagtime : int
        Token intervals, of the timescales.
    seed : int
        The first seed.
    progress : bool
    out : path-like, optional
        ``<run>/ablation`` if not given.

    Returns
    -------
    Ablation

    Raises
    ------
    DataError
        The run has no tokens.
    SettingsError
        An unknown variant, or no seeds.
    """
    _check(run, variants, n_seeds)
    out = Path(out or Path(run) / "ablation")
    data = TokenisedData.load(Path(run) / "tokens")
    train, validation, test = (data.part(name) for name in ("train", "validation", "test"))
    check_held_out([*train, *validation], test)
    protocol = make_protocol(data.dtrajs, test, data.macrostates, None, lagtime)
    md_passages = Passages(_in_macrostates(test, data), len(data.macrostate_names))
    figures: dict[str, dict[str, list[float]]] = {}
    held_out: dict[str, list[likelihood.HeldOut]] = {}
    for k in range(seed, seed + n_seeds):
        for name, model in make_models(variants, data.macrostates, k, training_steps, progress).items():
            folder = out / name / f"seed_{k}"
            model = _trained(model, folder, data, progress, f"{name}, seed {k}")
            if not (folder / "rollout").exists():
                generated = roll_out_like(model, [*train, *validation], test, data.dtrajs, protocol, seed=k)
                generated.save(folder / "rollout")
            rollout = Rollout.load(folder / "rollout")
            one, said = _judge(model, rollout, train, test, data, lagtime)
            one["worst_mfpt"] = _worst_mfpt(_in_macrostates(rollout.dtrajs, data), md_passages, rollout.lagtime)
            for key, value in one.items():
                figures.setdefault(name, {}).setdefault(key, []).append(value)
            held_out.setdefault(name, []).append(said)
    training_md = {"worst_mfpt": _certain(_worst_mfpt(_in_macrostates(train, data), md_passages))}
    content = {
        "n_seeds": n_seeds,
        "lagtime": lagtime,
        "md": _of_md(test, data, lagtime),
        "training_md": _of_md(train, data, lagtime) | training_md,
        "variants": {
            name: {key: _over_seeds(values) for key, values in of_variant.items()}
            | {"nats_above_first": _nats_above_first(held_out, name)}
            for name, of_variant in figures.items()
        },
    }
    write_json(out / "ablation.json", content)
    return Ablation(content)


def _check(run, variants, n_seeds):
    if not (Path(run) / "tokens" / "tokens.json").exists():
        raise DataError(f"{run} has no tokens/; give the folder of a run whose stage tokenize is done.")
    if n_seeds < 1:
        raise SettingsError(f"{n_seeds} seeds were asked for; one of each variant at least was expected.")
    make_models(variants, progress=False)  # an unknown name is said before anything is computed


def _trained(model, folder, data, progress, title):
    """The fitted model of this folder, trained now if it was not before."""
    if not (folder / "model" / "model.json").exists():
        checkpoints = folder / "checkpoints"
        folder.mkdir(parents=True, exist_ok=True)
        validation = data.part("validation") or None
        model.fit(data.part("train"), validation, len(data.macrostates), checkpoint_folder=checkpoints)
        model.save(folder / "model")
        shutil.rmtree(checkpoints, ignore_errors=True)
        log.info("%s: trained", title)
    model = load_model(folder / "model")
    model.progress = progress
    return model


def _nats_above_first(held_out, name):
    """The paired difference in nats from the first variant, its interval over trajectories; None for the first itself,
    and where tokens of another lag were predicted."""
    (first, of_first), of_this = next(iter(held_out.items())), held_out[name]
    if name == first or len(of_this[0].log_prob[0]) != len(of_first[0].log_prob[0]):
        return None
    return likelihood.nats_difference(_mean_over_seeds(of_this), _mean_over_seeds(of_first)).to_dict()


def _judge(model, rollout, train, test, data, lagtime):
    held_out = likelihood.evaluate_held_out(model, test, data.macrostates)
    times = implied_timescales(
        rollout.dtrajs,
        [max(1, lagtime // rollout.lagtime)],
        2,
        data.dt_ps * rollout.lagtime,
        0,
        n_states=len(data.macrostates),
    ).to_dict()
    slowest = np.ravel(next(iter(times.values()))["value"])
    checks = check_rollout(rollout.dtrajs, train, data.macrostates, rollout.lagtime)
    return {
        "nats": float(likelihood.nats_per_token(held_out).value),
        "timescale_ps": slowest[0],
        "second_ps": slowest[1],
        "expected_over_observed": float(likelihood.transition_calibration(held_out).value),
        "nats_drift": float(checks.nats_drift.value),
        "population_drift": float(checks.population_drift.value),
        "train_seconds": model.train_seconds_ or 0.0,
    }, held_out


def _of_md(test, data, lagtime):
    times = implied_timescales(test, [lagtime], 2, data.dt_ps, 100, n_states=len(data.macrostates)).to_dict()
    (said,) = times.values()
    return {
        key: {part: np.ravel(said[part])[index] for part in ("value", "low", "high")}
        for index, key in enumerate(("timescale_ps", "second_ps"))
    }


def _in_macrostates(dtrajs, data):
    return [np.asarray(data.macrostates)[dtraj] for dtraj in dtrajs]


def _worst_mfpt(dtrajs, reference, lagtime=1):
    """The largest factor by which an MFPT of these trajectories (every `lagtime`-th frame) is off that of the
    reference."""
    passages = Passages(dtrajs, reference.n_states)
    known = (reference.events >= _FEW_ARRIVALS) & ~np.eye(reference.n_states, dtype=bool)
    ratios = lagtime * passages.mfpt_frames()[known] / reference.mfpt_frames()[known]
    never = np.inf  # a state that was not seen is not left either
    return float(np.exp(np.abs(np.log(np.where(np.isnan(ratios), never, ratios))).max())) if len(ratios) else np.nan


def _certain(value):
    """A figure without an interval."""
    return {"value": value, "low": np.nan, "high": np.nan}


def _mean_over_seeds(held_out):
    """The first of some HeldOut with the mean log-probability of all."""
    log_prob = [np.mean(of_seeds, axis=0) for of_seeds in zip(*(h.log_prob for h in held_out))]
    return likelihood.HeldOut(
        held_out[0].first_token, log_prob, held_out[0].macro_probability, held_out[0].before, held_out[0].after
    )


def _over_seeds(values):
    values = np.asarray(values, dtype=float)
    known = len(values) > 1 and np.isfinite(values).all()
    half = student.isf(0.025, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)) if known else np.nan
    return {"mean": values.mean(), "low": values.mean() - half, "high": values.mean() + half, "of_seeds": values}


def _cell(key, figures):
    """A figure as the table has it; `figures` has its mean over seeds, or its value, with the interval."""
    estimate = Estimate(figures.get("mean", figures.get("value")), figures["low"], figures["high"])
    return " ".join(filter(None, estimate.texts(COLUMNS[key][1].format)))
