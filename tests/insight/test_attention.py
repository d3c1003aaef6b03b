"""Attention maps, segments, time differences and distances against sums written out, and against uniform attention."""

import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdtok.errors import DataError, SettingsError
from mdtok.insight import (
    attention_blocks,
    mean_attention_distance,
    segment_attention,
    summarise_attention,
    time_difference_shares,
    uniform_attention,
    visible_frames,
    weight_by_time_difference,
)
from mdtok.models import TrajBert

MASKS = {
    "full": np.ones((12, 12), dtype=bool),
    "causal": np.tri(12, dtype=bool),
    "blocks of 4": np.kron(np.eye(3), np.tri(4)).astype(bool),
    "local": np.tri(12, k=2, dtype=bool) & ~np.tri(12, k=-3, dtype=bool),
}


def random_attention(mask, n_layers=2, n_heads=3, seed=0, sharpness=2.0):
    """Softmax of random numbers over what the mask lets through."""
    rng = np.random.default_rng(seed)
    weights = np.where(mask, np.exp(sharpness * rng.normal(size=(n_layers, n_heads, *mask.shape))), 0.0)
    return weights / weights.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("name", MASKS)
def test_what_is_visible_is_read_off_the_attention(name):
    assert np.array_equal(visible_frames(random_attention(MASKS[name])), MASKS[name])


def test_weights_that_are_zero_between_others_are_seen_all_the_same():
    attention = np.array([[1.0, 0, 0], [0.5, 0.5, 0], [0.5, 0.0, 0.5]])
    assert np.array_equal(visible_frames(attention), np.tri(3, dtype=bool))


@pytest.mark.parametrize("name, sizes", [("full", [12]), ("causal", [12]), ("blocks of 4", [4, 4, 4]), ("local", [12])])
def test_blocks(name, sizes):
    attention = random_attention(MASKS[name])
    blocks = list(attention_blocks(attention))
    assert [block.shape for block in blocks] == [(2, 3, n, n) for n in sizes]
    np.testing.assert_array_equal(blocks[-1], attention[..., -sizes[-1] :, -sizes[-1] :])


