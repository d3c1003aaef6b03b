"""TICA's lag and dimension by cross-validated VAMP-2: two slow coordinates of eight are found, and bad input is
said."""

import numpy as np
import pytest

from mdtok.errors import DataError, SettingsError
from mdtok.features.streaming import fit_in_chunks
from mdtok.tokens import choose_tica


def relaxing(rates, n_trajectories, n_frames, seed):
    """Trajectories of independent coordinates, each relaxing at its own rate."""
    rng, decay = np.random.default_rng(seed), np.exp(-np.asarray(rates))
    walks = np.zeros((n_trajectories, n_frames, len(rates)))
    for t in range(1, n_frames):
        walks[:, t] = decay * walks[:, t - 1] + np.sqrt(1 - decay**2) * rng.normal(size=(n_trajectories, len(rates)))
    return list(walks)


def test_the_slow_coordinates_are_kept_and_their_score_is_known():
    features = relaxing([1 / 100, 1 / 20, 3, 3, 3, 3, 3, 3], 12, 3000, seed=0)
    choice = choose_tica(features, [5, 20], [1, 2, 4, 8], scoring_lagtime=10, progress=False)
    assert choice.n_dim == 2
    # VAMP-2 is one and the squared autocorrelations of the coordinates that are kept
    assert choice.scores[:, 1] == pytest.approx([1 + np.exp(-20 / 100) + np.exp(-20 / 20)] * 2, abs=0.06)
    assert "chosen: 2 components" in str(choice)


def test_few_long_trajectories_are_cut_and_a_seed_repeats():
    features = relaxing([1 / 50, 3], 2, 4000, seed=1)
    first, again = (choose_tica(features, [10], [1, 2], 10, seed=4, progress=False) for _ in range(2))
    assert first.n_dim == 1 and np.array_equal(first.scores, again.scores)


@pytest.mark.parametrize("lengths", [(10_000, 12_000), (30_000, 200, 200), (1500,) * 12])
def test_of_many_numbers_ten_blocks_or_more_are_looked_at(monkeypatch, lengths):
    """4000 frames of four columns are the most here; whatever the trajectories, no more are read and each fold has its
    blocks."""
    seen = []

    def fit(estimator, features):
        seen.append([len(array) for array in features])
        return fit_in_chunks(estimator, features)

    monkeypatch.setattr("mdtok.tokens.tica_choice._MOST_NUMBERS", 16_000)
    monkeypatch.setattr("mdtok.tokens.tica_choice.fit_in_chunks", fit)
    rng = np.random.default_rng(2)
    features = [rng.normal(size=(n, 4)).cumsum(axis=0) for n in lengths]
    choose_tica(features, [5], [1], 5, progress=False)
    assert len(seen) == 5 and all(len(part) >= 8 for part in seen)  # four of five folds
    assert all(2800 < sum(part) * 5 / 4 < 4500 for part in seen)  # folds are not equally long


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        (([], [1], 10), SettingsError, "lagtimes is []"),
        (([5], [0], 10), SettingsError, r"dims is [0]"),
        (([5], [1], 0), SettingsError, "scoring_lagtime is [0]"),
        (([500], [1], 10), DataError, "longer than the lag of 500"),
    ],
)
def test_bad_input_is_one_line(arguments, error, words):
    with pytest.raises(error) as caught:
        choose_tica(relaxing([0.1], 12, 100, seed=0), *arguments, progress=False)
    assert words in str(caught.value) and "\n" not in str(caught.value)
