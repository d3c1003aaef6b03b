"""Bars for terminals, lines for log files."""

import io

from mdtok import progress
from mdtok.progress import tracked


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(file, n=5):
    assert list(tracked(range(n), desc="frames", file=file)) == list(range(n))
    return file.getvalue()


def test_a_terminal_has_a_bar():
    assert "\r" in run(Terminal()) and "frames: 100%" in run(Terminal())


def test_a_log_file_has_lines_of_what_takes_long_and_nothing_of_the_rest(monkeypatch):
    assert run(io.StringIO()) == ""
    monkeypatch.setattr(progress, "SECONDS", 0.0)
    said = run(io.StringIO())
    assert "\r" not in said and said.endswith("\n")
    assert said.splitlines()[-1].startswith("frames: 100%") and len(said.splitlines()) <= 7
