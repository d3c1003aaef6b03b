"""Many branches of one start: whether one long jump of a generator leads where several short ones do."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.distance import jensenshannon

from mdtok.errors import DataError, SettingsError
from mdtok.features import encode_periodic
from mdtok.tokens.commitment import OUTSIDE

_N_EXCHANGES = 1000
_LEVEL = 0.05

#: `jump(starts, n_frames, seed)` gives the frames that follow `starts` after `n_frames`, one for each.
Jump = Callable[[np.ndarray, int, int], np.ndarray]


@dataclass
class ConditionalChapmanKolmogorov:
    """Where the branches of each start end, by one jump and by nested ones.

    Attributes
    ----------
    lagtime, n_jumps : int
        Frames of a short jump; short jumps that the long one is held against.
    one_jump, nested : ndarray of float, shape (n_starts, n_states)
        Share of the branches that end in each state; the last column is outside of all states, where any ends there.
    distance : ndarray of float, shape (n_starts,)
        Jensen-Shannon distance of the two.
    by_chance : ndarray of float, shape (n_starts,)
        The 95th percentile of that distance where the branches' ways are exchanged at random.
    p_values : ndarray of float, shape (n_starts,)
    p_value : float
        Of all starts together (Bonferroni): at most 5 % of consistent generators are below 0.05.
    """

    lagtime: int
    n_jumps: int
    one_jump: np.ndarray
    nested: np.ndarray
    distance: np.ndarray
    by_chance: np.ndarray
    p_values: np.ndarray

    @property
    def p_value(self):
        return float(min(1.0, self.p_values.min() * len(self.p_values)))

    @property
    def beyond_chance(self):
        """Whether each start's distance is, by the same count."""
        return self.p_values * len(self.p_values) < _LEVEL

    @property
    def is_consistent(self):
        return self.p_value >= _LEVEL

    def to_dict(self):
        """For JSON."""
        arrays = {
            name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in vars(self).items()
        }
        return {**arrays, "p_value": self.p_value, "beyond_chance": self.beyond_chance}


def conditional_chapman_kolmogorov(
    jump: Jump,
    starts: Sequence[Any] | np.ndarray,
    states_of: Callable[[np.ndarray], np.ndarray],
    lagtime: int = 1,
    n_jumps: int = 5,
    *,
    n_branches: int = 1000,
    seed: int = 0,
) -> ConditionalChapmanKolmogorov:
    """Chapman-Kolmogorov test of a generator that is asked: one jump of `n_jumps` lag times against as many nested.

    For generators that take the lag time as an input, as ITO and MSMs of several lag times do. No MD enters: what is
    tested is whether the generator agrees with itself, as that of a Markov process must.

    Parameters
    ----------
    jump : callable
        ``jump(frames, n_frames, seed)``: what follows each of `frames` after `n_frames` frames, of the same shape.
    starts : array, shape (n_starts, ...)
        Frames to branch from: tokens, or features.
    states_of : callable
        State (0, 1, 2, …; -1 outside of all) of each of many frames.
    lagtime : int
        Frames of a short jump.
    n_jumps : int
    n_branches : int
        Of each start, for either way.
    seed : int

    Returns
    -------
    ConditionalChapmanKolmogorov

    Raises
    ------
    SettingsError
        Fewer than two nested jumps, fewer than ten branches.
    DataError
        No start; jumps of another shape than the starts, or not finite.

    References
    ----------
    M. Schreiner et al., NeurIPS (2023), "Implicit transfer operator learning": nested sampling.

    Examples
    --------
    >>> def mixing(tokens, n_frames, seed):  # two states, exact at any lag time
    ...     stay = (1 + 0.8**n_frames) / 2
    ...     return np.where(np.random.default_rng(seed).random(len(tokens)) < stay, tokens, 1 - tokens)
    >>> test = conditional_chapman_kolmogorov(mixing, np.array([0, 1]), lambda tokens: tokens, 2)
    >>> test.is_consistent, test.one_jump.shape
    (True, (2, 2))
    """
    if n_jumps < 2 or n_branches < 10 or lagtime < 1:
        raise SettingsError(
            f"n_jumps is {n_jumps}, n_branches {n_branches}, lagtime {lagtime}; at least 2, 10 and 1 were expected."
        )
    starts = np.asarray(starts)
    if not len(starts):
        raise DataError("There is no frame to start from.")
    branches = np.repeat(starts, n_branches, axis=0)
    seeds = np.random.SeedSequence(seed).generate_state(n_jumps + 1)
    ends = _ask(jump, branches, lagtime * n_jumps, seeds[0])
    frames = branches
    for k in range(n_jumps):
        frames = _ask(jump, frames, lagtime, seeds[1 + k])
    both = np.stack([states_of(ends), states_of(frames)]).reshape(2, len(starts), n_branches)
    counts = _counts(both)  # (2, n_starts, n_states)
    rng = np.random.default_rng(seed)
    found = [_against_chance(one, nested, rng) for one, nested in zip(*counts)]
    distance, by_chance, p_values = map(np.array, zip(*found))
    return ConditionalChapmanKolmogorov(lagtime, n_jumps, *(counts / n_branches), distance, by_chance, p_values)


