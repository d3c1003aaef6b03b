"""How long a state is held: dwell times in logarithmic bins, with the dwells that trajectories cut short."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mdtok.models.dynamics import draw

_FEWEST_IN_TAIL = 10  # whole dwells in the last bin, which has no end, over all states
_ADDED = 0.5  # leaves at the coarser rate that are added to what was counted


def find_dwells(dtraj):
    """Dwells of a trajectory in order of time: their states and lengths; the first and the last are cut by its ends.

    Examples
    --------
    >>> find_dwells(np.array([2, 2, 2, 0, 1, 1]))
    (array([2, 0, 1]), array([3, 1, 2]))
    """
    starts = np.concatenate([[0], np.flatnonzero(np.diff(dtraj)) + 1])
    return dtraj[starts], np.diff(np.append(starts, len(dtraj)))


@dataclass(frozen=True)
class DwellTimes:
    """Dwell times of every state: a probability of leaving for each frame, the same within a bin of the age.

    So lengths are geometric within a bin, and beyond the first age of the last bin for ever: no dwell is impossible.

    Attributes
    ----------
    first_ages : ndarray of int, shape (n_bins,)
        The age that each bin begins with, in frames; a state just entered has age 1.
    rates : ndarray of float, shape (n_states, n_bins)
        Probability that a dwell of that age ends with the present frame.

    Examples
    --------
    >>> dwells = DwellTimes.count([np.tile([0, 0, 0, 1, 1], 200)], n_states=2, bins_per_doubling=2)
    >>> dwells.rates.round(2)
    array([[0. , 0. , 1. ],
           [0. , 1. , 0.5]])
    """

    first_ages: np.ndarray
    rates: np.ndarray

    @classmethod
    def count(cls, dtrajs, n_states, bins_per_doubling):
        """Leaves over frames at risk, in every state and bin.

        A dwell that the end of its trajectory cuts short counts with the frames that it was seen for; the first dwell
        of a trajectory, whose age is unknown, only for the mean rate of its state. Half a leave at the state's mean
        rate is added to each bin, and half a leave at the mean rate of all states to that of each state.

        Bins begin with the ages 1, 2, 3, 4, then there are `bins_per_doubling` in each doubling; none begins later than
        ten whole dwells lasted.
        """
        states, aged, at_risk, left = (np.concatenate(column) for column in zip(*map(_exposure, dtrajs)))
        doublings = np.arange(40 * bins_per_doubling) / bins_per_doubling
        first_ages = np.unique(np.concatenate([[1, 2, 3], np.ceil(4 * 2**doublings)]).astype(np.int64))
        whole_dwells = np.sort(at_risk[left & aged])
        lasted = len(whole_dwells) - np.searchsorted(whole_dwells, first_ages)
        first_ages = first_ages[(lasted >= _FEWEST_IN_TAIL) | (first_ages == 1)]
        of_all = np.full((n_states, 1), left.sum() / (at_risk.sum() + 1))
        of_state = _rates(states, at_risk, left, np.array([1]), of_all)
        return cls(first_ages, _rates(states[aged], at_risk[aged], left[aged], first_ages, of_state))

    @property
    def n_bins(self):
        return len(self.first_ages)

    def bin_of(self, ages):
        """Bin of each age."""
        return np.searchsorted(self.first_ages, ages, side="right") - 1

    @cached_property
    def _widths(self):
        return np.append(np.diff(self.first_ages), np.inf)

    @cached_property
    def _log_stay(self):
        return np.log1p(-self.rates)

    @cached_property
    def _log_reached(self):
        """Logarithm of the probability that each bin is reached, (n_states, n_bins)."""
        passed = np.cumsum(self._log_stay[:, :-1] * self._widths[:-1], axis=1)
        return np.concatenate([np.zeros((len(passed), 1)), passed], axis=1)

    @cached_property
    def log_bins(self):
        """Logarithm of the probability that a dwell ends in each bin, shape (n_states, n_bins)."""
        return self._log_reached + _log1mexp(self._log_stay * self._widths)

    def log_survival(self, states, ages, log_bins):
        """Logarithm of the probability that a dwell lasts as long as `ages` or longer.

        Parameters
        ----------
        states, ages : int arrays, shape (n,)
        log_bins : ndarray, shape (n, n_bins)
            Of each dwell, the logarithm of the probability that it ends in each bin.

        Returns
        -------
        ndarray, shape (n,)
        """
        bins, frames = self._place(ages)
        log_stay, left = self._log_stay[states, bins], self._widths[bins] - frames
        within = frames * log_stay + _log1mexp(left * log_stay) - _log1mexp(self._widths[bins] * log_stay)
        from_here = np.logaddexp.accumulate(log_bins[:, ::-1], axis=1)[:, ::-1]
        later = np.concatenate([from_here[:, 1:], np.full((len(bins), 1), -np.inf)], axis=1)
        row = np.arange(len(bins))
        return np.logaddexp(log_bins[row, bins] + within, later[row, bins])

    def log_length(self, states, ages, log_bins):
        """Logarithm of the probability that a dwell lasts exactly `ages` frames (see `log_survival`)."""
        bins, frames = self._place(ages)
        log_stay = self._log_stay[states, bins]
        within = frames * log_stay + np.log(self.rates[states, bins]) - _log1mexp(self._widths[bins] * log_stay)
        return log_bins[np.arange(len(bins)), bins] + within

    def log_left_over(self, states, frames):
        """Logarithm of the mean number of frames of a dwell from `frames` on; for `frames` of 1 its mean length.

        Where equilibrium is looked at at any moment, its state stays for r frames or more with a probability in
        proportion to this, and leaves after exactly r in proportion to the survival to r (renewal theory; Cox, Renewal
        Theory (1962)).
        """
        bins, passed = self._place(frames)
        log_stay = self._log_stay[states, bins]
        in_bin = _log1mexp((self._widths[bins] - passed) * log_stay) - np.log(self.rates[states, bins])
        return np.logaddexp(
            self._log_reached[states, bins] + passed * log_stay + in_bin, self._log_left_after[states, bins]
        )

    def log_lasts(self, states, ages):
        """As `log_survival`, by the counts alone."""
        bins, frames = self._place(ages)
        return self._log_reached[states, bins] + frames * self._log_stay[states, bins]

    @cached_property
    def _log_left_after(self):
        """Logarithm of the mean number of frames after each bin, (n_states, n_bins)."""
        in_bin = self._log_reached + _log1mexp(self._widths * self._log_stay) - np.log(self.rates)
        from_here = np.logaddexp.accumulate(in_bin[:, ::-1], axis=1)[:, ::-1]
        return np.concatenate([from_here[:, 1:], np.full((len(in_bin), 1), -np.inf)], axis=1)

    def draw(self, states, log_bins, rng):
        """Draw the bin and the length of dwells, shape (n,) each."""
        bins = draw(np.exp(log_bins), rng)
        log_stay, widths = self._log_stay[states, bins], self._widths[bins]
        frames = np.floor(np.log1p(rng.random(len(bins)) * np.expm1(widths * log_stay)) / log_stay)
        return bins, self.first_ages[bins] + np.minimum(frames, widths - 1).astype(np.int64)

    def _place(self, ages):
        bins = self.bin_of(ages)
        return bins, ages - self.first_ages[bins]


def _exposure(dtraj):
    """Of each dwell: state, whether its beginning was seen, frames at which it might have ended, whether it did."""
    states, lengths = find_dwells(dtraj)
    number = np.arange(len(states))
    left = number < number[-1]
    return states, number > 0, lengths - ~left, left


def _rates(states, at_risk, left, first_ages, coarser):
    """Leaves over frames at risk, (n_states, n_bins), with half a leave at the `coarser` rates (n_states, 1)."""
    rates = np.empty((len(coarser), len(first_ages)))
    for number, (first, end) in enumerate(zip(first_ages, np.append(first_ages[1:], np.inf))):
        here = left & (at_risk >= first) & (at_risk < end)
        leaves = np.bincount(states, weights=here, minlength=len(rates))
        frames = np.bincount(states, weights=np.clip(at_risk - (first - 1), 0, end - first), minlength=len(rates))
        rates[:, number] = (leaves + _ADDED) / (frames + _ADDED / coarser[:, 0])
    return rates


def _log1mexp(x):
    """log(1 - exp(x)) for x <= 0."""
    with np.errstate(divide="ignore"):  # minus infinity at 0
        return np.log(-np.expm1(x))
