"""Long dwells, event by event: a token model over states and durations instead of frames."""

from pathlib import Path

import numpy as np
from scipy.special import logsumexp

from mdtok.checks import require_whole_number
from mdtok.errors import DataError, SettingsError
from mdtok.models.counted.dwells import DwellTimes, find_dwells
from mdtok.models.counted.event_chain import EventChainModel
from mdtok.models.counted.markov import equilibrium
from mdtok.models.dynamics import DynamicsModel, draw
from mdtok.models.networks.nanogpt import NanoGPT
from mdtok.models.saved import load_model, read_model, write_model
from mdtok.progress import tracked
from mdtok.tokens.dtrajs import as_dtrajs, count_states, hold_out_tails

#: Never zero: what is counted knows dwells longer than any that was seen.
_SHARES = (1.0, 0.8, 0.6, 0.4, 0.2, 0.1, 0.03, 0.01)


class RunLengthModel(DynamicsModel):
    """A model of events: which state comes next, and for how long.

    A trajectory becomes a stream of tokens, state, duration, state, duration, …, on which a token model is trained. A
    duration is the bin of the dwell's length: exact up to 3 frames, then logarithmic, and within a bin geometric with
    the rate counted there (`DwellTimes`). What happens once in a thousand frames is thus one token in two, not one in a
    thousand. To the outside it is a model of frames like any other: at age a a state is left with the probability that
    a dwell ends there if it has lasted so long, and what follows is predicted from the bin of a.

    The token model learns from dwells whose beginning and end were seen. Those that a trajectory's end cuts short count
    in the dwell times of each state (`dwells_`), of which a share is mixed with what the token model says of durations:
    the share with the highest likelihood on held-out dwells, where one that was cut counts as "this long or longer". So
    a dwell longer than any that was seen has a probability. Of what follows which state the same is done with counted
    jumps (`log_jumps_`): a rare jump that a token model believes in a little too often is a slow rate that is too fast.
    A past begins within a dwell of unknown age; that one has the dwell times of an equilibrium that is looked at at any
    moment, and in what follows it counts as long as it was seen.

    Parameters
    ----------
    model : DynamicsModel, optional
        Model of the tokens of events, not fitted, of lag 1: an order-k model (an `EventChainModel`, an LSTM, an
        ``OrderKModel(4, reversible=False)``: a stream of events has no detailed balance); a `NanoGPT` without an anchor
        if not given.
    bins_per_doubling : int
        Bins of durations in each doubling beyond 4 frames.
    n_events : int
        Events of the past that the token model is asked with, the present one among them.
    progress : bool
        Show a progress bar where sampling takes more than two seconds.

    Attributes
    ----------
    model : DynamicsModel
        The token model, fitted; token ``n_states_ + b`` is bin b.
    dwells_ : DwellTimes
        Counted dwell times of every state, and the bins.
    counted_share_ : float
        The weight of `dwells_` against the token model's durations.
    log_jumps_ : ndarray, shape (n_states_, n_states_)
        Logarithm of the counted probability of the next state, given the one that is left.
    jump_share_ : float
        The weight of `log_jumps_` against the token model's next states.

    Raises
    ------
    SettingsError
        A token model of another lag, or with a context shorter than `n_events`.

    References
    ----------
    Semi-Markov processes with a memory of events; Limnios and Oprisan, Semi-Markov Processes and Reliability (2001).

    Examples
    --------
    >>> from mdtok.models.counted.event_chain import EventChainModel
    >>> model = RunLengthModel(EventChainModel()).fit([np.tile([0, 0, 0, 1, 1], 200)])
    >>> model.sample([[1, 0], [0, 1]], n_steps=5, seed=7)  # three frames in 0, two in 1
    [array([0, 0, 1, 1, 0]), array([1, 0, 0, 0, 1])]
    """

    name_pattern = (
        r"run-length(?:-order(?P<order>[1-9]\d*)|-(?P<network>(?:nanogpt|lstm)(?:-(?:tiny|narrow|small|medium))?))?"
    )
    name_shown = "run-length[-orderN|-NETWORK]"
    name_help = (
        "events instead of frames, told by counts of the last N events or by a network (nanogpt, lstm-medium, …)"
    )
    name_use = "few states that are held for long: a transition is then one token in two"

    @classmethod
    def from_name(cls, match, context):
        if match["order"]:
            events = EventChainModel(order=int(match["order"]), progress=context.progress)
        else:
            events = context.make(f"{match['network'] or 'nanogpt'}-plain")
        return cls(events, progress=context.progress)

    def __init__(self, model=None, bins_per_doubling=2, n_events=16, progress=True):
        require_whole_number("bins_per_doubling", bins_per_doubling, 1)
        require_whole_number("n_events", n_events, 1)
        self.model = NanoGPT(anchor=None, progress=progress) if model is None else model
        if self.model.lagtime != 1:
            raise SettingsError(
                f"The token model has a lagtime of {self.model.lagtime}; events follow one another, so 1 was expected."
            )
        context = getattr(self.model, "settings", {}).get("n_positions", 2 * n_events)
        if context < 2 * n_events:
            raise SettingsError(
                f"The token model reads {context} tokens, fewer than two for each of {n_events} events; lower n_events."
            )
        self.bins_per_doubling, self.n_events = int(bins_per_doubling), int(n_events)
        self.progress = progress

    def fit(self, dtrajs, validation=None, n_states=None, checkpoint_folder=None):
        """Count dwell times, train the token model, choose the share of the former (see `DynamicsModel.fit`).

        Raises
        ------
        DataError
            No dwell has a beginning and an end, or too few for the token model.
        """
        dtrajs = as_dtrajs(dtrajs, n_states, min_length=2)
        n_states = int(n_states or count_states(dtrajs))
        if not any(np.any(dtraj[1:] != dtraj[:-1]) for dtraj in dtrajs):
            raise DataError(
                "No trajectory ever changes its state, so there is no dwell to learn from; use other states or more "
                "data."
            )
        if validation is None:
            dtrajs, validation = hold_out_tails(dtrajs)
        validation = as_dtrajs(validation, n_states, min_length=2)
        self.n_states_ = None
        self.dwells_ = DwellTimes.count(dtrajs, n_states, self.bins_per_doubling)
        streams, held_out = self._whole_events(dtrajs, n_states), self._whole_events(validation, n_states)
        if not streams:
            raise DataError(
                "No dwell is seen from its beginning to its end within a training trajectory; use other states or "
                "longer trajectories."
            )
        try:
            self.model.fit(streams, held_out or None, n_states + self.dwells_.n_bins, checkpoint_folder)
        except DataError as error:
            n_tokens = sum(map(len, streams))
            raise DataError(
                f"The {n_tokens} tokens of states and durations do for no {type(self.model).__name__}: {error}"
            ) from None
        self.n_states_ = n_states
        self.stationary_distribution_ = equilibrium(dtrajs, n_states, 1)
        self.log_jumps_, self.jump_share_ = _count_jumps(dtrajs, n_states), 0.0
        self.counted_share_ = self._choose_share(validation)
        self.jump_share_ = self._choose_jump_share(validation)
        return self

    def _whole_events(self, dtrajs, n_states):
        """Streams of what was seen as a whole: without the first dwell and the duration of the last one."""
        streams = [_stream(*find_dwells(dtraj), self.dwells_, n_states)[2:-1] for dtraj in dtrajs]
        return [stream for stream in streams if len(stream) > 1]

    def _choose_share(self, validation):
        predicted, counted = [np.empty(0)], [np.empty(0)]
        for dtraj in validation:
            states, lengths = find_dwells(dtraj)
            stream = _stream(states, lengths, self.dwells_, self.n_states_)
            pasts = self._pasts(stream, 2 * np.arange(1, len(states)))  # the first dwell is of unknown age
            states, lengths = states[1:], lengths[1:]
            for scores, log_bins in (predicted, self._predicted_bins(*pasts)), (counted, self.dwells_.log_bins[states]):
                scores.append(self.dwells_.log_length(states[:-1], lengths[:-1], log_bins[:-1]))
                scores.append(self.dwells_.log_survival(states[-1:], lengths[-1:], log_bins[-1:]))
        scores = [_mix(np.concatenate(predicted), np.concatenate(counted), share).sum() for share in _SHARES]
        return _SHARES[int(np.argmax(scores))]  # the first of equals, so without evidence counts alone

    def _choose_jump_share(self, validation):
        predicted, counted = [np.empty(0)], [np.empty(0)]
        for dtraj in validation:
            states, lengths = find_dwells(dtraj)
            stream = _stream(states, lengths, self.dwells_, self.n_states_)
            left = np.arange(1, len(states) - 1)  # the first dwell is of unknown age
            rows = self._next_states(*self._pasts(stream, 2 * left + 1))
            predicted.append(rows[np.arange(len(left)), states[left + 1]])
            counted.append(self.log_jumps_[states[left], states[left + 1]])
        scores = [_mix(np.concatenate(predicted), np.concatenate(counted), share).sum() for share in _SHARES]
        return _SHARES[int(np.argmax(scores))]

    def _pasts(self, stream, ends):
        """Pasts of up to `n_events` events up to entries `ends` of a stream: tokens (n, 2 n_events), lengths."""
        starts = 2 * np.maximum(ends // 2 - (self.n_events - 1), 0)
        entries = starts[:, None] + np.arange(2 * self.n_events)
        return stream[np.minimum(entries, len(stream) - 1)], ends - starts + 1

    def _predicted_bins(self, pasts, lengths):
        """Log-probability that the token model gives each bin after pasts that end with a state, (n, n_bins)."""
        return _normalise(self.model.predict_next(pasts, lengths)[:, self.n_states_ :])

    def _bins(self, pasts, lengths):
        """The same, with the share of what was counted."""
        states = pasts[np.arange(len(pasts)), lengths - 1]
        return _mix(self._predicted_bins(pasts, lengths), self.dwells_.log_bins[states], self.counted_share_)

    def _next_states(self, pasts, lengths):
        """Log-probability of the next state after pasts that end with a duration, (n, n_states)."""
        rows, left = (
            self.model.predict_next(pasts, lengths)[:, : self.n_states_],
            pasts[np.arange(len(pasts)), lengths - 2],
        )
        rows[np.arange(len(rows)), left] = -np.inf  # a dwell is over when another state comes
        return _mix(_normalise(rows), self.log_jumps_[left], self.jump_share_)

    def _leaving(self, states, lengths, stream):
        """Dwell and age at every frame but the last, and log-probabilities of leaving and of staying after it."""
        dwell = np.repeat(np.arange(len(states)), lengths)[:-1]
        ages = (np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths))[:-1] + 1
        log_bins = self._bins(*self._pasts(stream, 2 * np.arange(len(states))))[dwell]
        log_leave, log_stay = np.empty(len(dwell)), np.empty(len(dwell))
        for part, log_lasts, log_ends in (
            (
                dwell == 0,
                lambda s, a, _: self.dwells_.log_left_over(s, a),
                lambda s, a, _: self.dwells_.log_lasts(s, a),
            ),
            (dwell > 0, self.dwells_.log_survival, self.dwells_.log_length),
        ):
            state, age, bins = states[dwell[part]], ages[part], log_bins[part]
            now = log_lasts(state, age, bins)
            log_stay[part] = log_lasts(state, age + 1, bins) - now
            log_leave[part] = log_ends(state, age, bins) - now
        return dwell, ages, log_leave, log_stay

    def _after_dwells(self, stream, dwells, bins):
        """Log-probability of the next state where the given dwells end in the given bins, (n, n_states)."""
        pasts, lengths = self._pasts(stream, 2 * dwells + 1)
        pasts[np.arange(len(pasts)), lengths - 1] = self.n_states_ + bins
        return self._next_states(pasts, lengths)

    def predict_log_proba(self, dtraj):
        """See `DynamicsModel.predict_log_proba`; exact, and normalised frame by frame."""
        self.require_fitted()
        (dtraj,) = as_dtrajs([dtraj], self.n_states_, min_length=2)
        states, lengths = find_dwells(dtraj)
        stream = _stream(states, lengths, self.dwells_, self.n_states_)
        dwell, ages, log_leave, log_stay = self._leaving(states, lengths, stream)
        n_bins = self.dwells_.n_bins
        asked, place = np.unique(dwell * n_bins + self.dwells_.bin_of(ages), return_inverse=True)
        log_proba = self._after_dwells(stream, asked // n_bins, asked % n_bins)[place] + log_leave[:, None]
        log_proba[np.arange(len(dwell)), dtraj[:-1]] = log_stay
        return log_proba

    def log_prob(self, dtrajs):
        """See `DynamicsModel.log_prob`; the same numbers, with the next state asked for only where a dwell ends."""
        self.require_fitted()
        scores = []
        for dtraj in as_dtrajs(dtrajs, self.n_states_, min_length=2):
            states, lengths = find_dwells(dtraj)
            stream = _stream(states, lengths, self.dwells_, self.n_states_)
            *_, log_leave, log_stay = self._leaving(states, lengths, stream)
            left, ended = np.cumsum(lengths[:-1]) - 1, np.arange(len(states) - 1)
            rows = self._after_dwells(stream, ended, self.dwells_.bin_of(lengths[:-1]))
            log_stay[left] = log_leave[left] + rows[ended, states[1:]]
            scores.append(log_stay)
        return scores

    def sample(self, prompts, n_steps, seed):
        """See `DynamicsModel.sample`; one event at a time, the first given the age of the prompt's dwell."""
        prompts = self.check_prompts(prompts, n_steps, seed)
        rng = np.random.default_rng(seed)
        chains = np.empty((len(prompts), n_steps), dtype=np.int64)
        states, stays, bins, pasts, lengths = self._finish_dwells(prompts, n_steps, rng)
        open_chains, filled = np.arange(len(prompts)), np.zeros(len(prompts), dtype=np.int64)
        with tracked(
            total=chains.size, desc="RunLengthModel chains", unit=" tokens", delay=2, disable=not self.progress
        ) as bar:
            while True:
                ends = np.minimum(filled + stays, n_steps)
                for chain, start, end, state in zip(open_chains, filled, ends, states):
                    chains[chain, start:end] = state
                bar.update(int((ends - filled).sum()))
                going = ends < n_steps
                if not going.any():
                    return list(chains)
                open_chains, filled, bins, pasts, lengths = (
                    x[going] for x in (open_chains, ends, bins, pasts, lengths)
                )
                lengths = _append(pasts, lengths, self.n_states_ + bins)
                states = draw(np.exp(self._next_states(pasts, lengths)), rng)
                lengths = _append(pasts, lengths, states)
                bins, stays = self.dwells_.draw(states, self._bins(pasts, lengths), rng)

    def _finish_dwells(self, prompts, n_steps, rng):
        """The last dwell of each prompt: state, frames to come, bin at its end, and the past up to its state."""
        made = [find_dwells(prompt) for prompt in prompts]
        parts = [
            self._pasts(_stream(*dwells, self.dwells_, self.n_states_), np.array([2 * len(dwells[0]) - 2]))
            for dwells in made
        ]
        pasts, lengths = (np.concatenate(column) for column in zip(*parts))
        states, ages = np.array([dwells[0][-1] for dwells in made]), np.array([dwells[1][-1] for dwells in made])
        log_bins, log_chance = self._bins(pasts, lengths), np.log1p(-rng.random(len(prompts)))
        stays = np.empty(len(prompts), dtype=np.int64)
        for k, (state, age) in enumerate(zip(states, ages)):
            to_come = age + np.arange(n_steps + 1)
            same = np.full(len(to_come), state)
            if len(made[k][0]) == 1:
                log_lasts = self.dwells_.log_left_over(same, to_come)
            else:
                log_lasts = self.dwells_.log_survival(
                    same, to_come, np.broadcast_to(log_bins[k], (len(to_come), self.dwells_.n_bins))
                )
            stays[k] = np.count_nonzero(log_lasts[1:] - log_lasts[0] > log_chance[k])
        return states, stays, self.dwells_.bin_of(ages + stays), pasts, lengths

    @property
    def history_(self):
        """What the token model says of its training, where it says anything."""
        return self.model.history_

    @property
    def n_parameters(self):
        """Those of the token model, the counted rates of leaving, and the counted jumps."""
        self.require_fitted()
        return self.model.n_parameters + self.dwells_.rates.size + self.n_states_ * (self.n_states_ - 2)

    def save(self, folder):
        """Write ``model.json``, ``arrays.npz`` and the token model to `folder`, which appears whole or not at all."""
        self.require_fitted()
        settings = {"bins_per_doubling": self.bins_per_doubling, "n_events": self.n_events}
        write_model(
            folder,
            self,
            settings,
            {
                "first_ages": self.dwells_.first_ages,
                "rates": self.dwells_.rates,
                "counted_share": self.counted_share_,
                "stationary_distribution": self.stationary_distribution_,
                "log_jumps": self.log_jumps_,
                "jump_share": self.jump_share_,
            },
            parts={"events": self.model},
        )

    @classmethod
    def load(cls, folder):
        """Read a model that `save` wrote."""
        settings, n_states, arrays = read_model(folder, cls)
        model = cls(load_model(Path(folder) / "events"), **settings)
        model.dwells_ = DwellTimes(arrays["first_ages"], arrays["rates"])
        model.counted_share_, model.jump_share_ = float(arrays["counted_share"]), float(arrays["jump_share"])
        model.log_jumps_ = arrays["log_jumps"]
        model.stationary_distribution_ = arrays["stationary_distribution"]
        model.n_states_ = n_states
        return model


def _count_jumps(dtrajs, n_states):
    """Log-probability of the next state, (n_states, n_states), with half a jump more by how often it is entered."""
    jumps = np.zeros((n_states, n_states))
    for dtraj in dtrajs:
        states, _ = find_dwells(dtraj)
        np.add.at(jumps, (states[:-1], states[1:]), 1)
    entered = np.where(np.eye(n_states, dtype=bool), 0, jumps.sum(axis=0) + 1e-3)
    jumps += 0.5 * entered / entered.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):  # minus infinity on the diagonal
        return np.log(jumps / jumps.sum(axis=1, keepdims=True))


def _stream(states, lengths, dwells, n_states):
    """Tokens of dwells: state, duration, state, duration, …"""
    return np.stack([states, n_states + dwells.bin_of(lengths)], axis=1).ravel()


def _append(pasts, lengths, tokens):
    """Put one token behind each past, in place; where there is no room the oldest event goes. Gives the new lengths."""
    full = lengths == pasts.shape[1]
    pasts[full, :-2] = pasts[full, 2:]
    lengths = lengths - 2 * full
    pasts[np.arange(len(pasts)), lengths] = tokens
    return lengths + 1


def _mix(predicted, counted, share):
    """Logarithm of a mixture of probabilities that are given as logarithms."""
    if share in (0, 1):
        return counted + 0.0 if share == 1 else predicted
    return np.logaddexp(np.log1p(-share) + predicted, np.log(share) + counted)


def _normalise(log_proba):
    return log_proba - logsumexp(log_proba, axis=1, keepdims=True)
