"""Chapter: in which basin a trajectory began, told by models, against the best that can be told."""

import numpy as np

from mdtok.kinetics.classification import accuracy_by_slice, class_given_token, classification_scores, nearest_at_start
from mdtok.kinetics.estimation.estimate import MISSING
from mdtok.report import Chapter, ReportFigure, Table, plot_accuracy_by_slice, shown
from mdtok.workflows.chapters._exact import ORACLE, classifier_of, minima_of
from mdtok.workflows.chapters._networks import berts_of
from mdtok.workflows.judged import JudgedRun
from mdtok.workflows.labelling import class_of_frames, renumber

PLACE = 40
SLICES = (2, 4, 10)  # of a trajectory
_NEAREST = "nearest minimum at start"
_TOKEN, _COMMONEST = "token at the start, counted", "the commonest class"
_SCORES = ("accuracy", "precision", "recall", "f1")
_OF_POTENTIALS = (
    "The class is the minimum nearest the start. The process is Markovian, so of a slice only its first frame tells "
    "of the start; the Bayes limit is exact, from the propagator."
)
_OF_MOLECULES = (
    "Held-out trajectories are cut into pieces of {} frames; the class is where a piece begins: {}. The yardstick is "
    "what the token at the beginning of a slice tells, counted in training trajectories. A model that tells more has "
    "read it from the frames after, or from more than the token says of a frame."
)


def applies(judged: JudgedRun) -> bool:
    """Where trajectories have classes, and either their limit is exact or a model was taught them."""
    return (judged.oracle is not None or bool(berts_of(judged))) and judged.labelled is not None


