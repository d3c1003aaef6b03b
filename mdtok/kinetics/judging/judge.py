"""Judge trajectories that anything generated: no model, no class to write."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from deeptime.markov.msm import MarkovStateModel

from mdtok.errors import DataError, SettingsError
from mdtok.features import Featurizer, encode_periodic
from mdtok.features.feature_files import FeatureTable
from mdtok.features.named import named_features
from mdtok.kinetics.judging.branching import Jump, branch_from_reference, check_jumps
from mdtok.kinetics.judging.ensembles import judge_ensembles
from mdtok.kinetics.judging.field_metrics import field_metrics_table
from mdtok.kinetics.judging.samples import Sample, as_sample, strides
from mdtok.kinetics.scoring.scorecard import Scorecard, score
from mdtok.models.counted.markov import MarkovModel
from mdtok.models.rollout import Rollout
from mdtok.tokens import StateTokenizer, cut_outside
from mdtok.tokens.dtrajs import count_states
from mdtok.tokens.held_out import find_shared_frames
from mdtok.tokens.metastable import metastable_states
from mdtok.tokens.naming import letters, name_macrostates

_FRAMES_A_STATE = 100  # of the reference, so that a state is known to some 10 %
_MOST_STATES = 100
_TICA_COLUMNS, _TICA_DIM = 4, 4  # more columns than these are projected on so many components
_MOST_TOKEN_STATES = 12  # tokens that are their own macrostates
_LAGTIME = 10
TRAINING = "training MD"


def judge(
    reference: Any,
    generated: Mapping[str, Any] | Any,
    *,
    training: Any = None,
    jumps: Mapping[str, Jump] | None = None,
    dt_ps: float | None = None,
    generated_dt_ps: float | Mapping[str, float] | None = None,
    features: str = "phi psi",
    columns: Sequence[str] | None = None,
    periodic: Sequence[str | int] | None = None,
    time: bool = True,
    n_states: int | None = None,
    n_macrostates: int | None = None,
    macrostates: np.ndarray | None = None,
    lagtime: int | None = None,
    lagtimes: Sequence[int] | None = None,
    temperature_kelvin: float = 300.0,
    equivalent: bool = True,
    seed: int = 0,
    progress: bool = True,
) -> Scorecard:
    """Hold generated trajectories against reference MD: kinetics with intervals, the field's metrics, a verdict.

    Parameters
    ----------
    reference : object
        MD that is to be reproduced: a list of mdtraj trajectories, what `open_trajectories` gives, features (arrays of
        shape (n_frames, n_features), or what `load_features` gives), or tokens (int arrays of shape (n_frames,)).
    generated : dict of str -> object, or object
        The same of each generator, by name. For tokens also an MSM that deeptime fitted.
    training : object, optional
        What the generators learnt from. It must not share frames with the reference, and is judged as one more row.
    jumps : dict of str -> callable, optional
        Of generators that can be asked for any lag time: ``jump(frames, n_frames, seed)`` gives what follows each of
        `frames` (features or tokens, as the reference is) after `n_frames` frames of the reference. One long jump is
        then held against nested short ones (see `conditional_chapman_kolmogorov`).
    dt_ps : float, optional
        Picoseconds between frames of the reference, where it does not tell.
    generated_dt_ps : float or dict of str -> float, optional
        The same of the generators, if it is another: a multiple of the reference's, or the reference's a multiple of
        it. They are compared at the longer interval.
    features : str
        For coordinates: words of `Featurizer`, such as ``"phi psi chi1"``.
    columns : list of str, optional
        For features in arrays: the name of each column.
    periodic : list of str or int, optional
        For features in arrays: columns that are angles, in radians or as ``"phi=degrees"``, see `load_features`.
    time : bool
        False for generators that give an ensemble in no order: then populations and free energies are judged only.
    n_states, n_macrostates, lagtime : int, optional
        Microstates of the features, metastable states, lag time in frames of the reference; chosen from the reference.
    macrostates : int array, shape (n_states,), optional
        Macrostate of each token.
    lagtimes : list of int, optional
    temperature_kelvin : float
        Of free-energy differences in kJ/mol.
    equivalent : bool
        Whether the MD time that each is worth is measured, which takes some seconds.
    seed : int
    progress : bool

    Returns
    -------
    Scorecard

    Raises
    ------
    DataError, SettingsError
        Another topology or atom order, intervals that are no multiples, generated frames that are frames of the
        reference or of the training MD, one frame, NaN.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> hops = lambda rate, seed: np.cumsum(np.random.default_rng(seed).random(20_000) < rate) % 2
    >>> card = judge(hops(0.02, 4), {"good": hops(0.02, 5), "fast": hops(0.06, 3)}, dt_ps=1.0, progress=False)
    >>> card.content["models"]["good"]["passes"], card.content["models"]["fast"]["passes"]
    (True, False)
    """
    generated = dict(generated) if isinstance(generated, Mapping) else {"generated": generated}
    if not generated:
        raise SettingsError("Nothing generated was given to judge.")
    featurizer = Featurizer(named_features(features))
    named: dict[str, Any] = {"columns": columns, "periodic": periodic}
    md = as_sample(reference, "the reference", featurizer, dt_ps, **named)
    if (columns or periodic) and (md.kind == "tokens" or md.trajs is not None or isinstance(reference, FeatureTable)):
        raise SettingsError("columns and periodic are for features in arrays; what the reference is tells its own.")
    check_jumps(jumps or {}, generated, md)
    if md.dt_ps is None:
        raise SettingsError("The reference does not tell its time; give dt_ps, the picoseconds between its frames.")
    msms = {name: given for name, given in generated.items() if isinstance(given, MarkovStateModel)}
    if msms and md.kind != "tokens":
        raise DataError(f"{next(iter(msms))} is an MSM, which makes tokens; give the reference as tokens too.")
    samples = {}
    for name, given in generated.items():
        if name not in msms:
            dt = generated_dt_ps.get(name) if isinstance(generated_dt_ps, Mapping) else generated_dt_ps
            samples[name] = as_sample(given, name, featurizer, dt or _dt_of_arrays(given, md), md, **named)
    if training is not None:
        if TRAINING in generated:
            raise SettingsError(f"{TRAINING!r} is the name of another row; call the generator something else.")
        samples[TRAINING] = as_sample(training, "the training MD", featurizer, dt_ps or md.dt_ps, md, **named)
    find_leaks(md, samples)
    every = {name: strides(sample, md, name) if time else (1, 1) for name, sample in samples.items()}
    samples = {name: sample.every(every[name][0]) for name, sample in samples.items()}
    common = math.lcm(1, *(of_md for _, of_md in every.values()))
    lagtime = _lagtime(md, lagtime, common)
    states = find_states(md, samples, n_states, n_macrostates, macrostates, lagtime, seed, progress)
    rollouts = {name: Rollout(tokens, every[name][1], np.nan) for name, tokens in states.generated.items()}
    if time:
        learnt_from = states.generated.get(TRAINING) if every.get(TRAINING) == (1, 1) else None
        card = score(
            {**rollouts, **msms},
            learnt_from,
            states.reference,
            md.dt_ps,
            macrostates=states.macrostates,
            macrostate_names=states.names,
            lagtimes=lagtimes or (_multiples(common, md, lagtime) if common > 1 else None),
            lagtime=lagtime,
            left_out=states.left_out,
            equivalent=equivalent,
            seed=seed,
            progress=progress,
        )
    else:
        card = judge_ensembles(rollouts, states, md.dt_ps, seed=seed)
    content = card.content
    content["judged"] = {"kind": md.kind, "time": time, "n_frames": {n: s.n_frames for n, s in samples.items()}}
    for name, share in states.outside.items():
        content["models"][name]["outside_share"] = share
    for name, jump in (jumps or {}).items():
        content["models"][name]["conditional_ck"] = branch_from_reference(jump, name, md, states, lagtime, seed)
    content["field_metrics"] = field_metrics_table(md, samples, states, every, lagtime, time, temperature_kelvin, seed)
    return card


def find_leaks(md: Sample, samples: Mapping[str, Sample]) -> None:
    """Refuse generated frames, or training frames, that are frames of the reference, and generated ones of the
    training.

    Raises
    ------
    DataError
        Which trajectories, and where.
    """
    sides = {"the reference": md, **{n: s for n, s in samples.items() if n == TRAINING}}
    sides |= {name: sample for name, sample in samples.items() if name != TRAINING}
    names = list(sides)
    for b, name in enumerate(names):
        for other in names[: min(b, 2 if TRAINING in names else 1)]:
            one, two = sides[other], sides[name]
            shared = find_shared_frames(one.arrays, two.arrays)
            if shared is not None:
                (a, c), (i, j), n = shared.pair, shared.starts, shared.n_frames
                raise DataError(
                    f"Frames {j} to {j + n - 1} of {two.files[c - len(one.arrays)]} ({name}) are frames {i} to "
                    f"{i + n - 1} "
                    f"of {one.files[a]} ({other}) word for word; what is judged must not be what it is judged by."
                )


@dataclass
class States:
    """The states that all samples are compared in.

    Attributes
    ----------
    reference : list of int arrays
    generated : dict of str -> list of int arrays
    macrostates : int array, shape (n_states,)
    names : list of str
    left_out : float
        Share of the reference's frames that are in no connected state.
    outside : dict of str -> float
        The same of each generator.
    tokenizer : StateTokenizer or None
    """

    reference: list
    generated: dict
    macrostates: np.ndarray
    names: list
    left_out: float
    outside: dict
    tokenizer: StateTokenizer | None


def find_states(md, samples, n_states, n_macrostates, macrostates, lagtime, seed, progress) -> States:
    """States of the reference, and the tokens of everything in them."""
    if md.kind == "tokens":
        return _states_of_tokens(md, samples, n_macrostates, macrostates, lagtime)
    read = encode_periodic(md.arrays, md.periodic)
    n_columns = read[0].shape[1]
    tokenizer = StateTokenizer(
        n_states or int(np.clip(md.n_frames // _FRAMES_A_STATE, 10, _MOST_STATES)),
        n_macrostates or "auto",
        lagtime,
        min(_TICA_DIM, n_columns) if n_columns > _TICA_COLUMNS else None,
        seed=seed,
    ).fit(read, progress=progress)
    transformed = tokenizer.transform(read)
    _, reference, kept = cut_outside(transformed, md.arrays, min_length=lagtime + 1)
    macro = np.concatenate(tokenizer.to_macrostates(reference))
    names = name_macrostates(np.concatenate(kept), macro, md.names, md.periodic)
    generated, outside = {}, {}
    for name, sample in samples.items():
        tokens = tokenizer.transform(encode_periodic(sample.arrays, md.periodic))
        try:
            _, generated[name], _ = cut_outside(tokens, sample.arrays, min_length=2)
        except DataError as error:
            raise DataError(f"{name}: {error}") from None
        outside[name] = 1 - sum(map(len, generated[name])) / sample.n_frames
    left_out = 1 - sum(map(len, reference)) / md.n_frames
    return States(reference, generated, tokenizer.macrostates_, names, left_out, outside, tokenizer)


def _states_of_tokens(md, samples, n_macrostates, macrostates, lagtime):
    generated = {name: sample.arrays for name, sample in samples.items()}
    n_states = max(count_states(dtrajs) for dtrajs in [md.arrays, *generated.values()])
    if macrostates is not None:
        macrostates = np.asarray(macrostates)
        if len(macrostates) < n_states:
            raise DataError(f"The token {n_states - 1} occurs; macrostates are given for 0 .. {len(macrostates) - 1}.")
    elif n_macrostates is None and n_states <= _MOST_TOKEN_STATES:
        macrostates = np.arange(n_states)
    else:
        macrostates = lump(md.arrays, n_states, n_macrostates, lagtime)
    names = [str(k) if len(set(macrostates)) == n_states else letters(k) for k in range(int(max(macrostates)) + 1)]
    return States(md.arrays, generated, macrostates, names, 0.0, {}, None)


def lump(dtrajs, n_states, n_macrostates, lagtime):
    """Metastable states of tokens by PCCA+; what the reference does not connect is a macrostate of its own."""
    msm = MarkovModel(lagtime).fit([d for d in dtrajs if len(d) > lagtime], n_states=n_states).msm_
    macrostates = np.full(n_states, -1)
    macrostates[msm.count_model.state_symbols] = metastable_states(msm, n_macrostates)
    if (macrostates < 0).any():
        macrostates[macrostates < 0] = macrostates.max() + 1
    return macrostates


def _lagtime(md, lagtime, common):
    """Ten frames, or fewer where trajectories are short, and a multiple of all intervals that are compared."""
    longest = max(map(len, md.arrays))
    if lagtime is not None:
        if lagtime % common:
            raise SettingsError(
                f"lagtime is {lagtime} frames of the reference; a multiple of {common} was expected, since a generator "
                "has one frame in so many."
            )
        return int(lagtime)
    return common * max(1, min(_LAGTIME, longest // 20) // common)


def _multiples(common, md, lagtime):
    longest = max(map(len, md.arrays))
    chosen = [common * k for k in (1, 2, 5, 10, 20, 50) if common * k <= longest // 10]
    return sorted({*chosen, lagtime})


def _dt_of_arrays(given, md):
    """Arrays carry no time: they have the reference's interval unless another one is said."""
    return md.dt_ps if not hasattr(given, "dt_ps") and isinstance(given, (np.ndarray, list, tuple)) else None
