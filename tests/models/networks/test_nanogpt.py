"""NanoGPT: known entropy rates, causality, the cache, sampling without limit, save and load, bad input."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoConfig

from mdtok.errors import DataError, MdtokError, RunFolderError, SettingsError
from mdtok.models import NanoGPT, load_model
from mdtok.models.networks.nanogpt import KeyValueCache, NanoGPTConfig, NanoGPTNetwork

QUICK = dict(progress=False, learning_rate=5e-3, warmup_steps=10, batch_size=16, dropout=0.0)
TRANSITIONS = np.array([[0.90, 0.08, 0.02], [0.10, 0.80, 0.10], [0.05, 0.05, 0.90]])


def markov_chain(n_frames, seed, transitions=TRANSITIONS):
    thresholds, cumulative = np.random.default_rng(seed).random(n_frames), transitions.cumsum(axis=1)
    states = [0]
    for threshold in thresholds[1:]:
        states.append(int(np.searchsorted(cumulative[states[-1]], threshold)))
    return np.array(states)


def entropy_rate(transitions):
    values, vectors = np.linalg.eig(transitions.T)
    stationary = np.real(vectors[:, np.argmax(np.real(values))])
    stationary /= stationary.sum()
    return -np.sum(stationary[:, None] * transitions * np.log(transitions))


@pytest.fixture(scope="module")
def chain_model():
    """A tiny network trained on 20,000 frames of a 3-state Markov chain."""
    chain = markov_chain(20_000, seed=1)
    return NanoGPT.from_preset("tiny", max_steps=300, evaluate_every_steps=50, seed=3, **QUICK).fit([chain])


def untrained(n_states=5, seed=0, **shape):
    """A network with random weights large enough for every token to matter."""
    shape = {**dict(n_layer=2, n_head=2, n_embd=16, n_inner=24, n_positions=8), **shape}
    model = NanoGPT(progress=False, **shape)
    torch.manual_seed(seed)
    model.network_ = NanoGPTNetwork(NanoGPTConfig(n_states=n_states, initializer_range=0.5, **shape)).eval()
    model.n_states_ = n_states
    model.history_ = [{"step": 0, "train_nats": 0.0, "validation_nats": 0.0, "seconds": 0.0}]
    return model


def test_a_deterministic_cycle_is_learnt_to_certainty():
    cycle = np.arange(600) % 5
    model = NanoGPT.from_preset("tiny", max_steps=80, evaluate_every_steps=40, **QUICK).fit([cycle])
    assert model.nats_per_token([cycle]) < 0.02  # log(5) = 1.6 by chance
    assert np.array_equal(model.predict_log_proba(cycle).argmax(axis=1), cycle[1:])
    (sample,) = model.sample([cycle[:3]], 500, seed=0)  # far beyond the context of 32
    assert np.mean(np.diff(sample) % 5 == 1) > 0.95


def test_held_out_nats_reach_the_entropy_rate_of_a_markov_chain(chain_model):
    fresh = markov_chain(20_000, seed=2)
    exact_model = -np.log(TRANSITIONS[fresh[:-1], fresh[1:]]).mean()  # the chain's own nats on these very frames
    assert exact_model == pytest.approx(entropy_rate(TRANSITIONS), abs=0.02)
    excess = chain_model.nats_per_token([fresh]) - exact_model
    assert -0.002 < excess < 0.02  # no model beats the truth but by luck (sd of the difference about 1e-3)


def test_rows_are_the_transition_matrix(chain_model):
    fresh = markov_chain(3000, seed=4)
    rows = np.exp(chain_model.predict_log_proba(fresh))
    assert rows.shape == (2999, 3)
    assert np.allclose(rows.sum(axis=1), 1, atol=1e-5)
    for state in range(3):
        assert np.allclose(rows[fresh[:-1] == state].mean(axis=0), TRANSITIONS[state], atol=0.04)


def test_samples_have_the_kinetics_of_the_chain(chain_model):
    samples = chain_model.sample([[0]] * 50, 1000, seed=5)
    counts = np.zeros((3, 3))
    for sample in samples:
        np.add.at(counts, (sample[:-1], sample[1:]), 1)
    assert np.allclose(counts / counts.sum(axis=1, keepdims=True), TRANSITIONS, atol=0.04)


@pytest.mark.parametrize("positions", ["rotary", "learned"])
def test_a_future_token_changes_no_earlier_prediction(positions):
    model = untrained(positions=positions)
    dtraj = np.random.default_rng(0).integers(0, 5, 30)
    before = model.predict_log_proba(dtraj)
    for changed in (1, 7, 8, 20, 28):
        other = dtraj.copy()
        other[changed] = (other[changed] + 1) % 5
        after = model.predict_log_proba(other)
        assert np.allclose(before[:changed], after[:changed], atol=1e-6)
        assert not np.allclose(before[changed:], after[changed:], atol=1e-3)


@pytest.mark.parametrize("positions", ["rotary", "learned"])
def test_the_order_of_the_past_matters(positions):
    model = untrained(positions=positions)
    rows = [model.predict_log_proba(np.array([0, *past, 4, 1]))[-1] for past in ([1, 2, 3], [3, 1, 2])]
    assert np.abs(rows[0] - rows[1]).max() > 1e-3


@pytest.mark.parametrize("positions", ["rotary", "learned"])
@settings(max_examples=20, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 8), min_size=1, max_size=8).filter(lambda cuts: sum(cuts) <= 8), seed=st.integers(0)
)
def test_the_cache_gives_the_logits_of_the_whole_context(positions, cuts, seed):
    network = untrained(positions=positions).network_
    tokens = torch.from_numpy(np.random.default_rng(seed).integers(0, 5, (3, sum(cuts))))
    whole = network(tokens).logits
    cache, pieces = KeyValueCache(network.config, 3), []
    for piece in tokens.split(cuts, dim=1):
        pieces.append(network(piece, cache=cache).logits)
    assert torch.allclose(torch.cat(pieces, dim=1), whole, atol=1e-5)


@pytest.mark.parametrize("n_positions", [7, 8])
@pytest.mark.parametrize("n_prompt", [1, 5, 8])
def test_sampling_draws_from_what_is_predicted(monkeypatch, n_positions, n_prompt):
    """The logits of each drawn token are the row that predict_log_proba gives for it, also after many full contexts."""
    from mdtok.models.networks import neural

    model, used, draw = untrained(n_positions=n_positions), [], neural.draw_tokens
    n_prompt = min(n_prompt, n_positions)

    def draw_and_keep(logits, generator):
        used.append(torch.log_softmax(logits, dim=-1).numpy())
        return draw(logits, generator)

    monkeypatch.setattr(neural, "draw_tokens", draw_and_keep)
    prompts = np.random.default_rng(1).integers(0, 5, (2, n_prompt))
    samples = model.sample(list(prompts), 40, seed=2)
    for chain in range(2):
        rows = model.predict_log_proba(np.concatenate([prompts[chain], samples[chain]]))
        assert np.allclose(rows[n_prompt - 1 :], [step[chain] for step in used], atol=1e-5)


def test_prompts_of_any_length_and_order():
    model = untrained()
    rng = np.random.default_rng(3)
    prompts = [rng.integers(0, 5, length) for length in (3, 20, 1, 3, 9)]
    samples = model.sample(prompts, 25, seed=4)
    assert [sample.shape for sample in samples] == [(25,)] * 5
    assert all(sample.min() >= 0 and sample.max() < 5 for sample in samples)
    assert np.array_equal(model.sample([prompts[1]], 25, seed=4)[0], model.sample([prompts[1][-5:]], 25, seed=4)[0])


def test_the_frequencies_drawn_are_the_probabilities():
    from mdtok.models.networks.neural import draw_tokens

    probabilities = np.array([0.7, 0.2, 0.099, 0.001, 0.0])
    n_draws = 200_000
    tokens = draw_tokens(torch.from_numpy(probabilities).log().expand(n_draws, 5), torch.Generator().manual_seed(0))
    counts = np.bincount(tokens.numpy(), minlength=5)
    assert counts[4] == 0
    errors = np.abs(counts / n_draws - probabilities) / np.sqrt(probabilities * (1 - probabilities) / n_draws + 1e-30)
    assert errors[:4].max() < 4  # a right sampler fails once in 4,000 seeds


def test_the_same_seed_gives_the_same_tokens(chain_model):
    prompts = [[0, 1], [2, 2]]
    first, again, other = (np.concatenate(chain_model.sample(prompts, 200, seed=seed)) for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_same_seed_gives_the_same_model_and_leaves_other_generators_alone():
    chain = markov_chain(1500, seed=1)

    def fitted(seed):
        settings = {**QUICK, "max_steps": 12, "evaluate_every_steps": 6, "dropout": 0.2}
        model = NanoGPT.from_preset("tiny", seed=seed, **settings)
        return model.fit([chain])

    def drawn():  # from the generators that a user's own code may use
        return torch.rand(3), np.random.random_sample(3)  # noqa: NPY002

    torch.manual_seed(0), np.random.seed(0)  # noqa: NPY002
    expected = drawn()
    torch.manual_seed(0), np.random.seed(0)  # noqa: NPY002
    first = fitted(1)
    of_torch, of_numpy = drawn()
    assert torch.equal(of_torch, expected[0]) and np.array_equal(of_numpy, expected[1])
    again, other = fitted(1), fitted(2)
    assert np.array_equal(first.predict_log_proba(chain), again.predict_log_proba(chain))
    assert not np.allclose(first.predict_log_proba(chain), other.predict_log_proba(chain))


def test_saved_and_loaded_it_predicts_the_same(chain_model, tmp_path):
    chain_model.save(tmp_path / "model")
    saved = json.loads((tmp_path / "model" / "model.json").read_text(encoding="utf-8"))
    assert saved["class"] == "NanoGPT" and saved["settings"]["n_positions"] == 32 and saved["history"]
    dtraj = markov_chain(500, seed=6)
    for load in (NanoGPT.load, NanoGPT.from_pretrained, load_model):
        loaded = load(tmp_path / "model")
        assert np.array_equal(loaded.predict_log_proba(dtraj), chain_model.predict_log_proba(dtraj))
        assert loaded.settings == chain_model.settings and loaded.history_ == chain_model.history_
        assert loaded.n_parameters == chain_model.n_parameters


def test_hugging_face_reads_what_was_saved(chain_model, tmp_path):
    chain_model.save(tmp_path)
    config = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(config, NanoGPTConfig) and config.n_positions == 32
    device = chain_model.network_.device
    network = NanoGPTNetwork.from_pretrained(tmp_path).eval().to(device)
    tokens = torch.tensor([[0, 1, 2, 2]], device=device)
    anchor = (
        torch.from_numpy(chain_model.anchor_.log_proba(np.array([0, 1, 2, 2, 0])))[None].to(device)
        if chain_model.anchor_
        else None
    )
    assert torch.equal(network(tokens, anchor=anchor).logits, chain_model.network_(tokens, anchor=anchor).logits)
    network.save_pretrained(tmp_path / "again")
    again = NanoGPTNetwork.from_pretrained(tmp_path / "again").eval().to(device)
    assert torch.equal(again(tokens, anchor=anchor).logits, network(tokens, anchor=anchor).logits)


def test_the_default_is_the_network_of_the_paper():
    network = NanoGPTNetwork(NanoGPT()._config(n_states=100))
    norms = 5 * 2 * 128
    attention = 128 * 3 * 128 + 3 * 128 + 128 * 128 + 128
    feed_forward = 2 * (128 * 128 + 128)
    assert sum(p.numel() for p in network.parameters()) == 2 * 100 * 128 + norms + 2 * (attention + feed_forward)
    assert network.config.n_positions == 100


@pytest.mark.parametrize(
    "variant",
    [
        dict(anchor="basins"),
        dict(anchor="factorised"),
        dict(anchor="states"),
        dict(anchor=None),
        dict(anchor=None, second_pass="sampled"),
    ],
)
def test_one_state_that_dominates_gives_no_nan(variant):
    dtraj = np.zeros(4000, dtype=int)
    dtraj[[500, 1700, 2900, 3800]] = 1
    model = NanoGPT.from_preset("tiny", max_steps=40, evaluate_every_steps=20, **variant, **QUICK).fit(
        [dtraj], n_states=3
    )
    assert all(np.isfinite(entry["train_nats"]) and np.isfinite(entry["validation_nats"]) for entry in model.history_)
    log_proba = model.predict_log_proba(dtraj)
    assert np.all(np.isfinite(log_proba)) and log_proba.shape == (3999, 3)
    assert model.nats_per_token([dtraj]) < 0.03  # entropy rate about 0.008


def test_trajectories_shorter_than_the_context_are_enough():
    dtrajs = [np.arange(length) % 3 for length in (2, 5, 12, 20)]
    model = NanoGPT.from_preset("tiny", max_steps=20, evaluate_every_steps=10, **QUICK)
    model.fit(dtrajs, validation=[np.arange(10) % 3])
    assert model.predict_log_proba(np.array([0, 1])).shape == (1, 3)


@pytest.mark.parametrize(
    "action, error, words",
    [
        (lambda: NanoGPT.from_preset("huge"), SettingsError, "'huge'"),
        (lambda: NanoGPT.from_preset("tiny", n_embed=3), SettingsError, "'n_embed'"),
        (lambda: NanoGPT(n_embd=100, n_head=8), SettingsError, "n_embd is 100"),
        (lambda: NanoGPT(n_embd=24, n_head=8), SettingsError, "even"),
        (lambda: NanoGPT(n_layer=0), SettingsError, "n_layer is 0"),
        (lambda: NanoGPT(dropout=1.5), SettingsError, "dropout is 1.5"),
        (lambda: NanoGPT(positions="absolute"), SettingsError, "'absolute'"),
        (lambda: NanoGPT(n_positions=20, window_shift=50), SettingsError, "window_shift is 50"),
        (lambda: NanoGPT(learning_rate=0.0), SettingsError, "learning_rate is 0.0"),
        (lambda: NanoGPT(max_steps=0), SettingsError, "max_steps is 0"),
        (lambda: NanoGPT(adam_betas=(0.9, 1.5)), SettingsError, "adam_betas"),
        (lambda: NanoGPT(seed=-1), SettingsError, "seed is -1"),
        (lambda: NanoGPTConfig(n_embed=3), SettingsError, "'n_embed'"),
        (lambda: NanoGPT().fit([[0]]), DataError, "at least 2"),
        (lambda: NanoGPT().fit([[0, 1, 0]]), DataError, "validation"),
        (lambda: NanoGPT().fit([[0, 1, 0]], validation=[[0, 2]]), DataError, "validation"),
        (lambda: NanoGPT().fit([[0, 1, 0]], n_states=1), DataError, "token 1"),
        (lambda: NanoGPT().sample([[0]], 5, seed=0), DataError, "not fitted"),
        (lambda: NanoGPT().save("nowhere"), DataError, "not fitted"),
        (lambda: NanoGPT.load("/no/such/folder"), RunFolderError, "does not exist"),
        (lambda: untrained().sample([[0, 7]], 5, seed=0), DataError, "token 7"),
        (lambda: untrained().sample([[]], 5, seed=0), DataError, "0 frames"),
        (lambda: untrained().predict_log_proba(np.array([0])), DataError, "at least 2"),
        (lambda: untrained().network_(torch.zeros(1, 9, dtype=torch.long)), DataError, "context of 8"),
    ],
)
def test_bad_input_is_refused_in_one_line(action, error, words):
    with pytest.raises(error) as caught:
        action()
    assert isinstance(caught.value, MdtokError) and words in str(caught.value) and "\n" not in str(caught.value)
