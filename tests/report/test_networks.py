"""The flux network and the histogram of transition-path times show the numbers they are given."""

import numpy as np
import pytest
from chains import THREE_STATES, simulate
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from mdtok.errors import DataError
from mdtok.kinetics import find_transition_paths, reactive_flux
from mdtok.report import plot_flux_network, plot_transition_path_times


@pytest.fixture(scope="module")
def dtrajs():
    return simulate(THREE_STATES, 10, 2000, seed=4)


@pytest.fixture(scope="module")
def network(dtrajs):
    names = ["unfolded", "half", "na$tive"]
    return reactive_flux(dtrajs, 1, 0, 2, macrostate_names=names, dt_ps=100, n_samples=10, progress=False)


def test_discs_stand_at_their_committor_and_have_areas_like_populations(network):
    ax = network.plot()
    ax.figure.canvas.draw()
    discs = sorted(ax.collections, key=lambda disc: disc.get_offsets()[0, 0])
    assert [disc.get_offsets()[0, 0] for disc in discs] == pytest.approx(sorted(network.committors.value))
    areas = np.array([disc.get_sizes()[0] for disc in discs])
    assert areas / areas.sum() == pytest.approx(network.populations.value, rel=1e-6)


def test_arrows_are_the_fluxes_and_names_are_no_formulas(network):
    ax = network.plot()
    arrows = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == 2  # all flux goes through the middle
    assert arrows[0].get_linewidth() == pytest.approx(arrows[1].get_linewidth())
    texts = [text.get_text() for text in ax.texts]
    assert texts.count("100 %") == 2 and any("na\\$tive" in text for text in texts)
    assert "ns" in ax.get_title()


def test_axes_given_are_drawn_on(network, dtrajs):
    left, right = Figure().subplots(1, 2)
    assert plot_flux_network(network, ax=left) is left
    paths = find_transition_paths(dtrajs, 0, 2)
    assert paths.plot(ax=right) is right and right.has_data()


def test_a_macrostate_that_is_not_connected_is_left_out(dtrajs):
    network = reactive_flux([*dtrajs, np.array([3, 3, 3])], 1, 0, 2, n_samples=0)
    ax = plot_flux_network(network)
    ax.figure.canvas.draw()
    assert len(ax.collections) == 3


def test_histograms_have_all_paths_in_bins_of_whole_frames(dtrajs):
    paths = find_transition_paths(dtrajs, 0, 2, dt_ps=2.0)
    ax = plot_transition_path_times({"MD": paths, "nothing": find_transition_paths([np.array([2, 1, 0, 0])] * 8, 0, 2)})
    ax.figure.canvas.draw()
    outline = next(patch for patch in ax.patches if hasattr(patch, "get_data"))
    density, edges, _ = outline.get_data()
    assert density @ np.diff(edges) == pytest.approx(1)
    assert np.diff(edges) / 2.0 == pytest.approx(np.round(np.diff(edges) / 2.0))
    assert edges[0] < paths.durations_ps.min() and edges[-1] > paths.durations_ps.max()
    assert ax.get_legend().get_texts()[0].get_text().startswith(f"MD: {len(paths)} paths, mean ")


def test_without_a_path_there_is_no_histogram():
    with pytest.raises(DataError, match="No series has a transition path"):
        plot_transition_path_times({"MD": find_transition_paths([np.array([2, 1, 0, 0])] * 8, 0, 2)})
