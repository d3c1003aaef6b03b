"""What a run wrote is held against the checksums of its manifest: damage is named, and its stage is done again."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import Any

from mdtok.errors import RunFolderError
from mdtok.storage import hash_file, hash_json

log = logging.getLogger(__name__)

#: Folders that each stage writes. Checkpoints carry their own checksums; the report is drawn again from the rest.
FOLDERS = {
    "simulate": ("md",),
    "tokenize": ("features", "tokens", "labelled"),
    "train": ("models",),
    "rollout": ("rollouts",),
}
_NOT_HELD = ("checkpoint.chk", "checkpoint_before.chk", "state.xml", "state.csv")


def checksums(run: Path, stage: str) -> dict[str, str]:
    """The hash of every file that a stage wrote, by its path in the run."""
    return {
        path.relative_to(run).as_posix(): hash_file(path)
        for folder in FOLDERS.get(stage, ())
        for path in sorted((run / folder).rglob("*"))
        if path.is_file() and path.name not in _NOT_HELD and ".partial" not in path.name and not path.is_symlink()
    }


def damaged_files(run: Path, recorded: dict[str, dict[str, str]]) -> dict[str, list[str]]:
    """Files that are not as they were written, or are lost: stage -> their paths in the run."""
    found: dict[str, list[str]] = {}
    for stage, files in recorded.items():
        for name, digest in files.items():
            path = run / name
            if not path.is_file() or hash_file(path) != digest:
                found.setdefault(stage, []).append(name)
    return found


def remove_damaged(run: Path, damaged: dict[str, list[str]]) -> list[str]:
    """Remove what has to be made again, and give the stages to do: the damaged ones, and those that read them.

    Of models and rollouts the damaged one goes, and of a damaged model what it generated; of features and tokens all
    of their folders, since they are written as one. A replica is simulated anew if its tokens are still to be made.
    """
    for stage, names in damaged.items():
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        log.warning("%s: %s: damaged or lost since it was written (stage %s).", run, shown, stage)
    again = []
    if "simulate" in damaged and (run / "tokens").is_dir() and "tokenize" not in damaged:
        log.warning("%s: what was made of the simulation before stays; only these files are of no use any more.", run)
    elif "simulate" in damaged:  # simulated anew, and all that rests on it
        for folder in {(run / name).parent for name in damaged["simulate"]}:
            shutil.rmtree(folder, ignore_errors=True)
        for folder in (*FOLDERS["tokenize"], *FOLDERS["train"], *FOLDERS["rollout"]):
            shutil.rmtree(run / folder, ignore_errors=True)
        return ["simulate", "tokenize", "train", "rollout"]
    if "tokenize" in damaged:
        for folder in FOLDERS["tokenize"]:
            shutil.rmtree(run / folder, ignore_errors=True)
        again = ["tokenize", "train", "rollout"]
    for stage, folder in (("train", "models"), ("rollout", "rollouts")):
        for model in {name.split("/")[1] for name in damaged.get(stage, ())}:
            shutil.rmtree(run / folder / model, ignore_errors=True)
            shutil.rmtree(run / "rollouts" / model, ignore_errors=True)
        if stage in damaged:
            again += [name for name in ("train", "rollout")[("train", "rollout").index(stage) :] if name not in again]
    return again


def seal(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest with a checksum of its own."""
    content = {key: value for key, value in manifest.items() if key != "checksum"}
    return {**content, "checksum": hash_json(content)}


def require_sealed(path: Path, manifest: Any) -> dict[str, Any]:
    """The manifest, if it is one and as it was written; those of earlier versions have no checksum.

    Raises
    ------
    RunFolderError
        It is damaged.
    """
    kinds = {"settings": dict, "inputs_sha256": dict, "begun": list, "stages": dict}
    sound = isinstance(manifest, dict) and all(isinstance(manifest.get(key), kind) for key, kind in kinds.items())
    if sound and ("checksum" in manifest or "files" in manifest):
        content = {key: value for key, value in manifest.items() if key != "checksum"}
        sound = hash_json(content) == manifest.get("checksum")
    if not sound:
        raise RunFolderError(
            f"{path} is damaged, or was changed by hand; put back a copy of it, or begin anew with another --out."
        )
    return manifest


class Lock:
    """One process at a time in a run folder; a kill leaves no lock behind, since the system frees it.

    Raises
    ------
    RunFolderError
        Another process is at work there.
    """

    def __init__(self, run: Path):
        self._file = None
        try:
            import fcntl
        except ImportError:  # Windows
            return
        self._file = open(run / ".lock", "a")  # noqa: SIM115  held until this object goes
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise RunFolderError(
                f"{run}: another process is at work in this folder; wait for it, or choose another --out."
            ) from None
        except OSError:  # a file system without locks
            self.release()

    def release(self):
        """Let others in."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __del__(self):
        self.release()


def locked(run: Path, locks: Any) -> Lock:
    """The lock of a folder; the same one where this process holds it already.

    Parameters
    ----------
    run : Path
    locks : mapping of str -> Lock
        Those that this process holds.
    """
    key = os.path.realpath(run)
    lock = locks.get(key)
    if lock is None:
        lock = locks[key] = Lock(run)
    return lock
