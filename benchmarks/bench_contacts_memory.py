"""Peak memory of the tokenize stage of run_fip35.py on a trajectory as long as the published ones: 2 x 500,000 frames.

    python benchmarks/bench_contacts_memory.py [--n-frames 1000000] [--limit-gb 2]

The trajectories are made up: a short simulation of the Cα model played forwards and backwards, with noise of 0.01 nm in
every coordinate, as two XTC files in a temporary folder, which takes about 3 GB for a million frames. The stage runs in
a process of its own. Printed are
- its anonymous memory: the largest RssAnon of /proc/<pid>/status, looked at every 20 ms. That is what the stage needs;
- all that was resident at once, with memory-mapped pages of files, which the system takes back when somebody else needs
them;
- what the contacts of all frames would take, held in memory.
With --limit-gb the process may not allocate more than that (RLIMIT_DATA: all private writable memory, touched or not).
Linux only.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import mdtraj
import numpy as np
from mdtraj.formats import XTCTrajectoryFile

import mdtok
from mdtok.features import Contacts
from mdtok.features.featurizer import WORKING_GB

PROTOCOL = Path(__file__).resolve().parents[1] / "protocols" / "run_fip35.py"
CHUNK = 5000


def write_long(simulated, path, n_frames, dt_ps, rng):
    """A trajectory of any length out of a short one: forwards, backwards, forwards, …, so that no frame jumps."""
    there_and_back = np.concatenate([simulated.xyz, simulated.xyz[-2:0:-1]])
    with XTCTrajectoryFile(str(path), "w") as file:
        for start in range(0, n_frames, CHUNK):
            frames = np.arange(start, min(start + CHUNK, n_frames))
            xyz = there_and_back[frames % len(there_and_back)]
            noise = rng.normal(scale=0.01, size=xyz.shape)
            file.write(
                (xyz + noise).astype(np.float32), time=(dt_ps * frames).astype(np.float32), step=frames.astype(np.int32)
            )


def anonymous_bytes(pid):
    """Anonymous memory that is resident now, in bytes; 0 of a process that has ended."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return 1024 * int(line.split()[1])
    return 0


def run_watched(command, limit_gb):
    """Run a command; its largest anonymous memory and largest resident memory in bytes, and its seconds."""

    def limited():
        if limit_gb:
            resource.setrlimit(resource.RLIMIT_DATA, (int(limit_gb * 1e9),) * 2)

    began, anonymous = time.perf_counter(), 0
    process = subprocess.Popen(command, preexec_fn=limited)
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        anonymous = max(anonymous, anonymous_bytes(process.pid))
        time.sleep(0.02)
    if status:
        sys.exit(f"{' '.join(map(str, command))} ended with status {os.waitstatus_to_exitcode(status)}.")
    return anonymous, 1024 * usage.ru_maxrss, time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-frames", type=int, default=1_000_000, help="of both trajectories together")
    parser.add_argument(
        "--simulated-ns", type=float, default=20.0, help="of each of two replicas that the frames are taken from"
    )
    parser.add_argument("--limit-gb", type=float, default=0.0, help="memory that the stage may allocate; 0: no limit")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        system = mdtok.load_system("fip35_calpha")
        replicas = mdtok.run_replicas(
            system, 2, arguments.simulated_ns, arguments.seed, out=folder / "md", platform="Reference"
        )
        top, files = folder / "md" / "replica_000" / "topology.pdb", []
        for replica in replicas:
            files.append(folder / f"long_{len(files)}.xtc")
            write_long(replica.load(), files[-1], arguments.n_frames // 2, replicas.dt_ps, rng)
        n_columns = len(Contacts(scheme="ca").names(mdtraj.load_topology(str(top))))
        anonymous, resident, seconds = run_watched(
            [
                sys.executable,
                PROTOCOL,
                "--traj",
                *files,
                "--top",
                top,
                "--stage",
                "tokenize",
                "--out",
                folder / "run",
                "--seed",
                str(arguments.seed),
            ],
            arguments.limit_gb,
        )
    in_memory_gb = arguments.n_frames * n_columns * 4 / 1e9 + WORKING_GB
    print(f"{n_columns} contacts of {arguments.n_frames:,} frames, states and macrostates of them, in {seconds:.0f} s")
    print(f"anonymous memory, peak           {anonymous / 1e9:6.2f} GB")
    print(f"resident, with pages of files    {resident / 1e9:6.2f} GB")
    print(f"estimate if held in memory       {in_memory_gb:6.2f} GB")


if __name__ == "__main__":
    main()
