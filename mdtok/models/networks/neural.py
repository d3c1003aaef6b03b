"""Networks over tokens as models of dynamics: fit, predict, sample without limit, save and load.

`NanoGPT` and `LSTM` are the same to all that is here: a network reads at most a context of tokens and gives outputs for
the next one; when the context is full, its last half starts a new one, in prediction and in sampling alike.
"""

from dataclasses import replace
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from mdtok.checks import require_one_of
from mdtok.errors import DataError, SettingsError
from mdtok.models.counted.markov import equilibrium
from mdtok.models.dynamics import DynamicsModel
from mdtok.models.networks.anchor import BasinAnchor, choose_shares
from mdtok.models.networks.exploration import Exploration
from mdtok.models.networks.network_model import NetworkModel
from mdtok.models.networks.token_network import REPLACEMENTS
from mdtok.models.networks.training import train_network
from mdtok.models.networks.windows import score_windows, training_windows
from mdtok.models.saved import read_content, read_network, write_network
from mdtok.progress import tracked
from mdtok.tokens.dtrajs import as_dtrajs, count_states, hold_out_tails
from mdtok.tokens.windows import windows

#: What a network's transitions are anchored on: see `NanoGPT`.
ANCHORS = ("basins", "factorised", "states")
_ANCHOR_OF_NAME = {"plain": None, "anchored": "basins", "factorised": "factorised", "states": "states"}
#: How the names of networks may go on, as people read it.
NAME_ENDS = "[-SIZE][-ANCHOR][-PASS][-reversible]"
NAME_ENDS_HELP = (
    f"ANCHOR is {', '.join(_ANCHOR_OF_NAME)}; PASS is {', '.join(REPLACEMENTS)} (two passes); -reversible learns from "
    "reversed trajectories too"
)
_WINDOWS_AT_ONCE, _PASTS_AT_ONCE = 64, 1024
_MOST_STOPPING_WINDOWS = 4000  # 200,000 tokens tell well enough when to stop


