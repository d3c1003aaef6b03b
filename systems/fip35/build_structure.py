"""Make fip35.pdb from the sequence and the table of crystal figures: python build_structure.py [--check]

1. Heavy atoms at ideal bond lengths and angles, with the torsions of the crystal where the table has them. Loop 1 is
   modelled as a type I turn with a G1 bulge (Sibanda, Blundell, Thornton, J. Mol. Biol. 206, 759 (1989)), the turn that
   its one residue less was made for (Jaeger et al., Proc. Natl. Acad. Sci. USA 103, 10648 (2006)).
2. Hydrogens at pH 7; termini NH3+ and COO-; His with its proton on NE2, which donates to Glu in the crystal.
3. Simulated annealing in ff14SB, in vacuum and then in OBC2, held by the torsions, the distances of alpha carbons and
   of heavy atoms in contact, and by every chirality and trans peptide bond; then minimised in ff14SB + OBC2, held more
   and more weakly, and in the end freely.
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
from take_figures import find_domain

from mdtok.errors import MdtokError, StructureError
from mdtok.md.dihedral_rotation import measure_dihedral
from mdtok.md.solvent import load_forcefield, use_native_obc2
from mdtok.md.structure import check_chirality, load_structure
from mdtok.storage import whole

STRUCTURE = Path(__file__).with_name("fip35.pdb")
SEED = 35
# Of residues of which the crystal says nothing, or what cannot be: Leu 4 has phi 89 there, far from any allowed region,
# at B-factors above 20.
MODELLED = {
    4: {"phi": -75.0, "psi": 140.0},
    14: {"phi": -60.0, "psi": -30.0},
    15: {"phi": -90.0, "psi": 0.0},
    16: {"phi": 85.0, "psi": 10.0},
}
UNHELD = (3, 14, 15, 16)  # no distance to these is restrained
HELD = {"torsion": 50.0, "flat": 100.0, "chirality": 1000.0, "calpha": 10000.0, "contact": 10000.0}  # kJ/mol, /nm^2
TEMPERATURES = {"vacuum": np.linspace(600.0, 10.0, 60), "obc2": np.linspace(300.0, 10.0, 30)}  # kelvin
STEPS_EACH = 100  # of 1 fs
# Shares of all restraints: minimised with each in turn, annealed, minimised with each in turn.
BEFORE = {"vacuum": (0.001, 0.01, 0.1, 1.0), "obc2": (1.0,)}
AFTER = {"vacuum": (1.0,), "obc2": (1.0, 0.3, 0.1, 0.03, 0.0)}


def build():
    """Topology and positions in nm of Fip35, refined and checked."""
    table = crystal.read_figures()
    torsions = [table.torsions.get(number, {}) | MODELLED.get(number, {}) for number in range(1, 36)]
    topology, positions = build_chain(table.sequence, torsions)
    topology, positions = add_hydrogens(topology, positions)
    check_chirality(topology, positions)
    ideal = positions
    for solvent in ("vacuum", "obc2"):
        context = make_context(topology, ideal, table, torsions, solvent)
        context.setPositions(positions)
        minimise(context, BEFORE[solvent])
        anneal(context, TEMPERATURES[solvent])
        minimise(context, AFTER[solvent])
        positions = context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    return topology, positions - positions.mean(axis=0)


def add_hydrogens(topology, heavy_positions):
    """Hydrogens at pH 7, where OpenMM's Modeller puts them; it draws directions that it minimises from."""
    state_of_random = random.getstate()
    random.seed(SEED)
    modeller = app.Modeller(topology, heavy_positions)
    variants = ["HIE" if residue.name == "HIS" else None for residue in topology.residues()]
    modeller.addHydrogens(
        load_forcefield(["amber14/protein.ff14SB.xml"], "vacuum"),
        variants=variants,
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
    for name in ("k", "target"):
        twist.addPerTorsionParameter(name)
        distance.addPerBondParameter(name)
    for force in (twist, distance):
        force.addGlobalParameter("hold", 1.0)
        system.addForce(force)
    for kind, quadruple, degrees in held_torsions(topology, ideal_positions, torsions):
        twist.addTorsion(*quadruple, [HELD[kind], np.radians(degrees)])
    for kind, pair, nanometers in held_distances(topology, table):
        distance.addBond(*pair, [HELD[kind], nanometers])
    integrator = openmm.LangevinMiddleIntegrator(0, 5 / unit.picosecond, 0.001)
    integrator.setRandomNumberSeed(SEED)
    return openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))


