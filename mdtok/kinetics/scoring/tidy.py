"""A scorecard as one long table: a row a number, with its interval, for spreadsheets and data frames."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mdtok.kinetics.scoring.verdicts import title

COLUMNS = ("of", "quantity", "item", "lagtime_ps", "value", "low", "high", "unit")
_DISTANCES = {"populations_jsd": "nats", "dwell_ks": "", "ck_rmse": "probability"}


def numbers_of(content: dict) -> list[dict]:
    """Every number of a card with its interval, in rows of `COLUMNS`; NaN where it is not known.

    Parameters
    ----------
    content : dict
        Of a `Scorecard`.

    Returns
    -------
    list of dict
        ``of`` is a model, ``reference`` (what models are held against) or ``all MD``.
    """
    groups = {"reference": content["reference"], "all MD": content["md"], **content["models"]}
    return [
        dict(zip(COLUMNS, (name, *row)))
        for name, group in groups.items()
        if group is not None
        for row in _rows(group, content)
    ]


def _rows(group, content) -> Iterator[tuple]:
    names, dt_ps = content["macrostate_names"], content["dt_ps"]
    at = content["lagtime_frames"] * dt_ps
    for lag, times in (group.get("timescales_ps") or {}).items():
        for k, numbers in enumerate(_intervals(times)):
            yield "implied timescale", str(k + 1), int(lag) * dt_ps, *numbers, "ps"
    for name, numbers in zip(names, _intervals(group.get("populations_interval"))):
        yield "population", name, at, *numbers, ""
    for k, numbers in enumerate(_intervals(group.get("mfpt_ps"))):
        i, j = divmod(k, len(names))
        if i != j:
            yield "mean first passage time", f"{names[i]} → {names[j]}", np.nan, *numbers, "ps"
    for key, quantity, unit in (
        ("nll_nats_per_token", title("nll_nats_per_token"), "nats"),
        ("transition_calibration", "transitions expected over seen", ""),
    ):
        for numbers in _intervals(group.get(key)):
            yield quantity, "", np.nan, *numbers, unit
    for metric, worth in (group.get("equivalent_md_ps") or {}).items():
        for numbers in _intervals(worth):
            yield "equivalent MD time", "all together" if metric == "all" else title(metric), np.nan, *numbers, "ps"
    for key, unit in _DISTANCES.items():
        if group.get(key) is not None:
            yield f"{title(key)}: distance from the reference", "", at, float(group[key]), np.nan, np.nan, unit


def _intervals(estimate) -> list[tuple[float, ...]]:
    """Value and ends of each entry of an estimate's dict."""
    if not estimate:
        return []
    columns = (np.ravel(np.asarray(estimate[key], dtype=float)) for key in ("value", "low", "high"))
    return [tuple(map(float, numbers)) for numbers in zip(*columns)]
