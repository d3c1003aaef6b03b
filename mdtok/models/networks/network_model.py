"""What models with a network share, of tokens and of coordinates: named sizes, checked settings, files of the
network."""

from safetensors.torch import save_file

from mdtok.errors import SettingsError
from mdtok.storage import whole, write_json


class NetworkModel:
    """A model whose constructor takes settings and progress, and whose `network_` is a Hugging Face network.

    A subclass has `presets`, its named sizes.
    """

    presets: dict

    @classmethod
    def from_preset(cls, name, **overrides):
        """Make an unfitted model of a named size (one of `presets`), with any parameter replaced."""
        if name not in cls.presets:
            raise SettingsError(f"There is no preset {name!r}; {', '.join(map(repr, cls.presets))} were expected.")
        return cls._from_settings({**cls.presets[name], **overrides})

    @classmethod
    def _from_settings(cls, settings):
        known = cls().settings
        unknown = sorted(set(settings) - {*known, "progress"})
        if unknown:
            raise SettingsError(
                f"{cls.__name__} has no setting {', '.join(map(repr, unknown))}; known are {', '.join(known)} and progress."
            )
        return cls(**settings)

    def _write_network(self, folder):
        """Write ``config.json`` and ``model.safetensors``, and take ``model.json`` away: written last, it makes the
        model whole."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.json").unlink(missing_ok=True)
        with whole(folder / "model.safetensors") as partial:
            save_file(self.network_.state_dict(), partial, metadata={"format": "pt"})
        config = {**self.network_.config.to_dict(), "architectures": [type(self.network_).__name__]}
        write_json(folder / "config.json", config)

    def _count_weights(self):
        self.require_fitted()
        return sum(parameter.numel() for parameter in self.network_.parameters())
