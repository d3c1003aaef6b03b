"""States in words."""

import numpy as np
import pytest

from mdtok.errors import DataError, SettingsError
from mdtok.kinetics.biasing.state import State
from mdtok.md import load_system


def test_words_are_conditions_that_all_hold():
    state = State.of("phi > 0 and cv<-1.5e-1")
    columns = {"phi": np.array([1.0, 1.0, -1.0]), "cv": np.array([-1.0, 0.0, -1.0])}
    assert state.holds(columns).tolist() == [True, False, False]


def test_angles_are_those_of_the_molecule():
    topology = load_system("alanine_dipeptide").topology
    angles = State.of("phi > 0 and psi ALA2 < 1").angles(topology)
    assert [cv.columns[0].atoms.tolist() for cv in angles.values()] == [[[4, 6, 8, 14]], [[6, 8, 14, 16]]]
    assert State.of("cv > 0").angles(topology) == {}
    with pytest.raises(DataError, match="'phi ALA3' is 0 angles of .* one of phi ALA2 was expected"):
        State.of("phi ALA3 > 0").angles(topology)


@pytest.mark.parametrize("words", ["", "phi", "phi > ", "phi = 0", "phi > 0 or psi < 1", "phi > 0 and", "0 < phi"])
def test_other_words_are_refused(words):
    with pytest.raises(SettingsError, match="'phi > 0 and psi < 1.5', was expected"):
        State.of(words)
