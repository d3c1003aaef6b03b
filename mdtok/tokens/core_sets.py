"""States that are known beforehand, by core sets or as published: a tokenizer beside k-means."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mdtok.checks import require_one_of
from mdtok.storage import damage_in_one_line, read_json, write_json
from mdtok.tokens.commitment import OUTSIDE, core_states, nearest_value, running_mean, without_short_visits

HOW = ("core", "published")
_FILE = "core_sets.json"


class CoreSetTokenizer:
    """Tokens of states around known points.

    Parameters
    ----------
    centres : array, shape (n_states, n_dim)
    how : {"core", "published"}
        "core": the core set visited last. "published": the running mean of the first coordinate, the state nearest to
        it, visits shorter than the commit time counted to the state before, as Tsai, Kuo and Tiwary (2020) did.
    radius : float
        Of the core sets.
    mean_frames, commit_frames : int
        Of the published tokens.

    Attributes
    ----------
    n_states_ : int
    macrostates_ : ndarray of int, shape (n_states_,)
        Every state is its own.
    stationary_distribution_ : ndarray, shape (n_states_,)
        Shares of the frames that it was fitted to.

    Examples
    --------
    >>> tokenizer = CoreSetTokenizer([[0.0], [1.0]], radius=0.2)
    >>> tokenizer.fit_transform([np.array([[0.5], [0.1], [0.6], [0.9], [0.5]])])
    [array([-1,  0,  0,  1,  1])]
    """

    def __init__(
        self, centres, how: str = "core", radius: float = 0.6, mean_frames: int = 50, commit_frames: int = 100
    ) -> None:
        require_one_of("how", how, HOW)
        self.centres = np.asarray(centres, dtype=float)
        self.how, self.radius, self.mean_frames, self.commit_frames = how, radius, mean_frames, commit_frames
        self.n_states_ = len(self.centres)
        self.macrostates_ = np.arange(self.n_states_)
        self.stationary_distribution_: np.ndarray | None = None

    def fit(self, features: list[np.ndarray], progress: bool = True) -> CoreSetTokenizer:
        """Count how often each state is visited; the states themselves are known."""
        self._count(self.transform(features))
        return self

    def fit_transform(self, features: list[np.ndarray], progress: bool = True) -> list[np.ndarray]:
        """`fit`, then `transform`."""
        dtrajs = self.transform(features)
        self._count(dtrajs)
        return dtrajs

    def _count(self, dtrajs):
        tokens = np.concatenate(dtrajs)
        counts = np.bincount(tokens[tokens != OUTSIDE], minlength=self.n_states_)
        self.stationary_distribution_ = counts / max(counts.sum(), 1)

    def transform(self, features: list[np.ndarray]) -> list[np.ndarray]:
        """The state of each frame, list of int64 arrays (n_frames,); -1 where none is known yet."""
        return [self._transform(np.asarray(array, dtype=float)) for array in features]

    def _transform(self, array):
        if self.how == "core":
            return core_states(array, self.centres, self.radius)
        nearest = nearest_value(running_mean(array[:, 0], self.mean_frames), self.centres[:, 0])
        unknown = np.full(len(array) - len(nearest), OUTSIDE)
        return np.concatenate([unknown, without_short_visits(nearest, self.commit_frames)])

    def to_macrostates(self, dtrajs: list[np.ndarray]) -> list[np.ndarray]:
        """The tokens themselves."""
        return list(dtrajs)

    def save(self, folder: str | Path) -> None:
        """Write ``core_sets.json`` to `folder`."""
        names = ("centres", "how", "radius", "mean_frames", "commit_frames")
        settings = {name: getattr(self, name) for name in names}
        found = {"stationary_distribution": self.stationary_distribution_}
        write_json(Path(folder) / _FILE, {"settings": settings, **found})

    @classmethod
    @damage_in_one_line
    def load(cls, folder: str | Path) -> CoreSetTokenizer:
        """Read what `save` wrote."""
        content = read_json(Path(folder) / _FILE)
        tokenizer = cls(**content["settings"])
        tokenizer.stationary_distribution_ = np.array(content["stationary_distribution"])
        return tokenizer


def is_saved(folder: str | Path) -> bool:
    """Whether a folder holds core sets."""
    return (Path(folder) / _FILE).exists()
