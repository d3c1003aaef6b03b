"""How long the memory of tokens is: a chapter of the report."""

from mdtok.report.figures import ReportFigure
from mdtok.report.parts import Chapter
from mdtok.report.plots.memory import plot_memory

_CAPTION = (
    "Held-out nats per token that each further token of past saves a counted model, at several intervals between "
    "tokens; bars are 95 % intervals. A line that stays at zero is a Markov chain; where a line levels off, the "
    "memory ends. “Age” sees how long the state has lasted and the state before it. A network (dashed) is compared "
    "with the Markov chain on the same tokens."
)


def chapter_on_memory(diagnosis):
    """The chapter of a report: the answer in words, then the figure."""
    figure = ReportFigure("memory", "Memory of the tokens", _CAPTION, lambda: plot_memory(diagnosis))
    return Chapter("How much of the past counts", [str(diagnosis)], [figure])
