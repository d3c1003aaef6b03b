"""The density-GPT: a causal transformer over continuous features of molecules, angles and reals mixed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from mdtok.errors import DataError, SettingsError
from mdtok.models.coordinates.trajbert_generation import continue_in_groups
from mdtok.models.densities.column_kinds import ColumnKinds, as_column_numbers, require_kinds
from mdtok.models.densities.density_gpt_network import DensityGPTConfig, DensityGPTNetwork
from mdtok.models.densities.density_gpt_training import train_density_gpt
from mdtok.models.densities.torus_mixture import wrap
from mdtok.models.networks.network_model import NetworkModel
from mdtok.models.networks.windows import score_windows
from mdtok.models.saved import read_content, read_network, write_network
from mdtok.models.trajectory_model import TrajectoryModel, as_trajectories
from mdtok.tokens.dtrajs import hold_out_tails

if TYPE_CHECKING:
    from os import PathLike

PRESETS = {
    "tiny": dict(n_layer=1, n_head=4, n_embd=32, n_inner=64, n_positions=32),
    "small": dict(),
    "medium": dict(n_layer=4, n_head=8, n_embd=128, n_inner=256, n_positions=100),
}
_WINDOWS_AT_ONCE, _CHAINS_AT_ONCE = 128, 20_000
_N_FORECAST_SAMPLES = 64


class DensityGPT(NetworkModel, TrajectoryModel):
    """Transformer that gives the probability density of the next frame, and draws frames from it.

    A frame is a vector of angles (von Mises densities, on the circle) and reals (Gaussians), see `TorusMixture`. The
    density given the frame alone is learnt first; of what the past adds, held-out trajectories choose how much is
    believed (`past_share_`): a network that reads both at once remembers which side of a barrier a trajectory came
    from, and holds it there. Seldom visited regions count more in training (`stratify`).

    Parameters
    ----------
    network : DensityGPTConfig, optional
        Shape of the network.
    training : TrainingSettings, optional
        How it is trained, in windows of frames. The density given the frame alone takes twice the steps. If not given,
        1000 steps of 64 windows with a learning rate of 1e-3.
    angles : sequence of int
        Columns that are angles in radians, from -π to π; all others are reals. In a run the angles are known: there
        frames hold cosine and sine of each, see `TrajectoryModel.circles`.
    reversible : bool
        Learn from every trajectory and from its reverse, held-out ones too: in equilibrium both are as probable
        (detailed balance). Not for trajectories that relax from where they started.
    stratify : float
        How much frames of seldom visited regions count: each with the share of its region to the power of minus this.
    progress : bool
    **settings
        Any setting of `DensityGPTConfig` and `TrainingSettings` by itself, in place of the two: ``n_layer=4``.

    Attributes
    ----------
    network_ : DensityGPTNetwork
    kinds_ : ColumnKinds
        Angles and reals, with mean and deviation of the training frames.
    history_ : list of dict
        ``{step, train_nats, validation_nats, seconds}`` at every evaluation, in standardised units.

    References
    ----------
    Bishop, Mixture density networks (1994); Zeng, Zhang and Yao, arXiv:2507.02734 (the transformer, over tokens).

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> turn = np.cumsum(rng.normal(scale=0.3, size=(400, 1)), axis=0)
    >>> frames = np.hstack([np.arctan2(np.sin(turn), np.cos(turn)), rng.normal(size=(400, 1))])
    >>> model = DensityGPT.from_preset("tiny", angles=[0], max_steps=4, progress=False).fit([frames])
    >>> model.log_density(frames).shape, model.sample([frames[:9]], n_steps=60, seed=7)[0].shape
    ((399,), (60, 2))
    """

    presets, config_class = PRESETS, DensityGPTConfig
    decided = ("is_angle", "past_share")
    training_defaults = dict(learning_rate=1e-3, weight_decay=0.01, warmup_steps=50, max_steps=1000)
    name_pattern = rf"density-gpt(?:-(?P<size>{'|'.join(PRESETS)}))?(?P<reversible>-reversible)?"
    name_shown = "density-gpt[-SIZE][-reversible]"
    name_help = (
        f"coordinates: transformer with a density on angles and reals; SIZE is {', '.join(PRESETS)}; -reversible "
        "learns from reversed trajectories too"
    )
    name_use = "dynamics of angles and distances without states, with a density of the next frame"
    kinds_: ColumnKinds

    @classmethod
    def from_name(cls, match, context):
        settings: dict[str, Any] = {"seed": context.seed, "progress": context.progress, "n_positions": context.window}
        if context.training_steps is not None:
            settings["max_steps"] = context.training_steps
        return cls.from_preset(match["size"] or "small", reversible=bool(match["reversible"]), **settings)

    def __init__(
        self, network=None, training=None, *, angles=(), reversible=False, stratify=0.5, progress=True, **settings
    ):
        self.take_settings(network, training, settings)
        self.angles, self.reversible = as_column_numbers(angles), bool(reversible)
        self.stratify, self.progress = stratify, progress
        n_positions, shift = self.network.n_positions, self.training.window_shift
        self.training = replace(self.training, window_shift=n_positions // 2 if shift is None else shift)
        if self.training.window_shift > n_positions:
            raise SettingsError(
                f"window_shift is {shift}, n_positions {n_positions}: frames between windows would be lost."
            )
        if self.training.max_steps is None:
            raise SettingsError("max_steps is None; a whole number of at least 1 was expected.")
        if not 0 <= stratify <= 1:
            raise SettingsError(f"stratify is {stratify}; a number from 0 to 1 was expected.")

    def fit(self, trajectories, validation=None, checkpoint_folder=None):
        """Train until the held-out nats per frame no longer fall.

        Parameters
        ----------
        trajectories : list of arrays, shape (n_frames, n_dim) each
        validation : list of arrays, optional
            For early stopping and the share of the past; the last tenth of each trajectory if not given.
        checkpoint_folder : path-like, optional
            Where training saves itself, and goes on from after a kill.

        Returns
        -------
        self

        Raises
        ------
        DataError
            Unequal numbers of columns, frames that are not numbers, a trajectory of one frame, a constant column, an
            angle that is given as a real or a real that is given as an angle.
        SettingsError
            `angles` names columns that are not there.
        RunFolderError
            The checkpoints there belong to other settings or data.
        """
        trajectories = as_trajectories(trajectories, min_length=2)
        kinds = ColumnKinds(trajectories[0].shape[1], self.angles, tuple(self.circles))
        if validation is None:
            trajectories, validation = hold_out_tails(trajectories)
        else:
            validation = as_trajectories(validation, kinds.n_given, min_length=2)
        train, held_out = ([kinds.to_columns(one) for one in part] for part in (trajectories, validation))
        require_kinds(train, kinds.is_angle)
        kinds.learn(train)
        train, held_out = ([kinds.standardise(one) for one in part] for part in (train, held_out))
        if self.reversible:
            train, held_out = ([*part, *(one[::-1].copy() for one in part)] for part in (train, held_out))
        with torch.random.fork_rng():
            torch.manual_seed(self.training.seed)
            network = DensityGPTNetwork(self.make_config(is_angle=kinds.is_angle))
        self.history_, self.train_seconds_ = train_density_gpt(
            network, train, held_out, self.training, self.stratify, checkpoint_folder, self.progress
        )
        self.network_, self.kinds_, self.n_dim_ = network, kinds, kinds.n_given
        return self

    def _standardised(self, trajectory):
        return torch.from_numpy(self.kinds_.standardise(self.kinds_.to_columns(trajectory)))

    @torch.inference_mode()
    def log_density(self, trajectory):
        """Log-density in nats, (n_frames - 1,), of every frame given its past in windows that overlap by half.

        Per radian of each angle, however it is encoded, and per unit of each real as they were given.
        """
        self.require_fitted()
        (trajectory,) = as_trajectories([trajectory], self.n_dim_, min_length=2)
        network, frames = self.network_.eval(), self._standardised(trajectory)
        rows, following = score_windows(np.arange(len(frames)), network.config.n_positions)
        found = np.empty(len(frames) - 1)
        for start in range(0, len(rows), _WINDOWS_AT_ONCE):
            at, after = rows[start : start + _WINDOWS_AT_ONCE], following[start : start + _WINDOWS_AT_ONCE]
            outputs = network.outputs(frames[at].to(network.device))
            counted = after >= 0
            steps = (frames[after[counted]] - frames[at[counted]]).to(network.device)
            found[after[counted] - 1] = network.density(outputs[torch.from_numpy(counted)]).log_prob(steps).cpu()
        return found - self.kinds_.log_volume

    def nats_per_frame(self, trajectories: list[np.ndarray]) -> float:
        """Mean negative log-density of held-out frames, in nats, in the user's units (lower is better)."""
        return float(-np.concatenate([self.log_density(one) for one in trajectories]).mean())

    def sample(self, prompts, n_steps, seed):
        """Continue each prompt frame by frame, all chains of one prompt length at once, with the past cached.

        When the context is full, its last half starts a new one, as in `log_density`. Angles come back from -π to π.
        """
        return self._continue(prompts, n_steps, seed)[0]

    def sample_with_log_density(
        self, prompts: list[np.ndarray], n_steps: int, seed: int
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """What `sample` gives, and the log-density of each drawn frame, (n_steps,): its mean is minus the entropy rate
        of the model."""
        return self._continue(prompts, n_steps, seed)

    def _continue(self, prompts, n_steps, seed):
        prompts = self.check_prompts(prompts, n_steps)
        n_positions = self.network.n_positions
        kept = n_positions - n_positions // 2 + 1
        prompts = [prompt if len(prompt) <= n_positions else prompt[-kept:] for prompt in prompts]
        rng = np.random.default_rng(int(seed))

        def go_on(stacked, bar):
            start = torch.stack([self._standardised(one) for one in stacked])
            frames, log_density = self._draw(start, n_steps, rng, bar)
            made = self.kinds_.from_columns(self.kinds_.restore(frames))
            return np.concatenate([made, log_density[..., None] - self.kinds_.log_volume], axis=-1)

        chains = continue_in_groups(go_on, prompts, n_steps, _CHAINS_AT_ONCE, self.progress)
        return [chain[:, :-1] for chain in chains], [chain[:, -1] for chain in chains]

    @torch.inference_mode()
    def _draw(self, start, n_steps, rng, bar):
        """Standardised frames (B, n_steps, n_columns) after `start`, and their log-densities (B, n_steps)."""
        network, is_angle = self.network_.eval(), torch.tensor(self.kinds_.is_angle)
        (B, n_start, d), n_positions = start.shape, self.network.n_positions
        frames, log_density = torch.empty(B, n_start + n_steps, d), np.empty((B, n_steps))
        frames[:, :n_start] = start
        cache, read = network.new_cache(B), 0
        sees_past = network.config.past_share > 0
        for end in range(n_start, n_start + n_steps):
            if not sees_past:
                read = end - 1
            elif cache.length == n_positions:
                cache.clear()
                read = end - (n_positions - n_positions // 2 + 1)
            outputs = network.outputs(frames[:, read:end].to(network.device), cache)[:, -1]
            density, last = network.density(outputs), frames[:, end - 1]
            drawn = last + torch.from_numpy(density.sample(rng)).float()
            frames[:, end] = torch.where(is_angle, wrap(drawn), drawn)
            log_density[:, end - n_start] = density.log_prob((frames[:, end] - last).to(network.device)).cpu()
            read = end
            bar.update(B)
        if not frames.isfinite().all():
            raise DataError(
                "A generated chain left the space of the training frames and went to infinity; train longer, or with "
                "trajectories that cover more."
            )
        return frames[:, n_start:].numpy(), log_density

    def forecast(self, prompts, n_steps, seed=0):
        """Expected frames, (n_prompts, n_steps, n_dim): the mean of samples, of angles the mean direction."""
        prompts, M = self.check_prompts(prompts, n_steps), _N_FORECAST_SAMPLES
        chains = np.stack(self.sample([prompt for prompt in prompts for _ in range(M)], n_steps, seed))
        chains = chains.reshape(len(prompts), M, n_steps, self.n_dim_)
        mean, angles = chains.mean(axis=1), list(self.angles)
        turned = chains[..., angles]
        mean[..., angles] = np.arctan2(np.sin(turned).mean(axis=1), np.cos(turned).mean(axis=1))
        return mean

    def save(self, folder: str | PathLike) -> None:
        """Write ``model.json``, ``config.json`` and ``model.safetensors`` to `folder`; `load` reads them back."""
        self.require_fitted()
        found = {
            "past_share": self.past_share_,
            "mean": self.kinds_.mean,
            "std": self.kinds_.std,
            "circles": list(self.kinds_.circles),
            "history": self.history_,
            "train_seconds": self.train_seconds_,
        }
        write_network(folder, self, found)

    @classmethod
    def load(cls, folder: str | PathLike) -> Any:
        """Read a model that `save` wrote."""
        saved = read_content(folder, cls)
        model = cls(**saved["settings"])
        model.circles, model.n_dim_ = tuple(saved["circles"]), saved["n_dim"]
        mean, std = np.array(saved["mean"]), np.array(saved["std"])
        model.kinds_ = ColumnKinds(model.n_dim_, model.angles, model.circles, mean, std)
        config = model.make_config(is_angle=model.kinds_.is_angle, past_share=saved["past_share"])
        model.network_ = read_network(folder, lambda: DensityGPTNetwork(config), config.n_layer)
        model.history_, model.train_seconds_ = saved["history"], saved["train_seconds"]
        return model

    save_pretrained = save
    from_pretrained = load

    @property
    def past_share_(self):
        """Share of what the past adds to the density that is believed; 0: frames seem Markovian."""
        return self.network_.config.past_share
