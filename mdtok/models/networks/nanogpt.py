"""Nano-GPT: a small causal transformer over states, its config, its network and the model of dynamics, in one file.

The decoder of Zeng, Zhang and Yao (J. Chem. Theory Comput. 2025, arXiv:2507.02734): two blocks, width 128, eight heads,
feed-forward 128, context 100. Layer norms come first (GPT-2); positions are rotary (Su et al. 2021) or learned.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import AutoConfig, PretrainedConfig

from mdtok.checks import require_one_of
from mdtok.errors import DataError, SettingsError
from mdtok.models.networks.neural import NAME_ENDS, NAME_ENDS_HELP, NeuralModel, network_names
from mdtok.models.networks.token_network import TokenNetwork, check_config, refuse_unknown
from mdtok.tokens.dtrajs import as_dtrajs

PRESETS = {
    "tiny": dict(n_layer=1, n_head=4, n_embd=32, n_inner=64, n_positions=32),
    # for some 100,000 tokens of 100 states; little dropout, which makes fast processes slower: 10 % at 0.2 on Fip35
    "narrow": dict(n_head=4, n_embd=32, n_inner=64, dropout=0.05, learning_rate=2e-3, max_steps=1500),
    "small": dict(),
    "medium": dict(n_layer=4, n_head=8, n_embd=256, n_inner=1024, n_positions=200),
}


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
    n_basins : int
        Basins between which transitions are anchored on counts; 0: none are.
    second_pass : {None, "sampled", "expected", "faithful"}
        What stands in for MD tokens in a second pass of training, see `TokenNetwork`; None for one pass.
    keep_epsilon, keep_rate : float
        Of the probability ``keep_epsilon**(t (1 - keep_rate**step))`` that a token is kept in the second pass.
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
        self,
        n_states=2,
        n_layer=2,
        n_head=8,
        n_embd=128,
        n_inner=128,
        n_positions=100,
        positions="rotary",
        dropout=0.2,
        n_basins=0,
        second_pass=None,
        keep_epsilon=0.95,
        keep_rate=0.99995,
        initializer_range=0.02,
        use_cache=True,
        **kwargs,
    ):
        refuse_unknown(self, kwargs)
        self.n_states, self.n_basins = n_states, n_basins
        self.n_layer, self.n_head, self.n_embd, self.n_inner = n_layer, n_head, n_embd, n_inner
        self.n_positions, self.positions, self.dropout = n_positions, positions, dropout
        self.second_pass, self.keep_epsilon, self.keep_rate = second_pass, keep_epsilon, keep_rate
        self.initializer_range = initializer_range
        self.use_cache = use_cache  # the Trainer writes this key into any config
        _check_shape(self)
        super().__init__(**kwargs)

    @property
    def n_hidden(self):
        """Width of the hidden states."""
        return self.n_embd


def _check_shape(config):
    check_config(config, ("n_states", "n_layer", "n_head", "n_embd", "n_inner"))
    check_heads(config)


def check_heads(config):
    """Raise SettingsError unless heads and positions of a `Decoder` fit its width."""
    n_embd, n_head = config.n_embd, config.n_head
    if n_embd % n_head:
        raise SettingsError(f"n_embd is {n_embd} and n_head is {n_head}; the width must be a multiple of the heads.")
    require_one_of("positions", config.positions, ("rotary", "learned"))
    if config.positions == "rotary" and (n_embd // n_head) % 2:
        raise SettingsError(f"Rotary positions need heads of an even width; n_embd / n_head is {n_embd // n_head}.")


class KeyValueCache:
    """Keys and values of the tokens read so far, for `n_chains` chains of one length; room for a whole context."""

    def __init__(self, config, n_chains, device=None, dtype=None):
        shape = (config.n_layer, n_chains, config.n_head, config.n_positions, config.n_embd // config.n_head)
        self.keys = torch.empty(shape, device=device, dtype=dtype)  # (L, B, H, n_positions, D)
        self.values = torch.empty(shape, device=device, dtype=dtype)
        self.length = 0

    def clear(self):
        """Forget the past."""
        self.length = 0


class Attention(nn.Module):
    """Causal self-attention over many heads."""

    def __init__(self, config, layer):
        super().__init__()
        self.n_head, self.layer = config.n_head, layer
        self.qkv = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.out = nn.Linear(config.n_embd, config.n_embd)

    def forward(self, x, rotation=None, cache=None):
        B, T, C = x.shape
        q, k, v = self._queries_keys_values(x, rotation)  # (B, H, T, D) each
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

    def weights(self, x, rotation=None):
        """How much of its attention each token gives to each, shape (B, H, T, T); rows sum to one."""
        q, k, _ = self._queries_keys_values(x, rotation)
        scores = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).float()
        return scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), -torch.inf).softmax(dim=-1)

    def _queries_keys_values(self, x, rotation):
        B, T, C = x.shape
        D = C // self.n_head
        qk, v = self.qkv(x).split([2 * C, C], dim=-1)
        if rotation is not None:
            qk = rotate(qk, rotation)
        q, k = qk.view(B, T, 2, self.n_head, D).permute(2, 0, 3, 1, 4)
        return q, k, v.view(B, T, self.n_head, D).transpose(1, 2)


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


class Decoder(nn.Module):
    """The causal middle of a transformer: embedded vectors in, hidden states out; what comes before and after is not
    said here."""

    config: PretrainedConfig

    def add_blocks(self, config):
        """Make positions, blocks and the last norm."""
        if config.positions == "learned":
            self.position_embedding = nn.Embedding(config.n_positions, config.n_embd)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.n_layer))
        self.norm = nn.LayerNorm(config.n_embd)

    def calm_block(self, block):
        """GPT-2: each block adds to the stream twice, so what it adds starts smaller."""
        std = self.config.initializer_range / math.sqrt(2 * self.config.n_layer)
        for linear in (block.attention.out, block.contract):
            nn.init.normal_(linear.weight, std=std)

    def new_cache(self, n_chains):
        """Room for a whole context of `n_chains` chains."""
        return KeyValueCache(self.config, n_chains, self.device, self.dtype)

    def hidden_states(self, embedded, cache=None):
        """Hidden states (B, T, n_embd), normalised, of embedded tokens or frames (B, T, n_embd)."""
        x, rotation = self.embed(embedded, cache.length if cache else 0)
        for block in self.blocks:
            x = block(x, rotation, cache)
        if cache is not None:
            cache.length += embedded.shape[1]
        return self.norm(x)

    def embed(self, embedded, past=0):
        """Embedded vectors (B, T, n_embd) that follow `past` others, with their positions: as numbers or as angles."""
        positions = torch.arange(past, past + embedded.shape[1], device=embedded.device)
        if self.config.positions == "learned":
            return self.dropout(embedded + self.position_embedding(positions)), None  # (T, C) on every chain
        return self.dropout(embedded), rotary_angles(positions, self.config.n_embd // self.config.n_head)


class NanoGPTNetwork(Decoder, TokenNetwork):
    """Causal transformer over states: logits of the next token at every position.

    Examples
    --------
    >>> network = NanoGPTNetwork(NanoGPTConfig(n_states=4))
    >>> network(torch.zeros(2, 7, dtype=torch.long)).logits.shape
    torch.Size([2, 7, 4])
    """

    config_class = NanoGPTConfig
    _supports_sdpa = True

    def __init__(self, config):
        super().__init__(config)
        self.add_embedding_and_heads(config)
        self.add_blocks(config)
        self.post_init()

    def _init_weights(self, module):
        super()._init_weights(module)
        if isinstance(module, Block):
            self.calm_block(module)


@torch.inference_mode()
def attention_maps(network, tokens):
    """Attention weights of one window of tokens, LongTensor (T,): float32 array (n_layer, n_head, T, T)."""
    network.eval()
    x, rotation = network.embed(network.token_embedding(tokens[None]))
    maps = []
    for block in network.blocks:
        maps.append(block.attention.weights(block.norm_1(x), rotation)[0].cpu())
        x = block(x, rotation)
    return torch.stack(maps).numpy()


def rotary_angles(positions, width):
    """Unit complex numbers of the rotary angles, shape (T, 1, width / 2)."""
    frequencies = 10000.0 ** (-torch.arange(0, width, 2, device=positions.device, dtype=torch.float32) / width)
    angles = positions[:, None, None] * frequencies  # (T, 1, D / 2)
    return torch.polar(torch.ones_like(angles), angles)


def rotate(qk, rotation):
    """Turn pairs of numbers in queries and keys, shape (B, T, 2 C), by the angles of their positions."""
    # complex numbers, because sines and cosines apart would cost a tenth of a training step
    pairs = torch.view_as_complex(qk.reshape(*qk.shape[:2], -1, rotation.shape[-1], 2))  # (B, T, 2 H, D / 2)
    return torch.view_as_real(pairs * rotation).flatten(2)  # (B, T, 2 C)


AutoConfig.register(NanoGPTConfig.model_type, NanoGPTConfig, exist_ok=True)


class NanoGPT(NeuralModel):
    """Transformer as a model of dynamics, trained with early stopping on held-out nats per token.

    Parameters
    ----------
    network : NanoGPTConfig, optional
        Shape of the network, and a second pass of training; the defaults are those of Zeng, Zhang and Yao (2025), with
        one pass.
    training : TrainingSettings, optional
        How it is trained.
    anchor : {"basins", "factorised", "states", None}
        What of the next token is anchored on counts, see `BasinAnchor`: ``"basins"``, transitions between basins whose
        exchange is slower than a fifth of the context, which the network corrects as far as held-out tokens bear out;
        ``"factorised"``, the same without a correction; ``"states"``, all transitions, and the network is a correction
        that starts at zero; None, nothing, as in the paper.
    reversible : bool
        Learn from every trajectory and from its reverse, held-out ones too: in equilibrium both are as probable
        (detailed balance), also for what is projected, so a network sees twice as much. Not for trajectories that relax
        from where they started.
    progress : bool
        Whether to show progress bars.
    **settings
        Any setting of `NanoGPTConfig` and `TrainingSettings` by itself, in place of the two: ``n_layer=4``.

    Attributes
    ----------
    network_, anchor_, history_, train_seconds_
        See `NeuralModel`.

    Raises
    ------
    SettingsError
        A setting is unknown, out of range, or given twice.

    References
    ----------
    W. Zeng, Y. Zhang, Y. Yao, J. Chem. Theory Comput. (2025), arXiv:2507.02734.

    Examples
    --------
    >>> import numpy as np
    >>> cycle = np.arange(400) % 3
    >>> model = NanoGPT.from_preset("tiny", max_steps=60, evaluate_every_steps=20, learning_rate=5e-3, progress=False)
    >>> bool(model.fit([cycle]).nats_per_token([cycle]) < 0.3)
    True
    """

    presets, config_class, network_class = PRESETS, NanoGPTConfig, NanoGPTNetwork
    name_pattern = tuned_pattern = network_names("nanogpt", PRESETS)
    name_shown, name_help = "nanogpt" + NAME_ENDS, f"transformer; SIZE is {', '.join(PRESETS)}; {NAME_ENDS_HELP}"
    name_use = (
        "memory that is too long or too varied for counts; -narrow-reversible for some 100,000 tokens of equilibrium MD"
    )
    tuned: tuple = (
        ("small", {}),
        ("small", {"learning_rate": 1e-3}),
        ("tiny", {"learning_rate": 2e-3, "dropout": 0.05}),
    )

    def __init__(self, network=None, training=None, *, anchor="basins", reversible=False, progress=True, **settings):
        super().__init__(network, training, anchor, reversible, progress, settings)

    def attentions(self, dtraj: np.ndarray) -> np.ndarray:
        """Attention weights of one window of tokens, to look at with `mdtok.insight.summarise_attention`.

        Parameters
        ----------
        dtraj : int array, shape (n_frames,)
            At most `n_positions` tokens.

        Returns
        -------
        ndarray of float32, shape (n_layer, n_head, n_frames, n_frames)
            Rows (queries) sum to 1; no token looks ahead.

        Raises
        ------
        DataError
            More tokens than the context holds, or tokens outside the alphabet.

        Examples
        --------
        >>> import numpy as np
        >>> cycle = np.arange(300) % 3
        >>> model = NanoGPT.from_preset("tiny", max_steps=1, progress=False).fit([cycle])
        >>> model.attentions(cycle[:32]).shape
        (1, 4, 32, 32)
        """
        self.require_fitted()
        (dtraj,) = as_dtrajs([dtraj], self.n_states_)
        if len(dtraj) > self.network.n_positions:
            raise DataError(
                f"{len(dtraj)} tokens do not fit in a context of {self.network.n_positions}; cut them in windows, see "
                "mdtok.windows."
            )
        return attention_maps(self.network_, torch.from_numpy(dtraj).to(self.network_.device))
