"""The field's metrics as a table: generators beside MD itself."""

import numpy as np

from mdtok.kinetics.judging.field_metrics import told_metrics
from mdtok.report.parts import Table, number


def field_table(content: dict) -> Table:
    """One row a metric that can be estimated, one column a generator; without rows where none was asked for."""
    found = content.get("field_metrics")
    if not found:
        return Table([], [])
    names, rows = told_metrics(found)
    return Table(["metric", "perfect", *names], [[title, f"{best:g}", *map(_text, of)] for title, best, of in rows])


def _text(value):
    if np.isnan(value):
        return "not estimable"
    return "∞" if np.isinf(value) else number(value)
