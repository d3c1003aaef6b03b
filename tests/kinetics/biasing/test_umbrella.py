"""Springs, and the free energies of windows: against the exact answer, and against deeptime's own MBAR."""

import numpy as np
import pytest
import torsion_molecule as molecule
from deeptime.markov.msm import TRAM

from mdtok.kinetics import AngleCV, LinearCV
from mdtok.kinetics.biasing.axis import BiasAxis
from mdtok.kinetics.biasing.umbrella import Umbrella, mbar, umbrella_windows


def wells(n_windows=6, n_frames=400, seed=0):
    """A harmonic well of kT under springs: frames, biases and exact free energies."""
    rng, centres, stiffness = np.random.default_rng(seed), np.linspace(-2, 2, n_windows), 5.0
    frames = np.concatenate(
        [rng.normal(c * stiffness / (1 + stiffness), (1 + stiffness) ** -0.5, n_frames) for c in centres]
    )
    exact = 0.5 * stiffness / (1 + stiffness) * centres**2
    return frames, 0.5 * stiffness * (frames[:, None] - centres) ** 2, exact - exact[0]


def test_mbar_gives_exact_free_energies_and_moments():
    frames, biases, exact = wells(n_frames=4000)
    energies, log_weights = mbar(biases, np.full(6, 4000))
    np.testing.assert_allclose(energies, exact, atol=0.08)
    weights = np.exp(log_weights - log_weights.max())
    assert np.average(frames, weights=weights) == pytest.approx(0.0, abs=0.05)
    assert np.average(frames**2, weights=weights) == pytest.approx(1.0, abs=0.06)


def test_mbar_is_that_of_deeptime():
    """TRAM with one configurational state is MBAR."""
    frames, biases, _ = wells()
    pieces = np.split(biases, 6)
    tram = TRAM(maxiter=20_000, maxerr=1e-10, init_maxiter=20_000, init_maxerr=1e-10)
    model = tram.fit_fetch(([np.zeros(400, dtype=np.int32)] * 6, pieces))
    energies, _ = mbar(biases, np.full(6, 400))
    np.testing.assert_allclose(energies, model.therm_state_energies - model.therm_state_energies[0], atol=1e-4)
    order = np.random.default_rng(1).permutation(len(frames))
    np.testing.assert_allclose(mbar(biases[order], np.full(6, 400), energies + 1)[0], energies, atol=1e-6)


def test_springs_go_the_short_way_round():
    angle = Umbrella(AngleCV(molecule.featurizer()), 0, 3.0, 2.0)
    assert angle.energy(np.array([-3.0])) == pytest.approx((2 * np.pi - 6) ** 2)
    line = Umbrella(LinearCV(molecule.featurizer(), [0.0, 1.0]), 0, 3.0, 2.0)
    assert line.energy(np.array([-3.0])) == pytest.approx(36.0)


def test_windows_are_even_and_their_neighbours_overlap():
    windows = umbrella_windows(AngleCV(molecule.featurizer()), 0, BiasAxis(-np.pi, np.pi, 0.3, True), 8, 2.5)
    centres = np.array([window.centre for window in windows])
    np.testing.assert_allclose(np.diff(centres), np.pi / 4)  # and as far from the last to the first
    assert centres[0] == pytest.approx(-np.pi)
    spread = np.sqrt(2.5 / windows[0].force_constant_kj_mol)
    assert spread == pytest.approx(np.pi / 8)
