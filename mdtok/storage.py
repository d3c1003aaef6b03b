"""Files that appear whole or not at all: JSON, arrays, folders; and hashes of what a user gave."""

import contextlib
import functools
import hashlib
import json
import math
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np

from mdtok.errors import MdtokError, RunFolderError, SettingsError

_LARGE = 64 * 2**20
_LARGEST_YAML_BYTES, _MOST_REFERENCES, _DEEPEST = 1_000_000, 20, 30
_LARGEST_UNPACKED = 1_000_000_000
_FEW_NUMBERS = 500  # arrays of so many stay in the JSON file
_IN_ARRAYS = "in_arrays"


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
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, or nested without end
        raise RunFolderError(f"{path} is damaged: it is not valid JSON ({' '.join(str(error).split())}).") from None


def read_yaml(path):
    """Read a YAML file of settings, plain values only, or say in one line what is wrong with it.

    Raises
    ------
    SettingsError
        It is no YAML, too large, or repeats itself by references (a few bytes can then stand for gigabytes).
    """
    import yaml

    path = Path(path)
    if not path.is_file():
        raise SettingsError(f"The settings file {path} does not exist, or is no ordinary file.")
    if path.stat().st_size > _LARGEST_YAML_BYTES:
        raise SettingsError(f"{path} has over {_LARGEST_YAML_BYTES // 1000} kB; settings were expected.")
    try:
        text = path.read_text(encoding="utf-8")
        n_references = depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            n_references += isinstance(event, yaml.AliasEvent)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if n_references > _MOST_REFERENCES:
                raise SettingsError(f"{path} refers to itself over {_MOST_REFERENCES} times (*name); write it out.")
            if depth > _DEEPEST:
                raise SettingsError(f"{path} has lists in lists, over {_DEEPEST} deep; settings were expected.")
        return yaml.safe_load(text)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror}).") from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise SettingsError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None


def read_npy(path, mapped=False, error=RunFolderError):
    """Read a ``.npy`` array of numbers; its header is held against the size of the file before memory is taken.

    Parameters
    ----------
    path : path-like
    mapped : bool
        Read from the disk when it is used.
    error : type
        What is raised if it is damaged.

    Returns
    -------
    ndarray
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            _require_size(file, path.stat().st_size)
        return np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except Exception as reason:  # numpy parses the header as Python, and raises what that raises
        raise error(f"{path} cannot be read as a .npy array ({_one_line(reason)}).") from None


def read_npz(path, error=RunFolderError):
    """Read all arrays of numbers of a ``.npz`` file, as a dict; sizes are checked before memory is taken.

    Parameters
    ----------
    path : path-like
    error : type
        What is raised if it is damaged.

    Returns
    -------
    dict of str -> ndarray
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > max(_LARGEST_UNPACKED, 20 * path.stat().st_size):
                raise ValueError("it unpacks to far more than its size")
            names = [entry.filename for entry in entries]
            if len(set(names)) < len(names) or not all(name.endswith(".npy") for name in names):
                raise ValueError("it is no archive of arrays")
            for entry in entries:
                with archive.open(entry) as file:
                    _require_size(file, entry.file_size)
        with np.load(path, allow_pickle=False) as saved:
            return {name: saved[name] for name in saved.files}
    except Exception as reason:  # of zipfile, of zlib, and of numpy's headers
        raise error(f"{path} cannot be read as a .npz archive ({_one_line(reason)}).") from None


def _require_size(file, n_bytes):
    """Raise ValueError unless an open ``.npy`` file holds as many numbers as its header says."""
    version = np.lib.format.read_magic(file)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in read_header:
        raise ValueError(f"its format has the version {version}")
    shape, _, kind = read_header[version](file)
    if kind.hasobject:
        raise ValueError("it holds objects, not numbers")
    expected = math.prod(shape) * kind.itemsize + file.tell()
    if any(n < 0 for n in shape) or expected != n_bytes:
        raise ValueError(f"its header says {shape} of {kind}, {expected:,} bytes; it has {n_bytes:,}")


def _one_line(error):
    return " ".join(str(error).split()) or type(error).__name__


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


def write_numbers(path, numbers):
    """Write a dict of numbers as JSON, larger arrays beside it as ``.npz``; `read_numbers` puts them together again.

    Parameters
    ----------
    path : path-like
        Ends in ``.json``.
    numbers : dict
        May be nested; anything with a ``to_dict`` is written as that.
    """
    path, arrays = Path(path), {}
    content = _without_arrays(numbers, "", arrays)
    if arrays:
        with whole(path.with_suffix(".npz")) as partial, open(partial, "wb") as file:
            np.savez_compressed(file, **arrays)
    write_json(path, content)  # last: it makes the two whole


def _without_arrays(content, place, arrays):
    if hasattr(content, "to_dict"):
        content = content.to_dict()
    if isinstance(content, dict):
        return {str(key): _without_arrays(value, f"{place}/{key}", arrays) for key, value in content.items()}
    if isinstance(content, (list, tuple)) and any(isinstance(value, (dict, np.ndarray)) for value in content):
        return [_without_arrays(value, f"{place}/{index}", arrays) for index, value in enumerate(content)]
    if isinstance(content, np.ndarray) and content.size > _FEW_NUMBERS:
        arrays[place] = content
        return {_IN_ARRAYS: place}
    return content


def read_numbers(path):
    """Read what `write_numbers` wrote; keys are texts, and NaN is None where it was not in a larger array."""
    path, arrays = Path(path), {}
    if path.with_suffix(".npz").exists():
        arrays = read_npz(path.with_suffix(".npz"))
    return _with_arrays(read_json(path), arrays)


def _with_arrays(content, arrays):
    if isinstance(content, dict):
        if set(content) == {_IN_ARRAYS}:
            return arrays[content[_IN_ARRAYS]]
        return {key: _with_arrays(value, arrays) for key, value in content.items()}
    return [_with_arrays(value, arrays) for value in content] if isinstance(content, list) else content


def save_arrays(folder, arrays):
    """Write one ``NNN.npy`` a trajectory into `folder`, which appears whole or not at all."""
    with whole(folder) as partial:
        partial.mkdir()
        for index, array in enumerate(arrays):
            np.save(partial / f"{index:03d}.npy", np.asarray(array), allow_pickle=False)


def load_arrays(folder, mapped=False):
    """Read what `save_arrays` wrote, in its order; `mapped`: read-only memory maps, which are read when
    they are used."""
    paths = sorted(Path(folder).glob("[0-9]*.npy"), key=lambda path: int(path.stem))
    if not paths:
        raise RunFolderError(f"{folder} holds no NNN.npy arrays; run the stage that writes it first.")
    return [read_npy(path, mapped) for path in paths]


def damage_in_one_line(load):
    """Make ``load(cls, folder, …)`` raise RunFolderError for whatever it stumbles over in a damaged folder.

    What a file holds may be of any type and shape, where an earlier version wrote no checksum: a loader need not
    foresee all of it. Our own errors pass as they are.
    """

    @functools.wraps(load)
    def guarded(cls, folder, *args, **kwargs):
        try:
            return load(cls, folder, *args, **kwargs)
        except MdtokError:
            raise
        except OSError as error:
            raise RunFolderError(f"{folder} cannot be read ({_one_line(error)}).") from None
        except (Exception, RecursionError, MemoryError) as error:
            reason = f"{type(error).__name__}: {_one_line(error)}"[:200]
            raise RunFolderError(f"{folder} is damaged ({reason}); make it anew.") from None

    return guarded


def hash_json(content):
    """SHA-256 of what JSON can hold, whatever the order of its keys, as hexadecimal digits."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


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
