"""The figures of a report, in their order, each with a caption that says what to see and what the band is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mdtok.kinetics.scoring.scorecard import Scorecard
from mdtok.report.plots import maps
from mdtok.report.plots import scorecard as plots
from mdtok.report.plots.md_length import has_lengths, plot_error_against_length
from mdtok.report.plots.parity import plot_mfpt_parity
from mdtok.report.plots.positions import plot_positions, shown_along
from mdtok.report.plots.style import rows_with_md

DPI = 160


@dataclass
class ReportFigure:
    """A figure to draw: `draw` gives axes, `name` is that of its file."""

    name: str
    title: str
    caption: str
    draw: Callable

    def render(self, path: Path) -> None:
        """Draw and write a PNG to `path`."""
        drawn = self.draw()
        axes = drawn if hasattr(drawn, "figure") else drawn[0]
        axes.figure.savefig(path, format="png", dpi=DPI)


def report_figures(card: Scorecard, projection: maps.Projection | None = None) -> list[ReportFigure]:
    """The figures that this scorecard (and projection, and its rollouts) allow, as a list of ReportFigure."""
    content = card.content
    sparse = any(row["lagtime_frames"] > 1 for row in content["models"].values())
    chosen = []
    if projection is not None:
        chosen.append(
            ReportFigure(
                "states",
                "What the macrostates are",
                "Every bin has the colour of the macrostate most often found there in MD, pale where it was rarely "
                "visited; the name stands where the macrostate is densest. White was never visited.",
                lambda: maps.plot_state_map(projection, macrostate_names=content["macrostate_names"]),
            )
        )
        chosen.append(
            ReportFigure(
                "free_energy",
                "Free-energy surfaces",
                "-ln p in kT above each map's lowest point, one colour scale for all maps; white was never visited. "
                "MD frames are weighted by the stationary populations of a Markov model at the scorecard's lag "
                "time, so that where the trajectories were started does not matter. A model makes tokens, not "
                "angles: for each of its tokens an MD frame of that state was drawn at random, so a map shows where "
                "a model spends its time, and not what it knows within a state.",
                lambda: maps.free_energy_maps(projection, card.rollouts, lagtime=content["lagtime_frames"]),
            )
        )
    if not content.get("time", True):
        return [*chosen, _populations(content)]
    if has_lengths(content):
        chosen.append(_md_length(content))
    chosen += [
        ReportFigure(
            "timescales",
            "Implied timescales",
            "Relaxation times of Markov models fitted in the same way, at many lag times, to MD and to what each "
            "model generated. A good model's line runs along that of the held-out MD and within its band; level "
            "lines mean that the tokens are Markovian at that lag. Bands are 95 % intervals from resampled "
            "trajectories; where a data set does not resolve a process nothing is drawn. In the grey corner a "
            "process is faster than the lag and nothing is known of it, so nothing is drawn.",
            lambda: plots.plot_timescales(rows_with_md(content, "timescales_ps"), content["dt_ps"]),
        ),
        ReportFigure(
            "mfpt",
            "Mean first passage times",
            "Each point is one ordered pair of macrostates, named above: held-out MD across, model up. Perfect "
            "models lie on the diagonal; a grey bar is how far off the verdict lets a model be in that pair (none "
            "where "
            "the MD is too short to tell). Bars are 95 % intervals (bootstrap over trajectories, exact where fewer "
            "than ten passages were seen)." + _SPARSE_PAIRS * sparse,
            lambda: plot_mfpt_parity(content),
        ),
        _populations(content),
        ReportFigure(
            "dwell_times",
            "Dwell times",
            "Share of the stays in a macrostate that last at least so long. Compare with the black line "
            "(held-out MD, number of its stays in the title), and take its band (95 % interval) as the "
            "statistical error. Stays cut off by a trajectory's end are left out." + _SPARSE * sparse,
            lambda: plots.plot_dwell_times(content),
        ),
        ReportFigure(
            "chapman_kolmogorov",
            "Chapman-Kolmogorov",
            "Probability of being in the second macrostate so long after being in the first, counted in MD "
            "(markers) and in what the models generated (lines). Lines through the black markers are right; black "
            "against grey is the statistical error, and so are the bars (95 % intervals).",
            lambda: plots.plot_chapman_kolmogorov(content),
        ),
    ]
    if shown_along(content):
        chosen.append(_positions(content))
    if plots.has_training_curves(content):
        chosen.append(
            ReportFigure(
                "training",
                "Training",
                "Nats per token on training windows (dashed) and on the validation trajectories (solid) while "
                "training; the marker is the step whose weights were kept. A solid line that rises while the dashed "
                "one falls is overfitting.",
                lambda: plots.plot_training_curves(content),
            )
        )
    return chosen


def _md_length(content):
    return ReportFigure(
        "md_length",
        "What the models are worth",
        "Error of pieces of MD against their length: the black line is the typical piece, the band holds 95 % of them. "
        "Each model is a level line; where it meets the black one is the MD time that it is worth. The error is the "
        "geometric mean over populations, timescales, first passages, dwells and Chapman-Kolmogorov, each in units of "
        "what the halves of the MD differ by.",
        lambda: plot_error_against_length(content),
    )


def _positions(content):
    return ReportFigure(
        "positions",
        "Along the rollouts",
        "Jensen-Shannon distance from MD in each tenth of the generated trajectories. The dashed line is the distance "
        "of a piece of MD as long as a tenth from the rest of it, so what lies on it is as good as MD. A line that "
        "rises is a generator that wanders off.",
        lambda: plot_positions(content),
    )


def _populations(content):
    return ReportFigure(
        "populations",
        "Populations",
        "Share of time in each macrostate in equilibrium: the stationary distribution of a Markov model at the "
        "scorecard's lag time, for MD and models alike, with 95 % intervals; no bar where the data cannot tell it. The "
        "axis is logarithmic where a state has less than 2 %.",
        lambda: plots.plot_populations(content),
    )


NAMES = (
    "states",
    "free_energy",
    "md_length",
    "timescales",
    "mfpt",
    "populations",
    "dwell_times",
    "chapman_kolmogorov",
    "positions",
    "training",
)
_SPARSE_PAIRS = (
    " A model marked “sees every … ps” misses short visits; its points stand against MD looked at as rarely."
)
_SPARSE = (
    " A model marked “sees every … ps” has no frames between, so it misses short visits and its times are longer; its "
    "verdict compares it with MD looked at as rarely, this figure with MD at every frame."
)
