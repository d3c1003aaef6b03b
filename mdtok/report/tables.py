"""The tables of a scorecard, as data; the template of the page writes them."""

from itertools import permutations

import numpy as np
from markupsafe import Markup

from mdtok.kinetics.estimation.estimate import MISSING, PARTS, Estimate
from mdtok.kinetics.scoring import verdicts
from mdtok.report.parts import Cell, Table, mark, number, shown, small
from mdtok.report.plots.maps import Projection, peaks
from mdtok.report.plots.style import md_rows, numbers, titled

_COLUMNS = {
    "timescales_ps": "timescales",
    "mfpt_ps": "MFPT",
    "populations_jsd": "populations",
    "dwell_ks": "dwell times",
    "ck_rmse": "CK",
    "transition_calibration": "transitions",
}
_EQUATIONS = {
    "msm": "macrostate MSM: powers of the propagator",
    "qmsm": "qMSM: memory kernel",
    "igme": "IGME: long-time form",
}
_FACTORS = ("timescales_ps", "mfpt_ps")
_MOST_PAIRS = 30  # all of 6 macrostates
_UNITS = (("µs", 1e6), ("ns", 1e3))


def score_table(content: dict) -> Table:
    """The scorecard: nats per token and a verdict a metric for every model, and the noise floor."""
    rows = []
    for name, row in content["models"].items():
        nats, above = row["nll_nats_per_token"], row.get("nats_above_best")
        behind = MISSING if nats is None else "best" if above is None else shown(above, "+.4f")
        worth = row.get("equivalent_md_ps")
        cells = [name, MISSING if worth is None else verdicts.equivalent_time(worth["all"])]
        rows.append([*cells, shown(nats, ".4f"), behind, *(_verdict_cell(row, metric) for metric in _COLUMNS)])
    floor = [_floor(content["noise_floor"].get(metric), metric) for metric in _COLUMNS]
    rows.append(["MD noise floor", MISSING, MISSING, MISSING, *floor])
    header = ["model", "equivalent MD time", "held-out nats/token", "above the best", *_COLUMNS.values()]
    return Table(header, rows, look="score")


def master_equation_table(content: dict) -> Table:
    """Chapman-Kolmogorov errors of master equations with memory, beside those of the models' rollouts."""
    found = content.get("master_equations")
    if not found:
        return Table([], [])
    rows = [[title, number(found[name])] for name, title in _EQUATIONS.items()]
    rows += [[name, number(row["ck_rmse"])] for name, row in content["models"].items() if row["lagtime_frames"] == 1]
    return Table(["", "Chapman-Kolmogorov RMSE (probability)"], rows)


def branching_table(content: dict) -> Table:
    """One long jump against nested short ones, a row for each start of each generator that was asked."""
    rows = []
    for name, row in content["models"].items():
        found = row.get("conditional_ck")
        for k, start in enumerate(found["starts"] if found else []):
            long, short = (content["dt_ps"] * found["lagtime"] * n for n in (found["n_jumps"], 1))
            way = f"{verdicts.picoseconds(long)} against {found['n_jumps']} × {verdicts.picoseconds(short)}"
            looks = mark("fail") + " beyond chance" if found["beyond_chance"][k] else mark("pass") + " within chance"
            cells = [number(found["distance"][k]), number(found["by_chance"][k]), looks]
            rows.append([name, content["macrostate_names"][start], way, *cells])
    return Table(["generator", "start in", "jumps", "JS distance of where they end", "by chance below", ""], rows)


def worth_table(content: dict) -> Table:
    """The MD time that each model is worth, metric by metric."""
    metrics = {metric: title for metric, title in _COLUMNS.items() if metric != "transition_calibration"}
    rows = [
        [name, *(verdicts.equivalent_time(row["equivalent_md_ps"][metric]) for metric in ("all", *metrics))]
        for name, row in content["models"].items()
        if row.get("equivalent_md_ps")
    ]
    return Table(["model", "all together", *metrics.values()], rows)


def _verdict_cell(row, metric):
    check = row["checks"].get(metric)
    if check is None:
        return MISSING
    return Cell(_verdict(check) + small(_evidence(row, check, metric)), check["sentence"])


