"""Progress of what takes long: a bar in a terminal or a notebook, a line each few seconds in a log file."""

import sys
import warnings
from typing import Any, TextIO

from tqdm.std import TqdmWarning
from tqdm.std import tqdm as plain_tqdm

with warnings.catch_warnings():  # a notebook without ipywidgets has bars of text, which need no warning
    warnings.simplefilter("ignore", TqdmWarning)
    from tqdm.auto import tqdm

SECONDS = 10.0  # between lines of a log file; what takes less has none


class Lines:
    """A file to which each state of a bar is a line, and nothing is drawn over."""

    def __init__(self, file: TextIO):
        self.file = file

    def write(self, text: str) -> None:
        if text.strip():  # a bar that ends clears itself with blanks
            self.file.write(text.strip() + "\n")

    def flush(self) -> None:
        self.file.flush()


def tracked(*args: Any, **how: Any) -> Any:
    """A bar of tqdm, with its arguments; lines where the output is no terminal.

    Examples
    --------
    >>> list(tracked(range(3), disable=True))
    [0, 1, 2]
    """
    file = how.get("file") or sys.stderr
    if tqdm.__mro__[1].__module__ == "tqdm.notebook" or getattr(file, "isatty", lambda: False)():
        return tqdm(*args, **how)
    how |= {"file": Lines(file), "mininterval": SECONDS, "delay": max(SECONDS, how.get("delay", 0)), "ascii": True}
    return plain_tqdm(*args, **how)
