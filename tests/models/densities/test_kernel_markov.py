"""Kernel densities as a Markov model: normalised, near the exact answer, saved and loaded."""

import numpy as np
import pytest
from scipy import stats

from mdtok.errors import MdtokError
from mdtok.models import load_model
from mdtok.models.densities.kernel_markov import KernelMarkov
from mdtok.models.densities.torus_mixture import wrap


def walk(n_frames, seed):
    return wrap(np.cumsum(np.random.default_rng(seed).vonmises(0.0, 9.0, size=(n_frames, 1)), axis=0))


@pytest.fixture(scope="module")
def fitted():
    return KernelMarkov(n_nearest=300, angles=[0], progress=False).fit([walk(6000, 1)], [walk(1500, 2)])


def test_the_density_integrates_to_one(fitted):
    grid = np.linspace(-np.pi, np.pi, 721)[:-1, None]
    for present in (-3.1, 0.4):
        density = [np.exp(fitted.log_density(np.vstack([[present], [after]]))[0]) for after in grid]
        assert np.sum(density) * 2 * np.pi / 720 == pytest.approx(1, abs=1e-3)


def test_near_the_entropy_rate_of_a_known_walk(fitted):
    held_out = walk(3000, 3)
    exact = -stats.vonmises.logpdf(wrap(np.diff(held_out[:, 0])), 9.0).mean()
    assert exact - 0.005 < -fitted.log_density(held_out).mean() < exact + 0.05


def test_reals_in_their_own_units():
    x = np.random.default_rng(1).normal(7.0, 100.0, size=(6000, 1))
    model = KernelMarkov(n_nearest=1500, bandwidths=(0.2, 0.4, 2.0)).fit([x[:3000]], [x[3000:3500]])
    exact = -stats.norm.logpdf(x[3501:, 0], 7.0, 100.0).mean()
    assert -model.log_density(x[3500:]).mean() == pytest.approx(exact, abs=0.05)


def test_chains_step_as_the_walk(fitted):
    chains = fitted.sample([walk(3, seed) for seed in range(50)], 60, seed=7)
    steps = wrap(np.diff(np.stack(chains)[..., 0], axis=1))
    assert steps.std() == pytest.approx(wrap(np.diff(walk(3000, 3), axis=0)).std(), rel=0.1)
    assert np.array_equal(chains[0], fitted.sample([walk(3, seed) for seed in range(50)], 60, seed=7)[0])


def test_saved_and_loaded(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    assert np.array_equal(load_model(tmp_path / "model").log_density(walk(50, 5)), fitted.log_density(walk(50, 5)))


def test_bad_columns_are_one_line():
    with pytest.raises(MdtokError, match="jumps between"):
        KernelMarkov().fit([walk(500, 1)])
    with pytest.raises(MdtokError, match="no tail to hold out"):
        KernelMarkov(angles=[0]).fit([walk(3, 1)])