def _verdict(check):
    look = {verdicts.WITHIN: "pass", verdicts.UNTESTED: "open"}.get(check["verdict"], "fail")
    words = "too short" if look == "open" else check["verdict"]  # the whole of it would push columns off the page
    return mark(look) + Markup(" {}").format(words)


def _evidence(row, check, metric):
    """What the verdict rests on, small under it."""
    if check["verdict"] == verdicts.UNTESTED:
        return ""
    if metric == "transition_calibration":
        return f"×{number(row[metric]['value'])} as many"
    allowed, ratio = numbers(check.get("allowed")), numbers(check.get("ratio"))
    if metric in _FACTORS:
        return f"{verdicts.factor(float(ratio))}, {verdicts.factor(float(allowed))} allowed"
    return f"{number(ratio * allowed, 2)}, {number(allowed, 2)} allowed"


def _floor(summary, metric):
    if summary is None or not np.isfinite(numbers(summary["value"])):
        return MISSING
    limits = float(numbers(summary["value"])), float(numbers(summary["high"]))
    typical, high = (verdicts.factor(x) if metric in _FACTORS else number(x, 2) for x in limits)
    return Markup("{}").format(typical) + small(f"up to {high}")


def check_table(content: dict) -> Table:
    """What each check found, in words."""
    rows = [
        [name, verdicts.title(metric), _verdict(check), check["sentence"]]
        for name, row in content["models"].items()
        for metric, check in row["checks"].items()
    ]
    return Table(["model", "check", "verdict", "worst case"], rows, look="words", n_heads=2)


def state_table(content: dict, projection: Projection | None = None) -> Table:
    """Names and populations of the macrostates, and where they are."""
    at = peaks(projection) if projection is not None else []
    rows = []
    for state, name in enumerate(content["macrostate_names"]):
        cells = [name, *(_share(row, state) for row in md_rows(content).values())]
        if projection is not None:
            cells.append(_place(at[state], projection) if state < len(at) else MISSING)
        rows.append(cells)
    header = ["macrostate", *(f"population, {name}" for name in md_rows(content))]
    if projection is not None:
        header.append(f"densest at ({', '.join(projection.names)})")
    return Table(header, rows)


def _share(described, state):
    """A population with its interval; in words where the MD cannot tell it."""
    interval = Estimate.of(described["populations_interval"])
    if not np.isfinite(float(interval.value[state])):
        counted = float(numbers(described["populations_counted"])[state])
        return Markup("not estimable") + small(f" {100 * counted:.3g} % of the frames")
    return shown(interval[state], ".3g", 100, "%")


def _place(peak, projection):
    if not np.isfinite(peak).all():
        return "never seen"
    return ", ".join(f"{x:.0f}°" if periodic else f"{x:.3g}" for x, periodic in zip(peak, projection.periodic))


def timescale_lag(content: dict) -> int:
    """The lag time in frames nearest the scorecard's at which implied timescales were estimated."""
    lags = map(int, content["reference"]["timescales_ps"])
    return min(lags, key=lambda lag: abs(np.log(lag / content["lagtime_frames"])))


def timescale_table(content: dict) -> Table:
    """Implied timescales at one lag time, for MD and models."""
    columns, lag = _columns(content), str(timescale_lag(content))
    rows = [
        [str(process + 1), *(_timescale(column["timescales_ps"].get(lag), process) for column in columns.values())]
        for process in range(len(content["reference"]["timescales_ps"][lag]["value"]))
    ]
    return Table(["timescale", *columns], rows)


def _columns(content):
    return {**md_rows(content), **content["models"]}


def _timescale(estimate, process):
    if estimate is None:  # a lag that the model does not have
        return MISSING
    time = Estimate.of(estimate)[process]
    return _time(time) if np.isfinite(time.value) else "not resolved"


def mfpt_table(content: dict) -> Table:
    """Mean first passage times of the slowest ordered pairs of macrostates, with the passages seen."""
    columns, names = _columns(content), content["macrostate_names"]
    order = np.nan_to_num(numbers(content["md"]["mfpt_ps"]["value"]), nan=-1.0)
    pairs = sorted(permutations(range(len(names)), 2), key=lambda pair: -order[pair])
    rows = [
        [f"{names[i]} → {names[j]}", *(_passage(column, i, j) for column in columns.values())]
        for i, j in pairs[:_MOST_PAIRS]
    ]
    return Table(["from → to", *(titled(content, name) for name in columns)], rows)


