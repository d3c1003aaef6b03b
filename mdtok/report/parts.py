"""What a page is made of: chapters of paragraphs, tables and figures, as data; the template writes the HTML.

A text is escaped when the page is written, unless it is `Markup`. What a text is put into stays Markup:
``Markup("<b>{}</b>").format(name)`` escapes the name.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from markupsafe import Markup, escape

from mdtok.kinetics.estimation.estimate import MISSING, Estimate
from mdtok.report.figures import ReportFigure

_SIGNS = {"pass": "✓", "fail": "✗", "open": "?"}


@dataclass
class Table:
    """A table of a page.

    Attributes
    ----------
    header : sequence of str
    rows : sequence of sequences of str or Cell
    title : str
        Above it; none if empty.
    look : str
        Class of its style: "words" for long texts, "score" for that of the first screen.
    n_heads : int
        The first cells of a row that head it.

    Examples
    --------
    >>> Table(["model", "accuracy"], [["small", "0.98"]]).header
    ['model', 'accuracy']
    """

    header: Sequence[str]
    rows: Sequence[Sequence]
    title: str = ""
    look: str = ""
    n_heads: int = 1


@dataclass
class Cell:
    """A cell of a table that says more when the mouse is on it."""

    text: str
    tooltip: str

    def __html__(self):
        return escape(self.text)


@dataclass
class Verbatim:
    """Text in lines of its own, as a terminal shows it."""

    text: str


@dataclass
class Chapter:
    """A part of the page beside the scorecard.

    Attributes
    ----------
    title : str
    body : str or list of str, Table and Verbatim
        In a list, a text is a paragraph. A single text is HTML that is taken as it is.
    figures : list of ReportFigure
        Below the body.
    """

    title: str
    body: str | list = field(default_factory=list)
    figures: list[ReportFigure] = field(default_factory=list)


def shown(
    figure: Estimate | dict | None, spec: str | Callable[[float], str] = ".3f", factor: float = 1.0, unit: str = ""
) -> Markup:
    """A number with its 95 % interval, small, as a cell of a table.

    Parameters
    ----------
    figure : Estimate, or its dict, or None
        Of an array the first number is shown.
    spec : str or callable
        See `mdtok.kinetics.estimation.estimate.Estimate.texts`.
    factor : float
        What the number is multiplied with.
    unit : str
        Behind the number.

    Examples
    --------
    >>> shown({"value": 2.0, "low": 1.5, "high": 2.5}, ".1f")
    Markup('2.0 <small>[1.5, 2.5]</small>')
    """
    if figure is None:
        return Markup(MISSING)
    value, interval = (Estimate.of(figure).first * factor).texts(spec)
    text = escape(f"{value} {unit}" if unit and value != MISSING else value)
    return text + small(f" {interval}") if interval else text


def number(value: float | None, digits: int = 3) -> str:
    """Significant digits, without an exponent where a reader would not want one.

    Examples
    --------
    >>> number(12470.3), number(0.12345), number(None)
    ('12,470', '0.123', '–')
    """
    value = float(np.asarray(value, dtype=float))
    if not np.isfinite(value):
        return MISSING
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.{digits}g}"


def small(text: str) -> Markup:
    """A small text; a space before it stays outside."""
    return Markup("{}<small>{}</small>").format(" " * text.startswith(" "), text.removeprefix(" "))


def mark(look: str) -> Markup:
    """The sign of "pass", "fail" or "open", in its colour."""
    return Markup('<span class="mark {}">{}</span>').format(look, _SIGNS[look])


def held(holds: bool, text: str = "") -> Markup:
    """A text behind a tick, or behind a cross where something does not hold."""
    return mark("pass" if holds else "fail") + Markup(" {}").format(text)
