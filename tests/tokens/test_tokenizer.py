"""StateTokenizer: states without gaps, macrostates of a known chain, the way back to structures."""

import json
import logging
from pathlib import Path

import mdtraj
import numpy as np
import pytest

from mdtok.errors import DataError, RunFolderError, SettingsError
from mdtok.features import encode_periodic
from mdtok.md.trajectory import open_trajectories
from mdtok.tokens import StateTokenizer, cut_outside

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"
STATIONARY = np.array([0.5, 0.3, 0.2])
CENTERS = np.array([0.0, 3.0, 6.0])


def hidden_chain(n_frames, seed, mean_dwell=50):
    """A reversible three-state chain: leave with probability 1/mean_dwell, then draw from STATIONARY."""
    rng = np.random.default_rng(seed)
    leaves = rng.random(n_frames) < 1 / mean_dwell
    leaves[0] = True
    visits = rng.choice(3, leaves.sum(), p=STATIONARY)
    return visits[np.cumsum(leaves) - 1]


def three_wells(n_frames=20_000, seed=0):
    hidden = hidden_chain(n_frames, seed)
    noise = 0.4 * np.random.default_rng(seed + 1000).standard_normal(n_frames)
    return (CENTERS[hidden] + noise)[:, None], hidden


@pytest.fixture(scope="module")
def fitted():
    pieces = [three_wells(seed=seed) for seed in range(3)]
    features, hidden = [f for f, _ in pieces], [h for _, h in pieces]
    tokenizer = StateTokenizer(n_states=20, n_macrostates=3, lagtime=5, seed=7)
    return features, hidden, tokenizer.fit(features, progress=False)


def test_macrostates_are_the_hidden_states_in_order_of_population(fitted):
    """60,000 frames of dwell 50: a population of 0.5 has a standard error of about 0.02 (1200 independent draws)."""
    features, hidden, tokenizer = fitted
    macro = tokenizer.to_macrostates(tokenizer.transform(features))
    agreement = np.mean(np.concatenate(macro) == np.concatenate(hidden))
    assert agreement > 0.995  # wells are 7.5 noise widths apart; what is left are the borders
    populations = np.bincount(tokenizer.macrostates_, tokenizer.stationary_distribution_)
    assert np.all(np.diff(populations) < 0)
    np.testing.assert_allclose(populations, STATIONARY, atol=0.06)  # 3 standard errors
    assert tokenizer.stationary_distribution_.sum() == pytest.approx(1)


def test_tokens_have_no_gaps_and_name_the_nearest_centre(fitted):
    features, _, tokenizer = fitted
    dtrajs = tokenizer.transform(features)
    assert [len(d) for d in dtrajs] == [len(f) for f in features]
    assert np.array_equal(np.unique(np.concatenate(dtrajs)), np.arange(tokenizer.n_states_))
    assert tokenizer.n_states_ == len(tokenizer.cluster_centers_) == len(tokenizer.macrostates_) == 20
    distances = np.abs(features[0] - tokenizer.cluster_centers_.T)
    np.testing.assert_allclose(np.take_along_axis(distances, dtrajs[0][:, None], 1)[:, 0], distances.min(axis=1))


def test_same_seed_same_tokens(fitted):
    features, _, tokenizer = fitted
    again = StateTokenizer(n_states=20, n_macrostates=3, lagtime=5, seed=7).fit_transform(features, progress=False)
    other = StateTokenizer(n_states=20, n_macrostates=3, lagtime=5, seed=8).fit_transform(features, progress=False)
    assert all(np.array_equal(a, b) for a, b in zip(tokenizer.transform(features), again))
    assert not all(np.array_equal(a, b) for a, b in zip(other, again))


def test_a_subsample_for_k_means_is_seeded_too(fitted, monkeypatch):
    monkeypatch.setattr("mdtok.tokens.tokenizer.FIT_FRAMES", 2000)
    features, hidden, whole = fitted
    first, again = (StateTokenizer(20, 3, 5, seed=7).fit(features, progress=False) for _ in range(2))
    np.testing.assert_array_equal(first.cluster_centers_, again.cluster_centers_)
    assert not np.array_equal(first.cluster_centers_, whole.cluster_centers_)
    macro = np.concatenate(first.to_macrostates(first.transform(features)))
    assert np.mean(macro == np.concatenate(hidden)) > 0.99


