"""Training of a network on windows: Hugging Face Trainer, early stopping, checkpoints that survive a kill.

Checkpoints are our own (safetensors and JSON, written through the callbacks of the Trainer), so that nothing is ever
pickled and a checkpoint is on disk whole or not at all.
"""

import contextlib
import hashlib
import json
import logging
import random
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F
from tqdm.auto import tqdm
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from mdtok.errors import DataError, RunFolderError, SettingsError
from mdtok.storage import read_json, whole, write_json
from mdtok.tokens.windows import windows

log = logging.getLogger(__name__)


@dataclass
class TrainingSettings:
    """How a network is trained.

    Parameters
    ----------
    learning_rate, adam_betas, weight_decay
        Of Adam with decoupled weight decay; the rate falls as a cosine to zero at `max_steps`.
    warmup_steps : int
        Steps over which the learning rate rises linearly.
    batch_size : int
        Windows a step.
    max_steps, evaluate_every_steps, patience : int
        Training ends after `max_steps`, or when `patience` evaluations in a row found no lower held-out loss.
    seed : int
        Order of the windows and dropout.
    window_shift : int, optional
        Frames between the starts of two training windows, where the windows are cut by it.
    """

    learning_rate: float
    adam_betas: tuple[float, float]
    weight_decay: float
    warmup_steps: int
    batch_size: int
    max_steps: int
    evaluate_every_steps: int
    patience: int
    seed: int
    window_shift: int | None = None

    def __post_init__(self):
        window_shift = () if self.window_shift is None else ("window_shift",)
        for name in (*window_shift, "batch_size", "max_steps", "evaluate_every_steps", "patience"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise SettingsError(f"{name} is {value!r}; a whole number of at least 1 was expected.")
        for name in ("warmup_steps", "seed"):
            value = getattr(self, name)
            if not isinstance(value, int) or not 0 <= value < 2**31:
                raise SettingsError(f"{name} is {value!r}; a whole number of at least 0 was expected.")
        if not self.learning_rate > 0:
            raise SettingsError(f"learning_rate is {self.learning_rate}; a positive number was expected.")
        if not self.weight_decay >= 0:
            raise SettingsError(f"weight_decay is {self.weight_decay}; a number of at least 0 was expected.")
        if len(self.adam_betas) != 2 or not all(0 <= beta < 1 for beta in self.adam_betas):
            raise SettingsError(f"adam_betas are {self.adam_betas}; two numbers from 0 to below 1 were expected.")


def training_windows(dtrajs, n_positions, shift):
    """Inputs and next tokens of windows that never cross a trajectory's end, two int64 arrays (n_windows, n_positions).

    Labels are -100 where a window is padded.
    """
    tokens, mask = windows(dtrajs, n_positions + 1, shift)
    tokens = np.where(mask, tokens, 0).astype(np.int64)
    return tokens[:, :-1], np.where(mask[:, 1:], tokens[:, 1:], -100)


def score_windows(dtraj, n_positions):
    """Windows that overlap by half and in which every token but the first is a label once, in order of time.

    Returns
    -------
    inputs, labels : ndarray of int64, shape (n_windows, n_positions)
        Labels are -100 where a token is predicted in the window before, from more of its past, and in padding.
    """
    n_predicted, half = len(dtraj) - 1, n_positions // 2
    n_windows = 1 + max(0, -(-(n_predicted - n_positions) // half))
    starts = half * np.arange(n_windows)[:, None]
    within = np.arange(n_positions)
    index = starts + within  # (n_windows, n_positions)
    counted = (index < n_predicted) & ((starts == 0) | (within >= n_positions - half))
    inputs = dtraj[np.minimum(index, n_predicted)]
    return inputs, np.where(counted, dtraj[np.minimum(index + 1, n_predicted)], -100)


def train_network(
    network, train, validation, settings, checkpoint_folder=None, progress=True, evaluate=None, loss_name="nats"
):
    """Train `network` in place; its weights are then those of the lowest held-out loss.

    Parameters
    ----------
    network : PreTrainedModel
        Takes a batch of the arrays by their names, gives a ``loss``.
    train, validation : dict of str -> array, shape (n_windows, ...) each
        Such as ``input_ids`` and ``labels`` (the next tokens; -100 is not counted).
    settings : TrainingSettings
    checkpoint_folder : path-like, optional
        State is saved there at every evaluation; a run that was killed goes on from there and ends with the same
        weights. Left in place when training is done.
    progress : bool
    evaluate : callable, optional
        ``evaluate(network, dataset) -> float``, the held-out loss; `mean_nats` if not given.
    loss_name : str
        What the loss is called.

    Returns
    -------
    history : list of dict
        ``{step, train_<loss_name>, validation_<loss_name>, seconds}`` at every evaluation.

    Raises
    ------
    RunFolderError
        The folder holds checkpoints of other settings or other data.
    """
    checkpoints = Checkpoints(checkpoint_folder, network, train, validation, settings)
    keeper = Keeper(settings, checkpoints, progress, loss_name)
    newest = checkpoints.newest()
    if newest is not None:
        keeper.load_progress(newest)
        log.info("training goes on from %s", newest)
    if not keeper.is_finished:
        with _random_state_kept(), tempfile.TemporaryDirectory() as unused:
            trainer = _trainer(network, train, validation, settings, keeper, unused)
            trainer.held_out_loss = evaluate or mean_nats
            try:
                trainer.train(resume_from_checkpoint=str(newest) if newest else None)
            finally:
                keeper.bar.close()
    network.load_state_dict(keeper.best_weights)
    network.eval()
    return keeper.history


def _trainer(network, train, validation, settings, keeper, output_dir):
    arguments = TrainingArguments(
        output_dir=output_dir,
        max_steps=settings.max_steps,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        adam_beta1=settings.adam_betas[0],
        adam_beta2=settings.adam_betas[1],
        weight_decay=settings.weight_decay,
        lr_scheduler_type="cosine",
        warmup_steps=settings.warmup_steps,
        eval_strategy="steps",
        eval_steps=settings.evaluate_every_steps,
        logging_steps=settings.evaluate_every_steps,
        logging_nan_inf_filter=False,
        save_strategy="no",  # Keeper saves, in formats that are not pickles
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        seed=settings.seed,
        data_seed=settings.seed,
    )
    trainer = WindowTrainer(
        model=network,
        args=arguments,
        train_dataset=WindowDataset(train),
        eval_dataset=WindowDataset(validation),
        data_collator=lambda batch: batch,
        callbacks=[keeper],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


class WindowDataset(torch.utils.data.Dataset):
    """Named arrays of windows in memory, given out a whole batch at a time."""

    def __init__(self, arrays):
        self.arrays = {name: torch.from_numpy(array) for name, array in arrays.items()}

    def __len__(self):
        return len(next(iter(self.arrays.values())))

    def __getitems__(self, indices):
        return {name: array[indices] for name, array in self.arrays.items()}

    __getitem__ = __getitems__


class WindowTrainer(Trainer):
    """Trainer whose evaluation is `held_out_loss`: for tokens the mean over them, not over batches."""

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval"):
        """The held-out loss, as ``eval_held_out``."""
        metrics = {f"{metric_key_prefix}_held_out": self.held_out_loss(self.model, eval_dataset or self.eval_dataset)}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


@torch.inference_mode()
def mean_nats(network, dataset, batch_size=64):
    """Mean negative log-probability, in nats, of the counted labels of a `WindowDataset`."""
    was_training = network.training
    network.eval()
    total, n_counted = 0.0, 0
    for start in range(0, len(dataset), batch_size):
        batch = dataset[slice(start, start + batch_size)]
        batch = {name: array.to(network.device) for name, array in batch.items()}
        labels = batch.pop("labels")
        logits = network(**batch).logits
        total += F.cross_entropy(
            logits.flatten(0, 1).float(), labels.flatten(), ignore_index=-100, reduction="sum"
        ).item()
        n_counted += int((labels != -100).sum())
    network.train(was_training)
    return total / n_counted


class Keeper(TrainerCallback):
    """Early stopping, best weights, history, progress bar and checkpoints."""

    def __init__(self, settings, checkpoints, progress, loss_name):
        self.settings, self.checkpoints, self.progress, self.loss_name = settings, checkpoints, progress, loss_name
        self.history, self.best_weights, self.best_loss, self.n_without_gain = [], None, float("inf"), 0
        self.train_loss, self.resumed_from = float("nan"), None
        self.bar = None

    @property
    def is_finished(self):
        """Whether the last step is done or patience is at its end."""
        last_step = self.history[-1]["step"] if self.history else 0
        return last_step >= self.settings.max_steps or self.n_without_gain >= self.settings.patience

    def load_progress(self, folder):
        """Take up what a checkpoint knows."""
        saved = read_json(folder / "progress.json")
        self.history, self.n_without_gain = saved["history"], saved["n_without_gain"]
        self.best_loss = saved["best_loss"]
        self.best_weights = load_file(folder / "best.safetensors")
        self.resumed_from = folder

    def on_train_begin(self, args, state, control, optimizer=None, lr_scheduler=None, **kwargs):
        if self.resumed_from is not None:
            load_optimizer(self.resumed_from, optimizer, lr_scheduler)
        self.seconds_before = self.history[-1]["seconds"] if self.history else 0.0
        self.began = time.perf_counter()
        self.bar = tqdm(
            total=state.max_steps,
            initial=state.global_step,
            desc="training",
            unit=" steps",
            disable=not (self.progress and state.is_world_process_zero),
        )

    def on_step_begin(self, args, state, control, model=None, **kwargs):
        # dropout depends on seed and step only: a resumed run needs no stored generator
        torch.manual_seed(int(np.random.SeedSequence([self.settings.seed, state.global_step]).generate_state(1)[0]))
        model.training_step = state.global_step

    def on_step_end(self, args, state, control, **kwargs):
        self.bar.update(1)
        if state.global_step >= state.max_steps:  # the last step is always evaluated
            control.should_log = control.should_evaluate = True

    def on_log(self, args, state, control, logs=None, **kwargs):
        self.train_loss = logs.get("loss", self.train_loss)

    def on_evaluate(self, args, state, control, metrics=None, model=None, optimizer=None, lr_scheduler=None, **kwargs):
        loss = metrics["eval_held_out"]
        if not (np.isfinite(loss) and np.isfinite(self.train_loss)):
            raise DataError(
                f"Training diverged: {self.train_loss} training and {loss} held-out {self.loss_name} at step "
                f"{state.global_step}. Lower learning_rate (it is {self.settings.learning_rate})."
            )
        seconds = self.seconds_before + time.perf_counter() - self.began
        self.history.append(
            {
                "step": state.global_step,
                f"train_{self.loss_name}": self.train_loss,
                f"validation_{self.loss_name}": loss,
                "seconds": round(seconds, 2),
            }
        )
        if loss < self.best_loss:
            self.best_loss, self.n_without_gain = loss, 0
            self.best_weights = {name: weight.detach().cpu().clone() for name, weight in model.state_dict().items()}
        else:
            self.n_without_gain += 1
        self.bar.set_postfix_str(
            f"{self.loss_name}: train {self.train_loss:.4f}, held-out {loss:.4f} (best {self.best_loss:.4f})"
        )
        control.should_training_stop = control.should_training_stop or self.is_finished
        if state.is_world_process_zero:
            self.checkpoints.save(self, state, model, optimizer, lr_scheduler)


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
        wanted = {"settings": json.loads(json.dumps(asdict(settings))), "data_sha256": digest.hexdigest()}
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


@contextlib.contextmanager
def _random_state_kept():
    """The Trainer seeds every global generator; give them back as they were."""
    of_python, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)  # noqa: NPY002
