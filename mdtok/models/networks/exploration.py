"""Sampling that looks for states rather than for rates: temperature, the likeliest states.

None of it is kinetic: each changes the probability of every transition, so that populations, timescales and passage
times of what is generated are those of no system. `sample` never does any of it; `explore` does.
"""

from dataclasses import dataclass

import torch

from mdtok.checks import require_positive, require_whole_number
from mdtok.errors import SettingsError


@dataclass(frozen=True)
class Exploration:
    """A change of the probabilities that tokens are drawn with.

    Attributes
    ----------
    temperature : float
        Log-probabilities are divided by it: above 1 rare transitions happen more often, below 1 less.
    top_k : int, optional
        Only the k likeliest next states can follow.
    top_p : float, optional
        Only the fewest likeliest next states that hold this share of the probability can follow.

    Raises
    ------
    SettingsError
        A number out of range.

    References
    ----------
    Fan, Lewis, Dauphin, ACL 2018 (top k); Holtzman, Buys, Du, Forbes, Choi, ICLR 2020 (top p).

    Examples
    --------
    >>> logits = torch.log(torch.tensor([[0.6, 0.3, 0.1]]))
    >>> Exploration(top_p=0.5)(logits).softmax(-1).tolist()
    [[1.0, 0.0, 0.0]]
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self):
        require_positive("temperature", self.temperature)
        if self.top_k is not None:
            require_whole_number("top_k", self.top_k, 1)
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise SettingsError(f"top_p is {self.top_p}; a number above 0, and at most 1, was expected.")

    def __call__(self, logits):
        """Changed logits, shape (B, n_states); -inf where a state cannot follow."""
        logits = logits / self.temperature
        if self.top_k is not None and self.top_k < logits.shape[-1]:
            least = logits.topk(int(self.top_k), dim=-1).values[:, -1:]
            logits = logits.masked_fill(logits < least, -torch.inf)
        if self.top_p is not None:
            ordered, order = logits.sort(dim=-1, descending=True)
            before = ordered.softmax(dim=-1).cumsum(dim=-1) - ordered.softmax(dim=-1)  # held by likelier states
            outside = torch.zeros_like(before, dtype=torch.bool).scatter(-1, order, before >= self.top_p)
            logits = logits.masked_fill(outside, -torch.inf)
        return logits
