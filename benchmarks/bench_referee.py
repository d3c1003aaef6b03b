"""Speed of the referee: the score of Markov-type models on long chains, here and in another checkout.

    python benchmarks/bench_referee.py                                   # 100 states, 2 million tokens
    python benchmarks/bench_referee.py --before ../mdtok-before --tokens 400000 --limit 600
    python benchmarks/bench_referee.py --states 1024 --models msm,msm10,order2,semi-markov,msm2

Each side runs in a process of its own: seconds of `score` (fitting, rollouts and all), and the largest memory.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from calibrate import Chain, torus

N_CHAINS = 100

CHILD = """
import json, logging, resource, sys, time
import numpy as np
logging.disable(logging.WARNING)
import mdtok
from mdtok.models.catalogue import make_models
with np.load(sys.argv[1]) as file:
    dtrajs, basins = list(file["dtrajs"].astype(np.int64)), file["basins"]
cut = int(0.7 * len(dtrajs))
models = make_models(sys.argv[2], macrostates=basins, progress=False)
began = time.perf_counter()
mdtok.score(models, dtrajs[:cut], dtrajs[cut:], 1.0, macrostates=basins, progress=False)
seconds = time.perf_counter() - began
megabytes = max(resource.getrusage(w).ru_maxrss for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1e3
print(json.dumps({"seconds": seconds, "megabytes": megabytes}))
"""


def write_tokens(path, n_states, n_tokens):
    """Tokens of a torus with four basins, and the basin of each state."""
    matrix, basins = torus(round(n_states**0.5))
    n_frames = n_tokens // N_CHAINS
    dtrajs = Chain(matrix, n_frames).simulate(N_CHAINS, n_frames, seed=1)
    np.savez(path, dtrajs=np.array(dtrajs, dtype=np.int16), basins=basins)


def measure(checkout, tokens, models, limit):
    """Seconds and megabytes of one checkout; None where it does not end in time."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CHILD, str(tokens), models]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, env=environment)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--states", type=int, default=100, help="a square number")
    parser.add_argument("--tokens", type=int, default=2_000_000)
    parser.add_argument("--models", default="msm,msm10,order2,semi-markov,msm2")
    parser.add_argument("--before", default="", help="another checkout of mdtok")
    parser.add_argument("--limit", type=float, default=1800.0, help="seconds that each may take")
    arguments = parser.parse_args()
    checkouts = {"here": Path(__file__).resolve().parents[1]}
    if arguments.before:
        checkouts["before"] = Path(arguments.before).resolve()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        tokens = Path(folder) / "tokens.npz"
        write_tokens(tokens, arguments.states, arguments.tokens)
        for name, checkout in checkouts.items():
            found[name] = measure(checkout, tokens, arguments.models, arguments.limit)
            shown = (
                f"{found[name]['seconds']:.1f} s, {found[name]['megabytes']:.0f} MB" if found[name] else "did not end"
            )
            what = f"{arguments.states} states, {arguments.tokens:,} tokens, {arguments.models}"
            sys.stdout.write(f"{name}: {what}: {shown}\n")
            sys.stdout.flush()
    if arguments.before:
        before = found["before"]["seconds"] if found["before"] else arguments.limit
        more = "" if found["before"] else "more than "
        sys.stdout.write(f"ratio: {more}{before / found['here']['seconds']:.1f}\n")


if __name__ == "__main__":
    main()
