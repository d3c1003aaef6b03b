"""Chapter: which of the transitions between states are recrossings."""

from mdtok.report import Chapter, ReportFigure, plot_commit_times
from mdtok.storage import read_json
from mdtok.workflows.judged import JudgedRun

PLACE = 75
_MEANING = (
    "Visits shorter than the commit time are counted to the state before. Where a line is level, the transitions "
    "are real; where it falls, they were recrossings."
)


def _path(judged):
    return judged.run / "tokens" / "commit_times.json"


def applies(judged: JudgedRun) -> bool:
    """Where transitions were counted when the tokens were made."""
    return _path(judged).exists()


def numbers(judged: JudgedRun) -> dict:
    """Transitions for every commit time, by the way in which the tokens are made."""
    return read_json(_path(judged))


def draw(numbers: dict) -> Chapter:
    """One figure."""
    figure = ReportFigure(
        "commit_times",
        "Transitions against commit time",
        "All trajectories together, for each way of making tokens.",
        lambda: plot_commit_times(numbers["transitions"], numbers["commit_ps"]),
    )
    return Chapter("Transitions and recrossings", [_MEANING], [figure])
