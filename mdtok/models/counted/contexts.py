"""Counts of what followed a context, for many contexts at once: sorted arrays, found by searching, drawn by counting.

The contexts of one level refine those of the level before, so that they are numbered level by level and no number grows
beyond the frames that were counted, however deep the past.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse

UNKNOWN = -1  # a context that training did not show, or a past that is not there


@dataclass(frozen=True)
class ContextLevel:
    """Counts of what followed each context of one level, sparse and sorted.

    A context is known by its key, ``parent * width + refinement``, and numbered in the order of keys; a pair is
    ``context * n_followers + follower``. Arrays over contexts end in a zero, which is where UNKNOWN (-1) points.
    """

    keys: np.ndarray  # (n_contexts,)
    pairs: np.ndarray  # (n_pairs,)
    counts: np.ndarray  # (n_pairs,)
    width: int
    n_followers: int
    strength: float = np.inf

    @classmethod
    def count(cls, parents, refinements, width, targets, n_followers):
        """Count one level; also gives the context of each frame, for the next level to refine."""
        known = (parents != UNKNOWN) & (refinements != UNKNOWN)
        keys, nodes = _numbered(_joined(parents[known], refinements[known], width))
        pairs, counts = _counted(_joined(nodes, targets[known], n_followers))
        level = cls(keys, pairs, counts, int(width), int(n_followers))
        contexts = np.full(len(parents), UNKNOWN, dtype=np.int32)
        # What was seen once is not refined: every child would only repeat the same observation.
        contexts[known] = np.where(level.totals[nodes] > 1, nodes, UNKNOWN)
        return level, contexts

    def find(self, parents, refinements):
        """Number of each context, UNKNOWN where it is not stored."""
        wanted = np.where((parents != UNKNOWN) & (refinements != UNKNOWN), parents * self.width + refinements, UNKNOWN)
        position = np.searchsorted(self.keys, wanted)
        return np.where(self._keys_and_end[position] == wanted, position, UNKNOWN)

    @cached_property
    def _keys_and_end(self):
        return np.append(self.keys, np.iinfo(np.int64).max)

    @cached_property
    def totals(self):
        """Times that each context was seen, shape (n_contexts + 1,)."""
        totals = np.bincount(self.pairs // self.n_followers, weights=self.counts, minlength=len(self.keys) + 1)
        return totals.astype(np.int64)

    @cached_property
    def trust(self):
        """Weight of each context against the coarser one, N / (N + s), shape (n_contexts + 1,)."""
        return self.totals / (self.totals + self.strength)

    @cached_property
    def _cumulative(self):
        return np.cumsum(self.counts)

    @cached_property
    def _first(self):
        return np.concatenate([[0], np.cumsum(self.totals[:-1])])

    @cached_property
    def _table(self):
        ends = np.searchsorted(self.pairs, np.arange(len(self.keys) + 1) * self.n_followers)
        shape = (len(self.keys), self.n_followers)
        return scipy.sparse.csr_matrix((self.counts, self.pairs % self.n_followers, ends), shape=shape)

    def distributions(self, nodes):
        """Relative frequencies of followers, shape (n, n_followers); no node may be UNKNOWN."""
        return self._table[nodes].toarray() / self.totals[nodes, None]

    def share(self, nodes, targets):
        """Relative frequency of one follower of each context, shape (n,); 0 where the context is UNKNOWN."""
        wanted = np.where(nodes != UNKNOWN, nodes * self.n_followers + targets, UNKNOWN)
        position = np.searchsorted(self.pairs, wanted)
        seen = np.append(self.pairs, UNKNOWN - 1)[position] == wanted
        return np.where(seen, np.append(self.counts, 0)[position], 0) / np.maximum(self.totals[nodes], 1)

    def draw(self, nodes, uniform):
        """One follower of each context, as often as it was counted; no node may be UNKNOWN."""
        nth = self._first[nodes] + (uniform * self.totals[nodes]).astype(np.int64)
        return self.pairs[np.searchsorted(self._cumulative, nth, side="right")] % self.n_followers


def mix(probabilities, shares, totals, strengths):
    """Probability of what was observed: that of the coarsest level, mixed with each deeper one in turn."""
    for share, total, strength in zip(shares, totals, strengths):
        trust = total / (total + strength)
        probabilities = trust * share + (1 - trust) * probabilities
    return probabilities


def _joined(parents, refinements, width):
    """``parents * width + refinements`` in int64: the product may not fit into int32."""
    joined = parents.astype(np.int64)
    joined *= width
    joined += refinements
    return joined


def _counted(values):
    """What `np.unique` gives with counts; without sorting where the values are small, as most are."""
    if not len(values) or values.max() >= len(values):
        return np.unique(values, return_counts=True)
    counts = np.bincount(values)
    found = np.flatnonzero(counts)
    return found, counts[found]


def _numbered(values):
    """What `np.unique` gives with inverse, as int32; without sorting where the values are small, as most are."""
    if not len(values) or values.max() >= len(values):
        found, inverse = np.unique(values, return_inverse=True)
        return found, inverse.astype(np.int32)
    seen = np.bincount(values) > 0
    number = (np.cumsum(seen) - 1).astype(np.int32)
    return np.flatnonzero(seen), number[values]
