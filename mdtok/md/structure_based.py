"""Structure-based (Gō-type) models: one bead a residue at its Cα, whose native structure is the minimum by
construction.

The form is that of Clementi, Nymeyer and Onuchic, J. Mol. Biol. 298, 937 (2000). With ε the depth of a native contact,

    V = Σ_bonds 100 ε/Å² (r − r₀)² + Σ_angles 20 ε (θ − θ₀)² + Σ_dihedrals ε [1 − cos(φ − φ₀)] + ε/2 [1 − cos 3(φ − φ₀)]
        + Σ_native ε [5 (r₀/r)¹² − 6 (r₀/r)¹⁰] + Σ_other ε (4 Å/r)¹²

where other pairs are four or more residues apart and not in contact. With a `desolvation_barrier` native contacts have
the form of Cheung, García and Onuchic, Proc. Natl. Acad. Sci. USA 99, 685 (2002) instead: the well at r₀, a second one
where a water molecule stands between two residues, and a barrier between them. It makes folding cooperative: a small
protein without it hardly has two states. Time runs faster than in water, and not by one factor: rates are compared with
one another, not with experiments.
"""

import dataclasses
import json
from pathlib import Path

import numpy as np
import openmm
from openmm import app
from scipy.spatial.distance import pdist

from mdtok.errors import SettingsError, StructureError
from mdtok.md.definition_checks import is_number, name_by_folder, require_positive, require_whole_steps
from mdtok.md.dihedral_rotation import measure_dihedral
from mdtok.md.molecular_system import MolecularSystem
from mdtok.md.protein_parts import ProteinParts
from mdtok.md.structure import check_sequence, load_structure
from mdtok.storage import hash_file

# In units of the depth of a contact; lengths in nm, angles in radians.
_BOND_PER_NM2, _ANGLE_PER_RAD2, _DIHEDRAL, _DIHEDRAL_THREEFOLD, _REPULSION_NM = 1e4, 20.0, 1.0, 0.5, 0.4
_CONTACT = "energy*(5*s^6 - 6*s^5); s = (r0/r)^2"
_SEPARATED_WELL, _WATER_NM = 0.2, 0.3  # depth of the second well, and how much farther out it is
# k = 6, n = 2, m = 3 of Cheung et al.; y is the square of a length in units of half a water molecule.
_CONTACT_WITH_WATER = (
    "energy*select(step(top - r), select(step(r0 - r), z*(z - 2), 2*(1 + barrier)*y^2*(y^2/2 - 1) + barrier), outside);"
    "outside = -3*well*(y - h1)/(y^3 + h2); h1 = (2/3)/(well/barrier + 1); h2 = 2/(1 + barrier/well);"
    "z = (r0/r)^6; y = ((r - top)/half)^2; top = r0 + half"
)
_NEAREST_IN_SEQUENCE = 4  # of pairs that interact through space
FOLDED, UNFOLDED = "folded", "unfolded"
REQUIRED_OF_STRUCTURE_BASED = ("structure", "contact_energy_kj_mol", "temperature_kelvin")


@dataclasses.dataclass(frozen=True)
class StructureBasedDefinition(ProteinParts):
    """What the system.yaml of a structure-based model says; every key of the file is a field here."""

    name: str  # that of the folder
    folder: Path
    structure: Path  # PDB file with all heavy atoms
    temperature_kelvin: float
    contact_energy_kj_mol: float
    desolvation_barrier: float = 0.0  # in contact energies
    contacts: Path | None = None  # JSON file with `pairs` of residues (from 1); those of the structure if not given
    contact_nm: float = 0.45  # between the closest heavy atoms of two residues, where the structure says the contacts
    description: str = ""
    sequence: str = ""
    mass_amu: float = 110.0  # of a bead, that of a mean residue
    friction_per_ps: float = 0.2
    timestep_fs: float = 20.0
    frame_interval_ps: float = 20.0
    parts: dict = dataclasses.field(default_factory=dict)  # {part: [first, last residue]}, from 0
    contacts_between: dict = dataclasses.field(default_factory=dict)  # {pair: [part, part]}
    title: str = ""  # for reports; the name if not given
    references: tuple = ()

    def __post_init__(self):
        name_by_folder(self)
        require_positive(
            self,
            (
                "temperature_kelvin",
                "contact_energy_kj_mol",
                "contact_nm",
                "mass_amu",
                "friction_per_ps",
                "timestep_fs",
                "frame_interval_ps",
            ),
        )
        if not is_number(self.desolvation_barrier) or self.desolvation_barrier < 0:
            raise SettingsError(
                f"{self.name}: desolvation_barrier is {self.desolvation_barrier!r}; "
                "0, or a number above it, was expected."
            )
        require_whole_steps(self)
        self.require_parts()


