"""Key steps: found where they were planted, not found where attention knows places only, at the stated error rate."""

import zlib

import numpy as np
import pytest

from mdtok.errors import DataError, SettingsError
from mdtok.insight import count_key_steps, find_key_steps, received_attention, uniform_attention
from mdtok.models import TrajBert

N = 80
FULL, CAUSAL = np.ones((N, N), dtype=bool), np.tri(N, dtype=bool)
BLOCKS = np.kron(np.eye(2), np.tri(N // 2)).astype(bool)
MASKS = {"full": FULL, "causal": CAUSAL, "blocks": BLOCKS}


def normalised(weights):
    return weights / weights.sum(axis=-1, keepdims=True)


def attend_by(key_logits, mask=FULL):
    """A model of 2 layers and 2 heads that looks at keys by their logits, in the last head only."""

    def attention(x):
        uniform = np.tile(uniform_attention(mask), (2, 2, 1, 1))
        uniform[1, 1] = normalised(np.where(mask, np.exp(key_logits(x)), 0.0))
        return uniform

    return attention


def attend_by_place(mask, seed=0):
    """Heads of fixed random patterns, among them sinks: the same whatever the frames are."""
    weights = np.where(mask, np.exp(2.5 * np.random.default_rng(seed).normal(size=(2, 3, N, N))), 0.0)
    weights[0, 0, :, 0] += 50.0
    weights[1, 2, N // 2 :, N // 2] += 200.0
    return lambda x: normalised(weights)


def attend_at_random(x):
    """Heavy-tailed noise that hangs on the input as a whole, not on any frame."""
    rng = np.random.default_rng(zlib.crc32(np.ascontiguousarray(x).tobytes()))
    return normalised(np.exp(2.5 * rng.normal(size=(1, 3, 1, len(x))) + np.zeros((1, 3, len(x), 1))))


def walk(seed=0, n_frames=N):
    """A smooth walk within -2 .. 2, so that 4 is an outlier."""
    return np.sin(np.random.default_rng(seed).normal(0, 0.1, size=(n_frames, 2)).cumsum(axis=0))


@pytest.mark.parametrize("name", MASKS)
def test_uniform_attention_gives_every_frame_one(name):
    np.testing.assert_allclose(received_attention(uniform_attention(MASKS[name])), 1.0)


@pytest.mark.parametrize("name", MASKS)
def test_uniform_attention_has_no_key_steps(name):
    steps = find_key_steps(attend_by(lambda x: np.zeros(N), MASKS[name]), walk(), progress=False)
    assert len(steps) == 0 and steps.expected_by_chance == 0 and np.abs(steps.excess).max() < 1e-5


@pytest.mark.parametrize("name", MASKS)
def test_attention_by_place_has_no_key_steps_however_strong(name):
    attend = attend_by_place(MASKS[name])
    assert received_attention(attend(None)).max() > 5
    steps = find_key_steps(attend, walk(), progress=False)
    assert len(steps) == 0 and steps.expected_by_chance == 0


@pytest.mark.parametrize("name", MASKS)
def test_planted_frames_are_found_by_content(name):
    x, planted = walk(), [5, 18, 52]
    x[planted] = 4.0
    steps = find_key_steps(attend_by(lambda x: 4.0 * (x[:, 0] > 3), MASKS[name]), x, seed=1, progress=False)
    assert steps.frames.tolist() == planted and set(steps.origins) == {"content"}
    assert steps.heads == [[(1, 1)]] * 3 and (steps.p_values <= 0.05).all()
    assert (steps.largest_excess[planted] > 2).all() and steps.runs == [(5, 5), (18, 18), (52, 52)]


@pytest.mark.parametrize("name", MASKS)
def test_jumps_are_found_by_order(name):
    jumps = [20, 55]
    sides = np.where((np.arange(N) >= 20) & (np.arange(N) < 55), -1.0, 1.0)
    x = 0.1 * walk() + sides[:, None]  # when shuffled, half of all frames are jumps

    def jumped(x):
        return 4.0 * (np.abs(np.diff(x[:, 0], prepend=x[0, 0])) > 1.0)

    steps = find_key_steps(attend_by(jumped, MASKS[name]), x, seed=1, progress=False)
    assert steps.frames.tolist() == jumps and set(steps.origins) == {"order"}


def test_noise_has_key_steps_no_more_often_than_stated_and_the_control_says_how_many():
    counts = count_key_steps(attend_at_random, [walk(seed, 40) for seed in range(120)], seed=3, progress=False)
    # 120 trajectories at 5 %: more than 14 with a probability of 0.1 %
    assert counts.n_with_any <= 14 and counts.p_value > 1e-3
    assert (
        max(steps.largest_excess.max() for steps in counts.key_steps) > 5
    )  # heavy tails, and yet not taken for key steps
    assert 0.01 < counts.expected_by_chance < 0.15
    assert abs(counts.per_trajectory.value - counts.expected_by_chance) < 0.1


def test_where_order_does_not_matter_nothing_is_found_by_order():
    by_order = 0
    for seed in range(40):
        weights = np.random.default_rng(seed).normal(size=(2, 3))

        def by_content(x, weights=weights):
            return normalised(np.exp(np.tile((x @ weights).T[None, :, None], (1, 1, len(x), 1))))

        steps = find_key_steps(by_content, walk(seed, 40), seed=seed, progress=False)
        by_order += any(origin != "content" for origin in steps.origins)
    assert by_order <= 6  # 40 at 4 %: more with a probability of 0.1 %


def test_weak_preferences_are_no_key_steps():
    """Every frame draws a little more or less by what it is, surely so: that is not far more."""
    steps = find_key_steps(attend_by(lambda x: 0.5 * x[:, 0]), walk(), progress=False)
    assert len(steps) == 0 and 0.1 < steps.largest_excess.max() < 2
    assert len(find_key_steps(attend_by(lambda x: 0.5 * x[:, 0]), walk(), least_excess=0.1, progress=False)) > 0


def test_counting_tells_key_steps_from_none():
    walks = [walk(seed) for seed in range(4)]
    for x in walks:
        x[30:32] = 4.0
    found = count_key_steps(attend_by(lambda x: 4.0 * (x[:, 0] > 3)), walks, progress=False)
    assert found.per_trajectory.value == 2 and found.runs_per_trajectory.value == 1
    assert found.n_with_any == 4 and found.p_value == pytest.approx(0.05**4) and found.by_origin["content"] == 8
    assert found.verdict.startswith("key steps in 4 of 4")
    none = count_key_steps(attend_by_place(CAUSAL), walks, progress=False)
    assert none.p_value == 1 and none.to_dict()["verdict"].startswith("no more than chance: in 0 of 4")
    assert none.to_dict()["per_trajectory"] == {"value": 0, "low": 0, "high": 0}


def test_models_and_callables_and_seeds():
    class Model:
        attentions = staticmethod(attend_by(lambda x: 4.0 * (x[:, 0] > 3), CAUSAL))

    x = walk()
    x[10] = 4.0
    one, other = (find_key_steps(model, x, seed=5, progress=False) for model in (Model(), Model.attentions))
    assert one.to_dict().keys() == other.to_dict().keys() and one.threshold == other.threshold
    assert np.array_equal(one.frames, other.frames) and np.array_equal(one.excess, other.excess)
    tokens = (np.arange(N) == 10).astype(int)  # discrete trajectories are welcome
    assert find_key_steps(attend_by(lambda d: 4.0 * d), tokens, progress=False).frames.tolist() == [10]


def test_frames_that_few_queries_see_are_no_candidates():
    x = walk()
    x[N - 3] = 4.0
    attend = attend_by(lambda x: 6.0 * (x[:, 0] > 3), CAUSAL)
    assert len(find_key_steps(attend, x, progress=False)) == 0
    assert find_key_steps(attend, x, min_queries=2, progress=False).frames.tolist() == [N - 3]


def test_untrained_network_has_no_key_steps():
    walks = list(np.random.default_rng(7).normal(size=(6, 40, 2)).cumsum(axis=1))
    model = TrajBert.from_preset("small", variant="faithful", max_steps=1, warmup_steps=0, batch_size=2, progress=False)
    model.fit(walks)
    assert len(find_key_steps(model, walks[0], progress=False)) == 0


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"n_shuffles": 10}, "n_shuffles is 10; an error rate of 0.05 can be told from 25 on"),
        ({"error_rate": 0.01}, "from 125 on"),
        ({"error_rate": 0.0}, "error_rate 0.0 must be between"),
        ({"least_excess": 0}, "least_excess 0 above 0"),
    ],
)
def test_settings_out_of_range(settings, words):
    with pytest.raises(SettingsError, match=words):
        find_key_steps(attend_at_random, walk(), progress=False, **settings)


def test_bad_input():
    with pytest.raises(SettingsError, match="int has no attentions"):
        find_key_steps(7, walk())
    x = walk()
    x[3] = np.nan
    with pytest.raises(DataError, match="not numbers"):
        find_key_steps(attend_at_random, x)
    with pytest.raises(DataError, match=r"shape \(80, 80\); \(n_layers, n_heads, 80, 80\)"):
        find_key_steps(lambda x: uniform_attention(FULL), walk(), progress=False)
    with pytest.raises(DataError, match="seen by 10 queries"):
        find_key_steps(attend_at_random, walk(0, 5), progress=False)
    with pytest.raises(DataError, match="1 trajectories were given; two at least"):
        count_key_steps(attend_at_random, [walk()])
