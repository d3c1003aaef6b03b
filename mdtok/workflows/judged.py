"""What the referee and the chapters of a report may look at: the data and the fitted models of one run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from mdtok.kinetics import Oracle, Scorecard
from mdtok.report import Projection
from mdtok.storage import load_arrays
from mdtok.tokens import CoreSetTokenizer, StateTokenizer, cut_outside
from mdtok.tokens.core_sets import is_saved
from mdtok.workflows.data import FeatureData, LabelledData, TokenisedData
from mdtok.workflows.folder import RunFolder
from mdtok.workflows.labelling import cut_and_label

_SPACING_NM = 0.04  # of the oracle's grid, at most


@dataclass
class JudgedRun:
    """One run with its models.

    Attributes
    ----------
    run : RunFolder
    settings : ModelSettings
    tokens : TokenisedData
    features : FeatureData or None
        None where the user brought tokens.
    tokenizer : StateTokenizer, CoreSetTokenizer or None
    models : dict of str -> DynamicsModel or TrajectoryModel
        Fitted, by name; their attribute `reads` is "tokens" or "features".
    definition : object or None
        What `load_definition` gave, where the run is of a system.
    load_system : callable or None
        Gives the system that was simulated.
    card : Scorecard or None
        Known when the models are scored.
    """

    run: RunFolder
    settings: Any
    tokens: TokenisedData
    features: FeatureData | None = None
    tokenizer: StateTokenizer | CoreSetTokenizer | None = None
    models: dict = field(default_factory=dict)
    definition: Any = None
    load_system: Callable | None = None
    card: Scorecard | None = None

    @classmethod
    def open(cls, run, settings, models=None, definition=None, load_system=None) -> "JudgedRun":
        """Read the data of a tokenised run."""
        tokens = TokenisedData.load(run / "tokens")
        return cls(
            run,
            settings,
            tokens,
            FeatureData.load(run / "features", tokens) if (run / "features").is_dir() else None,
            load_tokenizer(run / "tokens"),
            models or {},
            definition,
            load_system,
        )

    @cached_property
    def labelled(self) -> LabelledData | None:
        """Trajectories with a class each: those of a potential, or pieces of the trajectories of features."""
        if (self.run / "labelled").is_dir():
            return LabelledData.load(self.run / "labelled")
        if self.features is None:
            return None
        return cut_and_label(self.features, self.tokens, self.settings.n_piece_frames)

    @cached_property
    def system(self):
        """The system that was simulated, None where the user brought data."""
        return self.load_system() if self.load_system is not None else None

    @cached_property
    def oracle(self):
        """The exact answer on a grid; None without a potential, and where inertia counts: positions are not
        all then."""
        if getattr(self.system, "dynamics", None) != "brownian":
            return None
        step_nm = np.sqrt(2 * self.system.diffusion_nm2_per_ps * self.system.frame_interval_ps)
        # the density of one step needs cells of half its spread
        return Oracle.of(self.system, min(_SPACING_NM, 0.45 * step_nm))

    def models_of_features(self) -> dict:
        """The models that read features, by name."""
        return {name: model for name, model in self.models.items() if model.reads == "features"}

    def thinned(self, trajectories: list) -> list:
        """The frames of some trajectories of features that become tokens."""
        return self.features.thin(trajectories)

    def tokens_of(self, trajectories: list) -> list:
        """Tokens of features, one frame a token; frames outside of all connected states are cut out."""
        return self.tokens.tokens_of(
            trajectories, self.features.periodic, self.tokenizer, min_length=self.settings.lagtime + 1
        )

    def rollout_features(self) -> dict:
        """Features that the models of coordinates generated, one frame a token, by name."""
        folders = {name: self.run / "rollouts" / name / "features" for name in self.models_of_features()}
        return {
            name: [array.astype(float) for array in load_arrays(folder)]
            for name, folder in folders.items()
            if folder.is_dir()
        }

    def projection(self, columns: list[str] | None = None) -> Projection | None:
        """Two columns of the features behind the tokens, for the maps of the report; None where there are not two."""
        features = self.features
        if features is None:
            return None
        columns = columns or features.names[:2]
        if len(columns) != 2 or any(name not in features.names for name in columns):
            return None
        arrays, dtrajs = features.arrays, self.tokens.dtrajs
        if list(map(len, arrays)) != list(map(len, dtrajs)):  # features are of every frame, also of those left out
            thinned = features.thin(arrays)
            read = self.tokens.read_by_tokenizer(thinned, features.periodic)
            _, dtrajs, arrays = cut_outside(self.tokenizer.transform(read), thinned)
        chosen = [features.names.index(name) for name in columns]
        values = [array[:, chosen] for array in arrays]
        periodic = tuple(bool(features.periodic[k]) for k in chosen)
        return Projection(values, dtrajs, tuple(columns), periodic, self.tokens.macrostates)


def load_tokenizer(folder) -> StateTokenizer | CoreSetTokenizer | None:
    """What turned features into tokens; None where the user brought tokens."""
    if is_saved(folder):
        return CoreSetTokenizer.load(folder)
    return StateTokenizer.load(folder) if (folder / "state_tokenizer.json").exists() else None
