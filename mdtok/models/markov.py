"""The Markov state model: deeptime's own, behind the interface of `DynamicsModel`.

Its transition matrix answers questions about kinetics as it stands (`MarkovModel.msm_`). To predict tokens it is
smoothed a little, so that a transition never seen still has a probability: see `smooth`.
"""

import zipfile
from pathlib import Path

import numpy as np
import scipy.sparse
from deeptime.markov import TransitionCountEstimator, TransitionCountModel
from deeptime.markov.msm import BayesianMSMPosterior, MarkovStateModel, MaximumLikelihoodMSM
from deeptime.markov.tools.analysis import stationary_distribution
from deeptime.markov.tools.estimation.dense.tmat_sampling.tmatrix_sampler import TransitionMatrixSampler
from tqdm import tqdm

from mdtok.errors import DataError, RunFolderError, SettingsError
from mdtok.features.dtrajs import as_dtrajs, count_states
from mdtok.models.dynamics import DynamicsModel
from mdtok.runfolder import read_json, whole, write_json

FLOOR = 1e-8  # share of every row spread over all states, so that no log-probability is infinite
_TOLERANCE = 1e-6  # how far a row of a transition matrix may be from one, deeptime's default for estimated ones


def estimate_msm(count_model, reversible=True, max_error=1e-8):
    """Maximum-likelihood MSM of deeptime on the connected set with the most counts.

    Parameters
    ----------
    count_model : deeptime.markov.TransitionCountModel
    reversible : bool
    max_error : float
        At which the iteration of the reversible estimate ends.

    Returns
    -------
    deeptime.markov.msm.MarkovStateModel
        Its states are numbered within the connected set, of two states or more; ``msm.count_model.state_symbols`` are the
        tokens.

    Raises
    ------
    DataError
        No two states are visited back and forth, or no matrix with detailed balance is found.
    """
    sets = [states for states in count_model.connected_sets(sort_by_population=True) if len(states) > 1]
    if not sets:
        raise DataError(
            f"Of {count_model.n_states} states no two are visited back and forth at lag {count_model.lagtime}, so there is "
            "no Markov model; use fewer states or longer trajectories."
        )
    connected = count_model.submodel(sets[0])
    estimator = MaximumLikelihoodMSM(
        reversible=reversible, maxerr=max_error, allow_disconnected=False, transition_matrix_tolerance=_TOLERANCE
    )
    try:
        estimate = estimator.fit(connected).fetch_model()
    except RuntimeError as error:
        raise DataError(f"deeptime finds no transition matrix with detailed balance ({error}); use reversible=False.") from None
    return _msm(estimate.transition_matrix, estimate.stationary_distribution, connected, reversible)


def _msm(transition_matrix, distribution, count_model, reversible):
    return MarkovStateModel(
        transition_matrix, distribution, reversible=reversible, count_model=count_model, transition_matrix_tolerance=_TOLERANCE,
    )


def draw_posterior(msm, n_samples, seed, callback=None):
    """Transition matrices from the Bayesian posterior of an MSM.

    A sliding window counts one event up to lagtime times. Divided by lagtime the likelihood is the geometric mean over the
    lagtime ways to subsample the trajectory (deeptime's "sliding-effective"), so that an event counts once. Its mode
    "effective" divides further, by autocorrelation times that it estimates from the same few events, transition by
    transition: noisier where it matters most, with intervals far too narrow for the six slow events of 250 ns of alanine.

    Parameters
    ----------
    msm : deeptime.markov.msm.MarkovStateModel
        Of `estimate_msm`, with sliding counts.
    n_samples : int
    seed : int
    callback : callable, optional
        Called after each sample.

    Returns
    -------
    matrices : ndarray, shape (n_samples, n_connected, n_connected)
    distributions : ndarray, shape (n_samples, n_connected)
        The stationary distribution of each.

    References
    ----------
    B. Trendelkamp-Schroer, H. Wu, F. Paul, F. Noé, J. Chem. Phys. 143, 174101 (2015).
    """
    counts = dense(msm.count_model.count_matrix) / msm.lagtime
    rng = np.random.default_rng(seed)
    if msm.reversible:
        # deeptime's BayesianMSM takes no seed, its samplers do
        sampler = TransitionMatrixSampler(
            counts, reversible=True, P0=msm.transition_matrix, n_steps=1 + int(np.sqrt(len(counts))), seed=int(rng.integers(2**31)),
        )
        matrices, distributions = sampler.sample(n_samples, return_statdist=True, callback=callback)
        return np.asarray(matrices), np.asarray(distributions)
    matrices = np.zeros((n_samples, *counts.shape))  # without detailed balance rows are independent
    for state, row in enumerate(counts):
        seen = row > 0
        matrices[:, state, seen] = rng.dirichlet(row[seen], size=n_samples)
    return matrices, np.array([stationary_distribution(matrix, check_inputs=False) for matrix in matrices])


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

    def bayesian_msm(self, n_samples=None, seed=0):
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
        with tqdm(total=n_samples, desc="Bayesian MSM", delay=2, disable=not self.progress) as bar:
            matrices, distributions = draw_posterior(self.msm_, n_samples, seed, bar.update)
        samples = [_msm(*drawn, self.msm_.count_model, self.reversible) for drawn in zip(matrices, distributions)]
        return BayesianMSMPosterior(prior=self.msm_, samples=samples)

    def predict_log_proba(self, dtraj):
        """See `DynamicsModel.predict_log_proba`; row i is the distribution at frame ``i + lagtime`` given frame i."""
        self.require_fitted()
        dtraj = as_dtrajs([dtraj], self.n_states_, min_length=self.lagtime + 1)[0]
        return np.log(self.predictive_matrix_)[dtraj[:-self.lagtime]]

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
        for step in tqdm(range(n_steps), desc="MarkovModel chains", delay=2, disable=not self.progress):
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
        self.msm_ = _msm(arrays["transition_matrix"], arrays["stationary_distribution"], connected, self.reversible)
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
    """Populations in equilibrium, shape (n_states,): of the MSM at `lagtime` or shorter, counted where there is none."""
    try:
        lagtime = max(1, min(lagtime, min(map(len, dtrajs)) - 1))
        return MarkovModel(lagtime=lagtime).fit(dtrajs, n_states=n_states).stationary_distribution_
    except DataError:  # no state is left and found again
        counted = np.bincount(np.concatenate(dtrajs), minlength=n_states)
        return counted / counted.sum()


