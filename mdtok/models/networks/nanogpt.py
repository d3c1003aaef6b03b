"""Nano-GPT as a model of dynamics."""

import torch

from mdtok.errors import DataError
from mdtok.models.networks.nanogpt_network import NanoGPTNetwork, attention_maps
from mdtok.models.networks.neural import NAME_ENDS, NAME_ENDS_HELP, NeuralModel, network_names
from mdtok.tokens.dtrajs import as_dtrajs

PRESETS = {
    "tiny": dict(n_layer=1, n_head=4, n_embd=32, n_inner=64, n_positions=32),
    # for some 100,000 tokens of 100 states; little dropout, which makes fast processes slower: 10 % at 0.2 on Fip35
    "narrow": dict(n_head=4, n_embd=32, n_inner=64, dropout=0.05, learning_rate=2e-3, max_steps=1500),
    "small": dict(),
    "medium": dict(n_layer=4, n_head=8, n_embd=256, n_inner=1024, n_positions=200),
}


class NanoGPT(NeuralModel):
    """Transformer as a model of dynamics, trained with early stopping on held-out nats per token.

    Parameters
    ----------
    n_layer, n_head, n_embd, n_inner, n_positions, positions, dropout
        Shape of the network, see `NanoGPTConfig`; the defaults are those of Zeng, Zhang and Yao (2025).
    anchor : {"basins", "factorised", "states", None}
        What of the next token is anchored on counts, see `BasinAnchor`: ``"basins"``, transitions between basins whose
        exchange is slower than a fifth of the context, which the network corrects as far as held-out tokens bear out;
        ``"factorised"``, the same without a correction; ``"states"``, all transitions, and the network is a correction
        that starts at zero; None, nothing, as in the paper.
    second_pass, keep_epsilon, keep_rate
        Second pass of training, see `TokenNetwork`; none by default.
    reversible : bool
        Learn from every trajectory and from its reverse, held-out ones too: in equilibrium both are as probable
        (detailed balance), also for what is projected, so a network sees twice as much. Not for trajectories that relax
        from where they started.
    window_shift : int, optional
        Frames between the starts of two training windows; half of `n_positions` (50, as in the paper) if not given.
    learning_rate, adam_betas, weight_decay, warmup_steps, batch_size, evaluate_every_steps, patience
        How it is trained, see `mdtok.models.networks.training.TrainingSettings`.
    max_steps : int, optional
        Length of the schedule, at whose end the learning rate is zero; ten epochs if not given, but 500 to 5000 steps.
        A long schedule that early stopping cuts off keeps the noise of a high rate in the weights: on 60,000 and
        187,500 tokens one of 500 steps had lower validation loss than one of 2000 that was stopped at 200 or 300.
    seed : int
        Of the initial weights, the order of the windows and dropout.
    progress : bool
        Whether to show progress bars.

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
    >>> model = NanoGPT.from_preset("tiny", max_steps=60, evaluate_every_steps=20, learning_rate=5e-3, progress=False)
    >>> bool(model.fit([cycle]).nats_per_token([cycle]) < 0.3)
    True
    """

    presets, network_class = PRESETS, NanoGPTNetwork
    name_pattern = tuned_pattern = network_names("nanogpt", PRESETS)
    name_shown, name_help = "nanogpt" + NAME_ENDS, f"transformer; SIZE is {', '.join(PRESETS)}; {NAME_ENDS_HELP}"
    tuned: tuple = (
        ("small", {}),
        ("small", {"learning_rate": 1e-3}),
        ("tiny", {"learning_rate": 2e-3, "dropout": 0.05}),
    )
    shape = (
        "n_layer",
        "n_head",
        "n_embd",
        "n_inner",
        "n_positions",
        "positions",
        "dropout",
        "second_pass",
        "keep_epsilon",
        "keep_rate",
    )

    def __init__(
        self,
        n_layer=2,
        n_head=8,
        n_embd=128,
        n_inner=128,
        n_positions=100,
        positions="rotary",
        dropout=0.2,
        anchor="basins",
        second_pass=None,
        keep_epsilon=0.95,
        keep_rate=0.99995,
        reversible=False,
        window_shift=None,
        learning_rate=5e-4,
        adam_betas=(0.9, 0.98),
        weight_decay=0.1,
        warmup_steps=100,
        batch_size=64,
        max_steps=None,
        evaluate_every_steps=100,
        patience=5,
        seed=0,
        progress=True,
    ):
        self._take(dict(locals()))

    def attentions(self, dtraj):
        """Attention weights of one window of tokens, to look at with `mdtok.insight.summarise_attention`.

        Parameters
        ----------
        dtraj : int array, shape (n_frames,)
            At most `n_positions` tokens.

        Returns
        -------
        ndarray of float32, shape (n_layer, n_head, n_frames, n_frames)
            Rows (queries) sum to 1; no token looks ahead.

        Raises
        ------
        DataError
            More tokens than the context holds, or tokens outside the alphabet.

        Examples
        --------
        >>> import numpy as np
        >>> cycle = np.arange(300) % 3
        >>> model = NanoGPT.from_preset("tiny", max_steps=1, progress=False).fit([cycle])
        >>> model.attentions(cycle[:32]).shape
        (1, 4, 32, 32)
        """
        self.require_fitted()
        (dtraj,) = as_dtrajs([dtraj], self.n_states_)
        if len(dtraj) > self.settings["n_positions"]:
            raise DataError(
                f"{len(dtraj)} tokens do not fit in a context of {self.settings['n_positions']}; cut them in windows, see mdtok.windows."
            )
        return attention_maps(self.network_, torch.from_numpy(dtraj).to(self.network_.device))
