"""Linear collective variables: values are those of deeptime, and bad input is said in one line."""

import mdtraj
import numpy as np
import pytest
import two_peptides
from deeptime.decomposition import TICA, VAMP

from mdtok.errors import DataError, SettingsError
from mdtok.features import Contacts, Dihedrals, Featurizer, RadiusOfGyration, Rmsd, encode_periodic
from mdtok.kinetics import LinearCV, fit_tica


@pytest.fixture(scope="module")
def traj():
    return two_peptides.frames(200, seed=1)


def encoded(featurizer, traj):
    return encode_periodic(featurizer.transform(traj, progress=False), featurizer.periodic_)


@pytest.mark.parametrize("scaling", [None, "kinetic_map"])
@pytest.mark.parametrize("estimator", [TICA, VAMP])
def test_values_are_those_of_deeptime(traj, estimator, scaling):
    featurizer = two_peptides.featurizer("torsions")
    [columns] = encoded(featurizer, traj)
    model = estimator(lagtime=2, dim=2, scaling=scaling).fit_fetch(columns)
    cv = LinearCV.from_model(featurizer, model)
    assert cv.n_cvs == 2
    np.testing.assert_allclose(cv.transform(traj, progress=False)[0], model.transform(columns), atol=2e-6)


def test_columns_are_named_as_the_encoded_features_are():
    featurizer = two_peptides.featurizer("all")
    cv = LinearCV(featurizer, np.ones(len(featurizer.feature_names_) + featurizer.periodic_.sum()))
    names = encode_periodic(np.zeros((1, len(featurizer.periodic_))), featurizer.periodic_, featurizer.feature_names_)[
        1
    ]
    assert cv.column_names == names


def test_feature_arrays_and_trajectories_give_the_same(traj):
    featurizer = two_peptides.featurizer("torsions")
    cv = LinearCV(featurizer, np.random.default_rng(0).normal(size=(36, 3)), np.full(36, 0.1))
    features = featurizer.transform([traj, traj[:7]], progress=False)
    one, other = cv.transform([traj, traj[:7]], progress=False), cv.transform(features)
    assert [array.shape for array in one] == [(200, 3), (7, 3)]
    for a, b in zip(one, other):
        np.testing.assert_array_equal(a, b)


def test_columns_that_never_change_are_named(traj):
    still = mdtraj.Trajectory(traj.xyz.copy(), traj.topology)
    still.xyz[:, :6] = still.xyz[:1, :6]
    featurizer = Featurizer([Dihedrals([(0, 2, 4, 5), (6, 8, 10, 12)])]).fit(still)
    model = fit_tica(encoded(featurizer, still), 2, 1)
    with pytest.raises(DataError, match=r"'cos GLY1-N.*', 'sin GLY1-N.*' did not change .*leave these columns out"):
        LinearCV.from_model(featurizer, model)


@pytest.mark.parametrize(
    "feature, said",
    [
        (Contacts(scheme="ca", kind="hard"), "'CA contact GLY1 .*hard contacts, which have no slope"),
        (RadiusOfGyration("all"), "'Rg' .of RadiusOfGyration. cannot be a force"),
        (Rmsd(two_peptides.frames(1), "all"), "'RMSD all' .of Rmsd. cannot be a force"),
    ],
)
def test_a_feature_without_a_force_is_named(feature, said):
    featurizer = Featurizer([Dihedrals("phi"), feature]).fit(two_peptides.frames(2))
    with pytest.raises(SettingsError, match=said):
        LinearCV(featurizer, np.ones(len(featurizer.feature_names_)))


def test_bad_input_is_said_in_one_line(traj):
    featurizer = two_peptides.featurizer("distances")
    n_columns = len(featurizer.feature_names_)
    with pytest.raises(DataError, match="not fitted; call fit"):
        LinearCV(Featurizer(Dihedrals("phi")), [1.0])
    with pytest.raises(DataError, match=rf"weights have the shape \(3,\).*{n_columns} rows were expected"):
        LinearCV(featurizer, [1, 2, 3])
    with pytest.raises(DataError, match="weights holds something that is no finite number"):
        LinearCV(featurizer, np.full(n_columns, np.nan))
    with pytest.raises(DataError, match="weights of CV 1 are all 0"):
        LinearCV(featurizer, np.column_stack([np.ones(n_columns), np.zeros(n_columns)]))
    with pytest.raises(SettingsError, match="dict is no fitted model of TICA or VAMP"):
        LinearCV.from_model(featurizer, {})
    angles = two_peptides.featurizer("torsions")
    model = fit_tica(angles.transform(traj, progress=False), 2, 1)
    with pytest.raises(
        DataError, match="model is of 20 columns, the encoded features have 36 .*fit it to encode_periodic"
    ):
        LinearCV.from_model(angles, model)
    with pytest.raises(DataError, match="Features of trajectory 0 have 3 columns"):
        LinearCV(featurizer, np.ones(n_columns)).transform(np.zeros((5, 3)))


def test_fitting_the_featurizer_anew_leaves_the_cv_as_it_is():
    featurizer = two_peptides.featurizer("distances")
    cv = LinearCV(featurizer, np.ones(len(featurizer.feature_names_)))
    featurizer.fit(two_peptides.frames(2, n_chains=1))
    assert cv.n_atoms == 30 and len(cv.featurizer.feature_names_) == len(cv.weights)
