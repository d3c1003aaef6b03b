"""Make alanine_dipeptide.pdb (ACE-ALA-NME, 22 atoms) from ideal internal coordinates: python build_structure.py

Each atom is placed by a bond length, an angle and a dihedral to three earlier atoms. Backbone values are those of Engh
and Huber, Acta Cryst. A47, 392 (1991), rounded; hydrogens are tetrahedral or in the plane of the peptide bond. The
result is minimised in ff14SB + OBC2 on OpenMM's Reference platform, so that every run gives the same file.
"""

from pathlib import Path

import numpy as np
import openmm
from openmm import app, unit

PHI, PSI = -70.0, -20.0  # near the minimum that this force field has in OBC2

# The ACE carbons and oxygen span the plane in which everything else is placed.
FIRST_ATOMS = {"ACE CH3": (0.0, 0.0, 0.0), "ACE C": (0.1516, 0.0, 0.0), "ACE O": (0.2146, 0.1057, 0.0)}
# atom: bonded to, angle with, dihedral with, length (nm), angle (degrees), dihedral (degrees)
INTERNAL_COORDINATES = {
    "ACE HH31": ("ACE CH3", "ACE C", "ACE O", 0.109, 109.5, 0.0),
    "ACE HH32": ("ACE CH3", "ACE C", "ACE O", 0.109, 109.5, 120.0),
    "ACE HH33": ("ACE CH3", "ACE C", "ACE O", 0.109, 109.5, -120.0),
    "ALA N": ("ACE C", "ACE CH3", "ACE O", 0.1329, 116.2, 180.0),
    "ALA H": ("ALA N", "ACE C", "ACE CH3", 0.101, 119.5, 0.0),
    "ALA CA": ("ALA N", "ACE C", "ACE CH3", 0.1458, 121.7, 180.0),
    "ALA C": ("ALA CA", "ALA N", "ACE C", 0.1525, 111.2, PHI),
    "ALA CB": ("ALA CA", "ALA N", "ACE C", 0.1521, 110.4, PHI - 122.0),  # this sign makes it L
    "ALA HA": ("ALA CA", "ALA N", "ACE C", 0.109, 109.0, PHI + 119.0),
    "ALA HB1": ("ALA CB", "ALA CA", "ALA N", 0.109, 109.5, 60.0),
    "ALA HB2": ("ALA CB", "ALA CA", "ALA N", 0.109, 109.5, 180.0),
    "ALA HB3": ("ALA CB", "ALA CA", "ALA N", 0.109, 109.5, -60.0),
    "ALA O": ("ALA C", "ALA CA", "ALA N", 0.1231, 120.8, PSI + 180.0),
    "NME N": ("ALA C", "ALA CA", "ALA N", 0.1329, 116.2, PSI),
    "NME H": ("NME N", "ALA C", "ALA CA", 0.101, 119.5, 0.0),
    "NME CH3": ("NME N", "ALA C", "ALA CA", 0.1458, 121.7, 180.0),
    "NME HH31": ("NME CH3", "NME N", "ALA C", 0.109, 109.5, 60.0),
    "NME HH32": ("NME CH3", "NME N", "ALA C", 0.109, 109.5, 180.0),
    "NME HH33": ("NME CH3", "NME N", "ALA C", 0.109, 109.5, -60.0),
}
# The order in the file, that of Amber's residue templates.
RESIDUES = {
    "ACE": ["HH31", "CH3", "HH32", "HH33", "C", "O"],
    "ALA": ["N", "H", "CA", "HA", "CB", "HB1", "HB2", "HB3", "C", "O"],
    "NME": ["N", "H", "CH3", "HH31", "HH32", "HH33"],
}
BONDS = [("ACE CH3", "ACE C"), ("ACE C", "ACE O")]
BONDS += [(atom, values[0]) for atom, values in INTERNAL_COORDINATES.items()]


def place(bonded, angled, twisted, length_nm, angle_degrees, dihedral_degrees):
    """Position of an atom D from those of C (bonded), B (angle D-C-B) and A (dihedral D-C-B-A)."""
    angle, dihedral = np.radians([angle_degrees, dihedral_degrees])
    axis = (bonded - angled) / np.linalg.norm(bonded - angled)
    normal = np.cross(angled - twisted, axis)
    normal /= np.linalg.norm(normal)
    local = [-np.cos(angle), np.sin(angle) * np.cos(dihedral), np.sin(angle) * np.sin(dihedral)]
    return bonded + length_nm * np.array(local) @ np.array([axis, np.cross(normal, axis), normal])


def build():
    """Topology and minimised positions."""
    placed = {atom: np.array(position) for atom, position in FIRST_ATOMS.items()}
    for atom, (bonded, angled, twisted, *values) in INTERNAL_COORDINATES.items():
        placed[atom] = place(placed[bonded], placed[angled], placed[twisted], *values)
    topology, atoms = app.Topology(), {}
    chain = topology.addChain("A")
    for residue_name, names in RESIDUES.items():
        residue = topology.addResidue(residue_name, chain)
        for name in names:
            atoms[f"{residue_name} {name}"] = topology.addAtom(name, app.Element.getBySymbol(name[0]), residue)
    for first, second in BONDS:
        topology.addBond(atoms[first], atoms[second])

    forcefield = app.ForceField("amber14/protein.ff14SB.xml", "implicit/obc2.xml")
    system = forcefield.createSystem(topology)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions([openmm.Vec3(*placed[name]) for name in atoms])
    openmm.LocalEnergyMinimizer.minimize(context, 0.1)
    positions = context.getState(getPositions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    return topology, (positions - positions.mean(axis=0)) * unit.nanometer


if __name__ == "__main__":
    topology, positions = build()
    with open(Path(__file__).with_name("alanine_dipeptide.pdb"), "w", encoding="utf-8") as file:
        file.write("REMARK   1 ACE-ALA-NME FROM IDEAL INTERNAL COORDINATES, MINIMISED IN FF14SB + OBC2.\n")
        file.write("REMARK   1 MADE BY MDTOK'S systems/alanine_dipeptide/build_structure.py\n")
        app.PDBFile.writeModel(topology, positions, file)
        app.PDBFile.writeFooter(topology, file)
