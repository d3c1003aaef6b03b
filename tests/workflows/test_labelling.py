"""Pieces of trajectories with a class each: where they begin."""

import numpy as np
import pytest

from mdtok.errors import SettingsError
from mdtok.models.coordinates.pieces import NO_LABEL
from mdtok.workflows.data import FeatureData, TokenisedData
from mdtok.workflows.labelling import class_of_frames, cut_and_label
from mdtok.workflows.runs.own_trajectories import TrajectorySettings

SPLIT = {"train": [0, 1], "validation": [2], "test": [3]}


def a_run(lengths, names=("phi", "psi"), macrostates=(0, 1)):
    """Features that count frames, and tokens that change every 60 frames."""
    arrays = [np.column_stack([np.arange(n), np.full(n, 1000 * k)]).astype(np.float32) for k, n in enumerate(lengths)]
    dtrajs = [np.arange(n) // 60 % 2 for n in lengths]
    features = FeatureData(arrays, list(names), np.zeros(2, dtype=bool), SPLIT, 1.0)
    return features, TokenisedData(dtrajs, SPLIT, 1.0, np.array(macrostates), ["A", "B"])


def test_pieces_are_labelled_by_the_basin_of_their_first_frame():
    labelled = cut_and_label(*a_run([600] * 4), 100)
    assert labelled.names == ["A", "B"] and {len(x) for x in labelled.arrays} == {100}
    for piece, label, (k, start) in zip(labelled.arrays, labelled.labels, labelled.origins):
        assert piece[0].tolist() == [start, 1000 * k] and label == start // 60 % 2
    for part in ("validation", "test"):  # held-out pieces do not overlap, and lie in their own trajectories
        (k,) = SPLIT[part]
        assert [labelled.origins[i] for i in labelled.split[part]] == [(k, 100 * n) for n in range(6)]
    assert {labelled.origins[i][0] for i in labelled.split["train"]} == {0, 1}
    assert len(labelled.split["train"]) > 12  # those for training do


def test_short_trajectories_make_short_pieces_where_else_frames_were_lost():
    assert len(cut_and_label(*a_run([150, 600, 150, 600]), 250).arrays[0]) == 150
    assert len(cut_and_label(*a_run([600, 40, 600, 600]), 100).arrays[0]) == 100  # the short one is left out
    assert cut_and_label(*a_run([15] * 4), 250) is None


def test_a_class_without_pieces_is_not_asked_for():
    features, tokens = a_run([600] * 4)
    tokens.macrostate_names = ["A", "B", "rare"]
    tokens.macrostates = np.array([0, 1, 2])
    tokens.dtrajs[0][0] = 2  # one training piece begins there
    labelled = cut_and_label(features, tokens, 100)
    assert labelled.names == ["A", "B"] and labelled.labels[0] == NO_LABEL
    tokens.dtrajs = [np.zeros(600, dtype=int)] * 4
    assert cut_and_label(features, tokens, 100) is None


def test_a_protein_is_folded_or_unfolded():
    q = np.array([[0.1, 5.0], [0.5, 5.0], [0.9, 5.0], [0.3, 5.0]])
    names, classes = class_of_frames(["Q", "Rg"], [q], None)
    assert names == ["unfolded", "folded"] and classes[0].tolist() == [0, -1, 1, -1]


@pytest.mark.parametrize("n_frames", [100, 250])
def test_features_of_other_frames_than_the_tokens_are_not_labelled(n_frames):
    features, tokens = a_run([600] * 4)
    tokens.dtrajs[0] = tokens.dtrajs[0][::2]
    assert cut_and_label(features, tokens, n_frames) is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_piece_frames": 10}, "--n-piece-frames is 10; a whole number of at least 20"),
        ({"n_piece_frames": 5000, "models": "msm,trajbert-small"}, "trajbert-small sees 1024 frames at most"),
        ({"n_attention": 0}, "--n-attention is 0; a whole number of at least 1"),
    ],
)
def test_pieces_that_no_model_can_learn_from_are_refused_before_anything_is_read(given, message):
    with pytest.raises(SettingsError, match=message):
        TrajectorySettings(feature_files=["none.npy"], **given)
