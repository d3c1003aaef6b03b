"""Causal tracing: which activation of a transformer, at which token and layer, carries what it predicts the next token
from.

Noise on the embeddings of a prompt makes a network lose the next token. One activation at a time is then put back as it
was without noise: what that gives back is the indirect effect of this site. Two controls stand beside it. What an
activation of *another* prompt gives back at the same site is not knowledge of this prompt, only of what activations
look like; and an untrained network depends on its input too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mdtok.errors import SettingsError
from mdtok.insight.prompts import choose_prompts
from mdtok.insight.restored_runs import KINDS, RestoredRuns
from mdtok.kinetics.estimation.bootstrap import bootstrap_mean, bootstrap_weights
from mdtok.kinetics.estimation.estimate import Estimate, as_plain
from mdtok.models.networks.nanogpt import NanoGPT
from mdtok.tokens.dtrajs import as_dtrajs

CORRUPTIONS = ("all", "early", "late")
_ROUNDING = 1e-5  # of a log-probability in single precision; smaller differences are none
_LONGEST_DEFAULT = 32


@dataclass
class TracedSite:
    """One activation: `kind`, `layer` ("embedding", "block 0", …), `tokens_back` (0: the last token) and what restoring
    it does.

    `effect` is what that gives back, in nats, with its 95 % interval; `p_value` is corrected for all sites.
    """

    kind: str
    layer: str
    tokens_back: int
    effect: Estimate
    p_value: float

    def __str__(self):
        named = {0: "at the last token", 1: "at the token before the last"}
        return f"{self.kind}, {self.layer}, {named.get(self.tokens_back, f'{self.tokens_back} tokens before the last')}"

    def to_dict(self) -> dict:
        """For JSON."""
        return {**vars(self), "effect": self.effect.to_dict()}


@dataclass
class CausalTraces:
    """What `trace_causes` found.

    Effects are differences of the log-probability of the true next token (nats), means over prompts with 95 % intervals
    by bootstrap over prompts. Arrays of a kind have the shape (n_layers, n_frames); the residual stream has a row more,
    its first: what the first block reads.

    Attributes
    ----------
    corrupt : {"all", "early", "late"}
    n_prompts, n_transitions, n_frames : int
        Prompts, those of them that end in a transition, and tokens of each.
    clean, corrupted, total_effect : Estimate
        Nats per token without noise and with it, and how many more they are with it.
    effects : dict of str -> Estimate
        Indirect effects of each kind, restored - corrupted: nats that are given back.
    probability : dict of str -> Estimate or dict
        The same in probability: ``clean``, ``corrupted``, ``total_effect`` and ``effects``.
    donor_effects : dict of str -> ndarray
        What the activation of another prompt gives at the same site.
    p_values : dict of str -> ndarray
        Of each site, corrected for all sites.
    p_value : float
        Of the total effect, against zero and against untrained networks of the same shape: the larger one.
    error_rate, least_share : float
        What a site has to pass, see `trace_causes`.
    anchored : bool
        Whether the model's transitions are anchored on counts, which noise does not touch.
    """

    corrupt: str
    n_prompts: int
    n_transitions: int
    n_frames: int
    clean: Estimate
    corrupted: Estimate
    total_effect: Estimate
    effects: dict
    probability: dict
    donor_effects: dict
    p_values: dict
    p_value: float
    error_rate: float
    least_share: float
    anchored: bool

    @property
    def significant(self) -> dict[str, np.ndarray]:
        """The sites that matter, a bool array of each kind; none where the network is no better than an untrained
        one."""
        least = self.least_share * abs(self.total_effect.value) if self.p_value <= self.error_rate else np.inf
        return {
            kind: (p_values <= self.error_rate) & (np.abs(self.effects[kind].value) >= least)
            for kind, p_values in self.p_values.items()
        }

    @property
    def sites(self) -> list[TracedSite]:
        """The sites that matter, a list of `TracedSite`, that of the largest effect first."""
        found = [
            TracedSite(
                kind,
                layer_names(kind, len(found))[row],
                self.n_frames - 1 - int(token),
                effect=Estimate(*(part[row, token] for part in vars(self.effects[kind]).values())),
                p_value=float(self.p_values[kind][row, token]),
            )
            for kind, found in self.significant.items()
            for row, token in np.argwhere(found)
        ]
        return sorted(found, key=lambda site: -abs(float(site.effect.value)))

    def __str__(self):
        part = {"all": "all", "early": "the early half", "late": "the late half"}[self.corrupt]
        clean, corrupted = float(self.clean.value), float(self.corrupted.value)
        likely, less = (float(self.probability[key].value) for key in ("clean", "corrupted"))
        sites = self.sites
        said = (
            f"Noise on {part} of the {self.n_frames} tokens of {self.n_prompts} prompts ({self.n_transitions} end in "
            "a transition) "
            f"costs {self.total_effect:.3f} nats, from {clean:.3f} to {corrupted:.3f} per token (probability "
            f"{likely:.3f} to "
            f"{less:.3f})"
        )
        n_sites = sum(p_values.size for p_values in self.p_values.values())
        if self.p_value > self.error_rate:
            said += (
                f", no more than chance or an untrained network of its shape gives (p = {self.p_value:.2g}): no site "
            )
            said += "matters."
        elif not sites:
            said += f"; none of {n_sites} sites does more than that of another prompt (error rate {self.error_rate:g})."
        else:
            back = sorted({site.tokens_back for site in sites})
            said += (
                f"; {len(sites)} of {n_sites} sites {'matters' if len(sites) == 1 else 'matter'} (error rate "
                f"{self.error_rate:g}), {_places(back)}, most of all {sites[0]}: restored, it gives back "
                f"{sites[0].effect:.3f} nats."
            )
        return (
            said + " Counted transitions between basins see no noise: this is the network's part only." * self.anchored
        )

    def to_dict(self) -> dict:
        """For JSON."""
        return {**as_plain(vars(self)), "sites": [site.to_dict() for site in self.sites], "sentence": str(self)}


def layer_names(kind, n_rows):
    """Names of the rows of the arrays of one kind."""
    n_before = int(kind == "residual")
    return ["embedding"] * n_before + [f"block {k}" for k in range(n_rows - n_before)]


def trace_causes(
    model: NanoGPT,
    dtrajs: list[np.ndarray],
    *,
    corrupt: str = "all",
    restore: Sequence[str] = KINDS,
    n_prompts: int = 100,
    n_frames: int | None = None,
    ends: str = "any",
    macrostates: np.ndarray | None = None,
    noise: float = 3.0,
    n_draws: int = 4,
    n_permutations: int = 999,
    n_untrained: int = 39,
    error_rate: float = 0.05,
    least_share: float = 0.02,
    seed: int = 0,
    progress: bool = True,
) -> CausalTraces:
    """Trace through a nano-GPT what its prediction of the next token rests on, token by token and layer by layer.

    Three runs for each prompt: clean; corrupted, with Gaussian noise added to the embeddings of all its tokens, of the
    early or of the late half; and restored, the corrupted run with one activation as in the clean one. The indirect
    effect of a site is restored - corrupted, in log-probability of the true next token, a mean over prompts and draws
    of the noise. In nats a rare token counts as much as a likely one, and the total effect is what the network owes to
    what the noise hides.

    A site is significant if

    1. the total effect (clean - corrupted) is not zero, by the same test as below, and larger than in untrained
       networks of this shape, by rank among `n_untrained`; an untrained network therefore has any site at all at the
       `error_rate` at most;
    2. its own activation does more than the activation of another prompt at the same site, and more than nothing, in
       the same direction: two-sided tests by flipping the signs of the differences of prompts, each by the maximum
       over all sites;
    3. it gives back at least `least_share` of the total effect: with many prompts the least trace is significant.

    Where transitions are anchored on counts (`NanoGPT(anchor="basins")`) those are computed from the tokens, and stay
    as they are in every run: what is traced is the network's part, the correction of counts and the choice within a
    basin.

    Parameters
    ----------
    model : NanoGPT
        Fitted.
    dtrajs : list of int arrays, shape (n_frames,) each
        Held-out trajectories, that prompts are taken from; prompts count as independent of each other.
    corrupt : {"all", "early", "late"}
        The tokens that get noise.
    restore : sequence of {"residual", "attention", "mlp"}
        What is put back: the residual stream (what the first block reads, and after each block), what attention adds to
        it, what the feed-forward half adds to it.
    n_prompts : int
        Prompts, no two of which overlap; fewer where there are not so many.
    n_frames : int, optional
        Tokens of a prompt; the context or 32, whichever is less, if not given.
    ends, macrostates
        What the next token is, see `mdtok.insight.prompts.choose_prompts`; any if not given. Before a transition
        effects may well be negative: what the model knows speaks for a stay.
    noise : float
        In standard deviations of the embedding, 3 as published. Tokens can be read through it where the embedding is
        wide; more noise hides more.
    n_draws : int
        Of the noise, for each prompt.
    n_permutations, n_untrained : int
        Flips of signs, and untrained networks.
    error_rate : float
        Probability of any false site.
    least_share : float
        Of the total effect, from 0 (any) to below 1.
    seed : int
    progress : bool

    Returns
    -------
    CausalTraces

    Raises
    ------
    SettingsError
        The model is no NanoGPT, or a setting is out of range.
    DataError
        Too few prompts, or tokens outside the alphabet.

    References
    ----------
    K. Meng, D. Bau, A. Andonian, Y. Belinkov, Locating and Editing Factual Associations in GPT, NeurIPS 2022, arXiv
    2202.05262.

    Examples
    --------
    >>> cycle = np.arange(600) % 3
    >>> model = NanoGPT.from_preset("tiny", anchor=None, max_steps=60, learning_rate=5e-3, progress=False).fit([cycle])
    >>> traces = trace_causes(model, [cycle], n_frames=4, progress=False)
    >>> traces.effects["residual"].value.shape, bool(traces.total_effect.low > 0.2), str(traces.sites[0])
    ((2, 4), True, 'residual, block 0, at the last token')
    """
    if not isinstance(model, NanoGPT):
        raise SettingsError(f"The model is a {type(model).__name__}; causal tracing needs a NanoGPT.")
    model.require_fitted()
    n_frames = min(_LONGEST_DEFAULT, model.settings["n_positions"]) if n_frames is None else n_frames
    restore = (restore,) if isinstance(restore, str) else tuple(restore)
    _check_choices(model, corrupt, restore, n_frames)
    _check_numbers(n_prompts, noise, n_draws, n_permutations, n_untrained, error_rate, least_share)
    dtrajs = as_dtrajs(dtrajs, model.n_states_)
    prompts = choose_prompts(dtrajs, n_frames, n_prompts, ends, macrostates, seed)
    n_prompts, rng = len(prompts), np.random.default_rng(seed)
    anchor = None
    if model.anchor_ is not None:
        known = {k: model.anchor_.log_proba(dtrajs[k]) for k in np.unique(prompts.trajectory)}
        anchor = np.stack([known[k][last] for k, last in zip(prompts.trajectory, prompts.last_frame)])
    noises = noise * rng.standard_normal((n_prompts, n_draws, n_frames, model.network_.config.n_embd), dtype=np.float32)
    noises[:, :, {"all": slice(0), "early": slice(n_frames // 2, None), "late": slice(n_frames // 2)}[corrupt]] = 0
    runs = RestoredRuns(model.network_, prompts, anchor, noises)
    order = rng.permutation(n_prompts)
    donors = np.empty(n_prompts, dtype=np.int64)
    donors[order] = np.roll(order, 1)  # every prompt gives once and takes once
    own, other = runs.restore(restore, donors, progress)

    clean, corrupted = runs.clean(), runs.corrupted()  # log-probabilities, (n_prompts,) and (n_prompts, n_draws)
    total = clean - corrupted.mean(axis=1)
    untrained = np.array(
        [abs(_total_of_untrained(runs, prompts, anchor, noises, seed + 1 + k)) for k in range(n_untrained)]
    )
    rank = (1 + np.sum(untrained >= abs(total.mean()) - _ROUNDING)) / (1 + n_untrained)
    effects = {kind: _mean_over_draws(own[kind] - corrupted[:, :, None, None]) for kind in restore}
    against = {kind: _mean_over_draws(own[kind] - other[kind]) for kind in restore}
    likely, less = np.exp(clean), np.exp(corrupted)
    weights = bootstrap_weights(n_prompts, seed=seed)
    return CausalTraces(
        corrupt=corrupt,
        n_prompts=n_prompts,
        n_transitions=int(prompts.is_transition.sum()),
        n_frames=n_frames,
        clean=bootstrap_mean(-clean, weights),
        corrupted=bootstrap_mean(-corrupted.mean(axis=1), weights),
        total_effect=bootstrap_mean(total, weights),
        effects={kind: _mean_of_sites(effects[kind], weights) for kind in restore},
        probability={
            "clean": bootstrap_mean(likely, weights),
            "corrupted": bootstrap_mean(less.mean(axis=1), weights),
            "total_effect": bootstrap_mean(likely - less.mean(axis=1), weights),
            "effects": {
                kind: _mean_of_sites((np.exp(own[kind]) - less[:, :, None, None]).mean(axis=1), weights)
                for kind in restore
            },
        },
        donor_effects={kind: (effects[kind] - against[kind]).mean(axis=0) for kind in restore},
        p_values=_p_values_of_sites(effects, against, n_permutations, rng),
        p_value=float(max(rank, *sign_flip_p_values(total[:, None], n_permutations, rng))),
        error_rate=error_rate,
        least_share=least_share,
        anchored=anchor is not None,
    )


def _check_choices(model, corrupt, restore, n_frames):
    if corrupt not in CORRUPTIONS:
        raise SettingsError(f"corrupt is {corrupt!r}; one of {', '.join(map(repr, CORRUPTIONS))} was expected.")
    if not restore or len(set(restore)) < len(restore) or not set(restore) <= set(KINDS):
        raise SettingsError(f"restore is {restore!r}; some of {', '.join(map(repr, KINDS))}, each once, were expected.")
    n_positions = model.settings["n_positions"]
    if not 2 <= n_frames <= n_positions:
        raise SettingsError(f"n_frames is {n_frames}; 2 to {n_positions}, the context of the model, was expected.")


def _check_numbers(n_prompts, noise, n_draws, n_permutations, n_untrained, error_rate, least_share):
    if not noise > 0 or not 0 < error_rate < 1 or not 0 <= least_share < 1 or n_draws < 1 or n_prompts < 1:
        raise SettingsError(
            f"noise {noise} must be above 0, error_rate {error_rate} and least_share {least_share} between 0 and 1, "
            "n_draws "
            f"{n_draws} and n_prompts {n_prompts} 1 or more."
        )
    fewest = int(np.ceil(1 / error_rate - 1e-9)) - 1
    if min(n_permutations, n_untrained) < fewest:
        raise SettingsError(
            f"n_permutations is {n_permutations}, n_untrained {n_untrained}; an error rate of {error_rate:g} needs "
            f"{fewest} of "
            "each at least."
        )


def _total_of_untrained(runs, prompts, anchor, noises, seed):
    """Total effect in a network of the same shape with weights as they are before training."""
    network = runs.network
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        untrained = type(network)(network.config).to(network.device)
    for name, buffer in untrained.named_buffers():
        buffer.copy_(network.get_buffer(name))  # which state is in which basin, and the shares
    runs = RestoredRuns(untrained, prompts, anchor, noises)
    return float((runs.clean() - runs.corrupted().mean(axis=1)).mean())


def _mean_over_draws(differences):
    mean = differences.mean(axis=1)
    return np.where(np.abs(mean) < _ROUNDING, 0.0, mean)


def _mean_of_sites(values, weights):
    """Mean over prompts of an array (n_prompts, n_layers, n_frames), with its interval."""
    flat = bootstrap_mean(values.reshape(len(values), -1), weights)
    return Estimate(*(part.reshape(values.shape[1:]) for part in vars(flat).values()))


def _p_values_of_sites(effects, against, n_permutations, rng):
    """p-values of the sites of each kind, corrected for all: the larger one of those against a donor and against
    nothing."""
    flat = [
        np.concatenate([one.reshape(len(one), -1) for one in of_kinds.values()], axis=1)
        for of_kinds in (effects, against)
    ]
    p_values = np.maximum(*(sign_flip_p_values(one, n_permutations, rng) for one in flat))
    p_values[flat[0].mean(axis=0) * flat[1].mean(axis=0) <= 0] = 1.0
    sizes = np.cumsum([one[0].size for one in effects.values()])[:-1]
    return {kind: part.reshape(effects[kind].shape[1:]) for kind, part in zip(effects, np.split(p_values, sizes))}


def sign_flip_p_values(differences, n_permutations, rng):
    """Two-sided p-values of means of paired differences (n_pairs, n_sites), corrected for all sites by the maximum
    statistic.

    The statistic ``|Σ d| / sqrt(n Σ d²)`` grows with Student's t. Exact where each pair could as well be the other way
    round.
    """
    scale = np.sqrt(len(differences) * np.square(differences).sum(axis=0))
    scaled = np.divide(differences, scale, out=np.zeros_like(differences), where=scale > 0)
    largest = np.abs(rng.choice([-1.0, 1.0], (n_permutations, len(differences))) @ scaled).max(axis=1)
    return (1 + (largest[:, None] >= np.abs(scaled.sum(axis=0)) - 1e-12).sum(axis=0)) / (1 + n_permutations)


def _places(tokens_back):
    """Places of tokens in words: runs of neighbours as ranges."""
    if tokens_back == [0]:
        return "all at the last token"
    runs = np.split(np.array(tokens_back), np.flatnonzero(np.diff(tokens_back) > 1) + 1)
    names = [f"−{run[0]}" if len(run) == 1 else f"−{run[0]} to −{run[-1]}" for run in runs]
    return f"at tokens {', '.join(names)} (0: the last)".replace("−0", "0")
