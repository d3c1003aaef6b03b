"""The tables of a report, as HTML; every text that comes from outside is escaped here."""

from html import escape
from itertools import permutations

import numpy as np

from mdtok.kinetics import verdicts
from mdtok.report.plots.maps import peaks
from mdtok.report.plots.style import numbers, titled

_MOST_PAIRS = 42  # all of 7 macrostates
_COLUMNS = {
    "timescales_ps": "timescales",
    "mfpt_ps": "MFPT",
    "populations_jsd": "populations",
    "dwell_ks": "dwell times",
    "ck_rmse": "CK",
    "transition_calibration": "transitions",
}
_FACTORS = ("timescales_ps", "mfpt_ps")
_MOST_PAIRS = 30
MISSING = "–"


def status(row):
    """What a row comes to: "pass", "fail" or "open"."""
    if row["passes"]:
        return "pass"
    kinetic = {verdict for metric, verdict in row["verdicts"].items() if metric in _COLUMNS}
    return "fail" if kinetic - {verdicts.WITHIN, verdicts.UNTESTED} else "open"


def table(header, rows, name="", n_heads=1):
    """An HTML table of `header` texts and `rows` of cells that are HTML already; the first `n_heads` cells head a
    row."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in header)
    body = "".join(
        f"<tr>{''.join(map(_head, cells[:n_heads]))}{''.join(map(_cell, cells[n_heads:]))}</tr>"
        for cells in map(list, rows)
    )
    thead, tbody = f"<thead><tr>{head}</tr></thead>", f"<tbody>{body}</tbody>"
    return f'<div class="scroll"><table class="{name}">{thead}{tbody}</table></div>'


def _head(content):
    return f'<th scope="row">{content}</th>'


def _cell(content):
    return content if content.startswith("<td") else f"<td>{content}</td>"


def score_table(content):
    """The scorecard: nats per token and a verdict a metric for every model, and the noise floor."""
    rows = []
    for name, row in content["models"].items():
        nats, above = row["nll_nats_per_token"], row.get("nats_above_best")
        behind = MISSING if nats is None else "best" if above is None else _nats(above, "+.4f")
        rows.append([escape(name), _nats(nats, ".4f"), behind, *(_verdict_cell(row, metric) for metric in _COLUMNS)])
    floor = [_floor(content["noise_floor"].get(metric), metric) for metric in _COLUMNS]
    rows.append(["MD noise floor", MISSING, MISSING, *floor])
    return table(["model", "held-out nats/token", "above the best", *_COLUMNS.values()], rows, "score")


def _nats(estimate, spec):
    if estimate is None:  # of a model that gives no probabilities of tokens
        return MISSING
    value, low, high = (numbers(estimate[part]) for part in ("value", "low", "high"))
    if not np.isfinite(value):
        return MISSING
    interval = f"[{low:{spec}}, {high:{spec}}]" if np.isfinite(low) else ""
    return f"{value:{spec}} <small>{interval}</small>"


def _verdict_cell(row, metric):
    check = row["checks"].get(metric)
    if check is None:
        return MISSING
    return (
        f'<td title="{escape(check["sentence"], quote=True)}">{_mark(check)} {escape(check["verdict"])}'
        f"<small>{_evidence(row, check, metric)}</small></td>"
    )


def _mark(check):
    known = {verdicts.WITHIN: ("pass", "✓"), verdicts.UNTESTED: ("open", "?")}
    look, mark = known.get(check["verdict"], ("fail", "✗"))
    return f'<span class="mark {look}">{mark}</span>'


def _evidence(row, check, metric):
    """What the verdict rests on, small under it."""
    if check["verdict"] == verdicts.UNTESTED:
        return ""
    if metric == "transition_calibration":
        return f"×{_number(row[metric]['value'])} as many"
    allowed, ratio = numbers(check.get("allowed")), numbers(check.get("ratio"))
    if metric in _FACTORS:
        return f"{verdicts.factor(float(ratio))}, {verdicts.factor(float(allowed))} allowed"
    return f"{_number(ratio * allowed, 2)}, {_number(allowed, 2)} allowed"


def _floor(summary, metric):
    if summary is None or not np.isfinite(numbers(summary["value"])):
        return MISSING
    limits = float(numbers(summary["value"])), float(numbers(summary["high"]))
    typical, high = (verdicts.factor(x) if metric in _FACTORS else _number(x, 2) for x in limits)
    return f"{typical}<small>up to {high}</small>"


def _number(value, digits=3):
    """Significant digits without an exponent where a reader would not want one."""
    value = float(numbers(value))
    if not np.isfinite(value):
        return MISSING
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.{digits}g}"


def check_table(content):
    """What each check found, in words."""
    rows = [
        [escape(name), verdicts.title(metric), f"{_mark(check)} {escape(check['verdict'])}", escape(check["sentence"])]
        for name, row in content["models"].items()
        for metric, check in row["checks"].items()
    ]
    return table(["model", "check", "verdict", "worst case"], rows, "words", n_heads=2)


def state_table(content, projection=None):
    """Names and populations of the macrostates, and where they are."""
    at = peaks(projection) if projection is not None else []
    names = content["macrostate_names"]
    rows = []
    for state, name in enumerate(names):
        cells = [escape(name), *(_percent(content[key]["populations"][state]) for key in ("reference", "md"))]
        if projection is not None:
            cells.append(_place(at[state], projection) if state < len(at) else MISSING)
        rows.append(cells)
    header = ["macrostate", "population, held-out MD", "population, all MD"]
    if projection is not None:
        header.append(f"densest at ({', '.join(projection.names)})")
    return table(header, rows)


def _percent(value):
    value = numbers(value)
    return f"{100 * value:.3g} %" if np.isfinite(value) else MISSING


def _place(peak, projection):
    if not np.isfinite(peak).all():
        return "never seen"
    return ", ".join(f"{x:.0f}°" if periodic else f"{x:.3g}" for x, periodic in zip(peak, projection.periodic))


def timescale_table(content):
    """Implied timescales at the scorecard's lag time (or the nearest that was estimated), for MD and models."""
    columns = {"held-out MD": content["reference"], "all MD": content["md"], **content["models"]}
    of_lag = content["reference"]["timescales_ps"]
    lag = min(of_lag, key=lambda lag: abs(np.log(int(lag) / content["lagtime_frames"])))
    rows = [
        [str(process + 1), *(_timescale(column["timescales_ps"].get(lag), process) for column in columns.values())]
        for process in range(len(of_lag[lag]["value"]))
    ]
    caption = f"at a lag time of {verdicts.picoseconds(int(lag) * content['dt_ps'])}"
    return caption, table(["timescale", *columns], rows)


