"""Featurizer and StateTokenizer are copied, changed and shown as scikit-learn's estimators are."""

import numpy as np
import pytest
from sklearn.base import clone

import mdtok
from mdtok.errors import SettingsError

FEATURES = np.random.default_rng(0).random((200, 2))


def test_a_clone_has_the_parameters_and_nothing_fitted():
    tokenizer = mdtok.StateTokenizer(n_states=4, n_macrostates=2, lagtime=1, centers=FEATURES[:4]).fit(
        [FEATURES], progress=False
    )
    copy = clone(tokenizer)
    assert copy.get_params().keys() == tokenizer.get_params().keys()
    assert (copy.n_states, copy.lagtime) == (4, 1)
    np.testing.assert_array_equal(copy.centers, tokenizer.centers)
    assert hasattr(tokenizer, "cluster_centers_") and not hasattr(copy, "cluster_centers_")
    assert clone(mdtok.Featurizer([mdtok.Dihedrals("psi")])).features[0].which == ["psi"]


def test_parameters_are_set_and_checked():
    tokenizer = mdtok.StateTokenizer().set_params(n_states=7)
    assert tokenizer.get_params()["n_states"] == 7
    with pytest.raises(SettingsError, match=r"'n_state'; .*n_states"):
        tokenizer.set_params(n_state=3)
    with pytest.raises(SettingsError, match="n_states is 1"):
        tokenizer.set_params(n_states=1)
    assert tokenizer.n_states == 7


def test_a_repr_says_what_is_not_the_default():
    assert repr(mdtok.StateTokenizer(n_states=7)) == "StateTokenizer(n_states=7)"
    assert repr(mdtok.StateTokenizer()) == "StateTokenizer()"
    shown = "Featurizer(features=[Dihedrals(which=['phi'], encoding='radians')])"
    assert repr(mdtok.Featurizer([mdtok.Dihedrals("phi", encoding="radians")], memory_limit_gb=float("2"))) == shown
