"""Features on disk, one array a trajectory, written while they are computed: for what does not fit in memory."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from mdtok.errors import DataError, RunFolderError
from mdtok.storage import read_json, read_npy, whole, write_json

_DTYPE = np.dtype(np.float32)


class FeatureFolder:
    """A folder of ``NNN.npy``, each written whole or not at all, and ``columns.json``, which says what they are.

    Parameters
    ----------
    path : path-like
        Made by the first `put`, if it is not there.
    names : list of str
        Of the columns.
    periodic : sequence of bool
    n_frames : list of int
        Of each trajectory.

    Raises
    ------
    RunFolderError
        The folder holds something else, or features of other names or lengths.
    DataError
        The disk has no room for what is missing.

    Examples
    --------
    >>> import tempfile
    >>> folder = FeatureFolder(tempfile.mkdtemp() + "/distances", ["d"], [False], [3])
    >>> chunks = [np.float32([[1], [2]]), np.float32([[3]])]
    >>> folder.put(0, chunks), folder.put(0, chunks)      # the second time it is there
    (True, False)
    >>> folder[0].ravel().tolist(), type(folder[0]).__name__
    ([1.0, 2.0, 3.0], 'memmap')
    """

    def __init__(
        self, path: str | Path, names: Sequence[str], periodic: Sequence[bool] | np.ndarray, n_frames: Sequence[int]
    ) -> None:
        self.path = Path(path)
        self._content: dict = {
            "names": list(names),
            "periodic": [bool(p) for p in periodic],
            "n_frames": [int(n) for n in n_frames],
        }
        if self._said_at().exists():
            self._refuse_other(read_json(self._said_at()))
        elif self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise RunFolderError(
                f"{self.path} exists and is no folder of features (no columns.json); choose another one."
            )
        self._require_room()

    def _said_at(self):
        return self.path / "columns.json"

    def _refuse_other(self, there):
        for key, what in (("names", "features"), ("periodic", "encodings"), ("n_frames", "trajectories")):
            if not isinstance(there, dict) or there.get(key) != self._content[key]:
                raise self._other(f"other {what}")

    def _other(self, what):
        return RunFolderError(f"{self.path} holds {what} than those asked for; remove it, or choose another folder.")

    def _require_room(self):
        missing = sum(n for index, n in enumerate(self._content["n_frames"]) if not self._file(index).exists())
        n_columns = len(self._content["names"])
        needed, parents = missing * n_columns * _DTYPE.itemsize, [self.path.absolute(), *self.path.absolute().parents]
        free = shutil.disk_usage(next(parent for parent in parents if parent.exists())).free
        if needed > free:
            raise DataError(
                f"{n_columns:,} features of {missing:,} frames need {needed / 1e9:.1f} GB in {self.path}; the disk "
                f"has {free / 1e9:.1f} GB "
                "left. Choose another disk, ask for fewer features, or take every n-th frame only (stride=n)."
            )

    def _file(self, index):
        return self.path / f"{index:03d}.npy"

    def put(self, index: int, chunks: Iterable[np.ndarray]) -> bool:
        """Write the features of a trajectory unless they are there.

        Parameters
        ----------
        index : int
            Of the trajectory.
        chunks : iterable of float32 arrays, shape (n_rows, n_columns) each
            Only the first is computed where the trajectory is there, and compared: names do not say every parameter.

        Returns
        -------
        bool
            Whether they were written now.

        Raises
        ------
        RunFolderError
            There are other numbers, or an array of another shape.
        """
        chunks = iter(chunks)
        if self._file(index).exists():
            first = next(chunks)
            if not np.allclose(self[index][: len(first)], first, rtol=1e-4, atol=1e-5):
                raise self._other(f"other features of trajectory {index}")
            return False
        if not self._said_at().exists():
            write_json(self._said_at(), self._content)
        shape = self._content["n_frames"][index], len(self._content["names"])
        with whole(self._file(index)) as partial, open(partial, "wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": _DTYPE.str, "fortran_order": False, "shape": shape})
            for chunk in chunks:
                file.write(np.ascontiguousarray(chunk, dtype=_DTYPE).data)
        return True

    def __getitem__(self, index: int) -> np.ndarray:
        """The features of a trajectory, a read-only memory map of shape (n_frames, n_columns)."""
        array = read_npy(self._file(index), mapped=True)
        if array.shape != (self._content["n_frames"][index], len(self._content["names"])) or array.dtype != _DTYPE:
            raise self._other(f"an array of another shape of trajectory {index}")
        return array
