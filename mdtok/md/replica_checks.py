"""What is wrong with replicas that ran: those that blew up, and those of another temperature than was asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mdtok.errors import RunFolderError
from mdtok.storage import read_json, write_json

_BLOWN_UP = "blown_up.json"
_N_BLOCKS = 10
_FALSE_ALARM = 1e-3  # of all replicas of a run together
_SHARE_OFF = 0.03  # a time step of 4 fs with heavy hydrogens is off by a hundredth; three are a fault


def say_blown_up(folder: Path, message: str) -> None:
    """Leave word that a replica blew up: it is neither run on nor analysed."""
    write_json(folder / _BLOWN_UP, {"message": message})


def blown_up(folder: Path) -> str | None:
    """What was said when the replica blew up; None if it did not."""
    path = folder / _BLOWN_UP
    return str(read_json(path).get("message")) if path.exists() else None


def remarks_on(folders: list[Path]) -> list[str]:
    """What a reader of the results has to know of the replicas in these folders.

    A temperature is said to be wrong if its mean is off by over 3 %, and by more than the spread of ten time blocks
    allows (Student's t; one false alarm in a thousand runs).
    """
    from scipy.stats import t as student  # here, so that workers do not import it

    blown = [folder.name for folder in folders if blown_up(folder)]
    found = []
    if blown:
        found.append(f"{len(blown)} of {len(folders)} replicas blew up and are left out: {', '.join(blown)}.")
    wrong = []
    for folder in folders:
        mean, error = _temperature(folder)
        target = _target(folder)
        if folder.name in blown or target is None or not np.isfinite(mean):
            continue
        allowed = student.isf(_FALSE_ALARM / (2 * len(folders)), _N_BLOCKS - 1) * error
        if abs(mean - target) > max(allowed, _SHARE_OFF * target):
            wrong.append(f"{folder.name} {mean:.0f} K")
    if wrong:
        found.append(
            f"The temperature of {len(wrong)} of {len(folders)} replicas is not that of the thermostat: "
            f"{', '.join(wrong[:5])}. A shorter time step, or more friction, mends that."
        )
    return found


def _target(folder):
    try:
        target = read_json(folder / "settings.json").get("temperature_kelvin")
    except RunFolderError:
        return None
    return float(target) if isinstance(target, (int, float)) else None


def _temperature(folder):
    """Mean and its standard error, from ten time blocks; NaN where there are too few rows, or no velocities."""
    path = folder / "state.csv"
    lines = path.read_text(encoding="utf-8").splitlines()[1:] if path.exists() else []
    values = np.array([float(line.rsplit(",", 1)[1]) for line in lines if line.count(",") == 3])
    values = values[len(values) // 10 :]  # the first tenth may still be warming up
    if len(values) < 2 * _N_BLOCKS or not np.isfinite(values).all():
        return np.nan, np.nan
    blocks = np.array([block.mean() for block in np.array_split(values, _N_BLOCKS)])
    return values.mean(), blocks.std(ddof=1) / np.sqrt(_N_BLOCKS)
