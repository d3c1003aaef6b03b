"""Training: windows, token-exact evaluation, early stopping, resume after SIGKILL, checkpoints never mixed up."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mdtok.errors import DataError, RunFolderError
from mdtok.models import NanoGPT
from mdtok.models.networks.windows import score_windows, training_windows

SETTINGS = dict(
    max_steps=60,
    evaluate_every_steps=10,
    patience=60,
    learning_rate=2e-3,
    warmup_steps=5,
    batch_size=8,
    dropout=0.2,
    progress=False,
)


def noisy_cycle(n_frames=700, seed=0):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(n_frames) < 0.2, rng.integers(0, 4, n_frames), np.arange(n_frames) % 4)


def fitted(folder=None, **other):
    return NanoGPT.from_preset("tiny", **{**SETTINGS, **other}).fit([noisy_cycle()], checkpoint_folder=folder)


def weights_of(model):
    return {name: weight.clone() for name, weight in model.network_.state_dict().items()}


def assert_same_training(one, other):
    for key in ("step", "validation_nats", "train_nats"):
        assert [entry[key] for entry in one.history_] == [entry[key] for entry in other.history_]
    for name, weight in weights_of(one).items():
        assert torch.equal(weight, weights_of(other)[name]), name


@settings(max_examples=50, deadline=None)
@given(
    lengths=st.lists(st.integers(2, 60), min_size=1, max_size=4),
    n_positions=st.integers(2, 20),
    shift=st.integers(1, 20),
)
def test_training_windows_never_cross_an_end_and_lose_no_token(lengths, n_positions, shift):
    shift = min(shift, n_positions)
    dtrajs = [1000 * number + np.arange(length) for number, length in enumerate(lengths)]
    inputs, labels = training_windows(dtrajs, n_positions, shift)
    counted = labels >= 0
    assert np.array_equal(labels[counted], inputs[counted] + 1)  # the next token of the same trajectory
    assert set(labels[counted]) == {token for dtraj in dtrajs for token in dtraj[1:]}


@settings(max_examples=50, deadline=None)
@given(length=st.integers(2, 300), n_positions=st.integers(2, 33))
def test_score_windows_count_every_token_once_with_half_a_context_of_past(length, n_positions):
    dtraj = np.arange(length)
    inputs, labels = score_windows(dtraj, n_positions)
    counted = labels >= 0
    assert np.array_equal(labels[counted], dtraj[1:])  # each once, in order of time
    assert np.array_equal(inputs[counted], dtraj[:-1])
    past = labels - inputs[:, :1]  # tokens of the window before the label
    assert np.all(past[counted] >= np.minimum(labels[counted], n_positions - n_positions // 2))


def test_held_out_nats_of_the_history_are_those_of_the_model(tmp_path):
    held_out = [noisy_cycle(137, seed=5), noisy_cycle(12, seed=6)]
    model = NanoGPT.from_preset("tiny", anchor=None, **{**SETTINGS, "max_steps": 30}).fit(
        [noisy_cycle()], validation=held_out
    )
    best = min(entry["validation_nats"] for entry in model.history_)
    assert model.nats_per_token(held_out) == pytest.approx(best, abs=1e-5)


def test_early_stopping_ends_before_overfitting_and_keeps_the_best():
    noise = np.random.default_rng(0).integers(0, 4, 300)  # nothing to learn: the held-out loss must rise
    model = NanoGPT.from_preset(
        "tiny",
        max_steps=2000,
        evaluate_every_steps=20,
        patience=2,
        learning_rate=5e-3,
        warmup_steps=1,
        dropout=0.0,
        anchor=None,
        progress=False,
    ).fit([noise])
    nats = [entry["validation_nats"] for entry in model.history_]
    assert len(nats) < 20 and int(np.argmin(nats)) == len(nats) - 3
    assert model.nats_per_token([noise[270:]]) == pytest.approx(min(nats), abs=1e-5)
    assert [entry["step"] for entry in model.history_] == [20 * (i + 1) for i in range(len(nats))]
    assert model.train_seconds_ == model.history_[-1]["seconds"] > 0


def test_the_last_step_is_evaluated_where_it_is_no_multiple():
    assert [entry["step"] for entry in fitted(max_steps=25).history_] == [10, 20, 25]


def test_training_that_diverges_says_so():
    with pytest.raises(DataError, match="learning_rate"):
        fitted(learning_rate=1e30)


KILLED_RUN = """
import os, signal, sys
from mdtok.models.networks import checkpoints
sys.path.insert(0, os.path.dirname({this!r}))
from test_training import fitted

save_optimizer, n_saved = checkpoints.save_optimizer, 0
def die_while_writing(folder, *args):
    global n_saved
    n_saved += 1
    if n_saved == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    save_optimizer(folder, *args)
checkpoints.save_optimizer = die_while_writing
fitted({folder!r})
"""


def test_killed_and_started_again_it_ends_with_the_same_weights(tmp_path):
    """SIGKILL while the fourth checkpoint is half written: steps 31 to 40 are lost, and done again."""
    folder = tmp_path / "checkpoints"
    code = KILLED_RUN.format(this=__file__, folder=str(folder))
    killed = subprocess.run([sys.executable, "-c", code], env=_environment(), capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert sorted(os.listdir(folder)) == ["step_000000030", "step_000000040.partial", "training.json"]
    resumed, whole = fitted(folder), fitted()
    assert_same_training(resumed, whole)
    assert sorted(os.listdir(folder)) == ["step_000000060", "training.json"]


def _environment():
    import mdtok

    root = os.path.dirname(os.path.dirname(mdtok.__file__))
    return {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": str(torch.get_num_threads())}


def test_a_finished_training_is_loaded_not_repeated(tmp_path, monkeypatch):
    first = fitted(tmp_path, max_steps=20)
    from mdtok.models.networks import training

    monkeypatch.setattr(training, "Trainer", None)
    monkeypatch.setattr(training, "_trainer", None)
    assert_same_training(fitted(tmp_path, max_steps=20), first)


@pytest.mark.parametrize("other", [dict(learning_rate=1e-3), dict(seed=1), dict(n_embd=16), dict(window_shift=8)])
def test_checkpoints_of_another_training_are_refused(tmp_path, other):
    fitted(tmp_path, max_steps=10)
    with pytest.raises(RunFolderError, match="another training") as caught:
        fitted(tmp_path, max_steps=10, **other)
    assert "\n" not in str(caught.value)


def test_checkpoints_of_other_data_are_refused(tmp_path):
    fitted(tmp_path, max_steps=10)
    model = NanoGPT.from_preset("tiny", **{**SETTINGS, "max_steps": 10})
    with pytest.raises(RunFolderError, match="other data"):
        model.fit([noisy_cycle(seed=1)], checkpoint_folder=tmp_path)


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("dear to me")
    with pytest.raises(RunFolderError, match="not empty"):
        fitted(tmp_path)


def test_nothing_in_a_checkpoint_is_a_pickle(tmp_path):
    fitted(tmp_path, max_steps=10)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".safetensors"}


def test_training_prints_nothing(capfd):
    fitted(max_steps=10)
    captured = capfd.readouterr()
    assert captured.out == "" and captured.err == ""
