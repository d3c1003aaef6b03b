"""Features by the words that a script takes: ``"phi psi contacts"``. Each class says which words are its own."""

from __future__ import annotations

import importlib
import pkgutil

import mdtok.features
from mdtok.errors import SettingsError
from mdtok.features.feature import Feature


def named_features(words: str) -> list[Feature]:
    """Features by name, for a `Featurizer`.

    Parameters
    ----------
    words : str
        Of those that `known_words` gives, separated by blanks or commas; dihedral angles are in radians.

    Returns
    -------
    list
        Features in the order of their first word; all dihedrals are one of them.

    Raises
    ------
    SettingsError
        A word is not known or given twice, or there is none.

    Examples
    --------
    >>> [type(feature).__name__ for feature in named_features("phi psi ca-contacts")]
    ['Dihedrals', 'Contacts']
    """
    asked, known = words.replace(",", " ").split(), _class_of_each_word()
    for word in asked:
        if word not in known:
            raise SettingsError(f"The feature {word!r} is not known; give some of {', '.join(known)}.")
    if not asked or len(set(asked)) < len(asked):
        raise SettingsError(f"The features {words!r} were asked for; give one at least, and each once.")
    features = {}  # by the word that each comes from
    for feature_class in dict.fromkeys(known[word] for word in asked):
        own = [word for word in asked if known[word] is feature_class]
        features |= dict(zip(own, feature_class.from_words(own), strict=False))
    return [features[word] for word in asked if word in features]


def known_words() -> list[str]:
    """All words, class by class.

    Examples
    --------
    >>> {"phi", "chi5", "ca-contacts", "rg"} <= set(known_words())
    True
    """
    return list(_class_of_each_word())


def _class_of_each_word() -> dict[str, type[Feature]]:
    """Every word of every class in this wing, dihedrals first."""
    words: dict[str, type[Feature]] = {}
    for module in pkgutil.iter_modules(mdtok.features.__path__):
        for value in vars(importlib.import_module(f"mdtok.features.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, Feature):
                words |= dict.fromkeys(value.words, value)
    return dict(sorted(words.items(), key=lambda item: item[1].__name__ != "Dihedrals"))
