"""From differences and the noise floor to verdicts and sentences that a reader understands without the manual."""

import numpy as np
from scipy.stats import norm

from mdtok.kinetics.estimation.estimate import Estimate
from mdtok.kinetics.scoring.comparison import COARSEST_ALLOWED, COARSEST_FACTOR, LEVEL
from mdtok.tokens.connected import SAID

WITHIN = "within noise"
UNTESTED = "MD too short to tell"
_TITLES = {
    "populations_jsd": "populations",
    "timescales_ps": "implied timescales",
    "mfpt_ps": "mean first passage times",
    "dwell_ks": "dwell times",
    "ck_rmse": "Chapman-Kolmogorov",
    "transition_calibration": "held-out transitions",
    "nll_nats_per_token": "held-out nats per token",
}
_NEEDED = {
    "timescales_ps": "the slowest process",
    "mfpt_ps": "the mean first passage times",
    "populations_jsd": "the populations",
}
_MOST_MD = 1000.0  # times as much; beyond, a number says nothing
KINETIC_METRICS = tuple(metric for metric in _TITLES if metric != "nll_nats_per_token")


def title(metric):
    """What a metric is called in words."""
    return _TITLES[metric]


def factor(ratio):
    """A ratio as a factor above 1, in words: ``×1.8``."""
    ratio = max(ratio, 1 / ratio) if ratio > 0 else np.inf
    if not np.isfinite(ratio):
        return "×∞"
    return f"×{ratio:.3g}" if ratio < 1.1 else f"×{ratio:.2g}" if ratio < 10 else f"×{ratio:.0f}"


def judge_difference(metric, difference, floor, model, reference, protocol, names, frame_ps, md="held-out MD"):
    """Verdict and sentence for one of the metrics of `comparison.compare`.

    Parameters
    ----------
    metric : str
    difference : ndarray
        Of the model from the reference, as `compare` gives it.
    floor : NoiseFloor
    model, reference : Kinetics
        Times in the frames of `protocol`.
    protocol : Protocol
    names : list of str
        Of the macrostates.
    frame_ps : float
        Time between the frames of `protocol`.
    md : str
        What the MD is called.

    Returns
    -------
    dict
        ``verdict``, ``sentence``, and where testable ``ratio`` and ``allowed``.
    """
    judgement = floor.judge(metric, difference)
    if metric == "timescales_ps":
        tests = {"tests_slowest": bool(judgement.tested[:, 0].any())}
    else:
        tests = {}
    if judgement.within is None:
        return {"verdict": UNTESTED, "sentence": f"{title(metric)}: the MD is too short to tell", **tests}
    if metric in ("timescales_ps", "mfpt_ps"):
        return _judge_times(metric, difference, judgement, model, reference, protocol, names, frame_ps, md) | tests
    value = float(difference[judgement.worst_item])
    where = f" of {names[judgement.worst_item[0]]}" if metric == "dwell_ks" else ""
    ratio = value / judgement.allowed if judgement.allowed else np.inf
    verdict = WITHIN if judgement.within else f"off by {factor(ratio)}"
    sentence = f"{title(metric)}{where}: {value:.2g} from MD, {judgement.allowed:.2g} allowed by the noise floor"
    return {"verdict": verdict, "sentence": sentence, "ratio": ratio, "allowed": judgement.allowed}


