"""Core sets as a tokenizer: the states of the functions behind it, a frame each, and the same when loaded."""

import numpy as np
import pytest

from mdtok.errors import SettingsError
from mdtok.tokens import CoreSetTokenizer, core_states, nearest_value, running_mean, without_short_visits

CENTRES = np.array([[2.0, -1.0], [0.5, 2.0], [-0.5, -2.0]])


def walks(seed=0):
    rng = np.random.default_rng(seed)
    at = CENTRES[np.repeat(rng.integers(0, 3, size=40), 30)]
    return [(at + 0.3 * rng.normal(size=at.shape))[start:] for start in (0, 200)]


def test_core_sets_are_milestones():
    for walk, dtraj in zip(walks(), CoreSetTokenizer(CENTRES, radius=0.5).fit_transform(walks()), strict=True):
        np.testing.assert_array_equal(dtraj, core_states(walk, CENTRES, 0.5))


def test_published_tokens_begin_where_the_running_mean_does():
    tokenizer = CoreSetTokenizer(CENTRES, how="published", mean_frames=10, commit_frames=5)
    for walk, dtraj in zip(walks(), tokenizer.fit_transform(walks()), strict=True):
        assert len(dtraj) == len(walk)
        assert (dtraj[:9] == -1).all()
        expected = without_short_visits(nearest_value(running_mean(walk[:, 0], 10), CENTRES[:, 0]), 5)
        np.testing.assert_array_equal(dtraj[9:], expected)


@pytest.mark.parametrize("how", ["core", "published"])
def test_it_is_the_same_when_loaded(how, tmp_path):
    tokenizer = CoreSetTokenizer(CENTRES, how, radius=0.4, mean_frames=7, commit_frames=3).fit(walks())
    tokenizer.save(tmp_path)
    loaded = CoreSetTokenizer.load(tmp_path)
    for one, two in zip(tokenizer.transform(walks(1)), loaded.transform(walks(1)), strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(loaded.stationary_distribution_, tokenizer.stationary_distribution_)
    assert loaded.stationary_distribution_.sum() == pytest.approx(1)


def test_an_unknown_way_is_refused():
    with pytest.raises(SettingsError, match="did you mean 'core'"):
        CoreSetTokenizer(CENTRES, how="cores")
