"""Settings of an object by name, as scikit-learn has them: read, set, cloned, and shown."""

from __future__ import annotations

import inspect
import reprlib
from typing import Any, Self

import numpy as np

from mdtok.errors import SettingsError

_shown = reprlib.Repr()  # cuts what is long
_shown.maxstring, _shown.maxother, _shown.maxlist, _shown.maxtuple = 60, 120, 6, 6  # (Python 3.11 has no keywords)


class Parameterised:
    """What is made of settings, each kept under its own name.

    Examples
    --------
    >>> from mdtok.models import MarkovModel
    >>> model = MarkovModel(lagtime=10)
    >>> model
    MarkovModel(lagtime=10)
    >>> model.set_params(lagtime=5).get_params()["lagtime"]
    5
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Settings by name; with `deep` those of objects among them too, as ``model__lagtime``."""
        params = {name: getattr(self, name) for name in _names_of(type(self))}
        if deep:
            nested = {name: value for name, value in params.items() if hasattr(value, "get_params")}
            for name, value in nested.items():
                params |= {f"{name}__{key}": inner for key, inner in value.get_params().items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Change settings; what was fitted with others is forgotten.

        Raises
        ------
        SettingsError
            A setting is not known, or its value is out of range. Nothing is changed then.
        """
        known = self.get_params(deep=False)
        for key in params:
            name, _, inner = key.partition("__")
            if name not in known or (inner and not hasattr(known[name], "set_params")):
                raise SettingsError(f"{type(self).__name__} has no setting {key!r}; it has {', '.join(known)}.")
        own = {key: value for key, value in params.items() if "__" not in key}
        if own:
            new = type(self)(**(known | own))  # refuses what is out of range before anything changes
            self.__dict__ = new.__dict__
        for key, value in params.items():
            name, _, inner = key.partition("__")
            if inner:
                getattr(self, name).set_params(**{inner: value})
        return self

    def __sklearn_clone__(self) -> Self:
        return type(self)(**{name: _copied(value) for name, value in self.get_params(deep=False).items()})

    def __repr__(self) -> str:
        defaults = {name: one.default for name, one in inspect.signature(type(self)).parameters.items()}
        params = self.get_params(deep=False)
        told = [f"{name}={_show(value)}" for name, value in params.items() if not _same(value, defaults.get(name))]
        return f"{type(self).__name__}({', '.join(told)})"


def _names_of(kind):
    """Names of what the constructor takes."""
    parameters = list(inspect.signature(kind).parameters.values())
    return [one.name for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]


def _copied(value):
    """An unfitted one of what can be cloned; anything else as it is."""
    if isinstance(value, (list, tuple)):
        return type(value)(_copied(entry) for entry in value)
    return value.__sklearn_clone__() if isinstance(value, Parameterised) else value


def _same(value, default):
    try:
        return bool(np.array_equal(value, default)) if isinstance(value, np.ndarray) else bool(value == default)
    except (TypeError, ValueError):
        return False


def _show(value):
    if isinstance(value, np.ndarray):
        return f"<{value.dtype} array of shape {value.shape}>"
    return repr(value) if isinstance(value, Parameterised) else _shown.repr(value)
