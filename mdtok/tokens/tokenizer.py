"""Features to tokens: k-means microstates on the connected set, and PCCA+ macrostates; and back to structures."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from deeptime.decomposition import TICA
from deeptime.markov import TransitionCountEstimator
from deeptime.markov.msm import MaximumLikelihoodMSM
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances_argmin
from tqdm import tqdm

from mdtok.errors import DataError, RunFolderError, SettingsError
from mdtok.features.arrays import as_features
from mdtok.features.parameters import Parameters
from mdtok.features.streaming import fit_in_chunks
from mdtok.storage import damage_in_one_line, read_json, read_npy, whole, write_json
from mdtok.tokens.dtrajs import as_dtrajs
from mdtok.tokens.metastable import metastable_states

if TYPE_CHECKING:
    import mdtraj

    from mdtok.md.trajectory import Trajectories


logger = logging.getLogger(__name__)

FIT_FRAMES = 200_000  # k-means sees at most so many frames; centres of 100 states do not improve with more
_SETTINGS = ("n_states", "n_macrostates", "lagtime", "tica_dim", "centers", "seed")


class StateTokenizer(Parameters):
    """Turn features into tokens 0 .. n_states_ - 1, and tokens into metastable states.

    TICA (if asked for), k-means, restriction to the largest connected set of states, a reversible maximum-likelihood
    Markov state model and PCCA+ on it, in this order. Tokens are numbered without gaps within the connected set. Frames
    outside it get -1: to put them into the nearest state would invent transitions between basins.

    Parameters
    ----------
    n_states : int
        Microstates (k-means centres).
    n_macrostates : int, "auto" or None
        Metastable sets of PCCA+; "auto" chooses from the relaxation times (see `metastable_states`); None leaves each
        microstate its own macrostate.
    lagtime : int
        Frames, for TICA, for the connected set and for the Markov state model.
    tica_dim : int, optional
        Project on so many TICA components (scaled to a kinetic map) before k-means.
    centers : array, shape (n_states, n_dimensions), optional
        Centres of the states in place of those of k-means, in features (or TICA components).
    seed : int
        Of k-means++ and of the frames that k-means sees where there are more than 200,000.

    Attributes
    ----------
    n_states_ : int
        States left, `n_states` less `n_dropped_`.
    n_dropped_ : int
        States outside the largest connected set.
    cluster_centers_ : ndarray, shape (n_states_, n_dimensions)
        In features, or in TICA components where `tica_dim` is given.
    outside_centers_ : ndarray, shape (n_dropped_, n_dimensions)
        Those outside the connected set.
    macrostates_ : ndarray of int, shape (n_states_,)
        Macrostate of each state, ordered by decreasing stationary population.
    stationary_distribution_ : ndarray, shape (n_states_,)

    Raises
    ------
    DataError, SettingsError
        In `fit`, before k-means where that is possible: NaN; fewer distinct frames than states; a lag longer than the
        trajectories; a single state; more macrostates than states.

    References
    ----------
    Prinz et al., J. Chem. Phys. 134, 174105 (2011); Röblitz and Weber, Adv. Data Anal. Classif. 7, 147 (2013) (PCCA+).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> basin = np.repeat(rng.permutation(np.arange(100) % 2), 50)               # hops between two basins
    >>> features = (basin + 0.1 * rng.standard_normal(5000))[:, None]
    >>> tokenizer = StateTokenizer(n_states=10, n_macrostates=2, lagtime=1).fit(features, progress=False)
    >>> macro = tokenizer.to_macrostates(tokenizer.transform(features))[0]
    >>> bool(np.all(macro == macro[basin == 0][0], where=basin == 0))
    True
    """

    def __init__(
        self,
        n_states: int = 100,
        n_macrostates: int | str | None = 4,
        lagtime: int = 10,
        tica_dim: int | None = None,
        centers: np.ndarray | None = None,
        seed: int = 0,
    ) -> None:
        for name, value, least in (("n_states", n_states, 2), ("lagtime", lagtime, 1)):
            if int(value) != value or value < least:
                raise SettingsError(f"{name} is {value}; a whole number of at least {least} was expected.")
        asked_for = None if n_macrostates == "auto" else n_macrostates
        if asked_for is not None and not 2 <= asked_for <= n_states:  # type: ignore[operator]
            raise SettingsError(
                f"n_macrostates is {n_macrostates}; 2 .. n_states ({n_states}), 'auto' or None was expected."
            )
        if tica_dim is not None and tica_dim < 1:
            raise SettingsError(f"tica_dim is {tica_dim}; at least 1, or None for no TICA, was expected.")
        self.n_states = int(n_states)
        self.n_macrostates = n_macrostates
        self.lagtime = int(lagtime)
        self.tica_dim = tica_dim
        self.centers = None if centers is None else np.asarray(centers, dtype=float)
        if self.centers is not None and (self.centers.ndim != 2 or len(self.centers) != n_states):
            raise SettingsError(f"centers has the shape {self.centers.shape}; ({n_states}, n_dimensions) was expected.")
        self.seed = seed

    def fit(self, features: list[np.ndarray], progress: bool = True) -> StateTokenizer:
        """Find states and macrostates.

        Parameters
        ----------
        features : list of arrays, shape (n_frames, n_features) each
        progress : bool
            Show a progress bar.

        Returns
        -------
        self
        """
        features = as_features(features)
        longest = max(len(array) for array in features)
        if longest <= self.lagtime:
            raise DataError(
                f"lagtime is {self.lagtime} frames; the longest trajectory has {longest}. Choose a shorter lagtime."
            )
        self.n_features_ = features[0].shape[1]
        if self.tica_dim is not None and self.tica_dim > self.n_features_:
            raise SettingsError(f"tica_dim is {self.tica_dim}; the features have only {self.n_features_} columns.")
        with tqdm(total=4, desc="tokens", unit="step", disable=not progress) as bar:
            self._fit_tica(features)
            projected = [self._project(array) for array in features]
            bar.update()
            centers = self._fit_centers(projected)
            bar.update()
            connected = self._find_connected([self._nearest(array, centers) for array in projected])
            self.cluster_centers_ = centers[connected.state_symbols]
            self.outside_centers_ = np.delete(centers, connected.state_symbols, axis=0)
            bar.update()
            self._fit_macrostates(connected)
            bar.update()
        return self

    def _fit_tica(self, features):
        self._tica_offset, self._tica_matrix = None, None
        if self.tica_dim is None:
            return
        model = fit_in_chunks(
            TICA(lagtime=self.lagtime, dim=self.tica_dim), [array for array in features if len(array) > self.lagtime]
        )
        # the projection is affine; an offset and a matrix are all that has to be kept of it
        self._tica_offset = model.transform(np.zeros((1, self.n_features_)))[0]
        self._tica_matrix = model.transform(np.eye(self.n_features_)) - self._tica_offset  # (n_features, n_dimensions)
        if self._tica_matrix.shape[1] < self.tica_dim:
            raise DataError(
                f"TICA finds only {self._tica_matrix.shape[1]} independent components; tica_dim is {self.tica_dim}."
            )

    def _project(self, array):
        return array if self._tica_matrix is None else array @ self._tica_matrix + self._tica_offset

    def _fit_centers(self, projected):
        if self.centers is not None:
            if self.centers.shape[1] != projected[0].shape[1]:
                raise DataError(
                    f"centers has {self.centers.shape[1]} dimensions, the features {projected[0].shape[1]}."
                )
            return self.centers
        frames = np.concatenate(projected)
        if len(frames) > FIT_FRAMES:
            rng = np.random.default_rng(self.seed)
            frames = frames[rng.choice(len(frames), FIT_FRAMES, replace=False, shuffle=False)]
        n_distinct = len(np.unique(frames, axis=0))
        if n_distinct < self.n_states:
            raise DataError(
                f"The features have {n_distinct} distinct frames; n_states={self.n_states} needs as many at least."
            )
        kmeans = KMeans(self.n_states, init="k-means++", n_init=1, random_state=self.seed).fit(frames)
        return kmeans.cluster_centers_

    @staticmethod
    def _nearest(array, centers):
        return pairwise_distances_argmin(array, centers).astype(np.int64)

    def _find_connected(self, dtrajs):
        counts = TransitionCountEstimator(self.lagtime, "sliding").fit_fetch(
            [d for d in dtrajs if len(d) > self.lagtime]
        )
        connected = counts.submodel_largest(sort_by_population=True)
        kept = np.asarray(connected.state_symbols)
        self.n_states_, self.n_dropped_ = len(kept), self.n_states - len(kept)
        if self.n_states_ < 2:
            raise DataError(
                f"A single connected state is left of {self.n_states} at lag {self.lagtime}; use a shorter lagtime, "
                "fewer states, or trajectories that come back."
            )
        if self.n_dropped_:
            lost = 1 - sum(np.isin(dtraj, kept).sum() for dtraj in dtrajs) / sum(map(len, dtrajs))
            logger.warning(
                "%d of %d states (%.2g %% of the frames) are left out: they were not both entered and left at lag "
                "%d, so "
                "nothing is known of their populations.",
                self.n_dropped_,
                self.n_states,
                100 * lost,
                self.lagtime,
            )
        return connected

    def _fit_macrostates(self, connected):
        msm = MaximumLikelihoodMSM(reversible=True).fit_fetch(connected)
        self.stationary_distribution_ = np.asarray(msm.stationary_distribution)
        if self.n_macrostates is None:
            self.macrostates_ = np.arange(self.n_states_)
        else:
            self.macrostates_ = metastable_states(msm, None if self.n_macrostates == "auto" else self.n_macrostates)

    def transform(self, features: list[np.ndarray]) -> list[np.ndarray]:
        """The state of each frame.

        Parameters
        ----------
        features : list of arrays, shape (n_frames, n_features) each

        Returns
        -------
        list of ndarray of int64, shape (n_frames,) each
            -1 for frames of states outside the connected set; see `mdtok.cut_outside`.
        """
        self._require_fitted()
        arrays = as_features(features, self.n_features_)
        centers = np.concatenate([self.cluster_centers_, self.outside_centers_])
        nearest = [self._nearest(self._project(array), centers) for array in arrays]
        return [np.where(states < self.n_states_, states, -1) for states in nearest]

    def fit_transform(self, features: list[np.ndarray], progress: bool = True) -> list[np.ndarray]:
        """`fit`, then `transform`."""
        return self.fit(features, progress=progress).transform(features)

    def to_macrostates(self, dtrajs: list[np.ndarray]) -> list[np.ndarray]:
        """The macrostate of each frame of `dtrajs` (tokens of `transform`), list of int arrays; -1 stays -1."""
        self._require_fitted()
        with_outside = np.append(self.macrostates_, -1)
        return [with_outside[dtraj] for dtraj in as_dtrajs(dtrajs, self.n_states_, outside=True)]

    def frames_in_state(
        self, dtrajs: list[np.ndarray], state: int, n_frames: int | None = None, seed: int = 0, macro: bool = False
    ) -> np.ndarray:
        """Where a state was visited.

        Parameters
        ----------
        dtrajs : list of int arrays
            Tokens of `transform`.
        state : int
            A token, or a macrostate where `macro`.
        n_frames : int, optional
            Draw at most so many of the visits, without repeats; all of them by default.
        seed : int
            Of the draw.
        macro : bool
            `state` is a macrostate.

        Returns
        -------
        ndarray of int, shape (n_visits, 2)
            Trajectory and frame of each visit, in order.
        """
        self._require_fitted()
        n_states = int(self.macrostates_.max()) + 1 if macro else self.n_states_
        if not 0 <= state < n_states:
            raise SettingsError(f"state is {state}; {'macrostates' if macro else 'states'} are 0 .. {n_states - 1}.")
        dtrajs = self.to_macrostates(dtrajs) if macro else as_dtrajs(dtrajs, self.n_states_, outside=True)
        frames = [np.flatnonzero(dtraj == state) for dtraj in dtrajs]
        visits = np.column_stack([np.repeat(np.arange(len(frames)), [len(f) for f in frames]), np.concatenate(frames)])
        if n_frames is None or n_frames >= len(visits):
            return visits
        return visits[np.sort(np.random.default_rng(seed).choice(len(visits), n_frames, replace=False))]

    def structures(
        self,
        trajs: Trajectories | mdtraj.Trajectory | Sequence[mdtraj.Trajectory],
        dtrajs: list[np.ndarray],
        state: int,
        n_frames: int = 10,
        seed: int = 0,
        macro: bool = False,
    ) -> mdtraj.Trajectory:
        """Structures of a state, drawn from the trajectories.

        Parameters
        ----------
        trajs : Trajectories or list of mdtraj.Trajectory
            What `dtrajs` were made from, in the same order.
        dtrajs, state, n_frames, seed, macro
            As in `frames_in_state`.

        Returns
        -------
        mdtraj.Trajectory
            At most `n_frames` frames.
        """
        import mdtraj

        trajs = [trajs] if isinstance(trajs, mdtraj.Trajectory) else trajs
        dtrajs = as_dtrajs(dtrajs, self.n_states_, outside=True)
        lengths, n_tokens = [len(traj) for traj in trajs], [len(dtraj) for dtraj in dtrajs]
        if lengths != n_tokens:
            raise DataError(
                f"Trajectories have {lengths} frames, tokens {n_tokens}; pass the trajectories the tokens were made "
                "from."
            )
        visits = self.frames_in_state(dtrajs, state, n_frames, seed, macro)
        if len(visits) == 0:
            raise DataError(f"{'Macrostate' if macro else 'State'} {state} is not visited in these trajectories.")
        pieces = []
        for index in np.unique(visits[:, 0]):
            frames = visits[visits[:, 0] == index, 1]
            traj = trajs[index]
            pieces.append(traj.frames(frames) if hasattr(traj, "frames") else traj[frames])
        return mdtraj.join(pieces, check_topology=False)

    def save(self, folder: str | Path) -> None:
        """Write ``state_tokenizer.json`` and the arrays (``centers.npy``, …) to `folder`."""
        self._require_fitted()
        folder = Path(folder)
        _save_array(folder / "centers.npy", self.cluster_centers_)
        _save_array(folder / "outside_centers.npy", self.outside_centers_)
        if self._tica_matrix is not None:
            _save_array(folder / "tica_matrix.npy", self._tica_matrix)
            _save_array(folder / "tica_offset.npy", self._tica_offset)
        write_json(
            folder / "state_tokenizer.json",
            {
                "schema": 1,
                "settings": {name: getattr(self, name) for name in _SETTINGS},
                "n_features": self.n_features_,
                "n_dropped": self.n_dropped_,
                "macrostates": self.macrostates_,
                "stationary_distribution": self.stationary_distribution_,
            },
        )

    @classmethod
    @damage_in_one_line
    def load(cls, folder: str | Path) -> StateTokenizer:
        """Read what `save` wrote; RunFolderError where a file of it is missing."""
        folder = Path(folder)
        content = read_json(folder / "state_tokenizer.json")
        tokenizer = cls(**content["settings"])
        tokenizer.cluster_centers_ = _load_array(folder / "centers.npy")
        tokenizer.outside_centers_ = _load_array(folder / "outside_centers.npy")
        tokenizer._tica_matrix, tokenizer._tica_offset = None, None
        if tokenizer.tica_dim is not None:
            tokenizer._tica_matrix = _load_array(folder / "tica_matrix.npy")
            tokenizer._tica_offset = _load_array(folder / "tica_offset.npy")
        tokenizer.n_states_ = len(tokenizer.cluster_centers_)
        tokenizer.n_features_ = content["n_features"]
        tokenizer.n_dropped_ = content["n_dropped"]
        tokenizer.macrostates_ = np.array(content["macrostates"], dtype=int)
        tokenizer.stationary_distribution_ = np.array(content["stationary_distribution"])
        return tokenizer

    def _require_fitted(self):
        if not hasattr(self, "cluster_centers_"):
            raise DataError("This StateTokenizer is not fitted; call fit(features) first.")


def _save_array(path, array):
    with whole(path) as partial, open(partial, "wb") as file:
        np.save(file, array, allow_pickle=False)


def _load_array(path):
    if not path.is_file():
        raise RunFolderError(f"{path} does not exist; run the stage that saves the tokenizer again.")
    return read_npy(path)
