"""Free-energy profiles against a density that is known."""

import numpy as np
import pytest

from mdtok.errors import DataError, SettingsError
from mdtok.kinetics import free_energy_profile

EDGES = np.linspace(-1.6, 1.6, 33)


def energy(x):
    """Two wells at -1 and 1, the left one lower by about 1 kT; barrier of about 3 kT."""
    return 3 * (x**2 - 1) ** 2 + 0.5 * x


def draw(n_trajectories, n_frames, seed):
    """Independent frames of the Boltzmann density of `energy`, by inversion on a fine grid."""
    grid = np.linspace(-1.6, 1.6, 20_001)
    cumulative = np.cumsum(np.exp(-energy(grid)))
    rng = np.random.default_rng(seed)
    return [np.interp(rng.random(n_frames), cumulative / cumulative[-1], grid) for _ in range(n_trajectories)]


def known():
    grid = np.linspace(-1.6, 1.6, 20_001)
    density = np.exp(-energy(grid))
    shares = np.histogram(grid, EDGES, weights=density)[0]
    return -np.log(shares / shares.max())


def test_a_known_profile_lies_in_its_intervals():
    profile = free_energy_profile(draw(20, 4000, seed=1), EDGES, split=0.0)
    exact, found = known(), profile.free_energy_kt
    inside = (found.low <= exact) & (exact <= found.high)
    assert inside.mean() > 0.8  # of 32 bins at 95 % each; P < 1e-3 by the binomial distribution
    assert np.abs(found.value - exact)[exact < 6].max() < 0.25  # a bin above that is seen a few times only
    low, high = exact[:16].argmin(), 16 + exact[16:].argmin()
    top = exact[low:high].max()
    np.testing.assert_allclose(profile.barriers_kt.value, [top - exact[low], top - exact[high]], atol=0.15)
    assert abs(profile.basins_at[0] + 1) < 0.11 and abs(profile.basins_at[1] - 1) < 0.11
    assert "barrier" in str(profile)


def test_intervals_narrow_with_the_data():
    few, many = (free_energy_profile(draw(8, n, seed=2), EDGES, split=0.0).difference_kt for n in (500, 50_000))
    assert 5 < (few.high - few.low) / (many.high - many.low) < 20  # sqrt(100) = 10


def test_unseen_bins_are_infinite():
    values = [np.repeat([-0.95, 0.95], 50) for _ in range(8)]
    profile = free_energy_profile(values, EDGES, split=0.0)
    assert np.isinf(profile.free_energy_kt.value).sum() == 30 and np.isinf(profile.barriers_kt.value).all()
    assert profile.difference_kt.value == 0


def test_one_basin_only_is_said():
    with pytest.raises(DataError, match="Nothing was seen above 0"):
        free_energy_profile([np.full(100, -0.5)] * 8, EDGES, split=0.0)
    with pytest.raises(SettingsError, match="split is 5"):
        free_energy_profile([np.full(100, -0.5)] * 8, EDGES, split=5)
