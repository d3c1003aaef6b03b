"""The words that scripts take for features, and what they stand for."""

import sys

import numpy as np
import pytest
from peptides import hairpin, noisy

import mdtok.features
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


def test_a_feature_is_added_by_one_file(monkeypatch, tmp_path):
    """A module in features/ with a class that says its words; nothing else is touched."""
    (tmp_path / "end_to_end.py").write_text(
        "import numpy as np\nfrom mdtok.features.feature import Feature\n\n\n"
        "class EndToEnd(Feature):\n"
        "    words = {'end-to-end': {}}\n\n"
        "    def names(self, topology):\n        return ['end to end']\n\n"
        "    def transform(self, traj):\n"
        "        return np.linalg.norm(traj.xyz[:, 0] - traj.xyz[:, -1], axis=1)[:, None]\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(mdtok.features, "__path__", [*mdtok.features.__path__, str(tmp_path)])
    traj = noisy(hairpin(6, atoms=("N", "CA", "C", "O")), 4)
    (values,) = Featurizer(named_features("rg end-to-end")).fit_transform(traj, progress=False)
    np.testing.assert_allclose(values[:, 1], np.linalg.norm(traj.xyz[:, 0] - traj.xyz[:, -1], axis=1))
    sys.modules.pop("mdtok.features.end_to_end", None)
