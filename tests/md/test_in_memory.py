"""Trajectories of mdtraj in memory and universes of MDAnalysis are opened like files."""

from types import SimpleNamespace

import mdtraj
import numpy as np
import pytest
import torch

import mdtok
from mdtok.errors import DataError, SettingsError

XYZ = np.random.default_rng(0).random((20, 3, 3)).astype(np.float32) * 0.1


def _traj(n_atoms=3, step=2.0):
    topology = mdtraj.Topology()
    residue = topology.add_residue("ARG", topology.add_chain())
    for k in range(n_atoms):
        topology.add_atom(f"C{k}", mdtraj.element.carbon, residue)
    return mdtraj.Trajectory(XYZ[:, :n_atoms], topology, time=step * np.arange(20))


class Universe:
    """The part of MDAnalysis's Universe that is read, in its units (angstroms): MDAnalysis is no dependency."""

    def __init__(self):
        self.universe, self.bonds = self, []
        self.trajectory = Frames(self)
        self.atoms = Atoms(
            SimpleNamespace(index=k, name=f"C{k}", element="C", resname="ARG", resid=1, resindex=0, segid="A")
            for k in range(3)
        )
        self.atoms.positions = XYZ[0] * 10


Universe.__module__ = "MDAnalysis.core.universe"


class Atoms(list):
    positions: np.ndarray


class Frames:
    dt = 2.0

    def __init__(self, universe):
        self._universe = universe

    def __len__(self):
        return len(XYZ)

    def __getitem__(self, frame):
        self._universe.atoms.positions = XYZ[frame] * 10
        return SimpleNamespace(dimensions=np.array([50, 50, 50, 90, 90, 90.0]))


@pytest.mark.parametrize("make", [_traj, Universe])
def test_what_another_library_holds_is_opened(make):
    trajs = mdtok.open_trajectories([make(), make()], stride=2)
    assert (len(trajs), trajs.n_frames, trajs.dt_ps) == (2, 20, 4.0)
    np.testing.assert_allclose(trajs[1].load().xyz, XYZ[::2], atol=1e-6)
    np.testing.assert_allclose(trajs[0].frames([3, 1]).xyz, XYZ[[6, 2]], atol=1e-6)
    assert [len(chunk) for chunk in trajs[0].chunks(4)] == [4, 4, 2]


def test_a_universe_gives_the_features_of_its_trajectory():
    featurizer = mdtok.Featurizer([mdtok.RadiusOfGyration()])
    (expected,) = featurizer.fit_transform(_traj(), progress=False)
    for given in (Universe(), [Universe()], mdtok.open_trajectories(_traj())):
        np.testing.assert_allclose(featurizer.fit_transform(given, progress=False)[0], expected, atol=1e-6)


def test_what_is_held_is_checked():
    with pytest.raises(DataError, match="mdtraj trajectory 1 has 2 atoms"):
        mdtok.open_trajectories([_traj(), _traj(n_atoms=2)])
    with pytest.raises(DataError, match="does not say how far apart"):
        mdtok.open_trajectories(_traj(step=0.0))
    with pytest.raises(DataError, match=r"frames 2 ps apart, .* 3 ps"):
        mdtok.open_trajectories([_traj(), _traj(step=3.0)])
    with pytest.raises(SettingsError, match="their own topology"):
        mdtok.open_trajectories(_traj(), top=_traj())
    assert mdtok.open_trajectories(_traj(step=0.0), dt_ps=0.5).dt_ps == 0.5


@pytest.mark.parametrize("given", [torch.zeros(9, 3, 3), np.zeros((9, 3, 3)), "walk.xtc"])
def test_coordinates_alone_are_no_trajectory(given):
    with pytest.raises(DataError, match="was given as a trajectory"):
        mdtok.Featurizer([mdtok.RadiusOfGyration()]).fit(given)
