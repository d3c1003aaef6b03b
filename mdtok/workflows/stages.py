"""The stages of a run after the features: tokens, training, rollouts, scorecard. Each reads the folder of the one
before.

A stage that is done is not repeated; one that was killed goes on. The scripts in ``protocols/`` put features in and say
which stages to do.
"""

import logging
import shutil
import time
from dataclasses import dataclass

import numpy as np

from mdtok.errors import DataError, SettingsError
from mdtok.storage import load_arrays, read_json, save_arrays, whole, write_json
from mdtok.tokens.dtrajs import cut_outside, split_indices, split_time_blocks
from mdtok.tokens.held_out import check_held_out
from mdtok.workflows.command_line import RunSettings, setting

log = logging.getLogger(__name__)

_FEW_TRAJECTORIES = 8


@dataclass
class ModelSettings(RunSettings):
    """Settings of the models and of the referee, shared by the scripts."""

    models: str = setting("msm,msm10,order4,semi-markov,nanogpt", "Models to fit and to score, separated by commas.")
    training_steps: int = setting(0, "Most training steps of neural models; 0: their own default.")
    lagtime: int = setting(10, "Lag time in token intervals, of the populations and the Chapman-Kolmogorov test.")
    lagtimes: list[int] = setting(
        [], "Lag times of the implied timescales, in token intervals; from the data if not given."
    )
    n_timescales: int = setting(
        0, "How many of the slowest timescales are compared; 0: one less than macrostates, at most 3."
    )
    n_chains: int = setting(0, "Chains that each model generates; 0: four times the MD in all.")
    n_chain_tokens: int = setting(0, "Length of a generated chain in token intervals; 0: that of a test trajectory.")
    test_fraction: float = setting(0.25, "Share of the trajectories that no model sees.")
    validation_fraction: float = setting(0.15, "Share on which hyper-parameters and early stopping are decided.")
    n_blocks: int = setting(20, f"Time blocks in all, where there are fewer than {_FEW_TRAJECTORIES} trajectories.")

    STAGE_OF = {
        "lagtime": "tokenize",
        "test_fraction": "tokenize",
        "validation_fraction": "tokenize",
        "n_blocks": "tokenize",
        "models": "train",
        "training_steps": "train",
        "lagtimes": "rollout",
        "n_chains": "rollout",
        "n_chain_tokens": "rollout",
        "n_timescales": "score",
    }

    BY_NAME = ("models",)

    def __post_init__(self):
        super().__post_init__()
        from mdtok.models.catalogue import make_models

        models = make_models(self.models, progress=False)  # an unknown name is said before anything is computed
        for name, model in models.items():
            if self.lagtime % model.lagtime:
                raise SettingsError(
                    f"--lagtime {self.lagtime} is no multiple of the lag of {name}, {model.lagtime}; they could not be compared."
                )
        if not (
            self.test_fraction > 0
            and self.validation_fraction > 0
            and self.test_fraction + self.validation_fraction < 1
        ):
            raise SettingsError(
                f"test_fraction {self.test_fraction} and validation_fraction {self.validation_fraction} must be positive and "
                "leave some for training."
            )
        for name in ("n_chains", "n_chain_tokens", "n_timescales"):
            if getattr(self, name) < 0:
                raise SettingsError(
                    f"{name} is {getattr(self, name)}; it must not be negative, and 0 leaves the choice to mdtok."
                )
        if self.lagtime < 1 or any(lag < 1 for lag in self.lagtimes):
            raise SettingsError(
                "lagtime and lagtimes are counted in token intervals; whole numbers of at least 1 were expected."
            )


@dataclass
class TokenisedData:
    """Tokens of all trajectories, how they are split, and what they stand for.

    Attributes
    ----------
    dtrajs : list of int arrays
    split : dict of str -> list of int
        Indices of the ``train``, ``validation`` and ``test`` trajectories.
    dt_ps : float
        Between tokens.
    macrostates : int array, shape (n_states,)
    macrostate_names : list of str
    """

    dtrajs: list
    split: dict
    dt_ps: float
    macrostates: np.ndarray
    macrostate_names: list

    def part(self, name):
        """The trajectories of one part of the split."""
        return [self.dtrajs[index] for index in self.split[name]]

    def save(self, folder):
        """Write ``NNN.npy`` and ``tokens.json`` to `folder`."""
        for index, dtraj in enumerate(self.dtrajs):
            np.save(folder / f"{index:03d}.npy", dtraj, allow_pickle=False)
        content = {key: value for key, value in vars(self).items() if key != "dtrajs"}
        write_json(folder / "tokens.json", content)

    @classmethod
    def load(cls, folder):
        """Read what `save` wrote."""
        content = read_json(folder / "tokens.json")
        content["macrostates"] = np.array(content["macrostates"], dtype=np.int64)
        return cls(dtrajs=load_arrays(folder), **content)


