"""Positions of particles, one array a particle, and what is refused."""

import mdtraj
import numpy as np
import pytest

import mdtok
from mdtok.errors import DataError
from mdtok.features import split_particles
from mdtok.md import open_trajectories
from mdtok.storage import read_json


@pytest.fixture(scope="module")
def trajs(tmp_path_factory):
    system = mdtok.load_system("muller_brown", n_particles=12)
    out = tmp_path_factory.mktemp("particles") / "md"
    return mdtok.run_replicas(system, 3, 0.006, seed=5, out=out, platform="Reference", n_processes=1, progress=False)


def test_one_array_a_particle_replica_by_replica(trajs):
    particles = split_particles(trajs)
    assert [x.shape for x in particles] == [(6, 2)] * 36 and all(x.dtype == np.float32 for x in particles)
    for index, trajectory in enumerate(trajs):
        xyz = trajectory.load().xyz
        for particle in range(12):
            assert np.array_equal(particles[12 * index + particle], xyz[:, particle, :2])


def test_positions_are_those_of_the_simulation_to_the_precision_of_xtc(trajs):
    system = mdtok.load_system("muller_brown", n_particles=12)
    first = np.array([x[0] for x in split_particles(trajs)])  # 1 ps after the starts, where sqrt(2 D t) is 0.045 nm
    seeds = [read_json(path.parent / "settings.json")["seed"] for path in trajs.paths]
    starts = [system.start_positions(name, seed)[:, :2] for name, seed in zip(("deep", "shallow", "deep"), seeds)]
    assert np.abs(first - np.concatenate(starts)).max() < 0.3
    assert np.allclose(first, np.round(first, 3), atol=1e-6)


def test_some_replicas_and_a_stride(trajs):
    assert len(split_particles(trajs[1:])) == 24
    topology = trajs.paths[0].parent / "topology.pdb"
    thinned = split_particles(open_trajectories(trajs.paths, top=topology, stride=2))
    assert all(np.array_equal(few, x[::2]) for few, x in zip(thinned, split_particles(trajs)))


def test_a_molecule_is_refused(tmp_path):
    system = mdtok.load_system("alanine_dipeptide", progress=False)
    topology = mdtraj.Topology.from_openmm(system.topology)
    mdtraj.Trajectory(system.positions, topology, time=[1.0]).save_xtc(str(tmp_path / "a.xtc"))
    with pytest.raises(DataError, match="trajectories of a molecule"):
        split_particles(open_trajectories([tmp_path / "a.xtc"], top=topology, dt_ps=1.0))
