"""Opening many trajectories, and reading one through mdtok and through mdtraj: python benchmarks/bench_open.py"""

import argparse
import tempfile
import time
from pathlib import Path

import mdtraj
import numpy as np

from mdtok import open_trajectories


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-files", type=int, default=1000)
    parser.add_argument("--n-frames", type=int, default=100)
    parser.add_argument("--n-atoms", type=int, default=22)
    settings = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        topology = write(Path(folder), settings)
        paths = sorted(Path(folder).glob("*.xtc"))
        mdtok_first = timed(lambda: open_trajectories(paths, top=topology))
        mdtok_again = timed(lambda: open_trajectories(paths, top=topology))
        loaded = timed(lambda: [mdtraj.load(str(path), top=topology) for path in paths])
    print(f"{len(paths)} XTC files of {settings.n_frames} frames and {settings.n_atoms} atoms")
    print(f"mdtok opens them, seen for the first time   {mdtok_first:8.2f} s")
    print(f"mdtok opens them again                      {mdtok_again:8.2f} s")
    print(f"mdtraj loads them                           {loaded:8.2f} s")
    print(f"opening / loading: {mdtok_first / loaded:.2f} the first time, {mdtok_again / loaded:.2f} again")


def write(folder, settings):
    topology, rng = mdtraj.Topology(), np.random.default_rng(0)
    chain = topology.add_chain()
    for _ in range(settings.n_atoms):
        topology.add_atom("CA", mdtraj.element.carbon, topology.add_residue("GLY", chain))
    for number in range(settings.n_files):
        xyz = rng.normal(size=(settings.n_frames, settings.n_atoms, 3))
        trajectory = mdtraj.Trajectory(xyz, topology, time=np.arange(settings.n_frames, dtype=float))
        trajectory.save_xtc(str(folder / f"run{number:04d}.xtc"))
    return topology


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
