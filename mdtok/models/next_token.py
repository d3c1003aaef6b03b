"""What a model of dynamics says after many short pasts at once."""

import numpy as np
import torch
from torch.nn import functional as F

from mdtok.models.backoff import BackOffModel
from mdtok.models.neural import NeuralModel

_PASTS_AT_ONCE = 1024


def next_log_proba(model, pasts, lengths):
    """Log-probability of the token that follows each past, when the model reads nothing else.

    Parameters
    ----------
    model : DynamicsModel
        Fitted, of lag 1. Counted models and networks answer all pasts at once, others one by one.
    pasts : int array, shape (n_pasts, longest)
        One past a row; what stands behind its end is not read.
    lengths : int array, shape (n_pasts,)
        Tokens of each past, one at least.

    Returns
    -------
    ndarray of float, shape (n_pasts, n_states)

    Examples
    --------
    >>> from mdtok.models.backoff import OrderKModel
    >>> model = OrderKModel(order=2).fit([np.tile([0, 0, 1, 1], 100)])
    >>> np.exp(next_log_proba(model, np.array([[0, 0], [1, 0], [1, 1]]), np.array([2, 2, 1]))).round(1)
    array([[0. , 1. ],
           [1. , 0. ],
           [0.5, 0.5]])
    """
    if not len(pasts):
        return np.empty((0, model.n_states_))
    if isinstance(model, BackOffModel):
        memory = np.stack([model.memory_at(past[:n])[:, -1] for past, n in zip(pasts, lengths)], axis=1)
        return np.log(model.predict_states(memory))
    if isinstance(model, NeuralModel):
        batches = range(0, len(pasts), _PASTS_AT_ONCE)
        parts = [_after_read(model, pasts[i:i + _PASTS_AT_ONCE], lengths[i:i + _PASTS_AT_ONCE]) for i in batches]
    else:  # rows are those of observed tokens, so there must be one more
        parts = [model.predict_log_proba(np.append(past[:n], 0))[-1:] for past, n in zip(pasts, lengths)]
    return np.concatenate(parts)


@torch.inference_mode()
def _after_read(model, pasts, lengths):
    network = model.network_.eval()
    tokens = torch.from_numpy(pasts[:, :lengths.max()]).to(network.device)  # (B, T)
    hidden = network.read(network.token_embedding(tokens))  # (B, T, n_hidden); causal, so what is behind the end is not seen
    ends = torch.from_numpy(lengths - 1).to(network.device)
    rows, anchor = torch.arange(len(ends), device=network.device), None
    if model.anchor_ is not None:
        memory = model.anchor_.memory_of([past[:n] for past, n in zip(pasts, lengths)])
        anchor = torch.from_numpy(model.anchor_.log_proba_after(memory)).to(network.device)  # (B, n_basins)
    logits = network.distribution(network.speak(hidden[rows, ends]), tokens[rows, ends], anchor)  # (B, n_states)
    return F.log_softmax(logits.double(), dim=-1).cpu().numpy()
