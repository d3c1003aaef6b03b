"""Models by name, as scripts take them: ``msm,msm10,order8,semi-markov,nanogpt,trajbert-small``.

There is no list of names here. Each class of models carries its own pattern, its help line and the way it is made
(`mdtok.models.model.Model`), and the classes are found by `mdtok.models.discovery`.
"""

import difflib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from mdtok.errors import SettingsError
from mdtok.models.discovery import built_in_classes, user_classes
from mdtok.models.model import Model, ModelContext


def make_models(
    names: str,
    macrostates: np.ndarray | None = None,
    seed: int = 0,
    training_steps: int | None = None,
    progress: bool = True,
    window: int = 50,
    steps_of: Mapping[str, int] | None = None,
) -> dict[str, Model]:
    """Unfitted models by their names, of tokens and of coordinates (`Model.reads` tells which).

    Parameters
    ----------
    names : str
        Separated by commas; `known_names` tells which there are.
    macrostates : int array, shape (n_states,), optional
        Macrostate of each token, for models that keep the age in the macrostate where tokens are microstates.
    seed : int
    training_steps : int, optional
        Most steps of gradient descent; the preset's own if not given.
    progress : bool
    window : int
        Frames that a model of coordinates sees.
    steps_of : dict of str -> int, optional
        Most steps of single models, by name; they win over `training_steps`.

    Returns
    -------
    dict of str -> DynamicsModel or TrajectoryModel

    Raises
    ------
    SettingsError
        An unknown name, the same one twice, one that two classes claim, or a user's class that cannot be imported.

    Examples
    --------
    >>> list(make_models("msm,order4"))
    ['msm', 'order4']
    """
    listed = [name.strip() for name in names.split(",") if name.strip()]
    if not listed or len(set(listed)) < len(listed):
        raise SettingsError(f"models is {names!r}; different names separated by commas were expected: {_listing()}.")
    catalogue, steps_of = Catalogue(), dict(steps_of or {})
    for name in steps_of:
        if name not in listed:
            catalogue.find(name)  # a name that is none is a slip of the pen; that of another model is not
    context = ModelContext(macrostates, seed, training_steps, window, progress, catalogue)
    return {
        name: context.catalogue.make(name, replace(context, training_steps=steps_of.get(name, training_steps)))
        for name in listed
    }


def known_names() -> list[tuple[str, str]]:
    """Pattern as shown, and help line, of every class that has a name.

    Examples
    --------
    >>> dict(known_names())["orderN"]
    'Markov chain of the last N tokens, backing off to fewer'
    """
    return [(known.name_shown or known.name_pattern or "", known.name_help or "") for known in _named(_all_classes())]


class Catalogue:
    """The classes that names stand for."""

    def __init__(self):
        self.of_users = user_classes()

    def make(self, name: str, context: ModelContext) -> Model:
        """An unfitted model."""
        model_class, match = self.find(name)
        return model_class.from_name(match, context)

    def candidates(self, name: str, context: ModelContext) -> list[Model]:
        """What ``<name>-tuned`` chooses from."""
        model_class, match = self.find(name, "tuned_pattern", shown=f"{name}-tuned")
        return model_class.candidates(match, context)

    def find(self, name: str, pattern: str = "name_pattern", shown: str | None = None) -> tuple[type[Model], re.Match]:
        """The class whose pattern the whole name matches, and the match."""
        # a room is imported only if none before it knows the name, so that counted models do not wait for transformers
        found = [
            *itertools.islice(_matches(built_in_classes(), name, pattern), 1),
            *_matches(self.of_users, name, pattern),
        ]
        if not found:
            raise SettingsError(f"There is no model {shown or name!r};{_nearest(name)} known are {_listing()}.")
        if len(found) > 1:
            claims = " and ".join(f"{model_class.__module__}.{model_class.__name__}" for model_class, _ in found)
            raise SettingsError(f"The name {name!r} is claimed by {claims}; change the name_pattern of one.")
        return found[0]


def _matches(classes: Iterable[type[Model]], name: str, pattern: str) -> Iterator[tuple[type[Model], re.Match]]:
    for model_class in _named(classes, pattern):
        if match := re.fullmatch(vars(model_class)[pattern], name):
            yield model_class, match


def _named(classes: Iterable[type[Model]], pattern: str = "name_pattern") -> Iterator[type[Model]]:
    """Classes with a pattern of their own; one that is inherited is the name of another class."""
    return (model_class for model_class in classes if vars(model_class).get(pattern))


def _all_classes():
    return [*built_in_classes(), *user_classes()]


def _listing():
    return f"{', '.join(shown for shown, _ in known_names())} (mdtok models says what each is)"


def _nearest(name):
    plain = [re.split(r"[\[N]", shown)[0].strip("-") for shown, _ in known_names()]
    near = difflib.get_close_matches(name, plain, n=1)
    return f" did you mean {near[0]!r}?" if near else ""
