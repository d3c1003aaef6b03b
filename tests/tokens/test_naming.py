"""Names of macrostates."""

import numpy as np

from mdtok.tokens.naming import letters, name_macrostates, ramachandran_basins

NAMES, PERIODIC = ["phi ALA2", "psi ALA2"], [True, True]


def test_usual_places_have_their_usual_names():
    phi, psi = np.array([[-60, -45], [-150, 155], [-75, 145], [55, 45], [65, -60], [-80, 170], [-160, -170]]).T
    assert np.array(["αR", "β", "αL", "C7ax"])[ramachandran_basins(phi, psi)].tolist() == [
        "αR",
        "β",
        "β",
        "αL",
        "C7ax",
        "β",
        "β",
    ]


def test_a_state_of_two_basins_has_both_names_and_a_name_given_twice_a_number():
    angles = np.radians([[-60, -45], [-60, -45], [-75, 145], [-75, 150], [-140, 160], [55, 45]])
    macro = np.array([0, 0, 0, 1, 2, 3])
    assert name_macrostates(angles, macro, NAMES, PERIODIC) == ["αR/β", "β 1", "β 2", "αL"]


def test_without_one_pair_of_angles_there_are_letters():
    features, macro = np.zeros((4, 2)), np.array([0, 1, 2, 2])
    assert name_macrostates(features, macro, ["phi", "psi"], [True, False]) == ["A", "B", "C"]
    assert name_macrostates(np.zeros((4, 3)), macro, ["phi 1", "psi 1", "phi 2"], [True] * 3) == ["A", "B", "C"]
    assert [letters(k) for k in (25, 26, 27, 52)] == ["Z", "AA", "AB", "BA"]
