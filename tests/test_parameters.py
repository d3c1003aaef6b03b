"""Settings by name, as scikit-learn has them: every model, feature and tokenizer that can be made without data."""

import inspect

import numpy as np
import pytest
from sklearn.base import clone

import mdtok
from mdtok.errors import SettingsError
from mdtok.models.discovery import built_in_classes

MADE = {
    known.__name__: known
    for known in built_in_classes()
    if all(p.default is not p.empty or p.kind in (2, 4) for p in inspect.signature(known).parameters.values())
}
MADE |= {
    "OrderKModel": lambda: mdtok.OrderKModel(order=3, reversible=False),
    "LaggedModel": lambda: mdtok.LaggedModel(mdtok.OrderKModel(order=3), 5),
    "SemiMarkovModel": lambda: mdtok.SemiMarkovModel(macrostates=[0, 0, 1]),
    "NanoGPT": lambda: mdtok.NanoGPT.from_preset("tiny", learning_rate=3e-3, anchor=None),
    "StateTokenizer": lambda: mdtok.StateTokenizer(n_states=7, seed=3),
    "Featurizer": lambda: mdtok.Featurizer([mdtok.Dihedrals("phi psi", encoding="radians"), mdtok.RadiusOfGyration()]),
    "Dihedrals": lambda: mdtok.Dihedrals("chi1"),
    "Contacts": mdtok.Contacts,
}


@pytest.mark.parametrize("name", MADE)
def test_a_clone_has_the_same_settings_and_nothing_that_was_fitted(name):
    one = MADE[name]()
    other = clone(one)
    assert type(other) is type(one) and other is not one
    assert str(other.get_params(deep=False)) == str(one.get_params(deep=False))
    assert not getattr(other, "is_fitted", False)
    assert repr(other) == repr(one) and " object at " not in repr(one) and len(repr(one)) < 600


def test_what_was_changed_is_shown():
    assert repr(mdtok.StateTokenizer(n_states=7)) == "StateTokenizer(n_states=7)"
    assert repr(mdtok.MarkovModel()) == "MarkovModel()"
    assert repr(MADE["LaggedModel"]()) == "LaggedModel(model=OrderKModel(order=3), lagtime=5)"
    assert "float64 array of shape (3, 2)" in repr(
        mdtok.StateTokenizer(n_states=3, n_macrostates=2, centers=np.zeros((3, 2)))
    )


def test_settings_are_changed_or_refused_as_a_whole():
    model = mdtok.MarkovModel(lagtime=2).fit([np.arange(400) // 7 % 2])
    assert model.set_params(lagtime=3) is model and model.lagtime == 3
    with pytest.raises(SettingsError):
        model.set_params(reversible=False, lagtime=0)
    assert model.lagtime == 3 and model.reversible
    with pytest.raises(SettingsError, match="MarkovModel has no setting 'lag'; it has lagtime"):
        model.set_params(lag=3)
    lagged = MADE["LaggedModel"]().set_params(model__order=4)
    assert lagged.get_params()["model__order"] == 4 and lagged.model.order == 4
    network = MADE["NanoGPT"]().set_params(learning_rate=1e-3, n_layer=1)
    assert network.training.learning_rate == 1e-3 and network.network.n_layer == 1 and network.anchor is None


def test_a_clone_of_a_fitted_tokenizer_is_fitted_anew():
    features = [np.random.default_rng(k).normal(size=(400, 2)) for k in range(2)]
    tokenizer = mdtok.StateTokenizer(n_states=4, n_macrostates=None, lagtime=1, seed=1).fit(features)
    again = clone(tokenizer).set_params(n_states=3).fit(features)
    assert max(map(max, tokenizer.transform(features))) == 3 and max(map(max, again.transform(features))) == 2
