"""Models of tokens as densities: cells have their volumes, and the density is that of the frames."""

import numpy as np
import pytest

from mdtok.errors import DataError
from mdtok.kinetics import cell_volumes, token_log_density
from mdtok.models import MarkovModel


def test_volumes_of_unequal_boxes():
    volumes = cell_volumes(lambda x: np.digitize(x[:, 0], [-1.0, 2.0]), 3, [[-np.pi, np.pi], [0, 2]], 2**14, seed=1)
    assert volumes == pytest.approx(2 * np.array([np.pi - 1, 3, np.pi - 2]), rel=0.01)


def test_a_chain_of_cells_with_uniform_density_within():
    """Cells are drawn at random and so is the place within: the density is exact, and so are the nats."""
    edges, rng = np.array([0.0, 0.1, 1.0, 4.0]), np.random.default_rng(3)
    dtraj = rng.choice(3, p=[0.5, 0.3, 0.2], size=40_000)
    volumes = np.diff(edges)
    (found,) = token_log_density(MarkovModel().fit([dtraj]), [dtraj], volumes)
    assert found.mean() == pytest.approx(np.sum([0.5, 0.3, 0.2] * np.log([0.5, 0.3, 0.2] / volumes)), abs=0.02)


def test_a_cell_without_volume_is_one_line():
    dtraj = np.array([0, 1] * 50)
    with pytest.raises(DataError, match="state 1 has no volume"):
        token_log_density(MarkovModel().fit([dtraj]), [dtraj], np.array([1.0, 0.0]))
