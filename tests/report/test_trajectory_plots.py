"""Figures of continuous trajectories show the numbers they are given, on the axes they are given."""

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mdtok import report
from mdtok.errors import DataError, SettingsError
from mdtok.kinetics.estimation.estimate import Estimate
from mdtok.kinetics.forecasting import ForecastError
from mdtok.report.plots.style import looks_of

BOUNDS = ((-1.0, 1.0), (-2.0, 2.0))
KT_300 = 2.494339  # kJ/mol


def bowl(points):
    return 3.0 * KT_300 * (points[:, 0] ** 2 + points[:, 1] ** 2) - 50.0


def painted(axes):
    canvas = FigureCanvasAgg(np.ravel(axes)[0].figure)
    canvas.draw()
    return float((np.asarray(canvas.buffer_rgba())[..., :3].min(axis=-1) < 250).mean())


def estimate(values, spread=0.1):
    values = np.asarray(values, dtype=float)
    return Estimate(values, values * (1 - spread), values * (1 + spread))


def walks(n, n_frames=80, seed=0):
    return list(np.random.default_rng(seed).normal(0, 0.05, size=(n, n_frames, 2)).cumsum(axis=1))


def test_potential_is_in_kt_above_its_minimum():
    """The level set of k kT is where 3 r^2 = k."""
    ax = report.plot_potential(bowl, BOUNDS, 300.0)
    lines = ax.collections[1]
    levels = lines.levels
    for level, path in zip(levels, lines.get_paths()):
        inside = (np.abs(path.vertices) < np.array([0.98, 1.96])).all(axis=1)
        if level > 0 and inside.any():
            np.testing.assert_allclose(3 * (path.vertices[inside] ** 2).sum(axis=1), level, atol=0.02)
    assert len(levels) > 5 and painted(ax) > 0.3


def test_potential_of_a_grid_is_that_of_the_function():
    x, y = np.linspace(*BOUNDS[0], 201), np.linspace(*BOUNDS[1], 201)
    grid = bowl(np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)).reshape(201, 201)
    from_grid, from_function = (report.plot_potential(energy, BOUNDS, 300.0) for energy in (grid, bowl))
    for one, other in zip(from_grid.collections[1].get_paths(), from_function.collections[1].get_paths()):
        np.testing.assert_allclose(one.vertices, other.vertices)
    coarse = report.plot_potential(grid[::4, ::10], BOUNDS, 300.0)  # unequal axes
    assert coarse.get_xlim() == BOUNDS[0] and coarse.get_ylim() == BOUNDS[1]
    with pytest.raises(DataError, match=r"shape \(40401,\); a grid"):
        report.plot_potential(grid.ravel(), BOUNDS, 300.0)


def test_potential_with_starts_states_and_trajectories():
    starts = {"A": np.full((5, 2), 0.1), "B": np.full((5, 2), -0.3)}
    ax = Figure().subplots()
    assert (
        report.plot_potential(bowl, BOUNDS, 300.0, ax, states={"A": (0.0, 0.0)}, starts=starts, trajectories=walks(2))
        is ax
    )
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["starts, A", "starts, B"]
    assert [text.get_text() for text in ax.texts] == ["A"]
    assert any(len(line.get_xdata()) == 80 for line in ax.get_lines()) and painted(ax) > 0.1


def test_example_trajectories():
    one, other = walks(2)
    axes = report.plot_example_trajectories({"A": one, "B": other}, dt_ps=250.0, states={"A": (0.0, 1.0)})
    assert axes[1].get_xlabel() == "time (ns)" and axes[0].figure.legends and painted(axes) > 0.01
    np.testing.assert_allclose(axes[1].get_lines()[0].get_ydata(), one[:, 1])
    np.testing.assert_allclose(axes[0].get_lines()[0].get_xdata()[-1], 79 * 0.25)
    given = Figure().subplots(2)
    assert list(report.plot_example_trajectories([one, other], 1.0, axes=given)) == list(given)
    with pytest.raises(DataError, match="frames of shape"):
        report.plot_example_trajectories([one, other[:, :1]], 1.0)


