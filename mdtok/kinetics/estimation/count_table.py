"""A table of counts with a row a trajectory: an array where it is small, sparse where it is not."""

import numpy as np
from scipy.sparse import csr_array

_DENSE = 300_000  # entries up to which an array is quicker than scipy's bookkeeping


def count_table(rows, columns, n_rows, n_columns):
    """How often each pair of row and column occurs, shape (n_rows, n_columns), float.

    Either kind is multiplied by weights from the left: ``weights @ table``.

    Examples
    --------
    >>> count_table([0, 0, 1], [1, 1, 0], 2, 3)
    array([[0., 2., 0.],
           [1., 0., 0.]])
    """
    if n_rows * n_columns <= _DENSE:
        flat = np.asarray(rows, dtype=np.int64) * n_columns + columns
        return np.bincount(flat, minlength=n_rows * n_columns).reshape(n_rows, n_columns).astype(float)
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=(n_rows, n_columns))
