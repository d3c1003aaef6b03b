"""Features by the words that a script takes: ``"phi psi contacts"``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mdtok.errors import SettingsError
from mdtok.features.contacts import Contacts
from mdtok.features.featurizer import DIHEDRALS, Dihedrals
from mdtok.features.shape import RadiusOfGyration

if TYPE_CHECKING:
    from mdtok.features.feature import Feature


_OTHERS: dict[str, Callable[[], Feature]] = {
    "contacts": lambda: Contacts(scheme="closest-heavy", kind="soft"),
    "contact-distances": lambda: Contacts(scheme="closest-heavy"),
    "ca-contacts": lambda: Contacts(scheme="ca", kind="soft"),
    "ca-distances": lambda: Contacts(scheme="ca"),
    "rg": RadiusOfGyration,
}


def named_features(words: str) -> list[Feature]:
    """Features by name, for a `Featurizer`.

    Parameters
    ----------
    words : str
        Of phi, psi, omega, chi1 .. chi5 (in radians); contacts, ca-contacts (soft); contact-distances, ca-distances;
        rg.

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
    words = words.replace(",", " ").split()
    for word in words:
        if word not in DIHEDRALS and word not in _OTHERS:
            raise SettingsError(f"The feature {word!r} is not known; give some of {', '.join([*DIHEDRALS, *_OTHERS])}.")
    if not words or len(set(words)) < len(words):
        raise SettingsError(f"The features {' '.join(words)!r} were asked for; give one at least, and each once.")
    dihedrals = [word for word in words if word in DIHEDRALS]
    return [
        Dihedrals(dihedrals, encoding="radians") if word in DIHEDRALS else _OTHERS[word]()
        for word in words
        if word not in dihedrals[1:]
    ]