def test_states_that_are_left_for_ever_are_dropped(caplog):
    """The first 300 frames lie in a well of their own that is never entered again."""
    features, _ = three_wells()
    features[:300] -= 10
    tokenizer = StateTokenizer(n_states=20, n_macrostates=3, lagtime=5, seed=1)
    with caplog.at_level(logging.WARNING, "mdtok"):
        (dtraj,) = tokenizer.fit_transform(features, progress=False)
    assert tokenizer.n_dropped_ > 0 and tokenizer.n_states_ == 20 - tokenizer.n_dropped_
    assert np.array_equal(np.unique(dtraj), np.arange(-1, tokenizer.n_states_))
    assert np.all(dtraj[:300] == -1) and np.all(dtraj[300:] >= 0)
    origins, (piece,) = cut_outside([dtraj])
    assert origins == [0] and np.array_equal(piece, dtraj[300:])
    assert np.all(tokenizer.to_macrostates([dtraj])[0][:300] == -1)
    assert tokenizer.cluster_centers_.min() > -2
    assert f"{tokenizer.n_dropped_} of 20 states (1.5 % of the frames)" in caplog.text


def test_no_macrostates_leave_each_state_its_own(fitted):
    features = fitted[0]
    tokenizer = StateTokenizer(n_states=10, n_macrostates=None, lagtime=5).fit(features, progress=False)
    assert tokenizer.macrostates_.tolist() == list(range(10))


def test_tica_finds_the_slow_direction_beside_a_large_fast_one():
    slow, hidden = three_wells()
    fast = 20 * np.random.default_rng(5).standard_normal((len(slow), 2))
    features = np.hstack([fast, slow])
    with_tica = StateTokenizer(20, 3, lagtime=5, tica_dim=1).fit(features, progress=False)
    macro = with_tica.to_macrostates(with_tica.transform(features))[0]
    assert with_tica.cluster_centers_.shape == (20, 1)
    assert np.mean(macro == hidden) > 0.99


@pytest.mark.parametrize("tica_dim", [None, 1])
def test_saved_and_loaded(fitted, tmp_path, tica_dim):
    features = [np.hstack([f, f[::-1]]) for f in fitted[0]]
    tokenizer = StateTokenizer(20, 2, lagtime=5, tica_dim=tica_dim, seed=3).fit(features, progress=False)
    tokenizer.save(tmp_path / "tokens")
    loaded = StateTokenizer.load(tmp_path / "tokens")
    assert json.loads((tmp_path / "tokens" / "state_tokenizer.json").read_text())["settings"]["seed"] == 3
    assert (tmp_path / "tokens" / "centers.npy").is_file()
    for a, b in zip(tokenizer.transform(features), loaded.transform(features)):
        np.testing.assert_array_equal(a, b)
    for name in ("n_states_", "n_dropped_", "macrostates_", "stationary_distribution_", "cluster_centers_"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(tokenizer, name))


def test_a_folder_that_lacks_a_part(fitted, tmp_path):
    with pytest.raises(RunFolderError, match=r"state_tokenizer\.json does not exist"):
        StateTokenizer.load(tmp_path)
    fitted[2].save(tmp_path)
    (tmp_path / "centers.npy").unlink()
    with pytest.raises(RunFolderError, match=r"centers\.npy does not exist"):
        StateTokenizer.load(tmp_path)


# Back to structures


def test_frames_in_a_state(fitted):
    features, _, tokenizer = fitted
    dtrajs = tokenizer.transform(features)
    visits = tokenizer.frames_in_state(dtrajs, 3)
    assert len(visits) == sum((d == 3).sum() for d in dtrajs)
    assert all(dtrajs[i][frame] == 3 for i, frame in visits)
    some = tokenizer.frames_in_state(dtrajs, 2, n_frames=50, seed=1, macro=True)
    assert some.shape == (50, 2) and len({tuple(visit) for visit in some}) == 50
    assert all(tokenizer.macrostates_[dtrajs[i][frame]] == 2 for i, frame in some)
    np.testing.assert_array_equal(some, tokenizer.frames_in_state(dtrajs, 2, 50, seed=1, macro=True))
    assert not np.array_equal(some, tokenizer.frames_in_state(dtrajs, 2, 50, seed=2, macro=True))
    assert len(tokenizer.frames_in_state([np.zeros(5, int)], 1)) == 0


