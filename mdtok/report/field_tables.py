"""The field's metrics as a table: generators beside MD itself."""

import numpy as np

from mdtok.kinetics.field_metrics import REPLICATE, SHORTER, TITLES
from mdtok.report.parts import Table, number
from mdtok.report.plots.style import numbers


def field_table(content: dict) -> Table:
    """One row a metric that can be estimated, one column a generator; without rows where none was asked for."""
    found = content.get("field_metrics")
    if not found:
        return Table([], [])
    columns = {**{name: found["rows"][name] for name in found["rows"] if name not in (REPLICATE, SHORTER)}}
    columns |= {name: found["rows"][name] for name in (REPLICATE, SHORTER)}
    rows = []
    for key, (title, unit, best) in TITLES.items():
        values = [_number(row.get(key)) for row in columns.values()]
        if all(value is None or np.isnan(value) for value in values):
            continue
        rows.append([f"{title} ({unit})" if unit else title, f"{best:g}", *map(_text, values)])
    return Table(["metric", "perfect", *columns], rows)


def _number(value):
    return None if value is None else float(numbers(value))


def _text(value):
    if value is None or np.isnan(value):
        return "not estimable"
    return "∞" if np.isinf(value) else number(value)
