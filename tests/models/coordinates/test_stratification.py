"""Weights of frames by region: closed values, the property of k-centers, and that weights leave the right answer
right."""

import numpy as np
import pytest

from mdtok.errors import SettingsError
from mdtok.models import TrajBert
from mdtok.models.coordinates.stratification import frame_weights, region_of, spread_centers


def test_weights_follow_the_share_of_the_region():
    centers, counts = np.array([[0.0], [1.0]]), np.array([90, 10])
    frames = np.array([[[0.1], [0.9], [-0.2]]])
    common, rare = 0.9**-0.5, 0.1**-0.5
    assert frame_weights(frames, centers, counts, 0.5) == pytest.approx(
        np.array([[common, rare, common]]) / (0.9 * common + 0.1 * rare)
    )
    assert np.array_equal(frame_weights(frames, centers, counts, 0.0), [[1, 1, 1]])
    # every region alike: half of the weight for each
    assert frame_weights(frames, centers, counts, 1.0) == pytest.approx(np.array([[0.5 / 0.9, 0.5 / 0.1, 0.5 / 0.9]]))


def test_a_region_of_one_frame_in_a_million_does_not_count_as_much_as_all_others():
    weights = frame_weights(np.array([[[0.0], [9.0]]]), np.array([[0.0], [9.0]]), np.array([10**6, 1]), 1.0)
    assert weights[0, 1] == 100 and weights[0, 0] < 1


def test_no_frame_is_farther_from_a_center_than_two_centers_are_apart():
    """What k-centers promises, and k-means does not: outlying frames have centers of their own."""
    rng = np.random.default_rng(1)
    frames = np.concatenate([rng.normal(size=(3000, 2)), [[9.0, 9.0]]])
    centers = spread_centers(frames, 30, seed=0)
    to_nearest = np.linalg.norm(frames - centers[region_of(frames, centers)], axis=1)
    apart = np.linalg.norm(centers[:, None] - centers, axis=-1) + 1e9 * np.eye(len(centers))
    assert len(centers) == 30 and to_nearest.max() <= apart.min()
    assert [9.0, 9.0] in centers.tolist()


def test_fewer_different_frames_than_centers():
    assert len(spread_centers(np.zeros((5, 2)), 3, seed=0)) == 1


def test_stratify_out_of_range():
    with pytest.raises(SettingsError, match="stratify is 2"):
        TrajBert(stratify=2)
