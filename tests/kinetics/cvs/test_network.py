"""Collective variables of networks: values are those of the network, and bad networks are said in one line."""

import numpy as np
import pytest
import torch
import two_peptides

from mdtok.errors import DataError
from mdtok.features import encode_periodic
from mdtok.kinetics import NetworkCV
from mdtok.kinetics.cvs.columns import atoms_of
from mdtok.kinetics.cvs.differentiable import EncodedFeatures


@pytest.mark.parametrize("box_nm", [None, 4.0])
def test_torch_computes_the_features_of_the_featurizer(box_nm):
    """The network is the identity: each column is compared."""
    cv, traj = NetworkCV(two_peptides.featurizer("all"), torch.nn.Identity()), two_peptides.frames(8, box_nm=box_nm)
    atoms = atoms_of(cv.columns)
    encode = EncodedFeatures(cv.columns, atoms)
    box = None if box_nm is None else box_nm * torch.eye(3, dtype=torch.float64)
    found = torch.cat([encode(torch.as_tensor(xyz[atoms], dtype=torch.float64), box) for xyz in traj.xyz])
    np.testing.assert_allclose(found, cv.transform(traj, progress=False)[0], atol=1e-5)


def test_the_network_is_kept_as_it_is_used():
    """Without dropout, and whatever becomes of the original."""
    network = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(36, 1))
    featurizer, traj = two_peptides.featurizer("torsions"), two_peptides.frames(5)
    cv = NetworkCV(featurizer, network)
    assert network.training and network[1].weight.requires_grad
    [encoded] = encode_periodic(featurizer.transform(traj, progress=False), featurizer.periodic_)
    expected = encoded @ network[1].weight.detach().numpy().T.astype(float) + network[1].bias.item()
    torch.nn.init.zeros_(network[1].weight)
    np.testing.assert_allclose(cv.transform(traj, progress=False)[0], expected, atol=1e-6)


@pytest.mark.parametrize(
    "network, said",
    [
        (torch.nn.Linear(3, 1), "does not take the 36 columns of the encoded features"),
        (torch.nn.Flatten(0), r"gives \(72,\) for 2 frames; a tensor of shape \(2, n_cvs\) was expected"),
        (torch.nn.LSTM(36, 2), "gives tuple for 2 frames"),
    ],
)
def test_other_networks_are_refused(network, said):
    with pytest.raises(DataError, match=said):
        NetworkCV(two_peptides.featurizer("torsions"), network)
