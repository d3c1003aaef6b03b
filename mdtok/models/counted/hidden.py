"""Hidden Markov model of tokens: deeptime's maximum-likelihood HMM behind the interface of all models of dynamics."""

import warnings

import numpy as np
from deeptime.markov.hmm import MaximumLikelihoodHMM, init

from mdtok.checks import require_whole_number
from mdtok.errors import DataError, SettingsError
from mdtok.models.counted.msm import FLOOR
from mdtok.models.dynamics import DynamicsModel, draw
from mdtok.models.saved import read_model, write_model
from mdtok.progress import tracked
from mdtok.tokens.dtrajs import as_dtrajs, count_states, hold_out_tails

_MOST_ITERATIONS = 100


class HiddenMarkovModel(DynamicsModel):
    """A Markov chain of hidden states, each of which shows tokens with probabilities of its own.

    Parameters
    ----------
    n_hidden : int or tuple of int
        Hidden states; of several numbers, the one with the lowest nats per token on the validation trajectories is
        kept.
    progress : bool
        Show a progress bar where sampling takes more than two seconds.

    Attributes
    ----------
    transition_matrix_ : ndarray, shape (n_hidden, n_hidden)
    emissions_ : ndarray, shape (n_hidden, n_states)
    start_ : ndarray, shape (n_hidden,)
        Stationary distribution, which the first token of a past is weighed with.

    References
    ----------
    Noé, Wu, Prinz, Plattner, J. Chem. Phys. 139, 184114 (2013).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> hidden = np.cumsum(rng.random(5000) < 0.02) % 2
    >>> model = HiddenMarkovModel(n_hidden=2).fit([np.where(rng.random(5000) < 0.8, hidden, 1 - hidden)])
    >>> bool(abs(model.transition_matrix_[0, 1] - 0.02) < 0.01)
    True
    """

    name_pattern, name_shown = r"hmm([1-9]\d*)?", "hmm[N]"
    name_help = "hidden Markov model of N hidden states, or of as many as validation asks for"
    name_use = "tokens that are noisy or overlapping views of a few states"

    @classmethod
    def from_name(cls, match, context):
        return cls(**({"n_hidden": int(match[1])} if match[1] else {}), progress=context.progress)

    def __init__(self, n_hidden=(2, 4, 8), progress=True):
        self.n_hidden = (n_hidden,) if isinstance(n_hidden, (int, np.integer)) else tuple(n_hidden)
        if not self.n_hidden:
            raise SettingsError("n_hidden is empty; one number of hidden states at least was expected.")
        for number in self.n_hidden:
            require_whole_number("n_hidden", number, 2)
        self.progress = progress

    def fit(self, dtrajs, validation=None, n_states=None, checkpoint_folder=None):
        """Maximise the likelihood for each number of hidden states, and keep the best (see `DynamicsModel.fit`).

        Raises
        ------
        DataError
            Fewer connected states than the smallest number of hidden states.
        """
        dtrajs = as_dtrajs(dtrajs, n_states, min_length=2)
        n_states = int(n_states or count_states(dtrajs))
        if validation is None:
            dtrajs, validation = hold_out_tails(dtrajs)
        validation = as_dtrajs(validation, n_states, min_length=2)
        self.n_states_, best = n_states, None
        for number in tracked(self.n_hidden, "hidden Markov models", delay=2, disable=not self.progress):
            found = _maximise(dtrajs, number, n_states)
            if found is None:
                continue
            self.transition_matrix_, self.emissions_, self.start_ = found
            nats = self.nats_per_token(validation)
            if best is None or nats < best[0]:
                best = nats, found
        if best is None:
            self.n_states_ = None
            raise DataError(
                f"No hidden Markov model with {' or '.join(map(str, self.n_hidden))} hidden states could be fitted to "
                f"{n_states} states; ask for fewer hidden states."
            )
        self.transition_matrix_, self.emissions_, self.start_ = best[1]
        return self

    def _filter(self, dtraj, belief=None):
        """Belief in each hidden state after every frame, given the tokens up to it, shape (n_frames, n_hidden)."""
        beliefs = np.empty((len(dtraj), len(self.start_)))
        expected = self.start_ if belief is None else belief @ self.transition_matrix_
        shown = self.emissions_.T[dtraj]  # (n_frames, n_hidden)
        for frame, likelihood in enumerate(shown):
            now = expected * likelihood
            beliefs[frame] = now / now.sum()
            expected = beliefs[frame] @ self.transition_matrix_
        return beliefs

    def predict_log_proba(self, dtraj):
        """See `DynamicsModel.predict_log_proba`."""
        self.require_fitted()
        dtraj = as_dtrajs([dtraj], self.n_states_, min_length=2)[0]
        return np.log(self._filter(dtraj[:-1]) @ self.transition_matrix_ @ self.emissions_)

    def sample(self, prompts, n_steps, seed):
        """See `DynamicsModel.sample`: the hidden state of each chain is drawn once, given its prompt."""
        prompts = self.check_prompts(prompts, n_steps, seed)
        rng = np.random.default_rng(seed)
        hidden = draw(np.stack([self._filter(prompt)[-1] for prompt in prompts]), rng)
        chains = np.empty((n_steps, len(hidden)), dtype=np.int64)
        for step in tracked(range(n_steps), desc="HiddenMarkovModel chains", delay=2, disable=not self.progress):
            hidden = draw(self.transition_matrix_[hidden], rng)
            chains[step] = draw(self.emissions_[hidden], rng)
        return list(chains.T.copy())

    @property
    def stationary_distribution_(self):
        """Tokens under the stationary distribution of hidden states, shape (n_states_,)."""
        return self.start_ @ self.emissions_

    @property
    def n_parameters(self):
        """Free probabilities of hidden transitions and of tokens."""
        self.require_fitted()
        n_hidden = len(self.start_)
        return n_hidden * (n_hidden - 1) + n_hidden * (self.n_states_ - 1)

    def save(self, folder):
        """Write ``model.json`` and ``arrays.npz`` to `folder`, which appears whole or not at all."""
        self.require_fitted()
        write_model(
            folder,
            self,
            {"n_hidden": list(self.n_hidden)},
            {"transition_matrix": self.transition_matrix_, "emissions": self.emissions_, "start": self.start_},
        )

    @classmethod
    def load(cls, folder):
        """Read a model that `save` wrote."""
        settings, n_states, arrays = read_model(folder, cls)
        model = cls(n_hidden=tuple(settings["n_hidden"]))
        model.transition_matrix_, model.emissions_, model.start_ = (
            arrays[name] for name in ("transition_matrix", "emissions", "start")
        )
        model.n_states_ = n_states
        return model


def _maximise(dtrajs, n_hidden, n_states):
    """Transition matrix, emissions over all states and stationary distribution; None where deeptime finds no start."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of convergence; what counts is the likelihood of held-out data
        try:
            first = init.discrete.metastable_from_data(dtrajs, n_hidden_states=n_hidden, lagtime=1)
            model = MaximumLikelihoodHMM(
                first, lagtime=1, maxit=_MOST_ITERATIONS, accuracy=1e-3 * sum(map(len, dtrajs)) ** 0.5
            ).fit_fetch(dtrajs)
        except (ValueError, AssertionError, RuntimeError, np.linalg.LinAlgError):
            return None
    emissions = np.zeros((n_hidden, n_states))
    shown = model.output_probabilities
    emissions[:, : shown.shape[1]] = shown
    emissions = (1 - FLOOR) * emissions + FLOOR / n_states
    return (
        model.transition_model.transition_matrix,
        emissions / emissions.sum(axis=1, keepdims=True),
        model.transition_model.stationary_distribution,
    )
