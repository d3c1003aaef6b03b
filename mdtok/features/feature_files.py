"""Features that somebody else computed, from files: one table, checked, for all of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mdtok.errors import DataError, SettingsError
from mdtok.features.arrays import first_not_finite
from mdtok.features.columns import (
    as_angles,
    of_a_bias,
    periods_asked,
    point_out_angles,
    refuse_hills,
    that_are_constant,
    that_only_grow,
)
from mdtok.features.tables import RawTable, read_tables
from mdtok.md.files import find_files
from mdtok.md.frame_times import common_spacing, overruled, spacing_of_rows, without_repeats

log = logging.getLogger(__name__)


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
    files : list of str
        Where each array comes from.
    remarks : list of str
        What a reader of the results has to know of the data.
    """

    arrays: list
    names: list
    periodic: np.ndarray
    dt_ps: float | None
    files: list = field(default_factory=list)
    remarks: list = field(default_factory=list)


def load_features(
    paths: str | Path | Sequence[str | Path],
    columns: str | Sequence[str | int] | None = None,
    periodic: str | Sequence[str | int] | None = None,
    dt_ps: float | None = None,
) -> FeatureTable:
    """Read features from files, one trajectory a file: ``.npy``, ``.npz``, COLVAR, ``.xvg``, ``.csv``.

    A COLVAR file names its columns (``#! FIELDS time phi psi``), says which are periodic (``#! SET min_phi -pi``) and
    has the time of each frame, read as picoseconds (PLUMED's default unit). Rows that a restart repeats are left out.
    So are columns of a bias, columns that only grow (a wall time) and constant ones, unless `columns` names them; each
    is said. Each array of an ``.npz`` is a trajectory.

    Parameters
    ----------
    paths : str, path-like or list of these
        Files or patterns. Arrays are (n_frames, n_features), or (n_frames,) for one column.
    columns : str, or list of str or int, optional
        Columns to keep, in this order, by name or by position (from 0, the time column not counted); ``"phi psi"`` is a
        list too. An array carries no names: give one name for each of its columns, or positions.
    periodic : str, or list of str or int, optional
        Columns that are angles in radians, named as in `columns`; ``phi=degrees``; or ``d=0:1.5``, a period from where
        to where. Those that a COLVAR file declares are added. All become angles in radians.
    dt_ps : float, optional
        Picoseconds between frames, whatever the files say.

    Returns
    -------
    FeatureTable

    Raises
    ------
    DataError
        A file is missing or no table, a HILLS file, holds NaN or infinity, degrees instead of radians, frames not
        equally far apart, or other columns or another time step than the first file.
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
    columns, asked = _as_list(columns), periods_asked(_as_list(periodic) or [])
    raw = [_named(table, columns) for path in find_files(paths) for table in read_tables(path)]
    first = raw[0]
    for table in raw[1:]:
        if columns is None and sorted(table.names) != sorted(first.names):
            raise DataError(
                f"{table.name} has the columns {_join(table.names)}, {first.name} {_join(first.names)}; pass columns=."
            )
    kept, remarks = _choose(raw, columns)
    asked = {first.names[_position(first.name, first.names, column)]: ends for column, ends in asked.items()}
    for name in asked:
        if name not in kept:
            raise SettingsError(f"periodic names {name}, which is not among the columns to keep.")
    limits = [_limits(table, kept, asked) for table in raw]
    for table, of_table in zip(raw, limits):
        if of_table.keys() != limits[0].keys():
            raise DataError(
                f"{table.name} and {first.name} declare different columns as periodic; pass periodic= for all of them."
            )
    arrays, spacings = zip(*(_frames(table, kept, ends, dt_ps) for table, ends in zip(raw, limits)))
    is_periodic = np.array([name in limits[0] for name in kept], dtype=bool)
    point_out_angles(list(arrays), kept, is_periodic)
    files = [table.name for table in raw]
    return FeatureTable(list(arrays), kept, is_periodic, common_spacing(files, spacings, dt_ps), files, remarks)


def _named(table, columns):
    """A table with the names that the caller gives where the file gives none."""
    refuse_hills(table.name, table.names)
    if table.named or columns is None:
        return table
    if not all(_is_position(column) or column in table.names for column in columns):
        if len(columns) != len(table.names) or any(map(_is_position, columns)):
            raise SettingsError(
                f"{table.name} carries no names and has {len(table.names)} columns; give a name for each, "
                f"or positions, not {_join(columns)}."
            )
        table.names = list(columns)
    return table


def _choose(tables: list[RawTable], columns):
    """Names of the columns to keep, and what is to be remarked of the data."""
    first, remarks = tables[0], []
    biased = of_a_bias(first.names)
    if biased:
        remarks.append(
            f"{first.name} has columns of a bias ({_join(biased)}): the simulation was biased. Populations and "
            f"kinetics "
            "made of it are those of the biased system; nothing is weighted back."
        )
        log.warning("%s", remarks[-1])
    if columns is not None:
        kept = [first.names[_position(first.name, first.names, column)] for column in columns]
        if len(set(kept)) < len(kept):
            raise SettingsError(f"columns names a column of {first.name} twice ({_join(columns)}); name each once.")
        for table in tables[1:]:
            for name in kept:
                _position(table.name, table.names, name)
        return kept, remarks
    arrays = [table.array[:, [table.names.index(name) for name in first.names]] for table in tables]
    growing = [name for name in that_only_grow(arrays, first.names) if name not in biased]
    constant = [name for name in that_are_constant(arrays, first.names) if name not in biased]
    for names, what in ((biased, "of a bias"), (growing, "which only grow"), (constant, "which are constant")):
        if names:
            log.warning("Left out are the columns %s (%s); name what you want with --columns.", what, _join(names))
    kept = [name for name in first.names if name not in {*biased, *growing, *constant}]
    if not kept:
        raise DataError(
            f"{first.name} has no column that tells of states (of {_join(first.names)}); name some with --columns if "
            "they are wanted."
        )
    return kept, remarks


def _limits(table, kept, asked):
    """From where to where each periodic column goes: as the caller says, else as the file does."""
    return {name: asked.get(name, table.limits.get(name)) for name in kept if name in asked or name in table.limits}


def _frames(table, kept, limits, dt_ps):
    """The columns to keep, float32, and the time between rows."""
    array, times = table.array[:, [table.names.index(name) for name in kept]].astype(float), table.times
    wrong = first_not_finite(array)
    if wrong:
        raise DataError(
            f"{table.name} holds {array[wrong]} in data row {wrong[0]}, column {kept[wrong[1]]}; mend or cut that row."
        )
    if times is not None and not np.isfinite(times).all():
        raise DataError(f"{table.name} holds a time that is no number; mend or cut that row.")
    rows = slice(None) if times is None or overruled(table.name, times, dt_ps) else without_repeats(table.name, times)
    spacing = None
    if times is not None and dt_ps is None:
        spacing = spacing_of_rows(table.name, times[rows])
    array = array[rows]
    for k, name in enumerate(kept):
        if name in limits:
            array[:, k] = as_angles(table.name, array[:, k], limits[name], name)
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    wrong = first_not_finite(array)
    if wrong:
        raise DataError(f"{table.name} holds a number in data row {wrong[0]} that is too large; mend or cut that row.")
    return array, spacing


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
