"""The one archive of models: ``model.json`` with the class and its settings, and arrays or a network beside it.

A model of counts has ``arrays.npz``, a network ``config.json`` and ``model.safetensors``; a model that is part of
another one has a folder within its folder. What is missing or damaged is said in one line.
"""

from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from mdtok.errors import DataError, RunFolderError
from mdtok.models.device import best_device
from mdtok.models.discovery import find_class
from mdtok.models.model import Model
from mdtok.storage import as_json, hash_file, hash_json, read_json, read_npz, whole, write_json


class Saved(dict):
    """What a file of a model holds; a key that is missing is said in one line."""

    def __init__(self, path: Path, content: Mapping):
        super().__init__(content)
        self.path = path

    def __missing__(self, key):
        raise RunFolderError(
            f"{self.path} lacks {key!r}, as of another version of mdtok; fit and save the model again."
        )


def write_model(
    folder: str | PathLike,
    model: Model,
    settings: Mapping[str, Any],
    arrays: Mapping[str, Any],
    parts: Mapping[str, Model] | None = None,
) -> None:
    """Write ``model.json``, ``arrays.npz`` and a folder for each model that is part of it, whole or not at all."""
    content = {"class": type(model).__name__, model.size: getattr(model, f"{model.size}_"), "settings": settings}
    with whole(folder) as partial:
        partial.mkdir()
        np.savez_compressed(partial / "arrays.npz", **arrays)
        for name, part in (parts or {}).items():
            part.save(partial / name)
        write_json(partial / "model.json", _sealed(content, partial, ("arrays.npz",)))


def read_model(folder: str | PathLike, model_class: type[Model]) -> tuple[dict, int, dict[str, np.ndarray]]:
    """Read what `write_model` wrote: settings, n_states or n_dim, arrays.

    Raises
    ------
    DataError
        The folder holds another class.
    RunFolderError
        A file is missing or damaged, or something in it is.
    """
    content, path = read_content(folder, model_class), Path(folder) / "arrays.npz"
    return content["settings"], content[model_class.size], Saved(path, read_npz(path))


def write_network(
    folder: str | PathLike, model: Any, found: Mapping[str, Any], parts: Mapping[str, Any] | None = None
) -> None:
    """Write the ``network_`` of a model, its parts, and ``model.json`` with its ``settings`` and what it `found`.

    ``model.json`` is written last and makes the model whole; one that is there is taken away first.
    """
    from safetensors.torch import save_file

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.json").unlink(missing_ok=True)
    with whole(folder / "model.safetensors") as partial:
        save_file(model.network_.state_dict(), partial, metadata={"format": "pt"})
    config = {**model.network_.config.to_dict(), "architectures": [type(model.network_).__name__]}
    write_json(folder / "config.json", config)
    for name, part in (parts or {}).items():
        part.save(folder / name)
    of_parts = [
        path.relative_to(folder).as_posix()
        for name in parts or {}
        for path in sorted((folder / name).rglob("*"))
        if path.is_file()
    ]
    content = {"class": type(model).__name__, "settings": model.settings}
    content = {**content, model.size: getattr(model, f"{model.size}_"), **found}
    write_json(folder / "model.json", _sealed(content, folder, ["model.safetensors", "config.json", *of_parts]))


def _sealed(content, folder, files):
    """What ``model.json`` says, with checksums of itself and of the files beside it."""
    content = as_json({**content, "sha256": {name: hash_file(folder / name) for name in files}})
    return {**content, "checksum": hash_json(content)}


def _require_sound(path, content):
    """RunFolderError if a model is not as it was saved; those of earlier versions have no checksums."""
    said = dict(content)
    checksum, files = said.pop("checksum", None), said.get("sha256", {})
    changed = ["model.json"] if (checksum is not None or files) and checksum != hash_json(said) else []
    if not changed and checksum is not None:
        changed = [name for name, digest in files.items() if _hash_or_none(path.parent / name) != digest]
    if changed:
        raise RunFolderError(
            f"{path.parent / changed[0]} cannot be read (damaged, or not of this model); fit and save the model again."
        )


def _hash_or_none(path):
    return hash_file(path) if path.is_file() else None


def read_network(folder: str | PathLike, build: Callable[[], Any], n_layers: int) -> Any:
    """A network with the weights that `write_network` wrote, on the best device there is.

    Shapes are held against those of the file before memory is taken: settings that were changed may ask for any amount.

    Parameters
    ----------
    folder : path-like
    build : callable
        Makes the network, with any weights.
    n_layers : int
        How many layers it will make.

    Raises
    ------
    RunFolderError
        The file is missing, damaged, or of a network of another shape.
    """
    import torch
    from safetensors import SafetensorError, safe_open

    path = Path(folder) / "model.safetensors"
    try:
        with safe_open(path, "pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        if n_layers <= len(shapes):  # each has weights of its own
            with torch.device("meta"):
                expected = {name: tuple(weights.shape) for name, weights in build().state_dict().items()}
        else:
            expected = {}
    except (OSError, SafetensorError, RuntimeError) as error:
        raise _unreadable(path, error) from None
    other = sorted(name for name in {*shapes, *expected} if shapes.get(name) != expected.get(name))
    if other:
        raise _unreadable(path, f"{other[0]} is {shapes.get(other[0])}, {expected.get(other[0])} was expected")
    network = build()
    read_weights(folder, network)
    return network


def _unreadable(path, reason):
    return RunFolderError(f"{path} cannot be read ({' '.join(str(reason).split())}); fit and save the model again.")


def read_weights(folder: str | PathLike, network) -> None:
    """Put the weights that `write_network` wrote into a network of the same shape, on the best device there is.

    Raises
    ------
    RunFolderError
        The file is missing, damaged, or of a network of another shape.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(folder) / "model.safetensors"
    try:
        network.load_state_dict(load_file(path))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError, RuntimeError) as error:
        raise _unreadable(path, error) from None
    network.to(best_device())


def read_content(folder: str | PathLike, model_class: type[Model] | None = None) -> Saved:
    """What ``model.json`` holds; DataError where that is not of `model_class`."""
    path = Path(folder) / "model.json"
    content = read_json(path)
    if not isinstance(content, dict):
        raise RunFolderError(f"{path} is no JSON object; fit and save the model again.")
    _require_sound(path, content)
    if model_class is not None and content.get("class") != model_class.__name__:
        raise DataError(f"{folder} holds a {content.get('class')}, not a {model_class.__name__}; use mdtok.load_model.")
    return Saved(path, content)


def load_model(folder: str | PathLike) -> Model:
    """Load any model, of tokens or of coordinates, that was saved by its `save`: ``model.json`` names its class.

    The class is looked for among those of mdtok and those of the entry points ``mdtok.models``; what the folder says is
    never imported.

    Raises
    ------
    DataError
        The folder names a class that is not there.
    RunFolderError
        A file is missing or damaged.
    """
    name = read_content(folder)["class"]
    model_class = find_class(str(name))
    if model_class is None:
        raise DataError(
            f"{folder}/model.json names the class {name!r}, which is no model of mdtok nor of a package that is "
            "installed."
        )
    return model_class.load(folder)
