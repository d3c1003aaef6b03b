"""Checkpoints that say whether they are sound: the newest, the one before, and the portable state as the last resort.

A checkpoint of OpenMM that was cut or changed is often loaded without a word, and the run goes on as another
trajectory. So a line before it holds its step and a hash, of its content and of the settings of the run that it
belongs to.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openmm

from mdtok.errors import RunFolderError
from mdtok.storage import whole

logger = logging.getLogger(__name__)

NEWEST, PREVIOUS, PORTABLE = "checkpoint.chk", "checkpoint_before.chk", "state.xml"
_LINE = re.compile(rb"mdtok checkpoint step=(\d+) sha256=([0-9a-f]{64})\n")
_XML_LINE = re.compile(rb"<!-- mdtok checkpoint step=(\d+) sha256=([0-9a-f]{64}) -->\n?\Z")
_OPENMM = b"OpenMM Binary Checkpoint"
_STEP = re.compile(rb'<State[^>]*\bstepCount="(\d+)"')


@dataclass(frozen=True)
class Checkpoint:
    """A sound one: its file, its step, and its content for OpenMM."""

    path: Path
    step: int
    content: bytes


def save_checkpoint(simulation: Any, out: Path, settings: dict) -> None:
    """Write a checkpoint; the one before is kept, and at every moment at least one is whole."""
    step = simulation.currentStep
    content = simulation.context.createCheckpoint()
    line = f"mdtok checkpoint step={step} sha256={_hash(content, settings)}\n".encode()
    with whole(out / NEWEST) as partial:
        partial.write_bytes(line + content)
        if (out / NEWEST).exists():
            os.replace(out / NEWEST, out / PREVIOUS)
    state = simulation.context.getState(positions=True, velocities=True, parameters=True, integratorParameters=True)
    xml = openmm.XmlSerializer.serialize(state).encode()
    said = f"<!-- mdtok checkpoint step={step} sha256={_hash(xml, settings)} -->\n".encode()
    with whole(out / PORTABLE) as partial:
        partial.write_bytes(xml + said)


def find_checkpoints(out: Path, settings: dict) -> list[Checkpoint]:
    """The sound checkpoints of a folder, the one to go on from first; those that are damaged are named in the log.

    Raises
    ------
    RunFolderError
        There are some, and none is sound.
    """
    found, damaged = [], []
    for name in (NEWEST, PORTABLE, PREVIOUS):
        path = out / name
        if not path.exists():
            continue
        checkpoint = _read(path, settings)
        if checkpoint is None:
            damaged.append(name)
        else:
            found.append(checkpoint)
    if damaged and not found:
        raise RunFolderError(
            f"{out}: {' and '.join(damaged)} are damaged, or of another run, and no other checkpoint is there; "
            f"remove this "
            "folder and give the same command again."
        )
    found.sort(key=lambda one: -one.step)  # stable: at one step, the exact one before the portable one
    if damaged:
        logger.warning("%s: %s is damaged; the run goes on from %s.", out, " and ".join(damaged), found[0].path.name)
    return found


def restore(simulation: Any, out: Path, checkpoints: list[Checkpoint]) -> None:
    """Load the first checkpoint that fits this platform and this version of OpenMM.

    Raises
    ------
    RunFolderError
        None does.
    """
    reason = ""
    for checkpoint in checkpoints:
        try:
            if checkpoint.path.name == PORTABLE:
                simulation.context.setState(openmm.XmlSerializer.deserialize(checkpoint.content.decode()))
                simulation.currentStep = checkpoint.step
            else:
                simulation.context.loadCheckpoint(checkpoint.content)
        except Exception as error:  # OpenMM's and those of its wrapper
            reason = " ".join(str(error).split())
            logger.warning("%s: %s does not fit here (%s).", out, checkpoint.path.name, reason)
            continue
        if simulation.currentStep == checkpoint.step:
            if checkpoint.path.name != NEWEST:
                logger.warning("%s: continued from %s.", out, checkpoint.path.name)
            return
        reason = f"it is at step {simulation.currentStep}, not {checkpoint.step}"
    raise RunFolderError(f"{out}: no checkpoint can be loaded ({reason}); remove this folder and run it again.")


def _read(path, settings):
    content = path.read_bytes()
    if path.name == PORTABLE:
        said, body = _XML_LINE.search(content), content
        if said:
            body = content[: said.start()]
        elif b"mdtok checkpoint" in content or not content.rstrip().endswith(b"</State>"):
            return None
    else:
        said = _LINE.match(content)
        body = content[said.end() :] if said else content
        if not said and not content.startswith(_OPENMM):
            return None
    if said:
        return Checkpoint(path, int(said[1]), body) if said[2].decode() == _hash(body, settings) else None
    return _of_earlier_version(path, body)


def _of_earlier_version(path, body):
    """One without a hash, of a version that wrote none: its step is that of the portable state beside it."""
    portable = path.with_name(PORTABLE)
    content = body if path.name == PORTABLE else portable.read_bytes() if portable.exists() else b""
    step = _STEP.search(content[:2000])
    return Checkpoint(path, int(step[1]), body) if step and not _XML_LINE.search(content) else None


def _hash(content, settings):
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    digest.update(content)
    return digest.hexdigest()
