"""Models around a model: what it says of itself, they say too."""

from mdtok.models.dynamics import DynamicsModel


class WrappedModel(DynamicsModel):
    """A model that holds another one as `model`; a subclass says what it does with it."""

    model: DynamicsModel

    @property
    def progress(self):
        """Whether the model shows progress bars."""
        return self.model.progress

    @progress.setter
    def progress(self, shown):
        self.model.progress = shown

    @property
    def stationary_distribution_(self):
        """That of the model."""
        return self.model.stationary_distribution_

    @property
    def samples_in_pieces(self):
        """As the model does."""
        return self.model.samples_in_pieces

    @property
    def history_(self):
        """What the model says of its training, where it says anything."""
        return self.model.history_

    @property
    def train_seconds_(self):
        """Those of the model, where it says anything."""
        return self.model.train_seconds_ or 0.0

    @train_seconds_.setter
    def train_seconds_(self, seconds):
        self.model.train_seconds_ = seconds

    @property
    def n_parameters(self):
        """Those of the model."""
        return self.model.n_parameters
