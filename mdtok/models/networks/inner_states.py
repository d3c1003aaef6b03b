"""What a fitted network of tokens keeps of the past: its hidden states, and the embeddings of its tokens."""

from __future__ import annotations

import numpy as np
import torch

from mdtok.models.networks.neural import NeuralModel
from mdtok.models.networks.windows import score_windows
from mdtok.tokens.dtrajs import as_dtrajs

_WINDOWS_AT_ONCE = 256


@torch.inference_mode()
def hidden_states(model: NeuralModel, dtraj: np.ndarray) -> np.ndarray:
    """Output of the last layer at every frame, which the next token is predicted from.

    Parameters
    ----------
    model : NeuralModel
        Fitted.
    dtraj : int array, shape (n_frames,)

    Returns
    -------
    ndarray of float32, shape (n_frames, n_hidden)
        In windows that overlap by half, as in `predict_log_proba`: from more than ``n_positions // 2`` tokens of past.

    Examples
    --------
    >>> from mdtok.models import NanoGPT
    >>> cycle = np.arange(400) % 3
    >>> model = NanoGPT.from_preset("tiny", max_steps=2, evaluate_every_steps=2, progress=False).fit([cycle])
    >>> hidden_states(model, cycle[:50]).shape[0]
    50
    """
    model.require_fitted()
    (dtraj,) = as_dtrajs([dtraj], model.n_states_)
    network = model.network_.eval()
    inputs, labels = score_windows(np.append(dtraj, 0), model.network.n_positions)  # the last frame counts too
    parts = []
    for start in range(0, len(inputs), _WINDOWS_AT_ONCE):
        rows = slice(start, start + _WINDOWS_AT_ONCE)
        tokens = torch.from_numpy(inputs[rows]).to(network.device)  # (B, T)
        hidden = network.hidden_states(network.token_embedding(tokens))  # (B, T, n_hidden)
        parts.append(hidden[torch.from_numpy(labels[rows] >= 0).to(network.device)].cpu().numpy())
    return np.concatenate(parts)


@torch.inference_mode()
def token_embeddings(model: NeuralModel) -> np.ndarray:
    """The embedding of each token, float32, shape (n_states, n_hidden)."""
    model.require_fitted()
    return model.network_.token_embedding.weight[: model.n_states_].detach().cpu().numpy()