@settings(max_examples=30, deadline=None)
@given(n_frames=st.integers(2, 15), n_segments=st.integers(1, 6), causal=st.booleans(), seed=st.integers(0, 1000))
def test_sums_written_out(n_frames, n_segments, causal, seed):
    mask = np.tri(n_frames, k=0 if causal else n_frames, dtype=bool)
    attention = random_attention(mask, 1, 2, seed)
    segments, shares = min(n_segments, n_frames), np.zeros((1, 2, 2 * n_frames - 1))
    of_segment = np.digitize(np.arange(n_frames), np.arange(1, segments) * n_frames // segments)
    expected = np.zeros((1, 2, segments, segments))
    for q in range(n_frames):
        for k in range(n_frames):
            shares[..., k - q + n_frames - 1] += attention[..., q, k] / n_frames
            expected[..., of_segment[q], of_segment[k]] += attention[..., q, k] / (of_segment == of_segment[q]).sum()
    np.testing.assert_allclose(segment_attention(attention, segments), expected, atol=1e-12)
    np.testing.assert_allclose(segment_attention(attention, segments).sum(axis=-1), 1.0)
    np.testing.assert_allclose(time_difference_shares(attention), shares, atol=1e-12)
    weighted = {way: weight_by_time_difference(attention, way) for way in ("both", "past", "future")}
    np.testing.assert_allclose(weighted["past"] + weighted["future"], weighted["both"])
    distance = mean_attention_distance(time_difference_shares(attention))
    np.testing.assert_allclose(distance, weighted["both"].sum(axis=-1).mean(axis=-1))


def test_distance_of_uniform_attention_is_the_closed_form():
    N = 40
    full = time_difference_shares(uniform_attention(np.ones((N, N), dtype=bool)))
    causal = time_difference_shares(uniform_attention(np.tri(N, dtype=bool)))
    assert mean_attention_distance(full) == pytest.approx((N**2 - 1) / (3 * N))
    assert mean_attention_distance(full, "past") == pytest.approx((N + 1) / 3)
    assert mean_attention_distance(full, "future") == pytest.approx((N + 1) / 3)
    assert mean_attention_distance(causal) == pytest.approx((N - 1) / 4)
    assert np.isnan(mean_attention_distance(causal, "future"))


def test_a_head_that_looks_three_frames_back_has_that_distance():
    N = 20
    attention = np.eye(N, k=-3)
    attention[:3, 0] = 1.0
    summary = summarise_attention([attention[None, None]], n_segments=4, progress=False)
    assert summary.distance("past")[0, 0] == pytest.approx((17 * 3 + 1 + 2) / 19)
    assert summary.share("past")[0, 0] == pytest.approx(19 / 20) and summary.share("future")[0, 0] == 0


def test_summary_is_the_mean_over_trajectories_and_holds_one_at_a_time():
    maps = [random_attention(MASKS["causal"], seed=seed).astype(np.float32) for seed in range(5)]
    alive, most = [], []

    def one_by_one():
        for attention in maps:
            copy = attention.copy()
            alive.append(weakref.ref(copy))
            yield copy
            del copy
            most.append(sum(reference() is not None for reference in alive))

    summary = summarise_attention(one_by_one(), n_segments=3, n_bins=6, progress=False)
    mean = np.mean(maps, axis=0)
    assert summary.n_trajectories == 5 and max(most) == 1
    np.testing.assert_allclose(summary.layer_maps, mean.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(summary.mean_map, mean.mean(axis=(0, 1)), atol=1e-6)
    np.testing.assert_allclose(summary.head_maps, mean.reshape(2, 3, 6, 2, 6, 2).mean(axis=(3, 5)), atol=1e-6)
    np.testing.assert_allclose(summary.segment_maps, segment_attention(mean, 3), atol=1e-6)
    np.testing.assert_allclose(summary.shares, time_difference_shares(mean), atol=1e-6)


@pytest.mark.parametrize("name", MASKS)
def test_uniform_attention_is_the_yardstick(name):
    summary = summarise_attention([np.tile(uniform_attention(MASKS[name]), (2, 2, 1, 1))], n_segments=3, progress=False)
    for part in ("head_maps", "layer_maps", "segment_maps", "shares"):
        ratio = summary.over_uniform(part)
        assert np.isfinite(ratio).any()
        np.testing.assert_allclose(ratio[np.isfinite(ratio)], 1.0)
    for way in ("both", "past", "future"):
        np.testing.assert_allclose(summary.distance(way), summary.uniform_distance(way))
    if name == "full":
        np.testing.assert_allclose(summary.profile, 1 / 12)


def test_profile_is_the_mean_over_the_pairs_that_may_be_seen():
    attention = random_attention(MASKS["causal"], 1, 1)
    profile = summarise_attention([attention], n_segments=3, progress=False).profile[0, 0]
    N = attention.shape[-1]
    np.testing.assert_allclose(profile[N - 1 - 4], np.diagonal(attention[0, 0], -4).mean())
    assert np.isnan(profile[N:]).all()


def test_figures_for_a_table():
    causal = summarise_attention([random_attention(MASKS["causal"])], n_segments=3, progress=False).to_dict()
    full = summarise_attention([random_attention(MASKS["full"])], n_segments=3, progress=False).to_dict()
    assert (
        causal["future_share"] == 0
        and np.isnan(causal["distance_future"])
        and np.isnan(causal["distance_uniform_future"])
    )
    assert full["past_share"] + full["future_share"] < 1 and full["distance_uniform_future"] == pytest.approx(13 / 3)
    assert full["distance_past_by_head"].shape == (2, 3)


@pytest.mark.parametrize("variant, sees_the_future", [("causal", False), ("faithful", True)])
def test_trajbert(variant, sees_the_future):
    walks = list(np.random.default_rng(7).normal(size=(6, 24, 2)).cumsum(axis=1))
    model = TrajBert.from_preset("small", variant=variant, window=8, max_steps=2, batch_size=4, progress=False).fit(
        walks
    )
    summary = summarise_attention((model.attentions(walk) for walk in walks), n_segments=4, progress=False)
    assert summary.layer_maps.shape == (4, 24, 24)
    assert (summary.share("future") > 0).all() == sees_the_future and (
        summary.share("future") > 0
    ).any() == sees_the_future
    assert len(list(attention_blocks(model.attentions(walks[0])))) == (1 if sees_the_future else 3)


@pytest.mark.parametrize(
    "attention, words",
    [
        (np.ones((2, 2, 3, 4)), r"shape \(2, 2, 3, 4\)"),
        (np.full((1, 1, 3, 3), 0.5), "sums to 1.5"),
        (np.full((1, 1, 3, 3), np.nan), "not numbers"),
        (np.array([[[[2.0, -1.0], [0.0, 1.0]]]]), "negative"),
        (np.eye(3), r"shape \(3, 3\)"),
    ],
)
def test_what_is_no_attention_is_refused(attention, words):
    with pytest.raises(DataError, match=words):
        summarise_attention([attention], n_segments=1, progress=False)


def test_other_bad_input():
    with pytest.raises(DataError, match="No attention"):
        summarise_attention([], progress=False)
    with pytest.raises(DataError, match="Attention 1 has the shape"):
        summarise_attention([np.eye(12)[None, None], np.eye(13)[None, None]], progress=False)
    with pytest.raises(SettingsError, match="n_segments is 13; a whole number from 1 to the 12 frames"):
        summarise_attention([np.eye(12)[None, None]], n_segments=13, progress=False)
    with pytest.raises(SettingsError, match="'left'"):
        weight_by_time_difference(np.eye(3), "left")
