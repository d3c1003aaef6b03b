"""Molecular dynamics: systems, platforms, simulations that can be killed and resumed, replicas, trajectories."""

from mdtok.md.molecular_system import MolecularSystem as MolecularSystem
from mdtok.md.particles import ParticleSystem as ParticleSystem
from mdtok.md.platforms import PlatformChoice as PlatformChoice
from mdtok.md.platforms import select_platform as select_platform
from mdtok.md.potentials import Potential as Potential
from mdtok.md.replicas import run_replicas as run_replicas
from mdtok.md.simulation import run_simulation as run_simulation
from mdtok.md.structure import check_chirality as check_chirality
from mdtok.md.system import load_system as load_system
from mdtok.md.trajectory import Trajectories as Trajectories
from mdtok.md.trajectory import open_trajectories as open_trajectories
