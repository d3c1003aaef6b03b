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
from pathlib import Path

CHAINS = 100

CHILD = """
import json, logging, resource, sys, time
sys.path[:0] = sys.argv[1:2]
logging.disable(logging.WARNING)
import mdtok
from mdtok.models.catalogue import make_models
sys.path.append(sys.argv[2])
from calibrate_chains import chains_of
n_side, n_tokens, names = int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
dtrajs, basins = chains_of(n_side, n_tokens)
cut = int(0.7 * len(dtrajs))
models = make_models(names, macrostates=basins, progress=False)
began = time.perf_counter()
card = mdtok.score(models, dtrajs[:cut], dtrajs[cut:], 1.0, macrostates=basins, progress=False)
seconds = time.perf_counter() - began
megabytes = max(resource.getrusage(w).ru_maxrss for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1e3
print(json.dumps({"seconds": seconds, "megabytes": megabytes}))
"""


def chains_of(n_side, n_tokens):
    """Tokens of a torus with four basins, and the basin of each state."""
    import numpy as np
    from calibrate import Chain, torus

    matrix, basins = torus(n_side)
    return Chain(matrix, n_tokens // CHAINS).simulate(CHAINS, n_tokens // CHAINS, seed=1), np.asarray(basins)


def measure(checkout, arguments):
    """Seconds and megabytes of one checkout; None where it does not end in time."""
    here = Path(__file__).resolve().parent
    side = round(arguments.states**0.5)
    child = CHILD.replace("from calibrate_chains import chains_of", _chains_source())
    settings = [str(side), str(arguments.tokens), arguments.models]
    command = [sys.executable, "-c", child, str(checkout), str(here), *settings]
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=arguments.limit, env=environment)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def _chains_source():
    """`chains_of` and what it needs, free of the checkout that is measured."""
    import inspect

    import calibrate

    parts = (calibrate.stationary, calibrate.torus, calibrate.Chain)
    source = "import numpy as np\n" + "\n".join(inspect.getsource(part) for part in parts)
    own = inspect.getsource(chains_of).replace("    import numpy as np\n    from calibrate import Chain, torus\n", "")
    return f"{source}\nCHAINS = {CHAINS}\n{own}"


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
    for name, checkout in checkouts.items():
        found[name] = measure(checkout, arguments)
        shown = f"{found[name]['seconds']:.1f} s, {found[name]['megabytes']:.0f} MB" if found[name] else "did not end"
        text = f"{name}: {arguments.states} states, {arguments.tokens:,} tokens, {arguments.models}: {shown}\n"
        sys.stdout.write(text)
        sys.stdout.flush()
    if arguments.before:
        before = found["before"]["seconds"] if found["before"] else arguments.limit
        more = "" if found["before"] else "more than "
        sys.stdout.write(f"ratio: {more}{before / found['here']['seconds']:.1f}\n")


if __name__ == "__main__":
    main()
