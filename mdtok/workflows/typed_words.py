"""Words as people type them, made into words that the parser of flags reads."""

from __future__ import annotations

import dataclasses
import re
import typing

from mdtok.errors import SettingsError

_TRUE, _FALSE = ("true", "yes", "t", "y", "1"), ("false", "no", "f", "n", "0")


def as_switches(arguments, settings_class):
    """``--progress False`` and ``--progress=false`` as ``--no-progress``, for every setting that is true or false."""
    kinds, plain, arguments = typing.get_type_hints(settings_class), [], list(arguments)
    while arguments:
        argument = arguments.pop(0)
        name, equals, value = argument.removeprefix("--").partition("=")
        name = name.replace("-", "_")
        if not argument.startswith("--") or kinds.get(name) is not bool:
            plain.append(argument)
            continue
        if not equals and arguments and arguments[0].lower() in (*_TRUE, *_FALSE):
            value = arguments.pop(0)
        if value.lower() not in ("", *_TRUE, *_FALSE):
            raise SettingsError(f"--{name} is {value!r}; true or false was expected; see --help.")
        plain.append(f"--{'no-' if value.lower() in _FALSE else ''}{name.replace('_', '-')}")
    return plain


def as_lists(arguments: list[str], settings_class: type) -> list[str]:
    """Lists of names as one thinks of them: ``--models a,b``, ``--models a b`` and ``--models "a b"`` are the same.

    A setting that is a text keeps the names with what stands between them in its default; one that is a list, also of
    numbers, is taken apart at commas, and not at blanks, which the name of a column may have.
    """
    kinds, plain, arguments = typing.get_type_hints(settings_class), [], list(arguments)
    fields = {
        field.name: field
        for field in dataclasses.fields(settings_class)
        if field.metadata.get("names") or kinds[field.name] in (list[int], list[float])
    }
    while arguments:
        argument = arguments.pop(0)
        flag, equals, value = argument.partition("=")
        name = flag.removeprefix("--").replace("-", "_")
        if not argument.startswith("--") or name not in fields:
            plain.append(argument)
            continue
        words = [value] if equals else []
        while not equals and arguments and not arguments[0].startswith("--"):
            words.append(arguments.pop(0))
        if kinds[name] is str:
            between = "," if "," in str(fields[name].default) else " "
            parts = [part for word in words for part in re.split(r"[,\s]+", word) if part]
            words = [between.join(parts)] if words else []
        else:
            words = [part.strip() for word in words for part in word.split(",") if part.strip()]
        plain += [flag, *words]
    return plain


def last_switch(arguments, name, default):
    given = [argument == f"--{name}" for argument in arguments if argument in (f"--{name}", f"--no-{name}")]
    return given[-1] if given else default


def take_option(arguments, option):
    for index, argument in enumerate(arguments):
        if argument == option:
            if index + 1 == len(arguments):
                raise SettingsError(f"{option} needs the path of a YAML file.")
            return arguments[:index] + arguments[index + 2 :], arguments[index + 1]
        if argument.startswith(option + "="):
            return arguments[:index] + arguments[index + 1 :], argument.partition("=")[2]
    return arguments, None


def as_flags(values):
    for name, value in values.items():
        yield f"--{name}"
        yield from map(str, value) if isinstance(value, (list, tuple)) else [str(value)]
