"""The chapter of a report in which answers are known beforehand: MD first, then every model."""

from html import escape

from mdtok.report.chapters import table
from mdtok.report.parts import Chapter

_MEANING = (
    "The same estimators for all. MD comes first: its intervals should hold what is known. A model learnt from the "
    "training MD only, so that it can hardly be nearer to what is known than that is. ✓ lies in the 95 % interval "
    "of all MD."
)


def chapter_on_known_answers(against, source, figures=()):
    """Summary and all figures of an `AgainstKnown`, with the source of what is known.

    Parameters
    ----------
    against : AgainstKnown
    source : str
    figures : sequence of ReportFigure

    Returns
    -------
    Chapter
    """
    n, n_all, apart = against.agreement()
    said = f"{n} of {n_all} known figures lie in the 95 % interval of all MD" + (
        f"; outside: {', '.join(apart)}." if apart else "."
    )
    body = (
        f"<p>{escape(_MEANING)} {escape(said)} Known from {escape(source)}.</p>{_summary(against)}{_figures(against)}"
    )
    return Chapter("Against what is known", body, list(figures))


def _summary(against):
    rows = []
    for name, line in against.summary().items():
        worst, ratio = line["worst_mfpt"]
        time, inside = line["timescale_ps"], line["inside"]
        rows.append(
            [
                escape(name),
                f"{line['population_error']:.4f} <small>± {line['population_half_width']:.4f}</small>",
                (
                    f"{_mark(next(iter(inside.values()))['timescale'])} {time['value']:,.0f} "
                    f"<small>[{time['low']:,.0f}, {time['high']:,.0f}]</small>"
                ),
                *(f"{found['mfpt']} of {line['n_mfpt']}" for found in inside.values()),
                f"{escape(worst.removeprefix('MFPT ').removesuffix(' (ps)'))} ×{ratio:.2f}",
            ]
        )
    return table(
        [
            "",
            "largest error of a population",
            "slowest timescale, ps",
            *(f"MFPT inside {name}" for name in against.yardsticks),
            "worst MFPT",
        ],
        rows,
    )


def _figures(against):
    md = next(iter(against.series.values()))
    rows = []
    for figure, known in against.known.items():
        spec = ".4f" if figure.startswith("population") else ",.0f"
        cells = [escape(figure), f"{known:{spec}}"]
        for figures in against.series.values():
            value, low, high = (figures[figure][part] for part in ("value", "low", "high"))
            inside = md[figure]["low"] <= (known if figures is md else value) <= md[figure]["high"]
            interval = f" <small>[{low:{spec}}, {high:{spec}}]</small>" if figures is md else ""
            cells.append(f"{_mark(inside)} {value:{spec}}{interval}")
        rows.append(cells)
    return table(["", "known", *against.series], rows)


def _mark(inside):
    return '<span class="pass">✓</span>' if inside else '<span class="fail">✗</span>'
