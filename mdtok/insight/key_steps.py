"""Key steps: frames that get far more attention than their place explains, found against shuffled input.

That a frame stands out on an attention map proves little: the first frame of a window, or the last, draws attention
whatever it holds, and of thousands of frames in hundreds of heads some stand out by chance. The same model therefore
looks at the same frames in random order. This tells three things apart:

- what a *place* gets, whichever frame stands there: the mean over the orders, taken off;
- what a frame gets because of its *content*, wherever it is put;
- what a frame gets because of its place in the *order of time*, and loses when the order is lost.

Only the last two make a key step, each at its own error rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mdtok.errors import DataError, SettingsError
from mdtok.insight.attention import check_attention, uniform_attention, visible_frames
from mdtok.progress import tracked

CONTENT, ORDER, BOTH = "content", "order", "content and order"
_ORDER_SHARE = 0.8  # of the error rate: the test of order costs runs of the model, the test of content does not
_N_RELABELLINGS = 200
SIGNIFICANT = 0.05


def received_attention(attention: np.ndarray, visible: np.ndarray | None = None) -> np.ndarray:
    """Attention that a frame gets, over what it would get if all queries looked evenly: 1 is neither much nor little.

    ``R_k = Σ_q A[q, k] / Σ_q U[q, k]`` with U uniform over what a query may see. The denominator corrects for masks:
    under a causal one, early frames are seen by many queries, and those look at few frames.

    Parameters
    ----------
    attention : array of float, shape (..., n_frames, n_frames)
    visible : array of bool, shape (n_frames, n_frames), optional
        Which frames a query may see; read off the attention if not given.

    Returns
    -------
    ndarray of float, shape (..., n_frames)

    Examples
    --------
    >>> received_attention(uniform_attention(np.tri(4, dtype=bool)))
    array([1., 1., 1., 1.])
    >>> received_attention([[0.0, 1.0, 0.0]] * 3, visible=np.ones((3, 3), dtype=bool))
    array([0., 3., 0.])
    """
    attention = check_attention(attention)
    visible = visible_frames(attention) if visible is None else np.asarray(visible)
    return attention.sum(axis=-2, dtype=np.float64) / uniform_attention(visible).sum(axis=0)


@dataclass
class KeySteps:
    """Key steps of one trajectory (see `find_key_steps`).

    Attributes
    ----------
    frames : ndarray of int, shape (n_key_steps,)
    p_values : ndarray of float, shape (n_key_steps,)
        Adjusted for all frames and heads and for both tests: below the error rate.
    origins : list of str
        "content", "order" or "content and order": what the attention hangs on.
    heads : list of list of (layer, head)
        The heads in which each of them is one.
    excess : ndarray of float, shape (n_layers, n_heads, n_frames)
        Attention in the true order beyond what the place gets, see `find_key_steps`; 0 for frames that are no
        candidates.
    kept_excess : ndarray of float, shape (n_layers, n_heads, n_frames)
        Mean excess of each frame over the shuffled inputs, wherever it was put.
    threshold : float
        Excess that a frame needs to be beyond by the test of order.
    content_threshold : float
        Kept excess that a frame needs to be beyond by the test of content.
    expected_by_chance : float
        Key steps that the same rule finds in the control, a trajectory.
    error_rate, least_excess, n_shuffles, seed
        As given.
    """

    frames: np.ndarray
    p_values: np.ndarray
    origins: list
    heads: list
    excess: np.ndarray
    kept_excess: np.ndarray
    threshold: float
    content_threshold: float
    expected_by_chance: float
    error_rate: float
    least_excess: float
    n_shuffles: int
    seed: int

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def runs(self) -> list[tuple[int, int]]:
        """Key steps that follow one another without a gap, as (first, last) frames."""
        runs = np.split(self.frames, np.flatnonzero(np.diff(self.frames) > 1) + 1)
        return [(int(run[0]), int(run[-1])) for run in runs if len(run)]

    @property
    def largest_excess(self) -> np.ndarray:
        """Excess of each frame in the head where it is largest, shape (n_frames,)."""
        return self.excess.max(axis=(0, 1))

    def to_dict(self) -> dict:
        """The steps with their p-values, origins and heads, and the rule that found them."""
        return {name: value for name, value in vars(self).items() if name not in ("excess", "kept_excess")}


def find_key_steps(
    model: Any,
    trajectory: np.ndarray,
    n_shuffles: int = 25,
    seed: int = 0,
    *,
    error_rate: float = 0.05,
    least_excess: float = 2.0,
    min_queries: int = 10,
    progress: bool = True,
) -> KeySteps:
    """Frames that get far more attention than their place explains, at a stated family-wise error rate.

    With ``R`` the `received_attention` of every head, and ``P_k`` its mean at place k over the true and all shuffled
    orders, the excess is ``(R_k - P_k) / max(P_k, 1)``: 2 means three times what the place gets, or as much beyond
    uniform attention where the place gets less than that. A key step has an excess of at least `least_excess` in the
    true order, and passes one of two tests, each by the maximum over all frames and heads, so that its p-value is
    adjusted for all of them:

    order
        Its excess is beyond the largest that *any* frame gets in *any* head when the frames are shuffled. Exact where
        the order does not matter, for then the true order is one of many alike. It is given 4/5 of the error rate.
    content
        Its mean excess over the shuffled inputs, wherever the frame was put, is at least `least_excess` and beyond the
        largest of the same mean when frames are relabelled at random within each shuffled input. Exact where attention
        does not depend on which frame stands in a place. It is given 1/5 of the error rate.

    Where attention depends on the place alone both hold, and any key step at all is found with a probability of at most
    `error_rate`.

    Parameters
    ----------
    model : object with ``attentions(trajectory)``, or callable
        Gives attention weights (n_layers, n_heads, n_frames, n_frames).
    trajectory : array, shape (n_frames, n_dim) or (n_frames,)
    n_shuffles : int
        Random orders that the model looks at; at least 25 at an error rate of 5 %.
    seed : int
    error_rate : float
        Probability of any false key step in this trajectory.
    least_excess : float
        What "far more" is.
    min_queries : int
        Frames that fewer queries may see are no candidates (the last ones of a causal window): their mean is of too
        few.
    progress : bool

    Returns
    -------
    KeySteps

    Raises
    ------
    DataError
        Frames that are not numbers, no attention weights, or no frame that enough queries see.
    SettingsError
        Too few shuffles for the error rate, or a number out of range.

    References
    ----------
    P. H. Westfall, S. S. Young, Resampling-based multiple testing (1993): the maximum statistic.

    Examples
    --------
    >>> def outliers_draw(x):                              # attention by content: frames above 3 draw it
    ...     weights = np.exp(4.0 * (x[:, 0] > 3))
    ...     return np.tile(weights / weights.sum(), (1, 2, len(x), 1))
    >>> x = np.random.default_rng(7).normal(size=(100, 1)).clip(-2, 2)
    >>> x[40] = 4.0
    >>> steps = find_key_steps(outliers_draw, x, seed=7, progress=False)
    >>> steps.frames, steps.origins
    (array([40]), ['content'])
    """
    attend = model.attentions if hasattr(model, "attentions") else model
    trajectory = _check(attend, trajectory, n_shuffles, error_rate, least_excess, min_queries)
    rng = np.random.default_rng(seed)
    orders = [np.arange(len(trajectory)), *(rng.permutation(len(trajectory)) for _ in range(n_shuffles))]
    received, visible = [], None
    for order in tracked(orders, desc="shuffled input", unit=" maps", disable=not progress):
        attention = np.asarray(attend(trajectory[order]))
        if attention.ndim != 4 or attention.shape[-1] != len(trajectory):
            raise DataError(
                f"The attention has the shape {attention.shape}; (n_layers, n_heads, {len(trajectory)}, "
                f"{len(trajectory)}) was expected."
            )
        if visible is None:
            visible = visible_frames(attention)
        received.append(received_attention(attention, visible).astype(np.float32))
    candidates = visible.sum(axis=0) >= min_queries
    if not candidates.any():
        raise DataError(
            f"No frame is seen by {min_queries} queries; give a longer trajectory or a smaller min_queries."
        )
    received = np.array(received).reshape(len(orders), -1, len(trajectory))  # (1 + n_shuffles, all heads, n_frames)
    excess = _excess(received, candidates)
    by_order = _OrderTest(excess, _ORDER_SHARE * error_rate, least_excess)
    by_content = _ContentTest(excess, orders, (1 - _ORDER_SHARE) * error_rate, least_excess, rng)
    found = by_order.found | by_content.found  # (all heads, n_frames)
    frames = np.flatnonzero(found.any(axis=0))
    p_values = np.minimum(by_order.p_values / _ORDER_SHARE, by_content.p_values / (1 - _ORDER_SHARE))
    n_layers, n_heads = attention.shape[:2]
    return KeySteps(
        frames=frames,
        p_values=np.minimum(p_values[frames], 1.0),
        origins=[_origin(by_order.found[:, k].any(), by_content.found[:, k].any()) for k in frames],
        heads=[[divmod(int(head), n_heads) for head in np.flatnonzero(found[:, k])] for k in frames],
        excess=excess[0].reshape(n_layers, n_heads, -1),
        kept_excess=by_content.kept.reshape(n_layers, n_heads, -1),
        threshold=by_order.threshold,
        content_threshold=by_content.threshold,
        expected_by_chance=by_order.expected_by_chance + by_content.expected_by_chance,
        error_rate=error_rate,
        least_excess=least_excess,
        n_shuffles=n_shuffles,
        seed=seed,
    )


def _check(attend, trajectory, n_shuffles, error_rate, least_excess, min_queries):
    if not callable(attend):
        raise SettingsError(
            f"{type(attend).__name__} has no attentions(trajectory) and cannot be called; give a model that has."
        )
    if not 0 < error_rate < 1 or least_excess <= 0 or min_queries < 1:
        raise SettingsError(
            f"error_rate {error_rate} must be between 0 and 1, least_excess {least_excess} above 0, min_queries "
            f"{min_queries} 1 or more."
        )
    fewest = int(np.ceil(1 / (_ORDER_SHARE * error_rate) - 1e-9))
    if int(n_shuffles) != n_shuffles or n_shuffles < fewest:
        raise SettingsError(
            f"n_shuffles is {n_shuffles}; an error rate of {error_rate:g} can be told from {fewest} on."
        )
    trajectory = np.asarray(trajectory)
    if trajectory.ndim not in (1, 2) or len(trajectory) < 2:
        raise DataError(
            f"The trajectory has the shape {trajectory.shape}; (n_frames, n_dim) with two frames or more was expected."
        )
    if not np.isfinite(trajectory).all():
        raise DataError("The trajectory has frames that are not numbers; cut them out before.")
    return trajectory


def _excess(received, candidates):
    expected = received.mean(axis=0)
    return np.where(candidates, (received - expected) / np.maximum(expected, 1.0), np.float32(0))


def _origin(by_order, by_content):
    return BOTH if by_order and by_content else ORDER if by_order else CONTENT


def _threshold(largest, rate):
    """The value beyond which at most a share `rate` of the control lies, the one tested counted in."""
    allowed = int(rate * (len(largest) + 1) + 1e-9)  # p = (1 + number at least as large) / (1 + n)
    return float(np.sort(largest)[-allowed]) if allowed else np.inf


def _adjusted_p_values(statistic, largest):
    return (1 + (largest[:, None] >= statistic).sum(axis=0)) / (1 + len(largest))


def _found_in_control(control, rate, least):
    """Frames that the rule finds in the control, on average, when each of it is judged by the others."""
    largest = control.max(axis=1)
    found = [
        ((one > _threshold(np.delete(largest, index), rate)) & (one >= least)).sum()
        for index, one in enumerate(control)
    ]
    return float(np.mean(found))


class _OrderTest:
    """Which frames get more in the true order than any frame does in shuffled ones."""

    def __init__(self, excess, rate, least):
        control = excess[1:].max(axis=1)  # (n_shuffles, n_frames)
        self.threshold = _threshold(control.max(axis=1), rate)
        self.found = (excess[0] > self.threshold) & (excess[0] >= least)  # (all heads, n_frames)
        self.p_values = _adjusted_p_values(excess[0].max(axis=0), control.max(axis=1))
        self.expected_by_chance = _found_in_control(control, rate, least)


class _ContentTest:
    """Which frames keep their excess wherever they are put."""

    def __init__(self, excess, orders, rate, least, rng):
        places = np.array([np.argsort(order) for order in orders[1:]])  # where frame f went: (n_shuffles, n_frames)
        self.kept = kept = _mean_of_frames(excess[1:], places)  # (all heads, n_frames)
        control = np.array(
            [_mean_of_frames(excess[1:], rng.permuted(places, axis=1)).max(axis=0) for _ in range(_N_RELABELLINGS)]
        )
        self.threshold = _threshold(control.max(axis=1), rate)
        self.found = (kept > self.threshold) & (np.minimum(kept, excess[0]) >= least)
        kept_where_found = np.where(self.found, kept, -np.inf).max(axis=0)  # of other frames the p-value is 1
        self.p_values = _adjusted_p_values(kept_where_found, control.max(axis=1))
        self.expected_by_chance = _found_in_control(control, rate, least)


def _mean_of_frames(excess, places):
    total = np.zeros(excess.shape[1:], dtype=np.float32)
    for of_shuffle, place in zip(excess, places):
        total += of_shuffle[:, place]
    return total / len(places)
