"""Make fip35.pdb from the sequence and the table of crystal figures: python build_structure.py [--check [STRUCTURE]]

1. Heavy atoms at ideal bond lengths and angles, with the torsions of the crystal where the table has them. Loop 1 is
   modelled as a type I turn with a G1 bulge (Sibanda, Blundell, Thornton, J. Mol. Biol. 206, 759 (1989)), the turn that
   its one residue less was made for (Jaeger et al., Proc. Natl. Acad. Sci. USA 103, 10648 (2006)).
2. Hydrogens at pH 7; termini NH3+ and COO-; His with its proton on NE2, which donates to Glu in the crystal.
3. Simulated annealing in ff14SB, in vacuum, held by the torsions, the distances of alpha carbons and of heavy atoms in
   contact, and by every chirality and trans peptide bond; then minimised in ff14SB + OBC2, held more and more weakly,
   and in the end freely.
Everything is computed on OpenMM's Reference platform with one seed, so that every run gives the same structure.
"""

import argparse
import itertools
import random
import sys
from pathlib import Path

import figures as crystal
import numpy as np
import openmm
from ideal_geometry import SIDE_CHAINS, build_chain
from openmm import app, unit

from mdtok.errors import MdtokError, StructureError
from mdtok.md.dihedral_rotation import measure_dihedral
from mdtok.md.solvent import load_forcefield, use_native_obc2
from mdtok.md.structure import check_chirality, load_structure
from mdtok.runfolder import whole

STRUCTURE = Path(__file__).with_name("fip35.pdb")
SEED = 35
# Of residues that the crystal says nothing of, or of which it says what cannot be: Leu of the first turn of the chain has
# phi 89 there, far from any allowed region, at B-factors of 30 and more.
MODELLED = {
    4: {"phi": -75.0, "psi": 140.0},
    14: {"phi": -60.0, "psi": -30.0},
    15: {"phi": -90.0, "psi": 0.0},
    16: {"phi": 85.0, "psi": 10.0},
}
UNHELD = (3, 14, 15, 16)  # no distance to these is restrained
HELD = {"torsion": 100.0, "flat": 100.0, "chirality": 200.0, "calpha": 2000.0, "contact": 2000.0}  # kJ/mol (/nm^2)
TEMPERATURES = np.linspace(600.0, 10.0, 60)  # kelvin
STEPS_EACH = 100  # of 1 fs
WEAKENING = (1.0, 0.3, 0.1, 0.03, 0.0)


def build():
    """Topology and positions in nm of Fip35, refined and checked."""
    table = crystal.read_figures()
    torsions = [table.torsions.get(number, {}) | MODELLED.get(number, {}) for number in range(1, 36)]
    topology, positions = build_chain(table.sequence, torsions)
    topology, positions = add_hydrogens(topology, positions)
    check_chirality(topology, positions)
    for solvent, weakening in [("vacuum", (1.0,)), ("obc2", WEAKENING)]:
        context = make_context(topology, positions, table, torsions, solvent)
        context.setPositions(positions)
        openmm.LocalEnergyMinimizer.minimize(context, 10.0)
        if solvent == "vacuum":
            anneal(context)
        for share in weakening:
            context.setParameter("hold", share)
            openmm.LocalEnergyMinimizer.minimize(context, 1.0)
        positions = context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    return topology, positions - positions.mean(axis=0)


def add_hydrogens(topology, heavy_positions):
    """Hydrogens at pH 7, where OpenMM's Modeller puts them; it draws directions that it minimises from."""
    state_of_random = random.getstate()
    random.seed(SEED)
    modeller = app.Modeller(topology, heavy_positions)
    variants = ["HIE" if residue.name == "HIS" else None for residue in topology.residues()]
    modeller.addHydrogens(
        load_forcefield(["amber14/protein.ff14SB.xml"], "vacuum"), variants=variants,
        platform=openmm.Platform.getPlatformByName("Reference"),
    )
    random.setstate(state_of_random)
    return modeller.topology, np.array(modeller.getPositions().value_in_unit(unit.nanometer))


def make_context(topology, ideal_positions, table, torsions, solvent):
    """A context with the force field and all restraints, which the parameter `hold` scales together."""
    system = load_forcefield(["amber14/protein.ff14SB.xml"], solvent).createSystem(topology)
    if solvent == "obc2":
        use_native_obc2(system)
    twist = openmm.CustomTorsionForce("hold*k*(1 - cos(theta - target))")
    distance = openmm.CustomBondForce("hold*0.5*k*(r - target)^2")
    for force in (twist, distance):
        force.addGlobalParameter("hold", 1.0)
        force.addPerTorsionParameter("k") if force is twist else force.addPerBondParameter("k")
        force.addPerTorsionParameter("target") if force is twist else force.addPerBondParameter("target")
        system.addForce(force)
    for kind, quadruple, degrees in held_torsions(topology, ideal_positions, torsions):
        twist.addTorsion(*quadruple, [HELD[kind], np.radians(degrees)])
    for kind, pair, nanometers in held_distances(topology, table):
        distance.addBond(*pair, [HELD[kind], nanometers])
    integrator = openmm.LangevinMiddleIntegrator(0, 5 / unit.picosecond, 0.001)
    integrator.setRandomNumberSeed(SEED)
    return openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))