def _judge_times(metric, difference, judgement, model, reference, protocol, names, frame_ps, md):
    item = judgement.worst_item
    ratio, allowed = float(np.exp(difference[item])), float(np.exp(judgement.allowed))
    if metric == "timescales_ps":
        lag = protocol.lagtimes[item[0]] * frame_ps
        seen, expected = model.timescales[item] * frame_ps, reference.timescales[item] * frame_ps
        what = f"timescale {item[1] + 1} at lag {picoseconds(lag)}"
    else:
        seen, expected = (k.mfpt_frames[item] * frame_ps for k in (model, reference))
        what = f"MFPT {names[item[0]]} → {names[item[1]]}"
    how = f"{picoseconds(seen)}" if np.isfinite(seen) else "never"
    way = "too slow" if ratio > 1 else "too fast"
    by_how_much = f"({factor(ratio)} {way}, {factor(allowed)} allowed)"
    sentence = f"{what}: {how} against {picoseconds(expected)} in {md} {by_how_much}"
    verdict = WITHIN if judgement.within else f"off by {factor(ratio)}"
    return {"verdict": verdict, "sentence": sentence, "ratio": ratio, "allowed": allowed}


def judge_calibration(estimate, n_test, n_train):
    """Expected over observed transitions: within noise where the interval holds 1.

    The interval is the 95 % one of the held-out count alone. For the verdict it is widened, on the logarithmic scale:
    to the level of the other checks, and because what the model learnt from was counted too.
    """
    value, low, high = (float(x) for x in (estimate.value, estimate.low, estimate.high))
    if not (np.isfinite(value) and low > 0):
        return {"verdict": UNTESTED, "sentence": "held-out transitions: too few observed"}
    widening = norm.isf((1 - LEVEL) / 2) / norm.isf(0.025) * np.sqrt(1 + n_test / n_train if n_train else 1.0)
    low, high = (value * (limit / value) ** widening for limit in (low, high))
    within = low <= 1 <= high
    if within and max(high / value, value / low) > COARSEST_FACTOR:
        return {"verdict": UNTESTED, "sentence": "held-out transitions: too few observed"}
    sentence = f"expects {Estimate(value, low, high):.3g} times the held-out transitions between macrostates"
    return {"verdict": WITHIN if within else f"off by {factor(value)}", "sentence": sentence, "ratio": value}


def judge_nats(difference, best):
    """Excess over the best model's nats per token: within noise where the paired interval holds 0 (or it is the
    best)."""
    if difference is None:
        return {"verdict": WITHIN, "sentence": "best held-out nats per token"}
    verdict = WITHIN if difference.low <= 0 else f"off by +{float(difference.value):.2g} nats"
    return {"verdict": verdict, "sentence": f"held-out nats per token {difference:+.4f} from {best}"}


def passes(checks):
    """Whether the kinetics pass: nothing off, and the slowest process, the MFPT and the populations tested to a
    factor of two. Nats per token only rank."""
    kinetic = [checks[metric]["verdict"] for metric in KINETIC_METRICS if metric in checks]
    return all(v in (WITHIN, UNTESTED) for v in kinetic) and not untested(checks)


def status(row):
    """What a row of a scorecard comes to: "passes", "fails" or "open"."""
    if row["passes"]:
        return "passes"
    kinetic = {verdict for metric, verdict in row["verdicts"].items() if metric in KINETIC_METRICS}
    return "fails" if kinetic - {WITHIN, UNTESTED} else "open"


def untested(checks):
    """Metrics that have to be tested for a model to pass, and were not."""
    missing = [metric for metric in _NEEDED if checks.get(metric, {}).get("verdict", UNTESTED) == UNTESTED]
    if "timescales_ps" not in missing and not checks["timescales_ps"].get("tests_slowest", False):
        missing.insert(0, "timescales_ps")
    return missing


def more_md_needed(floor):
    """How many times as much MD (and as long rollouts) would let each of the needed checks tell a factor of two.

    What is allowed falls with the square root of the length, that of a divergence with the length. NaN where the halves
    of the MD do not even tell a factor of ten.
    """
    needed = {}
    for metric in _NEEDED:
        allowed = floor.allowed(metric)
        allowed = allowed[:, 0] if metric == "timescales_ps" else allowed  # of the slowest process, the best lag
        told = allowed[np.isfinite(allowed)]
        power = 1 if metric == "populations_jsd" else 2
        needed[metric] = float((told.min() / COARSEST_ALLOWED[metric]) ** power) if len(told) else np.nan
    return needed


