"""Windows of fixed length for sequence models; none crosses a trajectory's end, and no token is lost."""

from __future__ import annotations

import numpy as np

from mdtok.errors import SettingsError
from mdtok.tokens.dtrajs import as_dtrajs


def windows(dtrajs: list[np.ndarray], length: int, shift: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut discrete trajectories into windows of equal length.

    Windows start every `shift` frames; a last one is aligned to the trajectory's end, so that every token lies in some
    window. A trajectory shorter than `length` gives one window, padded at its end.

    Parameters
    ----------
    dtrajs : list of int arrays, shape (n_frames,) each
    length : int
        Tokens a window.
    shift : int
        Frames from one window's start to the next, at most `length`.

    Returns
    -------
    tokens : ndarray of int64, shape (n_windows, length)
        Padding is token 0.
    mask : ndarray of bool, shape (n_windows, length)
        True at tokens, False at padding.

    Raises
    ------
    SettingsError
        `length` or `shift` is below 1, or `shift` is larger than `length` (tokens between windows would be lost).

    Examples
    --------
    >>> tokens, mask = windows([[0, 1, 2, 3, 4], [7]], length=3, shift=3)
    >>> tokens
    array([[0, 1, 2],
           [2, 3, 4],
           [7, 0, 0]])
    >>> mask[-1]
    array([ True, False, False])
    """
    if length < 1 or not 1 <= shift <= length:
        raise SettingsError(
            f"length is {length}, shift {shift}; 1 <= shift <= length was expected, or tokens would be lost."
        )
    tokens, masks = [], []
    for dtraj in as_dtrajs(dtrajs, min_length=1):
        n_padding = max(0, length - len(dtraj))
        last = len(dtraj) + n_padding - length
        starts = np.unique(np.append(np.arange(0, last + 1, shift), last))
        padded = np.pad(dtraj, (0, n_padding))
        tokens.append(np.lib.stride_tricks.sliding_window_view(padded, length)[starts])
        masks.append(np.broadcast_to(np.arange(length) < length - n_padding, tokens[-1].shape))
    return np.concatenate(tokens), np.concatenate(masks)
