"""Chapter: slow variables of molecules: of TICA, VAMP and a VAMPnet, and those that networks of tokens keep."""

from __future__ import annotations

import numpy as np

from mdtok.errors import DataError
from mdtok.kinetics.collective_variables import compare_cvs, fit_tica, fit_vamp
from mdtok.kinetics.vampnet import fit_vampnet
from mdtok.models.counted.markov import MarkovModel
from mdtok.report import Chapter, Table, shown
from mdtok.tokens import StateTokenizer, cut_outside
from mdtok.workflows.chapters import cvs as _of_potentials
from mdtok.workflows.judged import JudgedRun

PLACE = 52
_REFERENCE = "TICA of the features"
_MOST_CVS, _N_FOLDS = 2, 5
_MOST_FRAMES, _MOST_NUMBERS = 100_000, 10_000_000  # that variables are fitted to, and judged on
_MEANING = (
    "Slow variables, equally many of each, fitted on training trajectories and judged on held-out ones: how much of "
    "the slow dynamics is in them (cross-validated VAMP-2, the slowest timescale that they keep), and how near they "
    "are to the committor between the two macrostates of the slowest process, that of the Markov model of all training "
    "tokens. Hidden states of a network of tokens, which know the past too, and embeddings of its tokens are reduced "
    "by TICA."
)


def applies(judged: JudgedRun) -> bool:
    """Where microstates were made of features, and no exact answer is known (see `cvs`)."""
    return (
        judged.features is not None
        and isinstance(judged.tokenizer, StateTokenizer)
        and not _of_potentials.applies(judged)
        and not judged.tokens.coarse
    )


def numbers(judged: JudgedRun) -> dict:
    """Each set of variables, and how much of the slow dynamics is in it; a reason where that cannot be told."""
    settings, lag = judged.settings, judged.settings.lagtime
    try:
        train, test = (_frames_and_tokens(judged, part, lag) for part in ("train", "test"))
        n_cvs = min(_MOST_CVS, train[0][0].shape[1])
        committor = _committor(judged, train[1], lag)
        quality = compare_cvs(
            _sets(judged, train, test, lag, n_cvs),
            lag,
            [committor[dtraj] for dtraj in test[1]],
            _REFERENCE,
            _N_FOLDS,
            100,
            settings.seed,
            settings.progress,
        )
    except DataError as error:
        return {"reason": str(error)}
    return {
        "lag_ps": lag * judged.tokens.dt_ps,
        "frame_ps": judged.tokens.dt_ps,
        "n_cvs": n_cvs,
        "sets": {name: one.to_dict() for name, one in quality.items()},
    }


