"""Checkpoints of a training that survive a kill.

They are our own (safetensors and JSON, written through the callbacks of the Trainer), so that nothing is ever pickled
and a checkpoint is on disk whole or not at all.
"""

import hashlib
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
from safetensors.torch import load_file, save_file

from mdtok.errors import RunFolderError
from mdtok.storage import as_json, read_json, whole, write_json


class Checkpoints:
    """A folder of checkpoints that belongs to one training: same settings, same windows, same first weights."""

    def __init__(self, folder, network, train, validation, settings):
        self.folder = None if folder is None else Path(folder)
        if self.folder is None:
            return
        digest = hashlib.sha256()
        for array in (*train.values(), *validation.values()):
            digest.update(np.ascontiguousarray(array).data)
        for name, weight in sorted(network.state_dict().items()):
            digest.update(name.encode() + weight.detach().cpu().numpy().tobytes())
        wanted = {"settings": as_json(asdict(settings)), "data_sha256": digest.hexdigest()}
        self.folder.mkdir(parents=True, exist_ok=True)
        if (self.folder / "training.json").exists():
            seen = read_json(self.folder / "training.json")
            if seen != wanted:
                raise RunFolderError(
                    f"{self.folder} holds checkpoints of another training ({_difference(seen, wanted)}); "
                    "choose another checkpoint folder, or remove this one."
                )
        elif any(self.folder.iterdir()):
            raise RunFolderError(
                f"{self.folder} is not empty and holds no checkpoints of mdtok; choose another checkpoint folder."
            )
        else:
            write_json(self.folder / "training.json", wanted)

    def newest(self):
        """The newest complete checkpoint, or None; torn ones are removed."""
        if self.folder is None:
            return None
        for torn in self.folder.glob("*.partial"):
            shutil.rmtree(torn) if torn.is_dir() else torn.unlink()
        complete = sorted(self.folder.glob("step_*"))
        return complete[-1] if complete else None

    def save(self, keeper, state, network, optimizer, lr_scheduler):
        """Write a checkpoint whole, then remove the older ones."""
        if self.folder is None:
            return
        path = self.folder / f"step_{state.global_step:09d}"
        with whole(path) as partial:
            partial.mkdir()
            save_file(network.state_dict(), partial / "model.safetensors", metadata={"format": "pt"})
            save_file(keeper.best_weights, partial / "best.safetensors")
            save_optimizer(partial, optimizer, lr_scheduler)
            state.save_to_json(str(partial / "trainer_state.json"))
            write_json(
                partial / "progress.json",
                {"history": keeper.history, "n_without_gain": keeper.n_without_gain, "best_loss": keeper.best_loss},
            )
        for older in self.folder.glob("step_*"):
            if older.name < path.name:
                shutil.rmtree(older)


def _difference(seen, wanted):
    there = seen.get("settings", {})
    other = [
        f"{key}: {there.get(key)!r} there, {value!r} asked for"
        for key, value in wanted["settings"].items()
        if there.get(key) != value
    ]
    return "; ".join(other) or "other data or another network"


def save_optimizer(folder, optimizer, lr_scheduler):
    """Write the state of optimizer and scheduler as safetensors and JSON."""
    state = optimizer.state_dict()
    tensors = {
        f"{index}.{name}": tensor.contiguous()
        for index, values in state["state"].items()
        for name, tensor in values.items()
    }
    save_file(tensors, folder / "optimizer.safetensors")
    write_json(
        folder / "optimizer.json", {"param_groups": state["param_groups"], "scheduler": lr_scheduler.state_dict()}
    )


def load_optimizer(folder, optimizer, lr_scheduler):
    """Read what `save_optimizer` wrote."""
    saved, state = read_json(folder / "optimizer.json"), {}
    for key, tensor in load_file(folder / "optimizer.safetensors").items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": saved["param_groups"]})
    lr_scheduler.load_state_dict(saved["scheduler"])
