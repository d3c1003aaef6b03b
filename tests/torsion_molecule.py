"""Four atoms in a chain whose torsion has two wells, so that its free energy is known."""

import itertools

import mdtraj
import numpy as np
import openmm
from openmm import app

from mdtok.features import Dihedrals, Featurizer
from mdtok.md.constants import GAS_CONSTANT_KJ_MOL_K
from mdtok.md.molecular_system import MolecularSystem

TEMPERATURE, BARRIER, TILT = 300.0, 20.0, 2.0  # kelvin, kJ/mol
POSITIONS = np.array([[0.0, 0.15, 0.0], [0.0, 0.0, 0.0], [0.15, 0.0, 0.0], [0.2, 0.0, -0.15]])


def energy(theta):
    """Of the torsion in kJ/mol: a well a quarter of a turn either way, the negative one lower."""
    return 0.5 * BARRIER * (1 + np.cos(2 * theta)) + TILT * np.sin(theta)


def positive_kt():
    """Free energy of positive angles less that of negative ones, in kT; bonds do not enter."""
    theta = np.linspace(-np.pi, np.pi, 20_001)
    weights = np.exp(-energy(theta) / (GAS_CONSTANT_KJ_MOL_K * TEMPERATURE))
    return float(-np.log(weights[theta > 0].sum() / weights[theta < 0].sum()))


def topology():
    """Carbon atoms C1 to C4 of one residue."""
    made = app.Topology()
    residue = made.addResidue("BUT", made.addChain())
    atoms = [made.addAtom(f"C{k}", app.Element.getBySymbol("C"), residue) for k in range(1, 5)]
    for one, other in itertools.pairwise(atoms):
        made.addBond(one, other)
    return made


def system(frame_interval_ps=0.2):
    """The molecule, ready to run, starting in the lower well, that of negative angles."""
    made, bonds, angles = openmm.System(), openmm.HarmonicBondForce(), openmm.HarmonicAngleForce()
    for _ in range(4):
        made.addParticle(12.0)
    for k in range(3):
        bonds.addBond(k, k + 1, 0.15, 1e5)
    for k in range(2):
        angles.addAngle(k, k + 1, k + 2, 1.9, 500.0)
    torsion = openmm.CustomTorsionForce(f"0.5*{BARRIER}*(1 + cos(2*theta)) + {TILT}*sin(theta)")
    torsion.addTorsion(0, 1, 2, 3, [])
    for force in (bonds, angles, torsion):
        made.addForce(force)
    settings = {"system": "butane", "temperature_kelvin": TEMPERATURE, "timestep_fs": 2.0, "starts": {}}
    return MolecularSystem(
        "butane", made, topology(), POSITIONS, {}, np.arange(4), TEMPERATURE, 10.0, 2.0, frame_interval_ps, "vacuum",
        settings,
    )  # fmt: skip


def featurizer():
    """Of the torsion."""
    frame = mdtraj.Trajectory(POSITIONS[None], mdtraj.Topology.from_openmm(topology()))
    return Featurizer(Dihedrals([(0, 1, 2, 3)])).fit(frame)


class InThisProcess:
    """An executor that does the work when it is given."""

    def submit(self, function, *arguments):
        function(*arguments)
        return self

    def result(self):
        return None