def long_enough(dtrajs, lagtime):
    """The trajectories that are longer than the lag; how many are not is said in the log."""
    kept = [dtraj for dtraj in dtrajs if len(dtraj) > lagtime]
    if len(kept) < len(dtrajs):
        n_short = len(dtrajs) - len(kept)
        log.warning(
            "%d of %d trajectories are not longer than the lag of %d and left out.", n_short, len(dtrajs), lagtime
        )
    if dtrajs and not kept:
        longest = max(map(len, dtrajs))
        raise DataError(
            f"No trajectory is longer than the lag of {lagtime} (the longest has {longest} frames); choose a shorter --lagtime."
        )
    return kept


def cut_if_few(trajectories, n_blocks):
    """Cut few long trajectories into about `n_blocks` time blocks in all; many are left as they are."""
    if len(trajectories) >= _FEW_TRAJECTORIES:
        return list(trajectories)
    return split_time_blocks(trajectories, -(-n_blocks // len(trajectories)))


def split_in_three(n_trajectories, settings):
    """Indices of training, validation and test trajectories."""
    rest, test = split_indices(n_trajectories, settings.test_fraction, settings.seed)
    if len(rest) < 2:
        raise DataError(
            f"{n_trajectories} trajectories cannot be split in training, validation and test; 3 are needed."
        )
    train, validation = split_indices(
        len(rest), settings.validation_fraction / (1 - settings.test_fraction), settings.seed
    )
    return {"train": [rest[i] for i in train], "validation": [rest[i] for i in validation], "test": test}


def tokenize(run, table, dt_ps, tokenizer, settings, trajs=None, encode=None, coarse=False, name_states=None):
    """Stage `tokenize`: features, states, tokens, the split.

    The states are those of all trajectories: they are the yardstick, the same for every model, and where training MD
    alone defined them a rare basin of the test MD would have no state. What models learn, they learn from training MD
    only.

    Writes ``features/`` and ``tokens/``; with `trajs`, also structures of every macrostate, and in
    ``tokens/of_frames/`` the token of every frame, -1 where it is left out: what `stitch_frames` needs.

    Parameters
    ----------
    run : RunFolder
    table : FeatureTable
        One array a trajectory, periodic columns in radians; few long trajectories are cut into time blocks.
    dt_ps : float
    tokenizer : StateTokenizer
        Not fitted.
    settings : ModelSettings
    trajs : Trajectories, optional
        What the features were made of, frame by frame.
    encode : callable, optional
        From the list of arrays to what the tokenizer sees; cosine and sine of the periodic columns if not given.
    coarse : bool
        Whether the tokens are the macrostates.
    name_states : callable, optional
        From features (n_frames, n_features) and the macrostate of each frame to a name for each macrostate; names of
        Ramachandran basins, or letters, if not given.
    """
    from mdtok.features import encode_periodic
    from mdtok.tokens.naming import name_macrostates

    with run.stage("tokenize") as figures:
        blocks = cut_if_few(table.arrays, settings.n_blocks)
        split = split_in_three(len(blocks), settings)
        check_lag(settings, [len(blocks[index]) for index in split["test"]])
        encode = encode or (lambda arrays: encode_periodic(arrays, table.periodic))
        encoded = encode(blocks)
        tokenizer.fit(encoded, progress=settings.progress)
        origins, dtrajs, blocks = cut_outside(tokenizer.transform(encoded), blocks, min_length=settings.lagtime + 1)
        split = {part: [k for k, origin in enumerate(origins) if origin in members] for part, members in split.items()}
        if not split["test"]:
            raise DataError(
                "No frame of the test trajectories lies in a connected state; simulate longer or use fewer states."
            )
        if not split["validation"]:
            log.warning(
                "No frame of the validation trajectories lies in a connected state; models hold out the ends of training ones."
            )
        macro = tokenizer.to_macrostates(dtrajs)
        every, macro_of_every = np.concatenate(blocks), np.concatenate(macro)
        if name_states is None:
            names = name_macrostates(every, macro_of_every, table.names, table.periodic)
        else:
            names = name_states(every, macro_of_every)
        dtrajs, macrostates = (macro, np.arange(len(names))) if coarse else (dtrajs, tokenizer.macrostates_)
        save_arrays(run / "features", blocks)
        write_json(run / "features" / "columns.json", {"names": table.names, "periodic": table.periodic})
        with whole(run / "tokens") as folder:
            folder.mkdir()
            TokenisedData(dtrajs, split, dt_ps, macrostates, names).save(folder)
            tokenizer.save(folder)
        if trajs is not None:
            uncut = tokenizer.transform(encode(table.arrays))
            save_structures(run / "tokens", trajs, uncut, tokenizer, names, settings.seed)
            save_arrays(run / "tokens" / "of_frames", tokenizer.to_macrostates(uncut) if coarse else uncut)
        n_tokens = sum(map(len, dtrajs))
        figures |= {
            "n_states": len(macrostates),
            "n_dropped": tokenizer.n_dropped_,
            "n_tokens": n_tokens,
            "n_left_out": sum(map(len, table.arrays)) - n_tokens,
        }
        log.info("tokens: %d states in %d macrostates (%s)", len(macrostates), len(names), ", ".join(names))


def save_structures(folder, trajs, dtrajs, tokenizer, names, seed):
    """Write ten structures of every macrostate as ``macrostate_<k>_<name>.pdb``."""
    for k, name in enumerate(names):
        structures = tokenizer.structures(trajs, dtrajs, k, n_frames=10, seed=seed, macro=True)
        with whole(folder / f"macrostate_{k}_{name.replace('/', '_').replace(' ', '_')}.pdb") as partial:
            structures.save_pdb(str(partial))


def projection(run, columns=None):
    """Two columns of the features behind the tokens, for the maps of the report; None where there is one column only.

    Parameters
    ----------
    run : RunFolder
    columns : list of str, optional
        Names of two columns; the first two if not given.
    """
    from mdtok.report import Projection

    table = read_json(run / "features" / "columns.json")
    columns = columns or table["names"][:2]
    if len(columns) != 2 or any(name not in table["names"] for name in columns):
        return None
    chosen = [table["names"].index(name) for name in columns]
    values = [array[:, chosen] for array in load_arrays(run / "features")]
    data = TokenisedData.load(run / "tokens")
    return Projection(
        values, data.dtrajs, tuple(columns), tuple(table["periodic"][k] for k in chosen), data.macrostates
    )


def check_lag(settings, test_lengths):
    """Refuse lag times that the test trajectories are too short for, before anything is computed."""
    longest = max(test_lengths)
    for lag in [settings.lagtime, *settings.lagtimes]:
        if lag >= longest:
            raise DataError(
                f"The lag time of {lag} is not shorter than the longest test trajectory ({longest} tokens); "
                "choose a shorter --lagtime."
            )


def train(run, settings):
    """Stage `train`: fit every model, each saved as soon as it is done; a killed training goes on from its
    checkpoint."""
    from mdtok.models.catalogue import make_models

    run.require("tokenize")
    data = TokenisedData.load(run / "tokens")
    check_held_out([*data.part("train"), *data.part("validation")], data.part("test"))
    models = make_models(
        settings.models, data.macrostates, settings.seed, settings.training_steps or None, settings.progress
    )
    with run.stage("train") as figures:
        for name, model in models.items():
            folder = run / "models" / name
            if (folder / "model.json").exists():
                continue
            began = time.perf_counter()
            checkpoints = run / "models" / f"{name}.checkpoints"
            validation = data.part("validation") or None
            model.fit(data.part("train"), validation, len(data.macrostates), checkpoint_folder=checkpoints)
            model.save(folder)
            shutil.rmtree(checkpoints, ignore_errors=True)  # only neural models leave any
            seconds = time.perf_counter() - began
            figures[name] = {"wall_seconds": round(seconds, 2)}
            log.info("%s: trained in %.1f s, %s parameters", name, seconds, f"{model.n_parameters:,}")


def roll_out(run, settings):
    """Stage `rollout`: trajectories generated by every model, into ``rollouts/<name>/``."""
    from mdtok.kinetics.scorecard import make_protocol, roll_out_like
    from mdtok.models import load_model

    run.require("train")
    data = TokenisedData.load(run / "tokens")
    with run.stage("rollout"):
        training, test = [*data.part("train"), *data.part("validation")], data.part("test")
        protocol = make_protocol(data.dtrajs, test, data.macrostates, settings.lagtimes, settings.lagtime)
        for name in _names(settings):
            folder, pieces = run / "rollouts" / name, run / "rollouts" / f"{name}.pieces"
            if folder.exists():
                continue
            model = load_model(run / "models" / name)
            model.progress = settings.progress
            rollout = roll_out_like(
                model,
                training,
                test,
                data.dtrajs,
                protocol,
                settings.n_chains or None,
                settings.n_chain_tokens or None,
                settings.seed,
                pieces,
            )
            rollout.save(folder)
            shutil.rmtree(pieces, ignore_errors=True)
            log.info("%s: %s tokens generated in %.1f s", name, f"{rollout.n_tokens:,}", rollout.seconds)


def score(run, settings, title, shown_on=None, make_chapters=None):
    """Stage `score`: the scorecard and the report, into ``report/``.

    Parameters
    ----------
    run : RunFolder
    settings : ModelSettings
    title : str
        Of the report.
    shown_on : mdtok.report.Projection, optional
        Two columns to draw maps on.
    make_chapters : callable, optional
        From the TokenisedData and the Scorecard to further chapters of the report.

    Returns
    -------
    Scorecard
    """
    from mdtok.kinetics import score as score_models
    from mdtok.models import load_model
    from mdtok.models.rollout import Rollout

    run.require("rollout")
    data = TokenisedData.load(run / "tokens")
    with run.stage("score"):
        rollouts = {name: Rollout.load(run / "rollouts" / name) for name in _names(settings)}
        models = {name: load_model(run / "models" / name) for name in rollouts}
        for name, trained in run.manifest["stages"]["train"].items():
            if name in models:
                models[name].train_seconds_ = trained["wall_seconds"]
        card = score_models(
            models,
            data.part("train"),
            data.part("test"),
            data.dt_ps,
            validation=data.part("validation"),
            macrostates=data.macrostates,
            macrostate_names=data.macrostate_names,
            lagtimes=settings.lagtimes or None,
            lagtime=settings.lagtime,
            n_timescales=settings.n_timescales or None,
            rollouts=rollouts,
            seed=settings.seed,
            progress=settings.progress,
        )
        chapters = [
            *(make_chapters(data, card) if make_chapters else ()),
            memory_chapter(run, data, settings, models, card),
        ]
        card.save(run / "report", title=title, projection=shown_on, run=run.manifest, chapters=chapters)
    log.info("\n%s\n\nreport: %s", card, run / "report" / "report.html")
    return card


def memory_chapter(run, data, settings, models, card):
    """How long the memory of the tokens is: a chapter of the report, ``report/memory.json``, and a sentence in the
    log."""
    from mdtok.insight import diagnose_memory
    from mdtok.models.networks.neural import NeuralModel
    from mdtok.report import chapter_on_memory

    training = [*data.part("train"), *data.part("validation")]
    networks = [named for named in models.items() if isinstance(named[1], NeuralModel)]
    network = min(
        networks, key=lambda named: card.content["models"][named[0]]["nll_nats_per_token"]["value"], default=None
    )
    diagnosis = diagnose_memory(
        training, data.part("test"), data.dt_ps, network=network, seed=settings.seed, progress=settings.progress
    )
    write_json(run / "report" / "memory.json", diagnosis.to_dict())
    log.info("memory: %s", diagnosis)
    return chapter_on_memory(diagnosis)


def do_model_stages(run, settings, title, map_columns=None, make_chapters=None):
    """Train, roll out and score, as far as the settings ask for it and it is not done; then say where the report is."""
    for name, stage in (("train", train), ("rollout", roll_out)):
        if settings.does(name) and not run.is_done(name):
            stage(run, settings)
    if settings.does("score"):
        if run.is_done("score"):
            log.info("report: %s (all stages were done before)", run / "report" / "report.html")
        else:
            has_features = (run / "features").is_dir()  # none where the user gave tokens
            score(run, settings, title, projection(run, map_columns) if has_features else None, make_chapters)


def _names(settings):
    return [name.strip() for name in settings.models.split(",") if name.strip()]
