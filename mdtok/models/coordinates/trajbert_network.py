"""The network of the trajectory BERT: coordinates in, next frame and class out, as a Hugging Face model.

Leban, "Modern autoregressive architectures for the collective variable problem": a linear projection, learned
positions, a BERT encoder, and two heads, one for the next frame and one for the class of the trajectory from the mean
over frames.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F
from transformers import AutoConfig, BertConfig, PretrainedConfig, PreTrainedModel
from transformers.models.bert.modeling_bert import BertEncoder
from transformers.utils import ModelOutput

from mdtok.checks import require_whole_number
from mdtok.errors import DataError, SettingsError
from mdtok.models.coordinates.mixture_density import DensityHead, MixtureDensity, init_weights
from mdtok.models.networks.token_network import refuse_unknown


class TrajBertConfig(PretrainedConfig):
    """Shape of a `TrajBertNetwork`, stored as ``config.json``.

    Parameters
    ----------
    n_dim, n_classes : int
        Coordinates a frame; classes of trajectories.
    hidden_size, n_layer, n_head, intermediate_size : int
        Width, blocks, heads of a block, width of the feed-forward layer.
    n_positions : int
        Length of the position table: the longest trajectory piece, in frames.
    causal : bool
        Whether a frame sees only those before it.
    attention_window : int
        Frames of a block: a frame sees its own block only. `n_positions` for full attention.
    n_components : int
        Gaussians in the density of the next frame; 0 for a bare prediction.
    past_share : float
        Of the past's correction to the density given the frame alone, the share that is believed (0 to 1).
    dropout : float
        In the encoder, in training only.
    gamma, lambda_ : float
        Weights of the two parts of the loss: the next frame and the class.

    Raises
    ------
    SettingsError
        A setting is unknown or out of range.

    Examples
    --------
    >>> TrajBertConfig(hidden_size=16, n_head=8).attention_window
    1024
    """

    model_type = "mdtok-trajbert"

    def __init__(
        self,
        n_dim=2,
        n_classes=2,
        hidden_size=64,
        n_layer=8,
        n_head=16,
        intermediate_size=256,
        n_positions=1024,
        causal=False,
        attention_window=None,
        n_components=0,
        past_share=1.0,
        dropout=0.0,
        gamma=1.0,
        lambda_=1.0,
        initializer_range=0.02,
        **kwargs,
    ):
        refuse_unknown(self, kwargs)
        self.n_dim, self.n_classes = n_dim, n_classes
        self.hidden_size, self.n_layer, self.n_head = hidden_size, n_layer, n_head
        self.intermediate_size, self.n_positions = intermediate_size, n_positions
        self.causal, self.n_components, self.past_share = causal, n_components, past_share
        self.attention_window = n_positions if attention_window is None else attention_window
        self.dropout, self.gamma, self.lambda_, self.initializer_range = dropout, gamma, lambda_, initializer_range
        sizes = (
            "n_dim",
            "n_classes",
            "hidden_size",
            "n_layer",
            "n_head",
            "intermediate_size",
            "n_positions",
            "attention_window",
        )
        for name in sizes:
            require_whole_number(name, getattr(self, name), 1)
        if hidden_size % n_head:
            raise SettingsError(f"hidden_size {hidden_size} is no multiple of n_head {n_head}.")
        if self.attention_window > n_positions:
            raise SettingsError(
                f"The window of {self.attention_window} frames is longer than the position table ({n_positions}); "
                "choose a shorter window or a larger n_positions."
            )
        require_whole_number("n_components", n_components, 0)
        if not 0 <= dropout < 1:
            raise SettingsError(f"dropout is {dropout}; a number from 0 to below 1 was expected.")
        if gamma < 0 or lambda_ < 0 or gamma + lambda_ == 0:
            raise SettingsError(f"gamma {gamma} and lambda {lambda_} must not be negative, and not both 0.")
        super().__init__(**kwargs)

    def encoder_config(self, attention="sdpa"):
        """The BertConfig of the encoder."""
        config = BertConfig(
            hidden_size=self.hidden_size,
            num_hidden_layers=self.n_layer,
            num_attention_heads=self.n_head,
            intermediate_size=self.intermediate_size,
            max_position_embeddings=self.n_positions,
            hidden_dropout_prob=self.dropout,
            attention_probs_dropout_prob=self.dropout,
            is_decoder=self.causal,  # decoders of Hugging Face are causal; there is no cross-attention here
        )
        config._attn_implementation = attention
        return config


@dataclass
class TrajBertOutput(ModelOutput):
    """What the network gives.

    Attributes
    ----------
    loss : Tensor, shape (), or None
    next_frame : Tensor, shape (B, N, n_dim), or parameters of its density (B, N, n_outputs)
    class_logits : Tensor, shape (B, n_classes)
    embeddings : Tensor, shape (B, N, hidden_size)
    """

    loss: torch.Tensor | None = None
    next_frame: torch.Tensor | None = None
    class_logits: torch.Tensor | None = None
    embeddings: torch.Tensor | None = None


class TrajBertNetwork(PreTrainedModel):
    """Encoder of trajectories with a head for the next frame and one for the class.

    Frames are standardised already. With a density head, outputs are a mixture of Gaussians of the displacement to the
    next frame, in units of ``step_scale``.
    """

    config_class = TrajBertConfig
    base_model_prefix = "trajbert"

    def __init__(self, config):
        super().__init__(config)
        H = config.hidden_size
        self.projection = nn.Linear(config.n_dim, H)
        self.projection.initial_std = config.n_dim**-0.5  # few coordinates have to be heard beside the positions
        self.positions = nn.Embedding(config.n_positions, H)
        self.norm = nn.LayerNorm(H)
        self.encoder = BertEncoder(config.encoder_config())
        self.frame_head = DensityHead(config) if config.n_components else _head(H, config.n_dim)
        self.class_head = _head(H, config.n_classes)
        self.pool = AttentionPool(H) if config.causal else MeanPool()
        self.register_buffer("step_scale", torch.ones(config.n_dim))
        self.post_init()

    def _init_weights(self, module):
        init_weights(module, self.config.initializer_range)

    def embed(self, frames, first_position=0):
        """Embeddings of every frame, each block of the attention window by itself.

        Parameters
        ----------
        frames : Tensor, shape (B, N, n_dim)
        first_position : int
            Place of the first frame in the position table.

        Returns
        -------
        Tensor, shape (B, N, hidden_size)
        """
        B, N, _ = frames.shape
        W = self.config.attention_window
        if first_position + N > self.config.n_positions:
            raise DataError(
                f"A piece of {N} frames from position {first_position} on does not fit in the position table "
                f"({self.config.n_positions}); cut it in shorter pieces."
            )
        x = self.input_embeddings(frames, first_position)  # (B, N, H)
        if N <= W:
            return self.encoder(x).last_hidden_state
        n_full = N // W
        blocks = self.encoder(x[:, : n_full * W].reshape(B * n_full, W, -1)).last_hidden_state.reshape(
            B, n_full * W, -1
        )
        if n_full * W == N:
            return blocks
        return torch.cat([blocks, self.encoder(x[:, n_full * W :]).last_hidden_state], dim=1)

    def input_embeddings(self, frames, first_position):
        """What the encoder reads: projected frames with their positions, (B, N, hidden_size)."""
        positions = torch.arange(first_position, first_position + frames.shape[1], device=frames.device)
        return self.norm(self.projection(frames) + self.positions(positions))  # (B, N, H)

    def embed_next(self, frames, first_position, cache):
        """Embeddings of frames that follow those in `cache` (a transformers Cache, which grows)."""
        x = self.input_embeddings(frames, first_position)
        return self.encoder(x, past_key_values=cache, use_cache=True).last_hidden_state

    @property
    def sees_past(self):
        """Whether the next frame is predicted from more than the frame before it."""
        return self.config.n_components == 0 or self.config.past_share > 0

    def next_frame(self, embeddings, frames):
        """Outputs of the frame head for embeddings (..., hidden_size) of frames (..., n_dim)."""
        if self.config.n_components:
            return self.frame_head(embeddings, frames, self.config.past_share)
        return self.frame_head(embeddings)

    def density(self, outputs):
        """The mixture density of displacements (standardised units) that the frame head's outputs stand for."""
        return MixtureDensity(outputs, self.config.n_components, self.config.n_dim, self.step_scale)

    def forward(self, frames, labels=None, weights=None):
        """Outputs for frames (B, N, n_dim) and, with labels (B,), the loss gamma * prediction + lambda * cross-entropy.

        The prediction of frame t + 1 is made at frame t, and counts with the weight of frame t in `weights` (B, N);
        labels of -100 have no class.
        """
        embeddings = self.embed(frames)  # (B, N, H)
        outputs = self.next_frame(embeddings, frames)
        logits = self.class_head(self.pool(embeddings))  # (B, n_classes)
        loss = None
        if labels is not None:
            loss = self.config.gamma * self.frame_loss(frames, outputs, weights) + self.config.lambda_ * class_loss(
                logits, labels
            )
        return TrajBertOutput(loss=loss, next_frame=outputs, class_logits=logits, embeddings=embeddings)

    def frame_loss(self, frames, outputs, weights=None):
        """Nats per frame of the density, or mean squared distance of the bare prediction; weighted where asked."""
        if self.config.n_components:
            loss = -self.density(outputs[:, :-1]).log_prob(frames[:, 1:] - frames[:, :-1])  # (B, N - 1)
        else:
            loss = (outputs[:, :-1] - frames[:, 1:]).square().sum(dim=-1)
        return loss.mean() if weights is None else (loss * weights[:, :-1]).mean()


