"""Force field and solvent: OpenMM systems in vacuum, in OBC2 or GBn2 implicit solvent, and in a box of TIP3P water."""

import random
from pathlib import Path

import openmm
from openmm import app, unit

from mdtok.errors import SettingsError, StructureError
from mdtok.md.system_files import find_forcefield_files

_SOLVENT_FILES = {
    "vacuum": [],
    "obc2": ["implicit/obc2.xml"],
    "gbn2": ["implicit/gbn2.xml"],  # Nguyen, Roe, Simmerling, J. Chem. Theory Comput. 9, 2020 (2013)
    "tip3p": ["amber14/tip3p.xml"],
}
_CUTOFF_NM = 0.9
_PADDING_NM = 1.0
_PRESSURE_BAR = 1.0
_DIELECTRIC_OF_WATER = 78.5  # that of implicit/obc2.xml; a GBSAOBCForce has 78.3 by itself
_OFFSET_NM = 0.009  # by which Born radii are reduced in OBC2


def load_forcefield(files, solvent, folder=None, trust_scripts=False):
    """OpenMM's ForceField for a molecule in a solvent, from its XML files: in `folder`, or those of OpenMM.

    Raises
    ------
    SettingsError
        A file is not there, cannot be read, or holds Python code that `trust_scripts` does not let run.
    """
    paths = find_forcefield_files(files, Path(folder or Path(__file__).parent), trust_scripts)
    try:
        return app.ForceField(*paths, *_SOLVENT_FILES[solvent])
    except Exception as error:
        raise SettingsError(f"The force field {', '.join(files)} cannot be read ({_one_line(error)}).") from None


def create_system(forcefield, topology, definition):
    """The openmm.System of a topology: bonds to hydrogen constrained, hydrogens made heavy, solvent as asked.

    Parameters
    ----------
    forcefield : openmm.app.ForceField
        From `load_forcefield` with the same solvent.
    topology : openmm.app.Topology
        With its water where the solvent is tip3p.
    definition : SystemDefinition

    Raises
    ------
    StructureError
        The force field has no template for a residue.
    """
    in_water = definition.solvent == "tip3p"
    try:
        system = forcefield.createSystem(
            topology,
            nonbondedMethod=app.PME if in_water else app.NoCutoff,
            nonbondedCutoff=_CUTOFF_NM * unit.nanometer,
            constraints=app.HBonds,
            hydrogenMass=definition.hydrogen_mass_amu * unit.amu,
        )
    except ValueError as error:
        raise StructureError(f"The force field does not fit {definition.structure}: {_one_line(error)}") from None
    if in_water:
        temperature = definition.temperature_kelvin * unit.kelvin
        system.addForce(openmm.MonteCarloBarostat(_PRESSURE_BAR * unit.bar, temperature))
    if definition.solvent == "obc2":
        use_native_obc2(system)
    return system


def use_native_obc2(system):
    """Replace the CustomGBForce of implicit/obc2.xml by OpenMM's own GBSAOBCForce: same energy, many times faster.

    References
    ----------
    Onufriev, Bashford, Case, Proteins 55, 383 (2004), model OBC2.
    """
    index = next(i for i, force in enumerate(system.getForces()) if isinstance(force, openmm.CustomGBForce))
    custom, native = system.getForce(index), openmm.GBSAOBCForce()
    native.setSolventDielectric(_DIELECTRIC_OF_WATER)
    names = [custom.getPerParticleParameterName(i) for i in range(custom.getNumPerParticleParameters())]
    for particle in range(custom.getNumParticles()):
        values = dict(zip(names, custom.getParticleParameters(particle)))
        native.addParticle(values["charge"], values["or"] + _OFFSET_NM, values["sr"] / values["or"])
    system.removeForce(index)
    system.addForce(native)


def add_water(forcefield, topology, structures):
    """Put each structure of one molecule into a box of TIP3P water, all boxes with the same number of molecules.

    Parameters
    ----------
    forcefield : openmm.app.ForceField
    topology : openmm.app.Topology
    structures : list of ndarray of float, shape (n_atoms, 3), in nm

    Returns
    -------
    topology : openmm.app.Topology
        With water (and ions where the molecule is charged) behind the molecule.
    structures : list of ndarray of float, shape (n_all_atoms, 3), in nm
    """
    extent = max((positions.max(axis=0) - positions.min(axis=0)).max() for positions in structures)
    box = openmm.Vec3(1, 1, 1) * float(extent + 2 * _PADDING_NM)
    boxes = []
    state_of_random = random.getstate()
    for positions in structures:
        random.seed(0)  # Modeller draws the places of ions
        modeller = app.Modeller(topology, positions * unit.nanometer)
        modeller.addSolvent(forcefield, model="tip3p", boxSize=box * unit.nanometer)
        boxes.append(modeller)
    random.setstate(state_of_random)
    waters = [[residue for residue in box.topology.residues() if residue.name == "HOH"] for box in boxes]
    fewest = min(map(len, waters))
    for modeller, residues in zip(boxes, waters):
        modeller.delete(residues[fewest:])  # a few more or less fit round each structure; the barostat levels it
    return boxes[0].topology, [box.getPositions().value_in_unit(unit.nanometer) for box in boxes]


def _one_line(error):
    return " ".join(str(error).split())