def test_generated_against_true():
    prompt, truth = walks(1, 30)[0], walks(1, 20, seed=1)[0]
    samples = np.random.default_rng(2).normal(size=(50, 20, 2))
    generated = {"density": samples, "one": truth + 1.0}
    axes = report.plot_generated_against_true(prompt, truth, generated, dt_ps=1.0)
    assert len(axes) == 4 and [ax.get_title() for ax in axes] == ["density", "one", "", ""] and painted(axes) > 0.01
    by_label = {line.get_label(): line for line in axes[2].get_lines()}  # y of the first model
    np.testing.assert_allclose(by_label["true"].get_ydata(), [prompt[-1, 1], *truth[:, 1]])
    np.testing.assert_allclose(by_label["mean, or the one forecast"].get_ydata()[1:], samples[..., 1].mean(axis=0))
    np.testing.assert_allclose(by_label["prompt"].get_xdata(), np.arange(-29, 1))
    band = axes[2].collections[0].get_paths()[0].vertices
    share = (samples[:, 9, 1] > band[band[:, 0] == 10.0, 1].min()) & (
        samples[:, 9, 1] < band[band[:, 0] == 10.0, 1].max()
    )
    assert share.mean() == pytest.approx(0.9, abs=0.03)
    assert not axes[3].collections  # one forecast has no band
    with pytest.raises(DataError, match=r"continuations of bad have the shape \(1, 19, 2\)"):
        report.plot_generated_against_true(prompt, truth, {"bad": truth[1:]}, dt_ps=1.0)


@pytest.mark.parametrize("as_dict", [False, True])
def test_forecast_error(as_dict):
    horizon = np.arange(1, 101)
    errors = {
        "oracle": ForecastError(estimate(0.5), estimate(0.002 * horizon)),
        "gpt": ForecastError(estimate(0.5), estimate(0.003 * horizon)),
    }
    if as_dict:
        errors = {
            name: {part: {k: v.tolist() for k, v in one.items()} for part, one in error.to_dict().items()}
            for name, error in errors.items()
        }
    ax = report.plot_forecast_error(errors, dt_ps=2.0, optimal="oracle", looks=looks_of(["other", "gpt"]))
    lines = {line.get_label(): line for line in ax.get_lines()}
    np.testing.assert_allclose(lines["gpt"].get_xydata(), np.column_stack([2.0 * horizon, 0.003 * horizon]))
    assert (
        lines["oracle"].get_linestyle() == "--"
        and lines["gpt"].get_color() == looks_of(["other", "gpt"])["gpt"]["color"]
    )
    assert len(ax.collections) == 2 and painted(ax) > 0.01
    ratio = report.plot_forecast_error(errors, dt_ps=2.0, optimal="oracle", relative=True)
    np.testing.assert_allclose(ratio.get_lines()[1].get_ydata(), 1.5)
    with pytest.raises(SettingsError, match="optimal is 'bayes', which is none of 'oracle', 'gpt'"):
        report.plot_forecast_error(errors, dt_ps=2.0, optimal="bayes", relative=True)


def test_unbiased_errors_below_zero_are_left_out():
    errors = {
        "gpt": {"by_horizon": {"value": [-0.01, 0.02, 0.03], "low": [-0.02, -0.01, 0.01], "high": [0.01, 0.03, 0.05]}}
    }
    ax = report.plot_forecast_error(errors, dt_ps=1.0)
    assert np.isnan(ax.get_lines()[0].get_ydata()[0]) and painted(ax) > 0.01


def test_accuracy_by_slice():
    slices = {
        str(length): {
            "models": {name: estimate(np.linspace(0.98, 0.9, 1000 // length), 0.01) for name in ("small", "medium")},
            "exact": np.linspace(0.99, 0.91, 1000 // length).tolist(),
        }
        for length in (100, 250, 500)
    }
    axes = report.plot_accuracy_by_slice(slices, dt_ps=1.0)
    assert [ax.get_title() for ax in axes] == ["2 × 500 frames", "4 × 250 frames", "10 × 100 frames"]
    for ax, n_slices in zip(axes, (2, 4, 10)):
        small = ax.containers[0].lines[0]
        np.testing.assert_allclose(small.get_ydata(), np.linspace(0.98, 0.9, n_slices))
        assert (np.floor(small.get_xdata() / (1000 // n_slices)) == np.arange(n_slices)).all()  # each in its slice
        np.testing.assert_allclose(ax.patches[0].get_data().values, np.linspace(0.99, 0.91, n_slices))
    assert axes[0].get_xlabel() == "time (ps)" and painted(axes) > 0.01
    del slices["500"]["exact"]
    given = Figure().subplots(1, 3)
    assert list(report.plot_accuracy_by_slice(slices, axes=given)) == list(given) and not given[0].patches
    assert given[0].get_xlabel() == "time (frames)"


def test_matplotlib_is_left_as_it_was():
    import matplotlib.pyplot as plt

    before, open_figures = dict(matplotlib.rcParams), plt.get_fignums()
    report.plot_potential(bowl, BOUNDS, 300.0)
    report.plot_example_trajectories(walks(2), 1.0)
    assert dict(matplotlib.rcParams) == before and plt.get_fignums() == open_figures
