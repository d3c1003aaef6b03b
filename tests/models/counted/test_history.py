"""A chain that knows where it came from has first passages that a lumped MSM has too short."""

import numpy as np
from chains import simulate

import mdtok
from mdtok.kinetics import mfpt_counted

#: Two states with a doorway on each side of the barrier: who has just crossed goes back more easily.
DOORS = np.array([[0.98, 0.02, 0.0, 0.0], [0.3, 0.4, 0.3, 0.0], [0.0, 0.3, 0.4, 0.3], [0.0, 0.0, 0.02, 0.98]])
SEEN = np.array([0, 1, 1, 2])  # the doorways cannot be told apart


def test_first_passages_are_nearer_than_those_of_a_markov_chain():
    md = [SEEN[d] for d in simulate(DOORS, 40, 5000, seed=1)]
    true = mfpt_counted([SEEN[d] for d in simulate(DOORS, 400, 5000, seed=2)], n_states=3, n_bootstrap=2).value[0, 2]
    found = {}
    for model in (mdtok.MarkovModel(progress=False), mdtok.HistoryMarkovModel(progress=False)):
        chains = model.fit(md).sample([d[:5] for d in md * 4], n_steps=5000, seed=3)
        found[type(model)] = mfpt_counted(chains, n_states=3, n_bootstrap=2).value[0, 2]
    off = {kind: abs(np.log(time / true)) for kind, time in found.items()}
    assert off[mdtok.HistoryMarkovModel] < 0.5 * off[mdtok.MarkovModel]
