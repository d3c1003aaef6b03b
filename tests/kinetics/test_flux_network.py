"""Transition path theory against networks of resistors, whose conductances are fluxes and whose voltages are
committors."""

import json

import numpy as np
import pytest
from chains import exact_mfpt, simulate

from mdtok.errors import DataError, SettingsError
from mdtok.kinetics import find_transition_paths, mfpt_counted, mfpt_from_msm, reactive_flux
from mdtok.storage import write_json

# transitions of each kind, the same both ways: the most likely reversible matrix is then known exactly
COUNTS = np.array([[90, 6, 4, 1], [6, 20, 0, 9], [4, 0, 30, 2], [1, 9, 2, 120]])


def trajectory_with(counts):
    """One trajectory with exactly these transitions, symmetric counts: an Eulerian circuit (Hierholzer)."""
    left, stack, circuit = counts.copy(), [0], []
    while stack:
        open_ways = np.flatnonzero(left[stack[-1]])
        if len(open_ways):
            left[stack[-1], open_ways[-1]] -= 1
            stack.append(int(open_ways[-1]))
        else:
            circuit.append(stack.pop())
    assert len(circuit) == counts.sum() + 1
    return np.array(circuit[::-1])


def test_four_states_are_resistors_in_series_and_in_parallel():
    network = reactive_flux([trajectory_with(COUNTS)], 1, source=0, target=3, dt_ps=2.0, n_samples=0)
    rows, n = COUNTS.sum(axis=1), COUNTS.sum()
    over_1, over_2 = 6 * 9 / (6 + 9) / n, 4 * 2 / (4 + 2) / n  # conductances in series
    direct = 1 / n
    expected = np.zeros((4, 4))
    expected[0, 1] = expected[1, 3] = over_1
    expected[0, 2] = expected[2, 3] = over_2
    expected[0, 3] = direct
    total = over_1 + over_2 + direct
    assert network.populations.value == pytest.approx(rows / n, rel=1e-5)
    assert network.committors.value == pytest.approx([0, 9 / 15, 2 / 6, 1], rel=1e-5, abs=1e-9)
    assert network.net_flux_per_ps.value == pytest.approx(expected / 2.0, rel=1e-4, abs=1e-9)
    assert network.total_flux_per_ps.value == pytest.approx(total / 2.0, rel=1e-5)
    assert network.mfpt_ps.value == pytest.approx(2.0 * exact_mfpt(COUNTS / rows[:, None])[0, 3], rel=1e-5)
    assert network.pathways == [(0, 1, 3), (0, 2, 3), (0, 3)]
    assert network.pathway_shares.value == pytest.approx(np.array([over_1, over_2, direct]) / total, rel=1e-4)
    assert np.isnan(network.mfpt_ps.low)


def test_the_rate_is_the_flux_over_the_mass_that_was_last_in_the_source():
    network = reactive_flux([trajectory_with(COUNTS)], 1, source=0, target=3, n_samples=0)
    last_in_source = network.populations.value @ (1 - network.committors.value)  # detailed balance: q- = 1 - q+
    assert 1 / network.mfpt_ps.value == pytest.approx(network.total_flux_per_ps.value / last_in_source)


def test_macrostates_add_the_fluxes_of_their_states():
    network = reactive_flux(
        [trajectory_with(COUNTS)],
        1,
        source=0,
        target=2,
        macrostates=[0, 1, 1, 2],
        macrostate_names=["U", "I", "F"],
        n_samples=0,
    )
    micro = reactive_flux([trajectory_with(COUNTS)], 1, source=0, target=3, n_samples=0)
    flux = micro.net_flux_per_ps.value
    assert network.net_flux_per_ps.value[0, 1] == pytest.approx(flux[0, 1] + flux[0, 2])
    assert network.net_flux_per_ps.value[0, 2] == pytest.approx(flux[0, 3])
    assert network.total_flux_per_ps.value == pytest.approx(micro.total_flux_per_ps.value)
    weights = micro.populations.value[1:3]
    assert network.committors.value[1] == pytest.approx(weights @ micro.committors.value[1:3] / weights.sum())
    assert network.pathways == [(0, 1, 2), (0, 2)]
    assert network.micro_states.tolist() == [0, 1, 2, 3] and network.micro_flux.n_states == 4


