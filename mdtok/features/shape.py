"""How far from a structure, and how compact: RMSD and radius of gyration."""

from __future__ import annotations

from collections.abc import Sequence

import mdtraj
import numpy as np

from mdtok.errors import DataError
from mdtok.features.feature import Feature
from mdtok.features.topologies import describe, load_reference, same_residue, select_atoms


class Rmsd(Feature):
    """Root-mean-square deviation from a structure after optimal superposition, in nm.

    Parameters
    ----------
    reference : mdtraj.Trajectory of one frame, or path of a PDB file
        May have atoms that the trajectories lack, and the other way round, as long as the chosen ones agree.
    atoms : str or list of int
        ``"ca"``, ``"backbone"``, another selection in mdtraj's language, or atom indices (the same in both).

    Notes
    -----
    mdtraj computes it (Theobald, Acta Crystallogr. A 61, 478 (2005)). Molecules must be whole, not cut by a periodic
    box.

    Examples
    --------
    >>> xyz = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    >>> topology = mdtraj.Topology()
    >>> residue = topology.add_residue("MET", topology.add_chain())
    >>> for name in "ABCD":
    ...     _ = topology.add_atom(name, mdtraj.element.carbon, residue)
    >>> rmsd = Rmsd(mdtraj.Trajectory(xyz, topology), atoms="all")
    >>> abs(rmsd.transform(mdtraj.Trajectory([xyz, xyz[:, [1, 2, 0]] + 5], topology)).round(2))
    array([[0.],
           [0.]], dtype=float32)
    """

    def __init__(self, reference: str, atoms: str | Sequence[int] = "ca") -> None:
        self.reference = load_reference(reference)
        self.atoms = atoms
        self._reference_atoms = select_atoms(self.reference.topology, atoms)

    def names(self, topology: mdtraj.Topology) -> list[str]:
        """Column names, list of str."""
        self._matching_atoms(topology)  # other atoms are known before coordinates are read
        return [f"RMSD {self.atoms}" if isinstance(self.atoms, str) else "RMSD"]

    def transform(self, traj: mdtraj.Trajectory) -> np.ndarray:
        """RMSD of each frame.

        Parameters
        ----------
        traj : mdtraj.Trajectory

        Returns
        -------
        ndarray of float32, shape (n_frames, 1), in nm
        """
        atoms = self._matching_atoms(traj.topology)
        return mdtraj.rmsd(traj, self.reference, atom_indices=atoms, ref_atom_indices=self._reference_atoms)[:, None]

    def _matching_atoms(self, topology):
        """The chosen atoms in `topology`, the same as those of the reference."""
        selected = select_atoms(topology, self.atoms)
        if len(selected) != len(self._reference_atoms):
            raise DataError(
                f"The RMSD is over {len(selected)} atoms of this molecule ({describe(topology)}), but {self.atoms!r} "
                f"are {len(self._reference_atoms)} of the reference ({describe(self.reference.topology)}); choose "
                "atoms "
                "that both have."
            )
        for index, reference_index in zip(selected, self._reference_atoms):
            atom, other = topology.atom(index), self.reference.topology.atom(reference_index)
            if atom.name != other.name or not same_residue(atom.residue.name, other.residue.name):
                raise DataError(f"The RMSD compares {atom} with {other} of the reference; choose atoms that both have.")
        return selected


class RadiusOfGyration(Feature):
    """Mass-weighted radius of gyration, in nm.

    Parameters
    ----------
    atoms : str or list of int
        ``"protein"`` (no water, no ions), ``"ca"``, ``"all"``, another selection in mdtraj's language, or atom indices.

    Notes
    -----
    About the centre of mass (mdtraj.compute_rg takes the centre of the atoms, whatever their masses). Molecules must be
    whole, not cut by a periodic box.

    Examples
    --------
    >>> topology = mdtraj.Topology()
    >>> residue = topology.add_residue("CO", topology.add_chain())
    >>> for element in (mdtraj.element.hydrogen, mdtraj.element.hydrogen):
    ...     _ = topology.add_atom("H", element, residue)
    >>> RadiusOfGyration(atoms="all").transform(mdtraj.Trajectory([[[0, 0, 0], [2.0, 0, 0]]], topology))
    array([[1.]], dtype=float32)
    """

    words = {"rg": {}}

    def __init__(self, atoms: str | Sequence[int] = "protein") -> None:
        self.atoms = atoms

    def names(self, topology: mdtraj.Topology) -> list[str]:
        """Column names, list of str."""
        self._weights(topology, select_atoms(topology, self.atoms))
        return ["Rg"]

    def transform(self, traj: mdtraj.Trajectory) -> np.ndarray:
        """Radius of gyration of each frame.

        Parameters
        ----------
        traj : mdtraj.Trajectory

        Returns
        -------
        ndarray of float32, shape (n_frames, 1), in nm
        """
        selected = select_atoms(traj.topology, self.atoms)
        weights, xyz = self._weights(traj.topology, selected), traj.xyz[:, selected]  # (n_frames, n_selected, 3)
        centre = weights @ xyz  # (n_frames, 3)
        squared = np.square(xyz - centre[:, None]).sum(axis=2) @ weights
        return np.sqrt(squared)[:, None]

    def _weights(self, topology, selected):
        masses = np.array([0.0 if (element := topology.atom(i).element) is None else element.mass for i in selected])
        if not masses.sum() > 0:
            raise DataError(f"The atoms {self.atoms!r} of this molecule ({describe(topology)}) have no known masses.")
        return (masses / masses.sum()).astype(np.float32)
