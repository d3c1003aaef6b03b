"""Take the figures of the Pin1 WW domain that Fip35 is built from: python take_figures.py 1pin.pdb

Writes crystal_figures.json beside this script: torsions of each residue, all distances between alpha carbons, and the
distances of heavy atoms in contact. The crystal structure is PDB entry 1PIN, Ranganathan, Lu, Hunter, Noel, Cell 89,
875 (1997); coordinates of the wwPDB are in the public domain (CC0). Residues are found by their sequence, so that the
whole entry and the domain alone will both do, and are numbered as those of Pin1.
"""

import argparse
import itertools
import json
import sys
from pathlib import Path

import numpy as np
from openmm import app, unit

from mdtok.errors import StructureError
from mdtok.md.dihedral_rotation import measure_dihedral
from mdtok.md.structure import sequence_of
from mdtok.storage import whole

# Loop 1 of Fip35 (SRDGR) is one residue shorter and another turn: no residue of it stands for D15, S18 or S19.
ALIGNMENT = {"crystal": "--KLPPGWEKRMSRSS-GRVYYFNHITNASQWERPSG", "fip35": "GSKLPPGWEKRMSR--DGRVYYFNHITNASQFERPSG"}
FIRST_NUMBER = 6  # of Lys in Pin1
CONTACT_NM = 0.45  # heavy atoms nearer than this are in contact
NEAREST_IN_CONTACT = 3  # residues apart along the chain
SIDE_CHAINS = {  # atoms along the side chain, each with its three forerunners a chi angle
    "ARG": "CB CG CD NE CZ",
    "ASN": "CB CG OD1",
    "GLN": "CB CG CD OE1",
    "GLU": "CB CG CD OE1",
    "HIS": "CB CG ND1",
    "ILE": "CB CG1 CD1",
    "LEU": "CB CG CD1",
    "LYS": "CB CG CD CE NZ",
    "MET": "CB CG SD CE",
    "PHE": "CB CG CD1",
    "PRO": "CB CG CD",
    "SER": "CB OG",
    "THR": "CB OG1",
    "TRP": "CB CG CD1",
    "TYR": "CB CG CD1",
    "VAL": "CB CG1",
}


def find_domain(path):
    """Residues of the WW domain in a PDB file, the indices of their heavy atoms by name, and all positions in nm."""
    if not Path(path).is_file():
        raise StructureError(f"{path} does not exist; PDB entry 1PIN was expected.")
    pdb = app.PDBFile(str(path))
    wanted = ALIGNMENT["crystal"].replace("-", "")
    for chain in pdb.topology.chains():
        residues = list(chain.residues())
        begin = sequence_of(residues).find(wanted)
        if begin >= 0:
            residues = residues[begin : begin + len(wanted)]
            positions = pdb.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
            return residues, [heavy_atoms(residue) for residue in residues], np.array(positions)
    raise StructureError(f"{path} holds no chain with the sequence {wanted}; PDB entry 1PIN was expected.")


def heavy_atoms(residue):
    """Indices of the heavy atoms of a residue, by name."""
    return {atom.name: atom.index for atom in residue.atoms() if atom.element.symbol != "H"}


def take_figures(path):
    """The table of figures, as plain values."""
    residues, atoms, positions = find_domain(path)
    return {
        "source": "PDB entry 1PIN, Pin1 WW domain, Ranganathan, Lu, Hunter, Noel, Cell 89, 875 (1997); CC0 1.0",
        "made_by": "systems/fip35/take_figures.py",
        "units": "degrees, nm; residues are numbered as those of Pin1",
        "alignment": ALIGNMENT,
        "contact_nm": CONTACT_NM,
        "residues": [_torsions(positions, residues, atoms, index) for index in range(len(residues))],
        "ca_distances_nm": [
            [_distance(positions, atoms[i]["CA"], atoms[j]["CA"]) for j in range(i + 1, len(atoms))]
            for i in range(len(atoms) - 1)
        ],
        "contacts": _contacts(positions, atoms),
    }


def _torsions(positions, residues, atoms, index):
    """Torsions of a residue: omega is that of the bond to the next, ca_dihedral that of its CA and the next three."""
    here = atoms[index]
    before = atoms[index - 1] if index else {}
    after = atoms[index + 1] if index + 1 < len(atoms) else {}
    quadruples = {
        "phi": (before.get("C"), here["N"], here["CA"], here["C"]),
        "psi": (here["N"], here["CA"], here["C"], after.get("N")),
        "omega": (here["CA"], here["C"], after.get("N"), after.get("CA")),
        "ca_dihedral": tuple(following["CA"] for following in atoms[index : index + 4]),
    }
    along = ["N", "CA", *SIDE_CHAINS.get(residues[index].name, "").split()]
    for chi in range(1, len(along) - 2):
        quadruples[f"chi{chi}"] = tuple(here.get(name) for name in along[chi - 1 : chi + 3])
    torsions = {
        name: round(measure_dihedral(positions, quadruple), 1)
        for name, quadruple in quadruples.items()
        if None not in quadruple and len(quadruple) == 4
    }
    return {"number": FIRST_NUMBER + index, "name": residues[index].name, **torsions}


def _contacts(positions, atoms):
    found = []
    for i, j in itertools.combinations(range(len(atoms)), 2):
        for first, second in itertools.product(atoms[i], atoms[j]):
            distance = _distance(positions, atoms[i][first], atoms[j][second])
            if j - i >= NEAREST_IN_CONTACT and distance < CONTACT_NM:
                found.append([FIRST_NUMBER + i, first, FIRST_NUMBER + j, second, distance])
    return found


def _distance(positions, first, second):
    return round(float(np.linalg.norm(positions[first] - positions[second])), 4)


def write_table(figures, path):
    """JSON with one residue, row or contact a line, that it can be read."""
    parts = []
    for key, value in figures.items():
        text = json.dumps(value)
        if isinstance(value, list):
            text = "[\n  " + ",\n  ".join(json.dumps(row) for row in value) + "\n ]"
        parts.append(f' "{key}": {text}')
    with whole(path) as partial:
        partial.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("crystal", help="PDB file of entry 1PIN, or of its WW domain")
    try:
        write_table(take_figures(parser.parse_args().crystal), Path(__file__).with_name("crystal_figures.json"))
    except StructureError as error:
        sys.exit(str(error))
