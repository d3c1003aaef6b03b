"""Collective variables as forces of OpenMM whose energy is the value: for restraints, metadynamics, umbrellas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mdtraj
import numpy as np
import openmm

from mdtok.errors import DataError, SettingsError
from mdtok.features.topologies import describe, same_residue
from mdtok.kinetics.cvs.angle import AngleCV
from mdtok.kinetics.cvs.collective_variable import CollectiveVariable
from mdtok.kinetics.cvs.columns import Torsions, atoms_of, with_offsets
from mdtok.kinetics.cvs.linear import LinearCV

if TYPE_CHECKING:
    from openmm import app

    from mdtok.md.molecular_system import MolecularSystem


def to_openmm_force(
    cv: CollectiveVariable,
    system: MolecularSystem | openmm.System | None = None,
    topology: app.Topology | mdtraj.Topology | None = None,
    component: int | None = None,
) -> openmm.Force:
    """A force whose energy in kJ/mol is the value of a collective variable.

    It is what `openmm.app.BiasVariable` of metadynamics takes, and what ``addCollectiveVariable`` of an
    ``openmm.CustomCVForce`` with a restraint's formula takes.

    Parameters
    ----------
    cv : LinearCV, NetworkCV or AngleCV
    system : MolecularSystem or openmm.System, optional
        That the force is for: its atoms are held against those of `cv`, and its box counts between molecules. Without
        it the force is for a system of the very atoms that `cv` was made of.
    topology : openmm or mdtraj topology, optional
        Of an ``openmm.System``, so that atoms are compared by name, and may have others (water) after them. A
        MolecularSystem has its own.
    component : int, optional
        Which of the CVs, from 0; needed where `cv` has more than one.

    Returns
    -------
    openmm.CustomCVForce, openmm.CustomTorsionForce or openmm.PythonForce
        The first for linear CVs of torsions, distances between two atoms and contacts, the second for an angle, both on
        every platform. The last,
        which is slower, for networks, and for distances or contacts of the closest heavy atoms. A PythonForce lives
        in its process: XML does not hold it.

    Raises
    ------
    DataError
        The atoms are others than those of the system.
    SettingsError
        `component` is missing or out of range, this OpenMM is too old, or there is no system to say whether molecules
        are in a box.

    Notes
    -----
    As in features, distances within a molecule are those of the whole molecule, and between molecules those to the
    nearest image. OpenMM keeps molecules whole that are bonded in the system.

    References
    ----------
    P. Eastman et al., J. Phys. Chem. B 128, 109 (2024) (OpenMM 8).

    Examples
    --------
    >>> from mdtok.features import Dihedrals, Featurizer
    >>> topology = mdtraj.Topology()
    >>> residue = topology.add_residue("BUT", topology.add_chain())
    >>> for name in "ABCD":
    ...     _ = topology.add_atom(name, mdtraj.element.carbon, residue)
    >>> frame = mdtraj.Trajectory([[[0, 0, 0], [0.1, 0, 0], [0.1, 0.1, 0], [0.2, 0.1, 0]]], topology)
    >>> force = to_openmm_force(LinearCV(Featurizer(Dihedrals([(0, 1, 2, 3)])).fit(frame), [2.0, 0.5]))
    >>> force.getEnergyFunction(), force.getCollectiveVariable(0).getEnergyFunction()
    ('torsions', 'cosine*cos(theta) + sine*sin(theta) - mean')
    """
    component = _which(cv, component)
    place, in_box = _places(cv, system, topology)
    if isinstance(cv, AngleCV):
        return _angle_force(cv.columns[0], place, in_box)
    native = isinstance(cv, LinearCV) and not any(getattr(part, "closest", False) for part in cv.columns)
    if native:
        return _native_force(cv, component, place, in_box)
    if not hasattr(openmm, "PythonForce"):
        what = "Closest heavy atoms" if isinstance(cv, LinearCV) else "A network"
        raise SettingsError(
            f"{what} as a force needs openmm.PythonForce, which came with OpenMM 8.5; this is OpenMM "
            f"{openmm.version.short_version}. Update it: pip install 'openmm>=8.5'."
        )
    from mdtok.kinetics.cvs.python_force import python_force

    return python_force(cv, component, place, in_box)


def _which(cv, component):
    if component is None and cv.n_cvs > 1:
        raise SettingsError(f"There are {cv.n_cvs} CVs, and a force is of one; say component=0 … {cv.n_cvs - 1}.")
    component = 0 if component is None else component
    if component not in range(cv.n_cvs):
        raise SettingsError(f"component is {component!r}; 0 … {cv.n_cvs - 1} was expected.")
    return int(component)


def _places(cv, system, topology):
    """Where each atom of the CV is in the system, int array; and whether distances between molecules are in a box."""
    place = np.arange(cv.n_atoms)
    if system is not None and not isinstance(system, openmm.System):
        if not hasattr(system, "solute_atoms"):
            raise SettingsError(
                f"system is a {type(system).__name__}; a MolecularSystem or openmm.System was expected."
            )
        place, topology, system = system.solute_atoms, system.solute_topology, system.system
    if topology is not None:
        _require_same_atoms(cv, topology)
    elif system is not None and system.getNumParticles() != cv.n_atoms:
        raise DataError(
            f"The system has {system.getNumParticles()} atoms, the CV is of {cv.n_atoms} "
            f"({describe(cv.featurizer.topology_)}); pass topology=, if the others come after them."
        )
    if system is None:
        crossing = [part.names[0] for part in cv.columns if part.crosses.any()]
        if crossing:
            raise SettingsError(
                f"{crossing[0]!r} or others beside it are between molecules; pass system=, which says whether they "
                "are in a periodic box."
            )
    return place, system is not None and system.usesPeriodicBoundaryConditions()


def _require_same_atoms(cv, topology):
    """Every atom that the CV uses is the same one in `topology`, by place, name and residue."""
    if not isinstance(topology, mdtraj.Topology):
        topology = mdtraj.Topology.from_openmm(topology)
    own = cv.featurizer.topology_
    for index in atoms_of(cv.columns):
        wanted = own.atom(index)
        found = topology.atom(index) if index < topology.n_atoms else None
        same = found is not None and found.name == wanted.name
        if not same or not same_residue(found.residue.name, wanted.residue.name):
            raise DataError(
                f"Atom {index} of the CV is {wanted} ({describe(own)}), that of the system "
                f"{found or 'not there'} ({describe(topology)}); make the CV from trajectories of this system."
            )


def _angle_force(part, place, in_box):
    force = openmm.CustomTorsionForce("theta")
    force.setUsesPeriodicBoundaryConditions(bool(part.crosses[0] and in_box))
    force.addTorsion(*place[part.atoms[0]].tolist())
    return force


def _native_force(cv, component, place, in_box):
    weights, parts = cv.weights[:, component], {}
    for first, part in with_offsets(cv.columns):
        for crosses in np.unique(part.crosses):
            kind = (
                "torsions" if isinstance(part, Torsions) else "distances" if part.threshold_nm is None else "contacts"
            )
            key = f"{kind}_between" if crosses else kind
            if key not in parts:
                parts[key] = _empty_force(kind)
                parts[key].setUsesPeriodicBoundaryConditions(bool(crosses and in_box))
            chosen = np.flatnonzero(part.crosses == crosses)
            add = _add_torsions if isinstance(part, Torsions) else _add_pairs
            add(parts[key], part, chosen, weights[first:], cv.mean[first:], place)
    force = openmm.CustomCVForce(" + ".join(parts))
    for name, inner in parts.items():
        force.addCollectiveVariable(name, inner)
    return force


def _empty_force(kind):
    """Each term is less its share of the mean: a sum of small numbers keeps its digits in single precision."""
    if kind == "torsions":
        force = openmm.CustomTorsionForce("cosine*cos(theta) + sine*sin(theta) - mean")
        names = ("cosine", "sine", "mean")
        for name in names:
            force.addPerTorsionParameter(name)
        return force
    # The switching function as tanh: exp of a large distance overflows in single precision, its slope is then NaN.
    value = "r" if kind == "distances" else "0.5*(1 - tanh(0.5*beta*(r - threshold)))"
    force = openmm.CustomBondForce(f"weight*({value} - mean)")
    for name in ("weight", "mean") + (("beta", "threshold") if kind == "contacts" else ()):
        force.addPerBondParameter(name)
    return force


def _add_torsions(force, part, chosen, weights, mean, place):
    for k in chosen:
        columns = part.column[k]
        force.addTorsion(*place[part.atoms[k]].tolist(), [*weights[columns], weights[columns] @ mean[columns]])


def _add_pairs(force, part, chosen, weights, mean, place):
    weight = weights[part.column] * part.share
    for k in chosen:
        switched = [] if part.threshold_nm is None else [part.beta_per_nm, part.threshold_nm[k]]
        force.addBond(*place[part.atoms[k]].tolist(), [weight[k], mean[part.column[k]], *switched])
