"""Whether a rollout stays what it was: drift along the chains, detailed balance, steps that MD never made."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from mdtok.kinetics.estimation.estimate import Estimate, as_plain
from mdtok.models.counted.markov import MarkovModel
from mdtok.tokens.dtrajs import thin_dtrajs

_N_BOOTSTRAP = 500


@dataclass
class RolloutChecks:
    """What a rollout shows without a reference rollout.

    Attributes
    ----------
    unseen_share : float
        Share of the steps between two states that training MD never made (at the same interval).
    population_drift : Estimate
        Total variation distance of macrostate populations between the first and the last tenth of the chains. Chance
        alone gives `population_drift_by_chance`.
    population_drift_by_chance : float
        The 95th percentile where first and last tenths of each chain are exchanged at random.
    nats_drift : Estimate
        Nats per token under the Markov chain of training MD, last tenth less first: above 0 the chains grow unlike MD.
    net_flux : float
        Largest net flux between two macrostates over the traffic both ways: 0 with detailed balance.
    net_flux_p : float
        Probability of one so significant by chance, over all pairs (Bonferroni), from the scatter over chains.
    """

    unseen_share: float
    population_drift: Estimate
    population_drift_by_chance: float
    nats_drift: Estimate
    net_flux: float
    net_flux_p: float

    def to_dict(self):
        """For JSON."""
        return as_plain(vars(self))


def check_rollout(dtrajs, train, macrostates, stride=1, seed=0):
    """Check generated trajectories against themselves and the training MD.

    Parameters
    ----------
    dtrajs : list of int arrays, shape (n_steps,) each
        Generated, two tokens at least.
    train : list of int arrays, shape (n_frames,) each
    macrostates : int array, shape (n_states,)
    stride : int
        Frames of `train` a token of `dtrajs`.
    seed : int

    Returns
    -------
    RolloutChecks

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> chains = [rng.integers(0, 2, 200) for _ in range(30)]
    >>> checks = check_rollout(chains, chains, np.arange(2))
    >>> checks.unseen_share, checks.net_flux_p > 0.001
    (0.0, True)
    """
    n_states = len(macrostates)
    thinned = thin_dtrajs(train, stride)
    log_matrix = np.log(MarkovModel().fit(thinned, n_states=n_states).predictive_matrix_)
    seen = np.zeros((n_states, n_states), dtype=bool)
    for part in thinned:
        seen[part[:-1], part[1:]] = True
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(dtrajs), (_N_BOOTSTRAP, len(dtrajs)))
    becoming = np.array([_last_less_first(-log_matrix[d[:-1], d[1:]]) for d in dtrajs])  # (n_chains,)
    drift, by_chance = _population_drift([macrostates[d] for d in dtrajs], macrostates.max() + 1, drawn, rng)
    net_flux, net_flux_p = _net_flux([macrostates[d] for d in dtrajs], macrostates.max() + 1)
    unseen = np.concatenate([~seen[d[:-1], d[1:]] for d in dtrajs]).mean()
    return RolloutChecks(
        float(unseen),
        drift,
        by_chance,
        Estimate.from_samples(becoming.mean(), becoming[drawn].mean(axis=1)),
        net_flux,
        net_flux_p,
    )


def _last_less_first(series):
    """Mean over the last tenth of a series less that over the first, along the first axis."""
    tenth = max(1, len(series) // 10)
    return series[-tenth:].mean(axis=0) - series[:tenth].mean(axis=0)


def _population_drift(macro, n_macrostates, drawn, rng):
    change = np.stack([_last_less_first(np.eye(n_macrostates)[chain]) for chain in macro])  # (n_chains, n_macrostates)
    value = np.abs(change.mean(axis=0)).sum() / 2
    samples = np.abs(change[drawn].mean(axis=1)).sum(axis=1) / 2
    signs = rng.choice([-1.0, 1.0], (_N_BOOTSTRAP, len(macro), 1))
    by_chance = np.abs((signs * change).mean(axis=1)).sum(axis=1) / 2
    return Estimate.from_samples(value, samples), float(np.quantile(by_chance, 0.95))


def _net_flux(macro, n_macrostates):
    """Largest net flux over traffic, and the probability of the most significant one."""
    counts = np.stack(
        [
            np.bincount(chain[:-1] * n_macrostates + chain[1:], minlength=n_macrostates**2).reshape(
                n_macrostates, n_macrostates
            )
            for chain in macro
        ]
    )  # (n_chains, n_macrostates, n_macrostates)
    net = (counts - counts.transpose(0, 2, 1))[:, *np.triu_indices(n_macrostates, 1)]  # (n_chains, n_pairs)
    traffic = (counts + counts.transpose(0, 2, 1)).sum(axis=0)[np.triu_indices(n_macrostates, 1)]
    net, traffic = net[:, traffic > 0], traffic[traffic > 0]
    if not len(traffic):
        return 0.0, 1.0
    error = net.std(axis=0, ddof=1) / np.sqrt(len(net)) if len(net) > 1 else np.full(len(traffic), np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        significance = np.where(error > 0, np.abs(net.mean(axis=0)) / error, 0.0)
    return float((np.abs(net.sum(axis=0)) / traffic).max()), float(
        min(1.0, 2 * norm.sf(significance.max()) * len(traffic))
    )
