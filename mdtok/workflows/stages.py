"""The stages of every run after the tokens: train, rollout, score. Each reads the folder of the one before.

A stage that is done is not repeated; one that was killed goes on. Models of tokens and models of coordinates take the
same road: what the latter generate is turned into tokens by the run's own tokenizer, and all stand in one scorecard.
"""

import logging
import shutil
import time
from collections.abc import Callable

import numpy as np

from mdtok.errors import DataError, RunFolderError
from mdtok.kinetics import Scorecard, populations
from mdtok.kinetics import score as score_models
from mdtok.kinetics.scoring.protocol import make_protocol, slowest_frames
from mdtok.kinetics.scoring.scored_rollouts import chain_counts, roll_out_like
from mdtok.models import load_model
from mdtok.models.rollout import Rollout
from mdtok.storage import read_json, read_numbers, write_json, write_numbers
from mdtok.tokens import check_held_out
from mdtok.workflows.chapters import find_chapters, name_of
from mdtok.workflows.coordinate_rollouts import draw_prompts, roll_out_coordinates
from mdtok.workflows.judged import JudgedRun

log = logging.getLogger(__name__)

_JUDGED = "judged.json"  # the models that the chapters are about


def do_stages(
    run,
    settings,
    title: str,
    *,
    simulate: Callable | None = None,
    tokenize: Callable | None = None,
    map_columns: list[str] | None = None,
    definition=None,
    load_system: Callable | None = None,
    yardsticks: Callable | None = None,
) -> None:
    """Do the stages that the settings ask for and that are not done; then say where the report is.

    Parameters
    ----------
    run : RunFolder
    settings : ModelSettings
    title : str
        Of the report.
    simulate, tokenize : callable, optional
        The first two stages, where they are not those of others; each is called without arguments.
    map_columns : list of str, optional
        Two features for the maps of the report; the first two if not given.
    definition : object, optional
        Of the system, for chapters.
    load_system : callable, optional
        Gives the system, for chapters that need it.
    yardsticks : callable, optional
        From a JudgedRun to ``{name: (model, Rollout)}``: models that are not trained, such as the exact answer.
    """
    if simulate is not None and settings.does("simulate") and not run.is_done("simulate"):
        simulate()
    if tokenize is not None and settings.does("tokenize") and not run.is_done("tokenize"):
        if simulate is not None:
            run.require("simulate")
        tokenize()
    if settings.does("train") and not run.is_done("train"):
        train(run, settings)
    if settings.does("rollout") and not run.is_done("rollout"):
        roll_out(run, settings)
    if settings.does("score"):
        page = run / "report" / "report.html"
        if run.is_done("score"):
            log.info("report: %s (all stages were done before)", page)
        else:
            run.require("rollout")
            judged = JudgedRun.open(run, settings, trained_models(run, settings), definition, load_system)
            score(judged, title, map_columns, yardsticks)
            log.info("report: %s", page)


def fit_once(model, folder, fit: Callable) -> float | None:
    """Fit a model and save it to `folder`, unless it is there; a killed training goes on from its checkpoints.

    Parameters
    ----------
    model : DynamicsModel or TrajectoryModel
    folder : Path
    fit : callable
        Takes the folder of the checkpoints.

    Returns
    -------
    float or None
        Seconds that it took; None where the model was there.
    """
    if (folder / "model.json").exists():
        return None
    began, checkpoints = time.perf_counter(), folder.with_name(f"{folder.name}.checkpoints")
    fit(checkpoints)
    model.save(folder)
    shutil.rmtree(checkpoints, ignore_errors=True)  # only neural models leave any
    return time.perf_counter() - began


def train(run, settings) -> None:
    """Stage `train`: fit every model, each saved as soon as it is done."""
    run.require("tokenize")
    data = JudgedRun.open(run, settings)
    tokens, features = data.tokens, data.features
    check_held_out([*tokens.part("train"), *tokens.part("validation")], tokens.part("test"))
    models = settings.make_models(tokens.macrostates)
    require_features(models, features)
    for name, n_steps in settings.steps_by_name().items():
        require_steps(run / "models" / name, n_steps)
    with run.stage("train") as facts:
        for name, model in models.items():
            if model.reads == "features":
                fit = fit_coordinates(model, features, data.labelled)
            else:
                fit = fit_tokens(model, tokens)
            seconds = fit_once(model, run / "models" / name, fit)
            if seconds is not None:
                facts[name] = {"wall_seconds": round(seconds, 2)}
                log.info("%s: trained in %.1f s, %s parameters", name, seconds, f"{model.n_parameters:,}")


