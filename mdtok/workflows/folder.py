"""A run is a folder: its stages can be killed and started again, and leave a manifest.

The manifest holds versions, command, settings, and for each finished stage its wall time, what it says of itself and
the checksums of its files. What was computed with other settings is refused, never overwritten; what is damaged is made
anew.
"""

import contextlib
import importlib.metadata
import sys
import time
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mdtok.errors import MdtokError, RunFolderError
from mdtok.storage import as_json, hash_file, read_json, write_json
from mdtok.workflows.command_line import OPERATIONAL, RunSettings, default_values, say_how_to_resume
from mdtok.workflows.integrity import checksums, damaged_files, locked, remove_damaged, require_sealed, seal

_locks: weakref.WeakValueDictionary = weakref.WeakValueDictionary()  # of this process, by folder
_PACKAGES = ("mdtok", "openmm", "mdtraj", "deeptime", "numpy", "scipy", "scikit-learn", "torch", "transformers")


class RunFolder:
    """One run on disk: its settings, its manifest and the stages that are done.

    Parameters
    ----------
    path : path-like
        The folder; made if it is not there.
    settings : dict
        Everything that decides what the run computes. A folder in which something was computed with other settings is
        refused.
    inputs : list of path-like
        Files of the user that the run reads; their hashes are part of the settings.
    stage_of : dict of str -> str
        The first stage that a setting matters to. Until that stage has begun in this folder the setting may be changed.
    by_name : sequence of str
        Settings that list things which are computed, and kept, each under its name. They may be changed at any time;
        from the first stage that they matter to, the stages are then done again for what is new.
    defaults : dict, optional
        What a setting was, or is, where the folder or `settings` lack it: a run of an earlier mdtok had fewer settings.

    Raises
    ------
    RunFolderError
        The folder holds another run's settings, or files that are no run of mdtok.
    """

    def __init__(
        self,
        path: str | Path,
        settings: dict[str, Any],
        inputs: Sequence[str | Path] = (),
        stage_of: dict[str, str] | None = None,
        by_name: Sequence[str] = (),
        defaults: dict[str, Any] | None = None,
    ):
        self.path = Path(path)
        settings, defaults = as_json(settings), as_json(defaults or {})
        hashes = {str(name): hash_file(name) for name in inputs}
        manifest_path = self.path / "manifest.json"
        if manifest_path.exists():
            self.manifest = require_sealed(manifest_path, read_json(manifest_path))
            seen = {**defaults, **self.manifest["settings"]}
            self._refuse_other(seen, {**defaults, **settings}, hashes, stage_of or {}, by_name)
            for key in by_name:
                if seen.get(key) != settings.get(key):
                    self._reopen((stage_of or {})[key])
            self.manifest |= {"settings": settings, "inputs_sha256": hashes}
        else:
            if self.path.exists() and (not self.path.is_dir() or any(p.name != ".lock" for p in self.path.iterdir())):
                raise RunFolderError(
                    f"{self.path} exists and is not a run of mdtok (no manifest.json); choose another --out."
                )
            self.manifest = {
                "schema": 1,
                "command": sys.argv,
                "versions": {"python": sys.version.split()[0], **versions_of(_PACKAGES)},
                "settings": settings,
                "inputs_sha256": hashes,
                "begun": [],
                "stages": {},
            }
            self._make()
        self._lock = locked(self.path, _locks)
        if manifest_path.exists():
            self._do_again(remove_damaged(self.path, damaged_files(self.path, self.manifest.get("files", {}))))
        else:
            self._save()

    def _make(self):
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFolderError(f"{self.path} cannot be made ({error.strerror}); choose another --out.") from None

    def _do_again(self, stages):
        """Mark stages as not done; what they said of themselves is added to."""
        for name in stages:
            if name in self.manifest["stages"]:
                self.manifest.setdefault("reopened", {})[name] = self.manifest["stages"].pop(name)
            self.manifest.get("files", {}).pop(name, None)
        if stages:
            self._reopen("score")
            self._save()

    @classmethod
    def of(cls, settings: RunSettings, inputs: Sequence[str | Path] = ()) -> "RunFolder":
        """The folder that `settings` name, opened with all that their class says of itself.

        First of all, the command that goes on with this run is logged, where the settings come from one.

        Parameters
        ----------
        settings : RunSettings
        inputs : list of path-like
            Files of the user that the run reads.
        """
        defaults = default_values(type(settings)) | settings.BEFORE
        run = cls(
            settings.out,
            settings.computed(),
            inputs,
            settings.STAGE_OF,
            settings.BY_NAME,
            {key: value for key, value in defaults.items() if key not in OPERATIONAL},
        )
        say_how_to_resume(settings)
        return run

    @classmethod
    def open(cls, path: str | Path) -> "RunFolder":
        """A run that is there, as it is.

        Raises
        ------
        RunFolderError
            The folder holds no run of mdtok.
        """
        run = cls.__new__(cls)
        run.path = Path(path)
        if not (run.path / "manifest.json").exists():
            raise RunFolderError(f"{path} is not a run of mdtok (no manifest.json); give the folder of one.")
        path = run.path / "manifest.json"
        run.manifest = require_sealed(path, read_json(path))
        damaged = [name for names in damaged_files(run.path, run.manifest.get("files", {})).values() for name in names]
        damaged = [name for name in damaged if not name.startswith("md/")]
        if damaged:
            raise RunFolderError(
                f"{path.parent / damaged[0]} is damaged or lost since it was written; the command that made this run, "
                "given again, makes it anew."
            )
        return run

    def _refuse_other(self, seen, wanted, hashes, stage_of, by_name):
        begun = self.manifest["begun"]
        other = [
            f"{key}: {seen.get(key)!r} there, {wanted.get(key)!r} asked for"
            for key in sorted({*seen, *wanted} - {*by_name})
            if seen.get(key) != wanted.get(key) and begun and stage_of.get(key, begun[0]) in begun
        ]
        # a file may be given by another path, not with another content
        known = set(self.manifest["inputs_sha256"].values())
        other += [f"{name} has another content" for name, digest in hashes.items() if begun and digest not in known]
        if other:
            raise RunFolderError(
                f"{self.path} holds another run ({'; '.join(other)}); choose another --out or these settings."
            )

    def _reopen(self, first):
        """A stage and those that were begun after it are to be done again; what they said of themselves is added to."""
        begun = self.manifest["begun"]
        for name in begun[begun.index(first) :] if first in begun else []:
            if name in self.manifest["stages"]:
                self.manifest.setdefault("reopened", {})[name] = self.manifest["stages"].pop(name)

    def _save(self):
        write_json(self.path / "manifest.json", seal(as_json(self.manifest)))

    def is_done(self, stage: str) -> bool:
        """Whether `stage` was finished in this folder."""
        return stage in self.manifest["stages"]

    def require(self, stage: str) -> None:
        """Raise RunFolderError unless `stage` is done."""
        if not self.is_done(stage):
            raise RunFolderError(
                f"{self.path}: the stage '{stage}' is not done yet; run it first (--stage {stage}, or all)."
            )

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[dict[str, Any]]:
        """Time a stage and mark it done when the block ends without an error; yields a dict for its figures.

        A stage that refuses its settings or data (MdtokError) before it wrote anything has not begun.
        """
        earlier = self.manifest.get("reopened", {}).get(name, {})
        began, figures = time.perf_counter(), {key: value for key, value in earlier.items() if key != "wall_seconds"}
        if name not in self.manifest["begun"]:
            self.manifest["begun"].append(name)
            self._save()
        before = set(self.path.iterdir())
        try:
            yield figures
        except MdtokError:
            if set(self.path.iterdir()) == before:
                self.manifest["begun"].remove(name)
                self._save()
            raise
        seconds = earlier.get("wall_seconds", 0.0) + time.perf_counter() - began
        self.manifest["stages"][name] = {"wall_seconds": round(seconds, 1), **as_json(figures)}
        self.manifest.get("reopened", {}).pop(name, None)
        self.manifest.setdefault("files", {})[name] = checksums(self.path, name)
        self._save()

    def __truediv__(self, name: str) -> Path:
        return self.path / name


def versions_of(packages: Sequence[str]) -> dict[str, str]:
    """Version of each package that is installed.

    Examples
    --------
    >>> list(versions_of(["numpy", "no-such-package-of-ours"]))
    ['numpy']
    """
    found = {}
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found
