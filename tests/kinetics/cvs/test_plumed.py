"""Input for PLUMED, read back by a strict reader, and the TorchScript file as PLUMED would call it."""

import re
import warnings

import numpy as np
import plumed_reader
import pytest
import torch
import two_peptides

from mdtok.errors import SettingsError
from mdtok.features import Dihedrals, Featurizer
from mdtok.kinetics import LinearCV, NetworkCV, save_torchscript, to_plumed


def linear(kind, n_cvs=1):
    featurizer = two_peptides.featurizer(kind)
    n_columns = len(featurizer.feature_names_) + featurizer.periodic_.sum()
    rng = np.random.default_rng(0)
    return LinearCV(featurizer, rng.normal(size=(n_columns, n_cvs)), rng.normal(size=n_columns))


@pytest.mark.parametrize("box_nm", [None, 4.0])
@pytest.mark.parametrize("kind", ["torsions", "distances", "contacts", "native"])
def test_the_input_gives_the_values_of_the_cv(kind, box_nm):
    cv, traj = linear(kind, n_cvs=2), two_peptides.frames(5, seed=4, box_nm=box_nm)
    text = to_plumed(cv, label="slow")
    found = [[plumed_reader.values(text, xyz, box_nm)[f"slow_{k}"] for k in (1, 2)] for xyz in traj.xyz]
    np.testing.assert_allclose(found, cv.transform(traj, progress=False)[0], atol=1e-5)


def test_atoms_are_counted_from_one_and_molecules_made_whole():
    text = to_plumed(linear("torsions"))
    assert "WHOLEMOLECULES ENTITY0=1-15 ENTITY1=16-30\n" in text
    assert "t1: TORSION ATOMS=3,4,5,6 NOPBC\n" in text
    assert "f1: CUSTOM ARG=t1 FUNC=cos(x) PERIODIC=NO  # cos phi GLY2 chain 0\n" in text
    across = [line for line in text.splitlines() if "ATOMS=4,10,19,25" in line]
    assert across == ["t18: TORSION ATOMS=4,10,19,25"]  # of two molecules: the nearest image


def test_what_plumed_cannot_say_is_named():
    with pytest.raises(SettingsError, match="'contact GLY1.*closest heavy atoms.*scheme='ca'"):
        to_plumed(linear("closest"))
    for label in ("t1", "f3", "two words", "1st", ""):
        with pytest.raises(SettingsError, match="label is"):
            to_plumed(linear("torsions"), label=label)
    with pytest.raises(SettingsError, match="A linear CV has no network"):
        save_torchscript(linear("torsions"), "model.ptc")


class Turned(torch.nn.Module):
    """Gives numbers that do not lie in memory in their order."""

    def __init__(self, n_columns):
        super().__init__()
        self.layer = torch.nn.Linear(n_columns, 3)

    def forward(self, x):
        return torch.tanh(self.layer(x)).flip(1).repeat(2, 1).T[:, : len(x)].T


def load(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(path)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_torchscript_is_what_plumed_calls(tmp_path, dtype):
    """PLUMED calls it with (1, n) of single precision, reads the memory of what it gives, and asks for its slope."""
    featurizer = Featurizer(Dihedrals("phi psi")).fit(two_peptides.frames(2))
    torch.manual_seed(0)
    cv = NetworkCV(featurizer, Turned(len(featurizer.feature_names_)).to(dtype))
    save_torchscript(cv, tmp_path / "model.ptc")
    model, traj = load(tmp_path / "model.ptc"), two_peptides.frames(4)
    expected, text = cv.transform(traj, progress=False)[0], to_plumed(cv, model_file="model.ptc")
    assert re.search(r"^cv: PYTORCH_MODEL \.\.\.\n  FILE=model.ptc\n  ARG=f1,f2,", text, re.MULTILINE)
    for xyz, value in zip(traj.xyz, expected):
        inputs = torch.tensor([plumed_reader.values(text, xyz)["cv"]], dtype=torch.float32, requires_grad=True)
        given = model(inputs)
        assert given.dtype == torch.float32 and given.shape == (1, 3) and given.is_contiguous()
        np.testing.assert_allclose(given.detach().numpy()[0], value, atol=1e-5)
        (slope,) = torch.autograd.grad(given[:, 0], inputs, torch.ones(1))
        assert slope.abs().max() > 1e-3


class Forked(torch.nn.Module):
    def forward(self, x):
        return x[:, :1] if x.sum() > 0 else x[:, 1:2]


def test_a_network_that_forks_is_refused(tmp_path):
    featurizer = two_peptides.featurizer("distances")
    with pytest.raises(
        SettingsError, match=r"decides in Python what it computes .test_plumed.py, line \d+.*torch.where"
    ):
        save_torchscript(NetworkCV(featurizer, Forked()), tmp_path / "model.ptc")
    assert not list(tmp_path.iterdir())
