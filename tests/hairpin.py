"""A second small protein for tests: the first hairpin of Fip35, cut from the shipped structure, as a folder."""

from pathlib import Path

import yaml
from conftest import ROOT

FIRST, LAST = 5, 24  # residues of Fip35 that stay, counted from 0
SEQUENCE = "PGWEKRMSRDGRVYYFNHIT"
YAML = {
    "title": "First hairpin of Fip35",
    "description": "Two strands and the loop between them",
    "structure": "hairpin.pdb",
    "sequence": SEQUENCE,
    "contact_energy_kj_mol": 3.3,
    "desolvation_barrier": 0.0,
    "temperature_kelvin": 300,
    "friction_per_ps": 0.2,
    "timestep_fs": 20,
    "frame_interval_ps": 4,
    "parts": {"strand 1": [1, 8], "strand 2": [10, 18]},
    "contacts_between": {"hairpin": ["strand 1", "strand 2"]},
}


def make_hairpin(folder: Path, **changes) -> Path:
    """Write ``hairpin.pdb`` and ``system.yaml`` to a new folder; keys that are None are left out."""
    folder.mkdir(parents=True)
    content = {key: value for key, value in (YAML | changes).items() if value is not None}
    (folder / "system.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    (folder / "hairpin.pdb").write_text(cut_pdb(ROOT / "systems" / "fip35" / "fip35.pdb"), encoding="utf-8")
    return folder


def cut_pdb(path: Path) -> str:
    """The atoms of the residues that stay; the nitrogen that follows ends the chain as an oxygen."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("ATOM")]
    numbers = sorted({int(line[22:26]) for line in lines})
    kept = [line for line in lines if numbers[FIRST] <= int(line[22:26]) <= numbers[LAST]]
    following = next(line for line in lines if int(line[22:26]) == numbers[LAST + 1] and line[12:16].strip() == "N")
    last = kept[-1]
    kept.append(f"{following[:12]} OXT{last[16:26]}{following[26:76]} O{following[78:]}")
    return "\n".join([*kept, "TER", "END", ""])
