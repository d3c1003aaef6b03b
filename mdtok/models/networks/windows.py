"""Windows of tokens: those that a network is trained on, and those in which every token is predicted once."""

import numpy as np

from mdtok.tokens.windows import windows


def training_windows(dtrajs, n_positions, shift):
    """Inputs and next tokens of windows that never cross a trajectory's end, two int64 arrays (n_windows, n_positions).

    Labels are -100 where a window is padded.
    """
    tokens, mask = windows(dtrajs, n_positions + 1, shift)
    tokens = np.where(mask, tokens, 0).astype(np.int64)
    return tokens[:, :-1], np.where(mask[:, 1:], tokens[:, 1:], -100)


def score_windows(dtraj, n_positions):
    """Windows that overlap by half and in which every token but the first is a label once, in order of time.

    Returns
    -------
    inputs, labels : ndarray of int64, shape (n_windows, n_positions)
        Labels are -100 where a token is predicted in the window before, from more of its past, and in padding.
    """
    n_predicted, half = len(dtraj) - 1, n_positions // 2
    n_windows = 1 + max(0, -(-(n_predicted - n_positions) // half))
    starts = half * np.arange(n_windows)[:, None]
    within = np.arange(n_positions)
    index = starts + within  # (n_windows, n_positions)
    counted = (index < n_predicted) & ((starts == 0) | (within >= n_positions - half))
    inputs = dtraj[np.minimum(index, n_predicted)]
    return inputs, np.where(counted, dtraj[np.minimum(index + 1, n_predicted)], -100)
