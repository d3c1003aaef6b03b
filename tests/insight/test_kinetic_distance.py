"""Kinetic distances: against eigenvectors; embeddings that are kinetic coordinates correlate perfectly, random ones by
chance."""

import numpy as np
import pytest
import torch
from chains import simulate, stationary
from scipy.stats import kstest

from mdtok.errors import DataError, SettingsError
from mdtok.insight import compare_kinetic_distances, kinetic_distances
from mdtok.models import MarkovModel, NanoGPT

LAG = 3


def ring(n_states, sideways=0.1, seed=0):
    """A random walk on a ring of states of unequal depth, in detailed balance."""
    depth = np.exp(0.5 * np.random.default_rng(seed).normal(size=n_states))
    flux = np.zeros((n_states, n_states))
    for i in range(n_states):
        j = (i + 1) % n_states
        flux[i, j] = flux[j, i] = sideways * min(depth[i], depth[j])
    matrix = flux / depth[:, None]
    return matrix + np.diag(1 - matrix.sum(axis=1))


def kinetic_map(matrix):
    """Right eigenvectors, normalised by the stationary distribution, times their eigenvalues: (n_states, n_states -
    1)."""
    pi = stationary(matrix)
    values, vectors = np.linalg.eigh(np.sqrt(pi)[:, None] * matrix / np.sqrt(pi))
    return (vectors / np.sqrt(pi)[:, None] * values)[:, :-1]  # the last, of eigenvalue 1, is constant


@pytest.fixture(scope="module")
def chains():
    return simulate(ring(12), 10, 3000, seed=3)


def test_the_closed_form_is_the_sum_over_eigenvectors():
    matrix = np.linalg.matrix_power(ring(9), LAG)
    placed = kinetic_map(matrix)
    expected = np.linalg.norm(placed[:, None] - placed, axis=-1)
    np.testing.assert_allclose(kinetic_distances(matrix, stationary(matrix)), expected, atol=1e-10)


def test_embeddings_from_the_eigenvectors_of_the_markov_model_correlate_perfectly(chains):
    matrix = MarkovModel(lagtime=LAG).fit(chains).msm_.transition_matrix
    model = NanoGPT.from_preset("tiny", max_steps=1, anchor=None, progress=False).fit(chains)
    weight = np.zeros((12, 32))
    weight[:, :11] = 7 * kinetic_map(matrix)
    model.network_.token_embedding.weight.data[:] = torch.from_numpy(weight)
    compared = compare_kinetic_distances(model, chains, LAG)
    assert float(compared.correlation.value) == pytest.approx(1, abs=1e-3)
    assert compared.p_value == 0.001 and float(compared.correlation.low) > 0.99
    assert "correlate with kinetic distances at a lag of 3 frames by 1.00" in str(compared)


def test_p_values_of_random_embeddings_are_uniform(chains):
    """Kolmogorov and Smirnov at 0.1 %."""
    rng = np.random.default_rng(0)
    p_values = [
        compare_kinetic_distances(rng.normal(size=(12, 4)), chains, LAG, n_permutations=39, seed=k).p_value
        for k in range(40)
    ]
    assert kstest(np.array(p_values) - rng.random(40) / 40, "uniform").pvalue > 0.001
    intervals = compare_kinetic_distances(rng.normal(size=(12, 4)), chains, LAG).correlation
    assert intervals.low < 0.2 and intervals.high > -0.2


def test_states_that_are_not_connected_are_left_out_and_that_is_said(chains):
    with_others = [*chains, np.array([12, 12, 12, 12, 13, 13, 13, 13])]
    embeddings = np.random.default_rng(1).normal(size=(15, 4))
    compared = compare_kinetic_distances(embeddings, with_others, LAG)
    assert compared.left_out.tolist() == [12, 13, 14] and compared.kinetic_distances.shape == (12, 12)
    assert "3 of 15 states are left out" in str(compared) and "left out" not in str(
        compare_kinetic_distances(embeddings[:12], chains, LAG)
    )
    np.testing.assert_array_equal(
        compared.kinetic_distances, compare_kinetic_distances(embeddings[:12], chains, LAG).kinetic_distances
    )


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        (dict(metric="taxi"), SettingsError, "metric is 'taxi'"),
        (dict(n_permutations=0), SettingsError, "n_permutations is 0"),
        (dict(lagtime=3000), DataError, "not shorter than the longest"),
        (dict(model="nanogpt"), SettingsError, "a str has no embeddings"),
        (dict(model=np.eye(11)), DataError, "holds the token 11"),
        (
            dict(model=np.eye(3), dtrajs=[np.random.default_rng(0).integers(0, 3, 90)]),
            DataError,
            "3 states are connected",
        ),
    ],
)
def test_bad_input_is_one_line(chains, arguments, error, words):
    arguments = {"model": np.eye(12), "dtrajs": chains, "lagtime": LAG, **arguments}
    with pytest.raises(error, match="(?i)" + words) as caught:
        compare_kinetic_distances(
            arguments.pop("model"), arguments.pop("dtrajs"), arguments.pop("lagtime"), **arguments
        )
    assert "\n" not in str(caught.value)
