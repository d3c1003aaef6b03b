"""Stage `tokenize`: features, states, tokens, the split; and the checks that need no more than the lengths of
trajectories."""

import logging

import numpy as np

from mdtok.errors import DataError
from mdtok.features.feature_files import FeatureTable
from mdtok.storage import save_arrays, whole
from mdtok.tokens import StateTokenizer, cut_outside
from mdtok.tokens.dtrajs import split_indices, split_time_blocks
from mdtok.tokens.naming import name_macrostates
from mdtok.workflows.data import FeatureData, TokenisedData, tokenizer_input

log = logging.getLogger(__name__)

FEW_TRAJECTORIES = 8


def tokenize(
    run,
    table: FeatureTable,
    dt_ps: float,
    tokenizer: StateTokenizer,
    settings,
    trajs=None,
    columns: list[int] | None = None,
    angles: str = "circle",
    coarse: bool = False,
    name_states=None,
) -> None:
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
    columns : list of int, optional
        Columns that the tokenizer reads; all of them if not given.
    angles : {"circle", "sine"}
        Whether it reads cosine and sine of the periodic ones, or their sine only.
    coarse : bool
        Whether the tokens are the macrostates.
    name_states : callable, optional
        From features (n_frames, n_features) and the macrostate of each frame to a name for each macrostate; names of
        Ramachandran basins, or letters, if not given.
    """

    def read(arrays):
        return tokenizer_input(arrays, table.periodic, columns, angles)

    with run.stage("tokenize") as facts:
        blocks = cut_if_few(table.arrays, settings.n_blocks)
        split = split_in_three(len(blocks), settings)
        check_lag(settings, [len(blocks[index]) for index in split["test"]])
        tokenizer.fit(read(blocks), progress=settings.progress)
        origins, dtrajs, blocks = cut_outside(
            tokenizer.transform(read(blocks)), blocks, min_length=settings.lagtime + 1
        )
        split = {part: [k for k, origin in enumerate(origins) if origin in members] for part, members in split.items()}
        if not split["test"]:
            raise DataError(
                "No frame of the test trajectories lies in a connected state; simulate longer or use fewer states."
            )
        if not split["validation"]:
            log.warning(
                "No frame of the validation trajectories lies in a connected state; models hold out the ends of "
                "training ones."
            )
        macro = tokenizer.to_macrostates(dtrajs)
        every, macro_of_every = np.concatenate(blocks), np.concatenate(macro)
        if name_states is None:
            names = name_macrostates(every, macro_of_every, table.names, table.periodic)
        else:
            names = name_states(every, macro_of_every)
        dtrajs, macrostates = (macro, np.arange(len(names))) if coarse else (dtrajs, tokenizer.macrostates_)
        FeatureData(blocks, table.names, table.periodic, split, dt_ps).save(run / "features")
        with whole(run / "tokens") as folder:
            folder.mkdir()
            TokenisedData(dtrajs, split, dt_ps, macrostates, names, columns, angles, coarse).save(folder)
            tokenizer.save(folder)
        if trajs is not None:
            uncut = tokenizer.transform(read(table.arrays))
            save_structures(run / "tokens", trajs, uncut, tokenizer, names, settings.seed)
            save_arrays(run / "tokens" / "of_frames", tokenizer.to_macrostates(uncut) if coarse else uncut)
        n_tokens = sum(map(len, dtrajs))
        facts |= {
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


def cut_if_few(trajectories: list, n_blocks: int) -> list:
    """Cut few long trajectories into about `n_blocks` time blocks in all; many are left as they are."""
    if len(trajectories) >= FEW_TRAJECTORIES:
        return list(trajectories)
    return split_time_blocks(trajectories, -(-n_blocks // len(trajectories)))


def split_in_three(n_trajectories: int, settings) -> dict[str, list[int]]:
    """Indices of training, validation and test trajectories."""
    if n_trajectories < 3:
        raise DataError(
            f"{n_trajectories} trajectories cannot be split in training, validation and test; 3 are needed."
        )
    most = (n_trajectories - 2) / n_trajectories  # one is left for training and one for validation
    rest, test = split_indices(n_trajectories, min(settings.test_fraction, most), settings.seed)
    train, validation = split_indices(
        len(rest), settings.validation_fraction / (1 - settings.test_fraction), settings.seed
    )
    return {"train": [rest[i] for i in train], "validation": [rest[i] for i in validation], "test": test}


def long_enough(dtrajs: list, lagtime: int) -> list:
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
            f"No trajectory is longer than the lag of {lagtime} (the longest has {longest} frames); choose a shorter "
            "--lagtime."
        )
    return kept


def check_lag(settings, test_lengths: list[int]) -> None:
    """Refuse lag times that the test trajectories are too short for, before anything is computed."""
    longest = max(test_lengths)
    for lag in [settings.lagtime, *settings.lagtimes]:
        if lag >= longest:
            raise DataError(
                f"The lag time of {lag} is not shorter than the longest test trajectory ({longest} tokens); "
                "choose a shorter --lagtime."
            )
