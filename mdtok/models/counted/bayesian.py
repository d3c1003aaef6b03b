"""The Bayesian Markov state model as a model of dynamics: every chain has a transition matrix of the posterior."""

import numpy as np

from mdtok.checks import require_whole_number
from mdtok.models.counted.markov import MarkovModel
from mdtok.models.counted.msm import draw_posterior
from mdtok.models.jumps import JumpTable
from mdtok.progress import tracked


class BayesianMarkovModel(MarkovModel):
    """A Markov state model that does not know its transition matrix exactly.

    It predicts with the mean over the posterior, and each chain of `sample` draws a matrix of its own and keeps it. So
    what chains differ by is what the training data leave open, on top of chance: rare transitions above all.

    Parameters
    ----------
    lagtime : int
        Frames a step.
    n_samples : int
        Transition matrices drawn from the posterior; they take ``8 * n_samples * n_states**2`` bytes.
    reversible : bool
        Detailed balance, as physics at equilibrium has it.
    seed : int
        Of the posterior's samples.
    progress : bool
        Show a progress bar where something takes more than two seconds.

    Attributes
    ----------
    posterior_ : ndarray of float, shape (n_samples, n_connected, n_connected)
        Transition matrices of the connected set.
    msm_, count_model_
        As in `MarkovModel`; `msm_` is the one of maximum likelihood.
    predictive_matrix_ : ndarray of float, shape (n_states_, n_states_)
        Mean over the posterior of what `MarkovModel` would predict, smoothed in the same way.

    References
    ----------
    Trendelkamp-Schroer, Wu, Paul, Noé, J. Chem. Phys. 143, 174101 (2015).

    Examples
    --------
    >>> model = BayesianMarkovModel(n_samples=50).fit([np.array([0, 0, 0, 1, 1, 1] * 5 + [0])])
    >>> bool(model.posterior_[:, 0, 1].std() > 0.05)  # five events leave much open
    True
    """

    name_pattern, name_shown = r"bayesian-msm([1-9]\d*)?", "bayesian-msm[N]"
    name_help = "Markov state model with a lag of N frames, whose chains draw their matrix from the posterior"
    name_use = "rollouts that spread as far as the data leave the matrix open"

    @classmethod
    def from_name(cls, match, context):
        return cls(lagtime=int(match[1] or 1), seed=context.seed, progress=context.progress)

    def __init__(self, lagtime=1, n_samples=100, reversible=True, seed=0, progress=True):
        require_whole_number("n_samples", n_samples, 2)
        require_whole_number("seed", seed, 0)
        super().__init__(lagtime, reversible, bayesian_samples=int(n_samples), progress=progress)
        self.n_samples, self.seed = int(n_samples), int(seed)

    def fit(self, dtrajs, validation=None, n_states=None, checkpoint_folder=None):
        """Estimate as `MarkovModel` does, then draw the posterior."""
        super().fit(dtrajs, validation, n_states, checkpoint_folder)
        with tracked(total=self.n_samples, desc="Bayesian MSM", delay=2, disable=not self.progress) as bar:
            self._set_posterior(draw_posterior(self.msm_, self.n_samples, self.seed, bar.update)[0])
        return self

    def _set_posterior(self, posterior):
        self.posterior_ = posterior
        self.predictive_matrix_ = sum(map(self._predictive_matrix, posterior)) / self.n_samples

    def sample(self, prompts, n_steps, seed):
        """See `DynamicsModel.sample`; each chain draws one matrix of the posterior and keeps to it."""
        prompts = self.check_prompts(prompts, n_steps, seed)
        rng = np.random.default_rng(seed)
        drawn, matrix_of = np.unique(rng.integers(self.n_samples, size=len(prompts)), return_inverse=True)
        jumps = JumpTable(np.concatenate([self._predictive_matrix(self.posterior_[number]) for number in drawn]))
        states = np.array([prompt[-1] for prompt in prompts])
        chains = np.empty((n_steps, len(states)), dtype=np.int64)
        for step in tracked(range(n_steps), desc="BayesianMarkovModel chains", delay=2, disable=not self.progress):
            states = jumps.draw(matrix_of * self.n_states_ + states, rng)
            chains[step] = states
        return list(chains.T.copy())

    def _settings(self):
        return {"lagtime": self.lagtime, "n_samples": self.n_samples, "reversible": self.reversible, "seed": self.seed}

    def _arrays(self):
        return {**super()._arrays(), "posterior": self.posterior_}

    def _set_arrays(self, arrays):
        super()._set_arrays(arrays)
        self._set_posterior(arrays["posterior"])