def numbers(judged: JudgedRun) -> dict:
    """Accuracy, precision, recall and F1 of whole trajectories, and accuracy by slice."""
    labelled, frame_ps = judged.labelled, judged.features.frame_ps
    yardstick = _of_potential(judged) if judged.oracle is not None else _of_molecule(judged)
    berts, reference = berts_of(judged), next(iter(yardstick["answers"]))
    labels, limit = yardstick["labels"], yardstick["limit"]
    encoded = judged.features.encode(yardstick["trajectories"])
    answers = {**yardstick["answers"], **{name: bert.predict_proba(encoded) for name, bert in berts.items()}}
    scores = classification_scores(answers, labels, reference, seed=judged.settings.seed)
    asked = yardstick["predictors"] | {name: (bert.predict_proba, encoded) for name, bert in berts.items()}
    n_frames = len(labelled.arrays[0])
    slices: dict[str, dict] = {}
    for length in (n_frames // parts for parts in SLICES):
        slices[str(length)] = {
            "models": {
                name: accuracy_by_slice(predict, given, labels, length, seed=judged.settings.seed).to_dict()
                for name, (predict, given) in asked.items()
            }
        }
        if limit is not None:
            starts = range(0, n_frames - length + 1, length)
            slices[str(length)]["exact"] = [limit((start + 1) * frame_ps) for start in starts]
    if limit is None:
        best = f"{reference} {float(scores[reference].accuracy.value):.4f}"
    else:
        best = f"Bayes limit {limit(frame_ps):.4f}"
    return {
        "meaning": yardstick["meaning"],
        "scores": {name: score.to_dict() for name, score in scores.items()},
        "slices": slices,
        "exact_accuracy": None if limit is None else limit(frame_ps),
        "n_test": len(labels),
        "frame_ps": frame_ps,
        "sentences": [f"{name}: accuracy {float(scores[name].accuracy.value):.4f}, {best}." for name in berts],
    }


def _of_potential(judged):
    """What is exact, and the nearest minimum."""
    classifier, frame_ps = classifier_of(judged), judged.features.frame_ps
    held_out, minima = judged.labelled.part("test"), np.array(list(minima_of(judged).values()))
    return {
        "meaning": _OF_POTENTIALS,
        "trajectories": held_out,
        "labels": judged.labelled.labels_of("test"),
        "answers": {
            ORACLE: classifier.predict_proba(np.stack([x[0] for x in held_out]), frame_ps),
            _NEAREST: nearest_at_start(held_out, minima),
        },
        "predictors": {_NEAREST: (lambda pieces: nearest_at_start(pieces, minima), held_out)},
        "limit": classifier.accuracy,
    }


def _of_molecule(judged):
    """What the token at the beginning of a slice tells of the beginning of its piece."""
    labelled, tokens = judged.labelled, judged.tokens
    chosen = [k for k in labelled.split["test"] if labelled.labels[k] >= 0]
    names, classes = class_of_frames(judged.features.names, judged.features.arrays, tokens)
    taught, train = [names.index(name) for name in labelled.names], tokens.split["train"]
    classes, dtrajs = [renumber(classes[k], taught) for k in train], [tokens.dtrajs[k] for k in train]

    def predict(pieces):
        """From pieces whose columns are the token and the frame's place in the piece."""
        token, shift = np.array([piece[0] for piece in pieces]).T
        shift = int(shift[0])  # one for all slices of a place
        return class_given_token(classes, dtrajs, shift, len(taught), len(tokens.macrostates))[token.astype(int)]

    n_frames = len(labelled.arrays[0])
    origins = [labelled.origins[k] for k in chosen]
    given = [np.column_stack([tokens.dtrajs[k][start : start + n_frames], np.arange(n_frames)]) for k, start in origins]
    labels = labelled.labels[chosen]
    said = ", ".join(f"{name} ({100 * share:.0f} %)" for name, share in zip(labelled.names, _shares(labelled, "test")))
    return {
        "meaning": _OF_MOLECULES.format(n_frames, said),
        "trajectories": [labelled.arrays[k] for k in chosen],
        "labels": labels,
        "answers": {_TOKEN: predict(given), _COMMONEST: np.tile(_shares(labelled, "train"), (len(labels), 1))},
        "predictors": {_TOKEN: (predict, given)},
        "limit": None,
    }


def _shares(labelled, part):
    """Of the classes among the pieces of one part that have one."""
    labels = labelled.labels_of(part)
    counts = np.bincount(labels[labels >= 0], minlength=len(labelled.names))
    return counts / counts.sum()


def draw(numbers: dict) -> Chapter:
    """The scores, then a table for every length of slices, and their figure."""
    slices = numbers["slices"]
    meaning = numbers.get("meaning", _OF_POTENTIALS)  # earlier runs kept none
    body = [f"{meaning} {numbers['n_test']} were judged.", _score_table(numbers)]
    body += [_slice_table(n_frames, one) for n_frames, one in slices.items()]
    limit = "" if numbers["exact_accuracy"] is None else "; the line in black is the exact Bayes limit"
    figures = [
        ReportFigure(
            "slices",
            "Accuracy by slice",
            f"Each point is one slice of every trajectory{limit}.",
            lambda: plot_accuracy_by_slice(slices, dt_ps=numbers["frame_ps"]),
        )
    ]
    return Chapter("Classification", body, figures)


def _score_table(numbers):
    rows = []
    if numbers["exact_accuracy"] is not None:
        rows.append(["Bayes limit, exact", f"{numbers['exact_accuracy']:.4f}", MISSING, MISSING, MISSING])
    rows += [[name, *(shown(row[part], ".4f") for part in _SCORES)] for name, row in numbers["scores"].items()]
    return Table(["classifier", "accuracy", "precision", "recall", "F1"], rows)


def _slice_table(n_frames, slices):
    rows = [["Bayes limit, exact", *(f"{value:.3f}" for value in slices["exact"])]] if "exact" in slices else []
    rows += [[name, *(f"{value:.3f}" for value in row["value"])] for name, row in slices["models"].items()]
    header = ["classifier", *(str(k + 1) for k in range(len(rows[0]) - 1))]
    return Table(header, rows, title=f"Slices of {n_frames} frames")
