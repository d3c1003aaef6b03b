"""Settings of the models and of the referee, shared by every run."""

from dataclasses import dataclass

from mdtok.checks import require_whole_number
from mdtok.errors import SettingsError
from mdtok.workflows.command_line import RunSettings, setting
from mdtok.workflows.tokenising import FEW_TRAJECTORIES

PROMPTS = ("equilibrium", "basins")
FEWEST_PIECE_FRAMES = 20  # of a piece that is classified


@dataclass
class ModelSettings(RunSettings):
    """Settings of the models and of the referee."""

    GROUP = "models"

    models: str = setting(
        "msm,msm10,order4,semi-markov,nanogpt",
        "Models to fit and to score, separated by commas: of tokens, or of coordinates (trajbert-small, …).",
        names=True,
    )
    training_steps: int = setting(0, "Most training steps of neural models; 0: their own default.")
    steps_of: list[str] = setting([], "The same for single models: NAME=N, as trajbert-small=3000.", names=True)
    window: int = setting(50, "Frames of past that a model of coordinates sees.")
    lagtime: int = setting(
        10, "Lag time in token intervals, of the populations and the Chapman-Kolmogorov test.", group="referee"
    )
    lagtimes: list[int] = setting(
        [], "Lag times of the implied timescales, in token intervals; from the data if not given.", group="referee"
    )
    n_timescales: int = setting(
        0, "How many of the slowest timescales are compared; 0: one less than macrostates, at most 3.", group="referee"
    )
    n_chains: int = setting(0, "Chains that each model generates; 0: four times the MD in all.", group="rollouts")
    n_chain_tokens: int = setting(
        0, "Length of a generated chain in token intervals; 0: that of a test trajectory.", group="rollouts"
    )
    prompts: str = setting(
        "equilibrium",
        "Where chains start: equilibrium, as MD at rest is; basins, equally often in every basin.",
        group="rollouts",
    )
    n_piece_frames: int = setting(
        250, "Frames of the pieces of a molecule's trajectories whose first basin is to be told.", group="chapters"
    )
    n_attention: int = setting(4, "Held-out trajectories whose attention is looked at.", group="chapters")
    test_fraction: float = setting(0.25, "Share of the trajectories that no model sees.", group="tokens")
    validation_fraction: float = setting(
        0.15, "Share on which hyper-parameters and early stopping are decided.", group="tokens"
    )
    n_blocks: int = setting(
        20, f"Time blocks in all, where there are fewer than {FEW_TRAJECTORIES} trajectories.", group="tokens"
    )

    STAGE_OF = {
        **dict.fromkeys(("lagtime", "test_fraction", "validation_fraction", "n_blocks"), "tokenize"),
        **dict.fromkeys(("models", "training_steps", "steps_of", "window", "n_piece_frames"), "train"),
        **dict.fromkeys(("lagtimes", "n_chains", "n_chain_tokens", "prompts"), "rollout"),
        **dict.fromkeys(("n_timescales", "n_attention"), "score"),
    }

    BY_NAME = ("models", "steps_of")

    def __post_init__(self):
        super().__post_init__()
        for name, model in self.make_models(
            progress=False
        ).items():  # an unknown name is said before anything is computed
            if model.reads == "tokens" and self.lagtime % model.lagtime:
                raise SettingsError(
                    f"--lagtime {self.lagtime} is no multiple of the lag of {name}, {model.lagtime}; they could not be "
                    "compared."
                )
            if hasattr(model, "predict_proba") and self.n_piece_frames > model.network.n_positions:
                most = model.network.n_positions
                raise SettingsError(f"--n-piece-frames is {self.n_piece_frames}; {name} sees {most} frames at most.")
        if not (
            self.test_fraction > 0
            and self.validation_fraction > 0
            and self.test_fraction + self.validation_fraction < 1
        ):
            raise SettingsError(
                f"test_fraction {self.test_fraction} and validation_fraction {self.validation_fraction} must be "
                "positive and leave some for training."
            )
        for name in ("n_chains", "n_chain_tokens", "n_timescales"):
            if getattr(self, name) < 0:
                raise SettingsError(
                    f"{name} is {getattr(self, name)}; it must not be negative, and 0 leaves the choice to mdtok."
                )
        require_whole_number("--n-piece-frames", self.n_piece_frames, FEWEST_PIECE_FRAMES)
        require_whole_number("--n-attention", self.n_attention, 1)
        if self.prompts not in PROMPTS:
            raise SettingsError(f"--prompts is {self.prompts!r}; {' or '.join(PROMPTS)} was expected.")
        if self.lagtime < 1 or any(lag < 1 for lag in self.lagtimes):
            raise SettingsError(
                "lagtime and lagtimes are counted in token intervals; whole numbers of at least 1 were expected."
            )

    @property
    def model_names(self) -> list[str]:
        """The models by name, in their order."""
        return [name.strip() for name in self.models.split(",") if name.strip()]

    def make_models(self, macrostates=None, progress: bool | None = None) -> dict:
        """Unfitted models by name."""
        from mdtok.models.catalogue import make_models  # imports networks; --help of other commands need not wait

        return make_models(
            self.models,
            macrostates,
            self.seed,
            self.training_steps or None,
            self.progress if progress is None else progress,
            window=self.window,
            steps_of=self.steps_by_name(),
        )

    def steps_by_name(self) -> dict[str, int]:
        """`steps_of` as a dict."""
        steps = {}
        for entry in self.steps_of:
            name, _, number = entry.partition("=")
            if not number.isdecimal() or not int(number):
                raise SettingsError(f"--steps-of {entry!r} does not read NAME=N, such as trajbert-small=3000.")
            steps[name] = int(number)
        return steps
