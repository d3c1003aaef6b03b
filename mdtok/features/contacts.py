"""Contacts between residues as features: distances, soft contacts, hard contacts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mdtok.errors import DataError, SettingsError
from mdtok.features.distances import SCHEMES, contact, distance_blocks, require_known, require_positive
from mdtok.features.feature import Feature
from mdtok.features.native import CUTOFF_NM, LAMBDA, NativeContacts
from mdtok.features.topologies import calpha_atoms, describe, heavy_atoms, pair_names, segments

if TYPE_CHECKING:
    import mdtraj


_ATOM_PAIRS_AT_A_TIME = 50_000
_KINDS = ("distance", "soft", "hard")


class Contacts(Feature):
    """Distances between residues, or how far these are contacts (0 .. 1), one column a pair.

    Parameters
    ----------
    pairs : "all", list of (int, int) or NativeContacts
        All pairs of residues that have a Cα, pairs of residue indices (from 0), or the pairs of native contacts.
    scheme : {"closest-heavy", "ca"}, optional
        Between the closest heavy atoms of two residues, or between their Cα. By default that of native contacts,
        "closest-heavy" for other pairs.
    kind : {"distance", "soft", "hard"}
        Distance in nm; ``1 / (1 + exp(beta (r - threshold)))``; or 1 where ``r < threshold`` and 0 elsewhere.
    cutoff_nm : float, optional
        Threshold of soft and hard contacts: 0.45 nm by default, 0.8 nm for the scheme "ca". Native contacts have a
        threshold each if this is not given: `lambda_` times their native distance.
    lambda_ : float, optional
        1.8 for closest heavy atoms, 1.2 for Cα.
    beta_per_nm : float
        Steepness of soft contacts.
    min_separation : int
        For "all": residues i and j of a chain with ``|i - j| >= min_separation``, residues of two chains always.

    Notes
    -----
    Columns are named "distance TRP8-TYR20" or "contact TRP8-TYR20", those of Cα "CA distance …", "CA contact …". mdtraj
    computes the distances, in blocks that fit the processor's cache; with the minimum image convention where the
    trajectory has a periodic box.

    References
    ----------
    The switching function and its parameters for native contacts: Best, Hummer and Eaton, Proc. Natl. Acad. Sci. USA
    110, 17874 (2013).

    Examples
    --------
    >>> import mdtraj, numpy as np
    >>> topology = mdtraj.Topology()
    >>> chain = topology.add_chain()
    >>> for number in range(1, 5):
    ...     _ = topology.add_atom("CA", mdtraj.element.carbon, topology.add_residue("GLY", chain, resSeq=number))
    >>> square = 0.38 * np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    >>> contacts = Contacts(scheme="ca")
    >>> contacts.names(topology), contacts.transform(mdtraj.Trajectory(square, topology)).round(2)
    (['CA distance GLY1-GLY4'], array([[0.38]], dtype=float32))
    """

    words = {
        "contacts": {"scheme": "closest-heavy", "kind": "soft"},
        "contact-distances": {"scheme": "closest-heavy"},
        "ca-contacts": {"scheme": "ca", "kind": "soft"},
        "ca-distances": {"scheme": "ca"},
    }

    def __init__(
        self,
        pairs: str | Sequence[tuple[int, int]] | NativeContacts = "all",
        scheme: str | None = None,
        kind: str = "distance",
        cutoff_nm: float | None = None,
        lambda_: float | None = None,
        beta_per_nm: float = 50.0,
        min_separation: int = 3,
    ) -> None:
        self.native = pairs if isinstance(pairs, NativeContacts) else None
        self.pairs = self.native.pairs if self.native else _as_pairs(pairs)
        self.scheme = scheme or (self.native.scheme if self.native else "closest-heavy")
        self.kind = kind
        require_known("scheme", self.scheme, SCHEMES)
        require_known("kind", kind, _KINDS)
        require_positive(cutoff_nm=cutoff_nm, lambda_=lambda_, beta_per_nm=beta_per_nm, min_separation=min_separation)
        if kind == "distance" and (cutoff_nm is not None or lambda_ is not None):
            raise SettingsError("A distance has no cutoff_nm or lambda_; leave them out, or ask for kind='soft'.")
        if lambda_ is not None and (self.native is None or cutoff_nm is not None):
            raise SettingsError("lambda_ is for native contacts without cutoff_nm; give either of them.")
        self.cutoff_nm, self.lambda_, self.beta_per_nm = cutoff_nm, lambda_, beta_per_nm
        self.min_separation = min_separation
        self.threshold_nm: float | np.ndarray = (
            CUTOFF_NM[self.scheme] if cutoff_nm is None else cutoff_nm
        )  # float, or one for each pair
        if self.native and kind != "distance" and cutoff_nm is None:
            self.threshold_nm = (lambda_ or LAMBDA[self.scheme]) * self.native.distances_nm(self.scheme)

    def names(self, topology: mdtraj.Topology) -> list[str]:
        """Column names, list of str."""
        prefix = ("CA " if self.scheme == "ca" else "") + ("distance" if self.kind == "distance" else "contact")
        return [f"{prefix} {name}" for name in pair_names(topology, self.residue_pairs(topology))]

    def residue_pairs(self, topology: mdtraj.Topology) -> np.ndarray:
        """The two residues of each column, int array of shape (n_columns, 2).

        Raises
        ------
        DataError
            The molecule has no such residues, or not the atoms that the scheme needs.
        """
        if self.native:
            self.native.require_residues(topology)
        if isinstance(self.pairs, str):
            pairs = _all_pairs(topology, self.min_separation)
        else:
            pairs = self._asked_pairs(topology)
        if self.scheme == "closest-heavy" and all(len(heavy_atoms(topology.residue(i))) == 1 for i in np.unique(pairs)):
            raise DataError(
                f"The residues of this molecule ({describe(topology)}) are single atoms, which have no closest heavy "
                "atoms; use scheme='ca'."
            )
        return pairs

    def _asked_pairs(self, topology):
        if self.pairs.max() >= topology.n_residues:
            raise DataError(
                f"The residue {self.pairs.max()} was asked for; this molecule ({describe(topology)}) has 0 .. "
                f"{topology.n_residues - 1}."
            )
        has = calpha_atoms(topology) if self.scheme == "ca" else None
        for index in np.unique(self.pairs):
            residue = topology.residue(index)
            if not (index in has if self.scheme == "ca" else heavy_atoms(residue)):
                what = "Cα" if self.scheme == "ca" else "heavy"
                raise DataError(f"A contact of {residue} was asked for, which has no {what} atom; leave it out.")
        return self.pairs

    def transform(self, traj: mdtraj.Trajectory) -> np.ndarray:
        """The columns for each frame.

        Parameters
        ----------
        traj : mdtraj.Trajectory

        Returns
        -------
        ndarray of float32, shape (n_frames, n_columns)
        """
        pairs = self.residue_pairs(traj.topology)
        values = np.empty((len(traj), len(pairs)), dtype=np.float32)
        if self.scheme == "ca":
            calphas = calpha_atoms(traj.topology)
            for frames, distances in distance_blocks(traj, np.array([[calphas[i], calphas[j]] for i, j in pairs])):
                values[frames] = distances
        else:
            _closest_heavy(traj, pairs, out=values)
        if self.kind == "distance":
            return values
        return contact(values, self.threshold_nm, self.kind, self.beta_per_nm)


def _as_pairs(pairs):
    if isinstance(pairs, str):
        require_known("pairs", pairs, ("all",))
        return pairs
    array = np.asarray(pairs)
    if array.ndim != 2 or array.shape[1] != 2 or len(array) == 0 or array.dtype.kind not in "iu":
        raise SettingsError(
            f"pairs has the shape {array.shape} and type {array.dtype}; 'all', residue indices of shape (n_pairs, 2), "
            "or native contacts were expected."
        )
    if array.min() < 0:
        raise SettingsError(f"The residue {array.min()} was asked for; residues are counted from 0.")
    ordered = np.sort(array, axis=1)
    if np.any(ordered[:, 0] == ordered[:, 1]) or len(np.unique(ordered, axis=0)) < len(array):
        raise SettingsError("pairs holds a residue with itself, or the same pair twice; give each pair once.")
    return array


def _all_pairs(topology, min_separation):
    """All pairs of residues with a Cα that are far enough apart in sequence, int (n_pairs, 2)."""
    residues = np.array(list(calpha_atoms(topology)), dtype=int)
    if len(residues) == 0:
        raise DataError(f"This molecule ({describe(topology)}) has no Cα atoms; give the pairs of residues.")
    chains = segments(topology)[residues]
    first, second = np.triu_indices(len(residues), k=1)
    far = (residues[second] - residues[first] >= min_separation) | (chains[first] != chains[second])
    pairs = np.column_stack([residues[first[far]], residues[second[far]]])
    if len(pairs) == 0:
        raise DataError(
            f"This molecule ({describe(topology)}) has no two residues {min_separation} or more apart; lower "
            "min_separation."
        )
    return pairs


def _closest_heavy(traj, pairs, out):
    """Fill `out` with the distances of the closest heavy atoms; five times as fast as mdtraj.compute_contacts."""
    heavy = {index: np.array(heavy_atoms(traj.topology.residue(index))) for index in np.unique(pairs)}
    sizes = np.array([len(heavy[i]) * len(heavy[j]) for i, j in pairs])  # atom pairs of each residue pair
    cuts = np.flatnonzero(np.diff(np.cumsum(sizes) // _ATOM_PAIRS_AT_A_TIME)) + 1
    for columns in np.split(np.arange(len(pairs)), cuts):
        atom_pairs = np.concatenate(
            [
                np.column_stack([np.repeat(heavy[i], len(heavy[j])), np.tile(heavy[j], len(heavy[i]))])
                for i, j in pairs[columns]
            ]
        )
        starts = np.cumsum(sizes[columns]) - sizes[columns]
        for frames, distances in distance_blocks(traj, atom_pairs):
            out[frames, columns[0] : columns[-1] + 1] = np.minimum.reduceat(distances, starts, axis=1)
