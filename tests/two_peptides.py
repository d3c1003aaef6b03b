"""Two short peptides that are somewhere else in every frame, for tests of collective variables and their forces."""

import mdtraj
import numpy as np
import openmm

from mdtok.features import Contacts, Dihedrals, Featurizer, NativeFraction, native_contacts

N_RESIDUES = 5
ATOMS = ("N", "CA", "C")


def topology(n_chains=2):
    """Chains of glycine without its oxygen and hydrogens, bonded along the backbone."""
    made = mdtraj.Topology()
    for _ in range(n_chains):
        chain, last = made.add_chain(), None
        for number in range(1, N_RESIDUES + 1):
            residue = made.add_residue("GLY", chain, resSeq=number)
            for name in ATOMS:
                atom = made.add_atom(name, mdtraj.element.get_by_symbol(name[0]), residue)
                if last is not None:
                    made.add_bond(last, atom)
                last = atom
    return made


def _walk(rng, n_atoms):
    """A chain of steps of 0.15 nm with angles of bonds and torsions at random."""
    steps = rng.normal(size=(n_atoms, 3))
    for k in range(1, n_atoms):
        steps[k] += 1.5 * steps[k - 1]
        steps[k] /= np.linalg.norm(steps[k])
    return np.cumsum(0.15 * steps, axis=0)


def frames(n_frames=40, seed=0, n_chains=2, box_nm=None):
    """Frames with the second chain 0.6 nm from the first; with a box, moved by one of its edges."""
    rng, n_atoms = np.random.default_rng(seed), N_RESIDUES * len(ATOMS)
    xyz = np.array([np.concatenate([_walk(rng, n_atoms) for _ in range(n_chains)]) for _ in range(n_frames)])
    xyz[:, n_atoms:] += [0.0, 0.6, 0.0]
    traj = mdtraj.Trajectory(xyz, topology(n_chains))
    if box_nm is not None:
        traj.xyz[:, n_atoms:] += np.float32([0.0, box_nm, -box_nm])
        traj.unitcell_lengths, traj.unitcell_angles = np.full((n_frames, 3), box_nm), np.full((n_frames, 3), 90.0)
    return traj


def features(kind):
    """Features of the two peptides, by what they are."""
    native = native_contacts(frames(1), min_separation=2)
    made = {
        "torsions": [Dihedrals("phi psi", encoding="radians"), Dihedrals([(0, 2, 5, 7), (3, 9, 18, 24)])],
        "distances": [Contacts(scheme="ca")],
        "contacts": [Contacts(scheme="ca", kind="soft", beta_per_nm=12.0)],
        "native": [NativeFraction(native), Contacts(native, scheme="ca", kind="soft", beta_per_nm=30.0)],
        "closest": [Contacts(kind="soft", beta_per_nm=12.0), Contacts([(0, 6), (1, 4)])],
    }
    return [one for group in made.values() for one in group] if kind == "all" else made[kind]


def featurizer(kind, traj=None):
    """A featurizer that is fitted to the two peptides."""
    return Featurizer(features(kind)).fit(frames(2) if traj is None else traj)


def system(n_atoms=30, box_nm=None):
    """Particles that nothing acts on, in a box if its edge is given; bonds without force say what a molecule is."""
    made, bonds, n_in_chain = openmm.System(), openmm.HarmonicBondForce(), N_RESIDUES * len(ATOMS)
    for atom in range(n_atoms - 1):
        if (atom + 1) % n_in_chain:
            bonds.addBond(atom, atom + 1, 0.15, 0.0)
    made.addForce(bonds)
    for _ in range(n_atoms):
        made.addParticle(12.0)
    if box_nm is not None:
        made.setDefaultPeriodicBoxVectors(*(np.eye(3) * box_nm))
        nothing = openmm.NonbondedForce()
        nothing.setNonbondedMethod(nothing.CutoffPeriodic)
        for _ in range(n_atoms):
            nothing.addParticle(0, 1, 0)
        made.addForce(nothing)
    return made


def context(force, n_atoms=30, box_nm=None, platform="Reference"):
    """A Context of `system` with one force more."""
    particles = system(n_atoms, box_nm)
    particles.addForce(force)
    platform = openmm.Platform.getPlatformByName(platform)
    return openmm.Context(particles, openmm.VerletIntegrator(0.001), platform)


def energy_and_forces(context, xyz):
    """Energy in kJ/mol, and forces in kJ/mol/nm, shape (n_atoms, 3)."""
    context.setPositions(np.asarray(xyz, dtype=float))
    state = context.getState(getEnergy=True, getForces=True)
    return state.getPotentialEnergy()._value, state.getForces(asNumpy=True)._value
