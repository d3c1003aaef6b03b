"""Whether held-out trajectories are held out: no piece of them may stand in the training data word for word."""

from __future__ import annotations

import zlib

import numpy as np

from mdtok.errors import DataError
from mdtok.tokens.dtrajs import as_dtrajs

_MOST_PIECES = 50
_ENOUGH_BYTES = 60  # of a compressed piece: two of that information are never the same by chance


def check_held_out(train: list[np.ndarray], test: list[np.ndarray]) -> None:
    """Refuse held-out trajectories of which a piece is in a training trajectory too.

    Pieces are looked at, up to 50 of them spread evenly, that hold so much information that they cannot be alike by
    chance: sixty bytes when compressed. What repeats itself, or is shorter, is not looked at.

    Parameters
    ----------
    train, test : lists of int arrays, shape (n_frames,) each

    Raises
    ------
    DataError
        A piece is in both, and where.

    Examples
    --------
    >>> tokens = np.random.default_rng(0).integers(0, 4, 2000)
    >>> check_held_out([tokens[:1500]], [tokens[1500:]])
    >>> check_held_out([tokens], [tokens[1500:]])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    mdtok.errors.DataError: 108 frames of held-out trajectory 0, from frame 0, are frames 1500 to 1607 of training ...
    """
    train, test = ([_as_letters(d) for d in as_dtrajs(part)] for part in (train, test))
    pieces = [(index, *span) for index, dtraj in enumerate(test) for span in _pieces(dtraj)]
    for k in np.linspace(0, len(pieces) - 1, min(len(pieces), _MOST_PIECES)).astype(int):
        index, start, end = pieces[k]
        piece = test[index][start:end].tobytes()
        for number, dtraj in enumerate(train):
            place = _find(dtraj.tobytes(), piece)
            if place is not None:
                raise DataError(
                    f"{end - start} frames of held-out trajectory {index}, from frame {start}, are frames {place} to "
                    f"{place + end - start - 1} of training trajectory {number} word for word: that is not held out; "
                    "take them out of "
                    "one of the two."
                )


def _as_letters(dtraj):
    return dtraj.astype(np.uint16)  # two bytes a token; beyond 65,536 states tokens still differ


def _pieces(dtraj):
    """First frame and end of pieces with enough information, one after another."""
    start, length = 0, 32
    while start + length <= len(dtraj):
        if len(zlib.compress(dtraj[start : start + length].tobytes(), 9)) >= _ENOUGH_BYTES:
            yield start, start + length
            start += length
        else:
            length += length // 2


def _find(letters, piece):
    place = letters.find(piece)
    while place > 0 and place % 2:  # between two tokens
        place = letters.find(piece, place + 1)
    return place // 2 if place >= 0 else None
