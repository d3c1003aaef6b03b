"""``mdtok bench``: kinetics with exact answers, made from seeds, and one row a model of anyone's.

A task is a folder with a version in its name. Its tokens are made here, from a seed, and held against hashes that are
part of mdtok: who has the folder has the same data, the same split and the same answers.
"""

from __future__ import annotations

import csv
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mdtok.checks import require_one_of
from mdtok.errors import DataError, SettingsError
from mdtok.kinetics import score
from mdtok.kinetics.estimation.estimate import PARTS
from mdtok.kinetics.scoring.verdicts import status
from mdtok.models.counted.msm import JumpTable
from mdtok.storage import read_json, whole, write_json
from mdtok.tokens.dtrajs import load_named_dtrajs
from mdtok.workflows.command_line import OneStageSettings, positional, setting
from mdtok.workflows.judging import by_name

_PARTS = {"train": 12, "validation": 4, "test": 8}  # trajectories
_WORTH = ("worth_frames", "worth_low", "worth_high")
_COLUMNS = ("model", "seed", "verdict", *_WORTH, "nats_per_token", "slowest_factor", "worst_mfpt_factor")


@dataclass(frozen=True)
class Task:
    """A reversible Markov chain seen through a lumping: exact answers, and memory where states are lumped.

    Attributes
    ----------
    what : str
    matrix : list of lists of float
        Transition matrix of a frame; every row adds to 1.
    tokens : tuple of int
        Token of each state of the chain.
    n_frames : int
        Of each trajectory.
    seed : int
    sha256 : str
        Of all tokens, in the order train, validation, test.
    """

    what: str
    matrix: tuple
    tokens: tuple
    n_frames: int
    seed: int
    sha256: str

    def make(self) -> dict[str, list[np.ndarray]]:
        """Trajectories of each part, int16."""
        jumps, n = JumpTable(np.array(self.matrix)), len(self.matrix)
        rng = np.random.default_rng(self.seed)
        n_chains = sum(_PARTS.values())
        states = np.empty((self.n_frames, n_chains), dtype=np.int64)
        states[0] = rng.choice(n, n_chains, p=self.stationary)
        for t in range(1, self.n_frames):
            states[t] = jumps.draw(states[t - 1], rng)
        chains = np.asarray(self.tokens, dtype=np.int16)[states.T]
        first = np.cumsum([0, *_PARTS.values()])
        return {part: list(chains[a:b]) for part, a, b in zip(_PARTS, first, first[1:])}

    @property
    def stationary(self) -> np.ndarray:
        """Populations of the chain's own states, shape (n_states,)."""
        matrix = np.array(self.matrix)
        equations = np.vstack([matrix.T - np.eye(len(matrix)), np.ones(len(matrix))])
        return np.linalg.lstsq(equations, np.append(np.zeros(len(matrix)), 1.0), rcond=None)[0]

    def exact(self) -> dict[str, Any]:
        """Populations of tokens and the slowest timescale, in frames."""
        populations = np.zeros(max(self.tokens) + 1)
        np.add.at(populations, list(self.tokens), self.stationary)
        eigenvalues = np.sort(np.abs(np.linalg.eigvals(np.array(self.matrix))))[::-1]
        return {"populations": populations, "timescales_frames": -1 / np.log(eigenvalues[1:4])}


def _row_of(stay, leave):
    """Six states in a row: three lumps of two, with a narrow passage between them."""
    matrix = np.zeros((6, 6))
    for i in range(5):
        rate = leave if i % 2 else stay
        matrix[i, i + 1] = matrix[i + 1, i] = rate
    return tuple(map(tuple, (matrix + np.diag(1 - matrix.sum(axis=1))).tolist()))


TASKS = {
    "three-state-v1": Task(
        "A Markov chain of three states; the slowest relaxation takes 50 frames.",
        ((0.98, 0.02, 0.0), (0.03, 0.94, 0.03), (0.0, 0.02, 0.98)),
        (0, 1, 2),
        4000,
        2026,
        "eec67a0b29815259a850682e597d7751490cb7da7d111f831cb502c6933f3759",
    ),
    "lumped-v1": Task(
        "Six states in a row seen as three: a passage is forgotten only when the lump is crossed.",
        _row_of(0.1, 0.03),
        (0, 0, 1, 1, 2, 2),
        4000,
        2027,
        "b272f20fdb4493f7f8026cc795d962366fbf760eca451c18b737418271c60e61",
    ),
    "rare-v1": Task(
        "Four states, two and two; the barrier between the pairs is crossed once in 500 frames.",
        ((0.9, 0.1, 0.0, 0.0), (0.1, 0.896, 0.004, 0.0), (0.0, 0.004, 0.896, 0.1), (0.0, 0.0, 0.1, 0.9)),
        (0, 1, 2, 3),
        8000,
        2028,
        "56e486061989d28bcba3f17a464346b3b10dc388701b3092dce16f99674b1235",
    ),
}


