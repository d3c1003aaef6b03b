"""Files that appear whole or not at all: JSON, arrays, folders; and hashes of what a user gave."""

import contextlib
import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np

from mdtok.errors import RunFolderError

_LARGE = 64 * 2**20


@contextlib.contextmanager
def whole(path):
    """Give a ``*.partial`` path to write to; it takes the name `path` only when the block ends without an error.

    Parameters
    ----------
    path : path-like
        File (or folder) that shall appear whole or not at all.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "note.txt"
    >>> with whole(target) as partial:
    ...     _ = partial.write_text("done")
    >>> target.read_text()
    'done'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    _remove(partial)
    yield partial
    if partial.is_dir() and path.is_dir():
        _remove(path)
    os.replace(partial, path)


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    elif path.exists():
        path.unlink()


def write_json(path, content):
    """Write `content` as JSON, whole or not at all; numpy numbers and arrays become numbers and lists, NaN null."""
    with whole(path) as partial:
        partial.write_text(
            json.dumps(as_json(content), indent=1, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8"
        )


def read_json(path):
    """Read a JSON file, or say in one line what is wrong with it."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunFolderError(f"{path} does not exist.") from None
    except json.JSONDecodeError as error:
        raise RunFolderError(f"{path} is not valid JSON ({error}); remove it and run that stage again.") from None


def as_json(content):
    """`content` as JSON can hold it: numpy numbers and arrays become numbers and lists, NaN null, results their
    `to_dict`."""
    if hasattr(content, "to_dict"):
        return as_json(content.to_dict())
    if isinstance(content, dict):
        return {str(key): as_json(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [as_json(value) for value in content]
    if isinstance(content, np.ndarray):
        return as_json(content.tolist())
    if isinstance(content, np.generic):
        return as_json(content.item())
    if isinstance(content, float) and not np.isfinite(content):
        return None
    if isinstance(content, Path):
        return str(content)
    return content


def save_arrays(folder, arrays):
    """Write one ``NNN.npy`` a trajectory into `folder`, which appears whole or not at all."""
    with whole(folder) as partial:
        partial.mkdir()
        for index, array in enumerate(arrays):
            np.save(partial / f"{index:03d}.npy", np.asarray(array), allow_pickle=False)


def load_arrays(folder):
    """Read what `save_arrays` wrote, in its order."""
    paths = sorted(Path(folder).glob("[0-9]*.npy"), key=lambda path: int(path.stem))
    if not paths:
        raise RunFolderError(f"{folder} holds no NNN.npy arrays; run the stage that writes it first.")
    return [np.load(path, allow_pickle=False) for path in paths]


def hash_file(path):
    """SHA-256 as hexadecimal digits; of files over 64 MiB, of their size, first and last 16 MiB (trajectories are
    large)."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        if size <= _LARGE:
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256(str(size).encode())
        digest.update(file.read(_LARGE // 4))
        file.seek(-_LARGE // 4, os.SEEK_END)
        digest.update(file.read())
        return digest.hexdigest()
