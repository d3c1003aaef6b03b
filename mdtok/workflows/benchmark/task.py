"""A task of the benchmark: trajectories that everyone has alike, how they are split, and what is known of them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from mdtok.errors import DataError
from mdtok.storage import load_arrays, read_json, save_arrays, write_json

PARTS = ("train", "validation", "test")
Split = dict[str, list[np.ndarray]]


class Task:
    """What is the same for everyone who scores a model; its name ends with its version.

    A folder of a task holds ``train/``, ``validation/`` and ``test/`` with a file of tokens a trajectory, the same
    under ``features/`` where the tokens are made of numbers, and ``task.json``.

    Attributes
    ----------
    what : str
        One sentence for people.
    split : tuple of int
        Trajectories to train, to validate, to test.
    dt_ps : float
        Between frames.
    lagtime : int
        Frames, of the populations and of the row's timescale.
    sha256 : str or None
        Of all tokens, in the order of the parts. None for molecular dynamics, whose last bits hang on the
        machine: there the hash of what was made stands in ``task.json`` and in every row.
    """

    what: str
    split: tuple[int, int, int]
    dt_ps: float = 1.0
    lagtime: int = 10
    sha256: str | None = None

    def simulate(self, folder: Path, progress: bool) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
        """All trajectories: tokens, and the features that they are made of where there are some."""
        raise NotImplementedError

    @property
    def n_states(self) -> int:
        """Number of tokens."""
        raise NotImplementedError

    @property
    def n_features(self) -> int:
        """Columns of the features that the tokens are made of; 0: tokens only."""
        return 0

    @property
    def angles(self) -> list[str]:
        """Columns that are angles, by position, as `mdtok.load_features` takes them."""
        return []

    @property
    def macrostates(self) -> np.ndarray:
        """Macrostate of each token, shape (n_states,)."""
        return np.arange(self.n_states)

    @property
    def macrostate_names(self) -> list[str] | None:
        """Their names, where they have some."""
        return None

    def assign(self, features: np.ndarray) -> np.ndarray:
        """Tokens of features, shape (n_frames,)."""
        raise DataError("This task has tokens only; int arrays of shape (n_frames,) were expected.")

    def exact(self) -> dict[str, Any]:
        """Populations of the tokens and the slowest timescales in frames, where they are known; else nothing."""
        return {}


def make_task(name: str, task: Task, folder: Path, progress: bool = True) -> Split:
    """The tokens of a task, made if they are not there, and held against their hash.

    Raises
    ------
    DataError
        The folder is another task's, or its files are not those of the task.
    """
    if not (folder / "task.json").exists():
        tokens, features = task.simulate(folder, progress)
        for kind, arrays in (("", tokens), ("features", features or [])):
            for part, group in _in_parts(arrays, task.split).items():
                save_arrays(folder / kind / part, group)
        about = {"name": name, "what": task.what, "sha256": hash_of(_in_parts(tokens, task.split)), **_facts(task)}
        write_json(folder / "task.json", about)
    about = read_json(folder / "task.json")
    if about.get("name") != name:
        raise DataError(f"{folder} holds another task; choose another --out.")
    parts = {part: [np.asarray(dtraj) for dtraj in load_arrays(folder / part)] for part in PARTS}
    found, expected = hash_of(parts), task.sha256 or about["sha256"]
    if found != expected:
        raise DataError(
            f"The files in {folder} are not those of {name} (their hash is {found[:12]}…, {expected[:12]}… was "
            "expected); remove the folder and make it again."
        )
    return {part: [dtraj.astype(np.int64) for dtraj in dtrajs] for part, dtrajs in parts.items()}


def hash_of(parts: Split) -> str:
    """SHA-256 of all tokens, as little-endian 16-bit numbers, trajectory after trajectory."""
    digest = hashlib.sha256()
    for part in PARTS:
        for dtraj in parts[part]:
            digest.update(np.asarray(dtraj, dtype="<i2").tobytes())
    return digest.hexdigest()


def _in_parts(arrays, split) -> Split:
    first = np.cumsum([0, *split])
    return {part: list(arrays[a:b]) for part, a, b in zip(PARTS, first, first[1:])} if arrays else {}


def _facts(task):
    names = task.macrostate_names
    return {
        "dt_ps": task.dt_ps,
        "lagtime_frames": task.lagtime,
        "macrostates": task.macrostates,
        **({"macrostate_names": names} if names else {}),
        "exact": task.exact(),
    }
