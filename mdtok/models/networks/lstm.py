"""The LSTM baseline as a model of dynamics, at the same saving interval and with the same context as nano-GPT."""

from mdtok.models.networks.lstm_network import LSTMNetwork
from mdtok.models.networks.neural import NAME_ENDS, NeuralModel, network_names

PRESETS = {
    "tiny": dict(n_embd=8, n_hidden=32, n_positions=32),
    "small": dict(n_embd=8, n_hidden=64),
    "medium": dict(n_embd=128, n_hidden=512),
}


class LSTM(NeuralModel):
    """Long short-term memory as a model of dynamics (Tsai, Kuo and Tiwary, Nat. Commun. 11, 5115 (2020)).

    Parameters
    ----------
    n_embd, n_hidden, n_positions, dropout
        Shape of the network, see `LSTMConfig`; the default is the smaller published one, `from_preset("medium")` the
        larger.
    anchor, second_pass, keep_epsilon, keep_rate, reversible, window_shift
        As in `NanoGPT`; the published model has no anchor and one pass.
    learning_rate, adam_betas, weight_decay, warmup_steps, batch_size, max_steps, evaluate_every_steps, patience, seed,
    progress
        How it is trained, as in `NanoGPT`.

    Attributes
    ----------
    network_, anchor_, history_, train_seconds_
        See `NeuralModel`.

    Raises
    ------
    SettingsError
        A setting is unknown or out of range.

    Examples
    --------
    >>> import numpy as np
    >>> cycle = np.arange(400) % 3
    >>> model = LSTM.from_preset("tiny", max_steps=100, evaluate_every_steps=50, learning_rate=2e-2, progress=False)
    >>> bool(model.fit([cycle]).nats_per_token([cycle]) < 0.3)
    True
    """

    presets, network_class = PRESETS, LSTMNetwork
    name_pattern = tuned_pattern = network_names("lstm", PRESETS)
    name_shown, name_help = "lstm" + NAME_ENDS, f"recurrent network; SIZE is {', '.join(PRESETS)}; ends as of nanogpt"
    tuned: tuple = (("small", {}), ("small", {"learning_rate": 5e-3}), ("medium", {"learning_rate": 1e-3}))
    fewest_steps = 3000  # it learns more slowly than attention does, by steps that cost less
    shape = ("n_embd", "n_hidden", "n_positions", "dropout", "second_pass", "keep_epsilon", "keep_rate")

    def __init__(
        self,
        n_embd=8,
        n_hidden=64,
        n_positions=100,
        dropout=0.0,
        anchor=None,
        second_pass=None,
        keep_epsilon=0.95,
        keep_rate=0.99995,
        reversible=False,
        window_shift=None,
        learning_rate=2e-3,
        adam_betas=(0.9, 0.98),
        weight_decay=0.01,
        warmup_steps=100,
        batch_size=64,
        max_steps=None,
        evaluate_every_steps=100,
        patience=5,
        seed=0,
        progress=True,
    ):
        self._take(dict(locals()))
