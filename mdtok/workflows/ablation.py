"""What a part of a model is worth: variants of it, several seeds each, judged alike on the tokens of a run.

Each trained variant and its rollout lie in ``ablation/<variant>/seed_<k>/`` of the run, and are not made again.
"""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import t as student

from mdtok.errors import DataError, SettingsError
from mdtok.kinetics import implied_timescales, likelihood
from mdtok.kinetics.passages import Passages
from mdtok.kinetics.rollout_checks import check_rollout
from mdtok.kinetics.scorecard import make_protocol, roll_out_like
from mdtok.models import load_model
from mdtok.models.catalogue import make_models
from mdtok.models.rollout import Rollout
from mdtok.storage import write_json
from mdtok.tokens import check_held_out
from mdtok.workflows.stages import TokenisedData

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

    def __str__(self):
        shown = [key for key in COLUMNS if any(key in figures for figures in self.content["variants"].values())]
        width = max(len("held-out MD"), *(len(name) for name in self.content["variants"]))
        lines = [
            f"{'':<{width}}" + "".join(f"  {COLUMNS[key][0]:>30}" for key in shown) + f"  {'nats above the first':>28}"
        ]
        for name, figures in self.content["variants"].items():
            cells = [_interval(COLUMNS[key][1], figures[key], ("mean", "low", "high")) for key in shown]
            paired = figures["nats_above_first"]
            last = "" if paired is None else _interval("{:+.4f}", paired, ("value", "low", "high"))
            lines.append(f"{name:<{width}}" + "".join(f"  {cell:>30}" for cell in cells) + f"  {last:>28}")
        for title, md in (("held-out MD", self.content["md"]), ("training MD", self.content["training_md"])):
            cells = [
                _interval(COLUMNS[key][1], md[key], ("value", "low", "high")) if key in md else "" for key in shown
            ]
            lines.append(f"{title:<{width}}" + "".join(f"  {cell:>30}" for cell in cells))
        return "\n".join(
            [
                *lines,
                "",
                f"Means over {self.content['n_seeds']} seeds with 95 % intervals (Student); MD with those of its posterior.",
                "Worst MFPT: of all pairs of macrostates, the factor that is furthest from that of the held-out MD.",
            ]
        )


def ablate(run, variants, n_seeds=3, training_steps=None, lagtime=10, seed=0, progress=True):
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
    run = Path(run)
    if not (run / "tokens" / "tokens.json").exists():
        raise DataError(f"{run} has no tokens/; give the folder of a run whose stage tokenize is done.")
    if n_seeds < 1:
        raise SettingsError(f"{n_seeds} seeds were asked for; one of each variant at least was expected.")
    make_models(variants, progress=False)  # an unknown name is said before anything is computed
    data = TokenisedData.load(run / "tokens")
    train, validation, test = (data.part(name) for name in ("train", "validation", "test"))
    check_held_out([*train, *validation], test)
    n_states, md = len(data.macrostates), data.dtrajs
    protocol = make_protocol(md, test, data.macrostates, None, lagtime)
    held_out_passages = Passages(_in_macrostates(test, data), len(data.macrostate_names))
    figures, log_probs = {}, {}
    for k in range(n_seeds):
        for name, model in make_models(variants, data.macrostates, seed + k, training_steps, progress).items():
            folder = run / "ablation" / name / f"seed_{seed + k}"
            if not (folder / "model" / "model.json").exists():
                checkpoints = folder / "checkpoints"
                folder.mkdir(parents=True, exist_ok=True)
                model.fit(train, validation or None, n_states, checkpoint_folder=checkpoints)
                model.save(folder / "model")
                shutil.rmtree(checkpoints, ignore_errors=True)
                log.info("%s, seed %d: trained", name, seed + k)
            model = load_model(folder / "model")
            model.progress = progress
            if not (folder / "rollout").exists():
                roll_out_like(model, [*train, *validation], test, md, protocol, seed=seed + k).save(folder / "rollout")
            rollout = Rollout.load(folder / "rollout")
            one, said = _judge(model, rollout, train, test, data, lagtime)
            one["worst_mfpt"] = _worst_mfpt(_in_macrostates(rollout.dtrajs, data), held_out_passages, rollout.lagtime)
            for key, value in one.items():
                figures.setdefault(name, {}).setdefault(key, []).append(value)
            log_probs.setdefault(name, []).append(said)
    content = {
        "n_seeds": n_seeds,
        "lagtime": lagtime,
        "md": _of_md(test, data, lagtime),
        "training_md": _of_md(train, data, lagtime)
        | {"worst_mfpt": _certain(_worst_mfpt(_in_macrostates(train, data), held_out_passages))},
        "variants": {
            name: {key: _over_seeds(values) for key, values in of_variant.items()}
            for name, of_variant in figures.items()
        },
    }
    first, *others = log_probs
    for name in log_probs:
        content["variants"][name]["nats_above_first"] = None
    for name in others:
        if len(log_probs[name][0].log_prob[0]) == len(log_probs[first][0].log_prob[0]):  # of one lag
            difference = likelihood.nats_difference(
                _mean_over_seeds(log_probs[name]), _mean_over_seeds(log_probs[first])
            )
            content["variants"][name]["nats_above_first"] = difference.to_dict()
    write_json(run / "ablation" / "ablation.json", content)
    return Ablation(content)


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


def _interval(form, figures, parts):
    value, low, high = (figures[part] for part in parts)
    if not np.isfinite(low):
        return form.format(value)
    return f"{form.format(value)} [{form.format(low)}, {form.format(high)}]"
