"""A run is a folder: its stages can be killed and started again, and leave a manifest.

The manifest holds versions, command, settings, and for each finished stage its wall time and what it says of itself.
What was computed with other settings is refused, never overwritten.
"""

import contextlib
import importlib.metadata
import sys
import time
from pathlib import Path

from mdtok.errors import MdtokError, RunFolderError
from mdtok.storage import as_json, hash_file, read_json, write_json

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

    Raises
    ------
    RunFolderError
        The folder holds another run's settings, or files that are no run of mdtok.
    """

    def __init__(self, path, settings, inputs=(), stage_of=None, by_name=()):
        self.path = Path(path)
        settings = as_json(settings)
        hashes = {str(name): hash_file(name) for name in inputs}
        manifest_path = self.path / "manifest.json"
        if manifest_path.exists():
            self.manifest = read_json(manifest_path)
            self._refuse_other(settings, hashes, stage_of or {}, by_name)
            for key in by_name:
                if self.manifest["settings"].get(key) != settings.get(key):
                    self._reopen(stage_of[key])
            self.manifest |= {"settings": settings, "inputs_sha256": hashes}
        else:
            if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
                raise RunFolderError(
                    f"{self.path} exists and is not a run of mdtok (no manifest.json); choose another --out."
                )
            self.manifest = {
                "schema": 1,
                "command": sys.argv,
                "versions": {"python": sys.version.split()[0], **_versions()},
                "settings": settings,
                "inputs_sha256": hashes,
                "begun": [],
                "stages": {},
            }
            self._save()

    def _refuse_other(self, settings, hashes, stage_of, by_name):
        begun = self.manifest["begun"]
        seen, wanted = self.manifest["settings"], settings
        other = [
            f"{key}: {seen.get(key)!r} there, {wanted.get(key)!r} asked for"
            for key in sorted({*seen, *wanted} - {*by_name})
            if seen.get(key) != wanted.get(key) and begun and stage_of.get(key, begun[0]) in begun
        ]
        known = set(
            self.manifest["inputs_sha256"].values()
        )  # a file may be given by another path, not with another content
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
        write_json(self.path / "manifest.json", self.manifest)

    def is_done(self, stage):
        """Whether `stage` was finished in this folder."""
        return stage in self.manifest["stages"]

    def require(self, stage):
        """Raise RunFolderError unless `stage` is done."""
        if not self.is_done(stage):
            raise RunFolderError(
                f"{self.path}: the stage '{stage}' is not done yet; run it first (--stage {stage}, or all)."
            )

    @contextlib.contextmanager
    def stage(self, name):
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
        self._save()

    def __truediv__(self, name):
        return self.path / name


def _versions():
    found = {}
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found
