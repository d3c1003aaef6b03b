"""Whether held-out trajectories are held out: no stretch of them may stand in the training data word for word.

Trajectories are looked at as they were given, before anything is cut. A stretch counts as the same when it cannot be so
by chance: visits (a state, and for how many frames) are compared one after another, and each tells as much as a
semi-Markov model of the data finds it improbable. Two trajectories of few jumps are alike in their states; in the
lengths of their visits they are not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdtok.errors import DataError
from mdtok.tokens.dtrajs import as_dtrajs

#: Probability that any two trajectories of independent data are said to overlap.
FALSE_ALARM = 1e-6
_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2^64


def check_held_out(train: list[np.ndarray], test: list[np.ndarray], names: tuple | None = None) -> None:
    """Refuse held-out trajectories of which a stretch is in a training trajectory too.

    Parameters
    ----------
    train, test : lists of int arrays, shape (n_frames,) each
        -1 may stand for what is not assigned.
    names : (list of str, list of str), optional
        What the message calls the training and the held-out trajectories: their files. Numbers if not given.

    Raises
    ------
    DataError
        A stretch is in both, and where. On independent data of a semi-Markov process the probability of this is below
        `FALSE_ALARM`.

    Examples
    --------
    >>> tokens = np.random.default_rng(0).integers(0, 4, 2000)
    >>> check_held_out([tokens[:1500]], [tokens[1500:]])
    >>> check_held_out([tokens], [tokens[1500:]])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    mdtok.errors.DataError: Frames 1 to 497 of held-out trajectory 0 are frames 1501 to 1997 of training trajectory 0...
    """
    train, test = (as_dtrajs(part, outside=True) for part in (train, test))
    in_train, in_test = names or (
        [f"training trajectory {k}" for k in range(len(train))],
        [f"held-out trajectory {k}" for k in range(len(test))],
    )
    overlap = find_overlap([*train, *test], [(a, len(train) + b) for a in range(len(train)) for b in range(len(test))])
    if overlap is not None:
        (a, b), (i, j), last = overlap.pair, overlap.starts, overlap.n_frames - 1
        raise DataError(
            f"Frames {j} to {j + last} of {in_test[b - len(train)]} are frames {i} to {i + last} of {in_train[a]} word "
            "for word: that is not held out; take them out of one of the two."
        )


def check_no_overlap(trajectories: list[np.ndarray], names: list[str]) -> None:
    """Refuse trajectories of which two share a stretch: by whatever split, a part of the test data would be trained on.

    Parameters
    ----------
    trajectories : list of arrays, shape (n_frames,) or (n_frames, n_features) each
        Tokens, or features of which equal frames are equal in every digit.
    names : list of str
        Of the files, for the message.

    Raises
    ------
    DataError
        Two of them overlap, and where.
    """
    coded = _code_frames(trajectories) if np.ndim(trajectories[0]) == 2 else [np.asarray(t) for t in trajectories]
    pairs = [(a, b) for b in range(len(coded)) for a in range(b)]
    overlap = find_overlap(coded, pairs)
    if overlap is not None:
        (a, b), (i, j), last = overlap.pair, overlap.starts, overlap.n_frames - 1
        raise DataError(
            f"{names[b]} and {names[a]} share frames: {j} to {j + last} of the one are {i} to {i + last} of the other, "
            "word for word. Held-out data would be trained on; leave one out."
        )


def find_shared_frames(arrays: list[np.ndarray], others: list[np.ndarray]) -> Overlap | None:
    """A stretch of some trajectories that is in others too, and cannot be alike by chance; None if there is none.

    Parameters
    ----------
    arrays, others : lists of arrays, shape (n_frames,) or (n_frames, n_features) each
        Tokens, or features of which equal frames are equal in every digit.

    Returns
    -------
    Overlap or None
        The second of its pair is counted on from the first list.
    """
    both = [*arrays, *others]
    coded = _code_frames(both) if np.ndim(both[0]) == 2 else [np.asarray(t) for t in both]
    n = len(arrays)
    return find_overlap(coded, [(a, n + b) for a in range(n) for b in range(len(others))])


def _code_frames(arrays):
    """A number for each different frame."""
    rows = np.concatenate([np.ascontiguousarray(array) for array in arrays])
    as_bytes = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, codes = np.unique(as_bytes, return_inverse=True)
    return np.split(codes, np.cumsum([len(array) for array in arrays])[:-1])


@dataclass(frozen=True)
class Overlap:
    """A stretch that two trajectories share: which, its first frame in each, and its frames."""

    pair: tuple[int, int]
    starts: tuple[int, int]
    n_frames: int


def find_overlap(dtrajs: list[np.ndarray], pairs: list[tuple[int, int]]) -> Overlap | None:
    """A stretch that two of the trajectories share and that cannot be alike by chance; None if there is none.

    From every visit the shortest stretch of visits is taken that is improbable enough. Its length hangs on its content
    alone, so that equal stretches are found as equal hashes.

    Parameters
    ----------
    dtrajs : list of int arrays, shape (n_frames,) each
    pairs : list of (int, int)
        Which of them to compare.

    Returns
    -------
    Overlap or None
    """
    visits = [_Visits.of(dtraj) for dtraj in dtrajs]
    n_visits = sum(len(one.states) for one in visits)
    if not pairs or n_visits == 0:
        return None
    # copies of a whole trajectory are counted once: three of them would make it look probable
    first_like = {np.asarray(dtraj).tobytes(): number for number, dtraj in reversed(list(enumerate(dtrajs)))}
    same_as = [first_like[np.asarray(dtraj).tobytes()] for dtraj in dtrajs]
    known = sorted(set(same_as))
    told, coded = _information([visits[number] for number in known])
    information, codes = ([of[known.index(number)] for number in same_as] for of in (told, coded))
    enough = 2 * np.log(n_visits) - np.log(FALSE_ALARM)  # so many pairs of places there are
    hashes, first, n_alike = (
        np.concatenate(part) for part in zip(*(_keys(code, told, enough) for code, told in zip(codes, information)))
    )
    owner = np.repeat(np.arange(len(dtrajs)), [np.sum(_can_start(told, enough)) for told in information])
    order = np.argsort(hashes, kind="stable")
    asked = {frozenset(pair): pair for pair in pairs}
    alike = np.flatnonzero(hashes[order][1:] == hashes[order][:-1])
    for at in alike:  # equal ones stand side by side, by their trajectories
        one, other = order[at], order[at + 1]
        pair = asked.get(frozenset((int(owner[one]), int(owner[other]))))
        if pair is None:
            continue
        if owner[one] != pair[0]:
            one, other = other, one
        (a, i), (b, j), n = (owner[one], first[one]), (owner[other], first[other]), int(n_alike[one])
        if np.array_equal(codes[a][i : i + n], codes[b][j : j + n]):
            return _whole_overlap(visits, codes, pair, (int(i), int(j)), n)
    return None


@dataclass(frozen=True)
class _Visits:
    """Whole visits of a trajectory: the first and the last one are cut by its ends, and left out."""

    states: np.ndarray
    lengths: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, dtraj):
        dtraj = np.asarray(dtraj)
        starts = np.flatnonzero(np.concatenate([[True], dtraj[1:] != dtraj[:-1]]))
        lengths = np.diff(np.append(starts, len(dtraj)))
        return cls(dtraj[starts][1:-1], lengths[1:-1], starts[1:-1])


def _information(visits):
    """Nats that each visit tells after the one before it, and a number for each kind of visit (state and length).

    Probabilities are those of the counts, less two, since what is in both of two copies is counted twice. Where that
    leaves nothing: of a state, its share of all visits; of a length, the largest of a geometric distribution's and the
    share of visits in the same octave of lengths, spread over it. They err to the side of no alarm.
    """
    states, lengths = (np.concatenate([getattr(one, part) for one in visits]) for part in ("states", "lengths"))
    first = np.cumsum([0, *(len(one.states) for one in visits)])
    n = len(states)
    state, n_of_state = _numbered(states)
    kind, n_of_kind = _numbered(state * (lengths.max() + 1) + lengths)
    previous = np.concatenate([[-1], state[:-1]])
    previous[first[:-1][first[:-1] < n]] = -1  # none before the first visit of a trajectory
    _, n_of_pair = _numbered((previous + 1) * (state.max() + 1) + state)
    _, n_of_previous = _numbered(previous)
    came = np.maximum(_less_two(n_of_pair, n_of_previous), np.maximum(_less_two(n_of_state, n), 1 / n))
    octave = np.log2(lengths).astype(int)
    _, n_in_octave = _numbered(state * 64 + octave)
    in_octave = np.maximum(n_in_octave - 2, 1) / (n_of_state * 2.0**octave)
    stay = 1 - n_of_state / np.bincount(state, lengths)[state]
    geometric = stay ** (lengths - 1) * (1 - stay)
    lasted = np.maximum(_less_two(n_of_kind, n_of_state), np.maximum(geometric, in_octave))
    told = -np.log(np.minimum(came, 1)) - np.log(np.minimum(lasted, 1))
    cut = first[1:-1]
    return np.split(told, cut), np.split(kind, cut)


def _less_two(part, whole):
    return np.maximum(part - 2, 0) / np.maximum(whole - 2, 1)


def _numbered(values):
    """A number for each different value, and how often each occurs, one entry a value."""
    _, number, counts = np.unique(values, return_inverse=True, return_counts=True)
    return number, counts[number]


def _can_start(information, enough):
    """Visits from which on there is enough to tell a stretch by."""
    summed = np.cumsum(information[::-1])[::-1]
    return summed >= enough * (1 + 1e-9)


def _keys(code, information, enough):
    """Hashes of the shortest stretches that tell enough, the visits that start them, and their lengths."""
    starts = np.flatnonzero(_can_start(information, enough))
    summed = np.concatenate([[0.0], np.cumsum(information)])
    ends = np.minimum(np.searchsorted(summed, summed[starts] + enough), len(code))
    base, inverse = np.uint64(_BASE), np.uint64(pow(_BASE, -1, 2**64))
    with np.errstate(over="ignore"):  # polynomials modulo 2^64; equal hashes are looked at again
        powers, back = (
            np.concatenate([[np.uint64(1)], np.cumprod(np.full(len(code), factor))]) for factor in (base, inverse)
        )
        terms = (code.astype(np.uint64) + np.uint64(1)) * powers[:-1]
        sums = np.concatenate([[np.uint64(0)], np.cumsum(terms, dtype=np.uint64)])
        hashes = (sums[ends] - sums[starts]) * back[starts]
    return hashes, starts, ends - starts


def _whole_overlap(visits, codes, pair, starts, n_alike):
    """The stretch as far as it goes to both sides, in frames."""
    (one, other), (i, j) = (codes[k] for k in pair), starts
    while i > 0 and j > 0 and one[i - 1] == other[j - 1]:
        i, j, n_alike = i - 1, j - 1, n_alike + 1
    while i + n_alike < len(one) and j + n_alike < len(other) and one[i + n_alike] == other[j + n_alike]:
        n_alike += 1
    first = visits[pair[0]]
    return Overlap(
        pair, (int(first.starts[i]), int(visits[pair[1]].starts[j])), int(first.lengths[i : i + n_alike].sum())
    )
