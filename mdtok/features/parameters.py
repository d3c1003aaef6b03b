"""The parameters of an object, as scikit-learn reads, sets and copies them."""

from __future__ import annotations

import copy
import inspect
from typing import Any, Self

from mdtok.checks import require_one_of


class Parameters:
    """For a class that keeps each argument of its ``__init__`` as the attribute of that name."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments that would make this object, unfitted; `deep` is there for scikit-learn and changes nothing."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Change arguments, checked as when the object is made; what was fitted is forgotten.

        Raises
        ------
        SettingsError
            A name or a value is not what it should be; nothing is changed then.
        """
        known = self.get_params()
        for name in params:
            require_one_of("The parameter", name, known)
        changed = type(self)(**{**known, **params})
        if params:
            self.__dict__ = changed.__dict__
        return self

    def __sklearn_clone__(self) -> Self:
        return type(self)(**copy.deepcopy(self.get_params()))

    def __repr__(self) -> str:
        arguments = inspect.signature(type(self)).parameters
        values = {
            name: value
            for name, value in self.get_params().items()
            if not (isinstance(value, (str, int, float, type(None))) and value == arguments[name].default)
        }
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in values.items())})"
