"""Causal tracing: a copy from a known place is traced to it and to nothing else; untrained networks have no sites."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from scipy.stats import binom

from mdtok.errors import DataError, SettingsError
from mdtok.insight import trace_causes
from mdtok.insight.tracing import sign_flip_p_values
from mdtok.models import MarkovModel, NanoGPT
from mdtok.models.networks.nanogpt import NanoGPTNetwork
from mdtok.storage import write_json

LAG, N_STATES = 5, 8
QUIET = dict(progress=False)


def copies(n_frames, seed):
    """Each token is the one five before it; now and then a random one, so that no older token tells more."""
    rng = np.random.default_rng(seed)
    tokens, is_copy = rng.integers(0, N_STATES, n_frames), rng.random(n_frames) < 0.95
    for t in range(LAG, n_frames):
        if is_copy[t]:
            tokens[t] = tokens[t - LAG]
    return tokens


@pytest.fixture(scope="module")
def copier():
    settings = dict(
        n_layer=2, n_positions=8, anchor=None, max_steps=400, learning_rate=5e-3, warmup_steps=20, dropout=0.0, **QUIET
    )
    return NanoGPT.from_preset("tiny", **settings).fit([copies(20_000, seed=1)])


@pytest.fixture(scope="module")
def held_out():
    """Many short ones: in a long one the same five tokens come again and again, and prompts would not be
    independent."""
    return [copies(12, seed=seed) for seed in range(100, 200)]


@pytest.fixture(scope="module")
def traces(copier, held_out):
    """Of prompts of five tokens, all independent: the next one is the first of them."""
    return {
        corrupt: trace_causes(copier, held_out, corrupt=corrupt, n_frames=LAG, n_prompts=60, **QUIET)
        for corrupt in ("all", "early", "late")
    }


def test_a_copy_is_traced_to_its_source_and_to_the_last_token_and_to_nothing_else(traces):
    """False sites: 5 % by the stated error rate; this seed has none."""
    for found in (traces["all"], traces["early"]):
        significant = found.significant
        assert (
            significant["residual"][0, 0] and significant["residual"][2, -1]
        )  # the source's embedding, the last layer's end
        assert significant["attention"][:, -1].any()  # where the last token reads it
        assert {site.tokens_back for site in dataclasses.replace(found, least_share=0.0).sites} <= {
            0,
            LAG - 1,
        }  # not even a trace
        assert not significant["residual"][0, -1]  # what the last token is does not matter
        assert found.effects["residual"].low[0, 0] > 0.1 and found.total_effect.low > 0.3


def test_noise_after_the_source_may_disturb_but_no_later_token_is_what_is_missing(traces):
    """The source is the first token, so the late half holds nothing that the next token hangs on."""
    assert float(traces["late"].total_effect.value) < 0.5 * float(traces["early"].total_effect.value)
    assert not traces["late"].significant["residual"][0].any()


def test_restoring_the_end_of_the_last_layer_restores_all(traces):
    for found in traces.values():
        np.testing.assert_allclose(found.effects["residual"].value[-1, -1], found.total_effect.value, atol=1e-4)
        np.testing.assert_allclose(found.corrupted.value - found.clean.value, found.total_effect.value, atol=1e-9)
        likely = found.probability
        np.testing.assert_allclose(likely["effects"]["residual"].value[-1, -1], likely["total_effect"].value, atol=1e-5)
        np.testing.assert_allclose(
            likely["clean"].value - likely["corrupted"].value, likely["total_effect"].value, atol=1e-9
        )
        for kind, rows in (("residual", 3), ("attention", 2), ("mlp", 2)):
            assert found.effects[kind].value.shape == (rows, LAG)
            assert (found.effects[kind].value[-1, :-1] == 0).all()  # nothing is read from there any more
            assert (found.effects[kind].low <= found.effects[kind].high).all()
    assert (
        traces["early"].effects["residual"].value[0, LAG // 2 :] == 0
    ).all()  # what was not corrupted is not restored


def test_clean_probabilities_are_those_that_the_model_predicts(copier, held_out):
    """Prompts that are whole trajectories: the model's own predictions of their last tokens."""
    pieces = [tokens[:7] for tokens in held_out[:50]]
    found = trace_causes(copier, pieces, n_frames=6, n_prompts=50, restore="mlp", **QUIET)
    expected = np.mean([-copier.predict_log_proba(piece)[-1, piece[-1]] for piece in pieces])
    assert found.n_prompts == 50 and list(found.effects) == ["mlp"]
    assert float(found.clean.value) == pytest.approx(expected, abs=1e-4)


def test_a_site_has_to_give_back_its_share(traces):
    found = dataclasses.replace(traces["all"], least_share=0.5)
    assert 0 < len(found.sites) < len(traces["all"].sites)
    assert all(float(site.effect.value) >= 0.5 * float(found.total_effect.value) for site in found.sites)


def test_it_says_what_it_found_and_fits_in_json(traces, tmp_path):
    found = traces["all"]
    assert (
        "sites matter (error rate 0.05), at tokens 0, −4 (0: the last), most of all residual, block 1, at the last "
        "token" in str(found)
    )
    write_json(tmp_path / "traces.json", found.to_dict())
    content = json.loads((tmp_path / "traces.json").read_text(encoding="utf-8"))
    assert content["sentence"] == str(found) and len(content["sites"]) == len(found.sites)
    np.testing.assert_allclose(content["effects"]["residual"]["value"], found.effects["residual"].value)


