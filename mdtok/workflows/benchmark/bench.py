"""``mdtok bench``: kinetics from seeds, and one row a model of anyone's.

A task is a folder with a version in its name. Chains are held against hashes that are part of mdtok: who has the folder
has the same data, the same split and the same answers. The data of a molecule have their hash in every row.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mdtok.checks import require_one_of
from mdtok.errors import DataError, SettingsError
from mdtok.features import load_features
from mdtok.kinetics import score
from mdtok.kinetics.estimation.estimate import PARTS
from mdtok.kinetics.scoring.verdicts import status
from mdtok.md.files import find_files
from mdtok.storage import read_json, whole, write_json
from mdtok.tokens.token_files import load_named_dtrajs
from mdtok.workflows.benchmark.task import Task, make_task
from mdtok.workflows.benchmark.tasks import TASKS
from mdtok.workflows.command_line import OneStageSettings, positional, setting
from mdtok.workflows.judging import by_name, holds_tokens

_WORTH = ("worth_frames", "worth_low", "worth_high")
_COLUMNS = ("model", "seed", "verdict", *_WORTH, "nats_per_token", "slowest_factor", "worst_mfpt_factor", "data")
_WIDE = {"model": 28, "verdict": 10, "seed": 6, "data": 12}  # columns of the text; others 18


@dataclass
class BenchSettings(OneStageSettings):
    """Settings of the benchmark of kinetics."""

    GROUP = "models"

    task: str = positional(f"One of {', '.join(TASKS)}.")
    out: str = setting("bench", "Folder of the tasks.")
    models: str = setting("msm,semi-markov,history-msm", "Models to fit and score; empty: none.", names=True)
    generated: list[str] = setting([], "NAME=PATTERN: files of tokens, or of the task's features, made elsewhere.")
    periodic: list[str] = setting(
        [], "All angles of the generated features where not radians: 0=degrees 1=degrees.", names=True
    )
    seeds: list[int] = setting([1], "Seeds of the models' training and rollouts; one row each.")
    training_steps: int = setting(0, "Most training steps of neural models; 0: their own default.")

    QUICK = {"models": "msm"}

    def __post_init__(self):
        super().__post_init__()
        require_one_of("The task", self.task, tuple(TASKS))
        if not (self.models or self.generated):
            raise SettingsError("Give --models or --generated NAME=PATTERN.")


def run_bench(settings: BenchSettings) -> None:
    """Make the task if it is not there, score what was named, and write ``rows.json`` and ``rows.csv`` beside it."""
    from mdtok.models.catalogue import make_models  # imports networks; --help need not wait

    task, folder = TASKS[settings.task], Path(settings.out) / settings.task
    if settings.models:
        make_models(settings.models, progress=False)  # an unknown name is said before anything is computed
    generated = {
        name: tokens_of(name, files, task, settings.periodic) for name, files in by_name(settings.generated).items()
    }
    parts = make_task(settings.task, task, folder, settings.progress)
    data = read_json(folder / "task.json")["sha256"][:12]
    rows = []
    for seed in settings.seeds if settings.models else settings.seeds[:1]:
        models = {}
        if settings.models:
            steps = settings.training_steps or None
            models = make_models(settings.models, task.macrostates, seed, steps, settings.progress)
        given = generated if seed == settings.seeds[0] else {}
        card = score(
            {**models, **given},
            parts["train"],
            parts["test"],
            task.dt_ps,
            validation=parts["validation"],
            macrostates=task.macrostates,
            macrostate_names=task.macrostate_names,
            lagtime=task.lagtime,
            seed=seed,
            progress=settings.progress,
        )
        rows += [{**_row(name, seed, card, task), "data": data} for name in card.content["models"]]
        _write(folder, settings.task, rows)  # after each seed: networks take minutes
    sys.stdout.write(f"{rows_text(rows)}\n\n{folder / 'rows.csv'}\n")


def tokens_of(name: str, files: list[str], task: Task, periodic: list[str]) -> list[np.ndarray]:
    """Tokens of what was generated: as they are, or by the task's own rule where they are features."""
    if not holds_tokens(find_files(files)[0]):
        if not task.n_features:
            raise DataError(f"{name} holds features; this task has tokens only: int arrays of shape (n_frames,).")
        if periodic and len(periodic) != len(task.angles):
            raise SettingsError(f"--periodic names {len(periodic)} columns; the task has {len(task.angles)} angles.")
        arrays = load_features(files, periodic=periodic or task.angles or None).arrays
        if arrays[0].shape[1] != task.n_features:
            raise DataError(f"{name} has {arrays[0].shape[1]} columns; the task's features have {task.n_features}.")
        return [task.assign(array) for array in arrays]
    found = [dtraj for _, dtraj in load_named_dtrajs(files)]
    wrong = max(int(dtraj.max()) for dtraj in found)
    if wrong >= task.n_states:
        raise DataError(f"{name} holds the token {wrong}; those of the task are 0 to {task.n_states - 1}.")
    return found


def _row(name, seed, card, task: Task):
    row, md, lag = card.content["models"][name], card.content["md"], str(card.content["lagtime_frames"])
    exact = task.exact()
    ours, theirs = (float(np.ravel(of["timescales_ps"][lag]["value"])[0]) / task.dt_ps for of in (row, md))
    truth = float(exact["timescales_frames"][0]) if exact else theirs
    mfpt, reference = (np.asarray(r["mfpt_ps"]["value"], dtype=float) for r in (row, md))
    apart = ~np.eye(len(mfpt), dtype=bool) & np.isfinite(reference)
    with np.errstate(divide="ignore"):
        worst = np.abs(np.log(mfpt[apart] / reference[apart])).max(initial=0.0)
    nats = row["nll_nats_per_token"]
    worth = row["equivalent_md_ps"]["all"]
    return {
        "model": name,
        "seed": seed,
        "verdict": status(row),
        **{column: float(f"{float(worth[part]) / task.dt_ps:.3g}") for column, part in zip(_WORTH, PARTS)},
        "nats_per_token": None if nats is None else round(float(nats["value"]), 5),
        "slowest_factor": round(ours / truth, 3),
        "worst_mfpt_factor": round(float(np.exp(worst)), 3),
    }


def _write(folder, task, rows):
    write_json(folder / "rows.json", {"task": task, "rows": rows})
    with whole(folder / "rows.csv") as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def rows_text(rows: list[dict]) -> str:
    """The rows as lines of text."""
    lines = [{column: column for column in _COLUMNS}, *rows]
    return "\n".join(
        "".join(f"{'-' if line[column] is None else line[column]!s:<{_WIDE.get(column, 18)}}" for column in _COLUMNS)
        for line in lines
    )
