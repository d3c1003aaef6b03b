"""The report is one file that stands alone, says the verdicts first, and survives whatever a scorecard holds."""

from html import escape
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.image import imread

from mdtok.kinetics import Scorecard
from mdtok.report import Chapter, ReportFigure, Table, Verbatim, held, plot_commit_times, shown, write_report

VOID = {"meta", "img", "br", "hr"}


class Page(HTMLParser):
    """What a browser would see: tags with attributes, text in order, and whether every tag is closed."""

    def __init__(self, path):
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags, self.words, self.open_tags = [], [], []
        self.feed(self.source)
        self.close()

    @property
    def text(self):
        return " ".join(self.words)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open_tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open_tags.pop() == tag

    def handle_data(self, data):
        if self.open_tags[-1:] != ["style"]:
            self.words.append(data.strip())


@pytest.fixture(scope="session")
def written(scored, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    return folder, Page(scored.save(folder, title="Three states"))


def test_the_page_stands_alone(written):
    _, page = written
    assert page.open_tags == []
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "iframe", "object", "embed", "base", "form"}
    for _, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "srcset"):
            assert name not in attributes or attributes[name].startswith("data:image/png;base64,")
    assert not any(word in page.source for word in ("http:", "https:", "url(", "@import"))
    assert len(page.source) < 3e6


def test_figures_are_written_and_not_blank(written):
    folder, page = written
    files = sorted(path.name for path in (folder / "figures").iterdir())
    assert files == [
        "chapman_kolmogorov.png",
        "dwell_times.png",
        "md_length.png",
        "mfpt.png",
        "populations.png",
        "timescales.png",
    ]
    for name in files:
        image = imread(folder / "figures" / name)[..., :3]
        assert image.std() > 0.03 and min(image.shape[:2]) > 300
    assert sum(tag == "img" for tag, _ in page.tags) == len(files)
    assert sorted(path.name for path in folder.iterdir()) == ["figures", "report.html", "scorecard.json"]


def test_the_first_screen_says_who_passes_and_by_how_much(written, scored):
    _, page = written
    first = page.source[: page.source.index("</header>")]
    assert (
        "Three states" in first
        and "30 ns of MD, one frame every 2 ps: 7 trajectories to learn from and 3 held out (9 ns)" in first
    )
    for sentence in scored.sentences:
        assert escape(sentence) in first
    assert (
        first.count('class="chip') == 2
        and first.count("✓ passes") + first.count("✗ fails") + first.count("? open") == 2
    )
    for row in scored.content["models"].values():
        assert f"{float(row['nll_nats_per_token']['value']):.4f}" in first
        assert all(verdict in first for metric, verdict in row["verdicts"].items() if metric != "nll_nats_per_token")
    told = {attributes["title"] for tag, attributes in page.tags if tag == "td" and "title" in attributes}
    assert told == {
        check["sentence"]
        for row in scored.content["models"].values()
        for metric, check in row["checks"].items()
        if metric != "nll_nats_per_token"
    }
    assert "MD noise floor" in first and "best" in first


def test_tables_hold_the_numbers_of_the_scorecard(written, scored):
    _, page = written
    assert f"{scored.content['reference']['passages'][0, 1]:,} seen" in page.text
    slowest = scored.content["models"]["msm"]["timescales_ps"]["4"]["value"][0]
    assert f"{slowest:.3g} ps" in page.text
    assert "at a lag time of 8 ps" in page.text
    assert "every-2 (sees every 4 ps)" in page.text


def test_names_and_titles_are_escaped(card, tmp_path):
    evil = "<script>alert('x')</script>&\""
    content = card.content
    content["models"] = {evil: {**content["models"]["msm"], "summary": f"{evil} passes."}}
    content["macrostate_names"] = [evil, "B", "<b>C"]
    page = Page(write_report(Scorecard(content), tmp_path, title=evil, run={evil: {"<i>": [evil]}}))
    assert "script" not in {tag for tag, _ in page.tags} and not {"b", "i"} & {tag for tag, _ in page.tags}
    assert page.text.count(evil) > 5 and f"{evil} passes." in page.text