def test_macrostates_may_stand_in_any_order():
    shuffled = np.array([2, 0, 3, 1])  # macrostate of each state
    plain = reactive_flux([trajectory_with(COUNTS)], 1, source=0, target=3, n_samples=0)
    other = reactive_flux([trajectory_with(COUNTS)], 1, source=2, target=1, macrostates=shuffled, n_samples=0)
    assert other.committors.value[shuffled] == pytest.approx(plain.committors.value)
    assert other.net_flux_per_ps.value[np.ix_(shuffled, shuffled)] == pytest.approx(plain.net_flux_per_ps.value)
    assert other.pathways == [tuple(shuffled[list(path)].tolist()) for path in plain.pathways]


def test_reactive_frames_and_mfpt_agree_with_what_is_counted():
    # about 3,000 paths: 2 % of error each; the source has an inner state, where starting in equilibrium takes longer
    matrix = np.array([[0.97, 0.03, 0, 0], [0.06, 0.90, 0.04, 0], [0, 0.05, 0.88, 0.07], [0, 0, 0.06, 0.94]])
    chains, macrostates = simulate(matrix, 20, 8000, seed=2), np.array([0, 0, 1, 2])
    network = reactive_flux(chains, 1, source=0, target=2, macrostates=macrostates, n_samples=0)
    flux = network.micro_flux
    reactive = flux.stationary_distribution @ (flux.forward_committor * flux.backward_committor)
    paths = find_transition_paths(chains, [0, 1], [3])
    assert paths.mean_ps.value - 1 == pytest.approx(
        reactive / flux.total_flux, rel=0.1
    )  # a path of one frame is between none
    counted = mfpt_counted([macrostates[d] for d in chains], n_bootstrap=2).value[0, 2]
    from_equilibrium = mfpt_from_msm(chains, 1, macrostates, n_samples=0).value[0, 2]
    assert network.mfpt_ps.value == pytest.approx(counted, rel=0.1)
    assert from_equilibrium > 1.1 * network.mfpt_ps.value


def test_posterior_intervals_cover():
    # 24 data sets, three 95 % intervals each: 17 or fewer hits have probability 1.3e-4 at nominal coverage
    rows = COUNTS.sum(axis=1)
    matrix, exact_committor = COUNTS / rows[:, None], 9 / 15
    exact_time, exact_flux = exact_mfpt(matrix)[0, 3], (54 / 15 + 8 / 6 + 1) / COUNTS.sum()
    hits = np.zeros(3)
    for seed in range(24):
        network = reactive_flux(simulate(matrix, 4, 800, seed), 1, 0, 3, n_samples=40, seed=seed, progress=False)
        exact = ((network.mfpt_ps, exact_time), (network.total_flux_per_ps, exact_flux))
        hits[:2] += [estimate.low <= known <= estimate.high for estimate, known in exact]
        hits[2] += network.committors.low[1] <= exact_committor <= network.committors.high[1]
    assert hits.min() >= 18


def test_what_is_not_connected_has_no_committor_and_the_table_is_readable(tmp_path):
    dtrajs = [trajectory_with(COUNTS), np.array([4, 4, 4])]
    network = reactive_flux(dtrajs, 1, 0, 3, macrostate_names=["U", "A", "B", "F", "away"], n_samples=5, progress=False)
    assert np.isnan(network.committors.value[4]) and network.populations.value[4] == 0
    text = str(network)
    assert text.startswith("U → F: MFPT ") and " U → A → F" in text and "\naway " in text
    write_json(tmp_path / "flux.json", network.to_dict())
    content = json.loads((tmp_path / "flux.json").read_text())
    assert content["pathways"][0]["states"] == [0, 1, 3] and content["committors"]["value"][4] is None


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"source": [0, 1], "target": [1, 3]}, SettingsError, "The states 1 are in source and target"),
        ({"source": 0, "target": 5}, SettingsError, "source is \\(0,\\), target \\(5,\\); macrostates are 0 .. 4"),
        ({"source": 0, "target": 4}, DataError, "The target \\(4\\) is not connected to the other states at lag 1"),
        ({"source": 0, "target": 3, "macrostate_names": ["A"]}, SettingsError, "1 macrostate names were given for 5"),
        ({"source": 0, "target": 3, "macrostates": [0, 1]}, DataError, "holds the token 3; 0 .. 1 were expected"),
        ({"source": 0, "target": 3, "lagtime": 10**6}, DataError, "not shorter than the longest trajectory"),
    ],
)
def test_bad_input_is_named(settings, error, message):
    dtrajs = [trajectory_with(COUNTS), np.array([4, 4, 4])]
    with pytest.raises(error, match=message):
        reactive_flux(dtrajs, **{"lagtime": 1, "n_samples": 0, **settings})
