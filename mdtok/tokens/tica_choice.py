"""Lag time and number of components of a TICA, chosen by cross-validated VAMP-2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from deeptime.decomposition import TICA, VAMP

from mdtok.errors import DataError, SettingsError
from mdtok.features.arrays import as_features
from mdtok.features.streaming import fit_in_chunks, map_chunks
from mdtok.progress import tracked
from mdtok.tokens.dtrajs import draw_trajectories, split_time_blocks

_MIN_TRAJECTORIES = 10  # fewer are cut into time blocks, so that a fold is not one trajectory
_MOST_FRAMES = 200_000  # more than that do not change the choice
_MOST_NUMBERS = 100_000_000  # frames x columns: of 1000 columns 100,000 frames


@dataclass
class TicaChoice:
    """What `choose_tica` found.

    Attributes
    ----------
    lagtime, n_dim : int
        The choice: of the sets within one standard error of the best, that with the fewest components, and of those the
        best.
    lagtimes, dims : list of int
        What was tried.
    scores : ndarray, shape (n_lagtimes, n_dims)
        Mean cross-validated VAMP-2, all at `scoring_lagtime`; NaN where there are not so many components.
    errors : ndarray, shape (n_lagtimes, n_dims)
        Standard errors of the means over folds.
    scoring_lagtime : int
    """

    lagtime: int
    n_dim: int
    lagtimes: list
    dims: list
    scores: np.ndarray
    errors: np.ndarray
    scoring_lagtime: int

    def __str__(self):
        lines = [
            f"VAMP-2 at a lag of {self.scoring_lagtime} frames, held out",
            "TICA lag  " + "".join(f"{f'{n} dim.':>16}" for n in self.dims),
        ]
        for k, lag in enumerate(self.lagtimes):
            cells = (f"{score:.3f} ± {error:.3f}" for score, error in zip(self.scores[k], self.errors[k]))
            lines.append(f"{lag:>8}  " + "".join(f"{cell:>16}" for cell in cells))
        return "\n".join([*lines, f"chosen: {self.n_dim} components at a lag of {self.lagtime} frames"])


def choose_tica(
    features: list[np.ndarray],
    lagtimes: Sequence[int],
    dims: Sequence[int],
    scoring_lagtime: int,
    n_folds: int = 5,
    seed: int = 0,
    progress: bool = True,
) -> TicaChoice:
    """Choose lag time and number of components of a TICA by VAMP-2 on held-out trajectories.

    TICA of each lag, and VAMP in the space of its first components, are fitted to all folds but one, and scored on that
    fold. The lag of the score is one and the same for all: scores at different lags cannot be compared.

    Parameters
    ----------
    features : list of arrays, shape (n_frames, n_features) each
        Fewer than ten, and very long ones, are cut into time blocks. Of more than 200,000 frames, or 100 million
        numbers, trajectories (or blocks) drawn at random are looked at. Memory maps are read where they are, a few
        frames at a time.
    lagtimes, dims : list of int
        To try.
    scoring_lagtime : int
        Frames; that of the Markov model to come, say.
    n_folds : int
    seed : int
        Of the folds.
    progress : bool

    Returns
    -------
    TicaChoice

    Raises
    ------
    SettingsError
        Nothing to try, or a number that is out of range.
    DataError
        The trajectories are not longer than a lag.

    References
    ----------
    R. McGibbon, V. Pande, J. Chem. Phys. 142, 124105 (2015); H. Wu, F. Noé, J. Nonlinear Sci. 30, 23 (2020).

    Examples
    --------
    >>> rng = np.random.default_rng(3)
    >>> walks = np.zeros((20, 1000, 3))                     # one slow coordinate, two of noise
    >>> for t in range(1, 1000):
    ...     walks[:, t] = np.array([0.98, 0.1, 0.1]) * walks[:, t - 1] + rng.normal(size=(20, 3))
    >>> choose_tica(list(walks), [1, 10], [1, 2], scoring_lagtime=10, progress=False).n_dim
    1
    """
    features = as_features(features)
    for name, values in (
        ("lagtimes", lagtimes),
        ("dims", dims),
        ("scoring_lagtime", [scoring_lagtime]),
        ("n_folds", [n_folds - 1]),
    ):
        if len(values) == 0 or any(isinstance(v, bool) or int(v) != v or v < 1 for v in values):
            raise SettingsError(f"{name} is {values}; whole numbers of at least 1 (of folds 2) were expected.")
    lagtimes, dims = sorted({int(lag) for lag in lagtimes}), sorted({int(n) for n in dims})
    if len(features) < _MIN_TRAJECTORIES:
        features = split_time_blocks(features, -(-_MIN_TRAJECTORIES // len(features)))
    longest_lag = max(*lagtimes, scoring_lagtime)
    most_frames = min(_MOST_FRAMES, _MOST_NUMBERS // features[0].shape[1])
    most_in_block = max(most_frames // _MIN_TRAJECTORIES, 10 * longest_lag)  # what is drawn are then ten blocks or more
    features = [block for array in features for block in np.array_split(array, -(-len(array) // most_in_block))]
    chosen = [features[k] for k in draw_trajectories(features, most_frames, seed, at_least=n_folds)]
    features = [array for array in chosen if len(array) > longest_lag]
    if len(features) < n_folds:
        raise DataError(
            f"{len(features)} trajectories are longer than the lag of {longest_lag} frames; {n_folds} at least were "
            "expected."
        )
    fold_of = np.random.default_rng(seed).permutation(len(features)) % n_folds
    scores = np.full((n_folds, len(lagtimes), len(dims)), np.nan)
    with tracked(total=n_folds * len(lagtimes), desc="TICA, cross-validated", delay=2, disable=not progress) as bar:
        for fold in range(n_folds):
            parts = [
                [array for array, k in zip(features, fold_of) if (k == fold) == held_out] for held_out in (False, True)
            ]
            for i, lagtime in enumerate(lagtimes):
                tica = fit_in_chunks(TICA(lagtime=lagtime, dim=max(dims)), parts[0])
                projected = [[map_chunks(tica.transform, array) for array in part] for part in parts]
                for j, n_dim in enumerate(dims):
                    if n_dim <= tica.output_dimension:
                        scores[fold, i, j] = _score(
                            *([array[:, :n_dim] for array in part] for part in projected), scoring_lagtime
                        )
                bar.update()
    mean, error = scores.mean(axis=0), scores.std(axis=0, ddof=1) / np.sqrt(n_folds)
    i, j = _fewest_within_an_error(mean, error)
    return TicaChoice(lagtimes[i], dims[j], lagtimes, dims, mean, error, int(scoring_lagtime))


def _score(train, held_out, lagtime):
    """VAMP-2 of VAMP fitted to `train`, on `held_out`."""
    fitted, seen = (VAMP(lagtime=lagtime).fit_from_timeseries(part).fetch_model() for part in (train, held_out))
    return fitted.score(r=2, test_model=seen)


def _fewest_within_an_error(mean, error):
    best = np.unravel_index(np.nanargmax(mean), mean.shape)
    good = mean >= mean[best] - error[best]  # False where NaN
    j = int(np.flatnonzero(good.any(axis=0))[0])
    return int(np.argmax(np.where(good[:, j], mean[:, j], -np.inf))), j
