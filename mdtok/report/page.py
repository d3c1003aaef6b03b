"""The report: one self-contained page whose first screen says in words which model passes and which fails."""

import base64
import functools
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from mdtok.kinetics.scoring.scorecard import Scorecard
from mdtok.kinetics.scoring.verdicts import picoseconds, status
from mdtok.progress import tracked
from mdtok.report import tables
from mdtok.report.field_tables import field_table
from mdtok.report.figures import DPI, NAMES, report_figures
from mdtok.report.glossary import REFERENCES, TERMS
from mdtok.report.parts import Chapter, Table
from mdtok.report.plots.maps import Projection
from mdtok.storage import whole

_LOOKS = {"passes": "pass", "fails": "fail", "open": "open"}
_SHOWN_DPI = 108  # pixels of the page per inch of a figure; more are in the image, for sharp screens and print
_HERE = Path(__file__).parent


def write_report(
    card: Scorecard,
    folder: str | Path,
    *,
    title: str = "Does the model reproduce the dynamics?",
    projection: Projection | None = None,
    run: dict | None = None,
    chapters: Sequence[Chapter] = (),
    progress: bool = False,
) -> Path:
    """Write ``report.html`` and ``figures/*.png`` to `folder`, each whole or not at all.

    The page stands alone: images and style are inside it, it needs no network and no script.

    Parameters
    ----------
    card : Scorecard
        As `score` gives it; one read by ``Scorecard.load`` has no rollouts, so its report has no maps of models.
    folder : path-like
        Made if it is not there.
    title : str
    projection : Projection, optional
        Two features of the MD frames (such as φ and ψ) for state and free-energy maps.
    run : dict, optional
        Provenance for the end of the page: settings, versions, stage times; may be nested.
    chapters : sequence of Chapter
        Further parts, between the scorecard and its figures.
    progress : bool
        Show a progress bar over the figures.

    Returns
    -------
    pathlib.Path
        Of ``report.html``.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import mdtok
    >>> dtraj = np.cumsum(np.random.default_rng(7).random(4000) < 0.05) % 2     # hops between two states
    >>> card = mdtok.score(
    ...     {"msm": mdtok.MarkovModel()}, [dtraj[:3000]], [dtraj[3000:]], dt_ps=1.0, lagtimes=[1, 2], n_splits=10,
    ...     n_bootstrap=10, progress=False)
    >>> write_report(card, tempfile.mkdtemp(), title="Two states").name
    'report.html'
    """
    folder = Path(folder)
    figures = report_figures(card, projection)
    with tracked(
        [*figures, *(figure for chapter in chapters for figure in chapter.figures)],
        desc="figures",
        unit="figure",
        disable=not progress,
    ) as bar:
        images = {figure.name: _draw(figure, folder / "figures") for figure in bar}
    for left_over in set(NAMES) - set(images):  # of an earlier report, with a projection or history that this one lacks
        (folder / "figures" / f"{left_over}.png").unlink(missing_ok=True)
    page = _page(card, title, figures, images, projection, run, chapters)
    with whole(folder / "report.html") as partial:
        partial.write_text(page, encoding="utf-8")
    return folder / "report.html"


def _draw(figure, folder):
    """Write the figure's PNG and give it as the page holds it."""
    path = folder / f"{figure.name}.png"
    with whole(path) as partial:
        figure.render(partial)
    content = path.read_bytes()
    width = int.from_bytes(content[16:20])  # of a PNG it stands there
    return {"base64": base64.b64encode(content).decode(), "width": round(width * _SHOWN_DPI / DPI)}


@functools.cache
def _template() -> Template:
    loader = FileSystemLoader(_HERE)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html.j2")


def _page(card, title, figures, images, projection, run, chapters):
    content, n_states = card.content, len(card.content["macrostate_names"])
    timed = content.get("time", True)  # an ensemble without time has no kinetics
    mfpt = tables.mfpt_table(content) if timed else Table([], [])
    return _template().render(
        title=title,
        style=(_HERE / "page.css").read_text(encoding="utf-8"),
        data=_data_line(content),
        verdicts=[(_LOOKS[status(row)], row["summary"]) for row in content["models"].values()],
        remarks=content.get("remarks", []),
        scores=tables.score_table(content),
        chapters=chapters,
        figures=figures,
        images=images,
        states=tables.state_table(content, projection),
        checks=tables.check_table(content),
        mfpt=mfpt,
        n_pairs_left_out=n_states * (n_states - 1) - len(mfpt.rows),
        timed=timed,
        worth=tables.worth_table(content),
        equations=tables.master_equation_table(content),
        field=field_table(content),
        branching=tables.branching_table(content),
        timescale_lag=picoseconds(tables.timescale_lag(content) * content["dt_ps"]) if timed else "",
        timescales=tables.timescale_table(content) if timed else None,
        calibration=tables.calibration_table(content) if timed else None,
        pairs=tables.pair_table(content),
        rollouts=tables.rollout_table(content),
        glossary=TERMS,
        references=REFERENCES,
        provenance=tables.run_table(run or {}),
    )


def _data_line(content):
    """One line on the MD: how much, in how many trajectories, how many states, and what it is compared at."""
    reference, dt_ps = content["reference"], content["dt_ps"]
    n_frames = reference["n_train_tokens"] + reference["n_test_tokens"]
    n_train, n_test = reference["n_train_trajectories"], reference["n_test_trajectories"]
    grouped = f" in {content['n_macrostates']} macrostates" if content["n_macrostates"] < content["n_states"] else ""
    trajectories = "trajectory" if n_train == 1 else "trajectories"
    if not n_train:
        lag = f", lag time {picoseconds(content['lagtime_frames'] * dt_ps)}" if content.get("time", True) else ""
        return (
            f"Reference: {picoseconds(n_frames * dt_ps)} of MD in {n_test} trajectories, one frame every "
            f"{picoseconds(dt_ps)}; {content['n_states']} states{grouped}{lag}."
        )
    return (
        f"{picoseconds(n_frames * dt_ps)} of MD, one frame every {picoseconds(dt_ps)}: {n_train} {trajectories} to "
        f"learn from and {n_test} held out ({picoseconds(reference['n_test_tokens'] * dt_ps)}); "
        f"{content['n_states']} states{grouped}, lag time {picoseconds(content['lagtime_frames'] * dt_ps)}."
    )