def _timescale(estimate, process):
    if estimate is None:  # a lag that the model does not have
        return MISSING
    value, low, high = (estimate[part][process] for part in ("value", "low", "high"))
    return _time(value, low, high) if np.isfinite(numbers(value)) else MISSING


def mfpt_table(content):
    """Mean first passage times of every ordered pair of macrostates, for MD and models, with the passages seen."""
    columns = {"held-out MD": content["reference"], "all MD": content["md"], **content["models"]}
    names = content["macrostate_names"]
    order = np.nan_to_num(numbers(content["md"]["mfpt_ps"]["value"]), nan=-1.0)
    pairs = sorted(permutations(range(len(names)), 2), key=lambda pair: -order[pair])
    rows = [
        [f"{escape(names[i])} → {escape(names[j])}", *(_passage(column, i, j) for column in columns.values())]
        for i, j in pairs[:_MOST_PAIRS]
    ]
    left_out = f"The {_MOST_PAIRS} slowest of {len(pairs)} pairs. " if len(pairs) > _MOST_PAIRS else ""
    return left_out, table(["from → to", *(titled(content, name) for name in columns)], rows)


def _passage(column, i, j):
    mfpt = column["mfpt_ps"]
    value, low, high = (mfpt[part][i][j] for part in ("value", "low", "high"))
    n_seen = column["passages"][i][j]
    return f"{_time(value, low, high)} <small>· {n_seen:,} seen</small>"


