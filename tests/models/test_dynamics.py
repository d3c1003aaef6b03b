"""The contract of `DynamicsModel`, walked through by every model that fits in a moment."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, norm

from mdtok.errors import DataError, RunFolderError, SettingsError
from mdtok.models import (
    AgeOddsModel,
    HistoryMarkovModel,
    MarkovModel,
    NanoGPT,
    OrderKModel,
    SemiMarkovModel,
    load_model,
)
from mdtok.tokens.dtrajs import as_dtrajs

N_STATES = 4
MODELS = {
    "msm": MarkovModel,
    "msm-lag5": lambda: MarkovModel(lagtime=5),
    "msm-irreversible": lambda: MarkovModel(reversible=False),
    "order1": lambda: OrderKModel(order=1),
    "order4": lambda: OrderKModel(order=4),
    "semi-markov": SemiMarkovModel,
    "semi-markov-macro": lambda: SemiMarkovModel(macrostates=[0, 0, 1, 1]),
    "history-msm": lambda: HistoryMarkovModel(macrostates=[0, 0, 1, 1]),
    "age-odds": lambda: AgeOddsModel(macrostates=[0, 0, 1, 1]),
}
CALLS = {
    "predict_log_proba": lambda model: model.predict_log_proba([0, 1, 0, 1, 0, 1]),
    "log_prob": lambda model: model.log_prob([[0, 1, 0, 1, 0, 1]]),
    "nats_per_token": lambda model: model.nats_per_token([[0, 1, 0, 1, 0, 1]]),
    "sample": lambda model: model.sample([[0]], n_steps=1, seed=0),
    "n_parameters": lambda model: model.n_parameters,
    "save": lambda model: model.save("never-written"),
}


def simulate(seed, n_frames=6000):
    """Four states on a ring, two and two close, with a memory: what entered a frame ago tends to go back."""
    rng = np.random.default_rng(seed)
    neighbours = np.array([[1, 3], [0, 2], [3, 1], [2, 0]])
    dtraj = [0, 0]
    for chance in rng.random((n_frames, 2)):
        before, now = dtraj[-2:]
        if before != now and chance[0] < 0.4:
            dtraj.append(before)
        else:
            dtraj.append(now if chance[1] < 0.7 else neighbours[now][int(chance[1] > 0.97)])
    return np.array(dtraj[2:])


TRAIN = [simulate(seed=1), simulate(seed=2, n_frames=3000)]


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    return MODELS[request.param]().fit(TRAIN)


@pytest.mark.parametrize("name", [name for name, make in MODELS.items() if make().lagtime == 1] + ["network"])
def test_short_pasts_at_once_are_pasts_one_by_one(name):
    network = NanoGPT.from_preset("tiny", max_steps=10, evaluate_every_steps=10, progress=False)
    model = network.fit([TRAIN[0]]) if name == "network" else MODELS[name]().fit(TRAIN)
    pasts, lengths = np.random.default_rng(0).integers(0, N_STATES, (7, 9)), np.array([9, 1, 4, 9, 2, 8, 5])
    one_by_one = [model.predict_log_proba(np.append(past[:n], 0))[-1] for past, n in zip(pasts, lengths)]
    np.testing.assert_allclose(model.predict_next(pasts, lengths), one_by_one, atol=1e-5)
    assert model.predict_next(pasts[:0], lengths[:0]).shape == (0, N_STATES)


@pytest.fixture(params=MODELS)
def unfitted(request):
    return MODELS[request.param]()


def test_fit_gives_itself_back(unfitted):
    assert not unfitted.is_fitted
    assert unfitted.fit(TRAIN) is unfitted
    assert unfitted.is_fitted and unfitted.n_states_ == N_STATES


@pytest.mark.parametrize("name", [*MODELS, "network"])
def test_the_users_tokens_are_read_in_place_and_never_written(name):
    train, test = ([dtraj.astype(np.int64) for dtraj in TRAIN], [simulate(seed=3, n_frames=200).astype(np.int64)])
    assert as_dtrajs(test)[0] is test[0]  # millions of tokens are not copied
    for dtraj in [*train, *test]:
        dtraj.setflags(write=False)
    network = NanoGPT.from_preset("tiny", max_steps=2, evaluate_every_steps=2, progress=False)
    model = network.fit(train) if name == "network" else MODELS[name]().fit(train)
    model.log_prob(test)
    model.predict_log_proba(test[0])
    model.sample(test, n_steps=5, seed=1)


def test_alphabet_may_be_larger_than_the_training_tokens(unfitted):
    short_of_one = [np.where(dtraj == 3, 2, dtraj) for dtraj in TRAIN]
    model = unfitted.fit(short_of_one, n_states=4)
    rows = np.exp(model.predict_log_proba(np.repeat([0, 3, 3, 0], model.lagtime)))
    assert rows.shape[1] == 4
    np.testing.assert_allclose(rows.sum(axis=1), 1)
    assert rows[0, 3] < 1e-6  # a state never visited is all but impossible, not quite


@settings(max_examples=30, deadline=None)
@given(dtraj=st.lists(st.integers(0, N_STATES - 1), min_size=6, max_size=60))
def test_every_row_is_a_distribution(model, dtraj):
    log_rows = model.predict_log_proba(dtraj)
    assert log_rows.shape == (len(dtraj) - model.lagtime, N_STATES)
    assert np.all(np.isfinite(log_rows))
    np.testing.assert_allclose(np.exp(log_rows).sum(axis=1), 1, rtol=1e-9)


@settings(max_examples=15, deadline=None)
@given(dtraj=st.lists(st.integers(0, N_STATES - 1), min_size=12, max_size=40))
def test_no_row_knows_the_future(model, dtraj):
    whole = model.predict_log_proba(dtraj)
    start = model.predict_log_proba(dtraj[:10])
    np.testing.assert_array_equal(start, whole[: len(start)])


def test_log_prob_is_read_off_the_rows(model):
    test = [simulate(seed=3, n_frames=200), simulate(seed=4, n_frames=50)]
    log_probs = model.log_prob(test)
    for dtraj, log_prob in zip(test, log_probs):
        rows = model.predict_log_proba(dtraj)
        np.testing.assert_allclose(log_prob, rows[np.arange(len(rows)), dtraj[model.lagtime :]], rtol=1e-10)
    assert model.nats_per_token(test) == pytest.approx(-np.concatenate(log_probs).mean())


def test_sample_is_as_long_as_asked_and_seeded(model):
    prompts = [[0], np.array([1, 1, 2]), simulate(seed=5, n_frames=100)]
    chains = model.sample(prompts, n_steps=500, seed=7)
    assert [chain.shape for chain in chains] == [(500,)] * 3
    assert all(np.issubdtype(chain.dtype, np.integer) for chain in chains)
    assert set(np.unique(chains)) <= set(range(N_STATES))
    again, other = model.sample(prompts, n_steps=500, seed=7), model.sample(prompts, n_steps=500, seed=8)
    np.testing.assert_array_equal(chains, again)
    assert not np.array_equal(chains, other)


def test_first_sampled_token_follows_the_predicted_row(model):
    """Chi-square at p = 1e-4; tokens expected less than five times are pooled."""
    prompt, n_chains = [3, 2, 2, 2], 20_000
    expected = n_chains * np.exp(model.predict_log_proba(np.repeat([*prompt, 0], model.lagtime))[-1])
    counts = np.bincount(np.concatenate(model.sample([prompt] * n_chains, n_steps=1, seed=11)), minlength=N_STATES)
    rare = expected < 5
    if rare.any():
        expected = np.append(expected[~rare], expected[rare].sum())
        counts = np.append(counts[~rare], counts[rare].sum())
    assert chisquare(counts, expected).pvalue > 1e-4


def test_without_prompts_chains_start_in_equilibrium(model):
    """The token after a start in equilibrium is in equilibrium: chi-square at p = 1e-4."""
    assert [chain.shape for chain in model.sample(None, n_steps=5, seed=1)] == [(5,)]
    equilibrium = model.stationary_distribution_
    assert equilibrium.shape == (N_STATES,) and equilibrium.sum() == pytest.approx(1)
    counts = np.bincount(np.concatenate(model.sample(20_000, n_steps=1, seed=17)), minlength=N_STATES)
    expected = equilibrium @ np.exp(
        [model.predict_log_proba(np.repeat([k, 0], model.lagtime))[-1] for k in range(N_STATES)]
    )
    assert chisquare(counts, 20_000 * expected).pvalue > 1e-4
    with pytest.raises(SettingsError, match="0 chains were asked for"):
        model.sample(0, n_steps=1, seed=0)


def test_later_sampled_tokens_follow_the_predicted_rows(model):
    """Log-probability less its expectation is a martingale: its sum over its deviation is normal; two-sided 1e-4."""
    surprise, variance = 0.0, 0.0
    for chain in model.sample([[0, 1], [2]] * 20, n_steps=400, seed=13):
        frames = np.repeat(chain, model.lagtime)
        log_rows = model.predict_log_proba(frames)[:: model.lagtime][60:]  # the prompt's memory has faded
        observed = log_rows[np.arange(len(log_rows)), chain[61 : 61 + len(log_rows)]]
        mean = (np.exp(log_rows) * log_rows).sum(axis=1)
        surprise += (observed - mean).sum()
        variance += (np.exp(log_rows) * (log_rows - mean[:, None]) ** 2).sum()
    assert abs(surprise) / np.sqrt(variance) < norm.isf(0.5e-4)


def test_save_and_load_give_the_same_model(model, tmp_path):
    model.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    test = simulate(seed=6, n_frames=300)
    assert type(loaded) is type(model)
    for name in ("n_states_", "lagtime", "n_parameters"):
        assert getattr(loaded, name) == getattr(model, name)
    np.testing.assert_array_equal(loaded.predict_log_proba(test), model.predict_log_proba(test))
    np.testing.assert_array_equal(
        loaded.sample([[0], [1, 2]], n_steps=200, seed=3), model.sample([[0], [1, 2]], n_steps=200, seed=3)
    )


def test_what_is_saved_is_never_pickled(model, tmp_path):
    model.save(tmp_path / "model")
    files = [path for path in (tmp_path / "model").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".npz"}
    for path in files:
        json.loads(path.read_text()) if path.suffix == ".json" else dict(np.load(path, allow_pickle=False))


def test_saving_is_whole_or_not_at_all(model, tmp_path, monkeypatch):
    model.save(tmp_path / "model")

    def disk_full(*args, **arrays):
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez_compressed", disk_full)
    for target in ("model", "other"):
        with pytest.raises(OSError, match="No space left"):
            model.save(tmp_path / target)
    assert not (tmp_path / "other").exists()
    assert load_model(tmp_path / "model").n_parameters == model.n_parameters


def test_a_damaged_folder_is_named(model, tmp_path):
    model.save(tmp_path / "model")
    arrays = tmp_path / "model" / "arrays.npz"
    arrays.write_bytes(arrays.read_bytes()[:40])
    with pytest.raises(RunFolderError, match="arrays.npz cannot be read"):
        load_model(tmp_path / "model")
    arrays.unlink()
    with pytest.raises(RunFolderError, match="arrays.npz cannot be read"):
        load_model(tmp_path / "model")


def test_a_folder_of_another_class_is_refused(model, tmp_path):
    model.save(tmp_path / "model")
    other = SemiMarkovModel if not isinstance(model, SemiMarkovModel) else MarkovModel
    with pytest.raises(DataError, match=f"holds a {type(model).__name__}, not a {other.__name__}"):
        other.load(tmp_path / "model")


def test_parameters_are_counted(model):
    assert isinstance(model.n_parameters, int)
    assert model.n_parameters >= N_STATES - 1


@pytest.mark.parametrize("call", CALLS)
def test_nothing_works_before_fit(unfitted, call):
    with pytest.raises(DataError, match="is not fitted; call fit"):
        CALLS[call](unfitted)


@pytest.mark.parametrize(
    ("dtrajs", "message"),
    [
        ([], "No discrete trajectory"),
        ([[0.5, 1.0, 0.0]], "not whole numbers"),
        ([[0, -1, 0, 1, 0, 1, 0]], "tokens start at 0"),
        ([[[0, 1], [1, 0]]], "one token a frame"),
        ([[0]], "1 frames"),
        ([[0] * 50], "no two are visited back and forth"),
        ([[0] * 10 + [1] * 10 + [2] * 10], "no two are visited back and forth"),
    ],
)
def test_trajectories_that_cannot_be_fitted(unfitted, dtrajs, message):
    with pytest.raises(DataError, match=message):
        unfitted.fit(dtrajs)


def test_training_tokens_outside_the_alphabet(unfitted):
    with pytest.raises(DataError, match=r"holds the token 3; 0 \.\. 2 were expected"):
        unfitted.fit(TRAIN, n_states=3)


def test_tokens_that_the_model_does_not_know(model):
    strange, message = [0, 1, 9, 1, 0, 0, 1], r"holds the token 9; 0 \.\. 3 were expected"
    with pytest.raises(DataError, match=message):
        model.predict_log_proba(strange)
    with pytest.raises(DataError, match=message):
        model.log_prob([strange])
    with pytest.raises(DataError, match=message):
        model.sample([strange], n_steps=2, seed=0)


@pytest.mark.parametrize("n_steps", [0, -3, 2.5])
def test_number_of_steps(model, n_steps):
    with pytest.raises(SettingsError, match="n_steps is"):
        model.sample([[0]], n_steps=n_steps, seed=0)


def test_empty_prompts(model):
    with pytest.raises(DataError):
        model.sample([], n_steps=3, seed=0)
    with pytest.raises(DataError):
        model.sample([[]], n_steps=3, seed=0)


def test_trajectory_too_short_to_predict(model):
    with pytest.raises(DataError, match="frames; at least"):
        model.predict_log_proba([0] * model.lagtime)
