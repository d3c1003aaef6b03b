"""The network of the density-GPT: frames of angles and reals in, the density of the next frame out.

The middle is the decoder of nano-GPT; where that reads tokens and gives logits, this reads cosines, sines and
standardised reals and gives the parameters of a mixture density on angles and reals.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel

from mdtok.errors import DataError
from mdtok.models.coordinates.mixture_density import FrameDensity, init_weights
from mdtok.models.densities.torus_mixture import TorusMixture
from mdtok.models.networks.nanogpt import Block, Decoder, check_heads
from mdtok.models.networks.token_network import check_sizes, refuse_unknown

_WIDTH = 64  # of the hidden layer that joins frame and past


class DensityGPTConfig(PretrainedConfig):
    """Shape of a `DensityGPTNetwork`, stored as ``config.json``.

    Parameters
    ----------
    is_angle : list of bool
        Of each column: angle in radians, or real.
    n_layer, n_head, n_embd, n_inner : int
        Blocks, heads of a block, width, width of the feed-forward layer.
    n_positions : int
        Longest context, in frames.
    positions : {"rotary", "learned"}
        How a frame knows where it stands.
    dropout : float
        In training only.
    n_components : int
        Of the mixture.
    past_share : float
        Of the past's correction to the density given the frame alone, the share that is believed (0 to 1).
    initializer_range : float
        Standard deviation of the initial weights.

    Raises
    ------
    SettingsError
        A setting is unknown or out of range.

    Examples
    --------
    >>> DensityGPTConfig(n_embd=32, n_head=4).n_components
    8
    """

    model_type = "mdtok-density-gpt"

    def __init__(
        self,
        is_angle=(True,),
        n_layer=2,
        n_head=4,
        n_embd=64,
        n_inner=128,
        n_positions=50,
        positions="rotary",
        dropout=0.05,
        n_components=8,
        past_share=1.0,
        initializer_range=0.02,
        use_cache=True,
        **kwargs,
    ):
        refuse_unknown(self, kwargs)
        self.is_angle = [bool(one) for one in is_angle]
        self.n_layer, self.n_head, self.n_embd, self.n_inner = n_layer, n_head, n_embd, n_inner
        self.n_positions, self.positions, self.dropout = n_positions, positions, dropout
        self.n_components, self.past_share, self.initializer_range = n_components, past_share, initializer_range
        self.use_cache = use_cache  # the Trainer writes this key into any config
        check_sizes(self, ("n_layer", "n_head", "n_embd", "n_inner", "n_components"))
        check_heads(self)
        super().__init__(**kwargs)


class DensityGPTNetwork(Decoder, PreTrainedModel):
    """Causal transformer over frames: parameters of the density of the next frame at every position.

    Frames are in radians for angles and standardised for reals. The density is one of the displacement to the next
    frame, in units of ``step_scale``. Its parameters are those given the frame alone, which are learnt first and then
    kept, and a correction by the past (see `mdtok.models.coordinates.mixture_density.DensityHead` for why).

    Examples
    --------
    >>> network = DensityGPTNetwork(DensityGPTConfig(is_angle=[True, False], n_components=2))
    >>> network.outputs(torch.zeros(3, 7, 2)).shape
    torch.Size([3, 7, 12])
    """

    config_class = DensityGPTConfig
    _supports_sdpa = True
    accepts_loss_kwargs = False  # the loss is a mean over the frames of the batch: no scaling by the Trainer
    training_step = 0  # set by the training loop

    def __init__(self, config):
        super().__init__(config)
        d, n_angles = len(config.is_angle), sum(config.is_angle)
        n_inputs, n_outputs = d + n_angles, TorusMixture.n_outputs(config.n_components, d)
        self.frame_embedding = nn.Linear(n_inputs, config.n_embd)
        self.frame_embedding.initial_std = n_inputs**-0.5
        self.add_blocks(config)
        self.of_frame = FrameDensity(n_inputs, n_outputs)
        self.of_frame.enter.initial_std *= (2 / max(n_inputs, 2)) ** 0.5  # the deviation was found for two columns
        self.join = nn.Linear(config.n_embd + n_inputs, _WIDTH)
        self.correct = nn.Linear(_WIDTH, n_outputs)
        self.join.initial_std, self.correct.initial_std = self.join.in_features**-0.5, 0.0
        self.register_buffer("step_scale", torch.ones(d))
        self.post_init()

    def _init_weights(self, module):
        init_weights(module, self.config.initializer_range)
        if isinstance(module, Block):
            self.calm_block(module)

    def inputs(self, frames):
        """Cosine and sine of angles, and reals: (..., n_dim) -> (..., n_dim + n_angles)."""
        angles = [column for column, is_angle in enumerate(self.config.is_angle) if is_angle]
        reals = [column for column, is_angle in enumerate(self.config.is_angle) if not is_angle]
        turned = frames[..., angles]
        return torch.cat([turned.cos(), turned.sin(), frames[..., reals]], dim=-1)

    def outputs(self, frames, cache=None, past_share=None):
        """Parameters of the density of the next frame, (B, T, n_outputs), at frames (B, T, n_dim) that follow those in
        `cache`."""
        total = (cache.length if cache is not None else 0) + frames.shape[1]
        if total > self.config.n_positions:
            raise DataError(
                f"{total} frames do not fit in a context of {self.config.n_positions}; pass the last ones only."
            )
        share = self.config.past_share if past_share is None else past_share
        inputs = self.inputs(frames)
        alone = self.of_frame(inputs)
        if share == 0:
            return alone
        return alone + share * self.correction(inputs, self.hidden_states(self.frame_embedding(inputs), cache))

    def correction(self, inputs, hidden):
        """What the past adds to the parameters of the density given the frame alone."""
        return self.correct(F.gelu(self.join(torch.cat([hidden, inputs], dim=-1))))

    def density(self, outputs):
        """The mixture density of displacements that outputs stand for."""
        return TorusMixture(outputs, self.config.n_components, self.config.is_angle, self.step_scale)

    def forward(self, frames, weights=None):
        """Loss in nats a frame of windows (B, T + 1, n_dim), each frame by those before it in the window.

        `weights`, shape (B, T), are of the frames that are predicted from; 0 where a window is padded.
        """
        outputs = self.outputs(frames[:, :-1])
        nats = -self.density(outputs).log_prob(frames[:, 1:] - frames[:, :-1])  # (B, T)
        return {"loss": nats.mean() if weights is None else (nats * weights).sum() / weights.sum(), "nats": nats}


AutoConfig.register(DensityGPTConfig.model_type, DensityGPTConfig, exist_ok=True)
