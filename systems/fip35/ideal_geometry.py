"""The heavy atoms of a peptide from its sequence and torsions, with ideal bond lengths and angles.

Each atom is placed by a length, an angle and a dihedral to three earlier atoms. Backbone values are those of Engh and
Huber, Acta Cryst. A47, 392 (1991); side chains have rounded values by the kind of atom, which the force field mends.
"""

import numpy as np
from openmm import app, unit

BACKBONE = {  # bond length in nm, then the angle with the bond before, in degrees
    "N": (0.1329, 116.2),
    "CA": (0.1458, 121.7),
    "C": (0.1525, 111.2),
    "O": (0.1231, 120.8),
    "CB": (0.1530, 110.4),
}
THREE_LETTERS = dict(
    zip(
        "ARNDCQEGHILKMFPSTWYV",
        "ALA ARG ASN ASP CYS GLN GLU GLY HIS ILE LEU LYS MET PHE PRO SER THR TRP TYR VAL".split(),
    )
)
# Behind CB: atom, its three forerunners, length, angle, and the dihedral: degrees, or a chi angle and what is added.
SP3, FLAT, RING5, LONG = (0.1525, 113.0), (0.1390, 120.0), (0.1370, 108.5), (0.1810, 110.0)
SIDE_CHAINS = {
    "ALA": [],
    "GLY": [],
    "ARG": [
        ("CG", "CB CA N", *SP3, "chi1", 0),
        ("CD", "CG CB CA", *SP3, "chi2", 0),
        ("NE", "CD CG CB", *SP3, "chi3", 0),
        ("CZ", "NE CD CG", 0.1330, 124.0, "chi4", 0),
        ("NH1", "CZ NE CD", *FLAT, None, 0),
        ("NH2", "CZ NE CD", *FLAT, None, 180),
    ],
    "ASN": [
        ("CG", "CB CA N", *SP3, "chi1", 0),
        ("OD1", "CG CB CA", 0.1231, 121.0, "chi2", 0),
        ("ND2", "CG CB CA", 0.1330, 117.0, "chi2", 180),
    ],
    "ASP": [
        ("CG", "CB CA N", *SP3, "chi1", 0),
        ("OD1", "CG CB CA", 0.1250, 118.0, "chi2", 0),
        ("OD2", "CG CB CA", 0.1250, 118.0, "chi2", 180),
    ],
    "CYS": [("SG", "CB CA N", *LONG, "chi1", 0)],
    "GLN": [
        ("CG", "CB CA N", *SP3, "chi1", 0),
        ("CD", "CG CB CA", *SP3, "chi2", 0),
        ("OE1", "CD CG CB", 0.1231, 121.0, "chi3", 0),
        ("NE2", "CD CG CB", 0.1330, 117.0, "chi3", 180),
    ],
    "GLU": [
        ("CG", "CB CA N", *SP3, "chi1", 0),
        ("CD", "CG CB CA", *SP3, "chi2", 0),
        ("OE1", "CD CG CB", 0.1250, 118.0, "chi3", 0),
        ("OE2", "CD CG CB", 0.1250, 118.0, "chi3", 180),
    ],
    "HIS": [
        ("CG", "CB CA N", *SP3, "chi1", 0),
        ("ND1", "CG CB CA", 0.1370, 123.0, "chi2", 0),
        ("CD2", "CG CB CA", 0.1370, 130.0, "chi2", 180),
        ("CE1", "ND1 CG CB", *RING5, None, 180),
        ("NE2", "CD2 CG CB", *RING5, None, 180),
    ],
    "ILE": [
        ("CG1", "CB CA N", *SP3, "chi1", 0),
        ("CG2", "CB CA N", *SP3, "chi1", -122),
        ("CD1", "CG1 CB CA", *SP3, "chi2", 0),
    ],
    "LEU": [
        ("CG", "CB CA N", *SP3, "chi1", 0),
        ("CD1", "CG CB CA", *SP3, "chi2", 0),
        ("CD2", "CG CB CA", *SP3, "chi2", 122),
    ],
    "LYS": [
        ("CG", "CB CA N", *SP3, "chi1", 0),
        ("CD", "CG CB CA", *SP3, "chi2", 0),
        ("CE", "CD CG CB", *SP3, "chi3", 0),
        ("NZ", "CE CD CG", *SP3, "chi4", 0),
    ],
    "MET": [
        ("CG", "CB CA N", *SP3, "chi1", 0),
        ("SD", "CG CB CA", *LONG, "chi2", 0),
        ("CE", "SD CG CB", 0.1810, 100.0, "chi3", 0),
    ],
    "PHE": [
        ("CG", "CB CA N", *SP3, "chi1", 0),
        ("CD1", "CG CB CA", *FLAT, "chi2", 0),
        ("CD2", "CG CB CA", *FLAT, "chi2", 180),
        ("CE1", "CD1 CG CB", *FLAT, None, 180),
        ("CE2", "CD2 CG CB", *FLAT, None, 180),
        ("CZ", "CE1 CD1 CG", *FLAT, None, 0),
    ],
    "PRO": [("CG", "CB CA N", 0.1525, 104.0, "chi1", 0), ("CD", "CG CB CA", 0.1525, 105.0, "chi2", 0)],
    "SER": [("OG", "CB CA N", 0.1417, 111.0, "chi1", 0)],
    "THR": [("OG1", "CB CA N", 0.1433, 109.0, "chi1", 0), ("CG2", "CB CA N", *SP3, "chi1", -120)],
    "TRP": [
        ("CG", "CB CA N", *SP3, "chi1", 0),
        ("CD1", "CG CB CA", 0.1370, 127.0, "chi2", 0),
        ("CD2", "CG CB CA", 0.1430, 127.0, "chi2", 180),
        ("NE1", "CD1 CG CB", *RING5, None, 180),
        ("CE2", "CD2 CG CB", 0.1410, 107.0, None, 180),
        ("CE3", "CD2 CG CB", 0.1400, 134.0, None, 0),
        ("CZ2", "CE2 CD2 CG", 0.1390, 122.0, None, 180),
        ("CZ3", "CE3 CD2 CG", 0.1390, 119.0, None, 180),
        ("CH2", "CZ2 CE2 CD2", 0.1370, 118.0, None, 0),
    ],
    "VAL": [("CG1", "CB CA N", *SP3, "chi1", 0), ("CG2", "CB CA N", *SP3, "chi1", 122)],
}
SIDE_CHAINS["TYR"] = [*SIDE_CHAINS["PHE"], ("OH", "CZ CE1 CD1", 0.1380, 120.0, None, 180)]
# Where no figure says otherwise: extended, with the commonest rotamers.
EXTENDED = {"phi": -120.0, "psi": 130.0, "omega": 180.0, "chi1": -65.0, "chi2": 180.0, "chi3": 180.0, "chi4": 180.0}


