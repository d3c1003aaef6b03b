"""Training of a density-GPT: the density given the frame alone, then what the past adds, as far as it holds."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

from mdtok.models.coordinates.density_training import (
    FRAMES_AT_ONCE,
    MOST_DRAWS,
    N_REGIONS,
    draw_frames,
    mean_nats_of_frames,
    settings_of_frames,
)
from mdtok.models.coordinates.stratification import frame_weights, region_of, spread_centers
from mdtok.models.densities.torus_mixture import wrap
from mdtok.models.networks.held_out_choice import SHARES, least_share
from mdtok.models.networks.training import train_network
from mdtok.tokens.windows import windows

_WINDOWS_AT_ONCE = 128
_OUTPUTS_AT_ONCE = 1_000_000  # of a batch of frames
_MOST_STOPPING_WINDOWS = 2000


def train_density_gpt(network, train, held_out, settings, stratify=0.5, checkpoint_folder=None, progress=True):
    """Train a `DensityGPTNetwork` on standardised trajectories, and choose how much of the past is believed.

    Parameters
    ----------
    network : DensityGPTNetwork
    train, held_out : list of float32 arrays, shape (n_frames, n_dim) each
    settings : TrainingSettings
        Its ``window_shift`` is set.
    stratify : float
        How much frames of seldom visited regions count, see `DensityGPT`.
    checkpoint_folder : path-like, optional
    progress : bool

    Returns
    -------
    history : list of dict
        As of `train_network`.
    seconds : float
    """
    is_angle = np.array(network.config.is_angle)
    steps = np.concatenate([displacements(part, is_angle) for part in train])
    network.step_scale.copy_(torch.from_numpy(steps.std(axis=0)))
    n_positions, shift = network.config.n_positions, settings.window_shift
    made = [in_windows(part, n_positions, a_shift) for part, a_shift in ((train, shift), (held_out, n_positions))]
    if stratify:
        weigh(made, train, is_angle, stratify, settings.seed)
    folders = (Path(checkpoint_folder) / name if checkpoint_folder else None for name in ("frame", "network"))
    alone = fit_frame_density(network, *made, settings, next(folders), progress)
    stopping = {name: array[spread_evenly(len(array))] for name, array in made[1].items()}
    history = train_network(network, made[0], stopping, settings, next(folders), progress, mean_nats_of_windows)
    network.config.past_share = choose_past_share(network, made[1])
    return history, alone[-1]["seconds"] + history[-1]["seconds"]


def displacements(frames, is_angle):
    """Steps of one trajectory, (n_frames - 1, n_dim); those of angles on the circle."""
    steps = np.diff(frames, axis=0)
    return np.where(is_angle, wrap(steps), steps)


def in_windows(trajectories, n_positions, shift):
    """``frames`` (n_windows, n_positions + 1, n_dim) that never cross a trajectory's end, ``weights`` 0 in padding."""
    ends = np.cumsum([0, *map(len, trajectories)])
    numbers = [np.arange(first, last) for first, last in pairwise(ends)]
    rows, mask = windows(numbers, n_positions + 1, shift)
    return {"frames": np.concatenate(trajectories)[rows], "weights": mask[:, 1:].astype(np.float32)}


def spread_evenly(n_windows):
    """Indices of windows, evenly spread, that tell well enough when to stop."""
    return np.linspace(0, n_windows - 1, min(n_windows, _MOST_STOPPING_WINDOWS)).astype(int)


def weigh(made, train, is_angle, exponent, seed):
    """Multiply the weights of windows by how seldom the region of each frame is visited in `train`."""
    frames = on_circles(np.concatenate(train), is_angle)
    centers = spread_centers(frames, N_REGIONS, seed)
    counts = np.bincount(region_of(frames, centers), minlength=len(centers))
    for part in made:
        part["weights"] *= frame_weights(on_circles(part["frames"][:, :-1], is_angle), centers, counts, exponent)


def on_circles(frames, is_angle):
    """Cosine and sine of angles and reals, (..., n_dim + n_angles): what distances are taken in."""
    turned = frames[..., is_angle]
    return np.concatenate([np.cos(turned), np.sin(turned), frames[..., ~is_angle]], axis=-1)


class DensityOfFrames(nn.Module):
    """Nats per frame of the density given the frame alone, as a network by itself."""

    def __init__(self, network):
        super().__init__()
        self.of_frame = network.of_frame
        self._whole = [network]  # its buffers and methods, not its weights

    def forward(self, frames, displacements):
        (network,) = self._whole
        density = network.density(self.of_frame(network.inputs(frames)))
        return {"loss": -density.log_prob(displacements).mean()}


def fit_frame_density(network, train, held_out, settings, checkpoint_folder=None, progress=True):
    """Train the part that sees the frame alone, on frames drawn by their weights, and keep it as it then is.

    It takes twice the steps of the whole network, on many frames each. Gives the history of `train_network`.
    """
    n_outputs = network.of_frame.leave.out_features
    most = min(FRAMES_AT_ONCE, max(64, _OUTPUTS_AT_ONCE // n_outputs))
    settings = settings_of_frames(settings, train["weights"].size, most)
    n_draws = min(MOST_DRAWS, settings.max_steps * settings.batch_size)
    drawn = draw_windows(train, n_draws, settings.seed)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(settings.seed)
        network.of_frame.place(network.inputs(torch.from_numpy(drawn["frames"][:100_000])))
    history = train_network(
        DensityOfFrames(network),
        drawn,
        draw_windows(held_out, n_draws // 20 + 1, settings.seed),
        settings,
        checkpoint_folder,
        progress,
        mean_nats_of_frames,
    )
    network.of_frame.requires_grad_(False)
    return history


def draw_windows(made, n_draws, seed):
    """Frames drawn with replacement by their weights, and the displacements after them, both (n_draws, n_dim)."""
    weights = np.concatenate([made["weights"], np.zeros_like(made["weights"][:, :1])], axis=1)
    return draw_frames({"frames": made["frames"], "weights": weights}, n_draws, seed)


@torch.inference_mode()
def mean_nats_of_windows(network, dataset):
    """Weighted mean of nats over a `WindowDataset` of windows."""
    was_training, total, n_counted = network.training, 0.0, 0.0
    network.eval()
    for start in range(0, len(dataset), _WINDOWS_AT_ONCE):
        rows = dataset[slice(start, start + _WINDOWS_AT_ONCE)]
        batch = {name: array.to(network.device) for name, array in rows.items()}
        weight = batch["weights"].sum().item()
        total, n_counted = total + network(**batch)["loss"].item() * weight, n_counted + weight
    network.train(was_training)
    return total / n_counted


@torch.inference_mode()
def choose_past_share(network, held_out):
    """The share of the past's correction that held-out windows bear out, see `least_share`."""
    network.eval()
    losses = np.empty((len(held_out["frames"]), len(SHARES)))
    for start in range(0, len(losses), _WINDOWS_AT_ONCE):
        rows = slice(start, start + _WINDOWS_AT_ONCE)
        frames, weights = (torch.from_numpy(held_out[name][rows]).to(network.device) for name in ("frames", "weights"))
        steps = frames[:, 1:] - frames[:, :-1]
        alone = network.outputs(frames[:, :-1], past_share=0)
        change = network.outputs(frames[:, :-1], past_share=1) - alone
        for column, share in enumerate(SHARES):
            nats = -network.density(alone + share * change).log_prob(steps)
            losses[rows, column] = ((nats * weights).sum(dim=1) / weights.sum(dim=1).clamp_min(1e-9)).cpu()
    return least_share(losses)
