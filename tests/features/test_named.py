"""The words that scripts take for features, and what they stand for."""

import numpy as np
import pytest
from peptides import hairpin, noisy

from mdtok.errors import SettingsError
from mdtok.features import Contacts, Featurizer, named_features


def test_words_stand_for_features_in_their_order():
    traj = noisy(hairpin(6, atoms=("N", "CA", "C", "O")), 4)
    featurizer = Featurizer(named_features("phi, contacts psi rg ca-distances"))
    (values,) = featurizer.fit_transform(traj, progress=False)
    names = featurizer.feature_names_
    assert names[:6] == [*(f"phi {r}" for r in ("TYR2", "GLY3", "SER4", "TRP5", "TYR6")), "psi TRP1"]
    pairs = ["TRP1-SER4", "TRP1-TRP5", "TRP1-TYR6", "TYR2-TRP5", "TYR2-TYR6", "GLY3-TYR6"]
    assert names[10:17] == [*(f"contact {pair}" for pair in pairs), "Rg"]
    assert names[17] == "CA distance TRP1-SER4" and len(names) == 23
    assert featurizer.periodic_.tolist() == [True] * 10 + [False] * 13
    np.testing.assert_array_equal(values[:, 10:16], Contacts(kind="soft").transform(traj))


@pytest.mark.parametrize("words", ["phi contcts", "", "phi phi", "contacts contacts"])
def test_words_that_are_no_features(words):
    with pytest.raises(SettingsError, match="'contcts' is not known.*ca-contacts|give one at least, and each once"):
        named_features(words)
