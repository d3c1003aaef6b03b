"""Coordinates to features, chunk by chunk: dihedrals, and anything that speaks the same three words."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import mdtraj
import numpy as np
from mdtraj.geometry import dihedral

from mdtok.errors import DataError, SettingsError
from mdtok.features.arrays import first_not_finite
from mdtok.features.feature import Feature
from mdtok.features.feature_folder import FeatureFolder
from mdtok.features.topologies import describe, told_apart
from mdtok.md.bonds import Bonds, true_topology
from mdtok.md.in_memory import hold, is_universe
from mdtok.parameters import Parameterised
from mdtok.progress import tracked

if TYPE_CHECKING:
    from mdtok.md.trajectory import Trajectories

log = logging.getLogger(__name__)


_INDICES_OF = {
    "phi": dihedral.indices_phi,
    "psi": dihedral.indices_psi,
    "omega": dihedral.indices_omega,
    "chi1": dihedral.indices_chi1,
    "chi2": dihedral.indices_chi2,
    "chi3": dihedral.indices_chi3,
    "chi4": dihedral.indices_chi4,
    "chi5": dihedral.indices_chi5,
}
DIHEDRALS = tuple(_INDICES_OF)
CHUNK_FRAMES = 1000
CHUNK_BYTES = 50 * 10**6  # of coordinates and features at a time: fewer frames where the molecule is in much water
WORKING_GB = 0.5  # what the program itself and a chunk with its copies take at most


class Dihedrals(Feature):
    """Dihedral angles of a molecule, as cosines and sines or in radians.

    Parameters
    ----------
    which : str or list
        Backbone and side-chain angles by name (``"phi psi"``, of phi, psi, omega, chi1 .. chi5; every residue that has
        one), or a list of these names and of groups of four atoms, each group by index ``(4, 6, 8, 14)`` or by name
        ``("ACE1-C", "ALA2-N", "ALA2-CA", "ALA2-C")``.
    encoding : {"sincos", "radians"}
        Two columns an angle ("cos phi ALA2", "sin phi ALA2"), or one ("phi ALA2", in -pi .. pi, marked as periodic).

    Notes
    -----
    An angle is named after the residue of its second atom: phi(i) is C(i-1) N CA C, psi(i) N CA C N(i+1), omega(i)
    CA C N(i+1) CA(i+1) (IUPAC-IUB, Biochemistry 9, 3471 (1970)). mdtraj computes them, with the minimum image
    convention where the trajectory has a periodic box.

    Examples
    --------
    >>> Dihedrals("phi psi", encoding="radians").which
    ['phi', 'psi']
    """

    words = {name: {"which": name, "encoding": "radians"} for name in DIHEDRALS}

    @classmethod
    def from_words(cls, words: list[str]) -> list[Feature]:
        """One feature of all the angles together, in radians."""
        return [cls(words, encoding="radians")]

    def __init__(self, which: str | Sequence = "phi psi", encoding: str = "sincos") -> None:
        self.which = which.replace(",", " ").split() if isinstance(which, str) else list(which)
        if not self.which:
            raise SettingsError(
                f"No dihedral was asked for; give some of {', '.join(_INDICES_OF)}, or groups of four atoms."
            )
        for asked in self.which:
            if isinstance(asked, str):
                if asked not in _INDICES_OF:
                    raise SettingsError(
                        f"The dihedral {asked!r} is not known; give some of {', '.join(_INDICES_OF)}, or four atoms."
                    )
            elif len(asked) != 4 or len(set(asked)) != 4:
                raise SettingsError(f"{tuple(asked)} is not a dihedral; four different atoms were expected.")
        if encoding not in ("sincos", "radians"):
            raise SettingsError(f"encoding is {encoding!r}; 'sincos' or 'radians' was expected.")
        self.encoding = encoding

    def names(self, topology: mdtraj.Topology) -> list[str]:
        """Column names, list of str."""
        angles = self._angle_names(topology)
        if self.encoding == "radians":
            return angles
        return [f"{function} {angle}" for angle in angles for function in ("cos", "sin")]

    def periodic(self, topology: mdtraj.Topology) -> list[bool]:
        """Whether each column is an angle in radians, list of bool."""
        return [self.encoding == "radians"] * len(self.names(topology))

    def transform(self, traj: mdtraj.Trajectory) -> np.ndarray:
        """The columns for each frame.

        Parameters
        ----------
        traj : mdtraj.Trajectory

        Returns
        -------
        ndarray of float32, shape (n_frames, n_columns)
        """
        angles = mdtraj.compute_dihedrals(traj, self.indices(traj.topology))  # (n_frames, n_angles)
        if self.encoding == "radians":
            return angles
        return np.stack([np.cos(angles), np.sin(angles)], axis=2).reshape(len(angles), -1)

    def indices(self, topology: mdtraj.Topology) -> np.ndarray:
        """The four atoms of each angle, int array of shape (n_angles, 4)."""
        groups = [self._find(topology, asked) for asked in self.which]
        return np.concatenate(groups)

    def _find(self, topology, asked):
        if not isinstance(asked, str):
            return np.array([[_atom_index(topology, atom) for atom in asked]])
        found = _bonded(topology, _INDICES_OF[asked](topology))
        if len(found) == 0:
            has = [
                f"{kind} ({n})" for kind, find in _INDICES_OF.items() if (n := len(_bonded(topology, find(topology))))
            ]
            raise DataError(
                f"The dihedral {asked} was asked for; this molecule ({describe(topology)}) has "
                f"{', '.join(has) or 'no named dihedral'}."
            )
        return np.asarray(found)

    def _angle_names(self, topology):
        groups = [self._find(topology, asked) for asked in self.which]
        if len({tuple(four) for group in groups for four in group.tolist()}) < sum(map(len, groups)):
            raise SettingsError(f"The dihedrals {self.which} name the same angle twice; give each once.")
        atoms, names, residues = list(topology.atoms), [], []
        for asked, group in zip(self.which, groups):
            for four in group:
                residues.append(atoms[four[1]].residue)
                names.append(
                    f"{asked} {residues[-1]}" if isinstance(asked, str) else " ".join(str(atoms[i]) for i in four)
                )
        return told_apart(topology, names, residues)


def _bonded(topology, groups):
    """The groups of four atoms that are bonded one to the next: not over missing residues, nor to another molecule."""
    if topology.n_bonds == 0 or len(groups) == 0:
        return groups
    bonds = {frozenset((one.index, other.index)) for one, other in topology.bonds}
    return [four for four in groups if all(frozenset(pair) in bonds for pair in itertools.pairwise(four))]


def _atom_index(topology, atom):
    if isinstance(atom, str):
        found = [a.index for a in topology.atoms if str(a) == atom]
        if len(found) != 1:
            some = " ".join(str(a) for a in list(topology.atoms)[:6])
            raise DataError(
                f"The atom {atom!r} occurs {len(found)} times in this molecule; once was expected (names look like "
                f"{some})."
            )
        return found[0]
    if int(atom) != atom or not 0 <= atom < topology.n_atoms:
        raise DataError(f"The atom {atom} was asked for; this molecule has the atoms 0 .. {topology.n_atoms - 1}.")
    return int(atom)


class Featurizer(Parameterised):
    """Compute features for trajectories, chunk by chunk.

    Parameters
    ----------
    features : list of Feature
        Such as `Dihedrals`, `Contacts` or `Rmsd`; their columns stand side by side.
    memory_limit_gb : float
        Trajectories whose features would need more than this, the program included, are refused before any is read,
        unless the features go to disk (`out` of `transform`).

    Attributes
    ----------
    feature_names_ : list of str
    periodic_ : ndarray of bool, shape (n_features,)
        Which columns are angles in radians.

    Examples
    --------
    >>> import mdtraj, numpy as np
    >>> topology = mdtraj.Topology()
    >>> residue = topology.add_residue("BUT", topology.add_chain())
    >>> for name in "ABCD":
    ...     _ = topology.add_atom(name, mdtraj.element.carbon, residue)
    >>> planar_trans = np.array([[[0, 0, 0], [0.1, 0, 0], [0.1, 0.1, 0], [0.2, 0.1, 0]]])
    >>> featurizer = Featurizer([Dihedrals([(0, 1, 2, 3)])])
    >>> featurizer.fit_transform(mdtraj.Trajectory(planar_trans, topology), progress=False)[0].round(3)
    array([[-1., -0.]], dtype=float32)
    >>> featurizer.feature_names_[0]
    'cos BUT0-A BUT0-B BUT0-C BUT0-D'
    """

    def __init__(self, features: Feature | list[Feature] | tuple[Feature, ...], memory_limit_gb: float = 2.0) -> None:
        self.features: list[Feature] = list(features) if isinstance(features, (list, tuple)) else [features]
        if not self.features:
            raise SettingsError("No feature was given; pass for instance [Dihedrals('phi psi')].")
        if not memory_limit_gb > WORKING_GB:
            raise SettingsError(f"memory_limit_gb is {memory_limit_gb}; more than {WORKING_GB} was expected.")
        self.memory_limit_gb = memory_limit_gb

    def fit(self, trajs: Trajectories | mdtraj.Trajectory | Sequence[mdtraj.Trajectory]) -> Featurizer:
        """Find the columns in the topology of `trajs`; no coordinates of files are read."""
        first = _as_list(trajs)[0]
        topology = first.topology if hasattr(first, "path") else _topology_in_memory(first)
        self.topology_, self.n_atoms_ = topology, topology.n_atoms
        self.feature_names_ = [name for feature in self.features for name in feature.names(topology)]
        self.periodic_ = np.array([p for feature in self.features for p in feature.periodic(topology)], dtype=bool)
        return self

    def transform(
        self,
        trajs: Trajectories | mdtraj.Trajectory | Sequence[mdtraj.Trajectory],
        progress: bool = True,
        out: str | Path | None = None,
    ) -> list[np.ndarray]:
        """Compute the features.

        Parameters
        ----------
        trajs : Trajectories, mdtraj.Trajectory, MDAnalysis universe, or list of them
        progress : bool
            Show a progress bar.
        out : path-like, optional
            A folder to write them to, ``NNN.npy`` a trajectory, where they are more than the memory holds. Trajectories
            that are there are not computed again, but their first chunk (up to 1000 frames), which is compared.

        Returns
        -------
        list of ndarray of float32, shape (n_frames, n_features) each
            With `out`, read-only memory maps.

        Raises
        ------
        DataError
            NaN or infinity in coordinates or features (named by trajectory and frame), another number of atoms, or more
            features than `memory_limit_gb`, or with `out` the disk, has room for.
        RunFolderError
            `out` holds other features, or those of other trajectories.
        """
        if not hasattr(self, "feature_names_"):
            raise DataError("This Featurizer is not fitted; call fit(trajs) or fit_transform(trajs).")
        trajs = _as_list(trajs)
        for index, traj in enumerate(trajs):
            if traj.n_atoms != self.n_atoms_:
                raise DataError(
                    f"{_name(traj, index)} has {traj.n_atoms} atoms; the Featurizer was fitted to {self.n_atoms_}."
                )
        n_frames = [len(traj) for traj in trajs]
        if out is None:
            self._require_memory(sum(n_frames))
        else:
            folder = FeatureFolder(out, self.feature_names_, self.periodic_, n_frames)
        with tracked(total=sum(n_frames), desc="features", unit="frame", disable=not progress) as bar:
            if out is None:
                return [self._collect(traj, _name(traj, index), bar) for index, traj in enumerate(trajs)]
            for index, traj in enumerate(trajs):
                if not folder.put(index, self._rows(traj, _name(traj, index), bar)):
                    bar.update(sum(n_frames[: index + 1]) - bar.n)
            return [folder[index] for index in range(len(trajs))]

    def fit_transform(
        self,
        trajs: Trajectories | mdtraj.Trajectory | Sequence[mdtraj.Trajectory],
        progress: bool = True,
        out: str | Path | None = None,
    ) -> list[np.ndarray]:
        """`fit`, then `transform`."""
        return self.fit(trajs).transform(trajs, progress=progress, out=out)

    def _require_memory(self, n_frames):
        n_columns = len(self.feature_names_)
        needed_gb, room_gb = n_frames * n_columns * 4 / 1e9, self.memory_limit_gb - WORKING_GB
        if needed_gb > room_gb:
            stride = math.ceil(needed_gb / room_gb)
            raise DataError(
                f"{n_columns:,} features of {n_frames:,} frames need {needed_gb + WORKING_GB:.1f} GB; memory_limit_gb "
                f"is {self.memory_limit_gb:g}. Write them to disk (out=folder), keep one frame in {stride} "
                f"(stride={stride}), "
                "ask for fewer features, or raise it."
            )

    def _collect(self, traj, name, bar):
        features = np.empty((len(traj), len(self.feature_names_)), dtype=np.float32)
        start = 0
        for rows in self._rows(traj, name, bar):
            features[start : start + len(rows)] = rows
            start += len(rows)
        return features

    def _rows(self, traj, name, bar):
        """The features of a trajectory, chunk by chunk."""
        start, bonds = 0, Bonds(self.topology_)
        for chunk in _chunks(traj, len(self.feature_names_)):
            _require_finite(chunk.xyz, f"Coordinates of {name}", start)
            chunk = _whole(bonds, _with_topology(chunk, self.topology_), name, start, hasattr(traj, "path"))
            rows = np.concatenate([np.asarray(f.transform(chunk), dtype=np.float32) for f in self.features], axis=1)
            _require_finite(rows, f"Features of {name}", start)
            start += len(chunk)
            bar.update(len(chunk))
            yield rows


def _as_list(trajs):
    one = isinstance(trajs, (mdtraj.Trajectory, str)) or hasattr(trajs, "chunks") or is_universe(trajs)
    trajs = [trajs] if one or not isinstance(trajs, Iterable) else list(trajs)
    if not trajs:
        raise DataError("No trajectory was given; pass what open_trajectories returns, or mdtraj trajectories.")
    trajs = [hold(traj, index) if is_universe(traj) else traj for index, traj in enumerate(trajs)]
    for traj in trajs:
        if not (isinstance(traj, mdtraj.Trajectory) or hasattr(traj, "chunks")):
            raise DataError(
                f"A {type(traj).__name__} was given as a trajectory; pass what open_trajectories returns, mdtraj "
                "trajectories or MDAnalysis universes (coordinates alone say nothing of the atoms)."
            )
    return trajs


def _chunks(traj, n_columns):
    size = min(CHUNK_FRAMES, max(1, CHUNK_BYTES // (12 * traj.n_atoms + 4 * n_columns)))
    if hasattr(traj, "chunks"):
        return traj.chunks(size)
    return (traj.slice(slice(start, start + size), copy=False) for start in range(0, len(traj), size))


def _topology_in_memory(traj):
    """The topology with the bonds that the first frame has; that it has none of them is for its maker to know."""
    if not len(traj) or not np.isfinite(traj.xyz[0]).all():
        return traj.topology
    try:
        return true_topology(traj.topology, traj[0], "trajectory 0")
    except DataError as error:
        log.warning("%s", error)
        return traj.topology


def _whole(bonds, chunk, name, start, from_file):
    """Molecules made whole; frames of a file are refused where that cannot be, those in memory taken as they are."""
    try:
        return bonds.whole(chunk, name, start)
    except DataError:
        if from_file:
            raise
        return mdtraj.Trajectory(chunk.xyz, chunk.topology, time=chunk.time)


def _with_topology(chunk, topology):
    if chunk.topology is topology:
        return chunk
    return mdtraj.Trajectory(chunk.xyz, topology, chunk.time, chunk.unitcell_lengths, chunk.unitcell_angles)


def _name(traj, index):
    return f"trajectory {index}" + (f" ({traj.path})" if hasattr(traj, "path") else "")


def _require_finite(array, what, start):
    wrong = first_not_finite(array)
    if wrong:
        raise DataError(f"{what} hold {array[wrong]} at frame {start + wrong[0]}; mend or cut that frame.")
