"""Collective variables of processes whose eigenvalues and committors are known."""

import numpy as np
import pytest
from chains import exact_timescales, simulate
from scipy.stats import spearmanr

from mdtok.errors import DataError, SettingsError
from mdtok.kinetics.collective_variables import compare_cvs, fit_tica, fit_vamp
from mdtok.kinetics.vampnet import fit_vampnet

TIMES = np.array([100.0, 10.0])  # relaxation times of the two coordinates, in frames
LAG = 10
TWO_STATES = np.array([[0.98, 0.02], [0.03, 0.97]])


def relaxing(n_trajectories, n_frames, seed, start=None):
    """Two independent Ornstein-Uhlenbeck coordinates of variance 1, in equilibrium unless they all start at `start`."""
    rng, decay = np.random.default_rng(seed), np.exp(-1 / TIMES)
    frames = np.empty((n_frames, n_trajectories, 2))
    frames[0] = rng.normal(size=(n_trajectories, 2)) if start is None else start
    for t in range(1, n_frames):
        frames[t] = decay * frames[t - 1] + np.sqrt(1 - decay**2) * rng.normal(size=(n_trajectories, 2))
    return list(frames.swapaxes(0, 1).copy())


@pytest.fixture(scope="module")
def held_out():
    return relaxing(60, 600, seed=1)


def halfway_in(estimate, exact, widened=2.5):
    """Whether the value is as near to the exact one as its interval says; widened 2.5 times, one in 1e6 fails."""
    return abs(estimate.value - exact) < widened * (estimate.high - estimate.low) / 2


def test_vamp2_and_timescale_of_coordinates_that_relax(held_out):
    """VAMP-2 is ``1 + Σ λ²`` with ``λ = exp(-lag / time)``, and the slowest timescale the larger time."""
    quality = compare_cvs({"both": held_out}, LAG, n_bootstrap=100)["both"]
    assert halfway_in(quality.vamp2, 1 + np.exp(-2 * LAG / TIMES).sum())
    assert halfway_in(quality.timescale_frames, 100)
    assert quality.rank == 2


def test_vamp2_and_timescale_of_two_states():
    chains = [(chain[:, None] == 0).astype(float) for chain in simulate(TWO_STATES, 40, 2000, seed=5)]
    quality = compare_cvs({"states": chains}, LAG, n_bootstrap=100)["states"]
    assert halfway_in(quality.vamp2, 1 + 0.95 ** (2 * LAG))
    assert halfway_in(quality.timescale_frames, exact_timescales(TWO_STATES)[0])


def test_intervals_hold_what_they_promise():
    """40 data sets: of each kind at most 8 intervals miss (a right one: 4e-4)."""
    missed = np.zeros(2)
    for seed in range(40):
        quality = compare_cvs({"x": relaxing(60, 300, seed=50 + seed)}, LAG, n_bootstrap=60, seed=seed)["x"]
        for which, (estimate, exact) in enumerate(
            [(quality.vamp2, 1 + np.exp(-2 * LAG / TIMES).sum()), (quality.timescale_frames, 100)]
        ):
            missed[which] += not estimate.low < exact < estimate.high
    assert (missed <= 8).all()


def test_out_of_equilibrium_the_timescale_is_not_what_symmetry_makes_of_it():
    """All start far out and relax: TICA's symmetrised covariances are off by more than four intervals, ours are not."""
    relaxing_from_far = relaxing(400, 200, seed=3, start=[5.0, 0.0])
    timescale = compare_cvs({"x": relaxing_from_far}, LAG, n_bootstrap=100)["x"].timescale_frames
    assert halfway_in(timescale, 100)
    symmetrised = fit_tica(relaxing_from_far, LAG, 2).timescales()[0]
    assert abs(symmetrised - 100) > 4 * (timescale.high - timescale.low) / 2


