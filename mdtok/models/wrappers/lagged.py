"""Any model of dynamics at a longer saving interval."""

from pathlib import Path

import numpy as np

from mdtok.checks import require_whole_number
from mdtok.errors import SettingsError
from mdtok.models.saved import load_model, read_model, write_model
from mdtok.models.wrappers.wrapped import WrappedModel
from mdtok.tokens.dtrajs import as_dtrajs, count_states, thin_dtrajs


class LaggedModel(WrappedModel):
    """A model that sees and generates every `lagtime`-th frame only.

    A longer interval makes the memory shorter in steps and the slow events less rare among them, at the price of what
    happens between two frames. The model is trained on the frames from every offset, so no frame is lost.

    Parameters
    ----------
    model : DynamicsModel
        Not fitted, of lag 1.
    lagtime : int
        Frames a step.

    Attributes
    ----------
    model : DynamicsModel
        The model of the thinned trajectories.

    Raises
    ------
    SettingsError
        The model has a lag of its own.

    Examples
    --------
    >>> from mdtok.models.counted.backoff import OrderKModel
    >>> model = LaggedModel(OrderKModel(order=2), lagtime=2).fit([np.tile([0, 0, 0, 0, 1, 1, 1, 1], 50)])
    >>> model.predict_log_proba([0, 0, 0, 0, 1]).shape
    (3, 2)
    >>> model.sample([[0, 0]], n_steps=4, seed=7)  # one token each two frames
    [array([1, 1, 0, 0])]
    """

    name_pattern, name_shown = r"(.+)-lag([1-9]\d*)", "NAME-lagN"
    name_help = "another model of tokens on every N-th frame only"
    name_use = "tokens saved so often that their memory is longer than a context"

    @classmethod
    def from_name(cls, match, context):
        return cls(context.make(match[1]), lagtime=int(match[2]))

    def __init__(self, model, lagtime):
        require_whole_number("lagtime", lagtime, 1)
        if model.reads != "tokens":
            raise SettingsError(f"{type(model).__name__} reads coordinates; a model of tokens was expected.")
        if model.lagtime != 1:
            raise SettingsError(
                f"{type(model).__name__} has a lagtime of {model.lagtime} already; give it all of it, or one with "
                "lagtime 1."
            )
        self.model, self.lagtime = model, int(lagtime)

    def fit(self, dtrajs, validation=None, n_states=None, checkpoint_folder=None):
        """Fit to every `lagtime`-th frame from every offset (see `DynamicsModel.fit`).

        Raises
        ------
        DataError
            A trajectory is not longer than the lag time.
        """
        dtrajs = as_dtrajs(dtrajs, n_states, min_length=self.lagtime + 1)
        n_states = int(n_states or count_states(dtrajs))
        if validation is not None:
            validation = thin_dtrajs(as_dtrajs(validation, n_states, min_length=self.lagtime + 1), self.lagtime)
        self.model.fit(thin_dtrajs(dtrajs, self.lagtime), validation, n_states, checkpoint_folder)
        self.n_states_ = n_states
        return self

    def predict_log_proba(self, dtraj):
        """See `DynamicsModel.predict_log_proba`; token t from tokens ``t - lagtime``, ``t - 2 lagtime``, …"""
        self.require_fitted()
        (dtraj,) = as_dtrajs([dtraj], self.n_states_, min_length=self.lagtime + 1)
        log_proba = np.empty((len(dtraj) - self.lagtime, self.n_states_))
        for offset in range(min(self.lagtime, len(log_proba))):
            log_proba[offset :: self.lagtime] = self.model.predict_log_proba(dtraj[offset :: self.lagtime])
        return log_proba

    def log_prob(self, dtrajs):
        """See `DynamicsModel.log_prob`."""
        self.require_fitted()
        scores = []
        for dtraj in as_dtrajs(dtrajs, self.n_states_, min_length=self.lagtime + 1):
            scores.append(np.empty(len(dtraj) - self.lagtime))
            offsets = range(min(self.lagtime, len(scores[-1])))
            for offset, log_probs in zip(
                offsets, self.model.log_prob([dtraj[offset :: self.lagtime] for offset in offsets])
            ):
                scores[-1][offset :: self.lagtime] = log_probs
        return scores

    def sample(self, prompts, n_steps, seed):
        """See `DynamicsModel.sample`; prompts and samples have one token each `lagtime` frames."""
        return self.model.sample(self.check_prompts(prompts, n_steps, seed), n_steps, seed)

    def save(self, folder):
        """Write ``model.json`` and the model to `folder`, which appears whole or not at all."""
        self.require_fitted()
        write_model(folder, self, {"lagtime": self.lagtime}, {}, parts={"thinned": self.model})

    @classmethod
    def load(cls, folder):
        """Read a model that `save` wrote."""
        settings, n_states, _ = read_model(folder, cls)
        model = cls(load_model(Path(folder) / "thinned"), **settings)
        model.n_states_ = n_states
        return model
