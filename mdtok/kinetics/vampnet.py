"""VAMPnets: collective variables by a network that is trained on the VAMP-2 score, deeptime's own."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdtok.errors import DataError
from mdtok.features.arrays import as_features
from mdtok.kinetics.estimation.estimators import check_lagtime
from mdtok.progress import tracked

_MOST_PAIRS = 50_000  # an epoch of more tells a small network little more
_N_HIDDEN = 32


@dataclass
class VampNet:
    """What `fit_vampnet` gives.

    Attributes
    ----------
    network : torch.nn.Module
        From standardised features to the CVs.
    mean, scale : ndarray, shape (n_features,)
        Of the training frames.
    scores : list of float
        VAMP-2 of the training batches, an epoch each.
    """

    network: Any
    mean: np.ndarray
    scale: np.ndarray
    scores: list

    def transform(self, features: np.ndarray) -> np.ndarray:
        """CVs of frames, shape (n_frames, n_dim)."""
        import torch

        (features,) = as_features(features, len(self.mean))
        with torch.inference_mode():
            inputs = torch.from_numpy(((features - self.mean) / self.scale).astype(np.float32))
            return self.network(inputs).numpy().astype(float)


def fit_vampnet(
    features: list[np.ndarray],
    lagtime: int,
    n_dim: int,
    seed: int = 0,
    n_epochs: int = 20,
    batch_size: int = 2000,
    learning_rate: float = 3e-3,
    progress: bool = True,
) -> VampNet:
    """Train a network of two hidden layers, so that its outputs have the largest VAMP-2 score.

    Parameters
    ----------
    features : list of arrays, shape (n_frames, n_features) each
        Training trajectories; angles as cosine and sine.
    lagtime : int
        In frames.
    n_dim : int
        CVs.
    seed : int
        Of the first weights and the batches.
    n_epochs, batch_size : int
    learning_rate : float
    progress : bool

    Returns
    -------
    VampNet

    Raises
    ------
    DataError
        A column is constant, or a trajectory is not longer than the lag.

    References
    ----------
    A. Mardt, L. Pasquali, H. Wu, F. Noé, Nat. Commun. 9, 5 (2018).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> wells = np.cumsum(rng.random(4000) < 0.01) % 2                      # hops between two wells
    >>> frames = np.column_stack([wells + rng.normal(0, 0.2, 4000), rng.normal(size=4000)])
    >>> cv = fit_vampnet([frames], lagtime=5, n_dim=1, n_epochs=5, progress=False).transform(frames)[:, 0]
    >>> bool(abs(np.corrcoef(cv, wells)[0, 1]) > 0.9)
    True
    """
    import torch
    from deeptime.decomposition.deep import vampnet_loss

    features = as_features(features)
    check_lagtime(features, lagtime)
    frames = np.concatenate(features)
    mean, scale = frames.mean(axis=0, dtype=float), frames.std(axis=0, dtype=float)
    still = np.flatnonzero(scale <= 1e-7 * np.maximum(np.abs(mean), 1e-30))
    if len(still):
        raise DataError(f"Column {still[0]} of the features is constant and tells nothing; leave it out.")
    before, after = (np.concatenate([x[cut] for x in features]) for cut in (np.s_[:-lagtime], np.s_[lagtime:]))
    pairs = torch.from_numpy(
        ((np.stack([before, after], axis=1) - mean) / scale).astype(np.float32)
    )  # (n, 2, n_features)
    scores = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _network(len(mean), n_dim)
        steps = torch.optim.Adam(network.parameters(), lr=learning_rate)
        for _ in tracked(range(n_epochs), desc="VAMPnet", unit="epoch", delay=2, disable=not progress):
            drawn = torch.randperm(len(pairs))[:_MOST_PAIRS]
            batches = [part for part in drawn.split(batch_size) if len(part) > 10 * n_dim] or [drawn]
            epoch = []
            for part in batches:
                batch = pairs[part]
                loss = vampnet_loss(network(batch[:, 0]), network(batch[:, 1]), method="VAMP2", mode="trunc")
                steps.zero_grad()
                loss.backward()
                steps.step()
                epoch.append(-float(loss.detach()))
            scores.append(float(np.mean(epoch)))
    return VampNet(network.eval(), mean, scale, scores)


def _network(n_features, n_dim):
    from torch import nn

    sizes = (n_features, _N_HIDDEN, _N_HIDDEN, n_dim)
    layers = [layer for a, b in itertools.pairwise(sizes) for layer in (nn.Linear(a, b), nn.ELU())]
    return nn.Sequential(*layers[:-1])