@pytest.mark.parametrize("lazy", [True, False])
def test_structures_of_a_state(fitted, tmp_path, lazy):
    """One atom on a line: its x coordinate is the feature, so that structures can be checked."""
    features, _, tokenizer = fitted
    topology = mdtraj.Topology()
    topology.add_atom("X", mdtraj.element.carbon, topology.add_residue("X", topology.add_chain()))
    trajs = []
    for index, feature in enumerate(features):
        xyz = np.zeros((len(feature), 1, 3))
        xyz[:, 0, 0] = feature[:, 0]
        trajs.append(mdtraj.Trajectory(xyz, topology))
        trajs[-1].save_xtc(str(tmp_path / f"{index}.xtc"))
    if lazy:
        trajs = open_trajectories(tmp_path / "*.xtc", top=topology)
    dtrajs = tokenizer.transform(features)
    found = tokenizer.structures(trajs, dtrajs, state=1, n_frames=30, seed=4, macro=True)
    visits = tokenizer.frames_in_state(dtrajs, 1, 30, seed=4, macro=True)
    assert len({i for i, _ in visits}) > 1
    np.testing.assert_allclose(found.xyz[:, 0, 0], [features[i][frame, 0] for i, frame in visits], atol=1e-3)
    with pytest.raises(DataError, match="pass the trajectories the tokens were made from"):
        tokenizer.structures(trajs[:2], dtrajs, state=1)
    with pytest.raises(DataError, match="State 5 is not visited"):
        tokenizer.structures(trajs[:1], [np.zeros(len(features[0]), int)], state=5)


# Bad input


def test_nan_is_named():
    features, _ = three_wells(500)
    features[123] = np.nan
    with pytest.raises(DataError, match="trajectory 1 hold nan at frame 123, column 0"):
        StateTokenizer(5, 2).fit([three_wells(500)[0], features])


def test_fewer_distinct_frames_than_states():
    with pytest.raises(DataError, match="3 distinct frames; n_states=5"):
        StateTokenizer(5, 2, lagtime=1).fit(np.tile([0.0, 1.0, 2.0], 100)[:, None], progress=False)


def test_lag_longer_than_the_trajectories():
    with pytest.raises(DataError, match="lagtime is 200 frames; the longest trajectory has 150"):
        StateTokenizer(5, 2, lagtime=200).fit([np.zeros((100, 1)), np.zeros((150, 1))])


def test_a_single_state_left():
    """A ramp never comes back: no two of its states are connected both ways."""
    with pytest.raises(DataError, match="single connected state is left of 5"):
        StateTokenizer(5, 2, lagtime=1).fit(np.arange(100.0)[:, None], progress=False)


def test_more_macrostates_than_connected_states():
    features = np.concatenate([np.tile([0.0, 1.0], 100), [10, 20, 30, 40]])[:, None]
    with pytest.raises(DataError, match="n_macrostates is 4; only 2 connected states are left"):
        StateTokenizer(6, 4, lagtime=1).fit(features, progress=False)


def test_more_macrostates_than_metastable_sets(fitted):
    """Three wells of equal width have three slow states; PCCA+ says so and what to ask for works."""
    with pytest.raises(DataError, match=r"8 macrostates were asked for.*ask for n_macrostates=\d") as caught:
        StateTokenizer(12, 8, lagtime=20).fit(fitted[0], progress=False)
    possible = int(str(caught.value).split("n_macrostates=")[1].rstrip("."))
    tokenizer = StateTokenizer(12, possible, lagtime=20).fit(fitted[0], progress=False)
    assert len(set(tokenizer.macrostates_)) == possible


