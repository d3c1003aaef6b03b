"""Scores of classifiers against scikit-learn and against known error rates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from mdtok.errors import DataError, SettingsError
from mdtok.kinetics.classification import (
    accuracy_by_slice,
    check_labels,
    class_given_token,
    classification_scores,
    nearest_at_start,
)


def says(answers, n_classes):
    """Probabilities whose largest is the answer."""
    return np.eye(n_classes)[answers] * 0.5 + 0.5 / n_classes


@settings(max_examples=40, deadline=None)
@given(
    st.integers(2, 4).flatmap(
        lambda n: st.tuples(
            st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), min_size=2, max_size=30)
        )
    )
)
def test_scores_are_those_of_scikit_learn(case):
    n_classes, pairs = case
    labels = np.array([label for label, _ in pairs] + list(range(n_classes)))
    answers = np.array([answer for _, answer in pairs] + [0] * n_classes)
    scores = classification_scores({"a": says(answers, n_classes)}, labels, n_bootstrap=2)["a"]
    precision, recall, f1, _ = precision_recall_fscore_support(labels, answers, average="macro", zero_division=0)
    assert scores.accuracy.value == pytest.approx(accuracy_score(labels, answers))
    assert [scores.precision.value, scores.recall.value, scores.f1.value] == pytest.approx([precision, recall, f1])


def test_a_resample_is_scored_as_scikit_learn_does():
    """The interval of F1 from scikit-learn itself, trajectory weights and all."""
    from mdtok.kinetics.estimation.bootstrap import bootstrap_weights

    rng = np.random.default_rng(1)
    labels, answers = rng.integers(0, 2, 60), rng.integers(0, 2, 60)
    f1 = classification_scores({"a": says(answers, 2)}, labels, n_bootstrap=50, seed=4)["a"].f1
    samples = [
        precision_recall_fscore_support(labels, answers, average="macro", sample_weight=weights, zero_division=0)[2]
        for weights in bootstrap_weights(60, 50, seed=4)
    ]
    assert [f1.low, f1.high] == pytest.approx(np.percentile(samples, [2.5, 97.5]).tolist())


def test_intervals_hold_what_they_promise():
    """100 classifiers that are right with 0.9 on 200 trajectories; at most 14 intervals miss (a right one: 3e-4)."""
    rng = np.random.default_rng(7)
    labels = np.arange(200) % 2
    missed = 0
    for seed in range(100):
        answers = np.where(rng.random(200) < 0.9, labels, 1 - labels)
        accuracy = classification_scores({"a": says(answers, 2)}, labels, n_bootstrap=200, seed=seed)["a"].accuracy
        missed += not accuracy.low <= 0.9 <= accuracy.high
    assert missed <= 14


def test_the_difference_is_paired():
    rng = np.random.default_rng(3)
    labels = np.arange(400) % 2
    best = np.where(rng.random(400) < 0.9, labels, 1 - labels)
    worse = best.copy()
    worse[:12] = 1 - labels[:12]
    scores = classification_scores({"best": says(best, 2), "worse": says(worse, 2)}, labels, reference="best")
    assert scores["worse"].accuracy.high > scores["best"].accuracy.low  # the intervals overlap, and still
    assert scores["worse"].accuracy_difference.high < 0
    assert scores["best"].accuracy_difference.to_dict() == {"value": 0, "low": 0, "high": 0}
    assert "accuracy_difference" not in classification_scores({"best": says(best, 2)}, labels)["best"].to_dict()


def test_slices_one_after_another():
    """A step that comes at frame 6 of 10 is seen by the slices after it only; what is left over is not used."""
    trajectories = [np.r_[np.zeros(6), np.full(5, value)][:, None] for value in (-1.0, 1.0, 1.0, -1.0)]
    labels = [0, 1, 1, 0]
    seen = []

    def predict(slices):
        seen.append([piece.shape for piece in slices])
        return says([int(piece[-1, 0] > 0) for piece in slices], 2)

    accuracy = accuracy_by_slice(predict, trajectories, labels, n_frames=2)
    assert accuracy.value.tolist() == [0.5, 0.5, 0.5, 1, 1]
    assert seen == [[(2, 1)] * 4] * 5
    assert accuracy.low[-1] == accuracy.high[-1] == 1
    assert accuracy.low[0] < 0.5 < accuracy.high[0]


@pytest.mark.parametrize("n_frames, n_slices", [(500, 2), (250, 4), (100, 10)])
def test_slices_of_the_paper(n_frames, n_slices):
    trajectories = [np.full((1000, 2), float(label)) for label in (0, 1, 0)]
    accuracy = accuracy_by_slice(lambda s: nearest_at_start(s, [[0, 0], [1, 1]]), trajectories, [0, 1, 0], n_frames)
    assert accuracy.value.tolist() == [1] * n_slices


def test_nearest_at_start_looks_at_the_first_frame_only():
    centres = [[-0.558, 1.442], [0.623, 0.028], [-0.05, 0.467]]
    trajectories = [np.array([centre, [9.0, 9.0]]) for centre in centres[::-1]]
    assert nearest_at_start(trajectories, centres).argmax(axis=1).tolist() == [2, 1, 0]


def test_bad_labels_are_said_in_one_line():
    for labels, message in [
        ([0, 0, 0], "No trajectory is labelled 1; every class 0 .. 1 needs some"),
        ([0, 2, 2], "No trajectory is labelled 1; every class 0 .. 2 needs some"),
        ([0, 1], r"have shape \(2,\); one label for each of 3"),
        ([0, 1, -1], "hold -1; 0 .. 1 were expected"),
        ([0.0, 1.0, 1.0], "of type float64"),
        ([0, 1, 5], "No trajectory is labelled 2, 3, 4"),
        ([[0], [1], [1]], r"have shape \(3, 1\)"),
    ]:
        with pytest.raises(DataError, match=message):
            check_labels(labels, 3)
        with pytest.raises(DataError, match=message):
            accuracy_by_slice(lambda slices: says([0] * len(slices), 2), [np.zeros((4, 1))] * 3, labels, 2)
    with pytest.raises(DataError, match="hold 2; 0 .. 1 were expected"):
        check_labels([0, 1, 2], 3, n_classes=2)


def test_bad_probabilities_and_slices_are_said_in_one_line():
    labels = [0, 1, 1]
    for said in ([0.5, 0.5, 0.5], np.ones((2, 2)), np.full((3, 2), np.nan), np.ones((3, 1))):
        with pytest.raises(DataError, match="The class probabilities of a have shape"):
            classification_scores({"a": said}, labels)
    with pytest.raises(SettingsError, match="'bayes' is none of the classifiers 'a'"):
        classification_scores({"a": says(labels, 2)}, labels, reference="bayes")
    with pytest.raises(DataError, match="4 frames; at least 5 were expected"):
        accuracy_by_slice(lambda slices: says(labels, 2), [np.zeros((4, 1))] * 3, labels, 5)
    with pytest.raises(SettingsError, match="n_frames is 0"):
        accuracy_by_slice(lambda slices: says(labels, 2), [np.zeros((4, 1))] * 3, labels, 0)
    with pytest.raises(DataError, match="coordinates a frame"):
        nearest_at_start([np.zeros((4, 3))], [[0, 0], [1, 1]])


def test_what_a_token_tells_of_a_class_before_is_that_of_the_chain():
    """A two-state chain, class and token the same: after n steps the shares are rows of its matrix, turned round."""
    rng, stay = np.random.default_rng(7), 0.95
    dtrajs = [np.cumsum(rng.random(20_000) > stay) % 2 for _ in range(5)]
    for shift in (0, 1, 10):
        exact = 0.5 + 0.5 * (2 * stay - 1) ** shift
        told = class_given_token(dtrajs, dtrajs, shift, 2, 3)
        assert np.allclose(np.diagonal(told), exact, atol=0.02)
        assert told[2].tolist() == pytest.approx([0.5, 0.5], abs=0.05)  # never seen: the shares of the classes
    assert class_given_token([np.array([0, -1, 1])], [np.array([0, 0, 1])], 0, 2, 2)[0, 0] > 0.7  # -1 has no class
    short, long = np.array([0, 1]), np.array([0, 0, 0, 1, 1, 1, 1])
    alone, beside = (class_given_token(given, given, 3, 2, 2) for given in ([long], [long, short]))
    assert np.array_equal(alone, beside)  # one that is shorter than the distance tells nothing
    with pytest.raises(DataError, match="No frame has a class and another one 3 frames later"):
        class_given_token([np.array([0, 1])], [np.array([0, 1])], 3, 2, 2)