def test_nothing_changes_when_cvs_are_mixed_and_scaled(held_out):
    mixed = [x @ np.array([[1e3, 2.0], [-5.0, 1e-3]]) + [3.0, 1e4] for x in held_out]
    committor = [1 / (1 + np.exp(-x[:, 0])) for x in held_out]
    quality = compare_cvs({"plain": held_out, "mixed": mixed}, LAG, committor, reference="plain", n_bootstrap=20)
    for name in ("vamp2", "timescale_frames", "committor_correlation"):
        plain, other = (getattr(quality[which], name) for which in ("plain", "mixed"))
        np.testing.assert_allclose(list(other.to_dict().values()), list(plain.to_dict().values()), rtol=1e-5)
    np.testing.assert_allclose(quality["mixed"].vamp2_difference.value, 0, atol=1e-6)


def test_the_slow_coordinate_is_the_better_one_and_noise_is_worth_nothing(held_out):
    rng = np.random.default_rng(9)
    quality = compare_cvs(
        {
            "slow": [x[:, :1] for x in held_out],
            "fast": [x[:, 1:] for x in held_out],
            "noise": [rng.normal(size=(len(x), 1)) for x in held_out],
        },
        LAG,
        committor=[1 / (1 + np.exp(-3 * x[:, 0])) for x in held_out],
        reference="slow",
        n_bootstrap=60,
    )
    assert quality["fast"].vamp2_difference.high < 0
    assert halfway_in(quality["fast"].timescale_frames, 10)
    assert quality["noise"].vamp2.value == pytest.approx(1, abs=0.01)
    assert abs(quality["noise"].committor_correlation.value) < 0.05
    assert quality["slow"].committor_correlation.low > 0.9
    assert quality["slow"].best_spearman.value == pytest.approx(1)  # monotonous, if not linear


def test_the_committor_itself_is_perfect(held_out):
    committor = [1 / (1 + np.exp(-x[:, 0] - x[:, 1])) for x in held_out]
    cvs = {"with": [np.column_stack([x[:, 1], 3 - 2 * q]) for x, q in zip(held_out, committor)], "without": held_out}
    quality = compare_cvs(cvs, LAG, committor=committor, n_bootstrap=30)
    perfect = quality["with"].committor_correlation
    assert [perfect.value, perfect.low, perfect.high] == pytest.approx([1, 1, 1])
    assert quality["with"].best_spearman.value == pytest.approx(1)
    frames, values = np.concatenate(held_out), np.concatenate(committor)
    exact = max(abs(spearmanr(column, values).statistic) for column in frames.T)
    assert quality["without"].best_spearman.value == pytest.approx(exact)
    assert quality["without"].committor_correlation.value < 1


def test_a_fit_that_only_knows_its_own_half_is_not_believed():
    """Twelve columns of slow noise fit anything in few trajectories; judged on the other half, it is worth nothing."""
    rng = np.random.default_rng(2)
    noise = list(rng.normal(size=(8, 30, 12)).cumsum(axis=1))
    committor = list(1 / (1 + np.exp(-rng.normal(size=(8, 30)).cumsum(axis=1) / 5)))
    quality = compare_cvs({"noise": noise}, 1, committor=committor, n_folds=2, n_bootstrap=30)["noise"]
    frames, values = np.concatenate(noise), np.concatenate(committor)
    fitted = frames @ np.linalg.lstsq(frames - frames.mean(axis=0), values - values.mean(), rcond=None)[0]
    assert np.corrcoef(fitted, values)[0, 1] > 0.5 > quality.committor_correlation.value


def test_constant_and_collinear_columns_add_nothing(held_out):
    full = compare_cvs({"both": held_out}, LAG, n_bootstrap=20)["both"]
    padded = [np.column_stack([x, x[:, 0] - 2 * x[:, 1], np.full(len(x), 0.1, dtype=np.float32)]) for x in held_out]
    quality = compare_cvs({"padded": padded}, LAG, n_bootstrap=20)["padded"]
    assert quality.rank == 2
    assert quality.vamp2.value == pytest.approx(full.vamp2.value)
    assert quality.timescale_frames.value == pytest.approx(full.timescale_frames.value)


