"""One side of a comparison: trajectories of tokens, of features, or of coordinates, whatever form they come in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import mdtraj
import numpy as np

from mdtok.errors import DataError, SettingsError
from mdtok.features import Featurizer
from mdtok.features.columns import as_angles, periods_asked, point_out_angles
from mdtok.features.feature_files import FeatureTable
from mdtok.features.given import given_arrays
from mdtok.md.in_memory import is_universe
from mdtok.md.trajectory import Trajectories, open_trajectories
from mdtok.tokens.dtrajs import as_dtrajs

_SAME_INTERVAL = 1e-3  # relative difference up to which two frame intervals are the same


@dataclass
class Sample:
    """Trajectories of one source.

    Attributes
    ----------
    kind : {"tokens", "features"}
    arrays : list of ndarray
        Tokens (n_frames,), or features (n_frames, n_features), angles in radians.
    dt_ps : float or None
    names : list of str
        Of the features.
    periodic : ndarray of bool, shape (n_features,)
    files : list of str
        What each trajectory is called in messages.
    trajs : Trajectories, list of mdtraj.Trajectory or None
        The coordinates, where there are any.
    """

    kind: str
    arrays: list
    dt_ps: float | None
    names: list = field(default_factory=list)
    periodic: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=bool))
    files: list = field(default_factory=list)
    trajs: Any = None

    @property
    def n_frames(self) -> int:
        """Of all trajectories."""
        return sum(map(len, self.arrays))

    def every(self, stride: int) -> Sample:
        """One frame in `stride`."""
        return self if stride == 1 else replace(self, arrays=[array[::stride] for array in self.arrays])


def as_sample(
    given: Any,
    what: str,
    featurizer: Featurizer,
    dt_ps: float | None,
    like: Sample | None = None,
    columns: Sequence[str] | None = None,
    periodic: Sequence[str | int] | None = None,
) -> Sample:
    """Whatever was given, as a `Sample`.

    Parameters
    ----------
    given : object
        mdtraj trajectories or `Trajectories`; a `FeatureTable`; arrays of whole numbers (n_frames,), or of real numbers
        (n_frames, n_features) or (n_frames,); a list of these.
    what : str
        "the reference", or the name of a generator: for messages.
    featurizer : Featurizer
        For coordinates. It is fitted to those of the first sample.
    dt_ps : float or None
        Picoseconds between frames, where `given` does not tell.
    like : Sample, optional
        What it has to be comparable with.
    columns, periodic : list of str, optional
        Of features in arrays: the name of each column, and which are angles, as in `load_features`.

    Raises
    ------
    DataError
        Nothing given, NaN, one frame, another kind or other columns than `like`.
    """
    try:
        sample = _read(given, what, featurizer, dt_ps, columns, periodic)
    except DataError as error:
        raise DataError(f"{what}: {error}") from None
    sample.files = sample.files or [f"trajectory {k} of {what}" for k in range(len(sample.arrays))]
    if max(map(len, sample.arrays), default=0) < 2:
        raise DataError(f"{what} has one frame a trajectory; two at least are needed.")
    sample.arrays, sample.files = (
        [part for part, array in zip(parts, sample.arrays) if len(array) > 1] for parts in (sample.arrays, sample.files)
    )
    if like is not None:
        _require_like(sample, like, what)
    return sample


def _read(given, what, featurizer, dt_ps, columns, periodic):
    if isinstance(given, Sample):
        return given
    if isinstance(given, FeatureTable):
        return Sample("features", given.arrays, given.dt_ps or dt_ps, given.names, given.periodic, given.files)
    if is_universe(given) or (isinstance(given, (list, tuple)) and given and all(is_universe(one) for one in given)):
        given = open_trajectories(given)
    if isinstance(given, Trajectories) or _are(given, mdtraj.Trajectory):
        trajs = [given] if isinstance(given, mdtraj.Trajectory) else given
        return _featurize(trajs, what, featurizer, dt_ps)
    arrays = given_arrays(given, "trajectories")
    arrays = [arrays] if isinstance(arrays, np.ndarray) else arrays
    if not arrays:
        raise DataError("no trajectory was given.")
    if all(array.ndim == 1 and _whole(array) for array in arrays):
        return Sample("tokens", as_dtrajs(arrays), dt_ps)
    arrays = [array[:, None] if array.ndim == 1 else array for array in arrays]
    for k, array in enumerate(arrays):
        if array.ndim != 2 or array.shape[1] != arrays[0].shape[1] or array.dtype.kind not in "fiu":
            raise DataError(
                f"trajectory {k} has the shape {array.shape}; tokens (n_frames,) or features (n_frames, n_features), "
                "the same columns in all, were expected."
            )
        if not np.isfinite(array).all():
            frame = int(np.argmin(np.isfinite(array).all(axis=1)))
            raise DataError(f"trajectory {k} holds NaN or infinity at frame {frame}; cut or mend it.")
    names = list(columns or [f"column {k}" for k in range(arrays[0].shape[1])])
    if len(names) != arrays[0].shape[1]:
        raise DataError(f"it has {arrays[0].shape[1]} columns, and columns= names {len(names)}; give each a name.")
    arrays, angles = _with_angles(what, [array.astype(np.float32) for array in arrays], names, periodic)
    return Sample("features", arrays, dt_ps, names, angles)


def _with_angles(what, arrays, names, periodic):
    """Arrays with their periodic columns in radians, and which those are."""
    angles = np.zeros(len(names), dtype=bool)
    for column, ends in periods_asked([periodic] if isinstance(periodic, (str, int)) else periodic or []).items():
        k = names.index(column) if column in names else int(column) if str(column).isdecimal() else -1
        if not 0 <= k < len(names):
            raise SettingsError(f"periodic names {column!r}, which is none of the columns {', '.join(names)}.")
        angles[k] = True
        for array in arrays:
            array[:, k] = as_angles(what, array[:, k], ends, names[k])
    point_out_angles(arrays, names, angles)
    return arrays, angles


def _featurize(trajs, what, featurizer, dt_ps):
    if not hasattr(featurizer, "feature_names_"):
        featurizer.fit(trajs)
    _require_topology(featurizer.topology_, trajs[0].topology, what)
    own = trajs.dt_ps if isinstance(trajs, Trajectories) else _dt_of(trajs[0])
    arrays = featurizer.transform(trajs, progress=False)
    files = [str(path) for path in trajs.paths] if isinstance(trajs, Trajectories) else []
    names, periodic = featurizer.feature_names_, featurizer.periodic_
    return Sample("features", arrays, dt_ps or own, names, periodic, files, trajs)


def _dt_of(traj):
    return float(traj.timestep) if traj.n_frames > 1 and traj.timestep > 0 else None


def _require_topology(reference, topology, what):
    """The same atoms in the same order, by name and residue."""
    if topology.n_atoms != reference.n_atoms:
        raise DataError(f"it has {topology.n_atoms} atoms, the reference {reference.n_atoms}; give its topology.")
    for ours, theirs in zip(reference.atoms, topology.atoms):
        if (ours.name, ours.residue.name) != (theirs.name, theirs.residue.name):
            raise DataError(
                f"atom {ours.index} is {theirs.residue.name} {theirs.name}, in the reference {ours.residue.name} "
                f"{ours.name}; the atoms have to be the same in the same order."
            )


def _require_like(sample, like, what):
    if sample.kind != like.kind:
        raise DataError(f"{what} is {sample.kind}, the reference {like.kind}; give both as the same.")
    if sample.kind == "features" and len(sample.names) != len(like.names):
        raise DataError(f"{what} has {len(sample.names)} columns, the reference {len(like.names)}.")
    if sample.kind == "features" and list(sample.names) != list(like.names):
        missing = [name for name in like.names if name not in sample.names]
        if missing:
            raise DataError(f"{what} has no column {missing[0]!r}, which the reference has.")
        order = [sample.names.index(name) for name in like.names]
        sample.arrays, sample.names = [array[:, order] for array in sample.arrays], list(like.names)
        sample.periodic = np.asarray(sample.periodic)[order]


def strides(sample: Sample, reference: Sample, what: str) -> tuple[int, int]:
    """Every how many frames of a sample, and of the reference, are at the same interval.

    Raises
    ------
    DataError
        Neither interval is a multiple of the other.
    """
    ours, theirs = sample.dt_ps or reference.dt_ps, reference.dt_ps
    if ours is None or theirs is None:
        raise SettingsError("The picoseconds between frames are not known; give dt_ps.")
    ratio = ours / theirs
    for a, b in ((1, round(ratio)), (round(1 / ratio), 1)):
        if a and b and abs(ratio * a / b - 1) < _SAME_INTERVAL:
            return a, b
    raise DataError(
        f"{what} has a frame every {ours:g} ps, the reference every {theirs:g} ps; one has to be a multiple of the "
        "other. Write one of them again at such an interval."
    )


def _are(given, kind):
    return isinstance(given, kind) or (
        isinstance(given, Sequence) and not isinstance(given, str) and len(given) > 0 and isinstance(given[0], kind)
    )


def _whole(array):
    return array.dtype.kind in "iu"
