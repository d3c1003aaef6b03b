"""The Markov state model: deeptime's own, behind the interface of `DynamicsModel`.

Its transition matrix answers questions about kinetics as it stands (`MarkovModel.msm_`). To predict tokens it is
smoothed a little, so that a transition never seen still has a probability: see `smooth`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from deeptime.markov import TransitionCountEstimator, TransitionCountModel
from deeptime.markov.msm import BayesianMSMPosterior

from mdtok.checks import require_whole_number
from mdtok.errors import DataError
from mdtok.models.counted.msm import dense, draw_posterior, estimate_msm, make_msm, normalise_counts, smooth
from mdtok.models.dynamics import DynamicsModel
from mdtok.models.jumps import JumpTable
from mdtok.models.saved import read_model, write_model
from mdtok.progress import tracked
from mdtok.tokens.dtrajs import as_dtrajs, count_states


class MarkovModel(DynamicsModel):
    """A Markov state model, maximum likelihood and Bayesian, estimated by deeptime.

    Parameters
    ----------
    lagtime : int
        Frames a step.
    reversible : bool
        Detailed balance, as physics at equilibrium has it.
    bayesian_samples : int, optional
        Transition matrices that `bayesian_msm` draws where it is not told otherwise; 100 if None.
    progress : bool
        Show a progress bar where something takes more than two seconds.

    Attributes
    ----------
    count_model_ : deeptime.markov.TransitionCountModel
        Sliding-window counts of all states.
    msm_ : deeptime.markov.msm.MarkovStateModel
        The model on the connected set of states that holds most transitions. Its own states are numbered within that
        set: ``msm_.count_model.state_symbols`` gives their tokens.
    predictive_matrix_ : ndarray of float, shape (n_states_, n_states_)
        What `predict_log_proba` and `sample` use, one row for every token, zero nowhere (see `smooth`). A state outside
        the connected set follows its own counts; one that was never left in training, of which nothing is known, is
        followed by any state as often as that state occurs.

    References
    ----------
    Prinz et al., J. Chem. Phys. 134, 174105 (2011); Hoffmann et al., Mach. Learn.: Sci. Technol. 3, 015009 (2022).

    Examples
    --------
    >>> import numpy as np
    >>> model = MarkovModel().fit([np.array([0, 0, 1, 1, 0, 0, 1, 1, 0])])
    >>> model.msm_.transition_matrix
    array([[0.5, 0.5],
           [0.5, 0.5]])
    >>> [len(chain) for chain in model.sample([[0], [1]], n_steps=5, seed=7)]
    [5, 5]
    """

    name_pattern, name_shown = r"msm([1-9]\d*)?", "msm[N]"
    name_help = "Markov state model with a lag of N frames, or of one"
    name_use = "the first model to try, and the right one where timescales do not depend on the lag"

    @classmethod
    def from_name(cls, match, context):
        return cls(lagtime=int(match[1] or 1), progress=context.progress)

    def __init__(self, lagtime=1, reversible=True, bayesian_samples=None, progress=True):
        require_whole_number("lagtime", lagtime, 1)
        if bayesian_samples is not None:
            require_whole_number("bayesian_samples", bayesian_samples, 2)
        self.lagtime = int(lagtime)
        self.reversible = bool(reversible)
        self.bayesian_samples = bayesian_samples
        self.progress = progress

    def fit(self, dtrajs, validation=None, n_states=None, checkpoint_folder=None):
        """Count transitions and estimate; `validation` has nothing to decide here (see `DynamicsModel.fit`).

        Raises
        ------
        DataError
            A trajectory is not longer than the lag time, no two states are visited back and forth, or the counts are
            so far from detailed balance that the reversible estimate fails.
        """
        dtrajs = as_dtrajs(dtrajs, n_states)
        shortest = min(len(dtraj) for dtraj in dtrajs)
        if shortest <= self.lagtime:
            raise DataError(
                f"A trajectory of {shortest} frames is too short for a lagtime of {self.lagtime} frames; "
                "take a shorter lagtime or leave the trajectory out."
            )
        n_states = n_states or count_states(dtrajs)
        counting = TransitionCountEstimator(lagtime=self.lagtime, count_mode="sliding", n_states=n_states)
        self.count_model_ = counting.fit_fetch(dtrajs)
        self.msm_ = estimate_msm(self.count_model_, self.reversible)
        self.predictive_matrix_ = self._predictive_matrix(self.msm_.transition_matrix)
        self.n_states_ = n_states
        return self

    @classmethod
    def of(cls, msm: Any, n_states: int) -> MarkovModel:
        """A model of an MSM that deeptime fitted; ``count_model`` tells its states, or they are 0 to n - 1.

        Parameters
        ----------
        msm : deeptime.markov.msm.MarkovStateModel
        n_states : int
            Size of the alphabet.
        """
        n_known = len(msm.transition_matrix)
        counts = msm.count_model
        symbols = np.arange(n_known) if counts is None else np.asarray(counts.state_symbols)
        if n_known > n_states or symbols.max() >= n_states:
            raise DataError(f"The MSM has states up to {symbols.max()}; the trajectories have {n_states}.")
        model = cls(lagtime=int(msm.lagtime), reversible=bool(msm.reversible))
        events = np.zeros((n_states, n_states))
        known = np.ix_(symbols, symbols)
        events[known] = (
            msm.stationary_distribution[:, None] * msm.transition_matrix * 1e6
            if counts is None
            else dense(counts.count_matrix)
        )
        model.count_model_ = TransitionCountModel(events, counting_mode="sliding", lagtime=model.lagtime)
        connected = model.count_model_.submodel(symbols)
        model.msm_ = make_msm(msm.transition_matrix, msm.stationary_distribution, connected, model.reversible)
        model.n_states_ = n_states
        model.predictive_matrix_ = model._predictive_matrix(msm.transition_matrix)
        return model

    @property
    def stationary_distribution_(self):
        """Of `msm_`, shape (n_states_,): zero outside the connected set."""
        distribution = np.zeros(self.n_states_)
        distribution[self.msm_.count_model.state_symbols] = self.msm_.stationary_distribution
        return distribution

    def _predictive_matrix(self, among_connected):
        """Rows for every token, of a transition matrix of the connected set."""
        counts = dense(self.count_model_.count_matrix)
        transition_matrix = normalise_counts(counts)
        connected = self.msm_.count_model.state_symbols
        # Transitions that leave the connected set keep their share of the counts: the MSM knows nothing of them.
        stays = transition_matrix[np.ix_(connected, connected)].sum(axis=1)
        transition_matrix[np.ix_(connected, connected)] = stays[:, None] * among_connected
        return smooth(transition_matrix, counts / self.lagtime)

    def bayesian_msm(self, n_samples: int | None = None, seed: int = 0) -> Any:
        """Posterior of the Markov state model, for intervals of whatever deeptime computes from one.

        Parameters
        ----------
        n_samples : int, optional
            Transition matrices to draw; `bayesian_samples` where not given.
        seed : int

        Returns
        -------
        deeptime.markov.msm.BayesianMSMPosterior
            ``prior`` is `msm_`, ``samples`` are models on the same connected set;
            ``gather_stats("timescales", k=1)`` gives mean and interval, in frames.

        References
        ----------
        Trendelkamp-Schroer, Wu, Paul, Noé, J. Chem. Phys. 143, 174101 (2015).
        """
        self.require_fitted()
        n_samples = n_samples or self.bayesian_samples or 100
        require_whole_number("n_samples", n_samples, 2)
        with tracked(total=n_samples, desc="Bayesian MSM", delay=2, disable=not self.progress) as bar:
            matrices, distributions = draw_posterior(self.msm_, n_samples, seed, bar.update)
        samples = [make_msm(*drawn, self.msm_.count_model, self.reversible) for drawn in zip(matrices, distributions)]
        return BayesianMSMPosterior(prior=self.msm_, samples=samples)

    def predict_log_proba(self, dtraj):
        """See `DynamicsModel.predict_log_proba`; row i is the distribution at frame ``i + lagtime`` given frame i."""
        self.require_fitted()
        dtraj = as_dtrajs([dtraj], self.n_states_, min_length=self.lagtime + 1)[0]
        return np.log(self.predictive_matrix_)[dtraj[: -self.lagtime]]

    def log_prob(self, dtrajs):
        """See `DynamicsModel.log_prob`; the same numbers without the rows around them."""
        self.require_fitted()
        log_matrix, lag = np.log(self.predictive_matrix_), self.lagtime
        return [log_matrix[d[:-lag], d[lag:]] for d in as_dtrajs(dtrajs, self.n_states_, min_length=lag + 1)]

    def sample(self, prompts, n_steps, seed):
        """See `DynamicsModel.sample`; one token each `lagtime` frames, from the last token of each prompt."""
        prompts = self.check_prompts(prompts, n_steps, seed)
        rng = np.random.default_rng(seed)
        jumps = JumpTable(self.predictive_matrix_)
        states = np.array([prompt[-1] for prompt in prompts])
        chains = np.empty((n_steps, len(states)), dtype=np.int64)
        for step in tracked(range(n_steps), desc="MarkovModel chains", delay=2, disable=not self.progress):
            states = jumps.draw(states, rng)
            chains[step] = states
        return list(chains.T.copy())

    @property
    def n_parameters(self):
        """Free transition probabilities of `msm_`: nonzero ones less one a row (pairs less one if reversible)."""
        self.require_fitted()
        matrix = dense(self.msm_.transition_matrix)
        if self.reversible:
            return int(np.count_nonzero(np.triu(matrix)) - 1)
        return int(np.count_nonzero(matrix) - len(matrix))

    def save(self, folder):
        """Write ``model.json`` and ``arrays.npz`` to `folder`, which appears whole or not at all."""
        self.require_fitted()
        write_model(folder, self, self._settings(), self._arrays())

    def _settings(self):
        return {"lagtime": self.lagtime, "reversible": self.reversible, "bayesian_samples": self.bayesian_samples}

    def _arrays(self):
        return {
            "counts": dense(self.count_model_.count_matrix),
            "state_histogram": self.count_model_.state_histogram,
            "connected_set": self.msm_.count_model.state_symbols,
            "transition_matrix": self.msm_.transition_matrix,
            "stationary_distribution": self.msm_.stationary_distribution,
        }

    def _set_arrays(self, arrays):
        self.count_model_ = TransitionCountModel(
            arrays["counts"], "sliding", self.lagtime, state_histogram=arrays["state_histogram"]
        )
        connected = self.count_model_.submodel(arrays["connected_set"])
        self.msm_ = make_msm(arrays["transition_matrix"], arrays["stationary_distribution"], connected, self.reversible)
        self.predictive_matrix_ = self._predictive_matrix(self.msm_.transition_matrix)

    @classmethod
    def load(cls, folder):
        """Read a model that `save` wrote."""
        settings, n_states, arrays = read_model(folder, cls)
        model = cls(**settings)
        model._set_arrays(arrays)
        model.n_states_ = n_states
        return model


def equilibrium(dtrajs, n_states, lagtime):
    """Populations in equilibrium, (n_states,): of the MSM at `lagtime` or shorter, counted where there is none."""
    try:
        lagtime = max(1, min(lagtime, min(map(len, dtrajs)) - 1))
        return MarkovModel(lagtime=lagtime).fit(dtrajs, n_states=n_states).stationary_distribution_
    except DataError:  # no state is left and found again
        counted = np.bincount(np.concatenate(dtrajs), minlength=n_states)
        return counted / counted.sum()
