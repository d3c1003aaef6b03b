"""Trajectories continued by a trajectory BERT from a rolling window: drawn from a density, or as published."""

import numpy as np
import torch

from mdtok.errors import DataError
from mdtok.models.coordinates.pieces import groups_of_one_length
from mdtok.progress import tracked


class BlockCache:
    """Keys and values of the frames read so far in a block, in memory kept for a whole block.

    It stands in for a `transformers` Cache, whose tensors are copied at every step.
    """

    def __init__(self, config, n_chains, device, dtype):
        shape = (
            config.n_layer,
            2,
            n_chains,
            config.n_head,
            config.attention_window,
            config.hidden_size // config.n_head,
        )
        self.memory = torch.empty(shape, device=device, dtype=dtype)
        self.length = 0

    def update(self, keys, values, layer, *args, **kwargs):
        """Add keys and values (B, n_head, n_new, D) of one layer; give those of all frames of the block."""
        end = self.length + keys.shape[2]
        self.memory[layer, 0, :, :, self.length : end] = keys
        self.memory[layer, 1, :, :, self.length : end] = values
        return self.memory[layer, 0, :, :, :end], self.memory[layer, 1, :, :, :end]


@torch.inference_mode()
def continue_causal(network, start, n_steps, position, generator, bar, put_back=None):
    """Draw `n_steps` frames after standardised `start` frames, from the density of a causal network.

    Parameters
    ----------
    network : TrajBertNetwork
    start : Tensor, shape (B, n_start, n_dim)
        At most a block; when the block is full, its last half starts a new one.
    n_steps : int
    position : int
        Place of a block's first frame in the position table.
    generator : torch.Generator
        On the CPU, so that draws are the same on every device.
    bar : tqdm
    put_back : callable, optional
        From drawn frames (B, n_dim), standardised, to where frames can be, see `onto_circles`.

    Returns
    -------
    Tensor, shape (B, n_steps, n_dim), on the CPU
    """
    B, n_start, d = start.shape
    W, device = network.config.attention_window, network.device
    frames = torch.empty(B, n_start + n_steps, d)
    frames[:, :n_start] = start
    cache, read, embedding = BlockCache(network.config, B, device, network.dtype), 0, None
    for end in range(n_start, n_start + n_steps):
        if network.sees_past:
            if cache.length == W:
                cache.length, read = 0, end - (W // 2 + 1)
            embedding = network.embed_next(frames[:, read:end].to(device), position + cache.length, cache)[
                :, -1
            ]  # (B, H)
            cache.length += end - read
        density = network.density(network.next_frame(embedding, frames[:, end - 1].to(device)))
        uniform, normal = torch.rand(B, generator=generator), torch.randn(B, d, generator=generator)
        drawn = frames[:, end - 1] + density.sample(uniform.to(device), normal.to(device)).cpu()
        frames[:, end] = put_back(drawn) if put_back else drawn
        read = end
        bar.update(B)
    if not frames.isfinite().all():
        first = int((~frames.isfinite()).any(dim=2).any(dim=0).nonzero()[0]) - n_start
        raise DataError(
            f"A generated chain left the space of the training frames and went to infinity at frame {first}; train "
            "longer, or with trajectories that cover more."
        )
    return frames[:, n_start:]


def onto_circles(frames, circles):
    """Frames (..., n_dim) with the cosine and sine of each angle divided by their length, so that they are of one.

    Parameters
    ----------
    frames : Tensor, shape (..., n_dim)
    circles : sequence of int
        First column of each pair.

    Examples
    --------
    >>> onto_circles(torch.tensor([[3.0, 4.0, 7.0]]), [0])
    tensor([[0.6000, 0.8000, 7.0000]])
    """
    frames = frames.clone()
    for first in circles:
        pair = frames[..., first : first + 2]
        frames[..., first : first + 2] = pair / pair.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    return frames


@torch.inference_mode()
def continue_faithful(network, start, n_steps, window, n_at_once, bar, circles=()):
    """Append the last `n_at_once` outputs again and again, each window standardised by its own frames, as published.

    `start` is an array (B, n_start, n_dim), not standardised; gives an array (B, n_steps, n_dim). Angles, which the
    published model did not have, are put back on their circles.
    """
    frames = torch.as_tensor(start, dtype=torch.float64)
    n_start = frames.shape[1]
    while frames.shape[1] < n_start + n_steps:
        seen = frames[:, -window:]  # (B, at most W, n_dim)
        mean, std = seen.mean(dim=1, keepdim=True), seen.std(dim=1, correction=0, keepdim=True)
        std = torch.where(std > 0, std, torch.ones_like(std))
        n_new = min(n_at_once, seen.shape[1])
        standardised = ((seen - mean) / std).float().to(network.device)
        embedded = network.embed(standardised)[:, -n_new:]
        made = network.next_frame(embedded, standardised[:, -n_new:]).double().cpu()
        frames = torch.cat([frames, onto_circles(made * std + mean, circles)], dim=1)
        bar.update(min(n_new, n_start + n_steps - (frames.shape[1] - n_new)) * len(frames))
    return frames[:, n_start : n_start + n_steps].numpy()


def continue_in_groups(go_on, prompts, n_steps, most, progress):
    """Continue prompts of any length: those of one length together, `most` at once.

    Parameters
    ----------
    go_on : callable
        ``go_on(stacked, bar)`` gives (B, n_steps, n_dim) for prompts (B, n_prompt, n_dim) of one length.
    prompts : list of arrays, shape (n_prompt, n_dim) each
    n_steps, most : int
    progress : bool

    Returns
    -------
    list of arrays, shape (n_steps, n_dim) each
    """
    continued = [None] * len(prompts)
    with tracked(total=len(prompts) * n_steps, desc="sampling", unit=" frames", disable=not progress) as bar:
        for chosen in groups_of_one_length(prompts, lambda length: most):
            for k, chain in zip(chosen, go_on(np.stack([prompts[k] for k in chosen]), bar)):
                continued[k] = chain
    return continued