def smooth(transition_matrix, counts):
    """Give transitions that were never seen a probability without making rare ones less rare.

    Row i of T becomes ``(1 - e_i) T_i + e_i (1 + T T)_i / 2``, where e_i is Good and Turing's estimate of the
    probability of what was not seen yet: the share of transitions out of i that were seen once. It goes to where none
    or two steps lead, so one step on average: as ``(1 + T T) / 2 - T = (1 - T)^2 / 2``, the eigenvalue l of a slow
    process, near 1, is kept to within ``(1 - l)^2 / 2``. A floor of 1e-8, shared by all states, keeps logarithms finite.

    Additive pseudo-counts are wrong here: with 100 states and crossings that take a nanosecond at a picosecond a frame,
    one pseudo-count a row sends as many steps across the barriers as the physics does, or more, and each such factor is
    a factor in the slow rates.

    Parameters
    ----------
    transition_matrix : ndarray of float, shape (n_states, n_states)
    counts : ndarray of float, shape (n_states, n_states)
        Independent transition counts (sliding-window counts divided by the lag time).

    Returns
    -------
    ndarray of float, shape (n_states, n_states)
        Rows sum to one, no entry is zero.

    References
    ----------
    Good, Biometrika 40, 237 (1953).

    Examples
    --------
    >>> smooth(np.array([[0.5, 0.5], [1.0, 0.0]]), counts=np.array([[8, 8], [9, 1]])).round(3)
    array([[0.5  , 0.5  ],
           [0.925, 0.075]])
    """
    seen_once = np.where(counts <= 1, counts, 0).sum(axis=1)
    unseen = np.minimum(seen_once / np.maximum(counts.sum(axis=1), 1), 0.5)[:, None]
    none_or_two_steps = (np.eye(len(counts)) + transition_matrix @ transition_matrix) / 2
    smoothed = (1 - unseen - FLOOR) * transition_matrix + unseen * none_or_two_steps + FLOOR / len(counts)
    return smoothed / smoothed.sum(axis=1, keepdims=True)


def normalise_counts(counts):
    """Row-normalised counts; a state that was never left is followed by every state as often as that occurs."""
    leaving = counts.sum(axis=1, keepdims=True)
    arriving = counts.sum(axis=0)
    return np.where(leaving > 0, counts / np.maximum(leaving, 1e-300), arriving / arriving.sum())


def dense(matrix):
    """A count or transition matrix as an array, whichever kind deeptime made."""
    return matrix.toarray() if scipy.sparse.issparse(matrix) else np.asarray(matrix)


class JumpTable:
    """Draws the next state of many chains at once from rows of transition matrices, by one search in all rows."""

    def __init__(self, rows):
        self.n_states = rows.shape[1]
        cumulative = np.cumsum(rows, axis=1)
        cumulative[:, -1] = 1
        self.cumulative = (cumulative + np.arange(len(rows))[:, None]).ravel()

    def draw(self, row, rng):
        """The next state of each chain, shape (n_chains,), from the row of each."""
        position = np.searchsorted(self.cumulative, row + rng.random(len(row)), side="right")
        return np.minimum(position - row * self.n_states, self.n_states - 1)


def write_model(folder, model, settings, arrays, parts=None):
    """Write ``model.json``, ``arrays.npz`` and a folder for each model that is part of it, whole or not at all."""
    content = {"class": type(model).__name__, "n_states": model.n_states_, "settings": settings}
    with whole(folder) as partial:
        partial.mkdir()
        write_json(partial / "model.json", content)
        np.savez_compressed(partial / "arrays.npz", **arrays)
        for name, part in (parts or {}).items():
            part.save(partial / name)


def read_model(folder, model_class):
    """Read what `write_model` wrote: settings, n_states, arrays."""
    folder = Path(folder)
    content = read_json(folder / "model.json")
    if content.get("class") != model_class.__name__:
        raise DataError(f"{folder} holds a {content.get('class')}, not a {model_class.__name__}; use mdtok.load_model.")
    try:
        with open(folder / "arrays.npz", "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return content["settings"], content["n_states"], dict(arrays)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise RunFolderError(f"{folder}/arrays.npz cannot be read ({error}); fit and save the model again.") from None


def require_whole_number(name, value, smallest):
    """Raise SettingsError unless `value` is an integer of at least `smallest`."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < smallest:
        raise SettingsError(f"{name} is {value!r}; a whole number of at least {smallest} was expected.")
