"""The LSTM baseline, at the same saving interval and with the same context as nano-GPT: config, network and model.

Tsai, Kuo and Tiwary, Nat. Commun. 11, 5115 (2020): an embedding, one layer of long short-term memory, a softmax.
"""

from torch import nn
from transformers import AutoConfig, PretrainedConfig

from mdtok.models.networks.neural import NAME_ENDS, NeuralModel, network_names
from mdtok.models.networks.token_network import TokenNetwork, check_config, refuse_unknown

PRESETS = {
    "tiny": dict(n_embd=8, n_hidden=32, n_positions=32),
    "small": dict(n_embd=8, n_hidden=64),
    "medium": dict(n_embd=128, n_hidden=512),
}


class LSTMConfig(PretrainedConfig):
    """Shape of an `LSTMNetwork`, stored as ``config.json``.

    Parameters
    ----------
    n_states : int
        Size of the alphabet.
    n_embd, n_hidden : int
        Width of the embedding; units.
    n_positions : int
        Longest context, in tokens: as for a transformer, so that the two differ in nothing else.
    dropout : float
        After the embedding and after the units, in training only.
    n_basins, second_pass, keep_epsilon, keep_rate
        See `NanoGPTConfig`.
    initializer_range : float
        Standard deviation of the initial weights of the ends.

    Raises
    ------
    SettingsError
        A setting is unknown or out of range.
    """

    model_type = "mdtok-lstm"

    def __init__(
        self,
        n_states=2,
        n_embd=8,
        n_hidden=64,
        n_positions=100,
        dropout=0.0,
        n_basins=0,
        second_pass=None,
        keep_epsilon=0.95,
        keep_rate=0.99995,
        initializer_range=0.02,
        use_cache=True,
        **kwargs,
    ):
        refuse_unknown(self, kwargs)
        self.n_states, self.n_embd, self.n_hidden = n_states, n_embd, n_hidden
        self.n_positions, self.dropout = n_positions, dropout
        self.n_basins = n_basins
        self.second_pass, self.keep_epsilon, self.keep_rate = second_pass, keep_epsilon, keep_rate
        self.initializer_range, self.use_cache = initializer_range, use_cache
        check_config(self, ("n_states", "n_embd", "n_hidden"))
        super().__init__(**kwargs)


class StateCache:
    """Hidden and cell state of the units after the tokens read so far."""

    def __init__(self):
        self.clear()

    def clear(self):
        """Forget the past."""
        self.length, self.state = 0, None


class LSTMNetwork(TokenNetwork):
    """Long short-term memory over states: logits of the next token at every position.

    Examples
    --------
    >>> import torch
    >>> network = LSTMNetwork(LSTMConfig(n_states=4, n_hidden=16))
    >>> network(torch.zeros(2, 7, dtype=torch.long)).logits.shape
    torch.Size([2, 7, 4])
    """

    config_class = LSTMConfig

    def __init__(self, config):
        super().__init__(config)
        self.add_embedding_and_heads(config)
        self.dropout = nn.Dropout(config.dropout)
        self.units = nn.LSTM(config.n_embd, config.n_hidden, batch_first=True)
        self.post_init()

    def new_cache(self, n_chains):
        """Room for the state of `n_chains` chains."""
        return StateCache()

    def hidden_states(self, embedded, cache=None):
        """Hidden states (B, T, n_hidden) of embedded tokens (B, T, n_embd)."""
        hidden, state = self.units(self.dropout(embedded), cache.state if cache is not None else None)
        if cache is not None:
            cache.state, cache.length = state, cache.length + embedded.shape[1]
        return self.dropout(hidden)


AutoConfig.register(LSTMConfig.model_type, LSTMConfig, exist_ok=True)


class LSTM(NeuralModel):
    """Long short-term memory as a model of dynamics.

    Parameters
    ----------
    network : LSTMConfig, optional
        Shape of the network; the default is the smaller published one, `from_preset("medium")` the larger.
    training : TrainingSettings, optional
        How it is trained; if not given, with a learning rate of 2e-3 and a weight decay of 0.01.
    anchor, reversible, progress
        As in `NanoGPT`; the published model has no anchor.
    **settings
        Any setting of `LSTMConfig` and `TrainingSettings` by itself, in place of the two.

    Attributes
    ----------
    network_, anchor_, history_, train_seconds_
        See `NeuralModel`.

    Raises
    ------
    SettingsError
        A setting is unknown, out of range, or given twice.

    References
    ----------
    S.-T. Tsai, E.-J. Kuo, P. Tiwary, Nat. Commun. 11, 5115 (2020).

    Examples
    --------
    >>> import numpy as np
    >>> cycle = np.arange(400) % 3
    >>> model = LSTM.from_preset("tiny", max_steps=100, evaluate_every_steps=50, learning_rate=2e-2, progress=False)
    >>> bool(model.fit([cycle]).nats_per_token([cycle]) < 0.3)
    True
    """

    presets, config_class, network_class = PRESETS, LSTMConfig, LSTMNetwork
    training_defaults = dict(learning_rate=2e-3, weight_decay=0.01)
    name_pattern = tuned_pattern = network_names("lstm", PRESETS)
    name_shown, name_help = "lstm" + NAME_ENDS, f"recurrent network; SIZE is {', '.join(PRESETS)}; ends as of nanogpt"
    name_use = "a baseline of the same kind of training without attention"
    tuned: tuple = (("small", {}), ("small", {"learning_rate": 5e-3}), ("medium", {"learning_rate": 1e-3}))
    fewest_steps = 3000  # it learns more slowly than attention does, by steps that cost less

    def __init__(self, network=None, training=None, *, anchor=None, reversible=False, progress=True, **settings):
        super().__init__(network, training, anchor, reversible, progress, settings)
