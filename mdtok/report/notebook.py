"""The first screen of a report by itself: what a notebook shows of a scorecard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from mdtok.kinetics.scoring.verdicts import status
from mdtok.report.parts import mark
from mdtok.report.tables import score_table

if TYPE_CHECKING:
    from mdtok.kinetics.scoring.scorecard import Scorecard

_LOOKS = {"passes": "pass", "fails": "fail", "open": "open"}
# Colours of the notebook's own theme; inline, as a notebook keeps no style of a page.
_STYLE = "text-align: left; vertical-align: top; white-space: nowrap; padding: 0.2em 0.7em 0.2em 0"
_COLOURS = {"pass": "#17703a", "fail": "#b3261e", "open": "#75590a"}


def first_screen(card: Scorecard) -> str:
    """HTML of some kilobytes: a sentence a model, and the table of the scorecard.

    Parameters
    ----------
    card : Scorecard
    """
    sentences = Markup("").join(
        Markup("<li>{} {}</li>").format(_coloured(_LOOKS[status(row)]), row["summary"])
        for row in card.content["models"].values()
    )
    table = score_table(card.content)
    head = Markup("").join(Markup('<th style="{}">{}</th>').format(_STYLE, text) for text in table.header)
    rows = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(Markup('<td style="{}">{}</td>').format(_STYLE, cell) for cell in row)
        )
        for row in table.rows
    )
    return str(
        Markup(
            '<ul style="list-style: none; padding: 0">{}</ul><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>'
        ).format(sentences, head, rows)
    )


def _coloured(look):
    return Markup('<strong style="color: {}">{}</strong>').format(_COLOURS[look], mark(look).striptags())