def held_torsions(topology, ideal_positions, torsions):
    """(kind, four atoms, degrees): backbone and side chains as the table has them, peptide bonds trans, centres as built."""
    atoms, residues = crystal.atoms_by_residue(topology), list(topology.residues())
    for index, here in enumerate(atoms):
        given = torsions[index]
        if index > 0 and "phi" in given:
            yield "torsion", (atoms[index - 1]["C"], here["N"], here["CA"], here["C"]), given["phi"]
        if index + 1 < len(atoms):
            after = atoms[index + 1]
            yield "flat", (here["CA"], here["C"], after["N"], after["CA"]), 180.0
            if "psi" in given:
                yield "torsion", (here["N"], here["CA"], here["C"], after["N"]), given["psi"]
        for name, forerunners, *_, chi, added in SIDE_CHAINS[residues[index].name]:
            if chi in given and added == 0:
                yield "torsion", tuple(here[atom] for atom in (*reversed(forerunners.split()), name)), given[chi]
        if "CB" in here:
            centre = (here["N"], here["CA"], here["CB"], here["C"])
            yield "chirality", centre, measure_dihedral(ideal_positions, centre)
        if residues[index].name in ("ILE", "THR"):
            branches = [here.get("CG1", here.get("OG1")), here["CG2"]]
            centre = (branches[0], here["CB"], branches[1], here["CA"])
            yield "chirality", centre, measure_dihedral(ideal_positions, centre)


def held_distances(topology, table):
    """(kind, two atoms, nm): alpha carbons of the core, and heavy atoms in contact."""
    atoms = crystal.atoms_by_residue(topology)
    for (i, first), (j, second) in itertools.combinations(zip(table.core, table.calpha), 2):
        if not {i, j} & set(UNHELD):
            yield "calpha", (atoms[i - 1]["CA"], atoms[j - 1]["CA"]), float(np.linalg.norm(first - second))
    for i, first, j, second, distance in table.contacts:
        if not {i, j} & set(UNHELD):
            yield "contact", (atoms[i - 1][first], atoms[j - 1][second]), distance


def anneal(context):
    """Langevin dynamics from hot to cold."""
    integrator = context.getIntegrator()
    context.setVelocitiesToTemperature(TEMPERATURES[0] * unit.kelvin, SEED)
    for temperature in TEMPERATURES:
        integrator.setTemperature(temperature * unit.kelvin)
        integrator.step(STEPS_EACH)


def report(topology, positions, table):
    """Lines with the figures of merit; StructureError if a residue has the wrong chirality or a peptide bond is bent."""
    check_chirality(topology, positions)
    merit = crystal.assess(topology, positions, table)
    n_pairs = merit["n_native_pairs"]
    lines = [
        f"CA RMSD over {len(table.core)} core residues to the crystal: {10 * merit['ca_rmsd_nm']:.2f} A (at most 1.0)",
        f"native residue contacts (nearest heavy atoms within {table.contact_nm} nm in the crystal), {n_pairs}: "
        f"{merit['native_pairs_within_cutoff']:.1%} within {table.contact_nm} nm, "
        f"{merit['native_pairs_within_1.2_cutoff']:.1%} within 1.2 times that (at least 90 %)",
        f"  not within: {', '.join(merit['missing_pairs']) or 'none'}",
        f"bad Ramachandran residues: {', '.join(merit['bad_ramachandran']) or 'none'}",
        f"peptide bonds more than {crystal.OMEGA_WITHIN:.0f} degrees off trans: {', '.join(merit['bad_omega']) or 'none'}",
        "chirality: L at every alpha carbon but glycine's; Thr and Ile right at the beta carbon",
    ]
    if merit["bad_omega"]:
        raise StructureError(f"Peptide bonds are not trans at {', '.join(merit['bad_omega'])}.")
    return lines


def write(topology, positions, path):
    """PDB with where it comes from."""
    with whole(path) as partial, open(partial, "w", encoding="utf-8") as file:
        file.write("REMARK   1 FIP35 WW DOMAIN: A MODEL, NOT AN EXPERIMENTAL STRUCTURE. BUILT FROM THE SEQUENCE\n")
        file.write("REMARK   1 AND FROM TORSIONS AND DISTANCES OF THE PIN1 WW DOMAIN IN PDB ENTRY 1PIN (CC0),\n")
        file.write("REMARK   1 RANGANATHAN, LU, HUNTER, NOEL, CELL 89, 875 (1997); LOOP 1 MODELLED.\n")
        file.write("REMARK   1 REFINED AND MINIMISED IN FF14SB + OBC2, TERMINI NH3+ AND COO-.\n")
        file.write("REMARK   1 MADE BY MDTOK'S systems/fip35/build_structure.py\n")
        app.PDBFile.writeModel(topology, positions * unit.nanometer, file)
        app.PDBFile.writeFooter(topology, file)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", nargs="?", const=STRUCTURE, metavar="STRUCTURE", help="check a structure, build none")
    parser.add_argument("--crystal", help="PDB file of 1PIN or its WW domain, to compare with instead of the table")
    parser.add_argument("--out", default=STRUCTURE, type=Path)
    arguments = parser.parse_args()
    try:
        table = crystal.read_figures()
        if arguments.check:
            topology, positions = load_structure(arguments.check)
        else:
            topology, positions = build()
            write(topology, positions, arguments.out)
        for line in report(topology, positions, table):
            print(line)
    except MdtokError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
