"""Baselines of continuous trajectories against closed answers: harmonic wells, random walks, a double well."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdtok.errors import DataError, RunFolderError, SettingsError
from mdtok.models import CopyLast, GridMarkov, VectorAutoregression

A = np.array([[0.95, 0.02], [-0.01, 0.8]])
B = np.array([0.01, -0.02])
NOISE = np.array([[0.04, 0.01], [0.01, 0.02]])


def autoregressive(n_trajectories, n_frames, seed):
    """An Ornstein-Uhlenbeck process in two dimensions, seen frame by frame."""
    rng = np.random.default_rng(seed)
    frames = np.empty((n_frames, n_trajectories, 2))
    frames[0] = np.linalg.solve(np.eye(2) - A, B)
    for t in range(1, n_frames):
        frames[t] = frames[t - 1] @ A.T + B + rng.multivariate_normal([0, 0], NOISE, n_trajectories)
    return list(frames.swapaxes(0, 1).copy())


def double_well(n_trajectories, n_frames, seed, step=0.02):
    """Brownian motion in (x^2 - 1)^2 at kT = 0.5, ten steps a frame; crossings take about 70 frames."""
    rng = np.random.default_rng(seed)
    x = rng.choice([-1.0, 1.0], n_trajectories)
    frames = np.empty((n_frames, n_trajectories, 1))
    for t in range(n_frames):
        frames[t, :, 0] = x
        for _ in range(10):
            x = x - 4 * x * (x**2 - 1) * step * 0.5 + np.sqrt(step * 0.5) * rng.normal(size=n_trajectories)
    return list(frames.swapaxes(0, 1).copy())


@pytest.fixture(scope="module")
def well():
    return double_well(200, 500, seed=3)


@pytest.fixture(scope="module")
def fitted(well):
    flat = autoregressive(10, 500, seed=1)
    return {
        "copy": CopyLast().fit(flat),
        "var": VectorAutoregression().fit(flat),
        "grid": GridMarkov(cell_nm=0.2, progress=False).fit(flat),
    }


def test_copy_last_errs_by_diffusion_alone():
    """Free diffusion: 2 D t a coordinate after t frames, 4 standard errors of 2,000 walkers (false alarm 1e-3)."""
    steps = np.random.default_rng(1).normal(scale=0.3, size=(2000, 60, 2))  # 2 D = 0.09 a frame
    walks = list(steps.cumsum(axis=1))
    forecast = CopyLast().fit(walks).forecast([walk[:40] for walk in walks], 20)
    squared = ((forecast - np.array(walks)[:, 40:]) ** 2).mean(axis=2)  # (n_walkers, n_steps)
    errors = np.abs(squared.mean(axis=0) - 0.09 * np.arange(1, 21)) / (squared.std(axis=0) / np.sqrt(2000))
    assert errors.max() < 4


def test_autoregression_finds_the_process_it_came_from():
    """A and the noise within 4 standard errors of least squares (seven numbers, false alarm 4e-4)."""
    trajectories = autoregressive(50, 1000, seed=2)
    model = VectorAutoregression().fit(trajectories)
    n = 50 * 999
    stationary = np.cov(np.concatenate(trajectories).T)
    standard_error = np.sqrt(np.outer(np.diag(NOISE), np.diag(np.linalg.inv(stationary))) / n)
    assert (np.abs(model.transition_ - A) < 4 * standard_error).all()
    of_noise = np.sqrt((np.outer(np.diag(NOISE), np.diag(NOISE)) + NOISE**2) / n)  # Wishart
    assert (np.abs(model.noise_covariance_ - NOISE) < 4 * of_noise).all()
    exact = np.sort(-1 / np.log(np.linalg.eigvals(A)))[::-1]
    np.testing.assert_allclose(model.relaxation_times(), exact, rtol=0.05)
    assert model.n_parameters == 4 + 2 + 3


def test_forecast_of_an_autoregression_is_the_closed_form(fitted):
    model, x, k = fitted["var"], np.array([0.7, -0.3]), 30
    power = np.linalg.matrix_power(model.transition_, k)
    offset = np.linalg.solve(np.eye(2) - model.transition_, (np.eye(2) - power) @ model.offset_)
    np.testing.assert_allclose(model.forecast([[x]], k)[0, -1], power @ x + offset)


def test_samples_of_an_autoregression_have_its_transitions(fitted):
    """A fit to 100,000 sampled frames gives back the model within 5 standard errors (at most 1e-5 false alarms)."""
    model = fitted["var"]
    chains = model.sample([np.zeros((1, 2))] * 100, n_steps=1000, seed=5)
    again = VectorAutoregression().fit(chains)
    np.testing.assert_allclose(again.transition_, model.transition_, atol=5 * 0.004)
    np.testing.assert_allclose(again.noise_covariance_, model.noise_covariance_, atol=5 * 0.0002)


def test_density_of_an_autoregression_is_the_gaussian(fitted):
    from scipy.stats import multivariate_normal

    model, trajectory = fitted["var"], autoregressive(1, 20, seed=9)[0]
    means = trajectory[:-1] @ model.transition_.T + model.offset_
    expected = [multivariate_normal(m, model.noise_covariance_).logpdf(x) for m, x in zip(means, trajectory[1:])]
    np.testing.assert_allclose(model.log_density(trajectory), expected)


def test_a_fit_that_sees_no_relaxation_says_infinity():
    ramp = np.cumsum(1 + np.random.default_rng(1).normal(size=(50, 1)), axis=0) ** 2
    assert VectorAutoregression().fit([ramp]).relaxation_times()[0] == np.inf


def test_counts_of_a_grid_by_hand():
    """Cells 0, 1, 3; a displacement of 2 leads from 0 and 3 to where nobody was, so it does not count there."""
    model = GridMarkov(cell_nm=1.0).fit([[[0.5], [1.5], [3.5]], [[0.25], [0.75]]])
    assert model.cells_.ravel().tolist() == [0, 1, 3]
    assert model.means_.ravel().tolist() == [0.5, 1.5, 3.5]
    # displacements: +1, +2, 0 seen once each, and staying once more
    np.testing.assert_allclose(
        model.transition_matrix_.toarray(),
        [[(1 + 2 / 3) / 3, (1 + 1 / 3) / 3, 0], [0, (2 / 3) / 2, (1 + 1 / 3) / 2], [0, 0, 1]],
    )
    assert model.n_parameters == 3 - 2


def test_a_grid_knows_the_time_that_crossings_take(well):
    """Slowest relaxation of the grid's matrix against deeptime's MSM of the two wells at a long lag, within 15 %."""
    from deeptime.markov.msm import MaximumLikelihoodMSM

    matrix = GridMarkov(cell_nm=0.1).fit(well).transition_matrix_.toarray()
    slowest = -1 / np.log(np.sort(np.abs(np.linalg.eigvals(matrix)))[-2])
    msm = MaximumLikelihoodMSM(lagtime=20).fit_fetch([(frames[:, 0] > 0).astype(int) for frames in well])
    assert slowest == pytest.approx(msm.timescales(1)[0], rel=0.15)


def test_a_grid_forecasts_what_its_samples_do_on_average(well):
    """Mean of 4,000 samples within 5 standard errors of the forecast, at 1, 10 and 50 frames (false alarm 2e-6)."""
    model = GridMarkov(cell_nm=0.1, progress=False).fit(well)
    forecast = model.forecast([[[0.9]]], 50)[0, :, 0]
    chains = np.array(model.sample([[[0.9]]] * 4000, 50, seed=4))[:, :, 0]
    for step in (0, 9, 49):
        assert abs(chains[:, step].mean() - forecast[step]) < 5 * chains[:, step].std() / np.sqrt(4000)
    assert 0.9 > forecast[9] > forecast[49] > 0  # relaxes towards the mean of both wells


def test_samples_of_a_grid_are_frames_that_were_seen(well):
    model = GridMarkov(cell_nm=0.1, progress=False).fit(well)
    seen = np.concatenate(well)
    chain = model.sample([[[1.0]]], 300, seed=1)[0]
    assert np.isin(chain, seen).all()
    assert len(np.unique(chain)) > 250


@pytest.mark.parametrize("start", [-1.0, 0.03, 25.0])
def test_the_density_of_a_grid_is_a_density(well, start):
    """Integral over a fine lattice is 1, from a cell often visited, one seldom visited, and one never visited."""
    model = GridMarkov(cell_nm=0.1).fit(well)
    lattice = np.linspace(-15, 15, 6001) + 0.0021
    there_and_back = np.stack([np.full(len(lattice), start), lattice], axis=1).reshape(-1, 1)
    density = np.exp(model.log_density(there_and_back)[::2])  # from the start to each place; it sees one frame
    assert np.isfinite(np.log(density)).all()
    assert density.sum() * (lattice[1] - lattice[0]) == pytest.approx(1, abs=0.01)


def test_on_its_own_ground_the_grid_wins_and_off_it_the_harmonic_well(well):
    """Double well: the grid is nearer to held-out frames than any one well can be, in error and in density."""
    held_out = double_well(40, 200, seed=8)
    grid, var = GridMarkov(cell_nm=0.1).fit(well), VectorAutoregression().fit(well)
    prompts, truth = [frames[:100] for frames in held_out], np.array(held_out)[:, 100:120]
    of_grid, of_var = (((model.forecast(prompts, 20) - truth) ** 2).mean() for model in (grid, var))
    assert of_grid < of_var
    assert np.mean([grid.log_density(f) for f in held_out]) > np.mean([var.log_density(f) for f in held_out])
    flat, other = autoregressive(20, 300, seed=1), autoregressive(20, 300, seed=2)
    grid, var = GridMarkov(cell_nm=0.2).fit(flat), VectorAutoregression().fit(flat)
    assert np.mean([var.log_density(f) for f in other]) > np.mean([grid.log_density(f) for f in other])


@pytest.mark.parametrize("name", ["copy", "var", "grid"])
def test_saved_and_loaded_models_are_the_same(fitted, name, tmp_path):
    model, prompts = fitted[name], [np.zeros((3, 2)), np.ones((1, 2))]
    model.save(tmp_path / name)
    loaded = type(model).load(tmp_path / name)
    np.testing.assert_array_equal(loaded.forecast(prompts, 7), model.forecast(prompts, 7))
    np.testing.assert_array_equal(loaded.sample(prompts, 7, seed=3), model.sample(prompts, 7, seed=3))
    assert loaded.n_parameters == model.n_parameters
    if model.has_density:
        trajectory = autoregressive(1, 30, seed=4)[0]
        np.testing.assert_array_equal(loaded.log_density(trajectory), model.log_density(trajectory))


def test_broken_folders_are_said(fitted, tmp_path):
    fitted["grid"].save(tmp_path / "grid")
    with pytest.raises(DataError, match="holds a GridMarkov, not a VectorAutoregression"):
        VectorAutoregression.load(tmp_path / "grid")
    (tmp_path / "grid" / "arrays.npz").write_bytes(b"nothing")
    with pytest.raises(RunFolderError, match="arrays.npz cannot be read"):
        GridMarkov.load(tmp_path / "grid")


@pytest.mark.parametrize("name", ["copy", "var", "grid"])
@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(1, 6), st.floats(-1e6, 1e6))
def test_shapes_hold_for_any_prompt(fitted, name, lengths, n_steps, offset):
    prompts = [np.full((length, 2), offset) for length in lengths]
    model = fitted[name]
    forecast, chains = model.forecast(prompts, n_steps), model.sample(prompts, n_steps, seed=0)
    assert forecast.shape == (len(prompts), n_steps, 2) and np.isfinite(forecast).all()
    assert [chain.shape for chain in chains] == [(n_steps, 2)] * len(prompts)


@pytest.mark.parametrize("model", [CopyLast(), VectorAutoregression(), GridMarkov()], ids=["copy", "var", "grid"])
def test_bad_trajectories_are_said_in_one_line(model):
    for trajectories, message in [
        ([np.zeros((5, 2)), np.zeros((5, 3))], "Trajectory 1 has 3 coordinates a frame; 2 were expected"),
        ([np.array([[0.0, 1.0], [np.nan, 1.0]])], "Trajectory 0 has 1 frames that are not numbers"),
        ([], "No trajectory was given"),
    ]:
        with pytest.raises(DataError, match=message):
            model.fit(trajectories)
    with pytest.raises(DataError, match="is not fitted"):
        model.forecast([np.zeros((5, 2))], 3)


@pytest.mark.parametrize("name", ["copy", "var", "grid"])
def test_bad_prompts_are_said_in_one_line(fitted, name):
    with pytest.raises(DataError, match="No trajectory was given"):
        fitted[name].forecast([], 3)
    with pytest.raises(DataError, match="has 0 frames"):
        fitted[name].sample([np.zeros((0, 2))], 3, seed=0)
    with pytest.raises(DataError, match="3 coordinates a frame; 2 were expected"):
        fitted[name].forecast([np.zeros((4, 3))], 3)
    with pytest.raises(SettingsError, match="n_steps is 0"):
        fitted[name].forecast([np.zeros((4, 2))], 0)


def test_what_cannot_be_fitted_is_said():
    noise = np.random.default_rng(1).normal(size=(50, 1))
    with pytest.raises(DataError, match="at least 2 were expected"):
        VectorAutoregression().fit([noise[:1]])
    with pytest.raises(DataError, match="3 steps are too few"):
        VectorAutoregression().fit([noise[:4]])
    with pytest.raises(DataError, match="Coordinate 1 is constant"):
        VectorAutoregression().fit([np.hstack([noise, np.full((50, 1), 0.1)])])
    with pytest.raises(DataError, match="combination of the others"):
        VectorAutoregression().fit([np.hstack([noise, 2 * noise + 1])])
    with pytest.raises(DataError, match="one cell"):
        GridMarkov(cell_nm=100).fit([noise + 50])
    with pytest.raises(SettingsError, match="too small"):
        GridMarkov(cell_nm=1e-18).fit([noise])
    with pytest.raises(SettingsError, match="cell_nm is 0"):
        GridMarkov(cell_nm=0)
    with pytest.raises(DataError, match="gives no density"):
        CopyLast().fit([noise]).log_density(noise)
