"""Anything generated is judged: tokens, features, mdtraj trajectories, a deeptime MSM, ensembles without time."""

import json

import numpy as np
import pytest
from chains import THREE_STATES, simulate
from deeptime.markov.msm import MarkovStateModel

import mdtok
from mdtok.errors import DataError, SettingsError
from mdtok.kinetics.judging.field_metrics import REPLICATE, SHORTER, field_metrics_table
from mdtok.kinetics.judging.judge import States
from mdtok.kinetics.judging.samples import as_sample

HASTY = np.linalg.matrix_power(THREE_STATES, 2)


def clouds(dtrajs, seed, spread=0.25):
    """Two angles a frame: a cloud round a centre of its own for each state."""
    rng = np.random.default_rng(seed)
    centres = np.array([[-1.2, 2.6], [-1.2, -0.5], [1.0, 0.8]])
    return [(centres[d] + spread * rng.standard_normal((len(d), 2))).astype(np.float32) for d in dtrajs]


@pytest.fixture(scope="module")
def md():
    return simulate(THREE_STATES, 12, 4000, seed=1)


@pytest.fixture(scope="module")
def card(md):
    generated = {
        "good": simulate(THREE_STATES, 20, 4000, seed=2),
        "fast": simulate(HASTY, 20, 4000, seed=3),
        "msm": MarkovStateModel(THREE_STATES),
        "every third": [d[::3] for d in simulate(THREE_STATES, 20, 6000, seed=4)],
    }
    return mdtok.judge(md, generated, dt_ps=2.0, generated_dt_ps={"every third": 6.0}, lagtime=6, progress=False)


def test_the_right_ones_pass_and_the_fast_one_fails(card):
    rows = card.content["models"]
    assert {name: row["passes"] for name, row in rows.items()} == {
        "good": True,
        "fast": False,
        "msm": True,
        "every third": True,
    }
    assert "too fast" in rows["fast"]["summary"] and "the reference" in rows["fast"]["summary"]
    assert 1.6 < 1 / rows["fast"]["checks"]["timescales_ps"]["ratio"] < 2.5


def test_worth_is_in_every_row_and_the_fast_one_is_worth_little(card):
    worth = {name: row["equivalent_md_ps"]["all"] for name, row in card.content["models"].items()}
    assert float(worth["fast"]["high"]) < 48_000 * 2.0 / 4
    assert np.isinf(float(worth["good"]["high"]))
    assert "As near to long MD as" in card.sentences[0]


def test_the_fields_metrics_stand_beside_md(card):
    rows = card.content["field_metrics"]["rows"]
    assert list(rows) == ["good", "fast", "every third", REPLICATE, SHORTER]
    assert rows["good"]["js_macrostates"] < rows[SHORTER]["js_macrostates"]
    assert rows["fast"]["vamp2_gap"] < rows["good"]["vamp2_gap"]
    assert np.isnan(rows["good"]["js_torsions"])  # tokens have none


def test_a_generator_that_wanders_off_is_seen_along_its_rollouts(md, tmp_path):
    """Its first half is MD, its second half stays in one cloud; as a whole it is somewhere between."""
    right = clouds(simulate(THREE_STATES, 12, 4000, seed=5), 6)
    stays = clouds([np.full(2000, 2)] * len(right), 8)
    lost = [np.concatenate([first[:2000], second]) for first, second in zip(right, stays)]
    card = mdtok.judge(clouds(md, 7), {"right": right, "lost": lost}, dt_ps=2.0, n_states=12, progress=False)
    along = card.content["field_metrics"]["by_position"]
    values = {name: np.array(row["values"]["js_macrostates"]) for name, row in along.items()}
    assert 0 < along["right"]["md"]["js_macrostates"] < 0.08
    assert (values["right"] < 0.15).all() and (values["lost"][:5] < 0.15).all() and (values["lost"][5:] > 0.3).all()
    columns = np.array(along["lost"]["values"]["js_columns"])
    assert columns[5:].min() > 2 * columns[:5].max()
    assert [len(value) for value in along["lost"]["values"].values()] == [10] * len(along["lost"]["values"])
    assert "Along the rollouts" in card.save(tmp_path).read_text(encoding="utf-8")
    assert (tmp_path / "figures" / "positions.png").exists()


