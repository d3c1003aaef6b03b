"""Stage `tokenize`: features, states, tokens, the split; and the checks that need no more than the lengths of
trajectories."""

import logging

import numpy as np

from mdtok.errors import DataError
from mdtok.features.feature_files import FeatureTable
from mdtok.kinetics.estimation.passages import independent_units
from mdtok.storage import save_arrays, whole
from mdtok.tokens import StateTokenizer, cut_outside
from mdtok.tokens.connected import REFUSED, require_connected
from mdtok.tokens.dtrajs import cut_in_blocks, split_frames
from mdtok.tokens.naming import name_macrostates
from mdtok.workflows.data import FeatureData, TokenisedData, tokenizer_input

log = logging.getLogger(__name__)

FEW_TRAJECTORIES = 8
_FAR_LONGER = 3.0  # than the mean: such a one would be a part of the split by itself


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
        split = split_in_three([len(block) for block in blocks], settings)
        check_lag(settings, [len(blocks[index]) for index in split["test"]])
        n_given = sum(map(len, blocks))
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
        left_out = share_not_kept(n_given, dtrajs)
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
            TokenisedData(
                dtrajs, split, dt_ps, macrostates, names, columns, angles, coarse, left_out, table.remarks
            ).save(folder)
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


def share_not_kept(n_given: int, dtrajs: list) -> float:
    """Share of the frames that are in no token; DataError where it is more than half."""
    share = 1 - sum(map(len, dtrajs)) / n_given
    if share > REFUSED:
        raise DataError(
            f"{100 * share:.0f} % of the frames are in states that are not entered and left again at this lag time and "
            "would be left out; use fewer states, a shorter --lagtime, or longer trajectories."
        )
    return share


def save_structures(folder, trajs, dtrajs, tokenizer, names, seed):
    """Write ten structures of every macrostate as ``macrostate_<k>_<name>.pdb``."""
    for k, name in enumerate(names):
        structures = tokenizer.structures(trajs, dtrajs, k, n_frames=10, seed=seed, macro=True)
        with whole(folder / f"macrostate_{k}_{name.replace('/', '_').replace(' ', '_')}.pdb") as partial:
            structures.save_pdb(str(partial))


def cut_if_few(trajectories: list, n_blocks: int) -> list:
    """Cut few trajectories into about `n_blocks` time blocks in all; of many, those far longer than the rest."""
    if len(trajectories) < FEW_TRAJECTORIES:
        return cut_in_blocks(trajectories, n_blocks)
    mean = sum(map(len, trajectories)) / len(trajectories)
    return [
        block
        for one in trajectories
        for block in (np.array_split(one, round(len(one) / mean)) if len(one) > _FAR_LONGER * mean else [one])
    ]


def split_in_three(lengths: list[int], settings) -> dict[str, list[int]]:
    """Indices of training, validation and test trajectories, which have their shares of the frames.

    Parameters
    ----------
    lengths : list of int
        Frames of each trajectory.
    settings : ModelSettings

    Raises
    ------
    DataError
        Fewer than three trajectories, or ones of which no test set of about the share asked for can be made.
    """
    n = len(lengths)
    if n < 3:
        raise DataError(f"{n} trajectories cannot be split in training, validation and test; 3 are needed.")
    most = (n - 2) / n  # one is left for training and one for validation
    rest, test = split_frames(lengths, min(settings.test_fraction, most), settings.seed)
    while len(rest) < 2:
        rest = sorted([*rest, test.pop()])
    train, validation = split_frames(
        [lengths[k] for k in rest], settings.validation_fraction / (1 - settings.test_fraction), settings.seed
    )
    split = {"train": [rest[i] for i in train], "validation": [rest[i] for i in validation], "test": test}
    shares = {part: sum(lengths[k] for k in members) / sum(lengths) for part, members in split.items()}
    asked = {"test": settings.test_fraction, "train": 1 - settings.test_fraction - settings.validation_fraction}
    for part, share in asked.items():
        if shares[part] < share / 2 and n > FEW_TRAJECTORIES:
            raise DataError(
                f"The {part} trajectories would be {100 * shares[part]:.1f} % of the frames, {100 * share:.0f} % were "
                f"asked for: the lengths are too different ({min(lengths)} to {max(lengths)}). Leave short ones "
                "out, or cut long ones."
            )
    return split


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


def require_judgeable(train: list, test: list, settings, n_states: int) -> float:
    """Refuse tokens that the last stage could not judge, before anything is computed.

    Parameters
    ----------
    train, test : lists of int arrays
    settings : ModelSettings
    n_states : int

    Returns
    -------
    float
        Share of the training frames that a Markov model at the lag time leaves out.
    """
    check_lag(settings, [len(dtraj) for dtraj in test])
    for dtrajs in (test, [*train, *test]):
        independent_units(dtrajs)
    for lag in sorted({*settings.lagtimes, settings.lagtime, 1}):
        require_connected(test, lag, "test trajectories", n_states)
    return require_connected(train, settings.lagtime, "training trajectories", n_states)


def check_lag(settings, test_lengths: list[int]) -> None:
    """Refuse lag times that the test trajectories are too short for, before anything is computed."""
    longest = max(test_lengths)
    for lag in [settings.lagtime, *settings.lagtimes]:
        if lag >= longest:
            raise DataError(
                f"The lag time of {lag} is not shorter than the longest test trajectory ({longest} tokens); "
                "choose a shorter --lagtime."
            )
