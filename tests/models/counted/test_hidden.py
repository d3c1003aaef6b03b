"""The hidden Markov model: known parameters are found, prediction and sampling agree, save and load."""

import numpy as np
import pytest

from mdtok.errors import DataError, SettingsError
from mdtok.models import HiddenMarkovModel, MarkovModel, load_model

HIDDEN = np.array([[0.98, 0.02], [0.05, 0.95]])
SHOWN = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]])


def observed(n_frames, seed):
    rng = np.random.default_rng(seed)
    hidden = np.zeros(n_frames, dtype=int)
    for frame in range(1, n_frames):
        hidden[frame] = rng.random() < HIDDEN[hidden[frame - 1], 1]
    return (SHOWN.cumsum(axis=1)[hidden] < rng.random((n_frames, 1))).sum(axis=1)


@pytest.fixture(scope="module")
def fitted():
    return HiddenMarkovModel(n_hidden=(2, 3), progress=False).fit([observed(20_000, seed=1)], [observed(5000, seed=2)])


def test_hidden_rates_are_found_and_memory_is_used(fitted):
    slowest = np.sort(np.linalg.eigvals(fitted.transition_matrix_).real)[-2]
    assert slowest == pytest.approx(0.93, abs=0.02)
    fresh = [observed(20_000, seed=3)]
    assert fitted.nats_per_token(fresh) < MarkovModel().fit([observed(20_000, seed=1)]).nats_per_token(fresh) - 0.02


def test_rows_are_those_of_the_forward_recursion(fitted):
    dtraj = observed(6, seed=5)
    rows = np.exp(fitted.predict_log_proba(dtraj))
    for frame in range(1, 6):  # probability of all tokens up to here, by brute force over products of matrices
        weights = fitted.start_ * fitted.emissions_[:, dtraj[0]]
        for token in dtraj[1:frame]:
            weights = (weights @ fitted.transition_matrix_) * fitted.emissions_[:, token]
        following = np.array(
            [((weights @ fitted.transition_matrix_) * fitted.emissions_[:, token]).sum() for token in range(3)]
        )
        assert np.allclose(rows[frame - 1], following / weights.sum())


def test_samples_have_the_slow_rate(fitted):
    chains = np.stack(fitted.sample([observed(50, seed=k) for k in range(40)], 2000, seed=4))
    x = chains - chains.mean()
    decay = [(x[:, lag:] * x[:, :-lag]).mean() for lag in (5, 15)]
    assert (decay[1] / decay[0]) ** 0.1 == pytest.approx(0.93, abs=0.03)


def test_it_is_the_same_after_saving(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    again, dtraj = load_model(tmp_path / "model"), observed(100, seed=6)
    assert np.array_equal(again.predict_log_proba(dtraj), fitted.predict_log_proba(dtraj))
    assert again.n_parameters == fitted.n_parameters


def test_bad_input_is_one_line():
    with pytest.raises(SettingsError, match="n_hidden is 1"):
        HiddenMarkovModel(n_hidden=1)
    with pytest.raises(DataError, match="ask for fewer"):
        HiddenMarkovModel(n_hidden=7, progress=False).fit([np.arange(300) % 3], [np.arange(60) % 3])