def make_structure_based_system(definition: StructureBasedDefinition) -> MolecularSystem:
    """The MolecularSystem of a structure-based model.

    Its starts are the native structure (``folded``) and a chain that is stretched out (``unfolded``).

    Parameters
    ----------
    definition : StructureBasedDefinition

    Returns
    -------
    MolecularSystem

    Raises
    ------
    StructureError
        The structure cannot be read, lacks atoms, holds a D-residue, is of another sequence, or has hardly a contact.
    SettingsError
        The file of contacts cannot be read, or does not fit the structure.
    """
    topology, positions = load_structure(definition.structure)
    check_sequence(topology, definition)
    beads, native, heavy = _coarse_grain(topology, positions)
    if definition.contacts is None:
        pairs = _find_contacts(heavy, definition.contact_nm)
    else:
        pairs = _read_contacts(definition.contacts, len(native))
    if len(pairs) == 0:
        raise StructureError(
            f"{definition.structure} has no contact under {definition.contact_nm} nm; a folded protein was expected."
        )
    settings = {
        key: getattr(definition, key)
        for key in (
            "temperature_kelvin",
            "contact_energy_kj_mol",
            "desolvation_barrier",
            "mass_amu",
            "friction_per_ps",
            "timestep_fs",
        )
    }
    return MolecularSystem(
        name=definition.name,
        system=_openmm_system(native, pairs, definition),
        topology=beads,
        positions=native,
        starts={FOLDED: native, UNFOLDED: _stretch_out(native)},
        solute_atoms=np.arange(len(native)),
        temperature_kelvin=float(definition.temperature_kelvin),
        friction_per_ps=float(definition.friction_per_ps),
        timestep_fs=float(definition.timestep_fs),
        frame_interval_ps=float(definition.frame_interval_ps),
        solvent="vacuum",
        settings={
            "system": definition.name,
            "structure_sha256": hash_file(definition.structure),
            "contacts": pairs.tolist(),
            **{key: float(value) for key, value in settings.items()},
            "starts": {FOLDED: {}, UNFOLDED: {}},
        },
    )


def _coarse_grain(topology, positions):
    """A topology of Cα alone, their positions, and those of the heavy atoms of each residue."""
    beads, at, heavy = app.Topology(), [], []
    for chain in topology.chains():
        bead_chain, before = beads.addChain(chain.id), None
        for residue in chain.residues():
            atoms = {atom.name: atom for atom in residue.atoms()}
            if "CA" not in atoms or atoms["CA"].element.symbol != "C":
                continue  # caps, water, ions
            bead = beads.addAtom("CA", app.element.carbon, beads.addResidue(residue.name, bead_chain, residue.id))
            if before is not None:
                beads.addBond(before, bead)
            before = bead
            at.append(positions[atoms["CA"].index])
            heavy.append(positions[[atom.index for atom in residue.atoms() if atom.element.symbol != "H"]])
    if beads.getNumChains() != 1 or len(at) <= _NEAREST_IN_SEQUENCE:
        raise StructureError(
            "A structure-based model is of one chain of residues; "
            f"{len(at)} in {beads.getNumChains()} chains were given."
        )
    return beads, np.array(at), heavy


def _find_contacts(heavy, contact_nm):
    """Pairs of residues with two heavy atoms closer than a distance, int (n_contacts, 2), from 0."""
    pairs = [
        (i, j)
        for i in range(len(heavy))
        for j in range(i + _NEAREST_IN_SEQUENCE, len(heavy))
        if np.linalg.norm(heavy[i][:, None] - heavy[j], axis=-1).min() < contact_nm
    ]
    return np.array(pairs, dtype=int).reshape(-1, 2)


