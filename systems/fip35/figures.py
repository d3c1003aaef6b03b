"""The table of crystal figures, read for Fip35, and how well a structure agrees with it."""

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
from take_figures import heavy_atoms

from mdtok.errors import StructureError
from mdtok.md.dihedral_rotation import measure_dihedral
from mdtok.md.structure import sequence_of

TABLE = Path(__file__).with_name("crystal_figures.json")
# Regions of phi and psi in degrees, drawn inside the allowed ones of Lovell et al., Proteins 50, 437 (2003): what is
# outside is called bad, though at the edges it may still be allowed. Glycine, being achiral, has mirror images besides.
ALPHA, ALPHA_EDGE = ((-130, -54), (-62, 20)), -60  # alpha and turn, where phi + psi is below the edge
REGIONS = (
    ALPHA,
    ((-165, -60), (95, 180)),  # beta and polyproline II
    ((-60, -53), (115, 160)),
    ((-165, -80), (-180, -170)),
    ((50, 68), (18, 55)),  # left-handed alpha
)
GLYCINE_REGIONS = (ALPHA, ((-165, -60), (150, 180)), ((-165, -80), (-180, -170)))
PROLINE_REGIONS = (((-95, -48), (110, 180)), ((-90, -52), (-55, 5)))
OMEGA_WITHIN = 20.0  # degrees of the trans peptide bond; 1PIN has no cis bond in this domain


@dataclasses.dataclass(frozen=True)
class Figures:
    """What the crystal structure says of Fip35, by residue of Fip35, counted from 1.

    Attributes
    ----------
    sequence : str
    torsions : dict of int -> dict of str -> float
        In degrees; of aligned residues only, and beyond chi2 only where the residue is the same in both.
    core : tuple of int
        The aligned residues.
    aligned : tuple of int
        Their places in the crystal's sequence, from 0.
    calpha : ndarray of float, shape (n_core, 3), in nm
        Alpha carbons of the core, rebuilt from their distances; the origin and the orientation are arbitrary.
    contacts : list of (int, str, int, str, float)
        Residue and atom, residue and atom, distance in nm; atoms that Fip35 has as well.
    native_pairs : list of (int, int)
        Residues whose nearest heavy atoms are in contact.
    contact_nm : float
    """

    sequence: str
    torsions: dict
    core: tuple
    aligned: tuple
    calpha: np.ndarray
    contacts: list
    native_pairs: list
    contact_nm: float


def read_figures(path=TABLE):
    """Read the table and carry it over to Fip35 by its alignment."""
    table = json.loads(Path(path).read_text(encoding="utf-8"))
    first = table["residues"][0]["number"]
    to_fip35, same, counts = {}, set(), [first - 1, 0]
    for columns in zip(table["alignment"]["crystal"], table["alignment"]["fip35"], strict=True):
        counts = [count + (letter != "-") for count, letter in zip(counts, columns)]
        if "-" not in columns:
            to_fip35[counts[0]] = counts[1]
            if columns[0] == columns[1]:
                same.add(counts[1])
    torsions = {}
    for row in table["residues"]:
        number = to_fip35.get(row["number"])
        if number:
            kept = ("phi", "psi", "omega", *(("chi1", "chi2", "chi3", "chi4") if number in same else ("chi1", "chi2")))
            torsions[number] = {name: row[name] for name in kept if name in row}
    carried_over = [
        (to_fip35[i], first_atom, to_fip35[j], second_atom, distance)
        for i, first_atom, j, second_atom, distance in table["contacts"]
        if i in to_fip35 and j in to_fip35
    ]

    def has_atom(number, atom):
        return number in same or atom in ("N", "CA", "C", "O", "CB")

    aligned = tuple(number - first for number in to_fip35)
    calpha = _rebuild(table["ca_distances_nm"], [row.get("ca_dihedral") for row in table["residues"]])
    return Figures(
        sequence=table["alignment"]["fip35"].replace("-", ""),
        torsions=torsions,
        core=tuple(to_fip35.values()),
        aligned=aligned,
        calpha=calpha[list(aligned)],
        contacts=[row for row in carried_over if has_atom(*row[:2]) and has_atom(*row[2:4])],
        native_pairs=sorted({(i, j) for i, _, j, _, _ in carried_over}),
        contact_nm=table["contact_nm"],
    )


