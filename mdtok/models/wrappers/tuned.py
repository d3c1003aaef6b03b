"""The best of a few candidates on held-out trajectories: the same small budget for every kind of model."""

from pathlib import Path

from mdtok.errors import SettingsError
from mdtok.models.saved import load_model, read_model, write_model
from mdtok.models.wrappers.wrapped import WrappedModel
from mdtok.tokens.dtrajs import as_dtrajs, count_states, hold_out_tails


class TunedModel(WrappedModel):
    """Fits several candidates and is the one with the lowest held-out nats per token.

    A comparison of kinds of models is fair where each may choose among equally many settings on the same validation
    trajectories; test trajectories have no part in it.

    Parameters
    ----------
    candidates : list of DynamicsModel
        Not fitted, of one lag.

    Attributes
    ----------
    model : DynamicsModel
        The chosen one.
    chosen_ : int
        Which of the candidates it was.
    validation_nats_ : list of float
        Of each candidate.

    Raises
    ------
    SettingsError
        No candidates, or candidates of different lags.

    Examples
    --------
    >>> import numpy as np
    >>> from mdtok.models.counted.backoff import OrderKModel
    >>> rng = np.random.default_rng(0)
    >>> twice = np.repeat(rng.integers(0, 2, 3000), 2)  # every token comes twice, so one of them tells too little
    >>> model = TunedModel([OrderKModel(order=1), OrderKModel(order=4)]).fit([twice])
    >>> model.chosen_
    1
    """

    name_pattern, name_shown = "(.+)-tuned", "NAME-tuned"
    name_help = "the best on validation of three models: NAME is order, semi-markov, nanogpt or lstm"
    name_use = "hyper-parameters that should be chosen on validation, not by hand"

    @classmethod
    def from_name(cls, match, context):
        return cls(context.candidates(match[1]))

    def __init__(self, candidates):
        self.candidates = list(candidates)
        if not self.candidates:
            raise SettingsError("There are no candidates to choose from; one at least was expected.")
        lagtimes = {candidate.lagtime for candidate in self.candidates}
        if len(lagtimes) > 1:
            raise SettingsError(
                f"The candidates have the lags {sorted(lagtimes)}; nats at different lags cannot be compared."
            )
        self.lagtime, self.model = lagtimes.pop(), self.candidates[0]

    def fit(self, dtrajs, validation=None, n_states=None, checkpoint_folder=None):
        """Fit every candidate; keep the best on `validation`, or on the last tenth of each trajectory."""
        dtrajs = as_dtrajs(dtrajs, n_states, min_length=2)
        n_states = int(n_states or count_states(dtrajs))
        if validation is None:
            dtrajs, validation = hold_out_tails(dtrajs)
        self.n_states_, self.validation_nats_ = None, []
        for number, candidate in enumerate(self.candidates):
            folder = None if checkpoint_folder is None else Path(checkpoint_folder) / f"candidate_{number}"
            candidate.fit(dtrajs, validation, n_states, checkpoint_folder=folder)
            self.validation_nats_.append(candidate.nats_per_token(validation))
        self.chosen_ = min(range(len(self.candidates)), key=self.validation_nats_.__getitem__)
        self.model, self.n_states_ = self.candidates[self.chosen_], n_states
        return self

    def predict_log_proba(self, dtraj):
        """See `DynamicsModel.predict_log_proba`."""
        self.require_fitted()
        return self.model.predict_log_proba(dtraj)

    def predict_next(self, pasts, lengths):
        """See `DynamicsModel.predict_next`."""
        self.require_fitted()
        return self.model.predict_next(pasts, lengths)

    def log_prob(self, dtrajs):
        """See `DynamicsModel.log_prob`."""
        self.require_fitted()
        return self.model.log_prob(dtrajs)

    def sample(self, prompts, n_steps, seed):
        """See `DynamicsModel.sample`."""
        return self.model.sample(self.check_prompts(prompts, n_steps, seed), n_steps, seed)

    @property
    def progress(self):
        """Whether the candidates show progress bars."""
        return self.model.progress

    @progress.setter
    def progress(self, shown):
        for candidate in self.candidates:
            candidate.progress = shown

    def save(self, folder):
        """Write ``model.json`` and the chosen model to `folder`, which appears whole or not at all."""
        self.require_fitted()
        settings = {"chosen": self.chosen_, "validation_nats": self.validation_nats_}
        write_model(folder, self, settings, {}, parts={"chosen": self.model})

    @classmethod
    def load(cls, folder):
        """Read a model that `save` wrote; of the candidates, the chosen one is there."""
        settings, n_states, _ = read_model(folder, cls)
        model = cls([load_model(Path(folder) / "chosen")])
        model.chosen_, model.validation_nats_ = settings["chosen"], settings["validation_nats"]
        model.n_states_ = n_states
        return model
