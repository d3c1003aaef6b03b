"""How long and how many the chains are that a scorecard has of each model."""

import numpy as np

from mdtok.kinetics.estimation.estimators import populations
from mdtok.kinetics.scoring.protocol import slowest_frames
from mdtok.models.rollout import roll_out

_SHORTEST_CHAIN = 2000  # frames; shorter ones only where test trajectories are
_MOST_SAMPLED = 2_000_000  # frames of a rollout, unless the MD has more


def roll_out_like(
    model, train, test, md, protocol, n_chains=None, n_steps=None, seed=0, pieces_folder=None, weights=None
):
    """A rollout of chains as long as the test trajectories, started from the equilibrium of the training MD.

    `weights` of the states at the ends of prompts, shape (n_states,), replace that equilibrium.
    """
    n_chains, n_frames = chain_counts(
        test, md, n_chains, n_steps, slowest_frames(md, max(protocol.lagtimes), protocol.n_states)
    )
    weights = populations(train, protocol.n_states, protocol.lagtime) if weights is None else weights
    return roll_out(model, train, n_chains, max(2, n_frames // model.lagtime), seed, weights, pieces_folder)


def chain_counts(test, md, n_chains=None, n_steps=None, slowest_frames=np.inf):
    """How many chains, and how many frames of each.

    By default as long as a test trajectory, or ten times the slowest timescale where that is less: many short chains
    are drawn at once, a few long ones token by token. In all four times the MD, up to two million frames, beyond as
    much as the MD: more would not tell more, as the noise is then that of the MD.
    """
    n_md = sum(map(len, md))
    n_frames = n_steps or int(min(np.median([len(dtraj) for dtraj in test]), max(_SHORTEST_CHAIN, 10 * slowest_frames)))
    return n_chains or max(20, -(-max(n_md, min(4 * n_md, _MOST_SAMPLED)) // n_frames)), n_frames
