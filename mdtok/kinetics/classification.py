"""How well trajectories are classified: accuracy, precision, recall and F1 with intervals, and accuracy by slice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import confusion_matrix

from mdtok.errors import DataError, SettingsError
from mdtok.kinetics.estimation.bootstrap import bootstrap_mean, bootstrap_weights
from mdtok.kinetics.estimation.estimate import Estimate
from mdtok.models.trajectory_model import as_trajectories


@dataclass
class ClassificationScores:
    """Scores of one classifier (see `classification_scores`).

    Attributes
    ----------
    accuracy, precision, recall, f1 : Estimate
        The last three are means over the classes, each class counting alike ("macro").
    accuracy_difference : Estimate or None
        `accuracy` less that of the reference, its interval paired; where a reference was named.
    """

    accuracy: Estimate
    precision: Estimate
    recall: Estimate
    f1: Estimate
    accuracy_difference: Estimate | None = None

    def to_dict(self):
        """What is there, as dicts with value, low and high."""
        return {name: estimate.to_dict() for name, estimate in vars(self).items() if estimate is not None}


def check_labels(labels, n_trajectories, n_classes=None):
    """Labels as an int64 array, shape (n_trajectories,).

    Raises
    ------
    DataError
        Another number of labels than of trajectories, labels that are not 0 .. n_classes - 1, or a class without any.

    Examples
    --------
    >>> check_labels([0, 1, 1], 3)
    array([0, 1, 1])
    """
    labels = np.asarray(labels)
    if labels.shape != (n_trajectories,):
        raise DataError(f"The labels have shape {labels.shape}; one label for each of {n_trajectories} is needed.")
    if labels.dtype.kind not in "iu" or not n_trajectories:
        raise DataError(f"The labels are of type {labels.dtype}; whole numbers 0, 1, 2, … were expected.")
    n_classes = n_classes or max(int(labels.max()) + 1, 2)
    seen = np.unique(labels)
    if seen[0] < 0 or seen[-1] >= n_classes:
        raise DataError(f"The labels hold {seen[0] if seen[0] < 0 else seen[-1]}; 0 .. {n_classes - 1} were expected.")
    if len(seen) < n_classes:
        missing = ", ".join(str(label) for label in range(n_classes) if label not in seen)
        raise DataError(f"No trajectory is labelled {missing}; every class 0 .. {n_classes - 1} needs some.")
    return labels.astype(np.int64)


def classification_scores(
    probabilities: Mapping[str, np.ndarray],
    labels: np.ndarray,
    reference: str | None = None,
    n_bootstrap: int = 500,
    seed: int = 0,
) -> dict[str, ClassificationScores]:
    """Accuracy, precision, recall and F1 of classifiers, with 95 % intervals by bootstrap over trajectories.

    Parameters
    ----------
    probabilities : dict of str -> array of float, shape (n_trajectories, n_classes)
        What each classifier says of each trajectory; the most probable class is its answer (the first, of equal ones).
    labels : array of int, shape (n_trajectories,)
        0 .. n_classes - 1.
    reference : str, optional
        The classifier to take differences of accuracy to, trajectory by trajectory (the Bayes-optimal one, say).
    n_bootstrap : int
    seed : int

    Returns
    -------
    dict of str -> ClassificationScores
        Macro averages; a class that is never answered has precision 0.

    Raises
    ------
    DataError
        Labels as in `check_labels`, or probabilities of another shape or not numbers.
    SettingsError
        `reference` names none of the classifiers.

    Examples
    --------
    >>> said = {"sure": [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.1, 0.9]]}
    >>> scores = classification_scores(said, [0, 1, 1, 1])
    >>> float(scores["sure"].accuracy.value), float(scores["sure"].recall.value.round(3))
    (0.75, 0.833)
    """
    if reference is not None and reference not in probabilities:
        names = ", ".join(map(repr, probabilities))
        raise SettingsError(f"The reference {reference!r} is none of the classifiers {names}.")
    answers = {name: _answers(name, said, len(labels)) for name, said in probabilities.items()}
    n_classes = max(np.shape(said)[1] for said in probabilities.values())
    labels = check_labels(labels, len(labels), n_classes)
    weights = bootstrap_weights(len(labels), n_bootstrap, seed)
    results = {name: _scores(of_one, labels, n_classes, weights) for name, of_one in answers.items()}
    if reference is not None:
        for name, of_one in answers.items():
            difference = (of_one == labels).astype(float) - (answers[reference] == labels)
            results[name].accuracy_difference = bootstrap_mean(difference, weights)
    return results


def _answers(name, said, n_trajectories):
    said = np.asarray(said, dtype=float)
    if said.ndim != 2 or said.shape[1] < 2 or len(said) != n_trajectories or not np.isfinite(said).all():
        raise DataError(
            f"The class probabilities of {name} have shape {said.shape}; finite numbers of shape "
            f"({n_trajectories}, n_classes) were expected."
        )
    return said.argmax(axis=1)


def _scores(answers, labels, n_classes, weights):
    counted = confusion_matrix(labels, answers, labels=range(n_classes))[None]  # (1, n_classes, n_classes)
    cells = np.eye(n_classes * n_classes)[labels * n_classes + answers]
    resampled = (weights @ cells).reshape(-1, n_classes, n_classes)
    return ClassificationScores(
        *(Estimate.from_samples(figure[0], samples) for figure, samples in zip(_figures(counted), _figures(resampled)))
    )


def _figures(confusion):
    """Accuracy, macro precision, recall, F1 of confusion matrices (n, true, answered); 0 / 0 is 0 as in sklearn."""
    right = np.diagonal(confusion, axis1=1, axis2=2)
    true, answered = confusion.sum(axis=2), confusion.sum(axis=1)
    shares = right / np.maximum(answered, 1), right / np.maximum(true, 1), 2 * right / np.maximum(true + answered, 1)
    return right.sum(axis=1) / true.sum(axis=1), *(share.mean(axis=1) for share in shares)


def accuracy_by_slice(
    predict_proba: Callable[[list[np.ndarray]], np.ndarray],
    trajectories: list[np.ndarray],
    labels: np.ndarray,
    n_frames: int,
    n_bootstrap: int = 500,
    seed: int = 0,
) -> Estimate:
    """Accuracy when only one slice of each trajectory is seen, for the slices one after another.

    Parameters
    ----------
    predict_proba : callable
        From a list of slices, shape (n_frames, n_dim) each, to class probabilities, shape (n_slices, n_classes).
    trajectories : list of arrays, shape (n_trajectory_frames, n_dim) each
    labels : array of int, shape (n_trajectories,)
        The class of the whole trajectory.
    n_frames : int
        Frames a slice. Slices do not overlap; as many are taken as the shortest trajectory has.
    n_bootstrap : int
        Resamples of trajectories; the same ones for all slices.
    seed : int

    Returns
    -------
    Estimate
        Arrays of shape (n_slices,), the earliest slice first.

    Raises
    ------
    DataError
        Labels as in `check_labels`, or a trajectory shorter than a slice.

    Examples
    --------
    >>> trajectories = [np.full((6, 1), value) for value in (-1.0, 1.0, 1.0)]
    >>> nearest = lambda slices: nearest_at_start(slices, [[-1.0], [1.0]])
    >>> accuracy_by_slice(nearest, trajectories, [0, 1, 1], n_frames=3).value
    array([1., 1.])
    """
    if int(n_frames) != n_frames or n_frames < 1:
        raise SettingsError(f"n_frames is {n_frames}; a whole number of at least 1 was expected.")
    n_frames, trajectories = int(n_frames), as_trajectories(trajectories, min_length=n_frames)
    labels = check_labels(labels, len(trajectories))
    n_slices = min(len(trajectory) for trajectory in trajectories) // n_frames
    right = []
    for index in range(n_slices):
        said = predict_proba([trajectory[index * n_frames : (index + 1) * n_frames] for trajectory in trajectories])
        right.append(_answers(f"slice {index}", said, len(labels)) == labels)
    return bootstrap_mean(np.array(right, dtype=float).T, bootstrap_weights(len(labels), n_bootstrap, seed))


def nearest_at_start(trajectories: list[np.ndarray], centres: np.ndarray) -> np.ndarray:
    """The baseline of classification: the class of the centre that is nearest to the first frame.

    Parameters
    ----------
    trajectories : list of arrays, shape (n_frames, n_dim) each
    centres : array of float, shape (n_classes, n_dim)
        The minimum that each class is named after.

    Returns
    -------
    ndarray of float, shape (n_trajectories, n_classes)
        Class probabilities, 1 for the nearest and 0 for the others.

    Raises
    ------
    DataError
        The centres have another dimension than the trajectories.

    Examples
    --------
    >>> nearest_at_start([[[0.9]], [[0.2]]], centres=[[0.0], [1.0]])
    array([[0., 1.],
           [1., 0.]])
    """
    centres = as_trajectories([centres], min_length=2)[0]
    starts = np.array([trajectory[0] for trajectory in as_trajectories(trajectories, centres.shape[1])])
    distances = np.linalg.norm(starts[:, None] - centres, axis=2)  # (n_trajectories, n_classes)
    return np.eye(len(centres))[distances.argmin(axis=1)]


def class_given_token(
    classes: list[np.ndarray], dtrajs: list[np.ndarray], shift: int, n_classes: int, n_states: int
) -> np.ndarray:
    """How probable each class of a frame is, given the token some frames later: counted, without any assumption.

    The best that a single token tells of the past; a model that does better from a slice reads more than its start.

    Parameters
    ----------
    classes : list of int arrays, shape (n_frames,) each
        0 .. n_classes - 1, negative where a frame has none.
    dtrajs : list of int arrays, shape (n_frames,) each
        0 .. n_states - 1.
    shift : int
        Frames from the class to the token.
    n_classes, n_states : int

    Returns
    -------
    ndarray of float, shape (n_states, n_classes)
        Rows sum to 1; one count more in all, by the shares of the classes, stands for tokens that were not seen.

    Raises
    ------
    DataError
        No frame with a class.

    Examples
    --------
    >>> class_given_token([np.array([0, 0, 1, 1])], [np.array([2, 2, 1, 1])], 0, n_classes=2, n_states=3)[1:].round(2)
    array([[0.17, 0.83],
           [0.83, 0.17]])
    """
    counts = np.zeros((n_states, n_classes))
    for of_frame, dtraj in zip(classes, dtrajs):
        after = dtraj[shift:]  # nothing is left of one that is shorter
        before = of_frame[: len(after)]
        np.add.at(counts, (after[before >= 0], before[before >= 0]), 1)
    shares = counts.sum(axis=0)
    if not shares.sum():
        raise DataError(f"No frame has a class and another one {shift} frames later.")
    counts += shares / shares.sum()
    return counts / counts.sum(axis=1, keepdims=True)
