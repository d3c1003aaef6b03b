"""The network of nano-GPT: a small causal transformer over states, in one flat file, as a Hugging Face model.

The decoder of Zeng, Zhang and Yao (J. Chem. Theory Comput. 2025, arXiv:2507.02734): two blocks, width 128, eight heads,
feed-forward 128, context 100. Layer norms come first (GPT-2); positions are rotary (Su et al. 2021) or learned.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F
from transformers import AutoConfig, PretrainedConfig

from mdtok.errors import SettingsError
from mdtok.models.networks.token_network import KEYS_OF_EVERY_CONFIG, TokenNetwork, check_config


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
        unknown = sorted(set(kwargs) - KEYS_OF_EVERY_CONFIG)
        if unknown:
            names = ", ".join(map(repr, unknown))
            raise SettingsError(f"NanoGPTConfig has no setting {names}; see help(NanoGPTConfig).")
        self.n_states = n_states
        self.n_layer = n_layer
        self.n_head = n_head
        self.n_embd = n_embd
        self.n_inner = n_inner
        self.n_positions = n_positions
        self.positions = positions
        self.dropout = dropout
        self.n_basins = n_basins
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
    n_embd, n_head = config.n_embd, config.n_head
    if n_embd % n_head:
        raise SettingsError(f"n_embd is {n_embd} and n_head is {n_head}; the width must be a multiple of the heads.")
    if config.positions not in ("rotary", "learned"):
        raise SettingsError(f"positions is {config.positions!r}; 'rotary' or 'learned' was expected.")
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


class NanoGPTNetwork(TokenNetwork):
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
        self.add_ends(config)
        if config.positions == "learned":
            self.position_embedding = nn.Embedding(config.n_positions, config.n_embd)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.n_layer))
        self.norm = nn.LayerNorm(config.n_embd)
        self.post_init()

    def _init_weights(self, module):
        super()._init_weights(module)
        if isinstance(module, Block):
            # GPT-2: each block adds to the stream twice, so what it adds starts smaller
            std = self.config.initializer_range / math.sqrt(2 * self.config.n_layer)
            for linear in (module.attention.out, module.contract):
                nn.init.normal_(linear.weight, std=std)

    def new_cache(self, n_chains):
        """Room for a whole context of `n_chains` chains."""
        return KeyValueCache(self.config, n_chains, self.device, self.dtype)

    def read(self, embedded, cache=None):
        """Hidden states (B, T, n_embd), normalised, of embedded tokens (B, T, n_embd)."""
        x, rotation = self._enter(embedded, cache.length if cache else 0)
        for block in self.blocks:
            x = block(x, rotation, cache)
        if cache is not None:
            cache.length += embedded.shape[1]
        return self.norm(x)

    def _enter(self, embedded, past=0):
        """What the first block reads of embedded tokens (B, T, n_embd) after `past` others, and the angles of their
        positions."""
        positions = torch.arange(past, past + embedded.shape[1], device=embedded.device)
        if self.config.positions == "learned":
            return self.dropout(embedded + self.position_embedding(positions)), None  # (T, C) on every chain
        return self.dropout(embedded), rotary_angles(positions, self.config.n_embd // self.config.n_head)


@torch.inference_mode()
def attention_maps(network, tokens):
    """Attention weights of one window of tokens, LongTensor (T,): float32 array (n_layer, n_head, T, T)."""
    network.eval()
    x, rotation = network._enter(network.token_embedding(tokens[None]))
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
