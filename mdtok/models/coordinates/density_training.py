"""Training of the density of the next frame: given the frame alone, then what the past adds, as far as it holds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from mdtok.models.coordinates.mixture_density import MixtureDensity
from mdtok.models.coordinates.stratification import frame_weights, region_of, spread_centers
from mdtok.models.networks.held_out_choice import SHARES, least_share
from mdtok.models.networks.training import train_network

N_REGIONS = 200  # of the space of frames, in which visits are counted
MOST_DRAWS = 4_000_000
FRAMES_AT_ONCE = 8192


def train_trajbert(network, train, held_out, settings, stratify=0.0, checkpoint_folder=None, progress=True):
    """Train a `TrajBertNetwork`: its density given the frame alone, then all of it, then how much of the past holds.

    Without a density, or where the next frame is not learnt, it is trained at once.

    Parameters
    ----------
    network : TrajBertNetwork
    train, held_out : dict
        ``frames`` (n_windows, n_frames, n_dim), standardised, and ``labels`` (n_windows,).
    settings : TrainingSettings
    stratify : float
        How much frames of seldom visited regions count, see `TrajBert`.
    checkpoint_folder : path-like, optional
    progress : bool

    Returns
    -------
    history : list of dict
        As of `train_network`.
    seconds : float
    """
    learns_density, seconds = network.config.causal and network.config.gamma > 0, 0.0
    frame_folder, folder = (
        Path(checkpoint_folder) / name if checkpoint_folder else None for name in ("frame", "network")
    )
    if learns_density:
        if stratify:
            weigh_frames(train, held_out, stratify, settings.seed)
        seconds = fit_frame_density(network, train, held_out, settings, frame_folder, progress)[-1]["seconds"]
    history = train_network(network, train, held_out, settings, folder, progress, mean_loss, "loss")
    if learns_density:
        network.config.past_share = choose_past_share(network, held_out)
    return history, seconds + history[-1]["seconds"]


def weigh_frames(train, held_out, exponent, seed):
    """Add to both sets of windows the ``weights`` of their frames, by how seldom a region is visited in `train`."""
    centers = spread_centers(train["frames"], N_REGIONS, seed)
    counts = np.bincount(region_of(train["frames"], centers), minlength=len(centers))
    for windows in (train, held_out):
        windows["weights"] = frame_weights(windows["frames"], centers, counts, exponent)


def fit_frame_density(network, train, held_out, settings, checkpoint_folder=None, progress=True):
    """Train the part of a `TrajBertNetwork`'s density that sees the frame alone, and keep it as it then is.

    Parameters
    ----------
    network : TrajBertNetwork
        Its `step_scale` is set.
    train, held_out : dict
        ``frames`` (n_windows, n_frames, n_dim), standardised, and their ``weights`` (n_windows, n_frames) where they
        have some.
    settings : TrainingSettings
        Of the whole network: the frame density has twice the steps, on many frames each.
    checkpoint_folder : path-like, optional
    progress : bool

    Returns
    -------
    history : list of dict
        As of `train_network`.
    """
    settings = settings_of_frames(settings, train["frames"][:, 1:, 0].size)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        network.frame_head.of_frame.place(torch.from_numpy(train["frames"]).flatten(0, 1))
    density = DensityOfFrames(network)
    n_draws = min(MOST_DRAWS, settings.max_steps * settings.batch_size)
    history = train_network(
        density,
        draw_frames(train, n_draws, settings.seed),
        draw_frames(held_out, n_draws // 10 + 1, settings.seed),
        settings,
        checkpoint_folder,
        progress,
        mean_nats_of_frames,
    )
    density.of_frame.requires_grad_(False)
    return history


def settings_of_frames(settings, n_frames, most_at_once=FRAMES_AT_ONCE):
    """Settings of training on frames alone: twice the steps of the whole network, on many frames each."""
    return replace(
        settings,
        max_steps=2 * settings.max_steps,
        evaluate_every_steps=max(1, settings.max_steps // 5),
        learning_rate=3e-3,
        batch_size=int(np.clip(n_frames // 20, 16, most_at_once)),
    )


class DensityOfFrames(nn.Module):
    """Nats per frame of the density given the frame alone, as a network by itself."""

    def __init__(self, network):
        super().__init__()
        self.of_frame = network.frame_head.of_frame
        self.n_components, self.n_dim = network.config.n_components, network.config.n_dim
        self.register_buffer("step_scale", network.step_scale.clone())

    def forward(self, frames, displacements):
        density = MixtureDensity(self.of_frame(frames), self.n_components, self.n_dim, self.step_scale)
        return {"loss": -density.log_prob(displacements).mean()}


def draw_frames(windows, n_draws, seed):
    """Frames (n_draws, n_dim) drawn with replacement by their weights, and the displacements after them."""
    frames = windows["frames"]
    before, displacements = (
        frames[:, :-1].reshape(-1, frames.shape[-1]),
        np.diff(frames, axis=1).reshape(-1, frames.shape[-1]),
    )
    weights = windows["weights"][:, :-1].ravel() if "weights" in windows else np.ones(len(before))
    until = np.cumsum(weights, dtype=float)
    drawn = np.searchsorted(until, until[-1] * np.random.default_rng(seed).random(n_draws), side="right")
    return {"frames": before[drawn], "displacements": displacements[drawn]}


@torch.inference_mode()
def mean_nats_of_frames(density, dataset):
    """Mean nats over a `WindowDataset` of drawn frames."""
    device, total = next(density.parameters()).device, 0.0
    for start in range(0, len(dataset), FRAMES_AT_ONCE):
        batch = {name: array.to(device) for name, array in dataset[slice(start, start + FRAMES_AT_ONCE)].items()}
        total += density(**batch)["loss"].item() * len(batch["frames"])
    return total / len(dataset)


@torch.inference_mode()
def choose_past_share(network, held_out, batch_size=32):
    """The share of the past's correction that held-out trajectories bear out, see `least_share`.

    Parameters
    ----------
    network : TrajBertNetwork
    held_out : dict
        ``frames`` (n_windows, n_frames, n_dim), standardised, and their ``weights`` where they have some.

    Returns
    -------
    float
    """
    network.eval()
    losses = np.empty((len(held_out["frames"]), len(SHARES)))
    for start in range(0, len(losses), batch_size):
        rows = slice(start, start + batch_size)
        frames = torch.from_numpy(held_out["frames"][rows]).to(network.device)
        weights = (
            torch.from_numpy(held_out["weights"][rows]).to(network.device)
            if "weights" in held_out
            else torch.ones_like(frames[..., 0])
        )
        embeddings = network.embed(frames)
        for column, share in enumerate(SHARES):
            density = network.density(network.frame_head(embeddings, frames, share)[:, :-1])
            nats = -density.log_prob(frames[:, 1:] - frames[:, :-1])  # (B, n_frames - 1)
            losses[rows, column] = (nats * weights[:, :-1]).mean(dim=1).cpu()
    return least_share(losses)


@torch.inference_mode()
def mean_loss(network, dataset, batch_size=32):
    """Mean loss over a `WindowDataset`, by which the best weights are chosen: of the next frame where that is learnt.

    The cross-entropy of some hundred trajectories hangs on the few that cross; chosen by it, a model was taken from the
    first hundred steps, and its slowest timescale was three times too fast.
    """
    was_training = network.training
    network.eval()
    total = 0.0
    for start in range(0, len(dataset), batch_size):
        batch = dataset[slice(start, start + batch_size)]
        frames, labels, weights = (
            batch[name].to(network.device) if name in batch else None for name in ("frames", "labels", "weights")
        )
        outputs = network(frames, labels, weights)
        loss = network.frame_loss(frames, outputs.next_frame, weights) if network.config.gamma else outputs.loss
        total += loss.item() * len(labels)
    network.train(was_training)
    return total / len(dataset)
