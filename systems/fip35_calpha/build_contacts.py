"""Write contacts.json: the native contacts of Fip35, from the table of crystal figures beside the all-atom structure.

    python systems/fip35_calpha/build_contacts.py

Residues in contact have heavy atoms closer than 0.45 nm in the crystal structure 1PIN and are four or more apart in the
sequence of Fip35. Residues that 1PIN does not have (two of loop 1, and the ends) have none.
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "fip35"))

from figures import read_figures  # noqa: E402

NEAREST_IN_SEQUENCE = 4

if __name__ == "__main__":
    figures = read_figures()
    pairs = [pair for pair in figures.native_pairs if pair[1] - pair[0] >= NEAREST_IN_SEQUENCE]
    source = (
        f"heavy atoms within {figures.contact_nm} nm in PDB entry 1PIN, ../fip35/crystal_figures.json; "
        "residues of Fip35 from 1"
    )
    lines = ",\n  ".join(json.dumps(pair) for pair in pairs)
    (HERE / "contacts.json").write_text(
        f'{{\n "source": {json.dumps(source)},\n "pairs": [\n  {lines}\n ]\n}}\n', encoding="utf-8"
    )
    sys.stdout.write(f"{len(pairs)} contacts\n")
