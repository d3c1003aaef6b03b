"""Runs killed at any moment by SIGKILL, SIGTERM or Ctrl-C, and given again: do they end as one that was left alone?

``python tests/kills/soak.py --kills 300 --seed 1`` prints a table: the stage that was interrupted, how often, and how
often something was lost, differed, or took longer than five seconds to end. Ends with status 1 if anything did.
"""

import argparse
import collections
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
OUTCOMES = ("kills", "differs", "failed", "slow end", "traceback")
SETTINGS = (
    *("--n-replicas", "4", "--length-ns", "0.4", "--n-states", "8", "--n-macrostates", "2", "--lagtime", "2"),
    *(
        "--models",
        "msm,order2,nanogpt-tiny",
        "--training-steps",
        "20",
        "--solvent",
        "vacuum",
        "--platform",
        "Reference",
    ),
    *("--lagtimes", "1", "2", "--n-chains", "8", "--no-progress", "--temperature-kelvin", "500"),
)


def start(out):
    """The command, as a process group of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    command = [sys.executable, str(ROOT / "protocols" / "run_alanine.py"), *SETTINGS, "--out", str(out)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def finish(process):
    """Status and what was said."""
    _, said = process.communicate(timeout=300)
    return process.returncode, said


def facts(out):
    """Hashes of all arrays and of the scorecard without times and speeds: what has to be the same."""
    hashes = {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for part in ("features", "tokens")
        for path in sorted((out / part).rglob("*.npy"))
    }
    hashes |= {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((out / "md").rglob("trajectory.xtc"))
    }
    card = json.loads((out / "report" / "scorecard.json").read_text(encoding="utf-8"))
    return hashes, _without_times(card)


def _without_times(content):
    if isinstance(content, dict):
        return {key: _without_times(value) for key, value in content.items() if "second" not in key}
    return [_without_times(value) for value in content] if isinstance(content, list) else content


def stage_of(out):
    """The last stage that had begun."""
    try:
        return json.loads((out / "manifest.json").read_text(encoding="utf-8"))["begun"][-1]
    except (OSError, ValueError, IndexError, KeyError):
        return "start"


def soak(n_kills, seed):
    """Kill runs so many times in all, several times each; stage -> outcomes."""
    draw, table = random.Random(seed), collections.defaultdict(collections.Counter)
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder) / "alone"
        began = time.monotonic()
        status, said = finish(start(alone))
        if status:
            sys.exit(f"the run that was left alone failed: {said[-2000:]}")
        takes, expected, done = time.monotonic() - began, facts(alone), 0
        while done < n_kills:
            out = Path(folder) / "killed"
            shutil.rmtree(out, ignore_errors=True)
            for _ in range(min(3, n_kills - done)):
                process, sent = start(out), draw.choice(SIGNALS)
                time.sleep(draw.uniform(0.2, takes))
                if process.poll() is not None:
                    process.communicate()
                    break
                stage, began = stage_of(out), time.monotonic()
                if sent == signal.SIGTERM:
                    process.send_signal(sent)
                else:
                    os.killpg(process.pid, sent)
                _, said = finish(process)
                counts = table[stage]
                counts["kills"] += 1
                counts["slow end"] += time.monotonic() - began > 5
                counts["traceback"] += "Traceback" in said
                done += 1
            status, said = finish(start(out))
            last = table[stage_of(out)]
            last["failed"] += status != 0
            if status == 0 and facts(out) != expected:
                last["differs"] += 1
            if status or "Traceback" in said:
                print(said[-1500:], flush=True)
            print(f"{done} kills", flush=True)
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    settings = parser.parse_args()
    table = soak(settings.kills, settings.seed)
    print(f"{'stage':<12}" + "".join(f"{outcome:>11}" for outcome in OUTCOMES))
    for stage, counts in table.items():
        print(f"{stage:<12}" + "".join(f"{counts[outcome]:>11}" for outcome in OUTCOMES))
    sys.exit(1 if any(counts[outcome] for counts in table.values() for outcome in OUTCOMES[1:]) else 0)


if __name__ == "__main__":
    main()
