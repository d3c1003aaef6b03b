"""Collective variables from their files: the same values, no pickle, damage in one line."""

import json

import numpy as np
import pytest
import torch
import two_peptides

from mdtok.errors import DataError, MdtokError, RunFolderError, SettingsError
from mdtok.features import Dihedrals, Featurizer, RadiusOfGyration
from mdtok.features.saved_featurizer import featurizer_to_dict
from mdtok.kinetics import LinearCV, NetworkCV, load_cv


def linear(kind="all"):
    featurizer = two_peptides.featurizer(kind)
    n_columns = len(featurizer.feature_names_) + featurizer.periodic_.sum()
    return LinearCV(featurizer, np.random.default_rng(0).normal(size=(n_columns, 2)), np.full(n_columns, 1 / 3))


def check(cv, path, network=None):
    cv.save(path)
    again, traj = load_cv(path, network), two_peptides.frames(5, box_nm=4.0)
    assert type(again) is type(cv) and again.column_names == cv.column_names
    np.testing.assert_array_equal(again.transform(traj, progress=False)[0], cv.transform(traj, progress=False)[0])


@pytest.mark.parametrize("kind", ["torsions", "distances", "contacts", "native", "closest", "all"])
def test_a_linear_cv_is_loaded_as_it_was_saved(tmp_path, kind):
    check(linear(kind), tmp_path / "cv.json")


def layers(n_columns):
    return [
        torch.nn.Linear(n_columns, 40),
        torch.nn.BatchNorm1d(40),
        torch.nn.Sequential(torch.nn.Tanh(), torch.nn.LayerNorm(40), torch.nn.Linear(40, 4, bias=False)),
        torch.nn.ELU(0.5),
        torch.nn.Softplus(2.0),
    ]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_network_of_known_layers_is_loaded_whole(tmp_path, dtype):
    torch.manual_seed(0)
    network = torch.nn.Sequential(*layers(36)).to(dtype)
    network(torch.randn(50, 36, dtype=dtype))  # so that the batch norm has seen something
    check(NetworkCV(two_peptides.featurizer("torsions"), network), tmp_path / "cv.json")
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".npz"}


class Own(torch.nn.Module):
    def __init__(self, n_hidden=5):
        super().__init__()
        self.one, self.other = torch.nn.Linear(36, n_hidden), torch.nn.Linear(n_hidden, 1)

    def forward(self, x):
        return self.other(torch.sin(self.one(x)))


def test_a_network_of_ones_own_is_put_together_with_its_class(tmp_path):
    torch.manual_seed(0)
    cv, fresh = NetworkCV(two_peptides.featurizer("torsions"), Own()), Own()
    before = fresh.one.weight.clone()
    check(cv, tmp_path / "cv.json", fresh)
    assert torch.equal(fresh.one.weight, before)
    with pytest.raises(SettingsError, match="holds the weights of a Own, .*pass network="):
        load_cv(tmp_path / "cv.json")
    with pytest.raises(DataError, match="no weights that fit one.bias of the network"):
        load_cv(tmp_path / "cv.json", Own(n_hidden=6))


def test_what_is_no_cv_is_said_in_one_line(tmp_path):
    path = tmp_path / "cv.json"
    with pytest.raises(SettingsError, match="ends in .json"):
        linear("torsions").save(tmp_path / "cv.pkl")
    with pytest.raises(RunFolderError, match="does not exist"):
        load_cv(path)
    path.write_text("[1, 2]")
    with pytest.raises(DataError, match="holds no collective variable"):
        load_cv(path)


def _changes(content):
    yield {**content, "schema": 2}
    yield {key: value for key, value in content.items() if key != "featurizer"}
    yield {**content, "weights": "many"}
    yield {**content, "weights": content["weights"][1:]}
    yield {**content, "featurizer": {**content["featurizer"], "names": ["other"]}}
    yield {**content, "featurizer": {**content["featurizer"], "features": [{"class": "os.system"}]}}
    yield {**content, "featurizer": {**content["featurizer"], "features": [{"class": "Dihedrals", "which": 7}]}}
    yield {**content, "featurizer": {**content["featurizer"], "topology": {"atoms": [["N", "N", 99]]}}}


def test_damage_is_said_in_one_line(tmp_path):
    path = tmp_path / "cv.json"
    linear("torsions").save(path)
    content, n_changes = json.loads(path.read_text()), 0
    for changed in _changes(content):
        path.write_text(json.dumps(changed))
        with pytest.raises(MdtokError) as raised:
            load_cv(path)
        assert "\n" not in str(raised.value)
        n_changes += 1
    assert n_changes == 8


def test_layers_from_a_file_take_no_memory_before_they_fit(tmp_path):
    """A layer of 4 TB in the file, which its weights are not."""
    path = tmp_path / "cv.json"
    NetworkCV(two_peptides.featurizer("torsions"), torch.nn.Sequential(torch.nn.Linear(36, 1))).save(path)
    content = json.loads(path.read_text())
    content["layers"][0].update(in_features=10**6, out_features=10**6)
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="no weights that fit"):
        load_cv(path)
    content["layers"][0]["layer"] = "Module"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="names the layer 'Module'"):
        load_cv(path)


def test_a_feature_that_no_file_can_say_is_named():
    featurizer = Featurizer([Dihedrals("phi"), RadiusOfGyration("all")]).fit(two_peptides.frames(2))
    with pytest.raises(SettingsError, match="The feature RadiusOfGyration cannot be saved"):
        featurizer_to_dict(featurizer)
