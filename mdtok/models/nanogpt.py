"""Nano-GPT: a small causal transformer over states, as a Hugging Face model and as a model of dynamics.

The network is the decoder of Zeng, Zhang and Yao (J. Chem. Theory Comput. 2025, arXiv:2507.02734): two blocks, width 128,
eight heads, feed-forward 128, context 100. Layer norms come first (GPT-2) and positions are rotary (Su et al. 2021) or learned.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F
from tqdm.auto import tqdm
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from mdtok.errors import DataError, SettingsError
from mdtok.features.dtrajs import as_dtrajs, count_states
from mdtok.models.dynamics import DynamicsModel
from mdtok.models.training import TrainingSettings, score_windows, train_network, training_windows
from mdtok.runfolder import read_json, whole, write_json


class NanoGPTConfig(PretrainedConfig):
    """Shape of a `NanoGPTNetwork`, stored as ``config.json``.

    Parameters
    ----------
    n_states : int
        Size of the alphabet.
    n_layer, n_head, n_embd, n_inner : int
        Blocks, heads of a block, width, width of the feed-forward layer.
    n_positions : int
        Longest context, in tokens.
    positions : {"rotary", "learned"}
        How a token knows where it stands.
    dropout : float
        After the embedding and after each half of a block, in training only.
    initializer_range : float
        Standard deviation of the initial weights.

    Raises
    ------
    SettingsError
        A setting is unknown (a bare Hugging Face config would swallow it) or out of range.

    Examples
    --------
    >>> NanoGPTConfig(n_states=4, n_embd=64).n_embd
    64
    """

    model_type = "mdtok-nanogpt"

    def __init__(
        self, n_states=2, n_layer=2, n_head=8, n_embd=128, n_inner=128, n_positions=100, positions="rotary", dropout=0.1,
        initializer_range=0.02, use_cache=True, **kwargs,
    ):
        unknown = sorted(set(kwargs) - _KEYS_OF_EVERY_CONFIG)
        if unknown:
            raise SettingsError(f"NanoGPTConfig has no setting {', '.join(map(repr, unknown))}; see help(NanoGPTConfig).")
        self.n_states = n_states
        self.n_layer = n_layer
        self.n_head = n_head
        self.n_embd = n_embd
        self.n_inner = n_inner
        self.n_positions = n_positions
        self.positions = positions
        self.dropout = dropout
        self.initializer_range = initializer_range
        self.use_cache = use_cache  # the Trainer writes this key into any config
        _check_shape(self)
        super().__init__(**kwargs)


_KEYS_OF_EVERY_CONFIG = {key.lstrip("_") for key in {*vars(PretrainedConfig()), *PretrainedConfig().to_dict()}} | {
    "_name_or_path", "_commit_hash", "attn_implementation", "experts_implementation", "model_type", "num_labels",
    "output_attentions", "torch_dtype",
}


def _check_shape(config):
    for name in ("n_states", "n_layer", "n_head", "n_embd", "n_inner", "n_positions"):
        value, least = getattr(config, name), 2 if name == "n_positions" else 1
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise SettingsError(f"{name} is {value!r}; a whole number of at least {least} was expected.")
    if config.n_embd % config.n_head:
        raise SettingsError(f"n_embd is {config.n_embd} and n_head is {config.n_head}; the width must be a multiple of the heads.")
    if config.positions not in ("rotary", "learned"):
        raise SettingsError(f"positions is {config.positions!r}; 'rotary' or 'learned' was expected.")
    if config.positions == "rotary" and (config.n_embd // config.n_head) % 2:
        raise SettingsError(f"Rotary positions need heads of an even width; n_embd / n_head is {config.n_embd // config.n_head}.")
    if not 0 <= config.dropout < 1:
        raise SettingsError(f"dropout is {config.dropout}; a number from 0 to below 1 was expected.")


class KeyValueCache:
    """Keys and values of the tokens read so far, for `n_chains` chains of one length; room for a whole context."""

    def __init__(self, config, n_chains, device=None, dtype=None):
        shape = (config.n_layer, n_chains, config.n_head, config.n_positions, config.n_embd // config.n_head)
        self.keys = torch.zeros(shape, device=device, dtype=dtype)  # (L, B, H, n_positions, D)
        self.values = torch.zeros(shape, device=device, dtype=dtype)
        self.length = 0


@dataclass
class NanoGPTOutput(ModelOutput):
    """Loss (nats per token), logits (n_chains, n_tokens, n_states) and the cache that was passed in."""

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    cache: KeyValueCache | None = None


class Attention(nn.Module):
    """Causal self-attention over many heads."""

    def __init__(self, config, layer):
        super().__init__()
        self.n_head, self.layer = config.n_head, layer
        self.qkv = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.out = nn.Linear(config.n_embd, config.n_embd)

    def forward(self, x, rotation=None, cache=None):
        B, T, C = x.shape
        qk, v = self.qkv(x).split([2 * C, C], dim=-1)
        if rotation is not None:
            qk = rotate(qk, rotation)
        q, k = qk.view(B, T, 2, self.n_head, C // self.n_head).permute(2, 0, 3, 1, 4)  # (B, H, T, D) each
        v = v.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)  # (B, H, T, D)
        past, mask = 0, None
        if cache is not None:
            past, total = cache.length, cache.length + T
            cache.keys[self.layer, :, :, past:total] = k
            cache.values[self.layer, :, :, past:total] = v
            k, v = cache.keys[self.layer, :, :, :total], cache.values[self.layer, :, :, :total]
            if past and T > 1:
                mask = torch.ones(T, total, dtype=torch.bool, device=x.device).tril(past)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=past == 0 and T > 1)  # (B, H, T, D)
        return self.out(y.transpose(1, 2).reshape(B, T, C))


class Block(nn.Module):
    """Attention and feed-forward, each on the normalised stream and added back to it."""

    def __init__(self, config, layer):
        super().__init__()
        self.norm_1 = nn.LayerNorm(config.n_embd)
        self.attention = Attention(config, layer)
        self.norm_2 = nn.LayerNorm(config.n_embd)
        self.expand = nn.Linear(config.n_embd, config.n_inner)
        self.contract = nn.Linear(config.n_inner, config.n_embd)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x, rotation=None, cache=None):
        x = x + self.dropout(self.attention(self.norm_1(x), rotation, cache))
        return x + self.dropout(self.contract(F.gelu(self.expand(self.norm_2(x)))))  # (B, T, C)


class NanoGPTNetwork(PreTrainedModel):
    """Causal transformer over states: logits of the next token at every position.

    Examples
    --------
    >>> network = NanoGPTNetwork(NanoGPTConfig(n_states=4))
    >>> network(torch.zeros(2, 7, dtype=torch.long)).logits.shape
    torch.Size([2, 7, 4])
    """

    config_class = NanoGPTConfig
    accepts_loss_kwargs = False  # the loss is a mean over the tokens of the batch: no scaling by the Trainer
    _supports_sdpa = True

    def __init__(self, config):
        super().__init__(config)
        self.token_embedding = nn.Embedding(config.n_states, config.n_embd)
        if config.positions == "learned":
            self.position_embedding = nn.Embedding(config.n_positions, config.n_embd)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.n_layer))
        self.norm = nn.LayerNorm(config.n_embd)
        self.head = nn.Linear(config.n_embd, config.n_states, bias=False)
        self.post_init()

    def _init_weights(self, module):
        super()._init_weights(module)  # normal with initializer_range; norms to one, biases to zero
        if isinstance(module, Block):
            # GPT-2: what is added to the stream shrinks with the number of additions
            for linear in (module.attention.out, module.contract):
                nn.init.normal_(linear.weight, std=self.config.initializer_range / math.sqrt(2 * self.config.n_layer))

    def forward(self, input_ids, labels=None, cache=None, **_):
        """Predict the token after each input token.

        Parameters
        ----------
        input_ids : LongTensor, shape (n_chains, n_tokens)
            At most ``n_positions`` tokens, those in the cache included.
        labels : LongTensor, shape (n_chains, n_tokens), optional
            ``labels[:, t]`` is the token that follows ``input_ids[:, t]`` (nanoGPT's convention, nothing is shifted here);
            -100 is not counted.
        cache : KeyValueCache, optional
            The past; `input_ids` continue it and are added to it.
        """
        logits = self.next_logits(input_ids, cache)
        loss = None if labels is None else F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)
        return NanoGPTOutput(loss=loss, logits=logits, cache=cache)

    def next_logits(self, input_ids, cache=None, last_only=False):
        """Logits alone, shape (B, T, n_states), or (B, n_states) of the last position."""
        past, T = (cache.length if cache else 0), input_ids.shape[1]
        if past + T > self.config.n_positions:
            raise DataError(f"{past + T} tokens do not fit in a context of {self.config.n_positions}; pass the last ones only.")
        x = self.token_embedding(input_ids)  # (B, T, C)
        positions = torch.arange(past, past + T, device=x.device)
        rotation = None
        if self.config.positions == "learned":
            x = x + self.position_embedding(positions)  # (T, C) on every chain
        else:
            rotation = rotary_angles(positions, self.config.n_embd // self.config.n_head)
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x, rotation, cache)
        if cache is not None:
            cache.length += T
        x = x[:, -1] if last_only else x
        return self.head(self.norm(x))


def rotary_angles(positions, width):
    """Unit complex numbers of the rotary angles, shape (T, 1, width / 2)."""
    frequencies = 10000.0 ** (-torch.arange(0, width, 2, device=positions.device, dtype=torch.float32) / width)
    angles = positions[:, None, None] * frequencies  # (T, 1, D / 2)
    return torch.polar(torch.ones_like(angles), angles)


def rotate(qk, rotation):
    """Turn pairs of numbers in queries and keys, shape (B, T, 2 C), by the angles of their positions."""
    pairs = torch.view_as_complex(qk.reshape(*qk.shape[:2], -1, rotation.shape[-1], 2))  # (B, T, 2 H, D / 2), complex: 4x faster here
    return torch.view_as_real(pairs * rotation).flatten(2)


AutoConfig.register(NanoGPTConfig.model_type, NanoGPTConfig, exist_ok=True)


PRESETS = {
    "tiny": dict(n_layer=1, n_head=4, n_embd=32, n_inner=64, n_positions=32),
    "small": dict(),
    "medium": dict(n_layer=4, n_head=8, n_embd=256, n_inner=1024, n_positions=200),
}
_SHAPE = ("n_layer", "n_head", "n_embd", "n_inner", "n_positions", "positions", "dropout")


class NanoGPT(DynamicsModel):
    """Transformer as a model of dynamics, trained with early stopping on held-out nats per token.

    Parameters
    ----------
    n_layer, n_head, n_embd, n_inner, n_positions, positions, dropout
        Shape of the network, see `NanoGPTConfig`; the defaults are those of Zeng, Zhang and Yao (2025).
    window_shift : int, optional
        Frames between the starts of two training windows; half of `n_positions` (50, as in the paper) if not given.
    learning_rate, adam_betas, weight_decay, warmup_steps, batch_size, max_steps, evaluate_every_steps, patience
        How it is trained, see `mdtok.models.training.TrainingSettings`.
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
        self, n_layer=2, n_head=8, n_embd=128, n_inner=128, n_positions=100, positions="rotary", dropout=0.1, window_shift=None,
        learning_rate=5e-4, adam_betas=(0.9, 0.98), weight_decay=0.01, warmup_steps=100, batch_size=64, max_steps=2000,
        evaluate_every_steps=100, patience=5, seed=0, progress=True,
    ):
        self.settings = {name: value for name, value in locals().items() if name not in ("self", "progress", "__class__")}
        self.settings["adam_betas"] = list(adam_betas)
        self.progress = progress
        self._config(n_states=1)  # raises where the shape is wrong
        self.settings["window_shift"] = n_positions // 2 if window_shift is None else window_shift
        self._training_settings()
        if self.settings["window_shift"] > n_positions:
            raise SettingsError(f"window_shift is {window_shift}, n_positions {n_positions}: tokens between windows would be lost.")

    def _config(self, n_states):
        return NanoGPTConfig(n_states=n_states, **{name: self.settings[name] for name in _SHAPE})

    def _training_settings(self):
        return TrainingSettings(**{name: value for name, value in self.settings.items() if name not in _SHAPE})

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
            Held-out trajectories for early stopping; without them the last tenth of each training trajectory is held out.
        n_states : int, optional
            Size of the alphabet, where it is larger than the largest training token plus one.
        checkpoint_folder : path-like, optional
            Where training saves itself at every evaluation, and goes on from after a kill. It is left there when training
            ends (a second `fit` then loads the result at once): remove it when the model is saved.

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
        train = training_windows(dtrajs, n_positions, self.settings["window_shift"])
        held_out = tuple(np.concatenate(parts) for parts in zip(*(score_windows(d, n_positions) for d in validation)))
        with torch.random.fork_rng():
            torch.manual_seed(self.settings["seed"])
            network = NanoGPTNetwork(self._config(n_states))
        self.history_ = train_network(network, train, held_out, self._training_settings(), checkpoint_folder, self.progress)
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

        When the context is full, its last half starts a new one, exactly as in `predict_log_proba`. A prompt longer than the
        context counts with its last ``n_positions // 2 + 1`` tokens. The same seed and number of threads give the same tokens.

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
            f"The longest trajectory has {max(map(len, dtrajs))} frames: its last tenth is too short for early stopping. "
            "Pass validation=[...]."
        )
    return [dtraj[:cut] if len(dtraj) - cut >= 2 else dtraj for dtraj, cut in zip(dtrajs, cuts)], tails


def draw_tokens(logits, generator):
    """Draw one token a row from logits, shape (B, n_states), by inverting the cumulative sum."""
    cumulative = F.softmax(logits.double(), dim=-1).cumsum(-1)
    thresholds = torch.rand(len(logits), 1, generator=generator, dtype=torch.float64).to(logits.device) * cumulative[:, -1:]
    return (cumulative <= thresholds).sum(-1).clamp_(max=logits.shape[1] - 1)
