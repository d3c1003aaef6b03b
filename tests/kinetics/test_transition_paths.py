"""Transition paths against counting by hand, a birth-death chain in closed form, and events in a known order."""

import json

import numpy as np
import pytest
from chains import simulate
from hypothesis import given
from hypothesis import strategies as st

from mdtok.errors import DataError, SettingsError
from mdtok.kinetics import find_transition_paths, order_of_events
from mdtok.kinetics.estimation.estimate import poisson_interval
from mdtok.storage import write_json

N_SITES, HOP = 6, 0.25
#: Hops along a row of sites; the ends reflect.
ROW = np.eye(N_SITES) + HOP * (np.eye(N_SITES, k=1) + np.eye(N_SITES, k=-1))
ROW[np.diag_indices(N_SITES)] = 2 - ROW.sum(axis=1)
#: Ruin of a gambler who starts with 1 and ends with n: (n² - 1) / 3 moves, each after 1 / (2 · hop) frames; one to
#: enter.
EXACT_FRAMES = ((N_SITES - 1) ** 2 - 1) / 3 / (2 * HOP) + 1


def spans_by_hand(dtraj, source, target):
    """Frame by frame: remember the last frame in the source, forget it once the target is reached."""
    left, spans = None, []
    for frame, state in enumerate(dtraj):
        if state in source:
            left = frame
        elif state in target and left is not None:
            spans.append((left, frame))
            left = None
    return spans


@given(st.lists(st.integers(-1, 4), min_size=4, max_size=60))
def test_paths_are_what_counting_by_hand_gives(tokens):
    tokens = [*tokens, 0, 3]  # both ends are visited
    found = find_transition_paths([np.array(tokens)], [0, 1], 3, n_bootstrap=2)
    assert [tuple(span) for span in found.spans[:, 1:]] == spans_by_hand(tokens, {0, 1}, {3})


def test_a_birth_death_chain_has_the_mean_of_the_closed_formula():
    # about 1,600 paths, each with a spread of 0.6 of its mean: 1.5 % of error, 4.5 of them allowed
    paths = find_transition_paths(simulate(ROW, 20, 10_000, seed=3), 0, N_SITES - 1, dt_ps=2.0)
    assert len(paths) > 1000
    assert paths.mean_ps.value == pytest.approx(2.0 * EXACT_FRAMES, rel=0.07)
    assert paths.durations_ps.mean() == pytest.approx(float(paths.mean_ps.value))


def test_bootstrap_intervals_cover():
    # 60 data sets of about 250 paths, 95 % intervals: 49 or fewer hits have probability 6e-5 at nominal coverage
    hits = 0
    for seed in range(60):
        mean = find_transition_paths(simulate(ROW, 12, 2500, seed), 0, N_SITES - 1, n_bootstrap=100, seed=seed).mean_ps
        hits += mean.low <= EXACT_FRAMES <= mean.high
    assert hits >= 50


def test_one_long_trajectory_is_cut_for_its_interval_but_not_its_paths():
    (dtraj,) = simulate(ROW, 1, 20_000, seed=5)
    paths = find_transition_paths([dtraj], 0, N_SITES - 1)
    assert len(paths) == len(spans_by_hand(dtraj, {0}, {N_SITES - 1}))
    assert paths.mean_ps.low < paths.mean_ps.value < paths.mean_ps.high


def test_few_paths_have_the_exact_interval_of_exponential_durations():
    paths = find_transition_paths([np.array([0, 1, 1, 1, 2])] * 3 + [np.array([1, 1, 1, 1])] * 7, 0, 2, dt_ps=5.0)
    fewest, most = poisson_interval(3)
    assert (paths.mean_ps.value, paths.mean_ps.low, paths.mean_ps.high) == pytest.approx((20, 60 / most, 60 / fewest))


def test_trajectories_without_a_path_have_no_mean(tmp_path):
    paths = find_transition_paths([np.array([2, 1, 1, 0])] * 8, 0, 2)
    assert len(paths) == 0 and np.isnan(paths.mean_ps.value) and str(paths) == "no transition path 0 → 2"
    write_json(tmp_path / "paths.json", paths.to_dict())
    assert json.loads((tmp_path / "paths.json").read_text())["n_paths"] == 0


def test_what_is_printed_says_how_many_and_how_long():
    paths = find_transition_paths([np.array([0, 1, 1, 2])] * 20, 0, 2, dt_ps=10.0)
    assert (
        str(paths) == "20 transition paths 0 → 2: mean 30 [30, 30] ps; 5 %, 50 %, 95 % of them last up to 30, 30, 30 ps"
    )


@pytest.mark.parametrize(
    ("source", "target", "error", "message"),
    [
        ([0, 1], [1, 2], SettingsError, "The states 1 are in source and target"),
        ([], 2, SettingsError, "source is \\[\\]; a state, or a list of states"),
        (0, 0.5, SettingsError, "target is 0.5; a state"),
        (0, 7, DataError, "No frame is in the target \\(7\\); the trajectories visit 0, 1, 2"),
        ([8, 9], 2, DataError, "No frame is in the source \\(8, 9\\)"),
    ],
)
def test_ends_that_cannot_be_used_are_named(source, target, error, message):
    with pytest.raises(error, match=message):
        find_transition_paths([np.array([0, 1, 2, -1])] * 8, source, target)


# --- what happens first

PATH = np.array([0, 0, 1, 1, 1, 1, 2])


def order_on(first, second, dtraj=PATH, n_paths=8, source=0, target=2, **settings):
    dtrajs = [dtraj] * n_paths
    paths = find_transition_paths(dtrajs, source, target, dt_ps=2.0)
    coordinates = {"first": [np.array(first)] * n_paths, "second": [np.array(second)] * n_paths}
    return order_of_events(paths, coordinates, dtrajs, **settings)