def _ask(jump, frames, n_frames, seed):
    ends = np.asarray(jump(frames.copy(), n_frames, int(seed)))
    if ends.shape != frames.shape:
        raise DataError(
            f"A jump of {n_frames} frames gave an array of shape {ends.shape}; one frame for each start was expected: "
            f"{frames.shape}."
        )
    if not np.isfinite(ends).all():
        raise DataError(f"A jump of {n_frames} frames gave numbers that are not finite.")
    if frames.dtype.kind in "iu" and ends.dtype.kind not in "iu":
        raise DataError(f"A jump of {n_frames} frames gave {ends.dtype} for tokens; whole numbers were expected.")
    return ends


def _counts(states):
    """Branches that end in each state; those outside of all states are one state more, the last."""
    states = states.astype(np.int64)
    n_states = int(states.max()) + 1
    states = np.where(states < 0, n_states, states)
    return np.stack([[np.bincount(row, minlength=states.max() + 1) for row in way] for way in states])


def _against_chance(one, nested, rng):
    """Distance of two rows of counts, its 95th percentile where the branches are exchanged, and its p-value."""
    distance = jensenshannon(one, nested)
    drawn = rng.multivariate_hypergeometric(one + nested, one.sum(), _N_EXCHANGES)
    exchanged = jensenshannon(drawn, one + nested - drawn, axis=1)
    p_value = (1 + (exchanged >= distance - 1e-12).sum()) / (1 + _N_EXCHANGES)
    return distance, np.quantile(exchanged, 1 - _LEVEL), p_value


def check_jumps(jumps, generated, md):
    """Refuse jumps of what was not generated, or of coordinates, before anything is computed."""
    if not isinstance(jumps, Mapping):
        raise SettingsError(
            f"jumps is a {type(jumps).__name__}; a dict of name -> jump(frames, n_frames, seed) was expected."
        )
    for name, jump in jumps.items():
        if name not in generated:
            raise SettingsError(
                f"jumps has {name!r}, which nothing was generated by; there are: {', '.join(generated)}."
            )
        if not _can_be_asked(jump):
            raise SettingsError(
                f"jumps[{name!r}] is {getattr(jump, '__name__', f'a {type(jump).__name__}')}, which does not take "
                "(frames, n_frames, seed); jump(frames, n_frames, seed) was expected."
            )
    if jumps and md.trajs is not None:
        raise SettingsError("jumps are of features or tokens; give the reference as features, not as coordinates.")


def _can_be_asked(jump):
    if not callable(jump):
        return False
    try:
        inspect.signature(jump).bind(np.zeros(1), 1, 0)
    except TypeError:
        return False
    except ValueError:  # what is written in C may not tell
        return True
    return True


def branch_from_reference(jump, name, md, states, lagtime, seed):
    """The test from a frame of the reference in each macrostate, as plain numbers.

    Parameters
    ----------
    jump : callable
    name : str
    md : Sample
    states : States
    lagtime : int
        Frames of a short jump.
    seed : int

    Returns
    -------
    dict
        Of `ConditionalChapmanKolmogorov`, and ``starts``: the macrostate (a number) of each start.
    """

    def macrostates_of(frames):
        tokens = frames
        if states.tokenizer is not None:
            (tokens,) = states.tokenizer.transform(encode_periodic([frames], md.periodic))
        known = (tokens >= 0) & (tokens < len(states.macrostates))
        return np.where(known, states.macrostates[np.where(known, tokens, 0)], OUTSIDE)

    frames = np.concatenate(md.arrays)
    found, rng = macrostates_of(frames), np.random.default_rng(seed)
    present = [k for k in range(len(states.names)) if (found == k).any()]
    starts = frames[[rng.choice(np.flatnonzero(found == k)) for k in present]]
    try:
        test = conditional_chapman_kolmogorov(jump, starts, macrostates_of, lagtime, seed=seed)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
    return {**test.to_dict(), "starts": present}
