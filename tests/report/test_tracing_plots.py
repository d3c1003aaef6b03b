"""Figures of causal traces and kinetic distances show the numbers and the marks that they were given."""

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mdtok.insight.kinetic_distance import KineticDistanceComparison
from mdtok.insight.tracing import CausalTraces
from mdtok.kinetics.estimation.estimate import Estimate
from mdtok.report import plot_causal_traces, plot_kinetic_distances

N = 12


def estimate(value):
    return Estimate(np.asarray(value, dtype=float), np.asarray(value) - 0.1, np.asarray(value) + 0.1)


def traces_of(n_blocks, p_value=0.01):
    rng = np.random.default_rng(0)
    rows = {"residual": n_blocks + 1, "attention": n_blocks, "mlp": n_blocks}
    effects = {kind: estimate(0.1 * rng.normal(size=(n, N))) for kind, n in rows.items()}
    p_values = {kind: np.ones((n, N)) for kind, n in rows.items()}
    p_values["residual"][0, 4] = p_values["mlp"][-1, -1] = 0.002
    return CausalTraces(
        corrupt="early",
        n_prompts=50,
        n_transitions=20,
        n_frames=N,
        clean=estimate(1.2),
        corrupted=estimate(1.9),
        total_effect=estimate(0.7),
        effects=effects,
        probability={},
        donor_effects={},
        p_values=p_values,
        p_value=p_value,
        error_rate=0.05,
        least_share=0.0,
        anchored=False,
    )


@pytest.fixture
def traces():
    return traces_of(2)


def comparison_of(n_states):
    rng = np.random.default_rng(0)
    placed, kinetic = (
        np.linalg.norm(points[:, None] - points, axis=-1) for points in rng.normal(size=(2, n_states, 3))
    )
    return KineticDistanceComparison(
        np.arange(n_states), np.array([]), placed, kinetic, estimate(0.31), 0.004, "cosine", 10
    )


def painted(ax):
    """Draw the whole figure; the share of its pixels that are not white."""
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    return float((np.asarray(canvas.buffer_rgba())[..., :3].min(axis=-1) < 250).mean())


def test_draw_on_the_axes_given_or_on_their_own(traces):
    before = dict(matplotlib.rcParams)
    for plot, content in (
        (plot_causal_traces, traces),
        (plot_kinetic_distances, comparison_of(30)),
        (plot_kinetic_distances, comparison_of(4)),
    ):
        ax = Figure().subplots()
        assert plot(content, ax=ax) is ax and painted(ax) > 0.01
        assert painted(plot(content)) > 0.01
    assert dict(matplotlib.rcParams) == before


def test_heat_map_shows_every_effect_in_its_row_and_marks_the_sites_that_matter(traces):
    ax = plot_causal_traces(traces, dt_ps=2.0)
    shown = np.ma.filled(ax.get_images()[0].get_array().astype(float), np.nan)
    named = dict(zip((tick.get_text() for tick in ax.get_yticklabels()), ax.get_yticks()))
    assert list(named)[:4] == ["residual, embedding", "residual, block 0", "residual, block 1", "attention, block 0"]
    np.testing.assert_array_equal(shown[named["mlp, block 1"]], traces.effects["mlp"].value[1])
    np.testing.assert_array_equal(shown[named["residual, embedding"]], traces.effects["residual"].value[0])
    assert np.isnan(shown).all(axis=1).sum() == 2  # between the kinds
    marks = ax.get_lines()[0].get_xydata()
    assert sorted(map(tuple, marks)) == sorted([(-14.0, named["residual, embedding"]), (0.0, named["mlp, block 1"])])
    assert ax.get_xlabel() == "before the last token (ps)" and "early half: 1.20 to 1.90 nats" in ax.get_title()


def test_nothing_is_marked_where_the_network_is_no_better_than_an_untrained_one():
    assert len(plot_causal_traces(traces_of(1, p_value=0.3)).get_lines()[0].get_xydata()) == 0


def test_deep_networks_and_one_kind_are_drawn(traces):
    assert painted(plot_causal_traces(traces_of(12))) > 0.1
    traces.effects, traces.p_values = ({"mlp": part["mlp"]} for part in (traces.effects, traces.p_values))
    assert plot_causal_traces(traces).get_images()[0].get_array().shape == (2, N)


def test_every_pair_of_states_is_a_point():
    comparison = comparison_of(30)
    points, median = plot_kinetic_distances(comparison).get_lines()
    i, j = np.triu_indices(30, 1)
    np.testing.assert_array_equal(
        points.get_xydata(), np.column_stack([comparison.kinetic_distances[i, j], comparison.embedding_distances[i, j]])
    )
    assert len(median.get_xdata()) == 12
    assert len(plot_kinetic_distances(comparison_of(4)).get_lines()) == 1  # too few for bins
    assert "Spearman 0.31 [0.21, 0.41], p = 0.004" in plot_kinetic_distances(comparison).get_title()