def test_features_of_another_width(fitted):
    with pytest.raises(DataError, match="trajectory 0 have 2 columns; 1 were expected"):
        fitted[2].transform([np.zeros((5, 2))])


def test_not_fitted():
    for verb in ("transform", "to_macrostates"):
        with pytest.raises(DataError, match="not fitted"):
            getattr(StateTokenizer(), verb)([np.zeros((5, 2))])


@pytest.mark.parametrize(
    "settings",
    [{"n_states": 1}, {"n_states": 2.5}, {"n_macrostates": 1}, {"n_macrostates": 101}, {"lagtime": 0}, {"tica_dim": 0}],
)
def test_settings_out_of_range(settings):
    with pytest.raises(SettingsError, match=next(iter(settings))):
        StateTokenizer(**settings)


def test_more_tica_components_than_columns():
    with pytest.raises(SettingsError, match="tica_dim is 3; the features have only 2 columns"):
        StateTokenizer(5, 2, tica_dim=3).fit(np.zeros((100, 2)))


def test_states_that_do_not_exist(fitted):
    with pytest.raises(SettingsError, match=r"states are 0 \.\. 19"):
        fitted[2].frames_in_state([[0, 1]], 20)
    with pytest.raises(SettingsError, match=r"macrostates are 0 \.\. 2"):
        fitted[2].frames_in_state([[0, 1]], 3, macro=True)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data folder is not there")
def test_real_alanine_dipeptide():
    """250 ns against the populations of three such runs together, 0.650/0.320/0.026/0.0036.

    The run enters phi > 0 some six times: with a relaxation time of 1.4 ns its population (the last two together,
    0.030) has a standard error of (2 * 1.4 / 250 * 0.030)^0.5 = 0.018. The two large states exchange within 65 ps,
    which makes (2 * 0.065 / 250 * 0.65 * 0.35)^0.5 = 0.011. The data are fixed; only k-means depends on the seed.
    """
    angles = np.load(SHARED / "alanine_dihedrals" / "dihedral_traj0.npy")
    features = encode_periodic(angles, [True, True])
    tokenizer = StateTokenizer(n_states=100, n_macrostates=4, lagtime=10, seed=0).fit(features, progress=False)
    (macro,) = tokenizer.to_macrostates(tokenizer.transform(features))
    counted = np.bincount(macro, minlength=4) / len(macro)
    stationary = np.bincount(tokenizer.macrostates_, tokenizer.stationary_distribution_)
    np.testing.assert_allclose(stationary, counted, atol=0.003)  # one long trajectory: both see the same frames
    np.testing.assert_allclose(counted[:2], [0.650, 0.320], atol=0.05)
    assert 0.01 < counted[2:].sum() < 0.06
    assert 0.0003 < counted[3] < 0.01
    assert np.all(np.median(angles[macro == 2], axis=0)[0] > 0)  # phi > 0 is a metastable set of its own


def test_given_centres_are_the_states():
    x = np.sin(np.linspace(0.123, 60, 5000))[:, None]
    middles = (np.arange(10) + 0.5) / 5 - 1
    tokenizer = StateTokenizer(10, None, 1, centers=middles[:, None]).fit([x], progress=False)
    assert tokenizer.n_states_ == 10 and np.array_equal(
        tokenizer.transform([x])[0], np.minimum((x[:, 0] + 1) * 5, 9).astype(int)
    )
    with pytest.raises(SettingsError, match=r"\(10, n_dimensions\)"):
        StateTokenizer(10, None, 1, centers=middles)
    with pytest.raises(DataError, match="centers has 2 dimensions"):
        StateTokenizer(10, None, 1, centers=np.zeros((10, 2))).fit([x], progress=False)


@pytest.mark.parametrize("content", ["{}", "[]", '{"settings": {"n_states": null}}', '{"settings": 3}', "\x00"])
def test_a_damaged_folder_is_one_line(tmp_path, content):
    (tmp_path / "state_tokenizer.json").write_text(content)
    with pytest.raises(RunFolderError, match="is damaged") as error:
        StateTokenizer.load(tmp_path)
    assert "\n" not in str(error.value)
