"""How long the memory of tokens is: held-out nats per token against how much of the past a model may see.

A partition is Markovian at a saving interval where more past than the present token tells nothing. Here that is asked
of held-out trajectories, for several intervals, with counted models that back off: they find memory where there are
counts for it, so what they do not find may still be there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mdtok.errors import DataError, SettingsError
from mdtok.kinetics.estimation.bootstrap import bootstrap_weights
from mdtok.kinetics.estimation.estimate import Estimate
from mdtok.kinetics.estimation.passages import independent_units
from mdtok.models.counted.backoff import OrderKModel
from mdtok.models.counted.markov import MarkovModel
from mdtok.models.counted.semi_markov import SemiMarkovModel
from mdtok.progress import tracked
from mdtok.tokens.dtrajs import as_dtrajs, count_states, draw_trajectories, thin_dtrajs

if TYPE_CHECKING:
    from mdtok.models.dynamics import DynamicsModel


_LONGEST_PAST, _MOST_TOKENS = 64, 20_000  # of what a network is asked
_MOST_FRAMES = 2_000_000  # of training and of test trajectories; more would take minutes and say the same
_SIGNIFICANT = 3.0  # standard errors of a difference between two pasts
_NEARLY = 0.05  # of the largest gain: a network saw few short pasts in training
AGE = "age"  # a past of any length, seen as the age of the state and the state before it


@dataclass
class MemoryAtInterval:
    """Memory at one saving interval.

    Attributes
    ----------
    interval_frames : int
    pasts : list
        Tokens that a model may see, 1 (the present one) and more, and last `AGE`.
    nats : ndarray, shape (n_pasts,)
        Held-out nats per token with each.
    gains : Estimate, shape (n_pasts,)
        Nats that each saves against the present token alone, with 95 % intervals over trajectories.
    enough : int or str
        The shortest past whose nats are within three standard errors of the lowest.
    finer_gain : Estimate or None
        Nats that finer present states save, where some were given.
    """

    interval_frames: int
    pasts: list
    nats: np.ndarray
    gains: Estimate
    enough: object
    finer_gain: Estimate | None

    @property
    def is_markovian(self) -> bool:
        """Whether the present token was enough."""
        return self.enough == 1


@dataclass
class MemoryOfNetwork:
    """What a network gains from tokens of past, on a sample of held-out tokens.

    Attributes
    ----------
    name : str
    pasts : list of int
        Tokens that it may see.
    nats : ndarray, shape (n_pasts,)
    gains : Estimate, shape (n_pasts,)
        Nats that it saves against the Markov chain on the same tokens, with 95 % intervals over trajectories.
    enough : int
        The shortest past whose gain is within three standard errors, or a twentieth, of the largest.
    """

    name: str
    pasts: list
    nats: np.ndarray
    gains: Estimate
    enough: int

    def to_dict(self):
        """For JSON."""
        return {**vars(self), "gains": self.gains.to_dict()}


@dataclass
class MemoryDiagnosis:
    """What `diagnose_memory` found.

    Attributes
    ----------
    intervals : list of MemoryAtInterval
    dt_ps : float
        Time between frames.
    network : MemoryOfNetwork or None
        At the time between frames.
    """

    intervals: list
    dt_ps: float
    network: MemoryOfNetwork | None = None

    def __str__(self):
        first, *longer = self.intervals
        at = f"At {_time(first, self.dt_ps)} the states"
        if first.is_markovian:
            said = f"{at} are Markovian as far as counts tell: no past saves held-out nats."
        else:
            k = first.pasts.index(first.enough)
            gain = f"{first.gains[k]:.4f} nats per token of {first.nats[0]:.4f}"
            past = (
                "the age of the state and the state before it"
                if first.enough == AGE
                else f"{first.enough * first.interval_frames * self.dt_ps:g} ps of past"
            )
            said = f"{at} are not Markovian: {past} saves {gain}."
            cured = next((interval for interval in longer if interval.is_markovian), None)
            if cured is not None:
                said += f" At {_time(cured, self.dt_ps)} nothing more is gained by the past."
            elif longer:
                said += f" Nor are they at {_time(longer[-1], self.dt_ps)}."
        if self.network is not None:
            said += f" {self._said_of_network()}"
        finer = first.finer_gain
        if finer is not None:
            verb = "saves" if finer.low > 0 else "does not save"
            said += f" Knowing the finer state instead {verb} nats: {finer:.4f}."
        return said

    def _said_of_network(self):
        k = self.network.pasts.index(self.network.enough)
        gains = self.network.gains
        interval = f"{gains[k]:.4f}"
        if gains.low[k] <= 0:
            reader = f"{self.network.name}, which reads the past itself,"
            return f"{reader} saves nothing against the Markov chain ({interval})."
        return (
            f"{self.network.name}, which reads the past itself, saves {interval} nats against the Markov chain with "
            f"{self.network.enough * self.dt_ps:g} ps of past, and hardly more with longer ones."
        )

    def to_dict(self) -> dict:
        """For JSON."""
        return {
            "dt_ps": self.dt_ps,
            "network": self.network and self.network.to_dict(),
            "intervals": [
                {
                    "interval_frames": one.interval_frames,
                    "pasts": one.pasts,
                    "nats": one.nats,
                    "gains": one.gains.to_dict(),
                    "enough": one.enough,
                    "finer_gain": one.finer_gain and one.finer_gain.to_dict(),
                }
                for one in self.intervals
            ],
        }


def diagnose_memory(
    train: list[np.ndarray],
    test: list[np.ndarray],
    dt_ps: float = 1.0,
    intervals: Sequence[int] = (1, 2, 5, 10, 20, 50),
    order: int = 8,
    finer: tuple[list[np.ndarray], list[np.ndarray]] | None = None,
    network: tuple[str, DynamicsModel] | None = None,
    seed: int = 0,
    progress: bool = True,
) -> MemoryDiagnosis:
    """How much past helps to predict held-out tokens, at several saving intervals.

    Parameters
    ----------
    train, test : lists of int arrays, shape (n_frames,) each
        Discrete trajectories. Of more than two million frames, trajectories drawn at random are looked at.
    dt_ps : float
        Time between frames.
    intervals : sequence of int
        Frames between the tokens that are looked at; those with less than 100 test tokens are left out.
    order : int
        Longest past that is looked at, in tokens.
    finer : pair of lists of int arrays, optional
        `train` and `test` in finer states, frame by frame.
    network : pair of str and DynamicsModel, optional
        Name and fitted model of lag 1: a network finds memory that counts are too few for. It is asked with 1, 2, 4, …
        tokens of past.
    seed : int
    progress : bool

    Returns
    -------
    MemoryDiagnosis

    Raises
    ------
    DataError
        The finer trajectories have other lengths, or no interval leaves enough tokens.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> chain = np.repeat(rng.integers(0, 2, 2000), 3)  # every state lasts 3 frames or a multiple
    >>> diagnosis = diagnose_memory([chain], [chain[:3000]], intervals=[1], order=3, progress=False)
    >>> print(diagnosis.intervals[0].is_markovian)
    False
    """
    train, test = as_dtrajs(train, min_length=2), as_dtrajs(test, min_length=2)
    n_states = count_states([*train, *test])
    if order < 2:
        raise SettingsError(f"order is {order}; at least 2 tokens of past were expected.")
    if finer is not None:
        finer = [as_dtrajs(part) for part in finer]
        if [len(d) for part in finer for d in part] != [len(d) for d in [*train, *test]]:
            raise DataError(
                "The finer trajectories have other lengths than the trajectories; the same frames were expected."
            )
    chosen = [draw_trajectories(part, _MOST_FRAMES, seed) for part in (train, test)]
    train, test = ([part[k] for k in kept] for part, kept in zip((train, test), chosen))
    if finer is not None:
        finer = [[part[k] for k in kept] for part, kept in zip(finer, chosen)]
    found = []
    for interval in tracked([k for k in intervals if sum(map(len, test)) // k >= 100], "memory", disable=not progress):
        thinned = [thin_dtrajs(part, interval) for part in (train, test)]
        fine = None if finer is None else [thin_dtrajs(part, interval) for part in finer]
        found.append(_at_interval(interval, *thinned, n_states, order, fine, seed))
    if not found:
        raise DataError(
            f"The test trajectories have {sum(map(len, test))} tokens; 100 at the shortest interval at least were "
            "expected."
        )
    known = None if network is None else _of_network(*network, train, test, n_states, seed)
    return MemoryDiagnosis(found, dt_ps, known)


def _of_network(name, model, train, test, n_states, seed):
    """Nats of a network with 1, 2, 4, … tokens of past, on held-out tokens spread evenly."""
    units = independent_units(test)
    longest = min(getattr(model, "settings", {}).get("n_positions", _LONGEST_PAST), max(map(len, units)) - 1)
    pasts = [2**k for k in range(longest.bit_length()) if 2**k < longest] + [longest]
    units, step = [unit for unit in units if len(unit) > longest], max(1, sum(map(len, units)) // _MOST_TOKENS)
    parts = [np.lib.stride_tricks.sliding_window_view(unit, longest + 1)[::step] for unit in units]
    windows = np.concatenate(parts)  # (n_tokens, longest + 1)
    seen, following, rows = windows[:, :-1], windows[:, -1], np.arange(len(windows))
    of_unit = np.repeat(np.eye(len(units)), [len(part) for part in parts], axis=0)  # (n_tokens, n_units)
    markov = MarkovModel().fit(train, n_states=n_states)
    chain = np.log(markov.predictive_matrix_)[seen[:, -1], following]
    said = [model.predict_next(seen[:, longest - past :], np.full(len(seen), past))[rows, following] for past in pasts]
    drawn, lengths = bootstrap_weights(len(units), seed=seed), of_unit.sum(axis=0)
    sums = np.array(said) @ of_unit  # (n_pasts, n_units)
    gains = (sums - chain @ of_unit) @ drawn.T / (drawn @ lengths)
    nats = -np.mean(said, axis=1)
    best = nats.argmin()
    behind = (sums[best] - sums) @ drawn.T / (drawn @ lengths)
    gain = -chain.mean() - nats
    told_apart = np.maximum(_SIGNIFICANT * behind.std(axis=1), _NEARLY * gain[best])
    enough = pasts[int(np.argmax(gain[best] - gain <= told_apart))]
    return MemoryOfNetwork(name, pasts, nats, Estimate.from_samples(gain, gains.T), enough)


def _at_interval(interval, train, test, n_states, order, fine, seed):
    model = OrderKModel(order=order, progress=False).fit(train, n_states=n_states)
    levels, said = model.levels_, []
    for n_levels in range(len(levels) + 1):
        model.levels_ = levels[:n_levels]
        said.append(model.log_prob(test))
    pasts = list(range(1, len(levels) + 2))
    if n_states < 1000:
        pasts.append(AGE)
        said.append(SemiMarkovModel(progress=False).fit(train, n_states=n_states).log_prob(test))
    units = [independent_units(parts) for parts in said]
    sums = np.array([[unit.sum() for unit in column] for column in units])  # (n_pasts, n_units)
    n_tokens, lengths = sum(map(len, said[0])), np.array([len(unit) for unit in units[0]])
    drawn = bootstrap_weights(len(lengths), seed=seed)
    gains = (sums - sums[0]) @ drawn.T / (drawn @ lengths)  # (n_pasts, n_bootstrap)
    nats = -sums.sum(axis=1) / n_tokens
    best = nats.argmin()
    behind = (sums[best] - sums) @ drawn.T / (drawn @ lengths)
    enough = pasts[int(np.argmax(nats - nats[best] <= _SIGNIFICANT * behind.std(axis=1)))]
    finer_gain = None if fine is None else _finer_gain(train, test, *fine, said[0], drawn, lengths, n_states)
    return MemoryAtInterval(interval, pasts, nats, Estimate.from_samples(nats[0] - nats, gains.T), enough, finer_gain)


def _finer_gain(train, test, fine_train, fine_test, present, drawn, lengths, n_states):
    """Nats that the present fine state saves in the prediction of the next coarse one."""
    n_fine = count_states([*fine_train, *fine_test])
    coarse_of = np.zeros(n_fine, dtype=np.int64)
    coarse_of[np.concatenate(fine_train)] = np.concatenate(train)
    matrix = MarkovModel().fit(fine_train, n_states=n_fine).predictive_matrix_ @ np.eye(n_states)[coarse_of]
    said = [np.log(np.maximum(matrix[f[:-1], d[1:]], 1e-12)) for f, d in zip(fine_test, test)]
    sums = [np.array([unit.sum() for unit in independent_units(parts)]) for parts in (said, present)]
    difference = sums[0] - sums[1]
    return Estimate.from_samples(difference.sum() / lengths.sum(), drawn @ difference / (drawn @ lengths))


def _time(interval, dt_ps):
    return f"an interval of {interval.interval_frames * dt_ps:g} ps"
