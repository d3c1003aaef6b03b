"""Figures show the numbers they are given, on the axes they are given, and leave matplotlib as it was."""

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mdtok import report
from mdtok.errors import DataError, SettingsError
from mdtok.report.plots.md_length import has_lengths
from mdtok.report.plots.parity import UP
from mdtok.report.plots.style import looks_of, many_axes, rows_with_md, time_unit

HISTORY = [
    {"step": 0, "train_nats": None, "validation_nats": 1.0, "seconds": 0.0},
    {"step": 100, "train_nats": 0.6, "validation_nats": 0.5, "seconds": 1.0},
    {"step": 200, "train_nats": 0.4, "validation_nats": 0.7, "seconds": 2.0},
]
ONE_AXES = {
    "timescales": lambda content, ax=None: report.plot_timescales(
        rows_with_md(content, "timescales_ps"), content["dt_ps"], ax=ax
    ),
    "mfpt": report.plot_mfpt_parity,
    "populations": report.plot_populations,
}
PANELS = {"dwells": (report.plot_dwell_times, 3), "chapman_kolmogorov": (report.plot_chapman_kolmogorov, 9)}


def lines_of(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def drawn_pixels(axes):
    """Share of pixels that are not white, of the whole figure."""
    figure = axes.figure if hasattr(axes, "figure") else axes[0].figure
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return float((np.asarray(canvas.buffer_rgba())[..., :3].min(axis=-1) < 250).mean())


@pytest.mark.parametrize("name", ONE_AXES)
def test_draws_on_the_axes_given_or_on_its_own(card, name):
    ax = Figure().subplots()
    assert ONE_AXES[name](card.content, ax=ax) is ax and ax.has_data()
    own = ONE_AXES[name](card.content)
    assert own is not ax and drawn_pixels(own) > 0.01


@pytest.mark.parametrize("name", PANELS)
def test_panels_are_drawn_on_the_axes_given_or_on_their_own(card, name):
    plot, n_panels = PANELS[name]
    axes = Figure().subplots(3, 3)
    assert list(plot(card.content, axes=axes)) == list(axes.ravel()[:n_panels])
    assert all(ax.has_data() for ax in axes.ravel()[:n_panels])
    own = plot(card.content)
    assert len(own) == n_panels and drawn_pixels(own) > 0.01
    with pytest.raises(SettingsError, match=f"1 axes were given; {n_panels} panels"):
        plot(card.content, axes=[axes[0, 0]])


def test_matplotlib_is_left_as_it_was(card, projection):
    import matplotlib.pyplot as plt

    before, open_figures = dict(matplotlib.rcParams), plt.get_fignums()
    for plot in ONE_AXES.values():
        plot(card.content)
    report.free_energy_maps(projection, card.rollouts)
    assert dict(matplotlib.rcParams) == before and plt.get_fignums() == open_figures


def test_timescales_are_where_the_scorecard_says_and_not_below_the_lag():
    timescales = {"10": {"value": [500.0, 15.0], "low": [400.0, 10.0], "high": [600.0, 30.0]}}
    timescales["20"] = {
        "value": [510.0, 15.0],
        "low": [400.0, 10.0],
        "high": [700.0, 30.0],
    }  # the second is below 2 × 20 ps
    ax = report.plot_timescales({"MD": timescales, "gpt": timescales}, dt_ps=2.0)
    slow, fast = ax.get_lines()[:2]
    np.testing.assert_allclose(slow.get_xydata(), [[20, 500], [40, 510]])
    np.testing.assert_array_equal(np.isnan(fast.get_ydata()), [True, True])
    assert lines_of(ax)["gpt"].get_color() != lines_of(ax)["MD"].get_color()
    assert ax.get_xscale() == ax.get_yscale() == "log"


@pytest.mark.parametrize("lags", [[5], [5, 10]])
def test_timescales_that_are_all_below_the_lag_are_an_empty_figure_that_can_be_drawn(lags, tmp_path):
    below = {str(lag): {"value": [2.0], "low": [0.0], "high": [3.0]} for lag in lags}
    ax = report.plot_timescales({"MD": below, "msm": below}, dt_ps=1.0)
    ax.figure.savefig(tmp_path / "timescales.png")
    assert ax.get_xlim()[0] < 5 < ax.get_xlim()[1] and 0 < ax.get_ylim()[0] < 5 < ax.get_ylim()[1]


@pytest.mark.parametrize(
    ("largest_ps", "unit"), [(5.0, "ps"), (9_999.0, "ps"), (10_000.0, "ns"), (2e7, "µs"), (np.nan, "ps")]
)
def test_time_units_suit_the_times(largest_ps, unit):
    assert time_unit([0.1, np.inf, largest_ps])[0] == unit


def test_parity_places_values_limits_and_names_the_unseen(poor_card):
    content = poor_card.content
    ax = report.plot_mfpt_parity(content)
    md, model = content["reference"]["mfpt_ps"]["value"], content["models"]["msm"]["mfpt_ps"]
    bars = next(container for container in ax.containers if container.get_label() == "msm")
    drawn = bars.lines[0].get_xydata()
    pairs = [(1, 0), (1, 2), (2, 0), (2, 1)]
    for pair in pairs:
        assert np.isclose(drawn, [md[pair], float(model["value"][pair])]).all(axis=1).any()
    assert len(drawn) == len(pairs)
    arrows = [line.get_xydata() for line in ax.get_lines() if line.get_marker() == UP]
    np.testing.assert_allclose(arrows, [[[md[0, 1], model["low"][0, 1]]]])
    assert "never reached by the model: lower limit" in [text.get_text() for text in ax.get_legend().get_texts()]
    assert "not seen in msm: A → C" in ax.get_xlabel()
    assert "A → B" in [text.get_text() for text in ax.texts]


def test_parity_labels_no_more_than_can_be_read(card):
    n = 8
    times = 10.0 + np.arange(n * n, dtype=float).reshape(n, n)
    estimate = {"value": times, "low": times, "high": times}
    content = {
        "dt_ps": 1.0,
        "macrostate_names": list("ABCDEFGH"),
        "reference": {"mfpt_ps": estimate},
        "md": {"mfpt_ps": estimate},
        "models": {"msm": {"mfpt_ps": {part: times * 3 for part in estimate}}},
    }
    labels = report.plot_mfpt_parity(content).texts
    assert len(labels) == 20
    places = np.sort([text.get_position()[0] for text in labels])
    assert np.diff(places).min() > 0.04  # they do not run into each other


def test_population_bars_have_the_populations_as_heights(card):
    content = card.content
    ax = report.plot_populations(content)
    expected = [content["reference"], content["md"], *content["models"].values()]
    heights = [bar.get_height() for bar in ax.patches]
    np.testing.assert_allclose(heights, np.concatenate([part["populations"] for part in expected]))
    assert ax.get_yscale() == "linear"
    content["md"]["populations"] = [0.99, 0.009, 0.001]
    assert report.plot_populations(content).get_yscale() == "log"


def test_chapman_kolmogorov_shows_all_pairs_of_three_and_the_diagonal_of_more(card):
    content = card.content
    axes = report.plot_chapman_kolmogorov(content)
    assert [ax.get_title() for ax in axes][:2] == ["A → A", "A → B"]
    line = lines_of(axes[1])["msm"]
    np.testing.assert_allclose(line.get_ydata(), [0.0, *content["models"]["msm"]["propagators"][:, 0, 1]])
    np.testing.assert_allclose(line.get_xdata(), 8.0 * np.arange(content["ck_steps"] + 1))  # lag 4 frames of 2 ps
    content["macrostate_names"] = list("ABCD")
    for part in (content["reference"], content["md"], *content["models"].values()):
        part["populations"] = [0.25] * 4
        part["propagators"] = np.full((content["ck_steps"], 4, 4), 0.25)
        part["propagators_interval"] = dict.fromkeys(("low", "high"), part["propagators"])
    assert [ax.get_title() for ax in report.plot_chapman_kolmogorov(content)] == ["A → A", "B → B", "C → C", "D → D"]


def test_dwell_times_name_the_models_that_see_fewer_frames(card):
    axes = report.plot_dwell_times(card.content)
    lines = lines_of(axes[0])
    survival = card.content["models"]["msm"]["dwell_survival"][0]
    np.testing.assert_allclose(lines["msm"].get_xydata(), np.transpose([survival["time_ps"], survival["survival"]]))
    assert "every-2 (sees every 4 ps)" in lines


def test_training_curves_mark_the_best_step(card):
    with pytest.raises(DataError, match="No model of this scorecard kept a training history"):
        report.plot_training_curves(card.content)
    card.content["models"]["msm"]["history"] = HISTORY
    ax = report.plot_training_curves(card.content)
    lines = lines_of(ax)
    np.testing.assert_array_equal(lines["msm, training"].get_ydata(), [np.nan, 0.6, 0.4])
    assert lines["best step 100: 0.5000"].get_xydata().tolist() == [[100, 0.5]]
    assert drawn_pixels(ax) > 0.01


@pytest.mark.parametrize("name", [*ONE_AXES, *PANELS])
def test_missing_numbers_break_no_figure(poor_card, name):
    plot = ONE_AXES.get(name) or PANELS[name][0]
    assert drawn_pixels(plot(poor_card.content)) > 0.01


def test_names_are_no_formulas_and_do_not_hide(card):
    card.content["models"] = {"_$\\bad$": card.content["models"]["msm"]}
    for plot in (*ONE_AXES.values(), *(plot for plot, _ in PANELS.values())):
        assert drawn_pixels(plot(card.content)) > 0.01  # mathtext would raise
    assert any("bad" in text.get_text() for text in report.plot_populations(card.content).get_legend().get_texts())


def test_models_are_told_apart_by_colour_and_by_marker():
    looks = looks_of(["held-out MD", "all MD", *(f"model {i}" for i in range(12))])
    assert len({(look["color"], look["marker"]) for look in looks.values()}) == 14
    assert len({looks[f"model {i}"]["color"] for i in range(6)}) == 6


def test_a_grid_has_no_empty_panels_left():
    assert len(many_axes(None, 5, 3)[0].figure.axes) == 5


def test_free_energy_is_minus_the_logarithm_of_the_population():
    xy = np.repeat([[0.0, 0.0], [1.0, 1.0]], [1000, 10], axis=0)
    ax = report.plot_free_energy_map(xy)
    energies = ax.collections[0].get_array().compressed()
    np.testing.assert_allclose(np.sort(energies), [0.0, np.log(100)])
    weighted = report.plot_free_energy_map(xy, weights=np.repeat([1.0, 100.0], [1000, 10]))
    np.testing.assert_allclose(weighted.collections[0].get_array().compressed(), [0.0, 0.0], atol=1e-12)
    with pytest.raises(DataError, match="no frame to draw"):
        report.plot_free_energy_map(np.full((3, 2), np.nan))


def test_angles_are_drawn_in_degrees_and_wrapped():
    ax = report.plot_free_energy_map(np.full((10, 2), np.pi + 0.1), names=("phi", "psi"), periodic=(True, True))
    mesh = ax.collections[0]
    row, column = np.argwhere(~np.ma.getmaskarray(mesh.get_array()).reshape(72, 72))[0]
    x, y = mesh.get_coordinates()[:-1, :-1][row, column] + 2.5  # the middle of a bin of 5 degrees
    assert abs(x - (-180 + np.degrees(0.1))) <= 2.5 and abs(y - x) < 1e-9
    assert ax.get_xlabel() == "φ (°)" and ax.get_xlim() == (-180.0, 180.0)


def test_maps_of_md_and_models_share_scale_and_axes(card, projection):
    axes = report.free_energy_maps(projection, card.rollouts, lagtime=4)
    assert [ax.get_title() for ax in axes] == ["MD", "msm", "every-2"]
    meshes = [ax.collections[0] for ax in axes]
    assert len({mesh.get_clim() for mesh in meshes}) == 1 and len({(ax.get_xlim(), ax.get_ylim()) for ax in axes}) == 1
    # a good model visits what MD visits, with nearly the same free energies
    md, msm = (mesh.get_array() for mesh in meshes[:2])
    both = ~(np.ma.getmaskarray(md) | np.ma.getmaskarray(msm)) & (np.ma.filled(md, 9) < 3)
    assert both.sum() > 20 and np.abs(md[both] - msm[both]).mean() < 0.25


def test_md_started_out_of_equilibrium_is_weighted_back():
    # two states; A is left with 0.01 a frame, B with 0.03: populations 3/4 and 1/4, although all trajectories start in
    # B
    rng = np.random.default_rng(7)
    dtrajs = np.ones((400, 50), dtype=int)
    for t in range(1, 50):
        leave = rng.random(400) < np.where(dtrajs[:, t - 1] == 0, 0.01, 0.03)
        dtrajs[:, t] = np.where(leave, 1 - dtrajs[:, t - 1], dtrajs[:, t - 1])
    projection = report.Projection([np.zeros((50, 2))] * 400, list(dtrajs))
    in_a = projection.equilibrium_weights(lagtime=1)[projection.tokens == 0].sum()
    assert (projection.tokens == 0).mean() < 0.5 and abs(in_a - 0.75) < 0.06  # 4 sigma of 19,600 steps: 0.05


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=8), min_size=1, max_size=3),
    st.lists(st.integers(0, 6), max_size=20),
    st.integers(0, 2**32 - 1),
)
def test_frames_of_tokens_are_frames_of_those_states(dtrajs, tokens, seed):
    dtrajs = [np.array(dtraj) for dtraj in dtrajs]
    values = [
        np.stack([dtraj, np.arange(len(dtraj))], axis=1) for dtraj in dtrajs
    ]  # the first column is the state itself
    drawn = report.frames_of_tokens(np.array(tokens, dtype=int), dtrajs, values, seed)
    known = np.isin(tokens, np.concatenate(dtrajs)) if tokens else np.zeros(0, dtype=bool)
    assert drawn.shape == (len(tokens), 2)
    np.testing.assert_array_equal(drawn[known, 0], np.array(tokens)[known])
    assert np.isnan(drawn[~known]).all()
    np.testing.assert_array_equal(drawn, report.frames_of_tokens(np.array(tokens, dtype=int), dtrajs, values, seed))


