"""Networks over tokens: the anchor on counted transitions, the second pass, the LSTM."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mdtok.errors import SettingsError
from mdtok.models import LSTM, NanoGPT, load_model
from mdtok.models.networks.anchor import BasinAnchor, anchored_log_proba, choose_shares, slow_basins
from mdtok.models.networks.exploration import Exploration
from mdtok.models.networks.lstm import LSTMConfig, LSTMNetwork
from mdtok.models.networks.nanogpt import NanoGPTConfig, NanoGPTNetwork

# two basins of two states each: fast within, one crossing in 500 steps
FAST, RARE = 0.3, 0.002
TRANSITIONS = np.array(
    [[1 - FAST, FAST, 0, 0], [FAST, 1 - FAST - RARE, RARE, 0], [0, RARE, 1 - FAST - RARE, FAST], [0, 0, FAST, 1 - FAST]]
)
QUICK = dict(progress=False, learning_rate=5e-3, warmup_steps=10, batch_size=16, max_steps=60, evaluate_every_steps=30)


def chains(n_chains, n_frames, seed):
    """Chains of the transition matrix above."""
    rng, cumulative = np.random.default_rng(seed), TRANSITIONS.cumsum(axis=1)
    states = np.empty((n_chains, n_frames), dtype=np.int64)
    states[:, 0] = rng.integers(0, 4, n_chains)
    for frame in range(1, n_frames):
        states[:, frame] = (cumulative[states[:, frame - 1]] < rng.random((n_chains, 1))).sum(axis=1)
    return list(states)


def fine_chains(n_chains, n_frames, seed):
    """The same in 24 states, of which six are one state of the chain and mean nothing."""
    rng = np.random.default_rng([seed, 1])
    return [6 * d + rng.integers(0, 6, len(d)) for d in chains(n_chains, n_frames, seed)]


@pytest.fixture(scope="module")
def anchored():
    return NanoGPT.from_preset("tiny", seed=1, **QUICK).fit(fine_chains(20, 2000, seed=1), fine_chains(8, 2000, seed=2))


def test_basins_are_the_sets_that_are_left_more_slowly_than_a_context():
    dtrajs = fine_chains(20, 2000, seed=3)
    basins = slow_basins(dtrajs, 24, n_positions=32)  # the relaxation time is 500 frames
    assert len(set(basins[:12])) == len(set(basins[12:])) == 1 and basins[0] != basins[12]
    assert slow_basins(dtrajs, 24, n_positions=3900) is None


def test_few_states_are_a_basin_each():
    assert slow_basins(chains(20, 2000, seed=3), 4, n_positions=32).tolist() == [0, 1, 2, 3]


def test_a_state_that_training_never_leaves_belongs_to_a_basin():
    basins = slow_basins(fine_chains(20, 2000, seed=3), 26, n_positions=32)  # states 24 and 25 were never seen
    assert basins.shape == (26,) and set(basins) == {0, 1}


def test_where_states_are_few_the_better_of_two_counted_memories_has_the_weight():
    """A chain that depends on its last two tokens: counting ages says less of it than counting pairs."""
    rng = np.random.default_rng(5)
    dtraj = [0, 1]
    for chance in rng.random(8000):
        dtraj.append(dtraj[-2] if chance < 0.8 else (dtraj[-2] + 1) % 3)
    train, held_out = np.array(dtraj[:6000]), np.array(dtraj[6000:])
    anchor = BasinAnchor.fit([train], [held_out], 3, n_positions=32)
    (semi_markov, chain), said = anchor.models_, anchor.log_proba(held_out)
    assert anchor.weights_.sum() == pytest.approx(1) and anchor.weights_[1] > 0.5
    nats = -said[np.arange(len(said)), held_out[1:]].mean()
    assert (
        nats < min(semi_markov.nats_per_token([held_out]), chain.nats_per_token([held_out])) + 3e-4
    )  # slow to converge where both say nearly the same
    exact = -(0.8 * np.log(0.8) + 0.2 * np.log(0.2))
    assert nats == pytest.approx(exact, abs=0.03)  # 2,000 held-out tokens: three standard errors are 0.037


def test_what_is_anchored_and_what_is_corrected():
    train, held_out = chains(10, 1000, seed=1), chains(4, 1000, seed=2)
    made = {
        kind: NanoGPT.from_preset("tiny", anchor=kind, **QUICK).fit(train, held_out)
        for kind in ("factorised", "states", None)
    }
    assert (made["factorised"].anchor_share_ == 0).all() and (made["states"].anchor_share_ == 1).all()
    assert made["states"].anchor_.n_basins == 4 and made[None].anchor_ is None
    counted = made["factorised"].anchor_
    basins = np.logaddexp.reduce(made["factorised"].predict_log_proba(held_out[0]).T[counted.basins_ == 0]).T
    assert np.allclose(basins, counted.log_proba(held_out[0])[:, 0], atol=1e-5)
    with pytest.raises(SettingsError, match="anchor is True"):
        NanoGPT(anchor=True)


def test_where_no_state_is_found_again_nothing_is_anchored():
    way = np.arange(300) // 10  # 30 states, one after the other
    assert BasinAnchor.fit([way], [way], 30, n_positions=32) is None
    once = NanoGPT.from_preset("tiny", **{**QUICK, "max_steps": 2}).fit([way])
    assert once.anchor_ is None and once.anchor_share_ is None


def test_an_anchored_network_crosses_as_often_as_was_counted(anchored):
    assert anchored.anchor_.n_basins == 2
    fresh = fine_chains(10, 2000, seed=4)
    basin = anchored.anchor_.basins_
    expected = observed = 0.0
    for dtraj in fresh:
        proba = np.exp(anchored.predict_log_proba(dtraj))
        assert np.allclose(proba.sum(axis=1), 1, atol=1e-5)
        here = basin[dtraj[:-1]]
        expected += proba[np.arange(len(here))[:, None], np.flatnonzero(basin == 0)].sum(axis=1)[here == 1].sum()
        expected += proba[np.arange(len(here))[:, None], np.flatnonzero(basin == 1)].sum(axis=1)[here == 0].sum()
        observed += np.sum(basin[dtraj[1:]] != here)
    exact = RARE / 2 * 10 * 1999  # half of the frames are at the border
    assert expected == pytest.approx(exact, rel=0.4)  # 40 crossings were counted in training: three deviations
    assert observed == pytest.approx(exact, rel=0.8)


def test_rollouts_of_an_anchored_network_have_its_rates(anchored):
    basin = anchored.anchor_.basins_
    samples = anchored.sample([[6 * (k % 4)] for k in range(100)], 400, seed=5)
    crossings = sum(np.sum(np.diff(basin[sample]) != 0) for sample in samples)
    assert crossings == pytest.approx(
        RARE / 2 * 100 * 400, rel=0.65
    )  # 40 expected; counted in training with 40: three deviations


def test_sampling_draws_from_what_is_predicted_with_an_anchor(anchored, monkeypatch):
    from mdtok.models.networks import neural

    used, draw = [], neural.draw_tokens

    def draw_and_keep(logits, generator):
        used.append(torch.log_softmax(logits, dim=-1).cpu().numpy())
        return draw(logits, generator)

    monkeypatch.setattr(neural, "draw_tokens", draw_and_keep)
    prompts = [np.array([0, 7, 3]), np.array([20, 15, 9])]
    samples = anchored.sample(prompts, 80, seed=2)
    for chain in range(2):
        rows = anchored.predict_log_proba(np.concatenate([prompts[chain], samples[chain]]))
        assert np.allclose(rows[2:], [step[chain] for step in used], atol=1e-4)


def test_an_anchored_model_is_the_same_after_saving(anchored, tmp_path):
    anchored.save(tmp_path)
    again, (fresh,) = load_model(tmp_path), fine_chains(1, 300, seed=9)
    assert np.array_equal(again.predict_log_proba(fresh), anchored.predict_log_proba(fresh))
    assert np.array_equal(again.anchor_share_, anchored.anchor_share_) and again.n_parameters == anchored.n_parameters
    assert np.array_equal(again.sample([fresh[:5]], 50, seed=1)[0], anchored.sample([fresh[:5]], 50, seed=1)[0])


def test_exploring_narrows_what_is_drawn_and_sampling_never_does(anchored):
    prompts = [[0]] * 400
    drawn = {
        name: np.concatenate(anchored.explore(prompts, 1, seed=3, **change))
        for name, change in {
            "as it is": {},
            "likeliest": {"top_k": 1},
            "cold": {"temperature": 1e-6},
            "few": {"top_p": 0.05},
            "hot": {"temperature": 50.0},
        }.items()
    }
    assert (drawn["as it is"] == np.concatenate(anchored.sample(prompts, 1, seed=3))).all()
    assert set(drawn["likeliest"]) == set(drawn["cold"]) and len(set(drawn["likeliest"])) == 1
    assert set(drawn["likeliest"]) <= set(drawn["few"]) < set(drawn["as it is"]) < set(drawn["hot"])


@given(st.integers(0, 2**31), st.integers(1, 6), st.floats(0.01, 1.0))
def test_what_may_follow_are_the_likeliest_states(seed, top_k, top_p):
    logits = torch.randn(3, 6, generator=torch.Generator().manual_seed(seed))
    for change in (Exploration(top_k=top_k), Exploration(top_p=top_p)):
        kept = torch.isfinite(change(logits))
        assert kept.any(dim=-1).all()
        least_kept = logits.masked_fill(~kept, torch.inf).amin(dim=-1)
        most_left = logits.masked_fill(kept, -torch.inf).amax(dim=-1)
        assert (least_kept > most_left).all()
    assert (torch.isfinite(Exploration(top_k=top_k)(logits)).sum(dim=-1) == top_k).all()
    kept = torch.isfinite(Exploration(top_p=top_p)(logits))
    held = (logits.softmax(-1) * kept).sum(dim=-1)
    least = (logits.softmax(-1).masked_fill(~kept, torch.inf)).amin(dim=-1)
    assert (held >= top_p - 1e-6).all() and (held - least < top_p + 1e-6).all()


def test_without_prompts_a_network_starts_in_equilibrium(anchored, tmp_path):
    """Populations of the 24 states; total variation of 4,000 starts: 0.031 on average, 0.06 is beyond 1 in 1e6."""
    assert anchored.stationary_distribution_ == pytest.approx(np.full(24, 1 / 24), abs=0.02)
    assert len(anchored.sample(None, 3, seed=1)) == 1
    starts = np.concatenate(anchored._draw_starts(4000, seed=2))
    assert abs(np.bincount(starts, minlength=24) / 4000 - anchored.stationary_distribution_).sum() / 2 < 0.06
    anchored.save(tmp_path / "model")
    again = load_model(tmp_path / "model")
    again.progress = False
    assert np.array_equal(again.sample(3, 4, seed=5), anchored.sample(3, 4, seed=5))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"temperature": 0}, "temperature is 0"),
        ({"top_k": 0}, "top_k is 0"),
        ({"top_k": 1.5}, "top_k is 1.5"),
        ({"top_p": 1.1}, "top_p is 1.1"),
    ],
)
def test_exploration_out_of_range_is_one_line(anchored, change, words):
    with pytest.raises(SettingsError, match=words):
        anchored.explore(None, 1, seed=0, **change)


def test_anchored_probabilities_have_the_basins_of_the_anchor_and_the_states_of_the_network():
    outputs, basin_of = torch.tensor([[1.0, 2.0, -1.0, 0.5, 0.0, 3.0]]), torch.tensor([0, 0, 1, 1])
    anchor = torch.tensor([[0.9, 0.1]]).log()
    here = torch.tensor([0])
    alone = anchored_log_proba(outputs, anchor, here, basin_of, torch.zeros(2, 2)).exp()[0]
    assert float(alone[:2].sum()) == pytest.approx(0.9) and float(alone.sum()) == pytest.approx(1.0)
    assert float(alone[1] / alone[0]) == pytest.approx(np.e)
    corrected = anchored_log_proba(outputs, anchor, here, basin_of, torch.ones(2, 2)).exp()[0]
    assert float(corrected[2:].sum() / corrected[:2].sum()) == pytest.approx(np.exp(3) / 9)
    # a correction of the same size for all basins corrects nothing
    outputs[:, 4:] = 7.0
    assert torch.allclose(anchored_log_proba(outputs, anchor, here, basin_of, torch.ones(2, 2)).exp()[0], alone)


def test_a_correction_is_believed_between_the_basins_where_held_out_data_bear_it_out():
    """Three basins; the correction is right between 0 and 1, and noise from and to 2."""
    rng, n = np.random.default_rng(0), 40_000
    current, hint = rng.integers(0, 3, n), rng.normal(size=n)
    anchor = np.full((n, 3), np.log(0.1))
    anchor[np.arange(n), current] = np.log(0.8)
    correction = 0.5 * rng.normal(size=(n, 3))
    between = current < 2
    other = np.where(current == 0, 1, 0)
    correction[between, current[between]], correction[between, other[between]] = 0.0, hint[between]
    true = anchor.copy()
    true[between, other[between]] += hint[between]
    proba = np.exp(true - np.log(np.exp(true).sum(axis=1, keepdims=True)))
    following = (proba.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    share = choose_shares(anchor, correction, current, following, np.arange(n) // 100)
    assert share[0, 1] == share[1, 0] >= 0.75
    assert share[0, 2] == share[2, 0] == share[1, 2] == share[2, 1] == 0.0


def test_the_anchor_gives_one_row_for_every_next_token():
    dtrajs = chains(12, 500, seed=3)
    anchor = BasinAnchor.fit(dtrajs, dtrajs[:3], 4, n_positions=32)
    rows = anchor.log_proba(dtrajs[0])
    memory = anchor.memory_of([dtrajs[0][:1]])
    for frame in range(1, 60):
        assert np.allclose(rows[frame - 1], anchor.log_proba_after(memory)[0], atol=1e-6)
        memory = anchor.advance(memory, dtrajs[0][frame : frame + 1])


def network_of(kind, **settings):
    torch.manual_seed(0)
    shape = dict(
        n_states=5, n_embd=8, n_positions=16, initializer_range=0.5, dropout=0.0, keep_epsilon=0.5, keep_rate=0.5
    )
    if kind == "nanogpt":
        return NanoGPTNetwork(NanoGPTConfig(n_layer=1, n_head=2, n_inner=8, **{**shape, **settings}))
    return LSTMNetwork(LSTMConfig(n_hidden=8, **{**shape, **settings}))


@pytest.mark.parametrize("kind", ["nanogpt", "lstm"])
@pytest.mark.parametrize("second_pass", ["sampled", "expected", "faithful"])
def test_the_second_pass_begins_with_md_and_ends_with_predictions(kind, second_pass):
    network = network_of(kind, second_pass=second_pass).train()
    tokens = torch.from_numpy(np.random.default_rng(0).integers(0, 5, (64, 16)))
    embedded = network.token_embedding(tokens).detach()
    network.training_step = 0
    assert torch.equal(network._replace(embedded, tokens, None), embedded)
    network.training_step = 10**6  # token t is kept with probability 0.5**t
    kept = (network._replace(embedded, tokens, None) == embedded).all(dim=-1).float().mean(dim=0)
    assert kept[0] == 1
    assert kept[10:].max() < 0.5 if second_pass == "sampled" else kept[10:].max() < 0.1
    labels = tokens.roll(-1, 1)
    assert network(tokens, labels=labels).loss.isfinite()
    # only in training
    assert torch.equal(network.eval()(tokens).logits, network_of(kind).eval()(tokens).logits)


def test_what_replaces_a_token_is_predicted_from_the_tokens_before_it():
    """The published code takes the hidden state at t, which has read token t: that is the leak of one frame."""
    tokens = torch.tensor([[0, 1, 2, 3, 4, 0]])
    other = tokens.clone()
    other[0, 3] = 0
    replaced = {}
    for second_pass in ("expected", "faithful"):
        network = network_of("nanogpt", second_pass=second_pass, keep_epsilon=1e-9).train()
        network.training_step = 10**6
        replaced[second_pass] = [
            network._replace(network.token_embedding(ids).detach(), ids, None)[0] for ids in (tokens, other)
        ]
    first, second = replaced["expected"]
    assert torch.allclose(first[:4], second[:4], atol=1e-6) and not torch.allclose(first[4], second[4], atol=1e-3)
    first, second = replaced["faithful"]
    assert torch.allclose(first[:3], second[:3], atol=1e-6) and not torch.allclose(first[3], second[3], atol=1e-3)


def test_an_lstm_reads_step_by_step_what_it_reads_at_once():
    network = network_of("lstm").eval()
    tokens = torch.from_numpy(np.random.default_rng(0).integers(0, 5, (3, 12)))
    cache, parts = network.new_cache(3), []
    for piece in tokens.split([5, 1, 6], dim=1):
        parts.append(network.next_logits(piece, cache))
    assert torch.allclose(torch.cat(parts, dim=1), network.next_logits(tokens), atol=1e-6)


def test_an_lstm_learns_a_cycle_and_is_saved(tmp_path):
    cycle = np.arange(600) % 5
    model = LSTM.from_preset("tiny", **{**QUICK, "max_steps": 150, "learning_rate": 2e-2}).fit([cycle])
    assert model.nats_per_token([cycle]) < 0.05
    model.save(tmp_path)
    again = load_model(tmp_path)
    assert np.array_equal(again.predict_log_proba(cycle[:100]), model.predict_log_proba(cycle[:100]))
    (sample,) = again.sample([cycle[:3]], 200, seed=0)
    assert np.mean(np.diff(sample) % 5 == 1) > 0.9


def test_the_published_lstms_have_their_units():
    for preset, shape in (("small", (8, 64)), ("medium", (128, 512))):
        settings = LSTM.from_preset(preset).settings
        assert (settings["n_embd"], settings["n_hidden"]) == shape


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: NanoGPT(second_pass="twice"), "second_pass is 'twice'"),
        (lambda: NanoGPT(second_pass="sampled", keep_rate=1.0), "keep_rate"),
        (lambda: LSTM(second_pass="faithful"), "widths must be equal"),
        (lambda: LSTM(n_hidden=0), "n_hidden is 0"),
        (lambda: LSTM.from_preset("huge"), "no preset 'huge'"),
    ],
)
def test_bad_settings_are_refused_in_one_line(make, words):
    with pytest.raises(SettingsError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_with_an_anchor_the_logits_of_states_learn_what_they_learn_without():
    torch.manual_seed(0)
    tokens, labels = torch.randint(0, 6, (4, 10)), torch.randint(0, 6, (4, 10))
    labels[0, 7:] = -100
    anchor = torch.randn(4, 10, 2).log_softmax(dim=-1)
    gradients, plain = {}, None
    for n_basins in (0, 2):
        torch.manual_seed(1)
        network = NanoGPTNetwork(
            NanoGPTConfig(
                n_states=6, n_layer=1, n_head=2, n_embd=8, n_inner=8, n_positions=10, n_basins=n_basins, dropout=0.0
            )
        )
        if n_basins:
            network.basin_of.copy_(torch.tensor([0, 0, 0, 1, 1, 1]))
            network.load_state_dict(plain.state_dict(), strict=False)
            loss = network.train()(tokens, labels=labels, anchor=anchor).loss
            assert loss.item() == pytest.approx(network.eval()(tokens, labels=labels, anchor=anchor).loss.item())
        else:
            plain = network
            loss = network.train()(tokens, labels=labels).loss
        loss.backward()
        gradients[n_basins] = network.head.weight.grad
    assert torch.allclose(
        gradients[0], gradients[2], atol=1e-6
    )  # the correction's head starts at zero and adds nothing


@pytest.mark.parametrize("kind", [NanoGPT, LSTM])
def test_a_reversible_model_expects_either_direction(kind):
    """A cycle 0 1 2 0 …: what follows the first token is certain, unless the cycle may run backwards."""
    cycle = np.arange(600) % 3
    chance = {}
    for reversible in (False, True):
        model = kind.from_preset(
            "tiny",
            anchor=None,
            reversible=reversible,
            max_steps=150,
            evaluate_every_steps=50,
            learning_rate=1e-2,
            progress=False,
        )
        log_prob = model.fit([cycle], [cycle[:200]]).log_prob([cycle[:100]])[0]
        chance[reversible] = np.exp(log_prob[0]), np.exp(log_prob[10:]).min()
    assert chance[False][0] > 0.9 and 0.3 < chance[True][0] < 0.7
    assert chance[True][1] > 0.9  # two tokens show the direction
