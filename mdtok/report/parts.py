"""What a page is made of: chapters of paragraphs, tables and figures, as data; the template writes the HTML.

A text is escaped when the page is written, unless it is `Markup`. What a text is put into stays Markup:
``Markup("<b>{}</b>").format(name)`` escapes the name.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from mdtok.kinetics.estimate import MISSING, Estimate
from mdtok.report.figures import ReportFigure

_HOLDS = Markup('<span class="mark pass">✓</span> {}')
_FAILS = Markup('<span class="mark fail">✗</span> {}')


@dataclass
class Table:
    """A table of a page.

    Attributes
    ----------
    header : sequence of str
    rows : sequence of sequences of str
        Cells, the first of which heads its row.
    title : str
        Above it; none if empty.
    look : str
        Class of its style.

    Examples
    --------
    >>> Table(["model", "accuracy"], [["small", "0.98"]]).header
    ['model', 'accuracy']
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    look: str = ""


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


def shown(figure: Estimate | dict | None, spec: str | Callable = ".3f", factor: float = 1.0) -> Markup:
    """A number with its 95 % interval, small, as a cell of a table.

    Parameters
    ----------
    figure : Estimate, or its dict, or None
        Of an array the first number is shown.
    spec : str or callable
        See `mdtok.kinetics.estimate.Estimate.texts`.
    factor : float
        What the number is multiplied with.

    Examples
    --------
    >>> shown({"value": 2.0, "low": 1.5, "high": 2.5}, ".1f")
    Markup('2.0 <small>[1.5, 2.5]</small>')
    """
    if figure is None:
        return Markup(MISSING)
    value, interval = (Estimate.of(figure).first * factor).texts(spec)
    return Markup("{} <small>{}</small>").format(value, interval) if interval else Markup.escape(value)


def held(holds: bool, text: str = "") -> Markup:
    """A text behind a tick, or behind a cross where something does not hold."""
    return Markup((_HOLDS if holds else _FAILS).format(text).strip())