def _frames_and_tokens(judged, part, lag):
    """Encoded features and tokens of one part, frame by frame, in pieces enough for folds."""
    thinned = judged.thinned(judged.features.part(part))
    read = judged.tokens.read_by_tokenizer(thinned, judged.features.periodic)
    _, dtrajs, frames = cut_outside(judged.tokenizer.transform(read), read, min_length=2 * lag + 2)
    if not dtrajs:
        raise DataError("no trajectory is longer than two lag times.")
    n_frames = min(sum(map(len, dtrajs)), _MOST_FRAMES, _MOST_NUMBERS // frames[0].shape[1])
    longest = max(2 * lag + 2, n_frames // (4 * _N_FOLDS))
    pieces = [(k, start) for k, d in enumerate(dtrajs) for start in range(0, len(d) - 2 * lag - 1, longest)]
    order = np.random.default_rng(0).permutation(len(pieces))[: max(2 * _N_FOLDS, n_frames // longest)]
    cut = [(k, slice(start, start + longest)) for k, start in (pieces[i] for i in sorted(order))]
    kept = [(k, where) for k, where in cut if len(dtrajs[k][where]) > 2 * lag + 1]
    return [np.asarray(frames[k][where]) for k, where in kept], [dtrajs[k][where] for k, where in kept]


def _that_vary(train, test):
    """Frames without the columns that stand still in training, which tell nothing and which a network cannot scale."""
    joined = np.concatenate(train)
    varies = joined.max(axis=0) > joined.min(axis=0)
    if not varies.any():
        raise DataError("all features are constant in the training trajectories.")
    return ([x[:, varies] for x in part] for part in (train, test))


def _sets(judged, train, test, lag, n_cvs):
    """Variables of the held-out frames, by name."""
    (frames, dtrajs), (frames_test, dtrajs_test) = train, test
    frames, frames_test = _that_vary(frames, frames_test)
    found = {}

    def add(name, fitted_to, held_out, fit=fit_tica, **how):
        model = fit(fitted_to, lag, n_cvs, **how)
        found[name] = [np.asarray(model.transform(x)) for x in held_out]

    add(_REFERENCE, frames, frames_test)
    add("VAMP of the features", frames, frames_test, fit_vamp)
    net = {"seed": judged.settings.seed, "progress": judged.settings.progress}
    add("VAMPnet of the features", frames, frames_test, fit_vampnet, **net)
    vectors = _eigenvectors(judged, dtrajs, lag, n_cvs)
    found["Markov model of the tokens"] = [vectors[d] for d in dtrajs_test]
    for name, model in judged.models.items():
        if getattr(model, "network_", None) is None or model.reads != "tokens":
            continue
        from mdtok.models.networks.inner_states import hidden_states, token_embeddings  # torch, where it is there

        embeddings = token_embeddings(model)
        add(f"{name}: hidden states", *([hidden_states(model, d) for d in part] for part in (dtrajs, dtrajs_test)))
        add(f"{name}: token embeddings", *([embeddings[d] for d in part] for part in (dtrajs, dtrajs_test)))
    return found


def _fit(judged, dtrajs, lag):
    model = MarkovModel(lagtime=lag, progress=False).fit(dtrajs, n_states=len(judged.tokens.macrostates))
    return model.msm_


def _eigenvectors(judged, dtrajs, lag, n_cvs):
    """The slowest processes of a Markov model at every token, 0 where it is not connected, shape (n_states, n_cvs)."""
    msm = _fit(judged, dtrajs, lag)
    vectors = np.zeros((len(judged.tokens.macrostates), n_cvs))
    vectors[msm.count_model.state_symbols] = np.real(msm.eigenvectors_right(n_cvs + 1))[:, 1:]
    return vectors


def _committor(judged, dtrajs, lag):
    """At every token: the probability to reach the one macrostate of the slowest process before the other."""
    msm = _fit(judged, dtrajs, lag)
    symbols = msm.count_model.state_symbols
    macro, slowest = judged.tokens.macrostates[symbols], np.real(msm.eigenvectors_right(2))[:, 1]
    weights = msm.stationary_distribution
    means = {m: np.average(slowest[macro == m], weights=weights[macro == m]) for m in np.unique(macro)}
    if len(means) < 2:
        raise DataError("one macrostate is connected only.")
    source, target = min(means, key=means.get), max(means, key=means.get)
    ends = (np.flatnonzero(macro == m) for m in (source, target))
    committor = np.full(len(judged.tokens.macrostates), 0.5)
    committor[symbols] = np.clip(msm.committor_forward(*ends), 0.0, 1.0)
    return committor


def draw(numbers: dict) -> Chapter:
    """A sentence on who wins, and one table."""
    if "reason" in numbers:
        return Chapter("Slow variables", [f"Slow variables could not be compared: {numbers['reason']}"])
    rows = [
        [
            name,
            shown(row["vamp2"], ".4f"),
            shown(row["vamp2_difference"], "+.4f"),
            shown(row["timescale_frames"], ",.0f", numbers["frame_ps"]),
            shown(row["committor_correlation"]),
            shown(row["best_spearman"]),
        ]
        for name, row in numbers["sets"].items()
    ]
    header = [
        f"{numbers['n_cvs']} variables of",
        "VAMP-2, cross-validated",
        "above TICA",
        "slowest timescale, ps",
        "correlation with committor",
        "best single, Spearman",
    ]
    text = f"{_MEANING} Lag time {numbers['lag_ps']:g} ps. {_who_wins(numbers['sets'])}"
    return Chapter("Slow variables", [text, Table(header, rows)])


def _who_wins(sets):
    """In words: which sets are better than TICA beyond their interval, which are worse, or that none is either."""
    others = {name: row["vamp2_difference"] for name, row in sets.items() if name != _REFERENCE}
    better = [name for name, difference in others.items() if float(difference["low"]) > 0]
    worse = [name for name, difference in others.items() if float(difference["high"]) < 0]
    said = "None of them has more of the slow dynamics than TICA, beyond the intervals: TICA is as good."
    if better:
        best = max(better, key=lambda name: float(sets[name]["vamp2"]["value"]))
        said = f"More than TICA, beyond the intervals: {', '.join(better)}; the most has {best}."
    return f"{said} TICA has more than {', '.join(worse)}." if worse else said
