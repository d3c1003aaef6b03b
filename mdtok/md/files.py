"""The input files that a user names: paths and patterns, and what readers say of them."""

import glob
import re
from pathlib import Path

from mdtok.errors import DataError


def find_files(paths):
    """Paths and patterns to a list of files that are there, none of them twice.

    Parameters
    ----------
    paths : str, path-like or list of these
        Files or patterns (``"runs/**/*.xtc"``); the matches of a pattern come in natural order (2 before 10).

    Returns
    -------
    list of Path

    Raises
    ------
    DataError
        A file is missing or given twice, or a pattern matches nothing.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("run10.xtc", "run2.xtc"):
    ...     (folder / name).touch()
    >>> [path.name for path in find_files(folder / "*.xtc")]
    ['run2.xtc', 'run10.xtc']
    """
    found = []
    for path in [paths] if isinstance(paths, (str, Path)) else list(paths):
        if Path(path).is_file():
            found.append(Path(path))
        elif glob.has_magic(str(path)):
            matches = sorted(filter(Path.is_file, map(Path, glob.glob(str(path), recursive=True))), key=_natural_order)
            if not matches:
                raise DataError(f"No file matches {path}; check the pattern and the folder.")
            found.extend(matches)
        else:
            raise DataError(f"{path} is not a file; give paths of files, or a pattern in quotes.")
    if not found:
        raise DataError("No file was given; pass a path, a pattern or a list of them.")
    seen = set()
    for path in found:
        if path.resolve() in seen:
            raise DataError(f"{path} was given twice; the same frames must not count twice.")
        seen.add(path.resolve())
    return found


def _natural_order(path):
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", str(path)) if part]


def one_line(error):
    """What another library's error says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__
