"""A Markov chain of microstates; the odds of crossing between macrostates depend on how long one has lasted."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mdtok.models.counted.markov import MarkovModel
from mdtok.models.counted.semi_markov import SemiMarkovModel
from mdtok.models.dynamics import draw
from mdtok.models.saved import read_model, write_model
from mdtok.progress import tracked
from mdtok.tokens.dtrajs import as_dtrajs, count_states, hold_out_tails

_RIDGES = (np.inf, 100.0, 30.0, 10.0, 3.0, 1.0)  # infinity: age does not count
_ROUNDS, _CONVERGED = 25, 1e-6


class AgeOddsModel(SemiMarkovModel):
    """Crossing odds of the present microstate, times a factor for the age of the macrostate.

    Counting what follows each microstate at each age, as `SemiMarkovModel` does, thins the counts a hundredfold. Here
    the odds of crossing from macrostate i to j rather than staying are those of the microstate in the Markov chain,
    multiplied by ``exp(w_ij(age))``: one number a pair and bin of ages. So what has just crossed goes back more often
    (or less), in every microstate alike, and a bin of ages expects as many crossings as were counted in it. The w are
    fitted with a ridge that is chosen on held-out trajectories for each pair of macrostates: where crossings are few,
    it leaves the Markov chain as it is.

    Parameters
    ----------
    macrostates : int array, shape (n_states,), optional
        Macrostate of each token; each token is one by default.
    bins_per_doubling : int
        Age bins in each doubling of the age beyond 4.
    reversible : bool
        Whether the Markov chain is reversible.
    progress : bool
        Show a progress bar where sampling takes more than two seconds.

    Attributes
    ----------
    log_odds_ : ndarray, shape (n_macrostates, n_macrostates, n_bins)
        w_ij(age).
    ridges_ : ndarray, shape (n_macrostates, n_macrostates)
        Infinite where age does not count.

    References
    ----------
    D. R. Cox, J. R. Stat. Soc. B 34, 187 (1972), the discrete logistic model; C. B. Begg, R. Gray, Biometrika 71, 11
    (1984), pair by pair.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> macro = np.repeat(np.arange(4000) % 2, 5)                  # every visit lasts five frames
    >>> dtraj = 3 * macro + rng.integers(0, 3, len(macro))         # in three microstates
    >>> model = AgeOddsModel([0, 0, 0, 1, 1, 1], progress=False).fit([dtraj])
    >>> at_ages = np.exp(model.predict_log_proba(dtraj[1000:1006])) @ np.eye(2)[[0, 0, 0, 1, 1, 1]]
    >>> bool(at_ages[1, 0] > 0.95)
    True
    """

    name_pattern = name_shown = "age-odds"
    name_help = "Markov chain whose odds of crossing depend on the age of the macrostate"
    name_use = (
        "macrostates whose odds of being left change with the time since they were entered, and few events "
        "to learn it from"
    )

    def fit(self, dtrajs, validation=None, n_states=None, checkpoint_folder=None):
        """Count, fit the odds, and choose the ridges on `validation` or the last tenth of each trajectory."""
        dtrajs = as_dtrajs(dtrajs, n_states, min_length=2)
        n_states = int(n_states or count_states(dtrajs))
        self._check_states(n_states)
        if validation is None:
            dtrajs, validation = hold_out_tails(dtrajs)
        validation = as_dtrajs(validation, n_states, min_length=2)
        self._set_markov(MarkovModel(reversible=self.reversible).fit(dtrajs, n_states=n_states))
        self.levels_, n_macrostates = [], self._state_matrix.shape[1]
        seen, held_out = self._crossings(dtrajs), self._crossings(validation)
        self.log_odds_ = np.zeros((n_macrostates, n_macrostates, len(self._age_bins)))
        self.ridges_ = np.full((n_macrostates, n_macrostates), np.inf)
        for i, j in np.argwhere(~np.eye(n_macrostates, dtype=bool)):
            train, test = _of_pair(*seen, self._state_matrix, i, j), _of_pair(*held_out, self._state_matrix, i, j)
            fitted = [_fit(*train, len(self._age_bins), ridge) for ridge in _RIDGES]
            losses = [_loss(*test, weights) for weights in fitted]
            best = int(np.argmin(losses))  # the first of equals, so without evidence infinity
            self.log_odds_[i, j], self.ridges_[i, j] = fitted[best], _RIDGES[best]
        self.n_states_ = n_states
        return self

    def _crossings(self, dtrajs):
        """Token, age bin, macrostate and next macrostate of every frame but the last of each trajectory."""
        parts = []
        for dtraj in dtrajs:
            memory = self.memory_at(dtraj)[:, :-1]
            parts.append(np.stack([memory[0], self._bins(memory), memory[1], self._states(dtraj[1:])]))
        return np.concatenate(parts, axis=1)

    def _bins(self, memory):
        return np.searchsorted(self._age_bins, memory[2], side="right") - 1

    def predict_states(self, memory: np.ndarray) -> np.ndarray:
        """Probabilities of the next macrostate, shape (n, n_macrostates), for memories (n_entries, n)."""
        odds = self._state_matrix[memory[0]] * np.exp(self.log_odds_[memory[1], :, self._bins(memory)])
        return odds / odds.sum(axis=1, keepdims=True)

    def log_prob(self, dtrajs):
        """See `DynamicsModel.log_prob`."""
        self.require_fitted()
        observed = as_dtrajs(dtrajs, self.n_states_, min_length=2)
        return [self.predict_log_proba(d)[np.arange(len(d) - 1), d[1:]] for d in observed]

    def sample(self, prompts, n_steps, seed):
        """See `DynamicsModel.sample`: the next macrostate is drawn, then a token within it."""
        prompts = self.check_prompts(prompts, n_steps, seed)
        rng = np.random.default_rng(seed)
        memory = np.stack([self.memory_at(prompt)[:, -1] for prompt in prompts], axis=1)
        chains = np.empty((n_steps, len(prompts)), dtype=np.int64)
        for step in tracked(range(n_steps), desc="AgeOddsModel chains", delay=2, disable=not self.progress):
            states = draw(self.predict_states(memory), rng)
            chains[step] = self._draw_tokens(memory[0], states, rng)
            memory = self.advance(memory, chains[step])
        return list(chains.T.copy())

    @property
    def n_parameters(self):
        """Those of the Markov chain, and the factors of pairs where age counts."""
        self.require_fitted()
        return self.markov_.n_parameters + int(np.isfinite(self.ridges_).sum()) * len(self._age_bins)

    def save(self, folder):
        """Write ``model.json``, ``arrays.npz`` and ``markov/`` to `folder`, which appears whole or not at all."""
        self.require_fitted()
        write_model(
            folder,
            self,
            self._settings(),
            {"log_odds": self.log_odds_, "ridges": self.ridges_},
            parts={"markov": self.markov_},
        )

    @classmethod
    def load(cls, folder):
        """Read a model that `save` wrote."""
        settings, n_states, arrays = read_model(folder, cls)
        model = cls(**settings)
        model._set_markov(MarkovModel.load(Path(folder) / "markov"))
        model.levels_, model.log_odds_, model.ridges_ = [], arrays["log_odds"], arrays["ridges"]
        model.n_states_ = n_states
        return model


def _of_pair(tokens, bins, states, following, state_matrix, i, j):
    """Frames in i that stay or cross to j: log-odds of crossing in the Markov chain, age bin, whether it crossed."""
    frames = (states == i) & ((following == i) | (following == j))
    odds = state_matrix[tokens[frames]]
    return np.log(odds[:, j] / odds[:, i]), bins[frames], following[frames] == j


def _fit(offsets, bins, crossed, n_bins, ridge):
    """Log-odds of each bin by Newton's method; each bin is by itself, and so is its ridge."""
    weights = np.zeros(n_bins)
    if not np.isfinite(ridge):
        return weights
    for _ in range(_ROUNDS):
        expected = 1 / (1 + np.exp(-(offsets + weights[bins])))
        slope = np.bincount(bins, crossed - expected, n_bins) - ridge * weights
        step = slope / (np.bincount(bins, expected * (1 - expected), n_bins) + ridge)
        weights += np.clip(step, -1, 1)  # from far away, a whole step of Newton's overshoots
        if np.abs(step).max() < _CONVERGED:
            break
    return weights


def _loss(offsets, bins, crossed, weights):
    """Negative log-likelihood of crossing or staying."""
    logits = offsets + weights[bins]
    return np.logaddexp(0, logits).sum() - logits[crossed].sum()
