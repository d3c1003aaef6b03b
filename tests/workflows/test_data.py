"""What a run keeps is read as it was written, and tokenised in one way, MD and rollouts alike."""

import numpy as np
import pytest

from mdtok.storage import read_json, write_json
from mdtok.tokens import StateTokenizer
from mdtok.workflows.data import FeatureData, LabelledData, TokenisedData

SPLIT = {"train": [0, 2], "validation": [], "test": [1]}


def angles(n_trajectories=3, n_frames=200, seed=0):
    """Trajectories of one angle (radians) and one distance."""
    rng = np.random.default_rng(seed)
    angle = rng.choice([-2.8, 0.1], size=(n_trajectories, n_frames)) + 0.05 * rng.normal(
        size=(n_trajectories, n_frames)
    )
    return [np.column_stack([a, rng.normal(size=n_frames)]).astype(np.float32) for a in angle]


def features(**changes):
    given = {"arrays": angles(), "names": ["phi", "d"], "periodic": np.array([True, False]), "split": SPLIT}
    return FeatureData(**{**given, "frame_ps": 0.5, **changes})


def test_features_are_read_as_written(tmp_path):
    written = features(frames_per_token=4)
    written.save(tmp_path / "features")
    read = FeatureData.load(tmp_path / "features", tokens=two_tokens())
    for one, two in zip(written.arrays, read.arrays, strict=True):
        np.testing.assert_array_equal(one, two)
    assert (read.names, read.frame_ps, read.frames_per_token, read.split) == (["phi", "d"], 0.5, 4, SPLIT)
    np.testing.assert_array_equal(read.periodic, [True, False])


def two_tokens():
    return TokenisedData([np.array([0, 1])] * 3, SPLIT, 2.0, np.array([0, 1]), ["a", "b"])


def test_features_of_an_earlier_run_have_one_frame_a_token_and_the_split_of_the_tokens(tmp_path):
    features().save(tmp_path / "features")
    columns = tmp_path / "features" / "columns.json"
    write_json(columns, {key: read_json(columns)[key] for key in ("names", "periodic")})
    read = FeatureData.load(tmp_path / "features", two_tokens())
    assert (read.frame_ps, read.frames_per_token, read.split) == (2.0, 1, SPLIT)


def test_what_a_model_reads_comes_back_as_features():
    data = features()
    encoded = data.read_by_models("train")
    assert [array.shape for array in encoded] == [(200, 3), (200, 3)]
    for one, two in zip(data.decode(encoded), data.part("train"), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)


def test_drawn_cosine_and_sine_off_the_circle_are_an_angle_still():
    decoded = features().decode([np.array([[0.0, 0.3, 1.0], [-2.0, 0.0, 5.0]])])
    np.testing.assert_allclose(decoded[0], [[np.pi / 2, 1.0], [np.pi, 5.0]])


def test_the_frames_of_tokens_are_the_last_of_each_interval():
    array = np.arange(10.0)[:, None]
    thinned = features(arrays=[array], frames_per_token=3).thin([array])
    assert thinned[0].ravel().tolist() == [2.0, 5.0, 8.0]


def tokenised(data, **how):
    """Tokens of one column, and the tokenizer that made them."""
    tokens = TokenisedData([], SPLIT, 1.0, np.array([0, 1]), ["a", "b"], columns=[0], **how)
    tokenizer = StateTokenizer(2, 2, lagtime=1, seed=0)
    tokenizer.fit(tokens.read_by_tokenizer(data.arrays, data.periodic), progress=False)
    return tokens, tokenizer


@pytest.mark.parametrize(("how", "n_columns"), [("circle", 2), ("sine", 1)])
def test_the_tokenizer_reads_the_columns_that_it_was_made_of(how, n_columns):
    data = features()
    tokens, tokenizer = tokenised(data, angles=how)
    assert tokens.read_by_tokenizer(data.arrays, data.periodic)[0].shape == (200, n_columns)
    dtrajs = tokens.tokens_of(data.arrays, data.periodic, tokenizer)
    split_by_angle = [array[:, 0] < -1 for array in data.arrays]
    for dtraj, left in zip(dtrajs, split_by_angle, strict=True):
        assert len(set(dtraj[left])) == len(set(dtraj[~left])) == 1


def test_coarse_tokens_are_macrostates_again():
    data = features()
    tokens, tokenizer = tokenised(data, coarse=True)
    tokenizer.macrostates_ = np.array([1, 0])
    fine, _ = tokenised(data)
    for coarse, dtraj in zip(
        tokens.tokens_of(data.arrays, data.periodic, tokenizer),
        fine.tokens_of(data.arrays, data.periodic, tokenizer),
        strict=True,
    ):
        np.testing.assert_array_equal(coarse, 1 - dtraj)


def test_tokens_are_read_as_written_and_without_what_earlier_runs_lacked(tmp_path):
    folder = tmp_path / "tokens"
    folder.mkdir()
    written = TokenisedData([np.array([0, 1, 1])], {"train": [0]}, 1.0, np.array([0, 0]), ["a"], [0], "sine", True)
    written.save(folder)
    read = TokenisedData.load(folder)
    assert (read.columns, read.angles, read.coarse) == ([0], "sine", True)
    content = read_json(folder / "tokens.json")
    write_json(folder / "tokens.json", {key: content[key] for key in list(content)[:4]})
    read = TokenisedData.load(folder)
    assert (read.columns, read.angles, read.coarse, read.part("train")[0].tolist()) == (
        None,
        "circle",
        False,
        [0, 1, 1],
    )


def test_labelled_trajectories_are_read_as_written(tmp_path):
    written = LabelledData(angles(), np.array([0, 1, 1]), SPLIT)
    written.save(tmp_path / "labelled")
    read = LabelledData.load(tmp_path / "labelled")
    assert read.labels_of("train").tolist() == [0, 1]
    np.testing.assert_array_equal(read.part("test")[0], written.arrays[1])


def test_the_circles_are_the_first_columns_of_each_angle():
    data = features(periodic=np.array([False, True, True]))
    assert data.circles == (1, 3)
