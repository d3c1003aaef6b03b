"""Names that mdtraj's readers and writers in C can take: they know ASCII only."""

import contextlib
import os
import tempfile
from pathlib import Path

from mdtok.errors import DataError


@contextlib.contextmanager
def ascii_path(path):
    """A name of a file, in ASCII, for as long as the block lasts: its own, or a link that leads to it.

    Parameters
    ----------
    path : path-like
        Need not be there yet: what is written through the link arrives at `path`.

    Examples
    --------
    >>> with ascii_path("trajectory.xtc") as name:
    ...     print(name)
    trajectory.xtc
    """
    if str(path).isascii():
        yield str(path)
        return
    with tempfile.TemporaryDirectory(prefix="mdtok_") as folder:
        link = Path(folder) / f"link{Path(path).suffix.lower()}"
        if not str(link).isascii():
            raise DataError(f"{path}: mdtraj takes names in ASCII only, and {folder} is none either; rename one.")
        try:
            os.symlink(Path(path).absolute(), link)
        except OSError as error:
            raise DataError(
                f"{path} has letters that mdtraj cannot take, and no link can be made ({error.strerror}); rename it."
            ) from None
        yield str(link)