def test_the_same_seed_gives_the_same_traces_and_leaves_the_network_as_it_was(copier, held_out):
    before = {name: weight.clone() for name, weight in copier.network_.state_dict().items()}
    state = torch.get_rng_state()
    first, again = (
        trace_causes(copier, held_out, n_frames=4, n_prompts=20, seed=3, **QUIET).to_dict() for _ in range(2)
    )
    assert json.dumps(first, default=np.ndarray.tolist) == json.dumps(again, default=np.ndarray.tolist)
    assert all(torch.equal(weight, before[name]) for name, weight in copier.network_.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module._forward_hooks for module in copier.network_.modules())


def with_random_weights(model, seed):
    """The same model before any training."""
    fresh = NanoGPT(**model.settings)
    fresh.progress, fresh.n_states_, fresh.history_, fresh.anchor_ = False, model.n_states_, [], model.anchor_
    torch.manual_seed(seed)
    fresh.network_ = NanoGPTNetwork(model.network_.config)
    return fresh


@pytest.mark.slow  # 240 tracings; the rule that decides is tested by itself below
def test_untrained_networks_have_no_sites(copier):
    """On tokens that a network can be right about by accident: four states that last. At most 5 % of networks may have
    a site."""
    rng = np.random.default_rng(5)
    slow = [np.repeat(rng.integers(0, 4, 300), 3)]
    settings = dict(
        n_frames=3,
        n_prompts=30,
        n_draws=1,
        least_share=0.0,
        restore="residual",
        n_permutations=99,
        n_untrained=19,
        **QUIET,
    )
    n_found = sum(
        len(trace_causes(with_random_weights(copier, seed), slow, seed=1000 + 50 * seed, **settings).sites) > 0
        for seed in range(12)
    )
    assert binom.sf(n_found - 1, 12, 0.05) > 0.01  # up to 3 of 12


def test_noise_does_not_touch_the_counts_of_an_anchor():
    """Three states that last: each is a basin, and before training the network corrects nothing, so noise does
    nothing."""
    rng = np.random.default_rng(0)
    chain = np.repeat(rng.integers(0, 3, 400), 12)
    model = NanoGPT.from_preset(
        "tiny", max_steps=100, evaluate_every_steps=50, learning_rate=5e-3, warmup_steps=10, **QUIET
    ).fit([chain[:4000]])
    assert model.anchor_ is not None
    untrained = with_random_weights(model, seed=1)
    untrained.network_.basin_of.copy_(model.network_.basin_of)
    found = trace_causes(untrained, [chain[4000:]], n_frames=6, n_prompts=30, **QUIET)
    assert float(found.total_effect.value) == 0 and not found.sites and found.p_value == 1
    assert "this is the network's part only" in str(found)
    pieces = [chain[start : start + 13] for start in range(4000, 4390, 13)]
    clean = trace_causes(model, pieces, n_frames=12, n_prompts=30, **QUIET).clean
    expected = np.mean([-model.predict_log_proba(piece)[-1, piece[-1]] for piece in pieces])
    assert float(clean.value) == pytest.approx(expected, abs=1e-4)


def test_sign_flips_find_a_shift_and_give_false_alarms_at_the_stated_rate():
    rng = np.random.default_rng(0)
    shifted = rng.normal(size=(40, 6))
    shifted[:, 2] -= 1.0
    p_values = sign_flip_p_values(shifted, 999, rng)
    assert p_values[2] == 0.001 and p_values[[0, 1, 3, 4, 5]].min() > 0.05
    assert (sign_flip_p_values(np.zeros((10, 3)), 99, rng) == 1).all()
    alarms = sum(sign_flip_p_values(rng.normal(size=(20, 10)), 99, rng).min() <= 0.05 for _ in range(400))
    assert 0.001 < binom.cdf(alarms, 400, 0.05) < 0.999  # two-sided error 0.2 %


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        (dict(corrupt="middle"), SettingsError, "corrupt is 'middle'"),
        (dict(restore=["residual", "heads"]), SettingsError, "restore is"),
        (dict(restore=()), SettingsError, "restore is"),
        (dict(n_frames=9), SettingsError, "n_frames is 9; 2 to 8"),
        (dict(noise=0.0), SettingsError, "noise 0.0 must be above 0"),
        (dict(least_share=1.0), SettingsError, "least_share 1.0 between 0 and 1"),
        (dict(n_permutations=10), SettingsError, "needs 19 of each"),
        (dict(n_untrained=3), SettingsError, "needs 19 of each"),
        (dict(dtrajs=[np.arange(6)]), DataError, "at least 8 were expected"),
        (dict(dtrajs=[np.array([0, 8, 0])]), DataError, "holds the token 8"),
    ],
)
def test_bad_input_is_one_line(copier, held_out, arguments, error, words):
    arguments = {"dtrajs": held_out, **arguments}
    with pytest.raises(error, match=words) as caught:
        trace_causes(copier, arguments.pop("dtrajs"), **arguments, **QUIET)
    assert "\n" not in str(caught.value)


def test_other_models_are_refused(held_out):
    with pytest.raises(SettingsError, match="a MarkovModel; causal tracing needs a NanoGPT"):
        trace_causes(MarkovModel().fit(held_out), held_out)
