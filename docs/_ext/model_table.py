"""``{model-table}``: all models by name, made from the classes: what each is, when to use it, and its source."""

import inspect
import re

from docutils import nodes
from docutils.parsers.rst import Directive

from mdtok.models.discovery import built_in_classes

TITLES = ("name", "what it is", "when to use it", "source")
_REFERENCES = re.compile(r"References\n-+\n(.*?)(?:\n\n|\Z)", re.DOTALL)


def rows_of(reads):
    """Name, line, use and source of every class with a name that reads ``"tokens"`` or ``"features"``."""
    for known in built_in_classes():
        if known.name_pattern and known.reads == reads:
            found = _REFERENCES.search(inspect.getdoc(known))
            source = " ".join(found[1].split()) if found else "–"
            yield known.name_shown, known.name_help.removeprefix("coordinates: "), known.name_use, source


class ModelTable(Directive):
    """One table; its argument is what the models read."""

    required_arguments = 1

    def run(self):
        return [_table([TITLES, *rows_of(self.arguments[0])])]


def _table(rows):
    group = nodes.tgroup(cols=len(TITLES))
    group.extend(nodes.colspec(colwidth=width) for width in (18, 30, 27, 25))
    head, body = nodes.thead(), nodes.tbody()
    for number, cells in enumerate(rows):
        row = nodes.row()
        for column, text in enumerate(cells):
            code = column == 0 and number > 0
            inner = nodes.literal(text, text) if code else nodes.Text(text)
            row += nodes.entry("", nodes.paragraph("", "", inner))
        (body if number else head).append(row)
    group += [head, body]
    return nodes.table("", group)


def setup(app):
    app.add_directive("model-table", ModelTable)
    return {"parallel_read_safe": True}
