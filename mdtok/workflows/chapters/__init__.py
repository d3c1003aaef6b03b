"""Chapters of the report: what only some runs can tell. One file a chapter, found by walking this folder.

A chapter is a module with four names::

    PLACE = 30                 # order on the page
    applies(judged)            # whether the data of this run allow it
    numbers(judged)            # all that is computed: a dict of numbers, texts and arrays, kept as a file
    draw(numbers)              # the mdtok.report.Chapter made from it; no run, no model, no file

Modules whose names begin with an underscore help chapters and are none.
"""

import importlib
import pkgutil
from types import ModuleType


def find_chapters() -> list[ModuleType]:
    """All chapters, in their order on the page.

    Examples
    --------
    >>> [name_of(chapter) for chapter in find_chapters()][:3]
    ['kinetics', 'exact', 'forecasts']
    """
    names = [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
    chapters = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return sorted(chapters, key=lambda chapter: (chapter.PLACE, chapter.__name__))


def name_of(chapter: ModuleType) -> str:
    """The name of a chapter, and of the files of its numbers."""
    return chapter.__name__.rpartition(".")[2]
