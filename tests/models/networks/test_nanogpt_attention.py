"""Attention weights of a nano-GPT: they are the ones that its blocks use, and what looks at attention takes them."""

import numpy as np
import pytest
import torch

from mdtok.errors import DataError
from mdtok.insight import find_key_steps, mean_attention_distance, summarise_attention, visible_frames
from mdtok.models import NanoGPT
from mdtok.models.networks.nanogpt import NanoGPTConfig, NanoGPTNetwork


def untrained(positions="rotary", n_states=6, n_positions=24, seed=0):
    """A network with random weights large enough to look unevenly; dropout is there to be left off."""
    shape = dict(n_layer=3, n_head=2, n_embd=16, n_inner=24, n_positions=n_positions, positions=positions, dropout=0.5)
    model = NanoGPT(anchor=None, progress=False, **shape)
    torch.manual_seed(seed)
    model.network_ = NanoGPTNetwork(
        NanoGPTConfig(n_states=n_states, initializer_range=0.5, **shape)
    )  # in training mode, as made
    model.n_states_, model.history_ = n_states, []
    return model


@pytest.fixture
def tokens():
    return np.random.default_rng(1).integers(0, 6, 20)


@pytest.mark.parametrize("positions", ["rotary", "learned"])
def test_weights_times_values_are_what_the_attention_of_each_block_gives(positions, tokens):
    model = untrained(positions)
    maps = model.attentions(tokens)
    assert maps.shape == (3, 2, 20, 20) and maps.dtype == np.float32
    seen = {}
    for index, block in enumerate(model.network_.blocks):
        block.attention.register_forward_hook(
            lambda module, inputs, output, index=index: seen.__setitem__(index, (inputs[0], output))
        )
    with torch.no_grad():
        model.network_.eval()(torch.from_numpy(tokens)[None])
        for index, (inputs, output) in seen.items():
            attention = model.network_.blocks[index].attention
            values = attention.qkv(inputs).split(16, dim=-1)[2].view(20, 2, 8)  # (T, H, D)
            mixed = torch.einsum("hqk,khd->qhd", torch.from_numpy(maps[index]), values).reshape(1, 20, 16)
            assert torch.allclose(attention.out(mixed), output, atol=1e-5)
            assert output.abs().max() > 0.1  # something to reconstruct


def test_maps_are_causal_attention_and_go_through_the_insight_of_all_models(tokens):
    model = untrained()
    maps = model.attentions(tokens)
    assert np.array_equal(visible_frames(maps), np.tri(20, dtype=bool))
    assert np.array_equal(maps, model.attentions(tokens))  # no dropout
    windows = [np.random.default_rng(seed).integers(0, 6, 20) for seed in range(3)]
    summary = summarise_attention(map(model.attentions, windows), n_segments=4, progress=False)
    assert summary.share("future").max() == 0 and np.allclose(summary.shares.sum(axis=-1), 1, atol=1e-5)
    assert np.allclose(summary.distance(), mean_attention_distance(summary.shares))
    assert find_key_steps(model, tokens, progress=False).excess.shape == (3, 2, 20)


@pytest.mark.parametrize(
    "dtraj, words",
    [
        (np.zeros(25, dtype=int), "25 tokens do not fit in a context of 24"),
        (np.array([0, 6]), "holds the token 6"),
        (np.array([0.5, 1.0]), "not whole numbers"),
    ],
)
def test_bad_windows_are_one_line(dtraj, words):
    with pytest.raises(DataError, match=words) as caught:
        untrained().attentions(dtraj)
    assert "\n" not in str(caught.value)
