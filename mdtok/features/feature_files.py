"""Features that somebody else computed: ``.npy`` arrays and the COLVAR files of PLUMED."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mdtok.errors import DataError, SettingsError
from mdtok.features.arrays import first_not_finite
from mdtok.md.files import find_files, one_line


@dataclass(frozen=True)
class FeatureTable:
    """Features from files: one array a file, the same columns in all of them.

    Attributes
    ----------
    arrays : list of ndarray of float32, shape (n_frames, n_features) each
    names : list of str
    periodic : ndarray of bool, shape (n_features,)
        Which columns are angles in radians; `encode_periodic` puts these on the circle.
    dt_ps : float or None
        Picoseconds between frames, None where neither the files nor the caller tell.
    """

    arrays: list
    names: list
    periodic: np.ndarray
    dt_ps: float | None


def load_features(
    paths: str | Path | Sequence[str | Path],
    columns: str | Sequence[str | int] | None = None,
    periodic: str | Sequence[str | int] | None = None,
    dt_ps: float | None = None,
) -> FeatureTable:
    """Read features from ``.npy`` arrays and PLUMED COLVAR files, one trajectory a file.

    A COLVAR file names its columns (``#! FIELDS time phi psi``), says which are angles (``#! SET min_phi -pi``) and has
    the time of each frame, read as picoseconds (PLUMED's default unit). Headers that a restart repeats are allowed;
    frames that a restart repeats are not, since kinetics need frames that are equally far apart.

    Parameters
    ----------
    paths : str, path-like or list of these
        Files or patterns. Arrays are (n_frames, n_features), or (n_frames,) for one column.
    columns : str, or list of str or int, optional
        Columns to keep, in this order, by name or by position (from 0, the time column not counted); ``"phi psi"`` is a
        list too. An array carries no names: give one name for each of its columns, or positions.
    periodic : str, or list of str or int, optional
        Columns that are angles in radians, named as in `columns`; those that a COLVAR file declares are added.
    dt_ps : float, optional
        Picoseconds between frames; checked against files that carry time.

    Returns
    -------
    FeatureTable

    Raises
    ------
    DataError
        A file is missing or no table, holds NaN or infinity, degrees instead of radians, frames not equally far apart,
        or other columns or another time step than the first file.
    SettingsError
        A column was named that is not there.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "COLVAR"
    >>> _ = path.write_text('''#! FIELDS time phi d
    ... #! SET min_phi -pi
    ... #! SET max_phi pi
    ... 0.0 -1.2 0.31
    ... 0.5 -1.1 0.35
    ... ''')
    >>> table = load_features(path)
    >>> table.names, table.periodic, table.dt_ps
    (['phi', 'd'], array([ True, False]), 0.5)
    """
    if dt_ps is not None and not (np.isfinite(dt_ps) and dt_ps > 0):
        raise SettingsError(f"dt_ps is {dt_ps}; a positive number of picoseconds was expected.")
    columns, periodic = _as_list(columns), _as_list(periodic) or []
    tables = [_read(path, columns, periodic) for path in find_files(paths)]
    first = tables[0]
    for table in tables[1:]:
        if table.names != first.names:
            raise DataError(
                f"{table.path} has the columns {_join(table.names)}, {first.path} {_join(first.names)}; pass columns=."
            )
        if not np.array_equal(table.periodic, first.periodic):
            raise DataError(
                f"{table.path} and {first.path} declare different columns as periodic; pass periodic= for all of them."
            )
    return FeatureTable([table.array for table in tables], first.names, first.periodic, _common_dt(tables, dt_ps))


@dataclass
class _Table:
    path: object
    array: np.ndarray
    names: list
    periodic: np.ndarray
    dt_ps: float | None


def _read(path, columns, periodic):
    array, names, ranges, dt_ps = _read_npy(path, columns) if path.suffix == ".npy" else _read_colvar(path)
    kept = range(len(names)) if columns is None else [_position(path, names, column) for column in columns]
    if len(set(kept)) < len(kept):
        raise SettingsError(f"columns names a column of {path} twice ({_join(columns)}); name each once.")
    asked_periodic = {_position(path, names, column) for column in periodic}
    if asked_periodic - set(kept):
        raise SettingsError(
            f"periodic names {names[min(asked_periodic - set(kept))]}, which is not among the columns to keep."
        )
    is_periodic = np.array([i in asked_periodic or _is_angle(path, names[i], ranges) for i in kept], dtype=bool)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinity, which is refused below
        array = array[:, list(kept)].astype(np.float32)
    names = [names[i] for i in kept]
    wrong = first_not_finite(array)
    if wrong:
        raise DataError(
            f"{path} holds {array[wrong]} in data row {wrong[0]}, column {names[wrong[1]]}; mend or cut that row."
        )
    largest = np.abs(array).max(axis=0)
    for i in np.flatnonzero(is_periodic & (largest > 2 * np.pi + 1e-3)):
        raise DataError(
            f"{path}: the periodic column {names[i]} reaches {largest[i]:g}, more than 2 pi; it looks like degrees, "
            "and radians were expected (numpy.deg2rad)."
        )
    return _Table(path, array, names, is_periodic, dt_ps)


def _read_npy(path, columns):
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read as a .npy array ({one_line(error)}).") from None
    array = array[:, None] if array.ndim == 1 else array
    if array.dtype.kind not in "fiu" or array.ndim != 2 or 0 in array.shape:
        raise DataError(
            f"{path} holds {array.dtype} of shape {array.shape}; numbers of shape (n_frames, n_features) were expected."
        )
    names = [f"column {i}" for i in range(array.shape[1])]
    if columns is not None and not all(_is_position(column) or column in names for column in columns):
        if len(columns) != array.shape[1] or any(map(_is_position, columns)):
            raise SettingsError(
                f"{path} carries no names and has {array.shape[1]} columns; give a name for each, "
                f"or positions, not {_join(columns)}."
            )
        names = list(columns)
    return array, names, {}, None


def _read_colvar(path):
    try:
        fields, ranges = _colvar_header(path)
        array = np.loadtxt(path, comments="#", ndmin=2)
    except DataError:
        raise
    except ValueError as error:  # numpy's words, or bytes that are no text
        raise DataError(f"{path} cannot be read as a table of numbers ({one_line(error)}).") from None
    if array.shape[1] != len(fields):
        raise DataError(
            f"{path} has {array.shape[1]} columns of numbers, but names {len(fields)} ({_join(fields)}); mend the "
            "header."
        )
    kept = [i for i, name in enumerate(fields) if name != "time"]
    if not kept:
        raise DataError(f"{path} has no column but the time; print a collective variable into it.")
    dt_ps = _spacing(path, array[:, fields.index("time")]) if "time" in fields else None
    return array[:, kept], [fields[i] for i in kept], ranges, dt_ps


def _colvar_header(path):
    """Column names and declared ranges; the header may stand in the file again after each restart."""
    fields, ranges, n_rows = None, {}, 0
    with open(path, encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if words and not words[0].startswith("#"):
                n_rows += 1
                if fields is None:
                    break
            elif words[:2] == ["#!", "FIELDS"]:
                if fields is not None and words[2:] != fields:
                    raise DataError(
                        f"{path} changes its columns from {_join(fields)} to {_join(words[2:])}; split it there."
                    )
                fields = words[2:]
            elif words[:2] == ["#!", "SET"] and len(words) == 4 and words[2].startswith(("min_", "max_")):
                ranges.setdefault(words[2][4:], {})[words[2][:3]] = _plumed_number(words[3])
    if not fields:
        raise DataError(
            f"{path} is neither a .npy array nor a PLUMED COLVAR file (no line '#! FIELDS …' before the numbers)."
        )
    if n_rows == 0:
        raise DataError(f"{path} holds no row of numbers; leave it out.")
    return fields, ranges


def _plumed_number(text):
    """A number as PLUMED writes it: 1.5, pi, -pi, 2pi, 2*pi; None where it is none of these."""
    match = re.fullmatch(r"([+-]?)(\d*\.?\d*(?:[eE][+-]?\d+)?)\*?(pi)?", text)
    if not match or not (match[2] or match[3]):
        return None
    try:
        return float(match[1] + (match[2] or "1")) * (math.pi if match[3] else 1.0)
    except ValueError:
        return None


def _is_angle(path, name, ranges):
    """Whether the range that a COLVAR file declares for a column has the period 2 pi."""
    if name not in ranges:
        return False
    limits = ranges[name]
    period = limits["max"] - limits["min"] if None not in (limits.get("min"), limits.get("max")) else None
    if period is None or abs(period - 2 * math.pi) > 1e-3:
        raise DataError(
            f"{path} declares the column {name} as periodic, but not over 2 pi; leave it out with columns=."
        )
    return True


def _spacing(path, times):
    if len(times) < 2:
        return None
    steps = np.diff(times)
    typical = float(np.median(steps))
    odd = np.flatnonzero(~(np.abs(steps - typical) <= 1e-3 * abs(typical)))
    if len(odd) or not typical > 0:
        at = odd[0] if len(odd) else 0
        raise DataError(
            f"{path} goes from time {times[at]:g} to {times[at + 1]:g} in data row {at + 1}, "
            f"but most rows are {typical:g} ps apart (a restart?); cut the repeated rows, "
            "or split the file where rows are missing."
        )
    return float(f"{(times[-1] - times[0]) / len(steps):.6g}")


def _common_dt(tables, given):
    known = [(table.path, table.dt_ps) for table in tables if table.dt_ps is not None]
    expected = given if given is not None else (known[0][1] if known else None)
    for path, dt_ps in known:
        if abs(dt_ps - expected) > 1e-3 * expected:
            source = "was given" if given is not None else f"apart are those of {known[0][0]}"
            raise DataError(
                f"{path} has rows {dt_ps:g} ps apart, but {expected:g} ps {source}; one time step was expected."
            )
    return expected


def _as_list(columns):
    if columns is None:
        return None
    if isinstance(columns, str):
        return columns.replace(",", " ").split()
    return [columns] if isinstance(columns, (int, np.integer)) else list(columns)


def _is_position(column):
    return isinstance(column, (int, np.integer)) or (isinstance(column, str) and column.isdecimal())


def _position(path, names, column):
    if column in names:
        return names.index(column)
    if _is_position(column) and 0 <= int(column) < len(names):
        return int(column)
    raise SettingsError(f"The column {column!r} is not in {path}; it has {_join(names)}.")


def _join(names):
    return ", ".join(map(str, names))
