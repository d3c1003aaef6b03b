"""Figures of attention show the numbers of the summary, on the axes they are given, for small and large models."""

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from mdtok import report
from mdtok.errors import DataError, SettingsError
from mdtok.insight import count_key_steps, find_key_steps, summarise_attention, uniform_attention

N = 60


def attention_of(mask, n_layers=3, n_heads=4, seed=0, sharpness=1.0):
    weights = np.where(
        mask, np.exp(sharpness * np.random.default_rng(seed).normal(size=(n_layers, n_heads, *mask.shape))), 0.0
    )
    return weights / weights.sum(axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def causal():
    return summarise_attention([attention_of(np.tri(N, dtype=bool), seed=seed) for seed in range(2)], progress=False)


@pytest.fixture(scope="module")
def full():
    return summarise_attention([attention_of(np.ones((N, N), dtype=bool))], progress=False)


@pytest.fixture(scope="module")
def walk():
    x = np.random.default_rng(0).normal(size=(N, 2)).clip(-2, 2)
    x[[20, 21]] = 4.0
    return x


def outliers_draw(x):
    weights = np.exp(4.0 * (x[:, 0] > 3))
    return np.tile(weights / weights.sum(), (2, 2, len(x), 1))


@pytest.fixture(scope="module")
def steps(walk):
    return find_key_steps(outliers_draw, walk, progress=False)


def painted(axes):
    """Draw the whole figure; the share of its pixels that are not white."""
    canvas = FigureCanvasAgg(np.ravel(axes)[0].figure)
    canvas.draw()
    return float((np.asarray(canvas.buffer_rgba())[..., :3].min(axis=-1) < 250).mean())


ONE_AXES = [report.plot_head_maps, report.plot_time_difference_profile, report.plot_attention_distance]
PANELS = {report.plot_layer_maps: 4, report.plot_segment_attention: 3}


@pytest.mark.parametrize("plot", [*ONE_AXES, *PANELS])
def test_draws_on_the_axes_given_or_on_its_own(causal, full, plot):
    before = dict(matplotlib.rcParams)
    for summary in (causal, full):
        if plot in ONE_AXES:
            ax = Figure().subplots()
            assert plot(summary, ax=ax) is ax and ax.has_data()
        else:
            axes = Figure((9, 9)).subplots(2, 2).ravel()
            assert list(plot(summary, axes=axes)) == list(axes[: PANELS[plot]])
            with pytest.raises(SettingsError, match="1 axes were given"):
                plot(summary, axes=[axes[0]])
        assert painted(plot(summary)) > 0.01
    assert dict(matplotlib.rcParams) == before


def test_head_maps_show_each_head_in_its_place():
    """A head that looks at the first frame only is red there and blue elsewhere; unseen frames are grey."""
    attention = np.tile(uniform_attention(np.tri(20, dtype=bool)), (2, 3, 1, 1))
    attention[1, 2] = 0.02 * attention[1, 2] + 0.98 * np.eye(20)[0]
    (image,) = report.plot_head_maps(summarise_attention([attention], n_segments=2, progress=False)).get_images()
    pixels = np.asarray(image.get_array())
    gap = 1
    assert pixels.shape == (2 * 20 + gap, 3 * 20 + 2 * gap, 4)
    first = pixels[21:, 42:]  # layer 1, head 2
    assert first[19, 0, 0] > first[19, 0, 2] and first[19, 10, 2] > first[19, 10, 0]
    np.testing.assert_allclose(first[0, 19], to_rgba("#e4e4e4"))
    even = pixels[:20, :20][np.tri(20, dtype=bool)]
    assert np.allclose(even, even[0]) and even[0, :3].min() > 0.95
    np.testing.assert_array_equal(pixels[20], np.ones((62, 4)))


def test_maps_of_uniform_attention_are_white_under_every_mask():
    for mask in (np.tri(N, dtype=bool), np.ones((N, N), dtype=bool), np.kron(np.eye(3), np.tri(20)).astype(bool)):
        summary = summarise_attention([np.tile(uniform_attention(mask), (2, 2, 1, 1))], progress=False)
        pixels = np.asarray(report.plot_layer_maps(summary)[-1].get_images()[0].get_array())
        assert pixels[mask][:, :3].min() > 0.95
        if not mask.all():
            assert np.allclose(pixels[~mask], to_rgba("#e4e4e4"))


def test_large_models_and_long_trajectories_are_drawn():
    """8 layers of 16 heads over 1000 frames; a layer's map stays as fine as its frames."""
    N = 1000
    rng = np.random.default_rng(0)
    summary = summarise_attention([np.full((1, 1, N, N), 1 / N, dtype=np.float32)], n_bins=40, progress=False)
    summary.head_maps = np.abs(rng.normal(1, 0.3, size=(8, 16, 40, 40))) / N
    ax = report.plot_head_maps(summary)
    assert len(ax.get_xticks()) == 16 and len(ax.get_yticks()) == 8
    assert painted(ax) > 0.3 and ax.figure.get_figwidth() < 15
    assert report.plot_layer_maps(summary, dt_ps=2.0)[0].get_images()[0].get_array().shape == (N, N, 4)


def test_profile_is_the_ratio_to_uniform_attention_with_past_left_and_future_right(causal, full):
    ax = report.plot_time_difference_profile(full, dt_ps=2.0)
    line = ax.get_lines()[1]
    np.testing.assert_allclose(line.get_xdata(), 2.0 * np.arange(1 - N, N))
    np.testing.assert_allclose(line.get_ydata(), full.over_uniform("shares")[1].mean(axis=0))
    assert ax.get_xlim()[1] > 0 and "(ps)" in ax.get_xlabel()
    assert report.plot_time_difference_profile(causal).get_xlim()[1] == 0
    heads = report.plot_time_difference_profile(causal, layer=2)
    assert heads.get_legend().get_title().get_text() == "layer 2" and len(heads.get_lines()) == 4 + 1
    np.testing.assert_allclose(heads.get_lines()[3].get_ydata()[:N], causal.over_uniform("shares")[2, 3][:N])


def test_distances_of_every_head_past_and_future_apart(causal, full):
    labels = {line.get_label(): line for line in report.plot_attention_distance(full).get_lines()}
    for direction in ("past", "future"):
        heads = labels[f"to the {direction}, each head"]
        np.testing.assert_allclose(heads.get_ydata(), full.distance(direction).ravel())
        np.testing.assert_array_equal(np.rint(heads.get_xdata()), np.repeat(np.arange(3), 4))
    assert not any("future" in line.get_label() for line in report.plot_attention_distance(causal).get_lines())


def test_key_steps_are_marked_where_they_are(steps, walk):
    axes = report.plot_key_steps(steps, walk, dt_ps=2.0)
    assert len(axes) == 4 and painted(axes) > 0.01
    for ax, column in zip(axes, walk.T):
        marks = ax.get_lines()[1]
        np.testing.assert_allclose(marks.get_xydata(), np.column_stack([[40.0, 42.0], column[[20, 21]]]))
    assert axes[-1].get_xlabel() == "time (ps)"
    assert axes[0].figure.legends[0].get_title().get_text() == "2 key steps at an error rate of 5 %"
    given = Figure().subplots(3)
    assert list(report.plot_key_steps(steps, walk[:, 0], axes=given, names=["CV $1$"])) == list(given)
    assert given[0].get_legend() and given[-1].get_xlabel() == "frame" and painted(given) > 0.01
    with pytest.raises(DataError, match="59 frames, the key steps are of 60"):
        report.plot_key_steps(steps, walk[1:])


def test_no_key_step_is_said(walk):
    none = find_key_steps(lambda x: np.full((1, 1, N, N), 1 / N), walk, progress=False)
    axes = report.plot_key_steps(none, walk)
    assert axes[0].figure.legends[0].get_title().get_text().startswith("no key step") and painted(axes) > 0.01


def test_counts_with_intervals_and_what_chance_gives(walk):
    counts = {
        "small": count_key_steps(outliers_draw, [walk, walk[::-1]], progress=False),
        "medium": count_key_steps(lambda x: np.full((1, 1, N, N), 1 / N), [walk, walk], progress=False).to_dict(),
    }
    ax = report.plot_key_step_counts(counts)
    values = [container.lines[0].get_ydata()[0] for container in ax.containers]
    assert values == [2.0, 0.0] and [text.get_text() for text in ax.texts] == ["in 2 of 2", "in 0 of 2"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["small", "medium"] and painted(ax) > 0.005