def test_tenths_of_few_frames_and_of_cut_tokens_are_compared(md):
    """Twelve frames against 48,000, and tokens that fell into more pieces than there are trajectories."""
    reference = as_sample(clouds(md, 7), "the reference", None, 1.0)
    short = as_sample(clouds([md[0][:12]], 8), "short", None, 1.0, reference)
    states = States(md, {"short": [md[0][:6], md[0][6:12]]}, np.arange(3), list("ABC"), 0.0, {}, None)
    table = field_metrics_table(reference, {"short": short}, states, {"short": (1, 1)}, 10, True, 300.0, 1)
    assert table["by_position"]["short"] == {}  # no piece has ten frames
    states.generated["short"] = [md[0][:12], md[0][:12]]
    table = field_metrics_table(reference, {"short": short}, states, {"short": (1, 1)}, 10, True, 300.0, 1)
    assert len(table["by_position"]["short"]["values"]["js_columns"]) == 10


def test_md_of_two_trajectories_is_not_shown_as_perfect(md):
    """Each half is off by as much as the other, to the other side: the median of such values says nothing."""
    two = [np.concatenate(md[:6]), np.concatenate(md[6:])]
    reference = as_sample(clouds(two, 7), "the reference", None, 1.0)
    states = States(two, {}, np.arange(3), list("ABC"), 0.0, {}, None)
    replicate = field_metrics_table(reference, {}, states, {}, 10, True, 300.0, 1)["rows"][REPLICATE]
    assert abs(replicate["vamp2_gap"]) > 1e-3
    assert replicate["js_macrostates"] > 1e-3


def test_the_card_is_written_and_drawn(card, tmp_path):
    page = card.save(tmp_path).read_text(encoding="utf-8")
    content = json.loads((tmp_path / "scorecard.json").read_text(encoding="utf-8"))
    assert content["models"]["good"]["generated"] and content["field_metrics"]["rows"]["fast"]
    assert "rank correlation of fluxes" in page and "equivalent MD time" in page and "Reference:" in page


def test_features_are_judged_in_states_of_the_reference(md):
    generated = {
        "good": clouds(simulate(THREE_STATES, 12, 4000, seed=5), 6),
        "blurred": clouds(simulate(THREE_STATES, 12, 4000, seed=5), 6, spread=0.4),
    }
    found = mdtok.judge(
        clouds(md, 7), generated, dt_ps=1.0, n_states=20, n_macrostates=3, equivalent=False, progress=False
    )
    rows = found.content["field_metrics"]["rows"]
    assert rows["good"]["js_columns"] < 0.05 < rows["blurred"]["js_columns"]
    assert rows["good"]["js_tica01"] < rows["blurred"]["js_tica01"]
    assert rows["good"]["decorrelation_tica0"] == pytest.approx(1.0, abs=0.25)
    assert found.content["models"]["good"]["passes"]


def test_an_ensemble_without_time_is_judged_by_its_populations_only(md, tmp_path):
    rng = np.random.default_rng(0)
    generated = {
        "shuffled": [rng.permutation(np.concatenate(simulate(THREE_STATES, 12, 4000, seed=8)))],
        "flat": [rng.integers(0, 3, 40_000)],
    }
    found = mdtok.judge(md, generated, dt_ps=1.0, time=False, progress=False)
    rows = found.content["models"]
    assert rows["shuffled"]["passes"] and not rows["flat"]["passes"]
    assert set(rows["flat"]["verdicts"]) == {"populations_jsd"}
    assert "Nothing is said of its kinetics" in rows["shuffled"]["summary"]
    assert "Mean first passage times" not in found.save(tmp_path).read_text(encoding="utf-8")


def test_a_state_that_the_reference_never_visits_is_judged(md):
    wrong = [
        np.where(np.random.default_rng(9).random(len(d)) < 0.2, 3, d) for d in simulate(THREE_STATES, 12, 4000, 10)
    ]
    found = mdtok.judge(md, {"wrong": wrong}, dt_ps=1.0, equivalent=False, progress=False)
    row, metrics = found.content["models"]["wrong"], found.content["field_metrics"]["rows"]["wrong"]
    assert row["verdicts"]["populations_jsd"].startswith("off") and not row["passes"]
    assert metrics["state_precision"] == pytest.approx(3 / 4)


def test_training_md_is_one_more_row(md):
    found = mdtok.judge(
        md[:6],
        {"good": simulate(THREE_STATES, 12, 4000, 11)},
        training=md[6:],
        dt_ps=1.0,
        equivalent=False,
        progress=False,
    )
    assert list(found.content["models"]) == ["good", "training MD"]


