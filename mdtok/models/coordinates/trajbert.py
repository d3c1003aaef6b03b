"""The trajectory BERT as a model of continuous trajectories: fit, classify, forecast, sample, embed, save and load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from mdtok.errors import DataError, SettingsError
from mdtok.models.coordinates.density_training import train_trajbert
from mdtok.models.coordinates.pieces import (
    NO_LABEL,
    check_labels,
    cut_in_pieces,
    groups_of_one_length,
    hold_out_tenth,
    own_statistics,
    piece_length,
)
from mdtok.models.coordinates.trajbert_generation import (
    continue_causal,
    continue_faithful,
    continue_in_groups,
    onto_circles,
)
from mdtok.models.coordinates.trajbert_network import TrajBertNetwork, attention_maps, outputs_in_windows
from mdtok.models.coordinates.trajbert_settings import PRESETS, TrajBertSettings
from mdtok.models.saved import read_content, read_network, write_network
from mdtok.models.trajectory_model import TrajectoryModel, as_trajectories

if TYPE_CHECKING:
    from os import PathLike


_FRAMES_AT_ONCE = 50_000


class TrajBert(TrajBertSettings, TrajectoryModel):
    """Transformer over the frames of a trajectory: predicts the next frame, and classifies the trajectory.

    Parameters
    ----------
    network : TrajBertConfig, optional
        Shape of the network and weights of the loss.
    training : TrainingSettings, optional
        How it is trained; a batch is counted in trajectories. The density given the frame alone takes twice the steps,
        on frames. If not given, 500 steps of 16 trajectories with a learning rate of 2e-3.
    variant : {"causal", "faithful"}
        "faithful" is the published model: every frame sees all of its trajectory, each trajectory is standardised by
        its own mean and deviation, the next frame is one number a coordinate. All but the last frame then see their own
        target, the standardisation knows the future, and there are no kinetics. "causal" is ours: a frame sees those
        before it, in blocks of `window` frames; the training set's statistics; a density of the next frame (a mixture
        of Gaussians) that can be sampled. It is learnt given the frame alone first; of what the past adds, held-out
        trajectories choose how much is believed (`past_share_`).
    window : int
        Frames that a generated frame is made from; in the causal variant also the block that a frame sees.
    n_components : int
        Gaussians in the density of the causal variant.
    stratify : float
        In the causal variant, how much frames of seldom visited regions count in training: each with the share of its
        region to the power of minus this. 0: all frames alike.
    n_forecast_samples : int
        Continuations that the causal variant averages for a forecast.
    progress : bool
    **settings
        Any setting of `TrajBertConfig` and `TrainingSettings` by itself, in place of the two: ``n_layer=4``.

    Attributes
    ----------
    network_ : TrajBertNetwork
    n_classes_ : int
        0 where it was fitted without labels.
    mean_, std_ : ndarray, shape (n_dim,)
        Of the training frames.
    history_ : list of dict
        ``{step, train_loss, validation_loss, seconds}`` at every evaluation.
    past_share_ : float
        0: nothing of the past, the frames seem Markovian; 1: all of its correction.

    References
    ----------
    Leban, "Modern autoregressive architectures for the collective variable problem".

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> walks = [np.cumsum(rng.normal(size=(50, 2)), axis=0) + 9 * (k % 2) for k in range(8)]
    >>> model = TrajBert.from_preset("small", window=25, max_steps=4, batch_size=4, progress=False)
    >>> model.fit(walks, labels=[0, 1] * 4).predict_proba(walks).shape
    (8, 2)
    >>> [chain.shape for chain in model.sample([walks[0]], n_steps=60, seed=7)]
    [(60, 2)]
    """

    name_pattern, name_shown = rf"trajbert-({'|'.join(PRESETS)})(-faithful)?", "trajbert-SIZE[-faithful]"
    name_help = (
        f"coordinates: transformer over frames; SIZE is {', '.join(PRESETS)}; -faithful is the published variant, "
        "which has no density"
    )
    name_use = "forecasts, classes and attention of trajectories in coordinates"

    @property
    def has_density(self):
        """Whether the next frame has a density: in the causal variant."""
        return self.is_causal

    def fit(self, trajectories, validation=None, checkpoint_folder=None, *, labels=None, validation_labels=None):
        """Train until the held-out loss no longer falls.

        Parameters
        ----------
        trajectories : list of arrays, shape (n_frames, n_dim) each
            Labelled ones must be of one length, that fits in the position table; others are cut in pieces.
        validation : list of arrays, optional
            For early stopping; a tenth of the trajectories if not given.
        checkpoint_folder : path-like, optional
            Where training saves itself, and goes on from after a kill.
        labels : sequence of int, optional
            Class of each trajectory, 0 to n - 1; `NO_LABEL` (-100) for those without one. Without labels nothing is
            learnt of classes.
        validation_labels : sequence of int, optional

        Returns
        -------
        self

        Raises
        ------
        DataError
            Unequal dimensions, frames that are not numbers, labels that miss a class or have another length.
        RunFolderError
            The checkpoints there belong to other settings or data.
        """
        trajectories = as_trajectories(trajectories, min_length=2)
        n_dim = trajectories[0].shape[1]
        labels, n_classes = check_labels(labels, len(trajectories))
        if validation is None:
            (trajectories, labels), (validation, validation_labels) = hold_out_tenth(
                trajectories, labels, self.training.seed
            )
        else:
            validation = as_trajectories(validation, n_dim, min_length=2)
            validation_labels, _ = check_labels(validation_labels, len(validation), n_classes)
        length = piece_length(
            [*trajectories, *validation], np.concatenate([labels, validation_labels]), self.network.n_positions
        )
        frames = np.concatenate(trajectories)
        self.mean_, self.std_ = frames.mean(axis=0), frames.std(axis=0)
        if not (self.std_ > 0).all():
            raise DataError(f"Coordinate {int(self.std_.argmin())} is the same in every frame; leave it out.")
        train = self._windows(trajectories, labels, length)
        held_out = self._windows(validation, validation_labels, length)
        with torch.random.fork_rng():
            torch.manual_seed(self.training.seed)
            network = TrajBertNetwork(self._config(n_dim, max(n_classes, 2)))
        network.step_scale.copy_(torch.from_numpy(np.diff(train["frames"], axis=1).std(axis=(0, 1))))
        self.history_, self.train_seconds_ = train_trajbert(
            network, train, held_out, self.training, self.stratify, checkpoint_folder, self.progress
        )
        self.network_, self.n_dim_, self.n_classes_, self.n_trained_positions_ = network, n_dim, n_classes, length
        return self

    def fit_labelled(
        self,
        labelled: list[np.ndarray],
        labels: np.ndarray,
        unlabelled: list[np.ndarray],
        validation: list[np.ndarray] | None = None,
        validation_labels: np.ndarray | None = None,
        checkpoint_folder: str | PathLike | None = None,
    ) -> TrajBert:
        """See `TrajectoryModel.fit_labelled`; the published variant learns from labelled trajectories only."""
        if not self.is_causal:
            return self.fit(labelled, validation, checkpoint_folder, labels=labels, validation_labels=validation_labels)
        return self.fit(
            [*labelled, *unlabelled],
            validation,
            checkpoint_folder,
            labels=np.concatenate([labels, np.full(len(unlabelled), NO_LABEL)]),
            validation_labels=validation_labels,
        )

    def _windows(self, trajectories, labels, length):
        pieces = [cut_in_pieces(trajectory, length) for trajectory in trajectories]
        of_piece = np.repeat(labels, [len(cut) for cut in pieces])
        return {"frames": self._standardise(np.concatenate(pieces)).astype(np.float32), "labels": of_piece}

    def _standardise(self, frames):
        """Frames (..., n_frames, n_dim) in units of the training set, or of each trajectory in the faithful variant."""
        if self.is_causal:
            return (frames - self.mean_) / self.std_
        mean, std = own_statistics(frames)
        return (frames - mean) / std

    @torch.inference_mode()
    def predict_proba(self, trajectories: list[np.ndarray]) -> np.ndarray:
        """Probability of every class for each trajectory (or slice of one), shape (n_trajectories, n_classes)."""
        self._require_classes()
        trajectories = self._pieces_that_fit(trajectories)
        logits = np.empty((len(trajectories), self.network_.config.n_classes))
        for chosen, frames in self._batches(trajectories):
            logits[chosen] = self.network_(frames).class_logits.double().cpu().numpy()
        return np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))

    def predict(self, trajectories: list[np.ndarray]) -> np.ndarray:
        """Class of each trajectory, shape (n_trajectories,)."""
        return self.predict_proba(trajectories).argmax(axis=1)

    @torch.inference_mode()
    def transform(self, trajectories: list[np.ndarray]) -> list[np.ndarray]:
        """Embeddings of every frame, block by block of the window: a list of arrays (n_frames, hidden_size)."""
        self.require_fitted()
        embedded = []
        for trajectory in as_trajectories(trajectories, self.n_dim_):
            length = self.window if self.is_causal else self.network.n_positions
            pieces = [trajectory[start : start + length] for start in range(0, len(trajectory), length)]
            parts: list = [None] * len(pieces)
            for chosen, frames in self._batches(pieces):
                for k, part in zip(chosen, self.network_.embed(frames).cpu().numpy()):
                    parts[k] = part
            embedded.append(np.concatenate(parts))
        return embedded

    @torch.inference_mode()
    def class_logits(self, embeddings: np.ndarray) -> np.ndarray:
        """Logit of each class from embeddings (or means of them), arrays (..., hidden_size) -> (..., n_classes)."""
        self._require_classes()
        embedded = torch.as_tensor(embeddings, dtype=torch.float32, device=self.network_.device)
        return self.network_.class_head(embedded).cpu().numpy()

    def attentions(self, trajectory: np.ndarray) -> np.ndarray:
        """Attention weights of one trajectory, float32 array (n_layer, n_head, n_frames, n_frames); rows sum to 1."""
        (trajectory,) = self._pieces_that_fit([trajectory])
        return attention_maps(self.network_, torch.from_numpy(self._standardise(trajectory).astype(np.float32)))

    @torch.inference_mode()
    def log_density(self, trajectory):
        """Log-density in nats, (n_frames - 1,), of every frame given its past in windows that overlap by half."""
        outputs, displacements = self._outputs_of(trajectory)
        network = self.network_
        return network.density(outputs).log_prob(displacements).double().cpu().numpy() - np.log(self.std_).sum()

    @torch.inference_mode()
    def predict_next(self, trajectory: np.ndarray) -> np.ndarray:
        """Expected next frame at every frame but the last, shape (n_frames - 1, n_dim); causal variant."""
        outputs, _ = self._outputs_of(trajectory)
        expected = self.network_.density(outputs).mean().double().cpu().numpy()
        return np.asarray(trajectory)[:-1] + expected * self.std_

    def _outputs_of(self, trajectory):
        """Outputs of the frame head, each made from more than half a window of past where there is as much."""
        self._require_density()
        (trajectory,) = as_trajectories([trajectory], self.n_dim_, min_length=2)
        frames = torch.from_numpy(self._standardise(trajectory).astype(np.float32))
        outputs = outputs_in_windows(self.network_.eval(), frames, self.window, self.middle, _FRAMES_AT_ONCE)
        return outputs, (frames[1:] - frames[:-1]).to(outputs.device)

    @property
    def middle(self):
        """Position at which the causal variant generates: a block in the middle of the table."""
        W = self.window
        return self.n_trained_positions_ // 2 // W * W if self.n_trained_positions_ >= 2 * W else 0

    def sample(self, prompts, n_steps, seed, *, n_at_once=1):
        """Continue each prompt frame by frame from a rolling window, as many frames as asked for.

        The causal variant draws from its density (when the window is full, its last half starts a new one); the
        faithful one appends its last `n_at_once` outputs, the same whatever the seed.
        """
        prompts = self.check_prompts(prompts, n_steps)
        return list(self._continue(prompts, n_steps, seed, n_at_once))

    def forecast(self, prompts, n_steps, seed=0):
        """Expected frames, (n_prompts, n_steps, n_dim); in the causal variant the mean of samples."""
        if not self.is_causal:
            return np.stack(self.sample(prompts, n_steps, seed))
        return self.forecast_ensemble(prompts, n_steps, seed).mean(axis=1)

    def forecast_ensemble(self, prompts: list[np.ndarray], n_steps: int, seed: int = 0) -> np.ndarray:
        """Samples behind a forecast, shape (n_prompts, n_forecast_samples, n_steps, n_dim)."""
        self._require_density()
        prompts, M = self.check_prompts(prompts, n_steps), self.n_forecast_samples
        chains = self._continue([prompt for prompt in prompts for _ in range(M)], n_steps, seed)
        return np.stack(chains).reshape(len(prompts), M, n_steps, self.n_dim_)

    def _continue(self, prompts, n_steps, seed, n_at_once=1):
        W = self.window
        if not 1 <= n_at_once <= W or (self.is_causal and n_at_once > 1):
            raise SettingsError(
                f"n_at_once is {n_at_once}; 1 was expected for the causal variant, 1 to {W} (the window) for the "
                "faithful one."
            )
        kept = [np.asarray(prompt[-(W // 2 + 1) :] if self.is_causal else prompt[-W:]) for prompt in prompts]
        network, generator = self.network_.eval(), torch.Generator().manual_seed(int(seed))

        def go_on(stacked, bar):
            if not self.is_causal:
                return continue_faithful(network, stacked, n_steps, W, n_at_once, bar, self.circles)
            start = torch.from_numpy(self._standardise(stacked).astype(np.float32))
            put_back = self._put_back if self.circles else None
            made = continue_causal(network, start, n_steps, self.middle, generator, bar, put_back)
            return made.double().numpy() * self.std_ + self.mean_

        most = 20_000 if self.is_causal else max(1, _FRAMES_AT_ONCE // W)
        return continue_in_groups(go_on, kept, n_steps, most, self.progress)

    def _put_back(self, drawn):
        """Drawn frames (B, n_dim), standardised, with their angles back on the circle."""
        mean, std = torch.from_numpy(self.mean_).float(), torch.from_numpy(self.std_).float()
        return (onto_circles(drawn * std + mean, self.circles) - mean) / std

    def _pieces_that_fit(self, trajectories):
        self.require_fitted()
        trajectories = as_trajectories(trajectories, self.n_dim_)
        longest = max(len(trajectory) for trajectory in trajectories)
        if longest > self.network.n_positions:
            raise DataError(
                f"A trajectory has {longest} frames, the position table {self.network.n_positions}; cut it in slices."
            )
        return trajectories

    def _batches(self, trajectories):
        """Standardised frames (B, N, n_dim) of trajectories of one length, and their indices."""
        self.network_.eval()
        for chosen in groups_of_one_length(trajectories, lambda length: max(1, _FRAMES_AT_ONCE // length)):
            frames = self._standardise(np.stack([trajectories[k] for k in chosen])).astype(np.float32)
            yield chosen, torch.from_numpy(frames).to(self.network_.device)

    def _require_density(self):
        self.require_fitted()
        if not self.is_causal:
            raise DataError("The faithful TrajBert predicts one frame and has no density; use variant='causal'.")

    def _require_classes(self):
        self.require_fitted()
        if self.n_classes_ == 0:
            raise DataError("This TrajBert was fitted without labels, so it knows no classes; pass labels to fit.")

    def save(self, folder: str | PathLike) -> None:
        """Write ``model.json``, ``config.json`` and ``model.safetensors`` to `folder`; `load` reads them back."""
        self.require_fitted()
        found = {
            "n_classes": self.n_classes_,
            "past_share": self.past_share_,
            "mean": self.mean_,
            "std": self.std_,
            "n_trained_positions": self.n_trained_positions_,
            "history": self.history_,
            "train_seconds": self.train_seconds_,
        } | ({"circles": list(self.circles)} if self.circles else {})
        write_network(folder, self, found)

    @classmethod
    def load(cls, folder: str | PathLike) -> Any:
        """Read a model that `save` wrote."""
        saved = read_content(folder, cls)
        model = cls(**saved["settings"])
        config = model._config(saved["n_dim"], max(saved["n_classes"], 2))
        model.network_ = read_network(folder, lambda: TrajBertNetwork(config), config.n_layer)
        model.network_.config.past_share = saved["past_share"]
        model.n_dim_, model.n_classes_ = saved["n_dim"], saved["n_classes"]
        model.mean_, model.std_ = np.array(saved["mean"]), np.array(saved["std"])
        model.n_trained_positions_, model.history_ = saved["n_trained_positions"], saved["history"]
        model.train_seconds_ = saved["train_seconds"]
        model.circles = tuple(saved.get("circles", ()))
        return model

    save_pretrained = save
    from_pretrained = load

    @property
    def past_share_(self):
        """Share of what the past adds to the density that is believed; 0: frames seem Markovian."""
        return self.network_.config.past_share
