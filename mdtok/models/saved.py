"""The one archive of models that are arrays: ``model.json`` and ``arrays.npz``, and a folder for each model inside a
model."""

import zipfile
from os import PathLike
from pathlib import Path

import numpy as np

from mdtok.errors import DataError, RunFolderError
from mdtok.models.discovery import find_class
from mdtok.models.model import Model
from mdtok.storage import read_json, whole, write_json


def write_model(folder, model, settings, arrays, parts=None):
    """Write ``model.json``, ``arrays.npz`` and a folder for each model that is part of it, whole or not at all."""
    content = {"class": type(model).__name__, "n_states": model.n_states_, "settings": settings}
    with whole(folder) as partial:
        partial.mkdir()
        write_json(partial / "model.json", content)
        np.savez_compressed(partial / "arrays.npz", **arrays)
        for name, part in (parts or {}).items():
            part.save(partial / name)


def read_model(folder, model_class):
    """Read what `write_model` wrote: settings, n_states, arrays."""
    folder = Path(folder)
    content = read_json(folder / "model.json")
    if content.get("class") != model_class.__name__:
        raise DataError(f"{folder} holds a {content.get('class')}, not a {model_class.__name__}; use mdtok.load_model.")
    try:
        with open(folder / "arrays.npz", "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return content["settings"], content["n_states"], dict(arrays)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise RunFolderError(f"{folder}/arrays.npz cannot be read ({error}); fit and save the model again.") from None


def load_model(folder: str | PathLike) -> Model:
    """Load any model, of tokens or of coordinates, that was saved by its `save`: ``model.json`` names its class.

    The class is looked for among those of mdtok and those of the entry points ``mdtok.models``; what the folder says is
    never imported.

    Raises
    ------
    DataError
        The folder names a class that is not there.
    """
    name = read_json(Path(folder) / "model.json").get("class")
    model_class = find_class(str(name))
    if model_class is None:
        raise DataError(
            f"{folder}/model.json names the class {name!r}, which is no model of mdtok nor of a package that is installed."
        )
    return model_class.load(folder)
