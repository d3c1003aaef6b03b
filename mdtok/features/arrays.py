"""Feature arrays: checked, and periodic columns put on the circle. They may be memory maps: a few rows are looked at at
a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np

from mdtok.errors import DataError
from mdtok.features.given import given_arrays

CHUNK_NUMBERS = 1_000_000  # rows x columns at a time: 8 MB in double precision, and as fast as more


def as_features(features: np.ndarray | Sequence[np.ndarray], n_features: int | None = None) -> list[np.ndarray]:
    """Check features and give them back as a list of 2-D float arrays.

    Parameters
    ----------
    features : array, shape (n_frames, n_features), or list of such arrays
        One trajectory, or several; of NumPy or torch, or a DataFrame. A 1-D array is one column.
    n_features : int, optional
        Columns that every array must have.

    Returns
    -------
    list of ndarray of float, shape (n_frames, n_features) each
        Views of floats that are given, memory maps too; whole numbers are copied.

    Raises
    ------
    DataError
        Empty, not numbers, of different widths, or with NaN or infinity in it (named by trajectory, frame and column).

    Examples
    --------
    >>> as_features([0.5, 1.0])[0].shape
    (2, 1)
    """
    arrays = given_arrays(features, "Features")
    features = [arrays] if isinstance(arrays, np.ndarray) else arrays
    if not features:
        raise DataError("No features were given; pass an array of shape (n_frames, n_features) or a list of them.")
    checked = []
    for index, array in enumerate(features):
        checked.append(_as_feature_array(array, index, n_features))
        n_features = checked[0].shape[1] if n_features is None else n_features
    return checked


def _as_feature_array(array, index, n_features):
    if array.dtype.kind not in "fiub":
        raise DataError(f"Features of trajectory {index} are of type {array.dtype}; numbers were expected.")
    array = array.astype(np.promote_types(array.dtype, np.float32), copy=False)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or 0 in array.shape:
        raise DataError(
            f"Features of trajectory {index} have shape {array.shape}; (n_frames, n_features) was expected."
        )
    if n_features is not None and array.shape[1] != n_features:
        raise DataError(f"Features of trajectory {index} have {array.shape[1]} columns; {n_features} were expected.")
    wrong = first_not_finite(array)
    if wrong:
        frame, column = wrong
        raise DataError(
            f"Features of trajectory {index} hold {array[frame, column]} at frame {frame}, column {column}; "
            "mend or cut that frame."
        )
    return array


def first_not_finite(array):
    """Index of the first NaN or infinity in an array, None if all is well."""
    for rows in row_chunks(len(array), array.size // max(1, len(array))):
        wrong = ~np.isfinite(array[rows])
        if wrong.any():
            row, *rest = np.unravel_index(wrong.argmax(), wrong.shape)
            return rows.start + int(row), *map(int, rest)
    return None


def row_chunks(n_rows, n_columns):
    """Iterate over slices of rows that hold `CHUNK_NUMBERS` numbers at most each, one row at least.

    Examples
    --------
    >>> [(rows.start, rows.stop) for rows in row_chunks(5000, 500)]
    [(0, 2000), (2000, 4000), (4000, 5000)]
    """
    size = max(1, CHUNK_NUMBERS // max(1, n_columns))
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


@overload
def encode_periodic(
    features: np.ndarray | Sequence[np.ndarray], periodic: Sequence[bool] | np.ndarray, names: None = None
) -> list[np.ndarray]: ...


@overload
def encode_periodic(
    features: np.ndarray | Sequence[np.ndarray], periodic: Sequence[bool] | np.ndarray, names: Sequence[str]
) -> tuple[list[np.ndarray], list[str]]: ...


def encode_periodic(
    features: np.ndarray | Sequence[np.ndarray],
    periodic: Sequence[bool] | np.ndarray,
    names: Sequence[str] | None = None,
) -> list[np.ndarray] | tuple[list[np.ndarray], list[str]]:
    """Replace each periodic column by its cosine and sine, so that -pi and pi are neighbours.

    Parameters
    ----------
    features : array, shape (n_frames, n_features), or list of such arrays
        Periodic columns in radians.
    periodic : sequence of bool, shape (n_features,)
        Which columns are periodic.
    names : sequence of str, optional
        Column names; the new ones are then returned too ("phi" becomes "cos phi", "sin phi").

    Returns
    -------
    features : list of ndarray, shape (n_frames, n_features + n_periodic) each
    names : list of str
        Only where `names` was given.

    Examples
    --------
    >>> import numpy as np
    >>> encode_periodic(np.array([[0.0, 7.0]]), [True, False], ["phi", "distance"])
    ([array([[1., 0., 7.]])], ['cos phi', 'sin phi', 'distance'])
    """
    features = as_features(features)
    periodic = np.asarray(periodic, dtype=bool)
    n_features = features[0].shape[1]
    if periodic.shape != (n_features,):
        raise DataError(
            f"periodic has shape {periodic.shape}; one True or False for each of the {n_features} columns was expected."
        )
    if names is not None and len(names) != n_features:
        raise DataError(f"{len(names)} names were given for {n_features} columns.")
    encoded = [np.column_stack(_on_circle(array.T, periodic, np.cos, np.sin)) for array in features]
    if names is None:
        return encoded
    return encoded, _on_circle(names, periodic, "cos {}".format, "sin {}".format)


def decode_periodic(encoded, periodic):
    """What `encode_periodic` made of features, as features again: cosine and sine become the angle between them.

    Parameters
    ----------
    encoded : list of arrays, shape (n_frames, n_features + n_periodic) each
        The two need not lie on the circle: a model draws them nearly there.
    periodic : sequence of bool, shape (n_features,)

    Returns
    -------
    list of ndarray, shape (n_frames, n_features) each
        Angles in radians, from -pi to pi.

    Examples
    --------
    >>> import numpy as np
    >>> decode_periodic([np.array([[0.0, 0.5, 7.0]])], [True, False])[0].round(3)
    array([[1.571, 7.   ]])
    """
    periodic = np.asarray(periodic, dtype=bool)
    first = np.cumsum([0, *np.where(periodic, 2, 1)])
    n_columns = int(first[-1])
    decoded = []
    for array in as_features(encoded, n_columns):
        columns = [
            np.arctan2(array[:, at + 1], array[:, at]) if angle else array[:, at]
            for at, angle in zip(first[:-1], periodic)
        ]
        decoded.append(np.column_stack(columns))
    return decoded


def _on_circle(columns, periodic, cosine, sine):
    """The columns, each periodic one replaced by its cosine and its sine."""
    return [new for column, p in zip(columns, periodic) for new in ((cosine(column), sine(column)) if p else (column,))]