def summary_sentence(name, row, left_out=0.0, md_ps=None):
    """One sentence: what it is worth, passes, or fails in what and by how much; and what share of the frames is left
    out, if it is over 5 %."""
    sentence = _what_it_comes_to(name, row, md_ps)
    worth = equivalent_words(row)
    if worth:
        sentence += f" {worth}"
    if row.get("same_as"):
        sentence += f" It says the same of every held-out token as {row['same_as']}: it is the same model here."
    if left_out > SAID:
        sentence += f" {100 * left_out:.0f} % of the frames, in states that are not connected, are left out of this."
    return sentence


def equivalent_words(row):
    """``As near to long MD as 12 ns [5 ns, 30 ns] of MD itself.``; empty where it was not measured."""
    of_row = row.get("equivalent_md_ps")
    if not of_row:
        return ""
    if np.isnan(float(Estimate.of(of_row["all"]).low)):
        return "How much MD it is worth this MD cannot tell."
    return f"As near to long MD as {equivalent_time(of_row['all'])} of MD itself."


def equivalent_time(estimate):
    """An equivalent MD time in words: ``12 ns [5 ns, 30 ns]``, ``≥ 40 ns``, ``less than 10 ps``, ``cannot tell``."""
    estimate = Estimate.of(estimate)
    value, low, high = (float(x) for x in (estimate.value, estimate.low, estimate.high))
    if np.isnan(low):
        return "cannot tell"
    if low == 0 and value == 0:
        return f"less than {picoseconds(high)}"
    if not np.isfinite(value):  # null in JSON
        return f"≥ {picoseconds(low)}"
    return f"{picoseconds(value)} [{picoseconds(low)}, {picoseconds(high) if np.isfinite(high) else '∞'}]"


def _what_it_comes_to(name, row, md_ps):
    checks = {metric: row["checks"][metric] for metric in KINETIC_METRICS if metric in row["checks"]}
    off = [metric for metric, check in checks.items() if check["verdict"] not in (WITHIN, UNTESTED)]
    not_tested = [title(metric) for metric, check in checks.items() if check["verdict"] == UNTESTED]
    caveat = f" (not testable with this MD: {', '.join(not_tested)})" if not_tested else ""
    if row["passes"]:
        return f"{name} passes: all that was tested is within the MD noise{caveat}."
    if not off:
        missing = untested(row["checks"])
        words = " and ".join(_NEEDED[metric] for metric in missing)
        return (
            f"{name} cannot be told yet: nothing is off, but this MD is too short to tell {words} within "
            f"×{COARSEST_FACTOR:.0f}; {_how_much_more(row, missing, md_ps)}."
        )
    first = "; ".join(checks[metric]["sentence"] for metric in off[:2])
    more = f"; also off: {', '.join(title(metric) for metric in off[2:])}" if off[2:] else ""
    return f"{name} fails {len(off)} of {len(checks) - len(not_tested)} checks: {first}{more}{caveat}."


def _how_much_more(row, missing, md_ps):
    times = [row.get("more_md", {}).get(metric, np.nan) for metric in missing]
    if not times or not np.isfinite(times).all() or max(times) > _MOST_MD:
        return "far more MD is needed, as its halves do not agree within a factor of ten"
    factor_needed = max(1.1, *times)
    in_all = f" ({picoseconds(factor_needed * md_ps)} in all)" if md_ps else ""
    return f"about {factor_needed:.2g} times as much MD{in_all}, and as much more of the model, would tell"


def picoseconds(time_ps):
    """A time in ps, ns or µs, whichever reads best."""
    for unit, size in (("µs", 1e6), ("ns", 1e3)):
        if abs(time_ps) >= size:
            return f"{time_ps / size:.3g} {unit}"
    return f"{time_ps:.3g} ps"
