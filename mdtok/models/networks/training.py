"""Training of a network on windows: Hugging Face Trainer, early stopping, checkpoints that survive a kill."""

import contextlib
import logging
import random
import tempfile
import time
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn import functional as F
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from mdtok.checks import require_positive, require_whole_number
from mdtok.errors import DataError, SettingsError
from mdtok.models.device import best_device
from mdtok.models.networks.checkpoints import Checkpoints, load_optimizer
from mdtok.progress import tracked
from mdtok.storage import read_json

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
    max_steps : int, optional
        Length of the schedule. A model of tokens takes ten epochs if None, within bounds of its own. A long schedule
        that early stopping cuts off keeps the noise of a high rate in the weights: on 60,000 and 187,500 tokens one of
        500 steps had lower validation loss than one of 2000 that was stopped at 200 or 300.
    evaluate_every_steps, patience : int
        Training ends early when `patience` evaluations in a row found no lower held-out loss.
    seed : int
        Of the initial weights, the order of the windows and dropout.
    window_shift : int, optional
        Frames between the starts of two training windows, for models of tokens; half a context if None (50, as in the
        paper of nano-GPT).

    Raises
    ------
    SettingsError
        A setting is out of range.

    Examples
    --------
    >>> TrainingSettings(max_steps=500).batch_size
    64
    """

    learning_rate: float = 5e-4
    adam_betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.1
    warmup_steps: int = 100
    batch_size: int = 64
    max_steps: int | None = None
    evaluate_every_steps: int = 100
    patience: int = 5
    seed: int = 0
    window_shift: int | None = None

    def __post_init__(self):
        optional = [name for name in ("window_shift", "max_steps") if getattr(self, name) is not None]
        for name in (*optional, "batch_size", "evaluate_every_steps", "patience"):
            require_whole_number(name, getattr(self, name), 1)
        for name in ("warmup_steps", "seed"):
            require_whole_number(name, getattr(self, name), 0)
        if self.seed >= 2**31:
            raise SettingsError(f"seed is {self.seed}; a whole number below 2**31 was expected.")
        require_positive("learning_rate", self.learning_rate)
        if not self.weight_decay >= 0:
            raise SettingsError(f"weight_decay is {self.weight_decay}; a number of at least 0 was expected.")
        if len(self.adam_betas) != 2 or not all(0 <= beta < 1 for beta in self.adam_betas):
            raise SettingsError(f"adam_betas are {self.adam_betas}; two numbers from 0 to below 1 were expected.")


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
    network.to(best_device())
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
        self.bar = tracked(
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
