"""A density on angles and reals together: mixtures whose components are products of von Mises and Gaussian densities.

Within a component the place of a column may shift with where the columns before it came to lie, so that angles that
move together need not be pieced together of many components; each factor stays normalised, and so does the whole.
"""

import math

import numpy as np
import torch
from torch.nn import functional as F

from mdtok.models.dynamics import draw

_NARROWEST, _WIDEST = -7.0, 2.0  # logarithm of a component's deviation, in units of the displacements' own


def wrap(angles):
    """Angles in radians, arrays or tensors, into [-π, π).

    Examples
    --------
    >>> wrap(np.array([0.0, 4.0, -np.pi])).round(3)
    array([ 0.   , -2.283, -3.142])
    """
    return (angles + math.pi) % (2 * math.pi) - math.pi


class TorusMixture:
    """Mixture of densities of a displacement, from the outputs of a head.

    Component k has the weight ``w_k`` and the density ``prod_j f_j(x_j)``. For a real column ``f_j`` is a Gaussian, for
    an angle a von Mises density ``exp(κ cos(x_j - μ_j)) / (2π I_0(κ))`` with ``κ = 1 / σ_j^2``. Its place is
    ``μ_j = m_j + s_j sum_{i<j} L_ji e_i``, where ``e_i`` is how far column i lies from its ``m_i`` (the sine of that
    for an angle) in units of its scale ``s_i``.

    Parameters
    ----------
    outputs : Tensor, shape (..., n_outputs)
    n_components : int
    is_angle : sequence of bool, length n_dim
    scale : Tensor, shape (n_dim,)
        Unit of the displacements, so that outputs of order one are right at the start.

    References
    ----------
    C. M. Bishop, Mixture density networks (1994), also with von Mises components (section on periodic variables in his
    Pattern Recognition and Machine Learning, 2.3.8); K. V. Mardia et al., Biometrics 63, 505 (2007), on dihedrals.

    Examples
    --------
    >>> outputs = torch.zeros(TorusMixture.n_outputs(1, 1))  # one component, one angle: κ is 1 where the scale is 1
    >>> mixture = TorusMixture(outputs, 1, [True], torch.ones(1))
    >>> round(float(mixture.log_prob(torch.zeros(1)).exp()), 4)  # e / (2π I_0(1))
    0.3417
    """

    def __init__(self, outputs, n_components, is_angle, scale):
        K, d = n_components, len(is_angle)
        weights, means, widths, skews = outputs.float().split([K, K * d, K * d, K * d * (d - 1) // 2], dim=-1)
        self.is_angle = [bool(one) for one in is_angle]
        self.angles = [j for j, one in enumerate(self.is_angle) if one]
        self.reals = [j for j, one in enumerate(self.is_angle) if not one]
        self.scale = scale
        self.log_weights = F.log_softmax(weights, dim=-1)  # (..., K)
        self.means = means.unflatten(-1, (K, d))
        self.log_widths = widths.unflatten(-1, (K, d)).clamp(_NARROWEST, _WIDEST)
        self.skews = skews.unflatten(-1, (K, d * (d - 1) // 2))

    @staticmethod
    def n_outputs(n_components, n_dim):
        """Outputs that a head needs."""
        return n_components * (1 + 2 * n_dim + n_dim * (n_dim - 1) // 2)

    def _factor(self):
        d = len(self.is_angle)
        factor = self.skews.new_zeros(*self.skews.shape[:-1], d, d)
        below = torch.tril_indices(d, d, -1)
        factor[..., below[0], below[1]] = self.skews
        return factor  # (..., K, d, d)

    def log_prob(self, displacements):
        """Log-density of displacements (..., n_dim), in radians for angles: shape (...)."""
        off = displacements[..., None, :] / self.scale - self.means  # (..., K, d)
        if len(self.is_angle) > 1:
            lying = off
            if self.angles:
                turned = torch.sin(off * self.scale) / self.scale
                lying = torch.where(torch.tensor(self.is_angle, device=off.device), turned, off)
            off = off - torch.einsum("...ij,...j->...i", self._factor(), lying)
        total = self.log_weights
        if self.reals:
            log_widths = self.log_widths[..., self.reals]
            z = off[..., self.reals] * torch.exp(-log_widths)
            log_gauss = -0.5 * z.square() - log_widths - self.scale[self.reals].log() - 0.5 * math.log(2 * math.pi)
            total = total + log_gauss.sum(dim=-1)
        if self.angles:
            scale = self.scale[self.angles]
            kappa = torch.exp(-2 * self.log_widths[..., self.angles]) / scale.square()
            half = torch.sin(0.5 * off[..., self.angles] * scale)  # κ cos x - κ, without loss of digits
            log_mises = -2 * kappa * half.square() - torch.special.i0e(kappa).log() - math.log(2 * math.pi)
            total = total + log_mises.sum(dim=-1)
        return torch.logsumexp(total, dim=-1)

    def sample(self, rng):
        """Draw one displacement for each row of outputs, shape (n_rows, n_outputs).

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of float, shape (n_rows, n_dim)
        """
        weights, scale = self.log_weights.double().exp().cpu().numpy(), self.scale.double().cpu().numpy()
        n_rows, d = len(weights), len(self.is_angle)
        rows = np.arange(n_rows), draw(weights, rng)
        means, widths, skews = (
            part.double().cpu().numpy()[rows] for part in (self.means, self.log_widths.exp(), self.skews)
        )
        drawn, lying = np.empty((n_rows, d)), np.empty((n_rows, d))
        for j in range(d):
            before = skews[:, j * (j - 1) // 2 : j * (j + 1) // 2]
            place = means[:, j] + (before * lying[:, :j]).sum(axis=1)  # in units of the scale
            if self.is_angle[j]:
                drawn[:, j] = place * scale[j] + rng.vonmises(0.0, (widths[:, j] * scale[j]) ** -2)
                lying[:, j] = np.sin(drawn[:, j] - means[:, j] * scale[j]) / scale[j]
            else:
                drawn[:, j] = scale[j] * (place + widths[:, j] * rng.standard_normal(n_rows))
                lying[:, j] = drawn[:, j] / scale[j] - means[:, j]
        return drawn
