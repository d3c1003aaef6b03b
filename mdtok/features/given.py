"""Numbers that a user gives, taken for what they are: NumPy, torch, pandas. What is none is refused by its name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from mdtok.errors import DataError
from mdtok.features.columns import of_a_bias


def given_arrays(given: Any, what: str) -> np.ndarray | list:
    """One array where one was given, else a list of arrays; memory maps stay what they are.

    An array is one object, whatever library it is of: a torch tensor or a DataFrame is not a list of its rows.

    Parameters
    ----------
    given : array, torch.Tensor, DataFrame, Series, or iterable of these
        A flat list of numbers is one array.
    what : str
        "Features", for messages.

    Raises
    ------
    DataError
        Something else (a molecule, a dict, text), rows of unequal length, or a table with times or a bias in it.

    Examples
    --------
    >>> given_arrays([0.5, 1.0], "Features")
    array([0.5, 1. ])
    >>> len(given_arrays([np.zeros((3, 2)), np.zeros((4, 2))], "Features"))
    2
    """
    if is_one_array(given):
        return _as_array(given, what)
    _refuse(given, what)
    if not isinstance(given, Iterable):
        raise DataError(f"{what}: {_kind(given)} was given; an array or a list of arrays was expected.")
    given = list(given)
    if given and np.isscalar(given[0]) and not isinstance(given[0], str):
        return _as_array(given, what)
    return [_as_array(one, f"{what} of trajectory {index}") for index, one in enumerate(given)]


def is_one_array(given: Any) -> bool:
    """Whether this is a single array of numbers: of NumPy, of torch, or a table of pandas."""
    if isinstance(given, np.ndarray):
        return given.dtype != object
    return _is_tensor(given) or _is_table(given)


def _as_array(given, what):
    if isinstance(given, np.ndarray):
        return given
    _refuse(given, what)
    if _is_tensor(given):
        tensor = given.detach().cpu()
        return np.asarray(tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor)  # NumPy has none
    if _is_table(given):
        return _of_table(given, what)
    try:
        return np.asarray(given)
    except ValueError:
        raise DataError(f"{what}: rows of unequal length; an array was expected.") from None


def _of_table(table, what):
    """The numbers of a DataFrame or a Series; times and what belongs to a bias are no features."""
    names = [str(name) for name in getattr(table, "columns", [])]
    others = [name for name in names if name == "time"] + of_a_bias(names)
    if others:
        kept = [name for name in names if name not in others]
        raise DataError(
            f"{what}: the table has the columns {', '.join(others)}, which say nothing of the molecule; "
            f"give table[{kept}]."
        )
    array = np.asarray(table.to_numpy())
    if array.dtype == object:
        raise DataError(f"{what}: the table has columns that are not numbers; choose some of {', '.join(names)}.")
    return array


def _refuse(given, what):
    """Raise DataError for what people hand over in place of numbers."""
    if given is None or isinstance(given, (str, bytes, dict)):
        raise DataError(f"{what}: {_kind(given)} was given; an array or a list of arrays was expected.")
    if hasattr(given, "topology") or (hasattr(given, "atoms") and hasattr(given, "trajectory")):
        raise DataError(f"{what}: {_kind(given)} holds coordinates; make features of it with a Featurizer first.")


def _kind(given):
    kind, library = type(given).__name__, type(given).__module__.split(".")[0]
    return "None" if given is None else f"a {kind}" if library == "builtins" else f"a {kind} of {library}"


def _is_tensor(given):
    return all(hasattr(given, name) for name in ("detach", "cpu", "dtype"))


def _is_table(given):
    return hasattr(given, "to_numpy") and hasattr(given, "__len__")
