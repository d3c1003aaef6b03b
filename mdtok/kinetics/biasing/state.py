"""A state said in words, such as ``"phi > 0 and psi < 1.5"``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mdtok.errors import SettingsError
from mdtok.kinetics.cvs.angle import AngleCV

if TYPE_CHECKING:
    import mdtraj
    from openmm import app

_CLAUSE = re.compile(r"\s*([^\s<>][^<>]*?)\s*([<>])\s*(-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s*\Z")


@dataclass(frozen=True)
class State:
    """Frames in which all conditions hold.

    Attributes
    ----------
    words : str
        As it was said.
    conditions : tuple of (str, str, float)
        Name, ``<`` or ``>``, bound.
    """

    words: str
    conditions: tuple[tuple[str, str, float], ...]

    @classmethod
    def of(cls, words: str) -> State:
        """The state that words say: conditions of dihedral angles in radians, or of the collective variable, ``cv``.

        Raises
        ------
        SettingsError
            The words do not read like ``"phi > 0 and psi < 1.5"``.

        Examples
        --------
        >>> State.of("phi > 0 and cv < 1.5").conditions
        (('phi', '>', 0.0), ('cv', '<', 1.5))
        """
        found = [_CLAUSE.match(clause) for clause in re.split(r"\band\b", words)]
        if not all(found):
            raise SettingsError(
                f"The state is {words!r}; 'phi > 0', or 'phi > 0 and psi < 1.5', was expected (radians, or cv)."
            )
        return cls(words, tuple((one[1], one[2], float(one[3])) for one in found if one))

    def angles(self, topology: mdtraj.Topology | app.Topology) -> dict[str, AngleCV]:
        """The angles that it names, of a molecule.

        Raises
        ------
        SettingsError, DataError
            A name is no angle, or not one angle, of this molecule.
        """
        names = {name for name, _, _ in self.conditions} - {"cv"}
        return {name: AngleCV.named(name, topology) for name in sorted(names)}

    def holds(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        """In which frames it holds, bool array of shape (n_frames,), from the values of each name."""
        inside = np.ones(len(next(iter(columns.values()))), dtype=bool)
        for name, sign, bound in self.conditions:
            inside &= columns[name] > bound if sign == ">" else columns[name] < bound
        return inside