def _passage(column, i, j):
    return _time(Estimate.of(column["mfpt_ps"])[i, j]) + small(f" · {column['passages'][i][j]:,} seen")


def _time(time):
    """A time with its interval in one unit; in words where it was never reached, or nothing was seen of it."""
    value, low = float(time.value), float(time.low)
    if np.isfinite(value):
        unit, size = next(((unit, size) for unit, size in _UNITS if abs(value) >= size), ("ps", 1.0))
        return shown(time, number, 1 / size, unit)
    never = Markup("never reached") + small(f" above {verdicts.picoseconds(low)}")
    return never if np.isfinite(low) else Markup("not seen")


def calibration_table(content: dict) -> Table:
    """Transitions expected on held-out tokens over those observed, and what each model costs."""
    rows = []
    for name, row in content["models"].items():
        ratio, seconds = row["transition_calibration"], row.get("train_seconds")
        rows.append(
            [
                name,
                shown(ratio, number),
                MISSING if ratio is None else row["checks"]["transition_calibration"]["verdict"],
                MISSING if row["n_parameters"] is None else f"{row['n_parameters']:,}",
                MISSING if seconds is None else f"{seconds:.3g} s",
                f"{row['n_sampled_tokens']:,}",
                _rate(row["sample_tokens_per_second"]),
                verdicts.picoseconds(row["lagtime_frames"] * content["dt_ps"]),
            ]
        )
    header = ["model", "transitions expected / observed", "verdict", "parameters", "training", "tokens generated"]
    return Table([*header, "tokens/s", "time a token"], rows)


def _rate(per_second):
    per_second = float(numbers(per_second))
    return f"{per_second:,.0f}" if np.isfinite(per_second) else MISSING


def pair_table(content: dict) -> Table:
    """Transitions of pairs of macrostates, the most frequent first: seen in held-out MD, and each model's expectation
    over it; without rows where no model has any."""
    judged = {name: row for name, row in content["models"].items() if row.get("pair_calibration")}
    if not judged:
        return Table([], [])
    shortest = min(row["lagtime_frames"] for row in judged.values())  # a longer lag counts other transitions
    judged = {name: row["pair_calibration"] for name, row in judged.items() if row["lagtime_frames"] == shortest}
    names, observed = content["macrostate_names"], np.asarray(next(iter(judged.values()))["observed"])
    pairs = sorted(permutations(range(len(observed)), 2), key=lambda pair: -observed[pair])
    rows = [
        [f"{names[i]} → {names[j]}", f"{observed[i][j]:,.0f}", *(_expected(pair, i, j) for pair in judged.values())]
        for i, j in pairs[:_MOST_PAIRS]
    ]
    return Table(["transition", "observed", *judged], rows)


def _expected(pairs, i, j):
    if pairs["observed"][i][j]:
        return shown({part: pairs[part][i][j] for part in PARTS}, number)
    return Markup("{}").format(number(pairs["expected"][i][j])) + small(" expected")


def rollout_table(content: dict) -> Table:
    """Whether rollouts stay what they were: drift, detailed balance, steps that training MD never made."""
    rows = []
    for name, row in content["models"].items():
        checks = row.get("rollout_checks")
        if not checks:
            continue
        flux = Markup("{}").format(number(checks["net_flux"]))
        rows.append(
            [
                name,
                shown(checks["population_drift"], number),
                number(checks["population_drift_by_chance"]),
                shown(checks["nats_drift"], number),
                flux + small(f" p = {number(checks['net_flux_p'], 2)}"),
                f"{100 * checks['unseen_share']:.2g} %",
            ]
        )
    header = ["model", "drift of populations", "by chance below", "drift of nats", "largest net flux"]
    return Table([*header, "steps never seen in training"], rows)


def run_table(run: dict) -> Table:
    """Provenance: settings, versions, stage times, flattened to one row a value."""
    return Table(["", "value"], [[key, str(value)] for key, value in _flat(run)], look="words")


def _flat(content, prefix=""):
    for key, value in content.items():
        key = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{key} · ")
        else:
            yield key, " ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
