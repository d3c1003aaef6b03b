"""Chunk by chunk is the same as all at once: deeptime's own fit and transform are the answer."""

import numpy as np
import pytest
from deeptime.decomposition import TICA, VAMP

from mdtok.features.streaming import fit_in_chunks, map_chunks


def features(lengths, idle, seed=0):
    """Slow walks mixed into 80 columns in single precision, `idle` of which do not move for long."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(4, 80))
    arrays = []
    for n in lengths:
        walk = 0.05 * np.cumsum(rng.normal(size=(n, 4)), axis=0)
        arrays.append((np.tanh(walk @ mixing) + 0.1 * rng.normal(size=(n, 80)) + 3).astype(np.float32))
        arrays[-1][: n // 2, :idle] = 0
    return arrays


@pytest.mark.parametrize("estimator", [TICA, VAMP])
@pytest.mark.parametrize(
    "lengths, idle", [([3000, 1700], 0), ([3000, 1700], 70), ([11, 2000, 11, 12], 0)]
)  # 11: a single pair
@pytest.mark.parametrize("chunk_numbers", [80, 8000, 10**6])
def test_fit_and_projection_are_deeptimes(monkeypatch, estimator, lengths, idle, chunk_numbers):
    if chunk_numbers == 80:
        lengths = [length // 10 if length > 100 else length for length in lengths]
    monkeypatch.setattr("mdtok.features.arrays.CHUNK_NUMBERS", chunk_numbers)
    arrays = features(lengths, idle)
    doubles = [array.astype(np.float64) for array in arrays]
    whole = estimator(lagtime=10, dim=3).fit_from_timeseries(doubles).fetch_model()
    model = fit_in_chunks(estimator(lagtime=10, dim=3), arrays)
    for name in ("cov_00", "cov_0t", "cov_tt", "mean_0", "mean_t"):
        np.testing.assert_allclose(getattr(model.cov, name), getattr(whole.cov, name), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(model.singular_values[:3], whole.singular_values[:3], rtol=1e-9)
    for array, double in zip(arrays, doubles):
        np.testing.assert_allclose(map_chunks(model.transform, array), whole.transform(double), atol=1e-7)