def held_torsions(topology, ideal_positions, torsions):
    """(kind, four atoms, degrees): torsions as the table has them, peptide bonds trans, chiral centres as built."""
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


def minimise(context, shares):
    """Minimise with the restraints at each of these shares of their strength in turn."""
    for share in shares:
        context.setParameter("hold", share)
        openmm.LocalEnergyMinimizer.minimize(context, 10.0)


def anneal(context, temperatures):
    """Langevin dynamics from hot to cold."""
    integrator = context.getIntegrator()
    context.setVelocitiesToTemperature(temperatures[0] * unit.kelvin, SEED)
    for temperature in temperatures:
        integrator.setTemperature(temperature * unit.kelvin)
        integrator.step(STEPS_EACH)


def report(topology, positions, table, crystal_path=None):
    """Lines with the figures of merit, and whether all targets are met; a wrong chirality is a StructureError."""
    check_chirality(topology, positions)
    merit = crystal.assess(topology, positions, table)
    within, cutoff = merit["native_pairs_within_cutoff"], table.contact_nm
    deviations = {"rebuilt from its distances": merit["ca_rmsd_nm"]}
    if crystal_path:
        _, atoms, its_positions = find_domain(crystal_path)
        aligned = [atoms[index]["CA"] for index in table.aligned]
        ours = [crystal.atoms_by_residue(topology)[number - 1]["CA"] for number in table.core]
        deviations[f"in {crystal_path}"] = crystal.rmsd(positions[ours], its_positions[aligned])
    lines = [
        *(
            f"CA RMSD over {len(table.core)} core residues to the crystal {name}: {10 * value:.2f} A (at most 1.0)"
            for name, value in deviations.items()
        ),
        f"native contacts: {within:.1%} of {merit['n_native_pairs']} residue pairs have heavy atoms within {cutoff} "
        f"nm, as in the crystal (at least 90 %); {merit['native_pairs_within_1.2_cutoff']:.1%} within 1.2 times that",
        f"  farther apart: {', '.join(merit['missing_pairs']) or 'none'}",
        f"bad Ramachandran residues: {', '.join(merit['bad_ramachandran']) or 'none'}",
        f"peptide bonds over {crystal.OMEGA_WITHIN:.0f} degrees from trans: {', '.join(merit['bad_omega']) or 'none'}",
        "chirality: L at every alpha carbon but glycine's; threonine and isoleucine right at the beta carbon",
    ]
    good = max(deviations.values()) <= 0.1 and within >= 0.9 and not merit["bad_ramachandran"] + merit["bad_omega"]
    return lines, good


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
    parser = argparse.ArgumentParser(description="Make fip35.pdb, or check it.")
    parser.add_argument("--check", action="store_true", help="print the figures of a structure and build none")
    parser.add_argument("--structure", default=STRUCTURE, type=Path, help="the file to write or to check")
    parser.add_argument("--crystal", help="PDB file of 1PIN or its WW domain, to compare with besides the table")
    arguments = parser.parse_args()
    try:
        topology, positions = load_structure(arguments.structure) if arguments.check else build()
        lines, good = report(topology, positions, crystal.read_figures(), arguments.crystal)
        print(*lines, sep="\n")
        if not good:
            raise StructureError(f"{arguments.structure}: not all of these are as they should be.")
        if not arguments.check:
            write(topology, positions, arguments.structure)
    except MdtokError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