def test_score_takes_generated_trajectories_beside_models(md):
    found = mdtok.score(
        {"msm": mdtok.MarkovModel(), "mine": simulate(THREE_STATES, 10, 4000, 12)},
        md[:8],
        md[8:],
        1.0,
        rollouts={"also mine": simulate(HASTY, 10, 4000, 13)},
        equivalent=False,
        n_bootstrap=10,
        progress=False,
    )
    rows = found.content["models"]
    assert list(rows) == ["msm", "mine", "also mine"]
    assert rows["mine"]["nll_nats_per_token"] is None and rows["also mine"]["verdicts"]["mfpt_ps"].startswith("off")


def test_models_that_say_the_same_say_so(md):
    models = {"one": mdtok.MarkovModel(), "two": mdtok.MarkovModel()}
    found = mdtok.score(models, md[:8], md[8:], 1.0, equivalent=False, n_bootstrap=5, progress=False)
    assert "the same model here" in found.content["models"]["one"]["summary"]


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"generated": {}}, SettingsError, "Nothing generated"),
        ({"generated": {"a": []}}, DataError, "a: no trajectory was given"),
        ({"generated": {"a": np.array([1])}}, DataError, "one frame"),
        ({"generated": {"a": "text"}}, DataError, "a: "),
        ({"dt_ps": None}, SettingsError, "give dt_ps"),
        ({"generated_dt_ps": 1.5}, DataError, "every 1.5 ps, the reference every 1 ps; one has to be a multiple"),
        ({"generated": {"a": np.zeros((50, 2))}}, DataError, "a is features, the reference tokens"),
        ({"lagtime": 5, "generated_dt_ps": 2.0}, SettingsError, "a multiple of 2 was expected"),
    ],
)
def test_wrong_input_is_one_clear_line(md, change, error, words):
    arguments = {"reference": md, "generated": {"a": md[0][:1000] * 0 + 1}, "dt_ps": 1.0} | change
    reference, generated = arguments.pop("reference"), arguments.pop("generated")
    with pytest.raises(error, match=words) as raised:
        mdtok.judge(reference, generated, progress=False, **arguments)
    assert "\n" not in str(raised.value)


def test_the_reference_itself_is_no_model_of_it(md):
    with pytest.raises(DataError, match="are frames .* of trajectory 3 of the reference .* word for word"):
        mdtok.judge(md, {"copy": [md[3][500:3000]]}, dt_ps=1.0, progress=False)
    with pytest.raises(DataError, match="training MD.* word for word"):
        mdtok.judge(md[:6], {"copy": [md[8]]}, training=md[6:], dt_ps=1.0, progress=False)


def test_nan_is_named(md):
    wrong = clouds(md[:2], 3)
    wrong[1][7] = np.nan
    with pytest.raises(DataError, match="a: trajectory 1 holds NaN or infinity at frame 7"):
        mdtok.judge(clouds(md, 1), {"a": wrong}, dt_ps=1.0, progress=False)


def test_angles_in_arrays_are_named_and_said(md, caplog):
    """Wells at 0 and at pi, where a length would tear the second one in two."""
    rng = np.random.default_rng(3)
    angles = [np.angle(np.exp(1j * (np.pi * (d == 1)[:, None] + rng.normal(0, 0.3, (len(d), 1))))) for d in md]
    other = [np.degrees(array) for array in angles[6:]]
    card = mdtok.judge(
        [np.degrees(array) for array in angles[:6]],
        {"other": other},
        dt_ps=1.0,
        columns=["phi"],
        periodic=["phi=degrees"],
        n_states=4,
        equivalent=False,
        progress=False,
    )
    assert card.content["field_metrics"]["columns"]["other"].keys() == {"phi"}
    assert card.content["field_metrics"]["rows"]["other"]["js_torsions"] < 0.1
    assert "looks like an angle" not in caplog.text
    as_sample(angles, "the reference", None, 1.0)
    assert "column 0" in caplog.text and "looks like an angle in radians" in caplog.text
    with pytest.raises(mdtok.SettingsError, match="periodic names 'psi', which is none of the columns phi"):
        as_sample(angles, "the reference", None, 1.0, columns=["phi"], periodic=["psi"])
    with pytest.raises(mdtok.DataError, match="it has 1 columns, and columns= names 2"):
        as_sample(angles, "the reference", None, 1.0, columns=["phi", "psi"])
    with pytest.raises(mdtok.DataError, match="more than 2 pi"):
        as_sample(other, "the reference", None, 1.0, periodic=[0])
    with pytest.raises(mdtok.SettingsError, match="are for features in arrays"):
        mdtok.judge(md[:6], {"other": md[6:]}, dt_ps=1.0, periodic=["phi"])
