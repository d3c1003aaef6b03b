"""The density of the next frame: mixtures of Gaussians, given the frame alone and given its past as well."""

import math

import torch
from torch import nn
from torch.nn import functional as F

_WIDEST = 2.0  # logarithm of the widest component's deviation, in units of the displacements' own
_WIDTH = 64  # of hidden layers; wider ones follow the noise of the few frames of a transition


class DensityHead(nn.Module):
    """Parameters of the density of the next frame: those given the frame alone, and what the past adds to them.

    A network that reads frame and past alike remembers which side a trajectory came from and holds it there: few
    transitions are in the data, each is a row of frames alike, and near the saddle of Müller-Brown the drift was 0.03
    of a step's spread off, backwards, from either side; the slowest relaxation took 1.6 times as long. So the density
    given the frame alone is learnt first and kept, and of the correction by the past as much is believed as held-out
    trajectories bear out (`past_share` of the configuration).
    """

    def __init__(self, config):
        super().__init__()
        n_outputs = MixtureDensity.n_outputs(config.n_components, config.n_dim)
        self.of_frame = FrameDensity(config.n_dim, n_outputs)
        self.enter = nn.Linear(config.hidden_size + config.n_dim, _WIDTH)
        self.leave = nn.Linear(_WIDTH, n_outputs)
        self.enter.initial_std, self.leave.initial_std = self.enter.in_features**-0.5, 0.0

    def forward(self, embeddings, frames, past_share):
        outputs = self.of_frame(frames)
        if past_share == 0:
            return outputs
        return outputs + past_share * self.leave(F.gelu(self.enter(torch.cat([embeddings, frames], dim=-1))))


class FrameDensity(nn.Module):
    """Parameters of the density of the next frame given the frame alone."""

    _STEEPNESS = 1.5  # deviation of the first weights, for standardised frames

    def __init__(self, n_dim, n_outputs):
        super().__init__()
        self.enter = nn.Linear(n_dim, _WIDTH)
        self.deepen = nn.Linear(_WIDTH, _WIDTH)
        self.leave = nn.Linear(_WIDTH, n_outputs)
        self.enter.initial_std, self.deepen.initial_std = self._STEEPNESS, _WIDTH**-0.5

    @torch.no_grad()
    def place(self, frames):
        """Put the turning point of each hidden unit on one of `frames` (n_frames, n_dim), drawn at random."""
        chosen = frames[torch.randint(len(frames), (_WIDTH,))]
        self.enter.bias.copy_(-(self.enter.weight * chosen).sum(dim=1))

    def forward(self, frames):
        return self.leave(F.gelu(self.deepen(F.gelu(self.enter(frames)))))


class MixtureDensity:
    """Mixture of Gaussians with full covariances, from the outputs of a head (Bishop, Mixture Density Networks, 1994).

    Parameters
    ----------
    outputs : Tensor, shape (..., n_outputs)
    n_components, n_dim : int
    scale : Tensor, shape (n_dim,)
        Unit of the displacements, so that outputs of order one are right at the start.
    """

    def __init__(self, outputs, n_components, n_dim, scale):
        K, d = n_components, n_dim
        weights, means, scales, skews = outputs.float().split([K, K * d, K * d, K * d * (d - 1) // 2], dim=-1)
        self.log_weights = F.log_softmax(weights, dim=-1)  # (..., K)
        self.means = means.unflatten(-1, (K, d))
        # the density is z = L (u - mean) standard normal, L lower triangular: a precision's Cholesky factor; a
        # component that is hardly ever chosen is hardly trained, and must not throw a chain to where no frame ever was
        self.log_diagonal = -scales.unflatten(-1, (K, d)).clamp(-7.0, _WIDEST)
        self.skews = skews.unflatten(-1, (K, d * (d - 1) // 2))
        self.scale = scale

    @staticmethod
    def n_outputs(n_components, n_dim):
        """Outputs that a head needs."""
        return n_components * (1 + 2 * n_dim + n_dim * (n_dim - 1) // 2)

    def _factor(self):
        d = self.means.shape[-1]
        factor = torch.diag_embed(self.log_diagonal.exp())
        below = torch.tril_indices(d, d, -1)
        factor[..., below[0], below[1]] = self.skews
        return factor  # (..., K, d, d)

    def log_prob(self, displacements):
        """Log-density of displacements (..., n_dim), shape (...)."""
        u = displacements / self.scale
        z = torch.einsum("...ij,...j->...i", self._factor(), u[..., None, :] - self.means)
        d = u.shape[-1]
        log_gauss = -0.5 * z.square().sum(-1) + self.log_diagonal.sum(-1) - 0.5 * d * math.log(2 * math.pi)
        return torch.logsumexp(self.log_weights + log_gauss, dim=-1) - self.scale.log().sum()

    def mean(self):
        """Expected displacement, shape (..., n_dim)."""
        return (self.log_weights.exp()[..., None] * self.means).sum(-2) * self.scale

    def sample(self, uniform, normal):
        """Displacements for uniform numbers (...) and normal ones (..., n_dim)."""
        cumulative = self.log_weights.exp().cumsum(-1)
        chosen = (cumulative <= uniform[..., None] * cumulative[..., -1:]).sum(-1, keepdim=True)
        chosen = chosen.clamp(max=cumulative.shape[-1] - 1)[..., None]  # (..., 1, 1)
        means = self.means.take_along_dim(chosen, dim=-2)[..., 0, :]
        factor = self._factor().take_along_dim(chosen[..., None], dim=-3)[..., 0, :, :]
        u = means + torch.linalg.solve_triangular(factor, normal[..., None], upper=False)[..., 0]
        return u * self.scale


def init_weights(module, std):
    """Weights of one module at the start: normal, as wide as its ``initial_std`` says or `std`; biases 0, norms 1."""
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, std=getattr(module, "initial_std", std))
        if getattr(module, "bias", None) is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.LayerNorm):
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)
