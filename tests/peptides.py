"""Small molecules for tests of features: beads and peptides with coordinates that can be checked by hand."""

import mdtraj
import numpy as np
from conftest import ROOT

FIP35 = ROOT.parent / "shared" / "data" / "structures" / "fip35_model_clean.pdb"
CRYSTAL = ROOT.parent / "shared" / "data" / "structures" / "wwdomain_1pin_crystal.pdb"


def beads(n_residues, n_chains=1, atoms=("CA",), names=("TRP", "TYR", "GLY", "SER")):
    """A topology of residues with these atoms each, numbered from 1 in every chain."""
    topology = mdtraj.Topology()
    for _ in range(n_chains):
        chain = topology.add_chain()
        for k in range(n_residues):
            residue = topology.add_residue(names[k % len(names)], chain, resSeq=k + 1)
            for atom in atoms:
                topology.add_atom(atom, mdtraj.element.get_by_symbol(atom[0]), residue)
    return topology


def hairpin(n_residues=12, atoms=("CA",)):
    """Two strands 0.5 nm apart, 0.38 nm a step; each further atom of a residue stands 0.1 nm above the one before."""
    half = n_residues // 2
    steps = np.concatenate([np.arange(half), np.arange(half)[::-1]])
    xyz = np.zeros((n_residues, len(atoms), 3))
    xyz[:, :, 0] = 0.38 * steps[:, None]
    xyz[half:, :, 1] = 0.5
    xyz[:, :, 2] = 0.1 * np.arange(len(atoms))
    return mdtraj.Trajectory(xyz.reshape(1, -1, 3), beads(n_residues, atoms=atoms))


def noisy(structure, n_frames, width_nm=0.05, seed=0):
    """Frames scattered about a structure."""
    noise = np.random.default_rng(seed).normal(scale=width_nm, size=(n_frames, structure.n_atoms, 3))
    return mdtraj.Trajectory(structure.xyz + noise, structure.topology)


def rotation(axis_and_angle):
    """The rotation matrix of a vector whose direction is the axis and whose length is the angle."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_rotvec(axis_and_angle).as_matrix()
