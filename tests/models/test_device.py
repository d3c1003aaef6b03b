"""Networks live where the Trainer trains: loaded ones too."""

import numpy as np
import pytest
import torch

from mdtok import load_model
from mdtok.models import NanoGPT, TrajBert, saved

TINY = {"max_steps": 2, "evaluate_every_steps": 1, "progress": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A trained network of tokens."""
    tokens = [np.random.default_rng(k).integers(0, 3, 200) for k in range(2)]
    folder = tmp_path_factory.mktemp("model")
    NanoGPT(n_layer=1, n_head=1, n_embd=8, n_positions=16, **TINY).fit(tokens).save(folder)
    return folder


def test_what_is_loaded_goes_to_the_best_device(folder, monkeypatch):
    monkeypatch.setattr(saved, "best_device", lambda: torch.device("meta"))
    assert load_model(folder).network_.device.type == "meta"


@pytest.mark.gpu
def test_a_gpu_is_used_after_loading_and_answers_as_before(folder):
    model = load_model(folder)
    assert model.network_.device.type == "cuda"
    assert model.sample([[0, 1]], 20, seed=1)[0].shape == (20,)


@pytest.mark.gpu
def test_classes_of_embeddings_on_a_gpu():
    walks = [np.random.default_rng(k).normal(size=(20, 2)).cumsum(axis=0) for k in range(4)]
    model = TrajBert(n_layer=1, n_head=1, hidden_size=8, intermediate_size=8, window=10, **TINY).fit(
        walks, labels=[0, 1, 0, 1]
    )
    assert model.network_.device.type == "cuda"
    assert model.class_logits(model.transform(walks[:1])[0]).shape == (20, 2)
