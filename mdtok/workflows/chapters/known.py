"""Chapter: what is known of a system beforehand, beside MD and what the models generated."""

from mdtok.kinetics.estimation.estimate import MISSING, Estimate
from mdtok.kinetics.known_answers import AgainstKnown, KnownAnswers
from mdtok.report import Chapter, Table, held, shown
from mdtok.workflows.judged import JudgedRun

PLACE = 70
_YARDSTICKS = ("all MD", "training MD")
_MEANING = (
    "The same estimators for all. MD comes first: its intervals should hold what is known. A model learnt from the "
    "training MD only, so that it can hardly be nearer to what is known than that is. ✓ lies in the 95 % interval "
    "of all MD."
)


def applies(judged: JudgedRun) -> bool:
    """Where every token is one of the states of a potential."""
    states = getattr(judged.system, "states", None) if hasattr(judged.system, "potential") else None
    tokens = judged.tokens
    return states is not None and list(states) == tokens.macrostate_names and len(tokens.macrostates) == len(states)


def numbers(judged: JudgedRun) -> dict:
    """All that is known, estimated from MD and from every rollout."""
    tokens, settings = judged.tokens, judged.settings
    known = KnownAnswers.of(judged.system, getattr(judged.definition, "known", None))
    groups = {"all MD": tokens.dtrajs, "training MD": tokens.part("train"), "held-out MD": tokens.part("test")}
    groups = {name: (dtrajs, 1) for name, dtrajs in groups.items()}
    groups |= {name: (rollout.dtrajs, rollout.lagtime) for name, rollout in judged.card.rollouts.items()}
    against = AgainstKnown.of(known, groups, tokens.dt_ps, settings.lagtime, settings.seed, _YARDSTICKS)
    n, n_all, apart = against.agreement()
    return {
        **against.to_dict(),
        "yardsticks": list(_YARDSTICKS),
        "agreement": {"n": n, "n_all": n_all, "apart": apart},
        "source": known.source,
        "sentences": [f"against what is known:\n{against}"],
    }


def draw(numbers: dict) -> Chapter:
    """A summary, a row a series, then every known fact, a column a series."""
    agreement = numbers["agreement"]
    outside = f"; outside: {', '.join(agreement['apart'])}" if agreement["apart"] else ""
    text = (
        f"{_MEANING} {agreement['n']} of {agreement['n_all']} known facts lie in the 95 % interval of all MD{outside}. "
        f"Known from {numbers['source']}."
    )
    return Chapter("Against what is known", [text, _summary_table(numbers), _fact_table(numbers)])


def _summary_table(numbers):
    rows = []
    for name, line in numbers["summary"].items():
        inside = line["inside"]
        in_time = inside[numbers["yardsticks"][0]]["timescale"]
        time = line["timescale_ps"]
        rows.append(
            [
                name,
                f"{line['population_error']:.4f} ± {line['population_half_width']:.4f}",
                held(in_time, shown(time, ",.0f")) if time else MISSING,
                *(f"{found['mfpt']} of {line['n_mfpt']}" if line["n_mfpt"] else MISSING for found in inside.values()),
                _worst(line["worst_mfpt"]),
            ]
        )
    header = ["", "largest error of a population", "slowest timescale, ps"]
    return Table([*header, *(f"MFPT inside {name}" for name in numbers["yardsticks"]), "worst MFPT"], rows)


def _worst(worst):
    if not worst:
        return MISSING
    name, ratio = worst
    times = "∞" if ratio is None else f"{ratio:.2f}"  # a passage that was never seen; JSON has no infinity
    return f"{name.removeprefix('MFPT ').removesuffix(' (ps)')} ×{times}"


def _fact_table(numbers):
    series, first = numbers["series"], next(iter(numbers["series"]))
    rows = []
    for fact, known in numbers["known"].items():
        spec = ".4f" if fact.startswith("population") else ",.0f"
        md, cells = Estimate.of(series[first][fact]), [fact, f"{known:{spec}}"]
        for name, facts in series.items():
            estimate = Estimate.of(facts[fact])
            looked_for = known if name == first else estimate.value
            # intervals of MD only: those of models would crowd the table
            text = shown(estimate, spec) if name == first else estimate.texts(spec)[0]
            cells.append(held(bool(md.low <= looked_for <= md.high), text))
        rows.append(cells)
    return Table(["", "known", *series], rows)
