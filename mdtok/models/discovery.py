"""Which classes of models there are: those in the rooms, and those of other packages.

A package adds its own models by entry points of the group ``mdtok.models``, in its ``pyproject.toml``::

    [project.entry-points."mdtok.models"]
    my-model = "my_package.my_module:MyModel"
"""

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points

from mdtok.errors import SettingsError
from mdtok.models.model import Model

ROOMS = ("counted", "networks", "coordinates", "densities", "wrappers")
GROUP = "mdtok.models"


def built_in_classes() -> Iterator[type[Model]]:
    """The classes of the rooms, room by room: a room is imported when its turn comes."""
    for room in ROOMS:
        package = importlib.import_module(f"{__package__}.{room}")
        for found in pkgutil.iter_modules(package.__path__):
            module = importlib.import_module(f"{package.__name__}.{found.name}")
            for value in vars(module).values():
                if _is_model(value) and value.__module__ == module.__name__ and not inspect.isabstract(value):
                    yield value


def user_classes() -> list[type[Model]]:
    """The classes of entry points.

    Raises
    ------
    SettingsError
        One cannot be imported, is no model, or is called like another one.
    """
    classes: dict[str, type] = {}
    for entry_point in sorted(entry_points(group=GROUP)):
        model_class = _load(entry_point)
        name, before = model_class.__name__, classes.get(model_class.__name__)
        before = before or _public_class(name)
        if before not in (None, model_class):
            raise SettingsError(
                f"The model {entry_point.value} is called {name} like {before.__module__}.{name}; rename the class."
            )
        classes[name] = model_class
    return list(classes.values())


def find_class(name: str) -> type[Model] | None:
    """The class of this name, or None; nothing is imported that `name` itself would tell where to find.

    Classes that mdtok shows are found in its table of public names, so that a Markov model loads without transformers.
    """
    found = _public_class(name)
    if found is None:
        found = next((known for known in built_in_classes() if known.__name__ == name), None)
    if found is None:
        of_users = {_load(entry_point) for entry_point in entry_points(group=GROUP) if entry_point.attr == name}
        if len(of_users) > 1:
            modules = " and ".join(sorted(model_class.__module__ for model_class in of_users))
            raise SettingsError(f"There is a model {name} in {modules}; rename the class in one.")
        found = next(iter(of_users), None)
    return found


def _public_class(name):
    found = getattr(sys.modules[__package__], name, None)  # its table says which module has the name
    return found if _is_model(found) and not inspect.isabstract(found) else None


def _is_model(value):
    return isinstance(value, type) and issubclass(value, Model)


def _load(entry_point: EntryPoint):
    """The class of an entry point, checked."""
    place = f"The model {entry_point.name!r} ({entry_point.value}) of the entry points {GROUP}"
    try:
        model_class = entry_point.load()
    except Exception as error:  # whatever a stranger's module raises
        reason = " ".join(str(error).split())
        raise SettingsError(
            f"{place} cannot be imported ({type(error).__name__}: {reason}); mend its package or uninstall it."
        ) from error
    if not _is_model(model_class):
        raise SettingsError(f"{place} is no subclass of DynamicsModel or TrajectoryModel.")
    if model_class.__name__ != entry_point.attr:
        raise SettingsError(
            f"{place} is a class called {model_class.__name__}; the entry point must have its own name."
        )
    if inspect.isabstract(model_class):
        raise SettingsError(f"{place} lacks {', '.join(sorted(model_class.__abstractmethods__))}.")
    for pattern in (model_class.name_pattern, model_class.tuned_pattern):
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise SettingsError(f"{place} has the name pattern {pattern!r}, which is none ({error}).") from None
    return model_class
