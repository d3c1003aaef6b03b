"""The rows of all tasks in a folder of ``mdtok bench``, added to one table; same model and seed: replaced.

for task in three-state-v1 lumped-v1 rare-v1 muller-brown-v1 four-state-v1 alanine-v1; do
    mdtok bench $task --models msm,semi-markov,history-msm,nanogpt-tiny --seeds 1 2 3 --training-steps 500
    mdtok bench $task --models lstm,nanogpt-narrow-reversible --seeds 1 2 3 --training-steps 500 --out networks
done
python benchmarks/rows.py bench benchmarks/rows.csv
python benchmarks/rows.py networks benchmarks/rows.csv
"""

import csv
import sys
from pathlib import Path

from mdtok.storage import read_json, whole


def main():
    folder, target = map(Path, sys.argv[1:3])
    known = {}
    if target.exists():
        with target.open(newline="", encoding="utf-8") as file:
            known = {_key(row): row for row in csv.DictReader(file)}
    for path in sorted(folder.glob("*/rows.json")):
        found = read_json(path)
        known |= {_key(row): row for row in ({"task": found["task"], **row} for row in found["rows"])}
    rows = sorted(known.values(), key=lambda row: (row["task"], int(row["seed"])))
    with whole(target) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _key(row):
    return row["task"], row["model"], int(row["seed"])


if __name__ == "__main__":
    main()
