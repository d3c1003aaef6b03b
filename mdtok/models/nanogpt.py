"""Nano-GPT as a model of dynamics: fit, predict, sample without limit, save and load."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F
from tqdm.auto import tqdm

from mdtok.errors import DataError, SettingsError
from mdtok.features.dtrajs import as_dtrajs, count_states
from mdtok.models.dynamics import DynamicsModel
from mdtok.models.nanogpt_network import KeyValueCache, NanoGPTConfig, NanoGPTNetwork
from mdtok.models.training import TrainingSettings, score_windows, train_network, training_windows
from mdtok.runfolder import read_json, whole, write_json

PRESETS = {
    "tiny": dict(n_layer=1, n_head=4, n_embd=32, n_inner=64, n_positions=32),
    "small": dict(),
    "medium": dict(n_layer=4, n_head=8, n_embd=256, n_inner=1024, n_positions=200),
}
_FEWEST_STEPS, _MOST_STEPS = 500, 5000
_SHAPE = ("n_layer", "n_head", "n_embd", "n_inner", "n_positions", "positions", "dropout")


class NanoGPT(DynamicsModel):
    """Transformer as a model of dynamics, trained with early stopping on held-out nats per token.

    Parameters
    ----------
    n_layer, n_head, n_embd, n_inner, n_positions, positions, dropout
        Shape of the network, see `NanoGPTConfig`; the defaults are those of Zeng, Zhang and Yao (2025).
    window_shift : int, optional
        Frames between the starts of two training windows; half of `n_positions` (50, as in the paper) if not given.
    learning_rate, adam_betas, weight_decay, warmup_steps, batch_size, evaluate_every_steps, patience
        How it is trained, see `mdtok.models.training.TrainingSettings`.
    max_steps : int, optional
        Length of the schedule, at whose end the learning rate is zero; ten epochs if not given, but 500 to 5000 steps. A
        long schedule that early stopping cuts off keeps the noise of a high rate in the weights: on 60,000 and 187,500
        tokens one of 500 steps had lower validation loss than one of 2000 that was stopped at 200 or 300.
    seed : int
        Of the initial weights, the order of the windows and dropout.
    progress : bool
        Whether to show progress bars.

    Attributes
    ----------
    network_ : NanoGPTNetwork
        The best network on the held-out tokens.
    history_ : list of dict
        ``{step, train_nats, validation_nats, seconds}`` at every evaluation.
    train_seconds_ : float

    Raises
    ------
    SettingsError
        A setting is unknown or out of range.

    Examples
    --------
    >>> cycle = np.arange(400) % 3
    >>> model = NanoGPT.from_preset("tiny", max_steps=60, evaluate_every_steps=20, learning_rate=5e-3, progress=False)
    >>> bool(model.fit([cycle]).nats_per_token([cycle]) < 0.3)
    True
    """

    def __init__(
        self, n_layer=2, n_head=8, n_embd=128, n_inner=128, n_positions=100, positions="rotary", dropout=0.2,
        window_shift=None, learning_rate=5e-4, adam_betas=(0.9, 0.98), weight_decay=0.1, warmup_steps=100,
        batch_size=64, max_steps=None, evaluate_every_steps=100, patience=5, seed=0, progress=True,
    ):
        given = dict(locals())
        self.settings = {name: value for name, value in given.items() if name not in ("self", "progress")}
        self.settings["adam_betas"] = list(adam_betas)
        self.progress = progress
        self._config(n_states=1)  # raises where the shape is wrong
        self.settings["window_shift"] = n_positions // 2 if window_shift is None else window_shift
        self._training_settings()
        if self.settings["window_shift"] > n_positions:
            raise SettingsError(
                f"window_shift is {window_shift}, n_positions {n_positions}: tokens between windows would be lost."
            )

    def _config(self, n_states):
        return NanoGPTConfig(n_states=n_states, **{name: self.settings[name] for name in _SHAPE})

    def _training_settings(self, n_windows=1):
        settings = {name: value for name, value in self.settings.items() if name not in _SHAPE}
        if settings["max_steps"] is None:
            ten_epochs = 10 * n_windows // settings["batch_size"]
            settings["max_steps"] = min(max(ten_epochs, _FEWEST_STEPS), _MOST_STEPS)
        return TrainingSettings(**settings)

    @classmethod
    def from_preset(cls, name, **overrides):
        """Make an unfitted model of a named size: ``"tiny"`` (seconds), ``"small"`` (the paper's), ``"medium"``."""
        if name not in PRESETS:
            raise SettingsError(f"There is no preset {name!r}; {', '.join(map(repr, PRESETS))} were expected.")
        return cls._from_settings({**PRESETS[name], **overrides})

    @classmethod
    def _from_settings(cls, settings):
        known = cls().settings
        unknown = sorted(set(settings) - {*known, "progress"})
        if unknown:
            raise SettingsError(
                f"NanoGPT has no setting {', '.join(map(repr, unknown))}; known are {', '.join(known)} and progress."
            )
        return cls(**settings)

    def fit(self, dtrajs, validation=None, n_states=None, checkpoint_folder=None):
        """Train on discrete trajectories until held-out nats per token no longer fall.

        Parameters
        ----------
        dtrajs : list of int arrays, shape (n_frames,) each
        validation : list of int arrays, optional
            Held-out trajectories for early stopping; if not given, the last tenth of each training trajectory.
        n_states : int, optional
            Size of the alphabet, where it is larger than the largest training token plus one.
        checkpoint_folder : path-like, optional
            Where training saves itself at every evaluation, and goes on from after a kill. It is left there when
            training ends (a second `fit` then loads the result at once): remove it when the model is saved.

        Returns
        -------
        self

        Raises
        ------
        DataError
            Trajectories too short, or tokens outside the alphabet.
        RunFolderError
            The checkpoints there belong to other settings or data.
        """
        dtrajs = as_dtrajs(dtrajs, n_states, min_length=2)
        n_states = n_states or count_states(dtrajs)
        if validation is None:
            dtrajs, validation = hold_out_tails(dtrajs)
        try:
            validation = as_dtrajs(validation, n_states, min_length=2)
        except DataError as error:
            raise DataError(f"In validation: {error}") from None
        n_positions = self.settings["n_positions"]
        train = dict(zip(("input_ids", "labels"), training_windows(dtrajs, n_positions, self.settings["window_shift"])))
        scored = zip(*(score_windows(d, n_positions) for d in validation))
        held_out = {name: np.concatenate(parts) for name, parts in zip(("input_ids", "labels"), scored)}
        with torch.random.fork_rng():
            torch.manual_seed(self.settings["seed"])
            network = NanoGPTNetwork(self._config(n_states))
        settings = self._training_settings(len(train["labels"]))
        self.history_ = train_network(network, train, held_out, settings, checkpoint_folder, self.progress)
        self.network_, self.n_states_ = network, n_states
        self.train_seconds_ = self.history_[-1]["seconds"]
        return self

    @torch.inference_mode()
    def predict_log_proba(self, dtraj):
        """Log-probability of every state at every frame, shape (n_frames - 1, n_states), float32.

        Windows of `n_positions` overlap by half, so that each token is predicted from more than ``n_positions // 2``
        tokens of past (from all of them near the start).
        """
        self.require_fitted()
        (dtraj,) = as_dtrajs(dtraj, self.n_states_, min_length=2)
        network, device = self.network_.eval(), self.network_.device
        log_proba, done = np.empty((len(dtraj) - 1, self.n_states_), dtype=np.float32), 0
        inputs, labels = score_windows(dtraj, self.settings["n_positions"])
        batches = range(0, len(inputs), 64)
        for start in tqdm(batches, "log-probabilities", disable=not self.progress or len(batches) < 100):
            batch = torch.from_numpy(inputs[start:start + 64]).to(device)
            counted = torch.from_numpy(labels[start:start + 64] >= 0).to(device)
            rows = F.log_softmax(network.next_logits(batch)[counted].float(), dim=-1)  # in order of time
            log_proba[done:done + len(rows)] = rows.cpu().numpy()
            done += len(rows)
        return log_proba

    @torch.inference_mode()
    def sample(self, prompts, n_steps, seed):
        """Continue each prompt by `n_steps` tokens, all chains of one prompt length at once, with a key/value cache.

        When the context is full, its last half starts a new one, exactly as in `predict_log_proba`. A prompt longer
        than the context counts with its last ``n_positions // 2 + 1`` tokens. The same seed and number of threads give
        the same tokens.

        Parameters
        ----------
        prompts : list of int arrays, shape (n_prompt,) each
        n_steps : int
            As many as asked for; the context is no limit.
        seed : int

        Returns
        -------
        list of int arrays, shape (n_steps,) each
        """
        prompts = self.check_prompts(prompts, n_steps)
        n_positions = self.settings["n_positions"]
        kept = n_positions - n_positions // 2 + 1
        prompts = [prompt if len(prompt) <= n_positions else prompt[-kept:] for prompt in prompts]
        lengths = np.array([len(prompt) for prompt in prompts])
        generator = torch.Generator().manual_seed(seed)
        samples = np.empty((len(prompts), n_steps), dtype=np.int64)
        with tqdm(total=len(prompts) * n_steps, desc="sampling", unit=" tokens", disable=not self.progress) as bar:
            for length in np.unique(lengths):
                chains = np.flatnonzero(lengths == length)
                prompt = torch.from_numpy(np.stack([prompts[i] for i in chains]))  # (B, length)
                samples[chains] = self._sample_group(prompt, n_steps, generator, bar)
        return list(samples)

    def _sample_group(self, prompt, n_steps, generator, bar):
        network, device = self.network_.eval(), self.network_.device
        B, n_prompt = prompt.shape
        n_positions = self.settings["n_positions"]
        tokens = torch.empty(B, n_prompt + n_steps, dtype=torch.long, device=device)
        tokens[:, :n_prompt] = prompt
        cache = KeyValueCache(network.config, B, device, network.dtype)
        read, reported = 0, n_prompt
        for end in range(n_prompt, n_prompt + n_steps):
            if cache.length == n_positions:
                cache.length, read = 0, end - (n_positions - n_positions // 2 + 1)
            logits = network.next_logits(tokens[:, read:end], cache, last_only=True)  # (B, n_states)
            tokens[:, end] = draw_tokens(logits, generator)
            read = end
            if end - reported >= 50 or end + 1 == n_prompt + n_steps:
                bar.update(B * (end + 1 - reported))
                reported = end + 1
        return tokens[:, n_prompt:].cpu().numpy()

    def save(self, folder):
        """Write ``model.json``, ``config.json`` and ``model.safetensors`` to `folder`; `load` reads them back."""
        self.require_fitted()
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.json").unlink(missing_ok=True)  # written last: with it the model is whole
        with whole(folder / "model.safetensors") as partial:
            save_file(self.network_.state_dict(), partial, metadata={"format": "pt"})
        write_json(folder / "config.json", {**self.network_.config.to_dict(), "architectures": ["NanoGPTNetwork"]})
        write_json(folder / "model.json", {
            "class": "NanoGPT", "settings": self.settings, "n_states": self.n_states_, "history": self.history_,
        })

    @classmethod
    def load(cls, folder):
        """Read a model that `save` wrote."""
        folder = Path(folder)
        saved = read_json(folder / "model.json")
        model = cls._from_settings(saved["settings"])
        model.network_ = NanoGPTNetwork(model._config(saved["n_states"]))
        model.network_.load_state_dict(load_file(folder / "model.safetensors"))
        model.history_, model.n_states_ = saved["history"], saved["n_states"]
        model.train_seconds_ = model.history_[-1]["seconds"]
        return model

    save_pretrained = save
    from_pretrained = load

    @property
    def n_parameters(self):
        """Number of weights of the network."""
        self.require_fitted()
        return sum(parameter.numel() for parameter in self.network_.parameters())


def hold_out_tails(dtrajs, fraction=0.1):
    """Cut the last `fraction` of each trajectory off, where that leaves two tokens or more on both sides."""
    cuts = [len(dtraj) - int(fraction * len(dtraj)) for dtraj in dtrajs]
    tails = [dtraj[cut:] for dtraj, cut in zip(dtrajs, cuts) if len(dtraj) - cut >= 2]
    if not tails:
        raise DataError(
            f"The longest trajectory has {max(map(len, dtrajs))} frames: its last tenth is too short for early "
            "stopping. Pass validation=[...]."
        )
    return [dtraj[:cut] if len(dtraj) - cut >= 2 else dtraj for dtraj, cut in zip(dtrajs, cuts)], tails


def draw_tokens(logits, generator):
    """Draw one token a row from logits, shape (B, n_states), by inverting the cumulative sum."""
    # on the CPU in double precision: the same draws on every device, and rare states keep their probability
    cumulative = F.softmax(logits.cpu().double(), dim=-1).cumsum(-1)
    thresholds = torch.rand(len(logits), 1, generator=generator, dtype=torch.float64) * cumulative[:, -1:]
    return (cumulative <= thresholds).sum(-1).clamp_(max=logits.shape[1] - 1)
