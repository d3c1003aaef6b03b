"""Folding counted on chains whose answers are known."""

import numpy as np
import pytest

from mdtok.errors import DataError
from mdtok.kinetics.folding import FoldingEvents, cores_of_states, profile_of_tokens

STAY = 0.99


def switching(n_chains, n_frames, seed):
    """Chains of unfolded (0) and folded (1) that leave each state with a chance of 1 % a frame."""
    rng = np.random.default_rng(seed)
    return [(np.cumsum(rng.random(n_frames) > STAY) + k) % 2 for k in range(n_chains)]


def q_of(chains, seed):
    rng = np.random.default_rng(seed)
    return [np.clip(np.where(chain, 0.9, 0.1) + 0.05 * rng.normal(size=len(chain)), 0, 1) for chain in chains]


def test_folding_events_of_a_known_chain():
    chains = switching(12, 20_000, seed=3)
    events = FoldingEvents.of(q_of(chains, seed=4), n_contacts=60, dt_ps=10.0)
    jumps = [np.diff(chain) for chain in chains]
    assert events.n_foldings == sum((j == 1).sum() for j in jumps) and events.n_unfoldings == sum(
        (j == -1).sum() for j in jumps
    )
    assert (
        events.mfpt_ps[0, 1].low < 1000 < events.mfpt_ps[0, 1].high
        and events.mfpt_ps[1, 0].low < 1000 < events.mfpt_ps[1, 0].high
    )  # seeded; 90 % of seeds
    assert f"{events.n_foldings} foldings" in str(events) and events.profile.basins_at == pytest.approx(
        (0.1, 0.9), abs=0.03
    )


def test_generated_tokens_have_the_profile_of_their_states():
    chains = switching(12, 20_000, seed=5)
    q = q_of(chains, seed=6)
    profile = FoldingEvents.of(q, n_contacts=60, dt_ps=1.0).profile
    same = profile_of_tokens(chains, q, chains, 2, profile.edges)
    assert same.difference_kt.value == pytest.approx(profile.difference_kt.value, abs=1e-9)
    mostly_folded = [np.where(np.arange(1000) % 10 < 9, 1, 0)] * 8
    assert profile_of_tokens(mostly_folded, q, chains, 2, profile.edges).difference_kt.value == pytest.approx(
        -np.log(9), abs=1e-6
    )


def test_states_without_a_folded_one_are_said():
    q, dtrajs = [np.array([0.1, 0.2, 0.4])], [np.array([0, 0, 1])]
    with pytest.raises(DataError, match=r"Q of the states is 0.15 to 0.40; a folded one \(above 0.7\)"):
        cores_of_states(q, dtrajs, 2)
