"""Chapters are found by walking a folder; their numbers survive a file, and are drawn without a model."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from mdtok.errors import DataError
from mdtok.kinetics.oracle import Oracle
from mdtok.md.definition import load_definition
from mdtok.models import CopyLast, NanoGPT, VectorAutoregression
from mdtok.report import Chapter, Table
from mdtok.storage import as_json, write_json
from mdtok.tokens import StateTokenizer
from mdtok.workflows.chapters import find_chapters, name_of
from mdtok.workflows.chapters.cvs import pooled
from mdtok.workflows.labelling import cut_and_label

CHAPTERS = {name_of(chapter): chapter for chapter in find_chapters()}
OF_POTENTIALS = ("kinetics", "exact", "forecasts", "classes", "cvs", "attention")
#: Of a slowest process that the tokens at the shorter lag see too fast.
TIMESCALES = {
    "1": {"value": [300.0], "low": [250.0], "high": [360.0]},
    "10": {"value": [1200.0], "low": [900.0], "high": [1600.0]},
}
STATES = {"left": np.array([-1.0, 0.0]), "right": np.array([1.0, 0.1]), "top": np.array([0.0, 0.8])}
D, KT, STEP_PS = 0.02, 0.00831446 * 300, 1.0


def double_well(points):
    """In kJ/mol; the left well is deeper."""
    x, y = np.asarray(points).T
    return 3.0 * (x**2 - 1) ** 2 + 0.4 * x + 8.0 * y**2


def walks(starts, n_frames, seed):
    """Overdamped walks in the double well, shape (n_walks, n_frames, 2)."""
    rng, x = np.random.default_rng(seed), np.array(starts)
    frames = np.empty((n_frames, *x.shape))
    for frame in frames:
        force = np.column_stack([-12.0 * x[:, 0] * (x[:, 0] ** 2 - 1) - 0.4, -16.0 * x[:, 1]])
        x = x + D * STEP_PS / KT * force + np.sqrt(2 * D * STEP_PS) * rng.standard_normal(x.shape)
        frame[:] = x
    return frames.transpose(1, 0, 2)


class Split:
    """Arrays of which the first half is for training."""

    def __init__(self, arrays, labels=None, frame_ps=STEP_PS):
        self.arrays, self.labels, self.frame_ps = list(arrays), labels, frame_ps
        self.names, self.periodic = ["x (nm)", "y (nm)"], np.zeros(2, dtype=bool)
        order = np.arange(len(self.arrays))
        self.split = {"train": order[: len(order) // 2].tolist(), "test": order[len(order) // 2 :].tolist()}

    def part(self, name):
        return [self.arrays[k] for k in self.split[name]]

    def labels_of(self, name):
        return self.labels[self.split[name]]

    def encode(self, arrays):
        return list(arrays)


class MadeUpRun(SimpleNamespace):
    """What a chapter may look at, without a folder."""

    def models_of_features(self):
        return {name: model for name, model in self.models.items() if model.reads == "features"}

    def but(self, **other):
        return MadeUpRun(**{**vars(self), **other})


class MadeUpBert(CopyLast):
    """Looks at frames as a trajectory BERT does, without a network."""

    reads, is_causal, past_share_, has_density = "features", True, 0.25, True

    def attentions(self, trajectory):
        visible = np.tri(len(trajectory))
        return np.tile(visible / visible.sum(axis=1, keepdims=True), (2, 3, 1, 1))

    def predict_proba(self, trajectories):
        right = np.array([x[:, 0].mean() > 0 for x in trajectories], dtype=float)
        return np.column_stack([1 - right, right])

    def transform(self, trajectories):
        return [np.column_stack([x, x[:, :1] ** 2 + 0.1 * x[:, 1:]]) for x in trajectories]

    def class_logits(self, embeddings):
        return np.column_stack([-embeddings[:, 0], embeddings[:, 0]])

    def forecast_ensemble(self, prompts, n_steps, seed=0):
        noise = 0.1 * np.random.default_rng(seed).standard_normal((len(prompts), 4, n_steps, 2))
        return self.forecast(prompts, n_steps)[:, None] + noise

    def log_density(self, trajectory):
        return np.full(len(trajectory) - 1, -1.0)


@pytest.fixture(scope="module")
def judged():
    starts = np.repeat([STATES["left"], STATES["right"]], 12, axis=0)
    mixed = np.random.default_rng(1).permutation(len(starts))
    labelled = Split(walks(starts, 240, seed=7)[mixed], np.repeat([0, 1], 12)[mixed])
    features = Split(walks(starts, 600, seed=8)[mixed])
    models = {
        "copy-last": CopyLast().fit(features.arrays),
        "ornstein-uhlenbeck": VectorAutoregression().fit(features.arrays),
        "made-up": MadeUpBert().fit(features.arrays),
    }
    for model in models.values():
        model.reads = "features"
    settings = SimpleNamespace(
        seed=7,
        progress=False,
        lagtime=2,
        window=20,
        frame_interval_ps=STEP_PS,
        n_frames=240,
        n_long_frames=600,
        n_forecasts=6,
        n_prompt=60,
        n_forecast=10,
        n_attention=2,
    )

    def thinned(trajectories):
        return [x[4::5] for x in trajectories]

    tokenizer = StateTokenizer(8, 2, lagtime=2, seed=7).fit(thinned(features.arrays), progress=False)
    bounds = ((-1.8, 1.8), (-1.0, 1.2))
    return MadeUpRun(
        settings=settings,
        tokens=SimpleNamespace(dt_ps=5 * STEP_PS),
        features=features,
        labelled=labelled,
        tokenizer=tokenizer,
        models={**models, "msm": SimpleNamespace(reads="tokens")},
        card=None,
        system=SimpleNamespace(
            states=STATES,
            starts={"right": STATES["right"], "left": STATES["left"], "top": STATES["top"]},
            deepest_starts=lambda: {name: np.asarray(STATES[name]) for name in ("left", "right")},
            potential=SimpleNamespace(energy=double_well),
            bounds=bounds,
            start_square_nm=0.1,
            dynamics="brownian",
            temperature_kelvin=300.0,
            diffusion_nm2_per_ps=D,
        ),
        definition=None,
        oracle=Oracle(double_well, D, 300.0, bounds, spacing_nm=0.08),
        thinned=thinned,
        tokens_of=lambda trajectories: tokenizer.transform(trajectories),
        rollout_features=lambda: {"made-up": np.array(thinned(features.arrays[:6]))},
    )


@pytest.fixture(scope="module")
def found(judged):
    """Numbers of the chapters on potentials, by name."""
    return {name: CHAPTERS[name].numbers(judged) for name in OF_POTENTIALS}


@pytest.fixture(scope="module")
def folds(tmp_path_factory):
    """A chain that folds and unfolds in five states, one model that does so too, and one that never folds."""
    rng, dtrajs = np.random.default_rng(3), []
    for _ in range(8):
        steps = rng.choice([-1, 0, 1], size=1500)
        chain = np.zeros(1500, dtype=np.int64)
        for t in range(1, len(chain)):
            chain[t] = np.clip(chain[t - 1] + steps[t], 0, 4)
        dtrajs.append(chain)
    middles = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    q = [middles[chain] + rng.uniform(-0.05, 0.05, len(chain)) for chain in dtrajs]
    arrays = [np.column_stack([x, np.sqrt(x), x**2]) for x in q]  # the root is halfway before the square
    tokens = Split(dtrajs)
    tokens.split["validation"] = []
    for name, value in {
        "dtrajs": dtrajs,
        "dt_ps": 2.0,
        "macrostates": np.array([0, 0, 1, 2, 2]),
        "macrostate_names": ["unfolded", "between", "folded"],
    }.items():
        setattr(tokens, name, value)
    return MadeUpRun(
        run=tmp_path_factory.mktemp("run"),
        settings=SimpleNamespace(seed=7, progress=False, lagtime=5),
        tokens=tokens,
        features=SimpleNamespace(names=["Q", "first", "second"], arrays=arrays),
        labelled=None,
        oracle=None,
        system=None,
        tokenizer=None,
        models={},
        definition=SimpleNamespace(
            structure=load_definition("fip35").structure, contacts_between={"first": ["a", "b"], "second": ["b", "c"]}
        ),
        card=SimpleNamespace(
            content={"models": {}, "dt_ps": 2.0, "md": {"timescales_ps": TIMESCALES}},
            rollouts={
                "msm": SimpleNamespace(dtrajs=dtrajs[:4], lagtime=1),
                "stuck": SimpleNamespace(dtrajs=[np.zeros(900, dtype=np.int64)] * 4, lagtime=1),
            },
        ),
    )


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_has_its_four_names(name):
    chapter = CHAPTERS[name]
    assert isinstance(chapter.PLACE, int)
    assert all(callable(getattr(chapter, part)) for part in ("applies", "numbers", "draw"))


def test_chapters_are_found_in_the_order_of_the_page():
    places = [chapter.PLACE for chapter in find_chapters()]
    assert places == sorted(places) and len(set(places)) == len(places)
    assert [name for name in CHAPTERS if name in OF_POTENTIALS] == list(OF_POTENTIALS)


@pytest.mark.parametrize("name", OF_POTENTIALS)
def test_chapters_on_potentials_need_classes_and_an_oracle(judged, name):
    assert CHAPTERS[name].applies(judged)
    assert not CHAPTERS[name].applies(judged.but(labelled=None))
    if name not in ("attention", "classes"):  # those two are of molecules, too
        assert not CHAPTERS[name].applies(judged.but(oracle=None))


@pytest.mark.parametrize("name", OF_POTENTIALS)
def test_numbers_are_drawn_alike_before_and_after_a_file(found, name, tmp_path):
    """A file has lists for arrays, null for NaN and ∞; nothing of a model is left in it."""
    kept = json.loads(json.dumps(as_json(found[name]), allow_nan=False))
    pages = [CHAPTERS[name].draw(numbers) for numbers in (found[name], kept)]
    assert all(isinstance(page, Chapter) for page in pages)
    tables = [[part for part in page.body if isinstance(part, Table)] for page in pages]
    assert tables[0] == tables[1] and tables[0]
    assert [figure.name for figure in pages[0].figures] == [figure.name for figure in pages[1].figures]
    for figure in pages[1].figures:
        path = tmp_path / f"{figure.name}.png"
        figure.render(path)
        assert path.read_bytes()[:4] == b"\x89PNG"


def test_exact_numbers_are_those_of_the_potential(found):
    exact = found["exact"]
    assert exact["names"] == ["left", "right"]  # the deepest first, whatever the order of the starts
    assert np.isclose(np.sum(exact["populations"]), 1) and exact["populations"].max() > 0.5
    assert exact["mfpt_ps"][0] > exact["mfpt_ps"][1] > 0
    assert np.shape(exact["energy_kt"]) == (201, 201) and np.min(exact["energy_kt"]) == 0
    assert exact["data"]["n_labelled"] == 24 and exact["data"]["n_long_frames"] == 600
    assert {row["from"]: row["exact"] > 0 for row in exact["crossings"]} == {"left": True, "right": True}


def test_kinetics_judges_md_and_rollouts_against_the_exact_answer(found):
    rows = found["kinetics"]["rows"]
    assert list(rows) == ["held-out MD", "made-up"]
    for row in rows.values():
        off = np.abs(np.asarray(row["populations"]["value"]) - found["kinetics"]["exact_populations"]).max()
        assert np.isclose(row["population_error"], off) and row["populations_hold"] == (off <= 0.03)
    (sentence,) = found["kinetics"]["sentences"]
    assert sentence.startswith("made-up: populations") and "chains 30 windows long" in sentence


def test_forecasts_know_every_model_of_coordinates_and_none_of_tokens(found):
    forecasts = found["forecasts"]
    assert list(forecasts["models"]) == [forecasts["optimal"], "copy-last", "ornstein-uhlenbeck", "made-up"]
    assert forecasts["models"][forecasts["optimal"]]["ratio"]["value"] == 1
    assert forecasts["models"]["made-up"]["past_share"] == 0.25
    assert list(forecasts["generated"]) == ["made-up"] and np.shape(forecasts["generated"]["made-up"]) == (4, 10, 2)
    assert np.shape(forecasts["prompt"]) == np.shape(forecasts["truth"]) == (10, 2)


def test_classes_are_judged_whole_and_by_slice(found):
    classes = found["classes"]
    assert list(classes["slices"]) == ["120", "60", "24"]  # of 240 frames
    assert classes["n_test"] == 12 and len(classes["slices"]["120"]["exact"]) == 2
    assert classes["exact_accuracy"] > 0.99 > classes["slices"]["120"]["exact"][1] > 0.5
    assert "accuracy" in classes["sentences"][0]


def test_pieces_of_a_molecule_are_classified_beside_what_their_first_token_tells(judged, tmp_path):
    arrays = judged.features.arrays
    tokens = Split([(x[:, 0] > 0).astype(int) + 2 * (np.abs(x[:, 0]) < 0.5) for x in arrays])
    tokens.macrostates, tokens.macrostate_names = np.array([0, 1, 0, 1]), ["left", "right"]
    tokens.dtrajs, features = tokens.arrays, Split(arrays)
    for data in (tokens, features):
        data.split["validation"] = []
    labelled = cut_and_label(features, tokens, 120)
    run = judged.but(features=features, tokens=tokens, labelled=labelled, oracle=None)
    assert CHAPTERS["classes"].applies(run) and not CHAPTERS["classes"].applies(run.but(models={}))
    numbers = CHAPTERS["classes"].numbers(run)
    assert numbers["n_test"] == 12 * 5 and numbers["exact_accuracy"] is None and "left (" in numbers["meaning"]
    told = {name: float(row["accuracy"]["value"]) for name, row in numbers["scores"].items()}
    assert list(told) == ["token at the start, counted", "the commonest class", "made-up"]
    assert told["token at the start, counted"] == 1  # the class is read from that token
    assert 0.5 < told["made-up"] < 1  # it looks at the mean, and some walks cross
    by_slice = numbers["slices"]["12"]["models"]["token at the start, counted"]["value"]
    assert by_slice[0] == 1 > by_slice[-1] > 0.5  # of what comes later less is told
    chapter = drawn("classes", numbers, tmp_path)
    assert [row[0] for row in chapter.body[1].rows] == list(told)
    looked = drawn("attention", CHAPTERS["attention"].numbers(run), tmp_path)
    assert looked.title == "Attention"


def test_collective_variables_of_networks_stand_beside_tica(found):
    sets = found["cvs"]["sets"]
    of_coordinates = ["TICA of x, y", "VAMP of x, y", "VAMPnet of x, y"]
    assert [name.partition(":")[0] for name in sets] == [*of_coordinates, "made-up", "made-up"]
    assert all(0 < float(row["committor_correlation"]["value"]) <= 1 for row in sets.values())


@pytest.fixture(scope="module")
def of_a_molecule(judged):
    """The same walks as features of a molecule: microstates, and no exact answer."""
    tokenizer, thinned = judged.tokenizer, judged.thinned(judged.features.arrays)
    network = NanoGPT.from_preset("tiny", max_steps=5, evaluate_every_steps=5, progress=False)
    network.fit(tokenizer.transform(thinned), n_states=8)
    tokens = SimpleNamespace(
        dt_ps=5 * STEP_PS,
        macrostates=tokenizer.macrostates_,
        coarse=False,
        read_by_tokenizer=lambda arrays, periodic: arrays,
    )
    judged.features.periodic = np.zeros(2, dtype=bool)
    return judged.but(labelled=None, oracle=None, tokens=tokens, models={"small-gpt": network})


def test_slow_variables_of_networks_of_tokens_stand_beside_tica_vamp_and_vampnet(of_a_molecule, judged, tmp_path):
    chapter = CHAPTERS["slow_variables"]
    assert chapter.applies(of_a_molecule) and not chapter.applies(judged)
    assert not chapter.applies(of_a_molecule.but(tokenizer=None))
    found = chapter.numbers(of_a_molecule)
    assert list(found["sets"]) == [
        "TICA of the features",
        "VAMP of the features",
        "VAMPnet of the features",
        "Markov model of the tokens",
        "small-gpt: hidden states",
        "small-gpt: token embeddings",
    ]
    assert found["n_cvs"] == 2 and all(1 < row["vamp2"]["value"] <= 3 for row in found["sets"].values())
    assert found["sets"]["Markov model of the tokens"]["committor_correlation"]["value"] > 0.9
    text = drawn("slow_variables", found, tmp_path).body[0]
    assert "TICA is as good" in text or "More than TICA" in text


def test_the_sentence_on_slow_variables_names_both_sides():
    row = lambda low, high: {"vamp2": {"value": 1.5 + low}, "vamp2_difference": {"low": low, "high": high}}  # noqa: E731
    sets = {"TICA of the features": row(0.0, 0.0), "a": row(0.1, 0.2), "b": row(-0.2, -0.1), "c": row(-0.1, 0.1)}
    draw = CHAPTERS["slow_variables"]._who_wins
    assert draw(sets) == "More than TICA, beyond the intervals: a; the most has a. TICA has more than b."
    assert "TICA is as good" in draw({name: sets[name] for name in ("TICA of the features", "c")})


def test_a_constant_feature_leaves_the_slow_variables_of_the_others(of_a_molecule):
    still = lambda arrays, periodic: [np.column_stack([x, np.ones(len(x))]) for x in arrays]  # noqa: E731
    tokens = SimpleNamespace(**{**vars(of_a_molecule.tokens), "read_by_tokenizer": still})
    tokenizer = of_a_molecule.tokenizer
    blind = SimpleNamespace(transform=lambda arrays: tokenizer.transform([x[:, :2] for x in arrays]))
    found = CHAPTERS["slow_variables"].numbers(of_a_molecule.but(tokens=tokens, tokenizer=blind, models={}))
    assert list(found["sets"])[:3] == ["TICA of the features", "VAMP of the features", "VAMPnet of the features"]


def test_too_little_for_slow_variables_is_said(of_a_molecule, tmp_path):
    settings = SimpleNamespace(**{**vars(of_a_molecule.settings), "lagtime": 500})
    found = CHAPTERS["slow_variables"].numbers(of_a_molecule.but(settings=settings))
    assert "no trajectory is longer than two lag times" in drawn("slow_variables", found, tmp_path).body[0]


def test_uniform_attention_has_no_key_steps(found):
    attention = found["attention"]
    assert attention["models"]["made-up"]["key_steps"]["n_with_any"] == 0
    assert attention["models"]["made-up"]["future_share"] == 0
    assert np.shape(attention["one"]["trajectory"]) == (240, 2)


def drawn(name, numbers, folder):
    """The chapter as it is drawn from a file, and its figures as PNG."""
    chapter = CHAPTERS[name].draw(json.loads(json.dumps(as_json(numbers), allow_nan=False)))
    for figure in chapter.figures:
        figure.render(folder / f"{figure.name}.png")
    return chapter


def test_folding_of_md_and_of_a_model_and_a_model_that_never_folds(folds, tmp_path):
    assert CHAPTERS["folding"].applies(folds)
    numbers = CHAPTERS["folding"].numbers(folds)
    assert numbers["macrostates"] == ["unfolded", "folded"]
    assert list(numbers["of"]) == list(numbers["profiles"]) == ["all MD", "msm"]  # the other is said in the log
    assert (
        numbers["order"]["names"] == ["first", "second"]
        and numbers["order"]["n_first"][0] > numbers["order"]["n_first"][1]
    )
    chapter = drawn("folding", numbers, tmp_path)
    (table,) = (part for part in chapter.body if isinstance(part, Table))
    assert [row[0] for row in table.rows] == ["all MD", "msm"] and "→" in table.rows[0][-1]
    assert {figure.name for figure in chapter.figures} == {
        "free_energy_along_q",
        "flux_all_MD",
        "flux_msm",
        "transition_path_times",
    }


def test_md_that_never_folds_is_refused_and_what_has_no_native_contacts_has_no_chapter(folds):
    one_state = Split([np.zeros(100, dtype=np.int64)] * 4)
    one_state.dtrajs, one_state.macrostates = one_state.arrays, np.zeros(1, dtype=int)
    one_state.dt_ps, one_state.macrostate_names = 1.0, ["A"]
    features = SimpleNamespace(names=["Q"], arrays=[np.full((100, 1), 0.5)] * 4)
    never = folds.but(tokens=one_state, features=features)
    assert CHAPTERS["folding"].applies(never)
    with pytest.raises(DataError, match="a folded one .* and an unfolded one"):
        CHAPTERS["folding"].numbers(never)
    without_q = SimpleNamespace(names=["phi"], arrays=features.arrays)
    assert not CHAPTERS["folding"].applies(folds.but(features=without_q))


def test_known_answers_where_tokens_are_the_states_of_a_potential(folds, judged, tmp_path):
    rng = np.random.default_rng(5)
    chains = [np.repeat(rng.choice(3, 300, p=[0.5, 0.3, 0.2]), 4) for _ in range(6)]
    tokens = Split(chains)
    tokens.dtrajs, tokens.dt_ps = chains, 1.0
    tokens.macrostates, tokens.macrostate_names = np.arange(3), list(STATES)
    times = SimpleNamespace(timescales_ps=(5.0,), mfpt_ps=np.full((3, 3), 12.0), source="longer <MD>")
    run = folds.but(
        tokens=tokens,
        system=judged.system,
        definition=SimpleNamespace(known=times),
        card=SimpleNamespace(rollouts={"msm": SimpleNamespace(dtrajs=chains[:3], lagtime=1)}),
    )
    assert CHAPTERS["known"].applies(run)
    assert not CHAPTERS["known"].applies(folds)
    numbers = CHAPTERS["known"].numbers(run)
    assert list(numbers["series"]) == ["all MD", "training MD", "held-out MD", "msm"]
    assert numbers["agreement"]["n_all"] == 3 + 1 + 6 and numbers["source"] == "longer <MD>"
    summary, facts = drawn("known", numbers, tmp_path).body[1:]
    assert [row[0] for row in summary.rows] == list(numbers["series"])
    assert len(facts.rows) == 10 and facts.rows[3][:2] == ["timescale 1 (ps)", "5"]
    for row in facts.rows:  # a tick for all MD where the known number is in its interval
        assert ("✓" in row[2]) == (row[0] not in numbers["agreement"]["apart"])
    numbers = CHAPTERS["known"].numbers(run.but(definition=None))
    assert list(numbers["known"]) == ["population left", "population right", "population top"]
    assert drawn("known", numbers, tmp_path).body[1].rows[0][2:] == ["–", "–", "–", "–"]


def test_memory_of_tokens_without_a_network(folds, tmp_path):
    assert CHAPTERS["memory"].applies(folds)
    numbers = CHAPTERS["memory"].numbers(folds)
    assert numbers["network"] is None and numbers["intervals"][0]["interval_frames"] == 1
    chapter = drawn("memory", numbers, tmp_path)
    assert chapter.body == numbers["sentences"] and chapter.body[0].startswith("At an interval of 2 ps")
    assert (
        "grows from 300 ps at a lag of 2 ps to 1.2 ns at 20 ps" in chapter.body[1] and "×4 too fast" in chapter.body[1]
    )
    few = SimpleNamespace(part=lambda name: [np.zeros(99, dtype=int)])
    assert not CHAPTERS["memory"].applies(SimpleNamespace(tokens=few))


def test_commit_times_are_those_that_the_tokens_were_made_with(folds, tmp_path):
    assert not CHAPTERS["commit_times"].applies(folds)
    counted = {"commit_ps": [1, 5], "transitions": {"raw": [[[0, 9], [8, 0]], [[0, 3], [3, 0]]]}}
    write_json(folds.run / "tokens" / "commit_times.json", counted)
    assert CHAPTERS["commit_times"].applies(folds) and CHAPTERS["commit_times"].numbers(folds) == counted
    (figure,) = drawn("commit_times", counted, tmp_path).figures
    assert figure.draw().get_lines()[0].get_ydata().tolist() == [17, 6]


def test_pooling_averages_over_the_window_and_over_less_at_the_start():
    x = np.arange(6, dtype=float)[:, None]
    assert pooled([x], 3)[0].ravel().tolist() == [0, 0.5, 1, 2, 3, 4]
