"""Checks of settings: one line each, what was given and what was expected."""

import numbers

from mdtok.errors import SettingsError


def require_whole_number(name, value, smallest):
    """Raise SettingsError unless `value` is an integer of at least `smallest`."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < smallest:
        raise SettingsError(f"{name} is {value!r}; a whole number of at least {smallest} was expected.")
