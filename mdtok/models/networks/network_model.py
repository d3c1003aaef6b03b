"""What models with a network share, of tokens and of coordinates: named sizes and settings that are said once.

The shape of a network is said in its Hugging Face config, how it is trained in `TrainingSettings`. A model takes the
two, or their settings as keywords of its own.
"""

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

from transformers import PretrainedConfig

from mdtok.checks import require_known_names, require_one_of
from mdtok.errors import SettingsError
from mdtok.models.model import Model
from mdtok.models.networks.training import TrainingSettings


class NetworkModel(Model):
    """A model whose constructor takes ``network``, ``training``, settings of its own and those of the two as keywords.

    A subclass says its named sizes (`presets`), the class of its config (`config_class`), the settings of the config
    that data or the model decide (`decided`), the settings of training that it has no use for (`unused_training`), and
    where its training differs from the defaults of `TrainingSettings` (`training_defaults`).

    Attributes
    ----------
    network : PretrainedConfig
        Shape of the network.
    training : TrainingSettings
    network_ : PreTrainedModel
        After `fit`.
    """

    network_: Any
    presets: dict
    config_class: type[PretrainedConfig]
    decided: tuple[str, ...]
    unused_training: tuple[str, ...] = ()
    training_defaults: dict[str, Any] = {}

    @classmethod
    def from_preset(cls, name: str, **overrides: Any) -> Any:
        """Make an unfitted model of a named size (one of `presets`), with any setting replaced.

        Raises
        ------
        SettingsError
            An unknown size or setting, or one out of range.
        """
        if name not in cls.presets:
            raise SettingsError(f"There is no preset {name!r}; {', '.join(map(repr, cls.presets))} were expected.")
        return cls(**{**cls.presets[name], **overrides})

    @classmethod
    def shape_names(cls) -> list[str]:
        """Settings of the config that a user decides."""
        given = inspect.signature(cls.config_class.__init__).parameters
        return [name for name in given if name not in ("self", "kwargs", "use_cache", *cls.decided)]

    @classmethod
    def training_names(cls) -> list[str]:
        """Settings of training that this model has."""
        return [field.name for field in dataclasses.fields(TrainingSettings) if field.name not in cls.unused_training]

    @classmethod
    def own_names(cls) -> list[str]:
        """Settings of the model itself, beside those of network and training."""
        given = inspect.signature(cls.__init__).parameters.values()
        return [one.name for one in given if one.kind == one.KEYWORD_ONLY and one.name != "progress"]

    def take_settings(
        self, network: PretrainedConfig | None, training: TrainingSettings | None, keywords: Mapping[str, Any]
    ) -> None:
        """Keep the shape of the network and the settings of training, as they are given or made of keywords."""
        shape, of_training = self.shape_names(), self.training_names()
        require_known_names(type(self).__name__, keywords, [*shape, *of_training, *self.own_names(), "progress"])
        for name, given, kind, names in (
            ("network", network, self.config_class, shape),
            ("training", training, TrainingSettings, of_training),
        ):
            if given is None:
                continue
            if not isinstance(given, kind):
                raise SettingsError(f"{name} is a {type(given).__name__}; a {kind.__name__} was expected.")
            if twice := [one for one in names if one in keywords]:
                raise SettingsError(f"{twice[0]} is given by itself and in {name}; give it once.")
        if training is None:
            by_itself = {name: keywords[name] for name in of_training if name in keywords}
            training = TrainingSettings(**{**self.training_defaults, **by_itself})
        for name in self.unused_training:
            require_one_of(f"{name} of training", getattr(training, name), [None])
        if network is None:
            network = self.config_class(**{name: keywords[name] for name in shape if name in keywords})
        self.network, self.training = network, training

    def make_config(self, **decided: Any) -> PretrainedConfig:
        """A config of the given shape, with the settings that data or the model decide."""
        shape = {name: getattr(self.network, name) for name in self.shape_names()}
        return self.config_class(**shape, **decided)

    @property
    def settings(self) -> dict[str, Any]:
        """All settings by their names, as ``model.json`` has them and as the constructor takes them."""
        shape = {name: getattr(self.network, name) for name in self.shape_names()}
        own = {name: getattr(self, name) for name in self.own_names()}
        training = {name: getattr(self.training, name) for name in self.training_names()}
        return {**shape, **own, **training, "adam_betas": list(self.training.adam_betas)}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Settings by name, those of network and training among them, as the constructor takes them."""
        return {**self.settings, "progress": self.progress}

    @property
    def n_parameters(self) -> int:
        """Number of weights of the fitted network."""
        self.require_fitted()
        return sum(parameter.numel() for parameter in self.network_.parameters())
