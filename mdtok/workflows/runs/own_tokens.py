"""Discrete trajectories of the user: models, scorecard, report."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mdtok.errors import DataError, SettingsError
from mdtok.models import MarkovModel
from mdtok.storage import whole
from mdtok.tokens import cut_outside, load_dtrajs, relabel
from mdtok.tokens.dtrajs import split_indices
from mdtok.tokens.metastable import metastable_states
from mdtok.tokens.naming import letters
from mdtok.workflows.command_line import setting
from mdtok.workflows.data import TokenisedData
from mdtok.workflows.folder import RunFolder
from mdtok.workflows.settings import ModelSettings
from mdtok.workflows.stages import do_stages, require_features
from mdtok.workflows.tokenising import check_lag, cut_if_few, long_enough, split_in_three

log = logging.getLogger(__name__)

_MANY_STATES = 12  # beyond, MFPT between all pairs of states can neither be counted well nor read


@dataclass
class TokenSettings(ModelSettings):
    """Settings of discrete trajectories."""

    GROUP = "data"

    out: str = setting("runs/tokens", "Folder of the run.")
    train: list[str] = setting([], "Text or .npy files of tokens, one trajectory each.")
    test: list[str] = setting([], "Held-out trajectories; some of --train are held out if not given.")
    dt_ps: float = setting(0.0, "Picoseconds between tokens.")
    n_macrostates: int = setting(
        0,
        "Metastable states (PCCA+); 0: the tokens themselves, or from the relaxation times if more than "
        f"{_MANY_STATES}.",
        group="tokens",
    )

    QUICK = {"training_steps": 800, "models": "msm,order2,semi-markov,nanogpt-tiny"}

    def __post_init__(self):
        super().__post_init__()
        if not self.train:
            raise SettingsError("Give --train, files of tokens.")
        if not self.dt_ps > 0:
            raise SettingsError("Give --dt-ps, the picoseconds between tokens.")
        require_features(self.make_models(progress=False), None)


def run_tokens(settings: TokenSettings) -> None:
    """All stages that the settings ask for."""
    (train, test), labels = relabel(
        *(read_tokens(files, settings.lagtime) for files in (settings.train, settings.test))
    )
    if len(labels) < 2:
        raise DataError(f"All tokens are {labels[0]}: there are no kinetics in a single state.")
    blocks, split = split_tokens(train, test, settings)
    check_lag(settings, [len(blocks[index]) for index in split["test"]])
    run = RunFolder.of(settings, [*settings.train, *settings.test])

    def tokenize():
        with run.stage("tokenize") as facts:
            macrostates, names = find_macrostates([blocks[i] for i in split["train"]], labels, settings)
            with whole(run / "tokens") as folder:
                folder.mkdir()
                TokenisedData(blocks, split, settings.dt_ps, macrostates, names).save(folder)
            facts |= {"n_states": len(labels), "n_tokens": sum(map(len, blocks)), "labels": labels}

    do_stages(run, settings, Path(settings.out).name, tokenize=tokenize)


def read_tokens(files: list[str], lagtime: int) -> list[np.ndarray]:
    """Trajectories longer than the lag; frames marked -1, outside of all states, are left out and cut them in
    pieces."""
    if not files:
        return []
    dtrajs = load_dtrajs(files)
    n_outside = sum(int((dtraj == -1).sum()) for dtraj in dtrajs)
    if n_outside:
        log.warning("%d of %d frames are -1, outside of all states, and left out.", n_outside, sum(map(len, dtrajs)))
    _, pieces = cut_outside(dtrajs, min_length=1)
    return long_enough(pieces, lagtime)


def split_tokens(train, test, settings):
    """Trajectories (or time blocks of few long ones) and which of them are for training, validation and test."""
    blocks = cut_if_few(train, settings.n_blocks)
    if not test:
        return blocks, split_in_three(len(blocks), settings)
    held_out = list(range(len(blocks), len(blocks) + len(test)))
    training, validation = split_indices(len(blocks), settings.validation_fraction, settings.seed)
    return [*blocks, *test], {"train": training, "validation": validation, "test": held_out}


def find_macrostates(dtrajs, labels, settings):
    """Metastable states of the tokens and their names: the tokens themselves where they are few."""
    n_states = len(labels)
    if not settings.n_macrostates and n_states <= _MANY_STATES:
        return np.arange(n_states), [str(label) for label in labels]
    msm = MarkovModel(settings.lagtime).fit(dtrajs, n_states=n_states).msm_
    connected = msm.count_model.state_symbols
    if len(connected) < n_states:
        lost = ", ".join(str(label) for label in np.delete(labels, connected)[:5])
        raise DataError(
            f"The tokens {lost} are not connected with the others both ways at lag {settings.lagtime}; merge them or "
            "take a shorter --lagtime."
        )
    macrostates = metastable_states(msm, settings.n_macrostates or None)
    return macrostates, [letters(k) for k in range(macrostates.max() + 1)]