def require_features(models, features) -> None:
    """Refuse models of coordinates where the user brought tokens only."""
    of_coordinates = [name for name, model in models.items() if model.reads == "features"]
    if features is None and of_coordinates:
        raise DataError(
            f"{', '.join(of_coordinates)} reads coordinates, and this run has tokens only; leave it out of --models, "
            "or start from trajectories."
        )


def require_steps(folder, n_steps: int) -> None:
    """Refuse another number of training steps than a model that is there was made with."""
    if not (folder / "model.json").exists():
        return
    known = read_json(folder / "model.json")["settings"].get("max_steps", n_steps)
    if known != n_steps:
        raise RunFolderError(
            f"{folder} was trained for {known} steps at most, --steps-of asks for {n_steps}; choose another --out, or "
            "remove that folder."
        )


def fit_tokens(model, tokens) -> Callable:
    """How a model of tokens is fitted, given a folder for its checkpoints."""
    n_states, validation = len(tokens.macrostates), tokens.part("validation") or None
    return lambda checkpoints: model.fit(tokens.part("train"), validation, n_states, checkpoint_folder=checkpoints)


def fit_coordinates(model, features, labelled=None) -> Callable:
    """How a model of coordinates is fitted, given a folder for its checkpoints; labelled trajectories teach classes
    too."""
    model.circles = features.circles
    train, validation = features.read_by_models("train"), features.read_by_models("validation") or None
    if labelled is None or (labelled.origins and not hasattr(model, "predict_proba")):
        return lambda checkpoints: model.fit(train, validation, checkpoint_folder=checkpoints)
    unlabelled = [] if labelled.origins else train  # the pieces are these trajectories
    return lambda checkpoints: model.fit_labelled(
        features.encode(labelled.part("train")),
        labelled.labels_of("train"),
        unlabelled,
        features.encode(labelled.part("validation")) or None,
        labelled.labels_of("validation"),
        checkpoint_folder=checkpoints,
    )


def trained_models(run, settings) -> dict:
    """The models of a run that are trained, by name."""
    models = {}
    trained = run.manifest["stages"].get("train", {})
    for name in settings.model_names:
        models[name] = load_model(run / "models" / name)
        models[name].progress = settings.progress
        if name in trained and models[name].reads == "tokens":
            models[name].train_seconds_ = trained[name]["wall_seconds"]
    return models


def roll_out(run, settings) -> None:
    """Stage `rollout`: trajectories generated by every model, into ``rollouts/<name>/``."""
    run.require("train")
    judged = JudgedRun.open(run, settings, trained_models(run, settings))
    tokens = judged.tokens
    training, test = [*tokens.part("train"), *tokens.part("validation")], tokens.part("test")
    protocol = make_protocol(tokens.dtrajs, test, tokens.macrostates, settings.lagtimes, settings.lagtime)
    with run.stage("rollout"):
        weights = prompt_weights(judged)
        n_chains, n_tokens = chain_counts(
            test,
            tokens.dtrajs,
            settings.n_chains or None,
            settings.n_chain_tokens or None,
            slowest_frames(tokens.dtrajs, max(protocol.lagtimes), protocol.n_states),
        )
        prompts = draw_prompts(judged, n_chains, weights) if judged.models_of_features() else []
        for name, model in judged.models.items():
            folder = run / "rollouts" / name
            if folder.exists():
                continue
            if model.reads == "features":
                made = roll_out_coordinates(judged, model, prompts, n_tokens)
                made.save(folder)
                rollout = made.tokens
            else:
                pieces = run / "rollouts" / f"{name}.pieces"
                rollout = roll_out_like(
                    model,
                    training,
                    test,
                    tokens.dtrajs,
                    protocol,
                    settings.n_chains or None,
                    settings.n_chain_tokens or None,
                    settings.seed,
                    pieces,
                    weights,
                )
                rollout.save(folder)
                shutil.rmtree(pieces, ignore_errors=True)
            log.info("%s: %s tokens generated in %.1f s", name, f"{rollout.n_tokens:,}", rollout.seconds)


