"""Do two run folders hold the same? Tokens and generated sequences to the letter, every number of the scorecard.

    python benchmarks/same_numbers.py runs/before runs/after

For changes that should move no number: the same command with the same seed, by the code before and after. Exit status 1 if
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
    for folder in ("features", "tokens", "rollouts"):
        same, other, alone = compare_arrays(arguments.before / folder, arguments.after / folder)
        n_same, n_other = n_same + same, n_other + len(other)
        lines += [f"{folder}: {same} arrays are the same"]
        lines += [f"  differs: {name}" for name in other] + [f"  in one only: {name}" for name in alone]
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


def compare_arrays(before, after):
    """Number of arrays that are the same; names of those that differ; names of those that only one folder has."""
    names = [{str(path.relative_to(folder)) for path in folder.rglob("*.npy")} for folder in (before, after)]
    other = [name for name in sorted(names[0] & names[1]) if not same_array(before / name, after / name)]
    return len(names[0] & names[1]) - len(other), other, sorted(names[0] ^ names[1])


def same_array(one, two):
    """Whether two files hold the same numbers."""
    first, second = (np.load(path, allow_pickle=False) for path in (one, two))
    return first.shape == second.shape and np.array_equal(first, second, equal_nan=True)


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