def test_chapters_stand_between_the_scorecard_and_its_figures(card, tmp_path):
    evil = "<b>a name</b>"
    figure = ReportFigure(
        "mine", f"Drawn, {evil}", "What to see.", lambda: plot_commit_times({"raw": np.ones((2, 2, 2))}, [1.0, 5.0])
    )
    table = Table(["", evil], [[evil, shown({"value": 2.0, "low": 1.5, "high": None}, ".1f")]], title=f"Of {evil}")
    body = [f"A paragraph on {evil}.", table, Verbatim(f"1  {evil}"), held(False, evil)]
    chapters = [Chapter("Made of parts", body, [figure]), Chapter("Of my own HTML", "<p>kept <em>as it is</em></p>")]
    page = Page(write_report(card, tmp_path, chapters=chapters))
    headings = [page.source.index(f"<h2>{title}</h2>") for title in ("Made of parts", "Of my own HTML", "Figures")]
    assert page.source.index("</header>") < headings[0] and headings == sorted(headings)
    tags = [tag for tag, _ in page.tags]
    assert "b" not in tags and tags.count("em") == 1 and tags.count("pre") == 1
    assert page.text.count(evil) == 7 and "[1.5, ∞]" in page.text and "✗" in page.text
    assert (tmp_path / "figures" / "mine.png").exists()


def test_missing_numbers_are_said_in_words(poor_card, tmp_path):
    page = Page(write_report(poor_card, tmp_path))
    assert "never reached" in page.text and "not seen" in page.text and "too short" in page.text
    words = page.text.split()
    wrong = [" ".join(words[k - 8 : k + 3]) for k, word in enumerate(words) if word in ("nan", "None", "inf", "NaN")]
    assert wrong == []


def test_a_scorecard_from_disk_gives_the_same_page(written, tmp_path, scored):
    folder, page = written
    again = Page(Scorecard.load(folder).save(tmp_path, title="Three states"))
    assert again.text == page.text


def test_a_projection_brings_maps_and_a_report_without_takes_them_away(card, projection, tmp_path):
    page = Page(write_report(card, tmp_path, projection=projection))
    assert "What the macrostates are" in page.text and "densest at (phi, psi)" in page.text
    kept = tmp_path / "figures" / "mine.png"
    kept.write_bytes(b"the user's own")
    assert {"states.png", "free_energy.png"} <= {path.name for path in kept.parent.iterdir()}
    write_report(card, tmp_path)
    assert {path.name for path in kept.parent.iterdir()}.isdisjoint({"states.png", "free_energy.png"}) and kept.exists()


def test_training_history_and_provenance_are_shown(card, tmp_path):
    card.content["models"]["msm"]["history"] = [{"step": 1, "train_nats": 0.5, "validation_nats": 0.4, "seconds": 1.0}]
    run = {
        "settings": {"seed": 7, "models": ["msm", "lstm"]},
        "versions": {},
        "stages": {"train": {"wall_seconds": 12.5}},
    }
    page = Page(write_report(card, tmp_path, run=run))
    assert (tmp_path / "figures" / "training.png").exists()
    assert all(text in page.text for text in ("settings · seed", "msm lstm", "stages · train · wall_seconds", "12.5"))


def test_a_model_that_could_not_be_tested_is_open_and_not_passed(card, tmp_path):
    row = card.content["models"]["msm"]
    for metric in row["verdicts"]:
        row["verdicts"][metric] = row["checks"][metric]["verdict"] = "MD too short to tell"
        row["checks"][metric].pop("ratio", None)
    row.update(passes=False, summary="msm is open: nothing is off.")
    page = Page(write_report(card, tmp_path))
    assert "? open" in page.text and "msm is open" in page.text


def test_an_error_leaves_no_half_page(card, tmp_path):
    (tmp_path / "report.html").write_text("<p>the first</p>")

    class Broken:
        def __str__(self):
            raise ValueError("stopped here")

    with pytest.raises(ValueError, match="stopped here"):
        write_report(card, tmp_path, title="the second", run={"x": Broken()})
    assert "the first" in Page(tmp_path / "report.html").text
    assert not list(tmp_path.rglob("*.partial"))


def test_many_states_still_make_a_page(card, tmp_path):
    """Tokens as macrostates, twelve of them: panels and rows are limited, nothing runs for ever."""
    n, content = 12, card.content
    content.update(n_states=n, n_macrostates=n, macrostate_names=[str(state) for state in range(n)])
    times = 10.0 + np.arange(n * n, dtype=float).reshape(n, n)
    content["mfpt_allowed"] = np.full((n, n), 1.5)
    mfpt = {"value": times, "low": times * 0.9, "high": times * 1.1}
    for part in (content["reference"], content["md"], *content["models"].values()):
        part.update(
            populations=np.full(n, 1 / n),
            populations_interval=dict.fromkeys(("value", "low", "high"), np.full(n, 1 / n)),
            mfpt_ps=mfpt,
            reference_mfpt_ps=mfpt,
            passages=np.full((n, n), 20),
            propagators=np.full((content["ck_steps"], n, n), 1 / n),
            propagators_interval=dict.fromkeys(("low", "high"), np.full((content["ck_steps"], n, n), 1 / n)),
            dwell_survival=[part["dwell_survival"][0]] * n,
        )
    page = Page(write_report(card, tmp_path))
    assert "The 30 slowest of 132 pairs." in page.text
