"""Tables of numbers in files: ``.npy``, ``.npz``, COLVAR of PLUMED, XVG of GROMACS, CSV."""

from __future__ import annotations

import gzip
import io
import logging
import math
import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mdtok.errors import DataError
from mdtok.storage import read_npy, read_npz

log = logging.getLogger(__name__)

FORMATS = ".npy, .npz, COLVAR of PLUMED (also gzipped), .xvg of GROMACS, .csv"
_TIME = re.compile(r"t|time|time ?[(\[]ps[)\]]", re.IGNORECASE)
_MOST_UNPACKED = 200  # times the size of a gzipped file; numbers pack ten times at most
_NUMBERS = re.compile(r"[0-9+\-.eEnaifNAIF\s,;]*")  # nan and inf are named later, with their column


@dataclass
class RawTable:
    """What a file holds: numbers, and what it says of them.

    Attributes
    ----------
    name : str
        Of the file, and of the array in it where there are several.
    array : ndarray, shape (n_frames, n_columns)
        Without the time.
    names : list of str
    named : bool
        Whether the file gives names; ``column 0``, … otherwise.
    limits : dict of str -> (float, float)
        Lower and upper end of the columns that the file declares as periodic.
    times : ndarray or None
        Of the rows, in ps.
    """

    name: str
    array: np.ndarray
    names: list
    named: bool = True
    limits: dict = field(default_factory=dict)
    times: np.ndarray | None = None


def read_tables(path: Path) -> list[RawTable]:
    """All tables of a file: one, or one an array of an ``.npz``.

    Raises
    ------
    DataError
        It is none of the formats, damaged, empty, or ragged.
    """
    if path.suffix == ".npy":
        return [_of_array(str(path), read_npy(path, error=DataError))]
    if path.suffix == ".npz":
        arrays = read_npz(path, error=DataError)
        if not arrays:
            raise DataError(f"{path} holds no array; leave it out.")
        return [_of_array(f"{path}:{key}" if len(arrays) > 1 else str(path), array) for key, array in arrays.items()]
    return [_of_text(path, _read_text(path))]


def _of_array(name, array):
    array = array[:, None] if array.ndim == 1 else array
    if array.dtype.kind not in "fiu" or array.ndim != 2 or 0 in array.shape:
        raise DataError(
            f"{name} holds {array.dtype} of shape {array.shape}; numbers of shape (n_frames, n_features) were expected."
        )
    return RawTable(name, array, _numbered(array.shape[1]), named=False)


def _read_text(path):
    """Lines of a text file, gzipped or not."""
    try:
        content = path.read_bytes()
        if content.startswith(b"\x1f\x8b"):
            content = _unpacked(content)
        text = content.decode("utf-8")
    except (OSError, EOFError, ValueError, zlib.error) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path} cannot be read as a table of numbers ({reason}); known are {FORMATS}.") from None
    lines = text.splitlines()
    if lines and not text.endswith("\n"):
        lines = _without_cut_row(path, lines)
    return lines


def _unpacked(content):
    most, pieces = _MOST_UNPACKED * len(content) + 1_000_000, []
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        while piece := file.read(2**20):
            pieces.append(piece)
            if len(pieces) * 2**20 > most:
                raise ValueError(f"it unpacks to over {most / 1e6:.0f} MB")
    return b"".join(pieces)


def _without_cut_row(path, lines):
    """A last row of fewer numbers, without its end, is still being written."""
    rows = [line for line in lines[:-1] if line.strip() and line.lstrip()[0] not in "#@"]
    if rows and len(lines[-1].replace(",", " ").split()) < len(rows[-1].replace(",", " ").split()):
        log.warning("%s ends within a row (is it still being written?); that row is left out.", path)
        return lines[:-1]
    return lines


def _of_text(path, lines):
    if path.suffix == ".xvg" or any(line.startswith("@ ") for line in lines[:200]):
        fields, limits, delimiter = _xvg_header(lines), {}, None
    elif any(line.split()[:2] == ["#!", "FIELDS"] for line in lines[:10_000] if line.startswith("#!")):
        fields, limits = _colvar_header(path, lines)
        delimiter = None
    else:
        fields, limits, delimiter, lines = _plain_header(path, lines)
    rows = [(k, line) for k, line in enumerate(lines) if line.strip() and line.lstrip()[0] not in "#@"]
    if not rows:
        raise DataError(f"{path} holds no row of numbers; leave it out.")
    array = _numbers(path, rows, delimiter)
    if fields is None:
        return _without_names(path, array)
    if array.shape[1] != len(fields):
        raise DataError(
            f"{path} has {array.shape[1]} columns of numbers, but names {len(fields)} ({', '.join(fields)}); mend the "
            "header."
        )
    if len(set(fields)) < len(fields):
        twice = next(name for name in fields if fields.count(name) > 1)
        raise DataError(f"{path} names the column {twice} twice; mend the header.")
    at_time = [k for k, name in enumerate(fields) if _TIME.fullmatch(name)][:1]
    kept = [k for k in range(len(fields)) if k not in at_time]
    if not kept:
        raise DataError(f"{path} has no column but the time; print a collective variable into it.")
    times = array[:, at_time[0]] if at_time else None
    return RawTable(str(path), array[:, kept], [fields[k] for k in kept], True, limits, times)