def _read_contacts(path, n_residues):
    try:
        pairs = np.array(json.loads(Path(path).read_text(encoding="utf-8"))["pairs"], dtype=int).reshape(-1, 2) - 1
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f'{path} is no list of contacts ({" ".join(str(error).split())}); {{"pairs": [[6, 13], …]}} was expected.'
        ) from None
    if len(pairs) and (
        pairs.min() < 0 or pairs.max() >= n_residues or (pairs[:, 1] - pairs[:, 0]).min() < _NEAREST_IN_SEQUENCE
    ):
        raise SettingsError(
            f"{path} has contacts that do not fit the structure; residues 1 .. {n_residues}, the second at least "
            f"{_NEAREST_IN_SEQUENCE} after the first, were expected."
        )
    return pairs


def _openmm_system(native, pairs, definition):
    system, n, energy = openmm.System(), len(native), definition.contact_energy_kj_mol
    for _ in range(n):
        system.addParticle(definition.mass_amu)
    bonds, angles, dihedrals = openmm.HarmonicBondForce(), openmm.HarmonicAngleForce(), openmm.PeriodicTorsionForce()
    for i in range(n - 1):
        bonds.addBond(i, i + 1, np.linalg.norm(native[i + 1] - native[i]), 2 * _BOND_PER_NM2 * energy)
    for i in range(n - 2):
        angles.addAngle(i, i + 1, i + 2, _angle(native[i : i + 3]), 2 * _ANGLE_PER_RAD2 * energy)
    for i in range(n - 3):
        at_minimum = np.radians(measure_dihedral(native, range(i, i + 4)))
        for fold, depth in ((1, _DIHEDRAL), (3, _DIHEDRAL_THREEFOLD)):
            dihedrals.addTorsion(*range(i, i + 4), fold, fold * at_minimum + np.pi, depth * energy)
    contacts = openmm.CustomBondForce(_CONTACT_WITH_WATER if definition.desolvation_barrier else _CONTACT)
    contacts.addPerBondParameter("r0")
    for i, j in pairs:
        contacts.addBond(i, j, [np.linalg.norm(native[j] - native[i])])
    if definition.desolvation_barrier:
        for name, value in (
            ("barrier", definition.desolvation_barrier),
            ("well", _SEPARATED_WELL),
            ("half", _WATER_NM / 2),
        ):
            contacts.addGlobalParameter(name, value)
    # on Reference, four times as fast as a CustomNonbondedForce
    repulsion = openmm.CustomBondForce("energy*s^6; s = (closest/r)^2")
    repulsion.addGlobalParameter("closest", _REPULSION_NM)
    in_contact = set(map(tuple, pairs.tolist()))
    for i in range(n):
        for j in range(i + _NEAREST_IN_SEQUENCE, n):
            if (i, j) not in in_contact:
                repulsion.addBond(i, j, [])
    for force in (contacts, repulsion):
        force.addGlobalParameter("energy", energy)
    for force in (bonds, angles, dihedrals, contacts, repulsion):
        system.addForce(force)
    return system


def _angle(points):
    before, after = points[0] - points[1], points[2] - points[1]
    return np.arccos(before @ after / np.linalg.norm(before) / np.linalg.norm(after))


def _stretch_out(native):
    """The chain with its own bonds and angles and all dihedrals trans, so a zigzag in a plane; (n_residues, 3)."""
    lengths = np.linalg.norm(np.diff(native, axis=0), axis=1)
    turns = [np.pi - _angle(native[i : i + 3]) for i in range(len(native) - 2)]
    headings = np.cumsum([0.0, *(turn * (-1) ** k for k, turn in enumerate(turns))])
    steps = lengths[:, None] * np.column_stack([np.cos(headings), np.sin(headings), np.zeros(len(headings))])
    stretched = np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])
    if pdist(stretched).min() < _REPULSION_NM / 2:
        raise StructureError("The angles of the chain are too sharp to stretch it out; check the structure.")
    return stretched