@dataclass
class BenchSettings(OneStageSettings):
    """Settings of the benchmark of kinetics."""

    GROUP = "models"

    task: str = positional(f"One of {', '.join(TASKS)}.")
    out: str = setting("bench", "Folder of the tasks.")
    models: str = setting("msm,semi-markov,history-msm", "Models to fit and score; empty: none.")
    generated: list[str] = setting([], "NAME=PATTERN: token files that another program generated.")
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

    folder = Path(settings.out) / settings.task
    parts = make_task(settings.task, folder)
    n_states = 1 + max(int(d.max()) for dtrajs in parts.values() for d in dtrajs)
    generated = {name: _tokens(name, files, n_states) for name, files in by_name(settings.generated).items()}
    if settings.models:
        make_models(settings.models, progress=False)  # an unknown name is said before anything is computed
    rows = []
    for seed in settings.seeds if settings.models else settings.seeds[:1]:
        models = {}
        if settings.models:
            steps = settings.training_steps or None
            models = make_models(settings.models, np.arange(n_states), seed, steps, settings.progress)
        given = generated if seed == settings.seeds[0] else {}
        card = score(
            {**models, **given},
            parts["train"],
            parts["test"],
            1.0,
            validation=parts["validation"],
            lagtime=10,
            seed=seed,
            progress=settings.progress,
        )
        rows += [_row(name, seed, card, TASKS[settings.task]) for name in card.content["models"]]
    write_json(folder / "rows.json", {"task": settings.task, "rows": rows})
    with whole(folder / "rows.csv") as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    sys.stdout.write(f"{rows_text(rows)}\n\n{folder / 'rows.csv'}\n")


def make_task(name: str, folder: Path) -> dict[str, list[np.ndarray]]:
    """The trajectories of a task, made if they are not there, and held against the hash that is part of mdtok.

    Raises
    ------
    DataError
        They are not those of the task.
    """
    task = TASKS[name]
    if not (folder / "task.json").exists():
        parts = task.make()
        for part, dtrajs in parts.items():
            with whole(folder / part) as partial:
                partial.mkdir(parents=True)
                for k, dtraj in enumerate(dtrajs):
                    np.save(partial / f"{k:02d}.npy", dtraj, allow_pickle=False)
        about = {"name": name, "what": task.what, "seed": task.seed, "sha256": hash_of(parts), "exact": task.exact()}
        write_json(folder / "task.json", about)
    elif read_json(folder / "task.json").get("name") != name:
        raise DataError(f"{folder} holds another task; choose another --out.")
    parts = {
        part: [dtraj.astype(np.int16) for _, dtraj in load_named_dtrajs(str(folder / part / "*.npy"))]
        for part in _PARTS
    }
    if hash_of(parts) != task.sha256:
        raise DataError(
            f"The files in {folder} are not those of {name} (their hash is {hash_of(parts)[:12]}…, {task.sha256[:12]}… "
            "was expected); remove the folder and make it again."
        )
    return {part: [dtraj.astype(np.int64) for dtraj in dtrajs] for part, dtrajs in parts.items()}


def hash_of(parts: dict[str, list[np.ndarray]]) -> str:
    """SHA-256 of all tokens, as little-endian 16-bit numbers, trajectory after trajectory."""
    digest = hashlib.sha256()
    for part in _PARTS:
        for dtraj in parts[part]:
            digest.update(np.asarray(dtraj, dtype="<i2").tobytes())
    return digest.hexdigest()


def _tokens(name, files, n_states):
    found = [dtraj for _, dtraj in load_named_dtrajs(files)]
    wrong = max(int(dtraj.max()) for dtraj in found)
    if wrong >= n_states:
        raise DataError(f"{name} holds the token {wrong}; those of the task are 0 to {n_states - 1}.")
    return found


def _row(name, seed, card, task):
    row = card.content["models"][name]
    times = row["timescales_ps"][str(card.content["lagtime_frames"])]["value"]
    ratio = float(np.ravel(times)[0]) / float(task.exact()["timescales_frames"][0])
    mfpt, reference = (np.asarray(r["mfpt_ps"]["value"], dtype=float) for r in (row, card.content["md"]))
    apart = ~np.eye(len(mfpt), dtype=bool) & np.isfinite(reference)
    with np.errstate(divide="ignore"):
        worst = np.abs(np.log(mfpt[apart] / reference[apart])).max(initial=0.0)
    nats = row["nll_nats_per_token"]
    return {
        "model": name,
        "seed": seed,
        "verdict": status(row),
        **{column: float(f"{float(row['equivalent_md_ps']['all'][part]):.3g}") for column, part in zip(_WORTH, PARTS)},
        "nats_per_token": None if nats is None else round(float(nats["value"]), 5),
        "slowest_factor": round(ratio, 3),
        "worst_mfpt_factor": round(float(np.exp(worst)), 3),
    }


def rows_text(rows: list[dict]) -> str:
    """The rows as lines of text."""
    lines = ["".join(f"{column:<18}" for column in _COLUMNS)]
    lines += ["".join(f"{'-' if row[column] is None else row[column]!s:<18}" for column in _COLUMNS) for row in rows]
    return "\n".join(lines)