def _time(value, low, high):
    """A time with its interval in one unit; in words where it was never reached, or nothing was seen of it."""
    value, low, high = (float(numbers(x)) for x in (value, low, high))
    if not np.isfinite(value):
        return f"never reached <small>above {verdicts.picoseconds(low)}</small>" if np.isfinite(low) else "not seen"
    unit, size = next(((unit, size) for unit, size in (("µs", 1e6), ("ns", 1e3)) if abs(value) >= size), ("ps", 1.0))
    if not np.isfinite(low):
        return f"{value / size:.3g} {unit}"
    return f"{value / size:.3g} {unit} <small>[{_number(low / size)}, {_number(high / size) if np.isfinite(high) else '∞'}]</small>"


def calibration_table(content):
    """Transitions expected on held-out tokens over those observed, and what each model costs."""
    rows = []
    for name, row in content["models"].items():
        ratio = row["transition_calibration"]
        value, low, high = (MISSING if ratio is None else _number(ratio[part]) for part in ("value", "low", "high"))
        verdict = MISSING if ratio is None else row["checks"]["transition_calibration"]["verdict"]
        seconds = row.get("train_seconds")
        rows.append(
            [
                escape(name),
                f"{value} <small>[{low}, {high}]</small>",
                escape(verdict),
                f"{row['n_parameters']:,}",
                MISSING if seconds is None else f"{seconds:.3g} s",
                f"{row['n_sampled_tokens']:,}",
                f"{numbers(row['sample_tokens_per_second']):,.0f}",
                verdicts.picoseconds(row["lagtime_frames"] * content["dt_ps"]),
            ]
        )
    header = ["model", "transitions expected / observed", "verdict", "parameters", "training", "tokens generated"]
    return table([*header, "tokens/s", "time a token"], rows)


def pair_table(content):
    """Transitions of pairs of macrostates, the most frequent first: seen in held-out MD, and each model's expectation
    over it."""
    judged = {name: row for name, row in content["models"].items() if row.get("pair_calibration")}
    if not judged:
        return ""
    shortest = min(row["lagtime_frames"] for row in judged.values())  # a longer lag counts other transitions
    judged = {name: row["pair_calibration"] for name, row in judged.items() if row["lagtime_frames"] == shortest}
    names, rows = content["macrostate_names"], []
    observed = np.asarray(next(iter(judged.values()))["observed"])
    pairs_of_states = permutations(range(len(observed)), 2)
    for i, j in sorted(pairs_of_states, key=lambda pair: -observed[pair])[:_MOST_PAIRS]:
        cells = []
        for pairs in judged.values():
            value, low, high = (pairs[part][i][j] for part in ("value", "low", "high"))
            if observed[i][j]:
                cells.append(f"{_number(value)} <small>[{_number(low)}, {_number(high)}]</small>")
            else:
                cells.append(f"{_number(pairs['expected'][i][j])} <small>expected</small>")
        rows.append([f"{escape(names[i])} → {escape(names[j])}", f"{observed[i][j]:,.0f}", *cells])
    return table(["transition", "observed", *map(escape, judged)], rows)


def rollout_table(content):
    """Whether rollouts stay what they were: drift, detailed balance, steps that training MD never made."""
    rows = []
    for name, row in content["models"].items():
        checks = row.get("rollout_checks")
        if not checks:
            continue
        drift, nats = checks["population_drift"], checks["nats_drift"]
        rows.append(
            [
                escape(name),
                f"{_number(drift['value'])} <small>[{_number(drift['low'])}, {_number(drift['high'])}]</small>",
                _number(checks["population_drift_by_chance"]),
                f"{_number(nats['value'])} <small>[{_number(nats['low'])}, {_number(nats['high'])}]</small>",
                f"{_number(checks['net_flux'])} <small>p = {_number(checks['net_flux_p'], 2)}</small>",
                f"{100 * checks['unseen_share']:.2g} %",
            ]
        )
    header = [
        "model",
        "drift of populations",
        "by chance below",
        "drift of nats",
        "largest net flux",
        "steps never seen in training",
    ]
    return table(header, rows) if rows else ""


def run_table(run):
    """Provenance: settings, versions, stage times, flattened to one row a value."""
    return table(["", "value"], [[escape(key), escape(str(value))] for key, value in _flat(run)], "words")


def _flat(content, prefix=""):
    for key, value in content.items():
        key = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{key} · ")
        else:
            yield key, " ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