def _rebuild(rows, dihedrals):
    """Positions from all distances (classical scaling: Torgerson, Psychometrika 17, 401 (1952)), of the right hand."""
    n_atoms = len(rows) + 1
    squared = np.zeros((n_atoms, n_atoms))
    for index, row in enumerate(rows):
        squared[index, index + 1 :] = squared[index + 1 :, index] = np.square(row)
    centring = np.eye(n_atoms) - 1 / n_atoms
    values, vectors = np.linalg.eigh(-0.5 * centring @ squared @ centring)
    positions = vectors[:, -3:] * np.sqrt(values[-3:])
    agree = sum(
        np.sin(np.radians(dihedral)) * np.sin(np.radians(measure_dihedral(positions, range(i, i + 4))))
        for i, dihedral in enumerate(dihedrals)
        if dihedral is not None
    )
    return positions if agree > 0 else -positions


def rmsd(first, second):
    """Root-mean-square distance of two sets of positions after the best superposition (Kabsch), no mirror image."""
    first, second = (positions - positions.mean(axis=0) for positions in (first, second))
    left, scales, right = np.linalg.svd(first.T @ second)
    scales[-1] *= np.sign(np.linalg.det(left @ right))
    return float(np.sqrt(max(0.0, (first**2).sum() + (second**2).sum() - 2 * scales.sum()) / len(first)))


def atoms_by_residue(topology):
    """Indices of the heavy atoms by name, a dictionary for each residue; the first is residue 1's."""
    return [heavy_atoms(residue) for residue in topology.residues()]


def backbone_torsions(topology, positions):
    """phi, psi and omega of each residue in degrees; omega is that of the bond to the residue after."""
    atoms, found = atoms_by_residue(topology), []
    for index, here in enumerate(atoms):
        torsions = {}
        if index > 0:
            torsions["phi"] = measure_dihedral(positions, (atoms[index - 1]["C"], here["N"], here["CA"], here["C"]))
        if index + 1 < len(atoms):
            after = atoms[index + 1]
            torsions["psi"] = measure_dihedral(positions, (here["N"], here["CA"], here["C"], after["N"]))
            torsions["omega"] = measure_dihedral(positions, (here["CA"], here["C"], after["N"], after["CA"]))
        found.append(torsions)
    return found


def is_bad_ramachandran(letter, phi, psi):
    """Whether a residue lies outside the regions of the Ramachandran map that are surely allowed (see REGIONS)."""

    def within(regions, phi, psi):
        boxes = [box for box in regions if box[0][0] <= phi <= box[0][1] and box[1][0] <= psi <= box[1][1]]
        return any(box != ALPHA or phi + psi <= ALPHA_EDGE for box in boxes)

    if letter == "P":
        return not within(PROLINE_REGIONS, phi, psi)
    if letter == "G":
        return not (within(GLYCINE_REGIONS, phi, psi) or within(GLYCINE_REGIONS, -phi, -psi))
    return not within(REGIONS, phi, psi)


def assess(topology, positions, figures):
    """Figures of merit of a structure of Fip35: a dict, positions in nm.

    Raises
    ------
    StructureError
        The structure has another sequence than the table.
    """
    sequence = sequence_of(topology.residues())
    if sequence != figures.sequence:
        raise StructureError(f"The structure has the sequence {sequence}; the contact table is for {figures.sequence}.")
    atoms = atoms_by_residue(topology)
    torsions = backbone_torsions(topology, positions)
    calpha = positions[[atoms[number - 1]["CA"] for number in figures.core]]

    def nearest(pair):
        first, second = (list(atoms[number - 1].values()) for number in pair)
        return min(np.linalg.norm(positions[i] - positions[j]) for i, j in itertools.product(first, second))

    distances = np.array([nearest(pair) for pair in figures.native_pairs])
    names = [f"{letter}{number}" for number, letter in enumerate(sequence, 1)]
    return {
        "ca_rmsd_nm": rmsd(calpha, figures.calpha),
        "n_native_pairs": len(distances),
        "native_pairs_within_cutoff": float((distances < figures.contact_nm).mean()),
        "native_pairs_within_1.2_cutoff": float((distances < 1.2 * figures.contact_nm).mean()),
        "missing_pairs": [
            f"{names[i - 1]}-{names[j - 1]} {distance:.2f} nm"
            for (i, j), distance in zip(figures.native_pairs, distances)
            if distance >= figures.contact_nm
        ],
        "bad_ramachandran": [
            f"{name} ({angles['phi']:.0f}, {angles['psi']:.0f})"
            for name, letter, angles in zip(names, sequence, torsions)
            if len(angles) == 3 and is_bad_ramachandran(letter, angles["phi"], angles["psi"])
        ],
        "bad_omega": [
            f"{name} ({angles['omega']:.0f})"
            for name, angles in zip(names, torsions)
            if "omega" in angles and 180 - abs(angles["omega"]) > OMEGA_WITHIN
        ],
    }
