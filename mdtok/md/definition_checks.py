"""Checks that the definitions of all kinds of systems share: one line each, what was seen and what was expected."""

import math

from mdtok.errors import SettingsError


def is_number(value: object) -> bool:
    """Whether `value` is a number that a float can hold, and no bool."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def require_positive(definition, keys: tuple[str, ...]) -> None:
    """Raise SettingsError unless the fields `keys` of a definition are numbers above 0."""
    for key in keys:
        value = getattr(definition, key)
        if not is_number(value) or value <= 0:
            raise SettingsError(f"{definition.name}: {key} is {value!r}; a number above 0 was expected.")


def require_whole_steps(definition) -> None:
    """Raise SettingsError unless the time between two frames is a whole number of time steps."""
    steps = definition.frame_interval_ps * 1000 / definition.timestep_fs
    if abs(steps - round(steps)) > 1e-6 or round(steps) < 1:
        raise SettingsError(
            f"{definition.name}: frame_interval_ps is {definition.frame_interval_ps}; "
            f"a whole number of time steps of {definition.timestep_fs} fs was expected."
        )


def name_by_folder(definition) -> None:
    """Give a definition without a title the name of its folder as one."""
    object.__setattr__(definition, "title", definition.title or definition.name)  # definitions are frozen
