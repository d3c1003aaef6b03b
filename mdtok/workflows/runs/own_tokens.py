"""Discrete trajectories of the user: models, scorecard, report."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mdtok.checks import require_one_of
from mdtok.errors import DataError, SettingsError
from mdtok.md.files import find_files
from mdtok.models import MarkovModel
from mdtok.storage import whole
from mdtok.tokens import assign_unassigned, check_held_out, relabel
from mdtok.tokens.connected import SAID
from mdtok.tokens.dtrajs import split_frames
from mdtok.tokens.held_out import check_no_overlap
from mdtok.tokens.metastable import metastable_states
from mdtok.tokens.naming import letters
from mdtok.tokens.token_files import load_named_dtrajs
from mdtok.tokens.unassigned import UNASSIGNED, WAYS
from mdtok.workflows.command_line import setting
from mdtok.workflows.data import TokenisedData
from mdtok.workflows.folder import RunFolder
from mdtok.workflows.settings import ModelSettings
from mdtok.workflows.stages import do_stages, require_features
from mdtok.workflows.tokenising import cut_if_few, long_enough, require_judgeable, split_in_three

log = logging.getLogger(__name__)

_MANY_STATES = 12  # beyond, MFPT between all pairs of states can neither be counted well nor read


@dataclass
class TokenSettings(ModelSettings):
    """Settings of discrete trajectories."""

    GROUP = "data"

    out: str = setting("runs/tokens", "Folder of the run.")
    train: list[str] = setting(
        [], "Text, .npy or .npz files of tokens, or patterns; blank lines stand between trajectories."
    )
    test: list[str] = setting([], "Held-out trajectories; some of --train are held out if not given.")
    dt_ps: float = setting(0.0, "Picoseconds between tokens.")
    unassigned: str = setting(
        "last-core", "Frames of token -1: last-core (the state visited last goes on), cut or state.", group="tokens"
    )
    n_macrostates: int = setting(
        0,
        "Metastable states (PCCA+); 0: the tokens themselves, or from the relaxation times if more than "
        f"{_MANY_STATES}.",
        group="tokens",
    )

    STAGE_OF = ModelSettings.STAGE_OF | dict.fromkeys(("unassigned", "n_macrostates"), "tokenize")
    QUICK = {"training_steps": 800, "models": "msm,order2,semi-markov,nanogpt-tiny"}

    def __post_init__(self):
        super().__post_init__()
        if not self.train:
            raise SettingsError("Give --train, files of tokens.")
        if not self.dt_ps > 0:
            raise SettingsError("Give --dt-ps, the picoseconds between tokens.")
        require_one_of("--unassigned", self.unassigned, WAYS)
        require_features(self.make_models(progress=False), None)


def run_tokens(settings: TokenSettings) -> None:
    """All stages that the settings ask for."""
    train_files, test_files = find_files_of_both(settings.train, settings.test)
    given = [load_named_dtrajs(files) if files else [] for files in (train_files, test_files)]
    check_as_given(*given)
    read = (read_tokens([dtraj for _, dtraj in part], settings) for part in given)
    (train, test), labels = relabel(*read)
    if len(labels) < 2:
        raise DataError(f"All tokens are {labels[0]}: there are no kinetics in a single state.")
    blocks, split = split_tokens(train, test, settings)
    left_out = require_judgeable(
        [blocks[i] for part in ("train", "validation") for i in split[part]],
        [blocks[i] for i in split["test"]],
        settings,
        len(labels),
    )
    if left_out > SAID:
        log.warning("%.0f %% of the frames are in states that are not connected at the lag time.", 100 * left_out)
    run = RunFolder.of(settings, [*train_files, *test_files])

    def tokenize():
        with run.stage("tokenize") as facts:
            macrostates, names = find_macrostates([blocks[i] for i in split["train"]], labels, settings)
            with whole(run / "tokens") as folder:
                folder.mkdir()
                TokenisedData(blocks, split, settings.dt_ps, macrostates, names).save(folder)
            facts |= {"n_states": len(labels), "n_tokens": sum(map(len, blocks)), "labels": labels}

    do_stages(run, settings, Path(settings.out).name, tokenize=tokenize)


def find_files_of_both(train: list[str], test: list[str]) -> tuple[list[Path], list[Path]]:
    """The files that paths and patterns name; none may be given twice, nor be in both."""
    train_files, test_files = find_files(train), find_files(test) if test else []
    for path in test_files:
        if any(path.samefile(other) for other in train_files):
            raise DataError(f"{path} is in --train and in --test: what a model has seen is not held out.")
    return train_files, test_files


def check_as_given(train: list, test: list) -> None:
    """Refuse trajectories that overlap, before anything is cut: a part of what is held out would be trained on."""
    names, dtrajs = [name for name, _ in train], [dtraj for _, dtraj in train]
    if test:
        check_held_out(dtrajs, [dtraj for _, dtraj in test], (names, [name for name, _ in test]))
    else:
        check_no_overlap(dtrajs, names)


def read_tokens(dtrajs: list[np.ndarray], settings) -> list[np.ndarray]:
    """Trajectories longer than the lag, with frames marked -1 as the settings say."""
    if not dtrajs:
        return []
    return long_enough(assign_unassigned(dtrajs, settings.unassigned), settings.lagtime)


def split_tokens(train, test, settings):
    """Trajectories (or time blocks of few long ones) and which of them are for training, validation and test."""
    blocks = cut_if_few(train, settings.n_blocks)
    lengths = [len(block) for block in blocks]
    if not test:
        return blocks, split_in_three(lengths, settings)
    held_out = list(range(len(blocks), len(blocks) + len(test)))
    training, validation = split_frames(lengths, settings.validation_fraction, settings.seed)
    return [*blocks, *test], {"train": training, "validation": validation, "test": held_out}


def find_macrostates(dtrajs, labels, settings):
    """Metastable states of the tokens and their names: the tokens themselves where they are few."""
    n_states = len(labels)
    if not settings.n_macrostates and n_states <= _MANY_STATES:
        return np.arange(n_states), ["unassigned" if label == UNASSIGNED else str(label) for label in labels]
    msm = MarkovModel(settings.lagtime).fit(dtrajs, n_states=n_states).msm_
    connected = msm.count_model.state_symbols
    macrostates = np.full(n_states, -1)
    macrostates[connected] = metastable_states(msm, settings.n_macrostates or None)
    lost = np.flatnonzero(macrostates < 0)
    if len(lost):
        shown = ", ".join(str(label) for label in labels[lost][:5])
        log.warning("The tokens %s are not connected both ways; each counts with the state seen most beside it.", shown)
        for state in lost:
            macrostates[state] = _seen_beside(state, dtrajs, macrostates)
    return macrostates, [letters(k) for k in range(macrostates.max() + 1)]


def _seen_beside(state, dtrajs, macrostates):
    """The macrostate that is visited most right before or after a state; the largest where there is none."""
    seen = np.zeros(macrostates.max() + 1)
    for dtraj in dtrajs:
        for here, there in ((dtraj[:-1], dtraj[1:]), (dtraj[1:], dtraj[:-1])):
            beside = macrostates[there[here == state]]
            seen += np.bincount(beside[beside >= 0], minlength=len(seen))
    return int(seen.argmax())