def _without_names(path, array):
    """A table of numbers only: its first column is the time if it grows by equal steps."""
    steps = np.diff(array[:, 0])
    is_time = len(steps) > 2 and steps[0] > 0 and np.allclose(steps, steps[0], rtol=1e-3, atol=0)
    if not is_time or array.shape[1] == 1:
        return RawTable(str(path), array, _numbered(array.shape[1]), named=False)
    log.warning("%s has no header: its first column, which grows by equal steps, is taken as the time in ps.", path)
    return RawTable(str(path), array[:, 1:], _numbered(array.shape[1] - 1), named=False, times=array[:, 0])


def _numbers(path, rows, delimiter):
    for number, line in rows:
        if not _NUMBERS.fullmatch(line):
            raise DataError(f"{path} has {line.strip()[:40]!r} in line {number + 1}; numbers were expected.")
    try:
        return np.loadtxt([line for _, line in rows], delimiter=delimiter, ndmin=2, comments=None)
    except ValueError as error:
        widths = [len(line.replace(delimiter or " ", " ").split()) for _, line in rows]
        odd = next((k for k, width in enumerate(widths) if width != widths[0]), None)
        if odd is not None:
            raise DataError(
                f"{path} has {widths[0]} numbers in line {rows[0][0] + 1} and {widths[odd]} in line "
                f"{rows[odd][0] + 1}; "
                "mend or cut that line."
            ) from None
        raise DataError(f"{path} cannot be read as a table of numbers ({' '.join(str(error).split())}).") from None


def _colvar_header(path, lines):
    """Column names and declared ranges; the header may stand in the file again after each restart."""
    fields, ranges = None, {}
    for line in lines:
        if not line.startswith("#!"):
            continue
        words = line.split()
        if words[1:2] == ["FIELDS"]:
            if fields is not None and words[2:] != fields:
                raise DataError(
                    f"{path} changes its columns from {', '.join(fields)} to {', '.join(words[2:])}; split it there."
                )
            fields = words[2:]
        elif words[1:2] == ["SET"] and len(words) == 4 and words[2].startswith(("min_", "max_")):
            ranges.setdefault(words[2][4:], {})[words[2][:3]] = _plumed_number(words[3])
    if not fields:
        raise DataError(f"{path} names no column in its line '#! FIELDS'; mend the header.")
    limits = {}
    for name, ends in ranges.items():
        low, high = ends.get("min"), ends.get("max")
        if name in fields and (low is None or high is None or not high > low):
            raise DataError(
                f"{path} declares the column {name} as periodic, but not from where to where; mend its SET."
            )
        limits[name] = (low, high)
    return fields, limits


def _plumed_number(text):
    """A number as PLUMED writes it: 1.5, pi, -pi, 2pi, 2*pi; None where it is none of these."""
    match = re.fullmatch(r"([+-]?)(\d*\.?\d*(?:[eE][+-]?\d+)?)\*?(pi)?", text)
    if not match or not (match[2] or match[3]):
        return None
    try:
        return float(match[1] + (match[2] or "1")) * (math.pi if match[3] else 1.0)
    except ValueError:
        return None


def _xvg_header(lines):
    """``time`` and the legends that GROMACS gives; None where there are none."""
    legends = [match[1] for line in lines if (match := re.match(r'@\s*s\d+\s+legend\s+"(.*)"', line))]
    axis = next((match[1] for line in lines if (match := re.match(r'@\s*xaxis\s+label\s+"(.*)"', line))), "")
    if not legends:
        label = next((match[1] for line in lines if (match := re.match(r'@\s*yaxis\s+label\s+"(.*)"', line))), "y")
        legends = [label]
    return ["time" if axis.lower().startswith("time (ps") else axis or "x", *legends]


def _plain_header(path, lines):
    """Names of a table separated by commas, semicolons, tabs or blanks; None where there is no line of names."""
    first = next((k for k, line in enumerate(lines) if line.strip() and line.lstrip()[0] not in "#@"), None)
    if first is None:
        return None, {}, None, lines
    line = lines[first]
    delimiter = next((mark for mark in (",", ";", "\t") if mark in line), None)
    if _NUMBERS.fullmatch(line) and any(character.isdigit() for character in line):
        return None, {}, delimiter, lines
    words = [word.strip().strip("\"'") for word in line.split(delimiter)]
    if path.suffix != ".csv" and delimiter is None:
        raise DataError(
            f"{path} is none of {FORMATS}: {line.strip()[:40]!r} stands where numbers or '#! FIELDS …' were expected."
        )
    if not all(words):
        raise DataError(f"{path} has a column without a name in its first line; name each.")
    return words, {}, delimiter, ["", *lines[first + 1 :]]


def _numbered(n_columns):
    return [f"column {k}" for k in range(n_columns)]