def prompt_weights(judged) -> np.ndarray:
    """Weight of every state as the end of a prompt: its equilibrium population, or each basin as much as the other."""
    tokens = judged.tokens
    if judged.settings.prompts == "equilibrium":
        training = [*tokens.part("train"), *tokens.part("validation")]
        return populations(training, len(tokens.macrostates), judged.settings.lagtime)
    in_states = judged.tokenizer.stationary_distribution_
    in_basins = np.bincount(judged.tokenizer.macrostates_, weights=in_states)
    stratified = in_states / (len(in_basins) * in_basins[judged.tokenizer.macrostates_])
    return np.full(len(in_basins), 1 / len(in_basins)) if tokens.coarse else stratified


def score(judged, title: str, map_columns=None, yardsticks: Callable | None = None) -> Scorecard:
    """Stage `score`: the scorecard, the chapters and the report, into ``report/``."""
    run, settings, tokens = judged.run, judged.settings, judged.tokens
    with run.stage("score") as facts:
        facts |= {"title": title, "map_columns": map_columns}
        models, rollouts = {}, {}
        for name, (model, rollout) in (yardsticks(judged) if yardsticks else {}).items():
            models[name], rollouts[name] = model, rollout
        models |= judged.models
        rollouts |= {name: Rollout.load(run / "rollouts" / name) for name in judged.models}
        judged.card = score_models(
            models,
            tokens.part("train"),
            tokens.part("test"),
            tokens.dt_ps,
            validation=tokens.part("validation"),
            macrostates=tokens.macrostates,
            macrostate_names=tokens.macrostate_names,
            lagtimes=settings.lagtimes or None,
            lagtime=settings.lagtime,
            n_timescales=settings.n_timescales or None,
            rollouts=rollouts,
            left_out=tokens.left_out,
            remarks=tokens.remarks,
            seed=settings.seed,
            progress=settings.progress,
        )
        chapters = judge_chapters(judged)
        judged.card.save(
            run / "report", title=title, projection=judged.projection(map_columns), run=run.manifest, chapters=chapters
        )
    log.info("\n%s\n", judged.card)
    return judged.card


def judge_chapters(judged) -> list:
    """The chapters that the data of a run allow; the numbers of each are kept in ``report/<name>.json``."""
    folder = judged.run / "report"
    judged_models, names = folder / _JUDGED, list(judged.models)
    known = read_json(judged_models) if judged_models.exists() else None
    if known != names:  # more models, or others: what was judged before lacks them
        for module in find_chapters():
            for kind in ("json", "npz"):
                (folder / f"{name_of(module)}.{kind}").unlink(missing_ok=True)
        write_json(judged_models, names)
    chapters = []
    for module in find_chapters():
        if not module.applies(judged):
            continue
        path = folder / f"{name_of(module)}.json"
        if not path.exists():
            try:
                write_numbers(path, module.numbers(judged))
            except DataError as error:  # a protein may never fold, say
                log.warning("The report lacks the chapter %s. %s", name_of(module), error)
                continue
            log.info("judged: %s", name_of(module))
        numbers = read_numbers(path)
        for sentence in numbers.get("sentences", ()):
            log.info("%s", sentence)
        chapters.append(module.draw(numbers))
    return chapters


def redraw(run) -> None:
    """Draw ``report.html`` and its figures again from what lies in the folder; nothing is computed.

    Raises
    ------
    RunFolderError
        The run is not scored.
    """
    if not (run / "report" / "scorecard.json").exists():
        raise RunFolderError(f"{run.path} has no scorecard; finish the run first (--stage score, or all).")
    if not (run / "report" / _JUDGED).exists():
        raise RunFolderError(
            f"{run.path} was scored by an earlier mdtok, whose report cannot be drawn again; the command of the run "
            "with one more of --models scores it anew."
        )
    facts = run.manifest["stages"].get("score", {})
    judged, card = JudgedRun.open(run, settings=None), Scorecard.load(run / "report")
    folders = {name: run / "rollouts" / name for name in card.content["models"]}
    card.rollouts |= {name: Rollout.load(folder) for name, folder in folders.items() if folder.is_dir()}
    paths = {module: run / "report" / f"{name_of(module)}.json" for module in find_chapters()}
    chapters = [module.draw(read_numbers(path)) for module, path in paths.items() if path.exists()]
    card.save(
        run / "report",
        title=facts.get("title", run.path.name),
        projection=judged.projection(facts.get("map_columns")),
        run=run.manifest,
        chapters=chapters,
    )
    log.info("report: %s", run / "report" / "report.html")
