"""A scorecard as rows, as a file for spreadsheets, and as a notebook shows it."""

import csv

import numpy as np
import pytest
from chains import THREE_STATES, simulate

import mdtok


@pytest.fixture(scope="module")
def card():
    md = simulate(THREE_STATES, 10, 1500, seed=21)
    return mdtok.score(
        {"msm": mdtok.MarkovModel(), "<b>mine</b>": simulate(THREE_STATES, 10, 1500, seed=5)},
        md[:7],
        md[7:],
        dt_ps=0.5,
        lagtimes=[1, 5],
        lagtime=5,
        n_splits=10,
        n_bootstrap=10,
        macrostate_names=["a", "b", "c"],
        progress=False,
    )


def rows_of(rows, **wanted):
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def test_numbers_are_those_of_the_card(card):
    rows = card.numbers()
    times = rows_of(rows, of="msm", quantity="implied timescale", lagtime_ps=2.5)
    of_card = card.content["models"]["msm"]["timescales_ps"]["5"]
    np.testing.assert_allclose([row["value"] for row in times], np.asarray(of_card["value"], dtype=float))
    np.testing.assert_allclose([row["high"] for row in times], np.asarray(of_card["high"], dtype=float))
    assert [row["item"] for row in times] == ["1", "2"] and {row["unit"] for row in times} == {"ps"}
    (passage,) = rows_of(rows, of="reference", quantity="mean first passage time", item="c → a")
    assert passage["value"] == pytest.approx(float(np.asarray(card.content["reference"]["mfpt_ps"]["value"])[2, 0]))
    assert not rows_of(rows, item="a → a")
    assert len(rows_of(rows, of="<b>mine</b>", quantity="held-out nats per token")) == 0
    assert len(rows_of(rows, of="msm", quantity="held-out nats per token")) == 1
    assert {row["of"] for row in rows} == {"reference", "all MD", "msm", "<b>mine</b>"}


def test_numbers_are_written_for_spreadsheets(card, tmp_path):
    path = card.to_csv(tmp_path / "numbers.csv")
    with open(path, encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert len(read) == len(card.numbers())
    assert float(read[0]["value"]) == pytest.approx(card.numbers()[0]["value"])
    assert [p.name for p in tmp_path.iterdir()] == ["numbers.csv"]


def test_a_notebook_shows_the_first_screen_and_a_session_one_line(card):
    shown = card._repr_html_()
    assert len(shown) < 20_000 and "<table" in shown and "held-out nats/token" in shown
    assert card.content["models"]["msm"]["summary"].split(":")[0] in shown
    assert "<b>mine</b>" not in shown and "&lt;b&gt;mine&lt;/b&gt;" in shown
    assert len(repr(card)) < 100 and repr(card).startswith("Scorecard(msm: ")