def class_loss(logits, labels):
    """Cross-entropy over the trajectories that have a label; 0 where none has."""
    counted = (labels != -100).sum()
    return F.cross_entropy(logits, labels, ignore_index=-100, reduction="sum") / counted.clamp(min=1)


def _head(width, n_outputs):
    return nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width), nn.GELU(), nn.Linear(width, n_outputs))


class MeanPool(nn.Module):
    """Mean over frames, as published."""

    def forward(self, embeddings):
        return embeddings.mean(dim=1)  # (B, H)


class AttentionPool(nn.Module):
    """Weighted mean over frames, at first all alike: the start may tell more than all that follows."""

    def __init__(self, hidden_size):
        super().__init__()
        self.score = nn.Linear(hidden_size, 1, bias=False)
        self.score.initial_std = 0.0

    def forward(self, embeddings):
        weights = self.score(embeddings).softmax(dim=1)  # (B, N, 1)
        return (weights * embeddings).sum(dim=1)  # (B, H)


def outputs_in_windows(network, frames, window, position, most_frames):
    """Outputs of the frame head at every frame but the last, each made from more than half a window of past.

    Windows overlap by half; the first frames are made from all the past that there is.

    Parameters
    ----------
    network : TrajBertNetwork
    frames : Tensor, shape (n_frames, n_dim)
        Standardised.
    window : int
    position : int
        Place of a window's first frame in the position table.
    most_frames : int
        At once.

    Returns
    -------
    Tensor, shape (n_frames - 1, n_outputs)
    """
    W, n = window, len(frames) - 1
    half = W // 2
    starts = [half * k for k in range(1 + max(0, -(-(n - W) // half)))]
    full, outputs = [start for start in starts if start + W <= n], []
    batches = [full[first : first + most_frames // W] for first in range(0, len(full), most_frames // W)]
    for batch in [*batches, starts[len(full) :]]:  # the last window may be shorter, and then stands alone
        if batch:
            windows = torch.stack([frames[start : min(start + W, n)] for start in batch]).to(network.device)
            made = network.next_frame(network.embed(windows, position) if network.sees_past else None, windows)
            outputs += [part if start == 0 else part[W - half :] for start, part in zip(batch, made)]
    return torch.cat(outputs)


@torch.inference_mode()
def attention_maps(network, frames):
    """Attention of one trajectory (N, n_dim), float32 (n_layer, n_head, N, N); 0 outside of the own block."""
    config, N = network.config, len(frames)
    maps = torch.zeros(config.n_layer, config.n_head, N, N)
    encoder = (
        BertEncoder(config.encoder_config("eager")).to(network.device).eval()
    )  # the only kind that tells its weights
    encoder.load_state_dict(network.encoder.state_dict())
    for start in range(0, N, config.attention_window):
        end = min(start + config.attention_window, N)
        n = end - start
        hidden = network.input_embeddings(frames[None, start:end].to(network.device), start)  # (1, n, H)
        unseen = torch.full((n, n), -math.inf, device=hidden.device).triu(1) if config.causal else None
        for index, layer in enumerate(encoder.layer):
            mixed, weights = layer.attention.self(hidden, None if unseen is None else unseen[None, None])
            hidden = layer.feed_forward_chunk(layer.attention.output(mixed, hidden))
            maps[index, :, start:end, start:end] = weights[0].float().cpu()
    return maps.numpy()


AutoConfig.register(TrajBertConfig.model_type, TrajBertConfig, exist_ok=True)
