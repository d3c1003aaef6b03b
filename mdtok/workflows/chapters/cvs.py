"""Chapter: collective variables that models know, against TICA and VAMP of the coordinates."""

import numpy as np

from mdtok.kinetics.collective_variables import compare_cvs, fit_tica, fit_vamp
from mdtok.kinetics.vampnet import fit_vampnet
from mdtok.report import Chapter, Table, shown
from mdtok.workflows.chapters._exact import regions_of, relaxation_times
from mdtok.workflows.chapters._networks import berts_of
from mdtok.workflows.judged import JudgedRun

PLACE = 50
_LAG, _STRIDE = 100, 5  # frames
_N_CVS = 2
_REFERENCE = "TICA of x, y"
_MEANING = (
    "Two collective variables a set, on held-out trajectories. Those of a model are read from its embeddings, "
    "averaged over the window, reduced by TICA on training trajectories; or the class logit with the slowest of "
    "them."
)


def applies(judged: JudgedRun) -> bool:
    """Where the committor is known, and trajectories have classes."""
    return judged.oracle is not None and judged.labelled is not None


def numbers(judged: JudgedRun) -> dict:
    """Two collective variables a model, and how much of the slow dynamics and of the committor is in them."""
    settings, oracle = judged.settings, judged.oracle
    committor, held_out = oracle.committor(*regions_of(judged)), _every(judged.features.part("test"))
    q = [oracle.interpolate(committor, x) for x in held_out]
    cvs = {**_of_coordinates(judged), **_of_networks(judged)}
    how = {"seed": settings.seed, "progress": settings.progress}
    quality = compare_cvs(cvs, _LAG // _STRIDE, q, _REFERENCE, **how)
    return {
        "lag_ps": _LAG * settings.frame_interval_ps,
        "n_cvs": _N_CVS,
        "frame_ps": _STRIDE * settings.frame_interval_ps,
        "exact_timescale_ps": relaxation_times(judged)[0],
        "sets": {name: one.to_dict() for name, one in quality.items()},
    }


def _every(trajectories):
    return [x[::_STRIDE] for x in trajectories]


def _of_coordinates(judged):
    fitting, held_out = (_every(judged.features.part(part)) for part in ("train", "test"))
    reductions = {_REFERENCE: fit_tica, "VAMP of x, y": fit_vamp, "VAMPnet of x, y": fit_vampnet}
    fitted = {name: fit(fitting, _LAG // _STRIDE, _N_CVS) for name, fit in reductions.items()}
    return {name: [np.asarray(one.transform(x)) for x in held_out] for name, one in fitted.items()}


def _of_networks(judged):
    """Of every causal BERT: TICA of its pooled embeddings, and the class logit with the slowest of them."""
    lag, cvs = _LAG // _STRIDE, {}
    for name, bert in berts_of(judged).items():
        if not bert.is_causal:
            continue
        # one trajectory at a time: the embeddings of all frames are gigabytes
        fitting, held_out = (
            [pooled(bert.transform([x]), judged.settings.window)[0][::_STRIDE] for x in judged.features.part(part)]
            for part in ("train", "test")
        )
        both, first = fit_tica(fitting, lag, _N_CVS), fit_tica(fitting, lag, 1)
        logits = [np.diff(bert.class_logits(x), axis=1) for x in held_out]
        cvs[f"{name}: TICA of pooled embeddings"] = [np.asarray(both.transform(x)) for x in held_out]
        cvs[f"{name}: class logit, slowest embedding"] = [
            np.column_stack([logit, first.transform(x)]) for logit, x in zip(logits, held_out)
        ]
    return cvs


def pooled(embeddings: list[np.ndarray], window: int) -> list[np.ndarray]:
    """Mean embedding over the last `window` frames at every frame, fewer at the start.

    Examples
    --------
    >>> pooled([np.array([[0.0], [2.0], [4.0]])], window=2)[0].ravel().tolist()
    [0.0, 1.0, 3.0]
    """
    means = []
    for x in embeddings:
        sums = np.concatenate([np.zeros((1, x.shape[1])), np.cumsum(x, axis=0, dtype=float)])
        ends = np.arange(1, len(x) + 1)
        starts = np.maximum(ends - window, 0)
        means.append((sums[ends] - sums[starts]) / (ends - starts)[:, None])
    return means


def draw(numbers: dict) -> Chapter:
    """One table."""
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
        "CVs",
        "VAMP-2, cross-validated",
        "above TICA",
        "slowest timescale, ps",
        "correlation with committor",
        "best single, Spearman",
    ]
    text = (
        f"{_MEANING} Lag time {numbers['lag_ps']:g} ps; the exact slowest relaxation is "
        f"{numbers['exact_timescale_ps']:,.0f} ps."
    )
    return Chapter("Collective variables", [text, Table(header, rows)])
