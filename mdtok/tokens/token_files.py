"""Discrete trajectories in files: ``.npy``, ``.npz`` and text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mdtok.errors import DataError
from mdtok.md.files import find_files
from mdtok.storage import read_npy, read_npz
from mdtok.tokens.dtrajs import are_whole_numbers

_LARGEST_TOKEN = 2**31 - 1
_TOKEN = re.compile(r"[+-]?[0-9]{1,12}(\.0*([eE][+]?0{1,2})?)?|[+-]?[0-9]\.[0-9]{1,18}[eE][+]0[0-9]")


def load_dtrajs(paths: str | Path | Sequence[str | Path]) -> list[np.ndarray]:
    """Read discrete trajectories from ``.npy``, ``.npz`` or text files (one token a line, or a row of them).

    Parameters
    ----------
    paths : path-like or list of path-like
        Files or patterns. A file is a trajectory, but for the arrays of an ``.npz`` and for text with blank lines
        between trajectories.

    Returns
    -------
    list of ndarray of int64
        Tokens as they stand in the files; see `relabel` where they do not start at 0.

    Raises
    ------
    DataError
        A file is missing, cannot be read as whole numbers of at least -1, or is empty.
    """
    return [dtraj for _, dtraj in load_named_dtrajs(paths)]


def load_named_dtrajs(paths):
    """The same as pairs of what each trajectory is called (its file, and its place where a file has several) and its
    tokens."""
    found = []
    for path in find_files(paths):
        dtrajs = _load_dtrajs(path)
        found += [(f"{path}{name}" if len(dtrajs) > 1 else str(path), dtraj) for name, dtraj in dtrajs]
    return found


def _load_dtrajs(path):
    if path.suffix == ".npy":
        read = [("", read_npy(path, error=DataError))]
    elif path.suffix == ".npz":
        read = [(f":{name}", array) for name, array in read_npz(path, error=DataError).items()]
    else:
        read = [(f" (trajectory {k})", array) for k, array in enumerate(_load_text(path))]
    if not read:
        raise DataError(f"{path} holds no token; leave it out.")
    return [(name, _as_tokens(f"{path}{name}" if len(read) > 1 else str(path), array)) for name, array in read]


def _as_tokens(name, dtraj):
    if dtraj.size == 0 or dtraj.size != max(dtraj.shape, default=1):  # a row or a column is welcome, a matrix is not
        raise DataError(f"{name} holds an array of shape {dtraj.shape}; one token a frame was expected.")
    if not are_whole_numbers(dtraj):
        raise DataError(
            f"{name} holds values that are not whole numbers; tokens were expected (features go to "
            "analyze_trajectories.py)."
        )
    if dtraj.min() < -1 or dtraj.max() > _LARGEST_TOKEN:
        odd = dtraj.min() if dtraj.min() < -1 else dtraj.max()
        raise DataError(f"{name} holds the token {odd:.0f}; 0, 1, 2, … or -1 (not assigned) were expected.")
    return dtraj.ravel().astype(np.int64)


def _load_text(path):
    """One array a trajectory, from lines of tokens; blank lines stand between trajectories."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as tokens ({error}); known are .npy, .npz and text of one whole number a line."
        ) from None
    pieces: list[list] = [[]]
    for number, line in enumerate(lines):
        words = line.split()
        if not words:
            pieces.append([])
        elif not words[0].startswith(("#", "@")):
            if not all(map(_TOKEN.fullmatch, words)):
                raise DataError(
                    f"{path} has {line.strip()[:40]!r} in line {number + 1}, which is not whole numbers; one token "
                    f"a line "
                    "was expected (features go to analyze_trajectories.py)."
                )
            pieces[-1].append(words)
    pieces = [piece for piece in pieces if piece]
    if len(pieces) > 1 and all(len(piece) == 1 and len(piece[0]) == 1 for piece in pieces):
        pieces = [[row for piece in pieces for row in piece]]  # every other line is blank: one trajectory
    found = []
    for piece in pieces:
        widths = {len(row) for row in piece}
        if len(widths) > 1 or (widths != {1} and len(piece) > 1):
            shape = (len(piece), max(widths))
            raise DataError(f"{path} holds an array of shape {shape}; one token a frame was expected.")
        found.append(np.array([float(word) for row in piece for word in row]))
    return found
