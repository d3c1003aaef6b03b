"""Chapter: from which minimum a trajectory came, told by models, against the Bayes limit."""

import numpy as np

from mdtok.kinetics.classification import accuracy_by_slice, classification_scores, nearest_at_start
from mdtok.kinetics.estimation.estimate import MISSING
from mdtok.report import Chapter, ReportFigure, Table, plot_accuracy_by_slice, shown
from mdtok.workflows.chapters._exact import ORACLE, classifier_of, minima_of
from mdtok.workflows.chapters._networks import berts_of
from mdtok.workflows.judged import JudgedRun

PLACE = 40
SLICES = (500, 250, 100)  # frames
_NEAREST = "nearest minimum at start"
_SCORES = ("accuracy", "precision", "recall", "f1")
_MEANING = (
    "The class is the minimum nearest the start. The process is Markovian, so of a slice only its first frame tells "
    "of the start; the Bayes limit is exact, from the propagator."
)


def applies(judged: JudgedRun) -> bool:
    """Where trajectories have classes whose exact limit is known."""
    return judged.labelled is not None and judged.oracle is not None


def numbers(judged: JudgedRun) -> dict:
    """Accuracy, precision, recall and F1 of whole trajectories, and accuracy by slice."""
    classifier, frame_ps = classifier_of(judged), judged.settings.frame_interval_ps
    held_out, labels = judged.labelled.part("test"), judged.labelled.labels_of("test")
    minima, berts = np.array(list(minima_of(judged).values())), berts_of(judged)
    answers = {
        ORACLE: classifier.predict_proba(np.stack([x[0] for x in held_out]), frame_ps),
        _NEAREST: nearest_at_start(held_out, minima),
        **{name: bert.predict_proba(held_out) for name, bert in berts.items()},
    }
    scores = classification_scores(answers, labels, ORACLE, seed=judged.settings.seed)
    predictors = {
        _NEAREST: lambda pieces: nearest_at_start(pieces, minima),
        **{name: bert.predict_proba for name, bert in berts.items()},
    }
    limit = classifier.accuracy(frame_ps)
    return {
        "scores": {name: score.to_dict() for name, score in scores.items()},
        "slices": _by_slice(judged, classifier, predictors),
        "exact_accuracy": limit,
        "n_test": len(labels),
        "frame_ps": frame_ps,
        "sentences": [
            f"{name}: accuracy {float(scores[name].accuracy.value):.4f}, Bayes limit {limit:.4f}." for name in berts
        ],
    }


def _by_slice(judged, classifier, predictors):
    """Accuracy from slices of several lengths, the earliest first, by model; and the exact limit."""
    settings, frame_ps = judged.settings, judged.settings.frame_interval_ps
    held_out, labels = judged.labelled.part("test"), judged.labelled.labels_of("test")
    slices = {}
    for n_frames in (n for n in SLICES if 2 * n <= settings.n_frames):
        starts = range(0, settings.n_frames - n_frames + 1, n_frames)
        slices[str(n_frames)] = {
            "exact": [classifier.accuracy((start + 1) * frame_ps) for start in starts],
            "models": {
                name: accuracy_by_slice(predict, held_out, labels, n_frames, seed=settings.seed).to_dict()
                for name, predict in predictors.items()
            },
        }
    return slices


def draw(numbers: dict) -> Chapter:
    """The scores, then a table for every length of slices, and their figure."""
    slices = numbers["slices"]
    body = [f"{_MEANING} {numbers['n_test']} held-out trajectories.", _score_table(numbers)]
    body += [_slice_table(n_frames, one) for n_frames, one in slices.items()]
    figures = [
        ReportFigure(
            "slices",
            "Accuracy by slice",
            "Each point is one slice of every trajectory; the line in black is the exact Bayes limit.",
            lambda: plot_accuracy_by_slice(slices, dt_ps=numbers["frame_ps"]),
        )
    ]
    return Chapter("Classification", body, figures if slices else [])  # none of trajectories below 200 frames


def _score_table(numbers):
    rows = [["Bayes limit, exact", f"{numbers['exact_accuracy']:.4f}", MISSING, MISSING, MISSING]]
    rows += [[name, *(shown(row[part], ".4f") for part in _SCORES)] for name, row in numbers["scores"].items()]
    return Table(["classifier", "accuracy", "precision", "recall", "F1"], rows)


def _slice_table(n_frames, slices):
    rows = [["Bayes limit, exact", *(f"{value:.3f}" for value in slices["exact"])]]
    rows += [[name, *(f"{value:.3f}" for value in row["value"])] for name, row in slices["models"].items()]
    header = ["classifier", *(str(k + 1) for k in range(len(slices["exact"])))]
    return Table(header, rows, title=f"Slices of {n_frames} frames")
