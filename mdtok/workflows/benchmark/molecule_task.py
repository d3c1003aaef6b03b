"""Tasks of molecules: MD with settings that do not change. What is exact for a chain is held-out MD here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mdtok.features import Featurizer, encode_periodic, named_features
from mdtok.features.feature import Feature
from mdtok.md import load_system, run_replicas
from mdtok.md.definition import load_definition
from mdtok.workflows.benchmark.task import Task
from mdtok.workflows.runs.protein import folding_features

Squares = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, kw_only=True)
class MoleculeTask(Task):
    """Replicas of a system that comes with mdtok; a token is the nearest of fixed centres.

    Attributes
    ----------
    system : str
    features : callable
        From the system's definition to features.
    periodic : bool
        They are angles, in radians.
    centres : tuple of tuples of float
        Of each token, in the units of the features.
    macrostate_of : callable
        From the definition to macrostate names and one centre each.
    length_ns, frame_interval_ps, stride, seed
        Of the simulation; tokens are every `stride`-th frame.
    """

    what: str
    system: str
    features: Callable[[Any], list[Feature]]
    periodic: bool
    centres: Squares
    macrostate_of: Callable[[Any], dict[str, tuple[float, ...]]]
    split: tuple[int, int, int]
    length_ns: float
    frame_interval_ps: float
    stride: int
    seed: int
    lagtime: int = 10
    sha256: str | None = None

    @property
    def dt_ps(self) -> float:  # type: ignore[override]
        """Between tokens."""
        return self.frame_interval_ps * self.stride

    @property
    def n_states(self) -> int:
        """Number of tokens."""
        return len(self.centres)

    @property
    def n_features(self) -> int:
        """Columns of the features."""
        return len(self.centres[0])

    @property
    def angles(self) -> list[str]:
        """All columns or none."""
        return [str(column) for column in range(self.n_features)] if self.periodic else []

    @cached_property
    def _definition(self):
        return load_definition(self.system)

    @property
    def macrostates(self) -> np.ndarray:
        """The macrostate whose centre is nearest to each token."""
        return self._nearest(np.array(self.centres), np.array(list(self.macrostate_of(self._definition).values())))

    @property
    def macrostate_names(self) -> list[str]:
        """Their names."""
        return list(self.macrostate_of(self._definition))

    def assign(self, features: np.ndarray) -> np.ndarray:
        """Tokens of features, shape (n_frames, n_features)."""
        return self._nearest(np.asarray(features), np.array(self.centres))

    def simulate(self, folder: Path, progress: bool) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Replicas in ``md/``, which go on where they were killed; their features and tokens."""
        trajs = run_replicas(
            load_system(self.system, frame_interval_ps=self.frame_interval_ps),
            sum(self.split),
            self.length_ns,
            self.seed,
            out=folder / "md",
            progress=progress,
        )
        found = Featurizer(self.features(self._definition)).fit(trajs).transform(trajs, progress=progress)
        features = [np.asarray(array[:: self.stride], dtype=np.float32) for array in found]
        return [self.assign(array).astype(np.int16) for array in features], features

    def _nearest(self, points, centres):
        is_angle = np.full(centres.shape[1], self.periodic)
        points, centres = encode_periodic([points, centres], is_angle)
        return np.argmin(((points[:, None] - centres) ** 2).sum(axis=2), axis=1)


def backbone_angles(definition: Any) -> list[Feature]:
    """φ and ψ."""
    return named_features("phi psi")


def basins(definition: Any) -> dict[str, tuple[float, ...]]:
    """The starts of the system, in radians."""
    return {name: tuple(np.radians([at["phi"], at["psi"]])) for name, at in definition.starts.items()}


def hairpins(definition: Any) -> list[Feature]:
    """Share of native contacts of each pair of strands."""
    named = {feature.name: feature for feature in folding_features(definition, "ca") if hasattr(feature, "name")}
    return [named[name] for name in definition.contacts_between]


def formed_hairpins(definition: Any) -> dict[str, tuple[float, ...]]:
    """Unfolded, one of two, folded."""
    first, second = definition.contacts_between
    return {"unfolded": (0.25, 0.25), first: (0.75, 0.25), second: (0.25, 0.75), "folded": (0.75, 0.75)}