def test_the_last_crossing_counts_and_what_breaks_again_has_not_formed():
    order = order_on([0, 0, 1, 1, 0, 1, 1.0], [0, 0, 0, 1, 1, 1, 1.0])
    assert order.crossing_ps[0].tolist() == [8.0, 4.0]
    assert order.n_first.tolist() == [0, 8] and order.n_undecided == 0
    # none of 8: the exact two-sided 95 % limit is 1 - 0.025^(1/8)
    assert order.shares.value.tolist() == [0, 1]
    assert order.shares.high[0] == pytest.approx(1 - 0.025 ** (1 / 8)) and order.shares.low[1] == pytest.approx(
        0.025 ** (1 / 8)
    )


def test_on_the_way_back_a_coordinate_crosses_downwards():
    unfolding = np.array([2, 2, 1, 1, 1, 1, 0])
    order = order_on([1, 1, 0, 0, 0, 0, 0.0], [1, 1, 1, 1, 0, 0, 0.0], unfolding, source=2, target=0)
    assert order.crossing_ps[0].tolist() == [2.0, 6.0] and order.n_first.tolist() == [8, 0]


def test_ties_are_undecided_and_what_crossed_before_or_never_is_at_the_ends():
    together = order_on([0, 0, 1, 1, 1, 1, 1.0], [0, 0, 1, 1, 1, 1, 1.0])
    assert together.n_undecided == 8 and np.isnan(together.shares.value).all()
    before_and_never = order_on(
        [0.2, 0.6, 1, 1, 1, 1, 1.0], [0, 0, 1, 1, 1, 1, 1.0], thresholds={"first": 0.5, "second": 2}
    )
    assert before_and_never.crossing_ps[0].tolist() == [0.0, np.inf] and before_and_never.n_first.tolist() == [8, 0]


def test_the_default_threshold_is_halfway_between_source_and_target():
    order = order_on([0.1, 0.3, 0, 0, 0.58, 0.61, 1.0], [0, 0, 1, 1, 1, 1, 2.0])
    assert order.thresholds == pytest.approx([0.6, 1.0])
    assert order.crossing_ps[0].tolist() == [8.0, 2.0]


def test_independent_hairpins_are_first_equally_often_and_a_faster_one_more_often():
    # two hairpins that form with rates a and b: the first is a / (a + b); 400 paths, exact intervals fail with 5e-4 at
    # 99.95 %
    rng = np.random.default_rng(11)
    for rates, expected in (((0.02, 0.02), 0.5), ((0.06, 0.02), 0.75)):
        formed_at = [rng.geometric(rate, 400) for rate in rates]
        dtrajs, values = [], ([], [])
        for times in zip(*formed_at):
            t = np.arange(max(times) + 1)
            for of_hairpin, time in zip(values, times):
                of_hairpin.append((t >= time) * 1.0)
            dtrajs.append(np.where(t == 0, 0, np.where(t == max(times), 2, 1)))
        order = order_of_events(find_transition_paths(dtrajs, 0, 2), dict(zip(("one", "two"), values)), dtrajs)
        n_decided = order.n_paths - order.n_undecided
        assert n_decided > 350
        assert abs(order.shares.value[0] - expected) < 3.5 * np.sqrt(expected * (1 - expected) / n_decided)
        assert order.shares.low[0] < order.shares.value[0] < order.shares.high[0]


def test_the_table_of_an_order_has_a_line_a_coordinate(tmp_path):
    order = order_on([0, 0, 1, 1, 0, 1, 1.0], [0, 0, 0, 1, 1, 1, 1.0])
    lines = str(order).splitlines()
    assert lines[2].split()[:3] == ["second", "0.5", "8"] and lines[-1] == "8 transition paths, 0 undecided"
    write_json(tmp_path / "order.json", order.to_dict())
    assert json.loads((tmp_path / "order.json").read_text())["n_first"] == [0, 8]


@pytest.mark.parametrize(
    ("first", "settings", "error", "message"),
    [
        ([0, 0, 1, 1, 1, 1], {}, DataError, "first has shape \\(6,\\) for trajectory 0 of shape \\(7,\\)"),
        ([0, 0, 1, np.nan, 1, 1, 1], {}, DataError, "first holds NaN"),
        ([1, 1, 0, 0, 0, 0, 1], {}, DataError, "first is 1 on average in source and target alike"),
        (
            [0, 0, 1, 1, 1, 1, 1],
            {"thresholds": {"third": 1}},
            SettingsError,
            "thresholds has third; the coordinates are first, second",
        ),
    ],
)
def test_coordinates_that_cannot_be_used_are_named(first, settings, error, message):
    with pytest.raises(error, match=message):
        order_on(first, [0, 0, 1, 1, 1, 1, 1.0], **settings)


def test_an_order_takes_two_coordinates_and_a_path():
    dtrajs = [np.array([2, 1, 1, 0])] * 8
    paths, values = find_transition_paths(dtrajs, 0, 2), [np.array([0, 0, 1, 1.0])] * 8
    with pytest.raises(SettingsError, match="1 coordinates were given"):
        order_of_events(paths, {"one": values}, dtrajs)
    with pytest.raises(DataError, match="No transition path 0 → 2 was found"):
        order_of_events(paths, {"one": values, "two": values}, dtrajs)
    with pytest.raises(DataError, match="two has 7 arrays for 8 trajectories"):
        order_of_events(find_transition_paths(dtrajs, 2, 0), {"one": values, "two": values[1:]}, dtrajs)
