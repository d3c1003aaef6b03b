"""The density given the frame alone, and how much of the past is believed: processes whose memory is known."""

import numpy as np
import pytest
import torch

from mdtok.models import TrajBert
from mdtok.models.coordinates.density_training import draw_frames
from mdtok.models.coordinates.trajbert_network import TrajBertConfig, TrajBertNetwork

SETTINGS = dict(
    hidden_size=16,
    n_layer=2,
    n_head=2,
    intermediate_size=32,
    n_positions=64,
    window=20,
    progress=False,
    batch_size=32,
    max_steps=300,
    evaluate_every_steps=100,
    learning_rate=5e-3,
    warmup_steps=10,
)
NOISE = 0.3


def walks(n_trajectories, memory, seed, n_frames=41):
    """x(t+1) = 0.9 x(t) + memory (x(t) - x(t-1)) + noise, one coordinate; Markovian with no memory."""
    rng = np.random.default_rng(seed)
    x = NOISE * rng.standard_normal((n_trajectories, n_frames + 20, 1))
    for t in range(2, x.shape[1]):
        x[:, t] += 0.9 * x[:, t - 1] + memory * (x[:, t - 1] - x[:, t - 2])
    return list(x[:, 20:])


def nats(model, trajectories):
    """Log-density a frame, once there is a past."""
    return np.mean([model.log_density(x)[5:].mean() for x in trajectories])


def test_the_past_is_believed_where_there_is_memory():
    model = TrajBert(**SETTINGS).fit(walks(300, 0.8, seed=1))
    assert model.past_share_ == 1.0
    fresh = walks(50, 0.8, seed=2)
    learnt, exact = nats(model, fresh), -0.5 * np.log(2 * np.pi * np.e * NOISE**2)
    model.network_.config.past_share = 0.0
    alone = nats(model, fresh)
    assert alone < exact - 0.4  # the velocity is not in the frame
    assert alone + 0.2 < learnt < exact + 0.07  # three deviations of the sample's own nats


def test_of_a_past_that_tells_nothing_nothing_is_believed():
    model = TrajBert(**SETTINGS).fit(walks(100, 0.0, seed=1))
    assert model.past_share_ == 0.0
    x = walks(1, 0.0, seed=3)[0]
    other = x.copy()
    other[:-2] += 1.0
    assert np.array_equal(model.log_density(other)[-1:], model.log_density(x)[-1:])
    # generation does not need the encoder then, and does not ask it
    model.network_.encoder = None
    assert model.sample([x], 5, seed=1)[0].shape == (5, 1)


def test_the_share_is_kept_with_the_model(tmp_path):
    model = TrajBert(**{**SETTINGS, "max_steps": 3}).fit(walks(10, 0.8, seed=1))
    model.network_.config.past_share = 0.25
    model.save(tmp_path)
    again = TrajBert.load(tmp_path)
    assert again.past_share_ == again.network_.config.past_share == 0.25
    assert again.train_seconds_ == model.train_seconds_


def test_the_correction_starts_at_zero_and_counts_by_its_share():
    network, generator = (
        TrajBertNetwork(TrajBertConfig(hidden_size=8, n_head=2, n_components=2)),
        torch.Generator().manual_seed(0),
    )
    head = network.frame_head
    embeddings, frames = torch.randn(5, 8, generator=generator), torch.randn(5, 2, generator=generator)
    alone = head(None, frames, 0.0)
    assert torch.equal(head(embeddings, frames, 1.0), alone)
    torch.nn.init.normal_(head.leave.weight, generator=generator)
    full, half = head(embeddings, frames, 1.0), head(embeddings, frames, 0.5)
    assert not torch.allclose(full, alone)
    assert torch.allclose(half - alone, (full - alone) / 2, atol=1e-5)


def test_frames_are_drawn_in_proportion_to_their_weights():
    frames = np.arange(8, dtype=np.float32).reshape(2, 4, 1) ** 2
    weights = np.array([[1, 0, 2, 9], [0, 1, 0, 9]], dtype=np.float32)  # the last frame of a window has no next one
    drawn = draw_frames({"frames": frames, "weights": weights}, 40_000, seed=0)
    values, counts = np.unique(drawn["frames"], return_counts=True)
    assert values.tolist() == [0, 4, 25]
    assert counts / 40_000 == pytest.approx([0.25, 0.5, 0.25], abs=0.01)  # four deviations
    assert np.array_equal(np.sqrt(drawn["frames"] + drawn["displacements"]), np.sqrt(drawn["frames"]) + 1)
