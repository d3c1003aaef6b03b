"""From coordinates to TICA in less memory than the features take, with the results of those who have it."""

import tracemalloc

import mdtraj
import numpy as np
import pytest

from mdtok.features import Featurizer
from mdtok.features.feature import Feature
from mdtok.features.streaming import map_chunks
from mdtok.kinetics import fit_tica, fit_vamp
from mdtok.tokens import choose_tica

N_FRAMES, N_COLUMNS = 15_000, 150
N_BYTES = 2 * N_FRAMES * N_COLUMNS * 4  # 18 MB


class Wide(Feature):
    """The coordinates of one atom, mixed into many columns."""

    mixing = np.random.default_rng(1).normal(size=(3, N_COLUMNS))

    def names(self, topology):
        return [f"column {k}" for k in range(N_COLUMNS)]

    def transform(self, traj):
        return np.tanh(traj.xyz[:, 0] @ self.mixing)


@pytest.fixture(scope="module")
def walks():
    """Two walks of one atom: a slow coordinate, a faster one, and one of noise."""
    rng, decay = np.random.default_rng(0), np.exp(-1 / np.array([300, 30, 0.5]))
    xyz = rng.normal(size=(N_FRAMES, 2, 3)) * np.sqrt(1 - decay**2)
    for t in range(1, N_FRAMES):
        xyz[t] += decay * xyz[t - 1]
    topology = mdtraj.Topology()
    topology.add_atom("CA", mdtraj.element.carbon, topology.add_residue("GLY", topology.add_chain()))
    return [mdtraj.Trajectory(xyz[:, k, None], topology) for k in range(2)]


def reduce(features):
    choice = choose_tica(features, [10, 40], [1, 2, 3], scoring_lagtime=20, progress=False)
    tica = fit_tica(features, choice.lagtime, choice.n_dim)
    return choice, [map_chunks(tica.transform, array) for array in features]


def test_memory_stays_below_the_size_of_the_features_and_the_results_are_the_same(walks, tmp_path, monkeypatch):
    featurizer = Featurizer([Wide()]).fit(walks)
    expected_choice, expected = reduce(featurizer.transform(walks, progress=False))
    monkeypatch.setattr("mdtok.features.arrays.CHUNK_NUMBERS", 30_000)  # small as the features here
    tracemalloc.start()
    features = featurizer.transform(walks, progress=False, out=tmp_path / "features")
    choice, components = reduce(features)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.4 * N_BYTES  # a single copy of one trajectory would be more
    assert (choice.lagtime, choice.n_dim) == (expected_choice.lagtime, expected_choice.n_dim)
    np.testing.assert_allclose(choice.scores, expected_choice.scores, rtol=1e-6)
    for one, other in zip(components, expected):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_vamp_reads_memory_maps_where_they_are_too(walks, tmp_path, monkeypatch):
    monkeypatch.setattr("mdtok.features.arrays.CHUNK_NUMBERS", 30_000)
    features = Featurizer([Wide()]).fit_transform(walks, progress=False, out=tmp_path / "features")
    tracemalloc.start()
    fit_vamp(features, 40, 2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.4 * N_BYTES