def test_single_precision_copies_are_one_cv(held_out):
    doubled = [np.column_stack([x[:, 0], x[:, 0].astype(np.float32) * np.float32(3.3)]) for x in held_out]
    assert compare_cvs({"doubled": doubled}, LAG, n_bootstrap=2)["doubled"].rank == 1


def test_tica_and_vamp_are_deeptimes_own_and_find_the_slow_direction(held_out):
    from deeptime.decomposition import CovarianceKoopmanModel

    mixed = [x @ np.array([[1.0, 1.0], [0.5, -0.5]]) for x in held_out]
    for fit in (fit_tica, fit_vamp):
        model = fit(mixed, LAG, n_dim=1)
        assert type(model) is CovarianceKoopmanModel
        found = np.concatenate([model.transform(x) for x in mixed])
        assert found.shape[1] == 1
        assert abs(np.corrcoef(found[:, 0], np.concatenate(held_out)[:, 0])[0, 1]) > 0.98


def test_bad_input_is_said_in_one_line(held_out):
    cvs, slow, uneven = {"a": held_out}, [x[:, :1] for x in held_out], [held_out[0][:5], *held_out[1:]]
    half = [np.full(len(x), 0.5) for x in held_out]
    for call, error, message in [
        (lambda: compare_cvs(cvs | {"b": slow}, LAG), DataError, "b has 1 CVs and a 2; sets of equal dimension"),
        (lambda: compare_cvs(cvs | {"b": [x[1:] for x in held_out]}, LAG), DataError, "not given for the same frames"),
        (lambda: compare_cvs(cvs, 600), DataError, "lag time of 600 frames is not shorter"),
        (lambda: compare_cvs({"a": uneven}, LAG), DataError, "Trajectory 0 has 5 frames"),
        (lambda: compare_cvs(cvs, 0), SettingsError, "The lag time is 0"),
        (lambda: compare_cvs(cvs, LAG, n_folds=1), SettingsError, "n_folds is 1"),
        (lambda: compare_cvs(cvs, LAG, n_folds=31), DataError, "60 trajectories are too few for 31 folds"),
        (lambda: compare_cvs(cvs, LAG, reference="b"), SettingsError, "'b' is none of the sets of CVs 'a'"),
        (lambda: compare_cvs({"a": [np.ones_like(x) for x in held_out]}, LAG), DataError, "All CVs of a are constant"),
        (lambda: compare_cvs(cvs, LAG, committor=half), DataError, "committor goes from 0.5 to 0.5"),
        (lambda: compare_cvs(cvs, LAG, committor=[x[:, 0] for x in held_out]), DataError, "committor goes from -"),
        (lambda: compare_cvs(cvs, LAG, committor=half[1:]), DataError, "not given for the same frames as the CVs"),
        (lambda: compare_cvs({"a": [np.full((20, 1), np.nan)] * 20}, 1), DataError, "frames that are not numbers"),
        (lambda: fit_tica(held_out, LAG, 3), DataError, "3 CVs were asked for, but the 2 features have 2"),
        (lambda: fit_vamp([np.hstack([x, x]) for x in slow], LAG, 2), DataError, "have 1 independent columns"),
        (lambda: fit_tica([np.ones((50, 2))], LAG, 1), DataError, "constant in all frames"),
        (lambda: fit_tica([np.ones((5, 2))], LAG, 1), DataError, "not shorter than the longest"),
    ]:
        with pytest.raises(error, match=message):
            call()


def test_a_vampnet_is_seeded_and_refuses_what_stands_still():
    rng = np.random.default_rng(0)
    wells = np.cumsum(rng.random(3000) < 0.01) % 2
    frames = np.column_stack([wells + rng.normal(0, 0.2, 3000), rng.normal(size=3000)])
    fits = [fit_vampnet([frames], 5, 1, seed=seed, n_epochs=3, progress=False).transform(frames) for seed in (1, 1, 2)]
    assert np.array_equal(fits[0], fits[1]) and not np.array_equal(fits[0], fits[2])
    with pytest.raises(DataError, match="Column 1 of the features is constant"):
        fit_vampnet([np.column_stack([frames[:, 0], np.ones(3000)])], 5, 1, progress=False)