def place(bonded, angled, twisted, length_nm, angle_degrees, dihedral_degrees):
    """Position of an atom D from those of C (bonded), B (angle D-C-B) and A (dihedral D-C-B-A)."""
    angle, dihedral = np.radians([angle_degrees, dihedral_degrees])
    axis = (bonded - angled) / np.linalg.norm(bonded - angled)
    normal = np.cross(angled - twisted, axis)
    normal /= np.linalg.norm(normal)
    local = [-np.cos(angle), np.sin(angle) * np.cos(dihedral), np.sin(angle) * np.sin(dihedral)]
    return bonded + length_nm * np.array(local) @ np.array([axis, np.cross(normal, axis), normal])


def build_chain(sequence, torsions):
    """Topology and positions of the heavy atoms of a peptide.

    Parameters
    ----------
    sequence : str
        One-letter codes.
    torsions : list of dict of str -> float
        In degrees, by residue; omega is that of the bond to the residue after. Those not given are of EXTENDED.

    Returns
    -------
    topology : openmm.app.Topology
    positions : Quantity of float, shape (n_atoms, 3)
    """
    residues = []
    for letter, given in zip(sequence, torsions, strict=True):
        angles = EXTENDED | given
        before, angles_before = residues[-1] if residues else (None, None)
        residues.append((_place_residue(THREE_LETTERS[letter], angles, before, angles_before), angles))
    last, angles = residues[-1]
    last["OXT"] = place(last["C"], last["CA"], last["N"], *BACKBONE["O"], angles["psi"])

    topology, positions = app.Topology(), []
    chain = topology.addChain("A")
    for letter, (atoms, _) in zip(sequence, residues):
        residue = topology.addResidue(THREE_LETTERS[letter], chain)
        for name, position in atoms.items():
            topology.addAtom(name, app.Element.getBySymbol(name[0]), residue)
            positions.append(position)
    topology.createStandardBonds()
    return topology, np.array(positions) * unit.nanometer


def _place_residue(name, angles, before, angles_before):
    if before is None:
        atoms = {"N": np.zeros(3), "CA": np.array([BACKBONE["CA"][0], 0, 0])}
        atoms["C"] = place(atoms["CA"], atoms["N"], np.array([0.0, 0.1, 0.0]), *BACKBONE["C"], 0.0)
    else:
        atoms = {"N": place(before["C"], before["CA"], before["N"], *BACKBONE["N"], angles_before["psi"])}
        atoms["CA"] = place(atoms["N"], before["C"], before["CA"], *BACKBONE["CA"], angles_before["omega"])
        atoms["C"] = place(atoms["CA"], atoms["N"], before["C"], *BACKBONE["C"], angles["phi"])
    atoms["O"] = place(atoms["C"], atoms["CA"], atoms["N"], *BACKBONE["O"], angles["psi"] + 180)
    if name != "GLY":  # seen along N-CA, CB comes 122.5 degrees before C: this sign makes the residue L
        atoms["CB"] = place(atoms["CA"], atoms["N"], atoms["C"], *BACKBONE["CB"], -122.5)
    for atom, forerunners, length, angle, chi, added in SIDE_CHAINS[name]:
        bonded, angled, twisted = (atoms[forerunner] for forerunner in forerunners.split())
        atoms[atom] = place(bonded, angled, twisted, length, angle, (angles[chi] if chi else 0.0) + added)
    return atoms
