"""Settings of the trajectory BERT: its sizes, its two variants, and how each is trained by default."""

from mdtok.checks import require_one_of, require_whole_number
from mdtok.errors import SettingsError
from mdtok.models.coordinates.trajbert_network import TrajBertConfig
from mdtok.models.networks.network_model import NetworkModel

PRESETS = {
    "small": dict(hidden_size=16, n_layer=4, n_head=8, intermediate_size=128),
    "medium": dict(hidden_size=64, n_layer=8, n_head=16, intermediate_size=256),
    "large": dict(hidden_size=120, n_layer=12, n_head=24, intermediate_size=512),
}
VARIANTS = ("causal", "faithful")
#: Training that two cores end within minutes; a GPU can afford more. The faithful variant sees 1000 frames at once.
STEPS = {
    "causal": {
        "small": dict(max_steps=1000, learning_rate=3e-3, batch_size=4, patience=10, lambda_=3.0),
        "medium": dict(max_steps=500, learning_rate=1e-3, batch_size=4, patience=10, lambda_=3.0),
    },
    "faithful": {"small": dict(max_steps=100), "medium": dict(max_steps=60, learning_rate=1e-3, batch_size=8)},
}


class TrajBertSettings(NetworkModel):
    """What `TrajBert` is told before it is fitted; see there for the parameters."""

    presets, config_class = PRESETS, TrajBertConfig
    decided = ("n_dim", "n_classes", "causal", "attention_window", "n_components", "past_share")
    unused_training = ("window_shift",)
    training_defaults = dict(learning_rate=2e-3, weight_decay=0.01, warmup_steps=50, batch_size=16, max_steps=500)

    @classmethod
    def from_name(cls, match, context):
        size, variant = match[1], "faithful" if match[2] else "causal"
        settings = {"window": context.window, "seed": context.seed, "progress": context.progress}
        settings |= STEPS[variant].get(size, {})
        if context.training_steps is not None:
            settings["max_steps"] = context.training_steps
        return cls.from_preset(size, variant=variant, **settings)

    def __init__(
        self,
        network=None,
        training=None,
        *,
        variant="causal",
        window=100,
        n_components=3,
        stratify=0.5,
        n_forecast_samples=64,
        progress=True,
        **settings,
    ):
        self.take_settings(network, training, settings)
        self.variant, self.window, self.n_components = variant, window, n_components
        self.stratify, self.n_forecast_samples, self.progress = stratify, n_forecast_samples, progress
        require_one_of("variant", variant, VARIANTS)
        if self.is_causal and n_components < 1:
            raise SettingsError(f"n_components is {n_components}; the causal variant needs one Gaussian at least.")
        if not 0 <= stratify <= 1:
            raise SettingsError(f"stratify is {stratify}; a number from 0 to 1 was expected.")
        require_whole_number("window", window, 2)
        require_whole_number("n_forecast_samples", n_forecast_samples, 2)
        if self.training.max_steps is None:
            raise SettingsError("max_steps is None; a whole number of at least 1 was expected.")
        for name in ("causal", "n_components", "attention_window", "past_share"):
            if network is not None and getattr(network, name) != getattr(self.make_config(), name):
                raise SettingsError(f"{name} is given in network; TrajBert itself decides it, see its parameters.")
        self._config(n_dim=1, n_classes=2)  # raises where the window is longer than the position table

    @property
    def is_causal(self):
        """Whether this is the causal variant."""
        return self.variant == "causal"

    def _config(self, n_dim, n_classes):
        # checked for both variants, though the faithful one sees all of its trajectory in training
        config = self.make_config(
            n_dim=n_dim,
            n_classes=n_classes,
            causal=self.is_causal,
            attention_window=self.window,
            n_components=self.n_components if self.is_causal else 0,
        )
        if not self.is_causal:
            config.attention_window = config.n_positions
        return config
