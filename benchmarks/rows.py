"""The rows of all tasks in a folder of ``mdtok bench``, as one table.

for task in three-state-v1 lumped-v1 rare-v1 muller-brown-v1 four-state-v1 alanine-v1; do
    mdtok bench $task --models msm,semi-markov,history-msm,nanogpt-tiny --seeds 1 2 3 --training-steps 500
done
python benchmarks/rows.py bench benchmarks/rows.csv
"""

import csv
import json
import sys
from pathlib import Path


def main():
    folder, target = map(Path, sys.argv[1:3])
    tasks = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*/rows.json"))]
    rows = [{"task": task["task"], **row} for task in tasks for row in task["rows"]]
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