def test_frames_of_a_state_are_drawn_evenly():
    drawn = report.frames_of_tokens(
        np.zeros(4000, dtype=int), [np.array([0, 1, 0])], [np.array([[1.0], [2.0], [3.0]])], seed=7
    )
    assert abs((drawn == 1.0).mean() - 0.5) < 4 * 0.5 / np.sqrt(4000)


def test_state_map_names_each_macrostate_where_it_is_densest(projection):
    ax = report.plot_state_map(projection, macrostate_names=["A", "B", "C"])
    places = {text.get_text(): text.get_position() for text in ax.texts}
    assert np.abs(np.subtract(places["A"], np.degrees([-1.2, 2.6]))).max() < 20
    assert np.abs(np.subtract(places["B"], np.degrees([-1.2, -0.5]))).max() < 20
    owners = np.unique(ax.collections[0].get_array().compressed())
    assert owners.tolist() == [0, 1, 2]
    merged = report.Projection(projection.values, projection.dtrajs, macrostates=[0, 1, 1])
    assert np.unique(report.plot_state_map(merged).collections[0].get_array().compressed()).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("values", "dtrajs", "macrostates", "message"),
    [
        ([np.zeros((3, 2))], [np.array([0, 1])], None, r"array of shape \(3, 2\) where its tokens ask for \(2, 2\)"),
        ([np.zeros((2, 3))], [np.array([0, 1])], None, r"\(2, 3\) where its tokens ask for \(2, 2\)"),
        ([], [np.array([0, 1])], None, "shape 0 where its tokens ask for 1"),
        ([np.zeros((2, 2))], [np.array([0, 5])], [0, 1], "holds the token 5; macrostates are given for 0 .. 1"),
    ],
)
def test_projection_and_tokens_that_do_not_match_are_refused(values, dtrajs, macrostates, message):
    with pytest.raises(DataError, match=message):
        report.Projection(values, dtrajs, macrostates=macrostates)


def test_estimators_plot_themselves(chains):
    from mdtok.kinetics import implied_timescales

    ax = implied_timescales(chains, [1, 2], n_timescales=2, dt_ps=2.0, n_samples=5).plot()
    assert lines_of(ax)["MD"].get_xdata().tolist() == [2.0, 4.0]


def test_lengths_are_drawn_where_a_model_has_a_worth_among_them():
    def content(error, worth, low):
        models = {"msm": {"error": 0.5, "equivalent_md_ps": {"all": {"value": worth, "low": low}}}}
        return {"error_against_md_length": {"error": {"value": error}}, "models": models}

    assert has_lengths(content([0.9, 0.3], 40.0, 9.0))
    assert has_lengths(content([0.9, 0.3], np.inf, 50.0))  # better than all MD: its line lies below
    assert not has_lengths(content([0.9, 0.3], np.nan, np.nan))
    assert not has_lengths(content([0.0, 0.0], 40.0, 9.0)) and not has_lengths({"models": {}})
