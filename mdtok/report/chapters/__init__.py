"""Chapters that today's stages still draw; those of mdtok.workflows.chapters take their place."""

from html import escape

MISSING = "–"


def table(header, rows):
    """An HTML table of `header` texts and `rows` of cells that are HTML already."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in header)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for first, *cells in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
