"""Checks of settings: one line each, what was given and what was expected."""

import difflib
import math
import numbers
from collections.abc import Iterable

from mdtok.errors import SettingsError


def require_whole_number(name: str, value: object, smallest: int) -> None:
    """Raise SettingsError unless `value` is an integer of at least `smallest`."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < smallest:
        raise SettingsError(f"{name} is {value!r}; a whole number of at least {smallest} was expected.")


def require_positive(name: str, value: object) -> None:
    """Raise SettingsError unless `value` is a finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 < float(value) < math.inf:
        raise SettingsError(f"{name} is {value!r}; a positive number was expected.")


def require_one_of(name: str, value: object, known: Iterable) -> None:
    """Raise SettingsError unless `value` is one of `known`; the nearest of them is told."""
    known = list(known)
    if value not in known:
        listed = ", ".join(map(repr, known))
        raise SettingsError(f"{name} is {value!r}; one of {listed} was expected{_nearest(value, known)}.")


def require_known_names(owner: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise SettingsError unless all names of settings that were `given` are `known`; the nearest of them is told.

    Examples
    --------
    >>> require_known_names("NanoGPT", ["n_layers"], ["n_layer", "n_head"])
    Traceback (most recent call last):
    ...
    mdtok.errors.SettingsError: NanoGPT has no setting 'n_layers' (did you mean 'n_layer'?); known are n_layer, n_head.
    """
    known = list(known)
    for name in sorted(set(given) - set(known)):
        raise SettingsError(f"{owner} has no setting {name!r}{_nearest(name, known)}; known are {', '.join(known)}.")


def _nearest(value, known):
    near = difflib.get_close_matches(str(value), [name for name in known if isinstance(name, str)], n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