class NeuralModel(NetworkModel, DynamicsModel):
    """What all networks over tokens share.

    A subclass names its network's class and its config's, and the candidates that ``-tuned`` chooses from.

    Attributes
    ----------
    network, training
        Settings, see `NetworkModel`.
    anchor, reversible
        See `NanoGPT`.
    network_ : PreTrainedModel
        The best network on the held-out tokens.
    anchor_ : BasinAnchor or None
        Counted statistics of the transitions between slow basins.
    history_ : list of dict
        ``{step, train_nats, validation_nats, seconds}`` at every evaluation.
    train_seconds_ : float
    """

    anchor_ = None
    samples_in_pieces = True
    fewest_steps, most_steps = 500, 5000  # of training by default, ten epochs between them
    decided = ("n_states", "n_basins")
    network_class: type
    tuned: tuple  # the size and what else differs of each candidate for -tuned

    @classmethod
    def from_name(cls, match, context):
        return cls.from_preset(match["size"] or "small", **_settings_of_name(match, context))

    @classmethod
    def candidates(cls, match, context):
        settings = _settings_of_name(match, context)
        return [cls.from_preset(match["size"] or size, **{**settings, **given}) for size, given in cls.tuned]

    def __init__(self, network, training, anchor, reversible, progress, keywords):
        self.take_settings(network, training, keywords)
        require_one_of("anchor", anchor, (None, *ANCHORS))
        self.anchor, self.reversible, self.progress = anchor, reversible, progress
        n_positions, shift = self.network.n_positions, self.training.window_shift
        self.training = replace(self.training, window_shift=n_positions // 2 if shift is None else shift)
        if self.training.window_shift > n_positions:
            raise SettingsError(
                f"window_shift is {shift}, n_positions {n_positions}: tokens between windows would be lost."
            )

    def _training_on(self, n_windows):
        """Settings of training, with the number of steps where it depends on the data."""
        if self.training.max_steps is not None:
            return self.training
        ten_epochs = 10 * n_windows // self.training.batch_size
        return replace(self.training, max_steps=min(max(ten_epochs, self.fewest_steps), self.most_steps))

    def fit(self, dtrajs, validation=None, n_states=None, checkpoint_folder=None):
        """Train on discrete trajectories until held-out nats per token no longer fall.

        Parameters
        ----------
        dtrajs : list of int arrays, shape (n_frames,) each
        validation : list of int arrays, optional
            Held-out trajectories for early stopping; if not given, the last tenth of each training trajectory.
        n_states : int, optional
            Size of the alphabet, where it is larger than the largest training token plus one.
        checkpoint_folder : path-like, optional
            Where training saves itself at every evaluation, and goes on from after a kill. It is left there when
            training ends (a second `fit` then loads the result at once): remove it when the model is saved.

        Returns
        -------
        self

        Raises
        ------
        DataError
            Trajectories too short, or tokens outside the alphabet.
        RunFolderError
            The checkpoints there belong to other settings or data.
        """
        dtrajs = as_dtrajs(dtrajs, n_states, min_length=2)
        n_states = int(n_states or count_states(dtrajs))
        if validation is None:
            dtrajs, validation = hold_out_tails(dtrajs)
        try:
            validation = as_dtrajs(validation, n_states, min_length=2)
        except DataError as error:
            raise DataError(f"In validation: {error}") from None
        if self.reversible:
            dtrajs, validation = ([*part, *(dtraj[::-1].copy() for dtraj in part)] for part in (dtrajs, validation))
        self.anchor_ = self._fit_anchor(dtrajs, validation, n_states)
        train = self._training_windows(dtrajs)
        parts = [self._score_windows(dtraj) for dtraj in validation]
        held_out = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        with torch.random.fork_rng():
            torch.manual_seed(self.training.seed)
            network = self.network_class(self._config(n_states))
        if self.anchor_ is not None:
            network.basin_of.copy_(torch.from_numpy(self.anchor_.basins_))
            network.anchor_share.fill_(0.0 if self.anchor == "factorised" else 1.0)
        settings = self._training_on(len(train["labels"]))
        spread = np.linspace(
            0, len(held_out["labels"]) - 1, min(len(held_out["labels"]), _MOST_STOPPING_WINDOWS)
        ).astype(int)
        stopping = {name: array[spread] for name, array in held_out.items()}
        self.history_ = train_network(network, train, stopping, settings, checkpoint_folder, self.progress)
        if self.anchor_ is not None and self.anchor == "basins":
            network.anchor_share.copy_(torch.from_numpy(believed_shares(network, held_out)))
        self.network_, self.n_states_ = network, n_states
        self.stationary_distribution_ = equilibrium(dtrajs, n_states, self.network.n_positions // 10)
        self.train_seconds_ = self.history_[-1]["seconds"]
        return self

    def _fit_anchor(self, dtrajs, validation, n_states):
        if self.anchor is None:
            return None
        of_states = self.anchor == "states"
        return BasinAnchor.fit(dtrajs, validation, n_states, self.network.n_positions, of_states)

    def _config(self, n_states):
        return self.make_config(n_states=n_states, n_basins=self.anchor_.n_basins if self.anchor_ else 0)

    def _training_windows(self, dtrajs):
        """Inputs, next tokens (-100 where padded) and the anchor of windows that never cross a trajectory's end."""
        shape = self.network.n_positions, self.training.window_shift
        made = dict(zip(("input_ids", "labels"), training_windows(dtrajs, *shape)))
        if self.anchor_ is not None:
            ends = np.cumsum([0, *map(len, dtrajs)])
            frames, _ = windows([np.arange(*span) for span in pairwise(ends)], shape[0] + 1, shape[1])
            unknown = np.zeros((1, self.anchor_.n_basins), dtype=np.float32)  # after the last frame, where no label is
            rows = np.concatenate([part for dtraj in dtrajs for part in (self.anchor_.log_proba(dtraj), unknown)])
            made["anchor"] = rows[frames[:, :-1]]
        return made

    def _score_windows(self, dtraj):
        """Windows that overlap by half, in which every token but the first is a label once."""
        made = dict(zip(("input_ids", "labels"), score_windows(dtraj, self.network.n_positions)))
        if self.anchor_ is not None:
            rows = self.anchor_.log_proba(dtraj)
            frames, _ = score_windows(np.arange(len(dtraj)), self.network.n_positions)
            made["anchor"] = rows[np.minimum(frames, len(rows) - 1)]
        return made

    @torch.inference_mode()
    def predict_log_proba(self, dtraj):
        """Log-probability of every state at every frame, shape (n_frames - 1, n_states), float32.

        Windows of `n_positions` overlap by half, so that each token is predicted from more than ``n_positions // 2``
        tokens of past (from all of them near the start).
        """
        self.require_fitted()
        (dtraj,) = as_dtrajs([dtraj], self.n_states_, min_length=2)
        network, device = self.network_.eval(), self.network_.device
        log_proba, done = np.empty((len(dtraj) - 1, self.n_states_), dtype=np.float32), 0
        arrays = {name: torch.from_numpy(array) for name, array in self._score_windows(dtraj).items()}
        labels = arrays.pop("labels")
        batches = range(0, len(labels), _WINDOWS_AT_ONCE)
        for start in tracked(batches, "log-probabilities", disable=not self.progress or len(batches) < 100):
            rows = slice(start, start + _WINDOWS_AT_ONCE)
            batch = {name: array[rows].to(device) for name, array in arrays.items()}
            made = network.log_proba(**batch)[(labels[rows] >= 0).to(device)]  # in order of time
            log_proba[done : done + len(made)] = made.cpu().numpy()
            done += len(made)
        return log_proba

    def predict_next(self, pasts, lengths):
        """See `DynamicsModel.predict_next`; many pasts at once."""
        self.require_fitted()
        batches = range(0, len(pasts), _PASTS_AT_ONCE)
        parts = [self._log_proba_after(pasts[i : i + _PASTS_AT_ONCE], lengths[i : i + _PASTS_AT_ONCE]) for i in batches]
        return np.concatenate(parts) if parts else np.empty((0, self.n_states_))

    @torch.inference_mode()
    def _log_proba_after(self, pasts, lengths):
        network = self.network_.eval()
        tokens = torch.from_numpy(pasts[:, : lengths.max()]).to(network.device)  # (B, T)
        # (B, T, n_hidden); causal, so what is behind the end is not seen
        hidden = network.hidden_states(network.token_embedding(tokens))
        ends = torch.from_numpy(lengths - 1).to(network.device)
        rows, anchor = torch.arange(len(ends), device=network.device), None
        if self.anchor_ is not None:
            memory = self.anchor_.memory_of([past[:n] for past, n in zip(pasts, lengths)])
            anchor = torch.from_numpy(self.anchor_.log_proba_after(memory)).to(network.device)  # (B, n_basins)
        logits = network.distribution(network.logits(hidden[rows, ends]), tokens[rows, ends], anchor)  # (B, n_states)
        return F.log_softmax(logits.double(), dim=-1).cpu().numpy()

    def sample(self, prompts, n_steps, seed):
        """Continue each prompt by `n_steps` tokens, all chains of one prompt length at once, with the past cached.

        When the context is full, its last half starts a new one, exactly as in `predict_log_proba`. A prompt longer
        than the context counts with its last ``n_positions // 2 + 1`` tokens. The same seed and number of threads give
        the same tokens.

        Parameters
        ----------
        prompts : list of int arrays, shape (n_prompt,) each, or int, or None
            A number of chains, or None for one, starts from the stationary distribution of the training trajectories.
        n_steps : int
            As many as asked for; the context is no limit.
        seed : int

        Returns
        -------
        list of int arrays, shape (n_steps,) each
        """
        return self._generate(prompts, n_steps, seed)

    def explore(
        self,
        prompts: list[np.ndarray] | int | None,
        n_steps: int,
        seed: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
    ) -> list[np.ndarray]:
        """Like `sample`, with changed probabilities: to find states, **not kinetic**.

        Populations, timescales and passage times of what this generates are those of no system; the scorecard never
        sees it.

        Parameters
        ----------
        prompts, n_steps, seed
            See `sample`.
        temperature, top_k, top_p
            See `mdtok.models.networks.exploration.Exploration`.

        Returns
        -------
        list of int arrays, shape (n_steps,) each
        """
        return self._generate(prompts, n_steps, seed, Exploration(temperature, top_k, top_p))

    @torch.inference_mode()
    def _generate(self, prompts, n_steps, seed, change=None):
        prompts = self.check_prompts(prompts, n_steps, seed)
        n_positions = self.network.n_positions
        kept = n_positions - n_positions // 2 + 1
        shortened = [prompt if len(prompt) <= n_positions else prompt[-kept:] for prompt in prompts]
        lengths = np.array([len(prompt) for prompt in shortened])
        generator = torch.Generator().manual_seed(seed)
        samples = np.empty((len(prompts), n_steps), dtype=np.int64)
        with tracked(total=len(prompts) * n_steps, desc="sampling", unit=" tokens", disable=not self.progress) as bar:
            for length in np.unique(lengths):
                chains = np.flatnonzero(lengths == length)
                prompt = torch.from_numpy(np.stack([shortened[i] for i in chains]))  # (B, length)
                memory = self.anchor_.memory_of([prompts[i] for i in chains]) if self.anchor_ else None
                samples[chains] = self._generate_group(prompt, memory, n_steps, generator, change, bar)
        return list(samples)

    def _generate_group(self, prompt, memory, n_steps, generator, change, bar):
        network, device = self.network_.eval(), self.network_.device
        B, n_prompt = prompt.shape
        n_positions = self.network.n_positions
        tokens = torch.empty(B, n_prompt + n_steps, dtype=torch.long, device=device)
        tokens[:, :n_prompt] = prompt
        cache = network.new_cache(B)
        read, reported, anchor = 0, n_prompt, None
        for end in range(n_prompt, n_prompt + n_steps):
            if cache.length == n_positions:
                cache.clear()
                read = end - (n_positions - n_positions // 2 + 1)
            outputs = network.next_logits(tokens[:, read:end], cache, last_only=True)  # (B, n_outputs)
            if memory is not None:
                anchor = torch.from_numpy(self.anchor_.log_proba_after(memory)).to(device)
            logits = network.distribution(outputs, tokens[:, end - 1], anchor)  # (B, n_states)
            tokens[:, end] = draw_tokens(change(logits) if change else logits, generator)
            if memory is not None:
                memory = self.anchor_.advance(memory, tokens[:, end].cpu().numpy())
            read = end
            if end - reported >= 50 or end + 1 == n_prompt + n_steps:
                bar.update(B * (end + 1 - reported))
                reported = end + 1
        return tokens[:, n_prompt:].cpu().numpy()

    def save(self, folder: str | PathLike) -> None:
        """Write ``model.json``, ``config.json``, ``model.safetensors`` and the anchor to `folder`."""
        self.require_fitted()
        found = {
            "history": self.history_,
            "anchored": self.anchor_ is not None,
            "stationary_distribution": self.stationary_distribution_,
        }
        write_network(folder, self, found, parts={"anchor": self.anchor_} if self.anchor_ is not None else {})

    @classmethod
    def load(cls, folder: str | PathLike) -> Any:
        """Read a model that `save` wrote."""
        folder = Path(folder)
        saved = read_content(folder, cls)
        model = cls(**saved["settings"])
        model.anchor_ = BasinAnchor.load(folder / "anchor") if saved["anchored"] else None
        config = model._config(saved["n_states"])
        model.network_ = read_network(folder, lambda: cls.network_class(config), getattr(config, "n_layer", 1))
        model.history_, model.n_states_ = saved["history"], saved["n_states"]
        model.stationary_distribution_ = np.array(saved["stationary_distribution"])
        model.train_seconds_ = model.history_[-1]["seconds"]
        return model

    save_pretrained = save
    from_pretrained = load

    @property
    def anchor_share_(self):
        """Share of the network's correction to the counted transitions between two basins that is believed.

        0 for counts alone, 1 for all of it; shape (n_basins, n_basins), None without an anchor.
        """
        return self.network_.anchor_share.cpu().numpy() if self.anchor_ is not None else None

    @property
    def n_parameters(self):
        """Number of weights of the network, and of the counted probabilities of its anchor."""
        return super().n_parameters + (self.anchor_.n_parameters if self.anchor_ else 0)


def network_names(kind, sizes):
    """The pattern of the names of a kind of network: ``nanogpt-tiny-plain-faithful-reversible``."""
    anchors, passes = "|".join(_ANCHOR_OF_NAME), "|".join(REPLACEMENTS)
    return (
        rf"{kind}(?:-(?P<size>{'|'.join(sizes)}))?(?:-(?P<anchor>{anchors}))?"
        rf"(?:-(?P<second_pass>{passes}))?(?P<reversible>-reversible)?"
    )


def _settings_of_name(match, context):
    settings = {"seed": context.seed, "progress": context.progress}
    if context.training_steps is not None:
        settings["max_steps"] = context.training_steps
    if match["anchor"]:
        settings["anchor"] = _ANCHOR_OF_NAME[match["anchor"]]
    if match["second_pass"]:
        settings["second_pass"] = match["second_pass"]
    if match["reversible"]:
        settings["reversible"] = True
    return settings


@torch.inference_mode()
def believed_shares(network, held_out):
    """The shares of the correction to the anchor that held-out windows bear out, see `choose_shares`."""
    network.eval()
    corrections = []
    for start in range(0, len(held_out["labels"]), _WINDOWS_AT_ONCE):
        inputs = torch.from_numpy(held_out["input_ids"][start : start + _WINDOWS_AT_ONCE]).to(network.device)
        corrections.append(network.next_logits(inputs)[..., network.config.n_states :].double().cpu().numpy())
    counted, basin_of = held_out["labels"] >= 0, network.basin_of.cpu().numpy()
    return choose_shares(
        held_out["anchor"][counted].astype(float),
        np.concatenate(corrections)[counted],
        basin_of[held_out["input_ids"][counted]],
        basin_of[held_out["labels"][counted]],
        np.nonzero(counted)[0],
    )


def draw_tokens(logits, generator):
    """Draw one token a row from logits, shape (B, n_states), by inverting the cumulative sum."""
    # on the CPU in double precision: the same draws on every device, and rare states keep their probability
    cumulative = F.softmax(logits.cpu().double(), dim=-1).cumsum(-1)
    thresholds = torch.rand(len(logits), 1, generator=generator, dtype=torch.float64) * cumulative[:, -1:]
    return (cumulative <= thresholds).sum(-1).clamp_(max=logits.shape[1] - 1)
