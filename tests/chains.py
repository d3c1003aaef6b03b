"""Markov chains with closed answers, and a model that knows one exactly."""

import numpy as np

from mdtok.models.dynamics import DynamicsModel, draw

#: Three states in a row; the slowest relaxation is between the ends.
THREE_STATES = np.array([[0.98, 0.02, 0.0], [0.03, 0.94, 0.03], [0.0, 0.02, 0.98]])


def stationary(matrix):
    """Stationary distribution of a transition matrix."""
    values, vectors = np.linalg.eig(matrix.T)
    vector = np.real(vectors[:, np.argmax(np.real(values))])
    return vector / vector.sum()


def exact_timescales(matrix):
    """``-1 / ln|λ|``, slowest first."""
    values = np.sort(np.abs(np.linalg.eigvals(matrix)))[::-1]
    return -1 / np.log(values[1:])


def exact_mfpt(matrix):
    """Mean first passage times between single states, in steps."""
    n = len(matrix)
    times = np.zeros((n, n))
    for target in range(n):
        others = np.delete(np.arange(n), target)
        times[others, target] = np.linalg.solve(np.eye(n - 1) - matrix[np.ix_(others, others)], np.ones(n - 1))
    return times


def simulate(matrix, n_chains, n_frames, seed):
    """Chains that start from the stationary distribution."""
    rng = np.random.default_rng(seed)
    states = np.empty((n_frames, n_chains), dtype=np.int64)
    states[0] = rng.choice(len(matrix), size=n_chains, p=stationary(matrix))
    for t in range(1, n_frames):
        states[t] = draw(matrix[states[t - 1]], rng)
    return list(states.T.copy())


class ExactChain(DynamicsModel):
    """The model that cannot be beaten on a chain: its transition matrix."""

    def __init__(self, matrix):
        self.matrix = np.asarray(matrix)
        self.n_states_ = len(matrix)

    def fit(self, dtrajs, validation=None, n_states=None, checkpoint_folder=None):
        return self

    def predict_log_proba(self, dtraj):
        with np.errstate(divide="ignore"):
            return np.log(self.matrix)[dtraj[:-1]]

    def sample(self, prompts, n_steps, seed):
        rng = np.random.default_rng(seed)
        state = np.array([prompt[-1] for prompt in prompts])
        steps = []
        for _ in range(n_steps):
            state = draw(self.matrix[state], rng)
            steps.append(state)
        return list(np.array(steps).T)

    def save(self, folder):
        raise NotImplementedError

    @classmethod
    def load(cls, folder):
        raise NotImplementedError

    @property
    def n_parameters(self):
        return self.matrix.size - len(self.matrix)
