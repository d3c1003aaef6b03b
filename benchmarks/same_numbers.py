"""Do two run folders hold the same? Tokens and generated sequences to the letter, every number of the scorecard.

    python benchmarks/same_numbers.py runs/before runs/after

For changes that should move no number: the same command with the same seed, by the code before and after. Exit status
1 if
anything that both folders have differs; what only one of them has is listed.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

_NOT_NUMBERS = ("seconds", "per_second")  # what depends on the machine


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--most", type=int, default=20, help="differences that are listed")
    arguments = parser.parse_args()
    lines, n_same, n_other = [], 0, 0
    arrays = [arrays_of(path) for path in (arguments.before, arguments.after)]
    for folder in ("features", "labelled", "tokens", "rollouts"):
        one, two = ({name: load for name, load in of_run.items() if name[0] == folder} for of_run in arrays)
        both = one.keys() & two.keys()
        other = ["/".join(name) for name in sorted(both) if not same_array(one[name](), two[name]())]
        n_same, n_other = n_same + len(both) - len(other), n_other + len(other)
        only = ", ".join(f"{len(a.keys() - both)} only {title}" for title, a in (("before", one), ("after", two)))
        lines.append(f"{folder}: {len(both) - len(other)} of {len(both)} arrays that both have are the same ({only})")
        lines += [f"  differs: {name}" for name in other[: arguments.most]]
    cards = [facts_of(path / "report" / "scorecard.json") for path in (arguments.before, arguments.after)]
    both = [key for key in cards[0] if key in cards[1]]
    other = [key for key in both if not alike(cards[0][key], cards[1][key])]
    n_same, n_other = n_same + len(both) - len(other), n_other + len(other)
    lines.append(f"scorecard.json: {len(both) - len(other)} of {len(both)} entries that both have are the same")
    lines += [f"  differs: {key}: {cards[0][key]} before, {cards[1][key]} after" for key in other[: arguments.most]]
    for title, one, two in (("before", *cards), ("after", *reversed(cards))):
        alone = sorted({".".join(key.split(".")[:2]) for key in one if key not in two})
        lines += [f"  only {title}: {', '.join(alone)}"] if alone else []
    lines.append(f"{n_same} the same, {n_other} differ")
    sys.stdout.write("\n".join([*lines, ""]))
    sys.exit(1 if n_other else 0)


def arrays_of(run):
    """How to read every array of a run, by what it is; runs on potentials of version 0.1.0 had files of their own."""
    found = {}
    for folder in ("features", "labelled", "tokens", "rollouts"):
        for path in (run / folder).rglob("*.npy"):
            place = path.relative_to(run).with_suffix("").parts
            found[place] = lambda path=path: read(path)
    if (run / "trajectories").is_dir():
        found[("labelled", "trajectories")] = lambda: read(run / "trajectories" / "labelled.npy")
        found[("labelled", "labels")] = lambda: read(run / "trajectories" / "labels.npy")
        found |= rows_of(run / "trajectories" / "long.npy", ("features",))
    for path in (run / "rollouts").glob("*/thinned.npy"):
        del found["rollouts", path.parent.name, "thinned"]
        found |= rows_of(path, ("rollouts", path.parent.name, "features"))
    return found


def rows_of(path, place):
    """Each trajectory of an array of them, as if it lay in a file of its own."""
    return {(*place, f"{k:03d}"): lambda k=k: read(path)[k] for k in range(len(read(path)))}


def read(path):
    """An array of a file."""
    return np.load(path, allow_pickle=False)


def same_array(one, two):
    """Whether two arrays hold the same numbers."""
    return one.shape == two.shape and np.array_equal(one, two, equal_nan=True)


def facts_of(path, content=None, place=""):
    """All leaves of a JSON file by their place, but for times and speeds."""
    content = json.loads(path.read_text(encoding="utf-8")) if content is None else content
    facts = {}
    pairs = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in pairs:
        at = f"{place}.{key}" if place else str(key)
        if isinstance(value, (dict, list)):
            facts |= facts_of(path, value, at)
        elif not any(str(key).endswith(word) for word in _NOT_NUMBERS):
            facts[at] = value
    return facts


def alike(one, two):
    """Equal, or numbers that differ in the last digits only (sums in another order)."""
    if isinstance(one, float) and isinstance(two, float):
        return abs(one - two) <= 1e-9 * max(abs(one), abs(two))
    return one == two


if __name__ == "__main__":
    main()
