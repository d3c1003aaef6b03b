"""The network of the LSTM baseline: tokens in, outputs for the next token, as a Hugging Face model.

Tsai, Kuo and Tiwary, Nat. Commun. 11, 5115 (2020): an embedding, one layer of long short-term memory, a softmax.
"""

from torch import nn
from transformers import AutoConfig, PretrainedConfig

from mdtok.errors import SettingsError
from mdtok.models.networks.token_network import KEYS_OF_EVERY_CONFIG, TokenNetwork, check_config


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
        n_embd=128,
        n_hidden=512,
        n_positions=100,
        dropout=0.0,
        n_basins=0,
        anchor_share=1.0,
        second_pass=None,
        keep_epsilon=0.95,
        keep_rate=0.99995,
        initializer_range=0.02,
        use_cache=True,
        **kwargs,
    ):
        unknown = sorted(set(kwargs) - KEYS_OF_EVERY_CONFIG)
        if unknown:
            raise SettingsError(f"LSTMConfig has no setting {', '.join(map(repr, unknown))}; see help(LSTMConfig).")
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
        self.add_ends(config)
        self.dropout = nn.Dropout(config.dropout)
        self.units = nn.LSTM(config.n_embd, config.n_hidden, batch_first=True)
        self.post_init()

    def new_cache(self, n_chains):
        """Room for the state of `n_chains` chains."""
        return StateCache()

    def read(self, embedded, cache=None):
        """Hidden states (B, T, n_hidden) of embedded tokens (B, T, n_embd)."""
        hidden, state = self.units(self.dropout(embedded), cache.state if cache is not None else None)
        if cache is not None:
            cache.state, cache.length = state, cache.length + embedded.shape[1]
        return self.dropout(hidden)


AutoConfig.register(LSTMConfig.model_type, LSTMConfig, exist_ok=True)
