"""One dihedral angle itself as a collective variable: it comes round again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mdtraj
import numpy as np

from mdtok.errors import DataError, SettingsError
from mdtok.features.featurizer import Dihedrals, Featurizer
from mdtok.features.topologies import describe
from mdtok.kinetics.cvs.collective_variable import CollectiveVariable
from mdtok.kinetics.cvs.columns import Torsions

if TYPE_CHECKING:
    from openmm import app


class AngleCV(CollectiveVariable):
    """A dihedral angle in radians, -pi to pi, with the period of a turn.

    Parameters
    ----------
    featurizer : Featurizer
        Fitted; of one dihedral angle and nothing else.

    Raises
    ------
    DataError
        The featurizer is not fitted.
    SettingsError
        It has anything but one dihedral angle.

    Examples
    --------
    >>> topology = mdtraj.Topology()
    >>> residue = topology.add_residue("BUT", topology.add_chain())
    >>> for name in "ABCD":
    ...     _ = topology.add_atom(name, mdtraj.element.carbon, residue)
    >>> frame = mdtraj.Trajectory([[[0, 0, 0], [0.1, 0, 0], [0.1, 0.1, 0], [0.1, 0.1, 0.1]]], topology)
    >>> AngleCV(Featurizer(Dihedrals([(0, 1, 2, 3)])).fit(frame)).transform(frame, progress=False)[0].round(3)
    array([[1.571]])
    """

    n_cvs = 1
    period = 2 * np.pi

    def __init__(self, featurizer: Featurizer) -> None:
        super().__init__(featurizer)
        if len(self.columns) != 1 or not isinstance(self.columns[0], Torsions) or len(self.columns[0].atoms) != 1:
            raise SettingsError(f"An angle as a CV is of one dihedral; {', '.join(self.column_names[:4])} were given.")

    @classmethod
    def named(cls, name: str, topology: mdtraj.Topology | app.Topology) -> AngleCV:
        """The angle of a name, such as ``"phi"`` where there is one only, or ``"phi ALA2"``.

        Raises
        ------
        SettingsError
            No kind of angle has that name.
        DataError
            The topology has no such angle, or several.
        """
        if not isinstance(topology, mdtraj.Topology):
            topology = mdtraj.Topology.from_openmm(topology)
        name = name.strip()
        angles = Dihedrals(name.split(" ")[0])
        all_names = Dihedrals(angles.which, encoding="radians").names(topology)
        found = [k for k, known in enumerate(all_names) if known == name or known.startswith(f"{name} ")]
        if len(found) != 1:
            shown = ", ".join(all_names[:6]) + (", …" if len(all_names) > 6 else "")
            raise DataError(f"{name!r} is {len(found)} angles of {describe(topology)}; one of {shown} was expected.")
        if len(all_names) > 1:
            angles = Dihedrals([tuple(angles.indices(topology)[found[0]].tolist())])
        nothing = mdtraj.Trajectory(np.empty((0, topology.n_atoms, 3)), topology)
        return cls(Featurizer(angles).fit(nothing))

    def values(self, encoded: np.ndarray) -> np.ndarray:
        """Angles of its cosine and sine, shape (n_frames, 2); ndarray of shape (n_frames, 1)."""
        return np.arctan2(encoded[:, 1:], encoded[:, :1])

    def settings(self) -> dict:
        """None: it is its features."""
        return {}
