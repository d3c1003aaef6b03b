"""What columns of a table mean: angles and other periodic ones, a bias, what only grows or stands still."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Sequence

import numpy as np

from mdtok.errors import DataError, SettingsError

log = logging.getLogger(__name__)

# Of PLUMED: what a bias acts with, not where the system is.
_OF_A_BIAS = re.compile(
    r"(.*\.)?(bias|rbias|rct|work|force2|acc|neff|zed|nker|maxbias|.*_(bias|force2|kappa|cntr|work))"
    r"|sigma_.*|height|biasf"
)
_OF_HILLS = {"height", "biasf"}
_ANGLES = re.compile(r".*(phi|psi|omega|chi\d?|tor(sion)?|dih(edral)?).*", re.IGNORECASE)
_DEGREES = "degrees"


def refuse_hills(name: str, names: list[str]) -> None:
    """Refuse the file in which metadynamics keeps its Gaussians."""
    if set(names) >= _OF_HILLS or ("height" in names and any(one.startswith("sigma_") for one in names)):
        raise DataError(
            f"{name} is a HILLS file: the Gaussians of metadynamics (sigma, height), not a trajectory; give the COLVAR."
        )


def of_a_bias(names: list[str]) -> list[str]:
    """The columns that belong to a bias."""
    return [name for name in names if _OF_A_BIAS.fullmatch(name)]


def that_only_grow(arrays: list[np.ndarray], names: list[str]) -> list[str]:
    """Columns that grow from each row to the next, in every file: time, step, wall time."""
    return [
        name
        for k, name in enumerate(names)
        if all(len(array) > 9 and (np.diff(array[:, k]) > 0).all() for array in arrays)
    ]


def that_are_constant(arrays: list[np.ndarray], names: list[str]) -> list[str]:
    """Columns of one value in all files together."""
    return [
        name
        for k, name in enumerate(names)
        if min(array[:, k].min() for array in arrays) == max(array[:, k].max() for array in arrays)
        and sum(map(len, arrays)) > 9
    ]


def periods_asked(periodic: Sequence[str | int]) -> dict:
    """What ``periodic`` says: column -> (lower end, upper end).

    Parameters
    ----------
    periodic : list of str or int
        ``phi`` (radians), ``phi=degrees``, or ``d=0:1.5`` from where to where.

    Examples
    --------
    >>> periods_asked(["d=0:1.5", "phi=degrees"])
    {'d': (0.0, 1.5), 'phi': (-180.0, 180.0)}
    """
    found = {}
    for entry in periodic:
        column, equals, said = str(entry).rpartition("=") if isinstance(entry, str) else (entry, "", "")
        if not equals:
            found[entry] = (-math.pi, math.pi)
        elif said.lower() in ("radians", "rad"):
            found[column] = (-math.pi, math.pi)
        elif said.lower() in (_DEGREES, "deg"):
            found[column] = (-180.0, 180.0)
        else:
            found[column] = _ends(entry, said)
    return found


def _ends(entry, said):
    low, _, high = said.partition(":")
    try:
        ends = float(low), float(high)
    except ValueError:
        ends = (0.0, 0.0)
    if not (math.isfinite(ends[0]) and math.isfinite(ends[1]) and ends[1] > ends[0]):
        raise SettingsError(f"periodic is {entry!r}; NAME, NAME=degrees or NAME=LOW:HIGH was expected.")
    return ends


def as_angles(name: str, values: np.ndarray, ends: tuple[float, float], column: str) -> np.ndarray:
    """A periodic column in radians: radians stay as they are, other periods go from -pi to pi.

    Raises
    ------
    DataError
        A value lies further out than a whole period: the column has another unit.
    """
    low, high = ends
    if abs((high - low) - 2 * math.pi) < 1e-3:
        largest = np.abs(values).max()
        if largest > 2 * np.pi + 1e-3:
            raise DataError(
                f"{name}: the periodic column {column} reaches {largest:g}, more than 2 pi; if it is in degrees, say "
                f"--periodic {_on_a_line(column, f'={_DEGREES}')}."
            )
        return values
    out = np.maximum(values.max() - high, low - values.min())
    if out > high - low:
        raise DataError(
            f"{name}: the periodic column {column} goes from {values.min():g} to {values.max():g}, far out of its "
            f"period of {low:g} to {high:g}."
        )
    if abs((high - low) - 360.0) < 1e-6:
        return np.radians(values)
    return (values - low) / (high - low) * 2 * math.pi - math.pi


def _on_a_line(column, said):
    """As it is typed in a shell: a name with a space in quotes."""
    return f"'{column}{said}'" if " " in column else column + said


def point_out_angles(arrays: list[np.ndarray], names: list[str], is_periodic: np.ndarray) -> None:
    """Say which columns look like angles but are taken as lengths: their name is one's, or they fill the circle."""
    for k in np.flatnonzero(~np.asarray(is_periodic, dtype=bool)):
        low, high = min(a[:, k].min() for a in arrays), max(a[:, k].max() for a in arrays)
        largest = max(-low, high)
        for half, unit, said in ((math.pi, "radians", ""), (180.0, _DEGREES, f"={_DEGREES}")):
            fills = low < -0.95 * half and high > 0.95 * half
            is_named = (
                bool(_ANGLES.fullmatch(names[k])) and low < 0 < high and largest > (0.3 if unit == "radians" else 4)
            )
            if largest <= half * 1.001 and (fills or is_named):
                log.warning(
                    "The column %s (%.3g to %.3g) looks like an angle in %s and is taken as a length: its two ends "
                    "count "
                    "as far apart. Say --periodic %s if it is one.",
                    *(names[k], low, high, unit, _on_a_line(names[k], said)),
                )
                break
