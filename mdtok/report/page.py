"""The report: one self-contained page whose first screen says in words which model passes and which fails."""

import base64
from html import escape
from pathlib import Path

from markupsafe import escape as markup_escape
from tqdm.auto import tqdm

from mdtok.kinetics.verdicts import picoseconds
from mdtok.report import tables
from mdtok.report.figures import DPI, NAMES, report_figures
from mdtok.report.glossary import REFERENCES, TERMS
from mdtok.report.parts import Table, Verbatim
from mdtok.storage import whole

_SHOWN_DPI = 108  # pixels of the page per inch of a figure; more are in the image, for sharp screens and print
_CHIPS = {"pass": "✓ passes", "fail": "✗ fails", "open": "? open"}
_HOW_TO_READ = (
    "✓ within the MD noise, ✗ off, ? the MD is too short to tell. The noise floor is how far two pieces of the same "
    "MD are apart (typical, and the most that is allowed). For timescales and MFPT, × is the factor between model "
    "and held-out MD in the worst item; for the other distances it is how many times the allowed distance. Brackets "
    "are 95 % intervals."
)
_TRANSITIONS = (
    "Transitions between macrostates that a model expects on held-out MD over those observed: 1 is calibrated, "
    "above 1 the model leaves too easily."
)
_ROLLOUTS = (
    "The last tenth of the chains against the first: populations of macrostates (total variation distance, beside "
    "what chance reaches in 1 of 20), and nats per token under the Markov chain of training MD, which rise where "
    "chains grow unlike MD. Net flux between two macrostates over the traffic both ways is 0 with detailed balance."
)


def write_report(
    card,
    folder,
    *,
    title="Does the model reproduce the dynamics?",
    projection=None,
    run=None,
    chapters=(),
    progress=False,
):
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
    ...     n_posterior_samples=10, progress=False)
    >>> write_report(card, tempfile.mkdtemp(), title="Two states").name
    'report.html'
    """
    folder = Path(folder)
    figures = report_figures(card, projection)
    with tqdm(
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
    """Write the figure's PNG and give its bytes."""
    path = folder / f"{figure.name}.png"
    with whole(path) as partial:
        figure.render(partial)
    return path.read_bytes()


def _page(card, title, figures, images, projection, run, chapters):
    content = card.content
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    terms = "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in TERMS.items())
    references = "".join(f"<li>{escape(reference)}</li>" for reference in REFERENCES)
    sections = [
        _first_screen(card, title),
        *(_section(chapter.title, _body(chapter.body) + _figures(chapter.figures, images)) for chapter in chapters),
        _section("Figures", _figures(figures, images)),
        _section("Macrostates", tables.state_table(content, projection)),
        _section("What each check found", tables.check_table(content)),
        _passage_times(content),
        _timescales(content),
        _section(
            "Transitions and cost",
            _paragraph(_TRANSITIONS) + tables.calibration_table(content) + tables.pair_table(content),
        ),
        _rollouts(content),
        _section("Glossary", f"<dl>{terms}</dl>"),
        _section("References", f"<ol>{references}</ol>"),
        _section("This run", tables.run_table(run)) if run else "",
    ]
    body = "\n".join(filter(None, sections))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _rollouts(content):
    checked = tables.rollout_table(content)
    return _section("Along the rollouts", _paragraph(_ROLLOUTS) + checked) if checked else ""


def _first_screen(card, title):
    rows = card.content["models"].values()
    sentences = "".join(_sentence(tables.status(row), sentence) for row, sentence in zip(rows, card.sentences))
    return (
        f'<header>\n<h1>{escape(title)}</h1>\n<p class="data">{escape(_data_line(card.content))}</p>\n'
        f'<ul class="sentences">{sentences}</ul>\n{tables.score_table(card.content)}\n'
        f'<p class="note"><small>{escape(_HOW_TO_READ)}</small></p>\n</header>'
    )


def _sentence(status, sentence):
    return f'<li><span class="chip {status}">{_CHIPS[status]}</span><span>{escape(sentence)}</span></li>'


def _data_line(content):
    """One line on the MD: how much, in how many trajectories, how many states, and what it is compared at."""
    reference, dt_ps = content["reference"], content["dt_ps"]
    n_frames = reference["n_train_tokens"] + reference["n_test_tokens"]
    n_train, n_test = reference["n_train_trajectories"], reference["n_test_trajectories"]
    grouped = f" in {content['n_macrostates']} macrostates" if content["n_macrostates"] < content["n_states"] else ""
    trajectories = "trajectory" if n_train == 1 else "trajectories"
    return (
        f"{picoseconds(n_frames * dt_ps)} of MD, one frame every {picoseconds(dt_ps)}: {n_train} {trajectories} to "
        f"learn from and {n_test} held out ({picoseconds(reference['n_test_tokens'] * dt_ps)}); "
        f"{content['n_states']} states{grouped}, lag time {picoseconds(content['lagtime_frames'] * dt_ps)}."
    )


def _section(title, body):
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}\n</section>"


def _paragraph(text):
    return f"<p>{escape(text)}</p>"


def _body(body):
    return body if isinstance(body, str) else "".join(map(_part, body))


def _part(part):
    if isinstance(part, Table):
        heading = f"<h3>{markup_escape(part.title)}</h3>" if part.title else ""
        return heading + tables.table(part.header, [map(markup_escape, row) for row in part.rows], part.look)
    return f"<pre>{escape(part.text)}</pre>" if isinstance(part, Verbatim) else f"<p>{markup_escape(part)}</p>"


def _figures(figures, images):
    drawn = "".join(_figure(figure, images[figure.name]) for figure in figures)
    return f'<div class="figures">{drawn}</div>' if drawn else ""


def _figure(figure, image):
    width = round(int.from_bytes(image[16:20]) * _SHOWN_DPI / DPI)  # a PNG's width stands in bytes 16 to 19
    source = f"data:image/png;base64,{base64.b64encode(image).decode()}"
    title = escape(figure.title)
    return (
        f'<figure id="{figure.name}"><h3>{title}</h3><img src="{source}" width="{width}" alt="{title}">'
        f"<figcaption>{escape(figure.caption)}</figcaption></figure>"
    )


def _passage_times(content):
    left_out, table = tables.mfpt_table(content)
    text = f"{left_out}With 95 % intervals and the number of passages seen, counted directly from trajectories."
    return _section("Mean first passage times", _paragraph(text) + table)


def _timescales(content):
    at_lag, table = tables.timescale_table(content)
    return _section(
        "Implied timescales", _paragraph(f"Relaxation times {at_lag}, with 95 % Bayesian intervals.") + table
    )
