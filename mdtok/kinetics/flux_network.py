"""Transition path theory: the network of reactive fluxes between macrostates, from an MSM with a Bayesian posterior."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from deeptime.markov import ReactiveFlux
from deeptime.markov import reactive_flux as deeptime_reactive_flux
from deeptime.util.exceptions import SpectralWarning
from scipy.linalg import LinAlgWarning

from mdtok.errors import DataError, SettingsError
from mdtok.kinetics.estimation.estimate import PARTS, Estimate
from mdtok.kinetics.estimation.estimators import check_lagtime, count_matrix, fit_msm
from mdtok.kinetics.transition_paths import as_ends, name_states
from mdtok.models.counted.msm import draw_posterior
from mdtok.progress import tracked
from mdtok.tokens.dtrajs import as_dtrajs, count_states

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_FRACTION = 0.99  # of the flux that is decomposed into pathways
_MOST_PATHWAYS = 100
_LEAST_SHARE = 0.01  # of a pathway, or of a flux, that is shown


@dataclass
class FluxNetwork:
    """Reactive fluxes from one set of macrostates to another, with 95 % intervals (see `reactive_flux`).

    Attributes
    ----------
    source, target : tuple of int
        Macrostates.
    lagtime_frames : int
    dt_ps : float
    macrostate_names : list of str
    populations : Estimate, shape (n_macrostates,)
        Stationary; 0 for macrostates that are not connected.
    committors : Estimate, shape (n_macrostates,)
        Probability of reaching the target before the source, in equilibrium within each macrostate; NaN where it is not
        connected.
    net_flux_per_ps : Estimate, shape (n_macrostates, n_macrostates)
        [i, j]: passages from i to j on the way from source to target, less those back, per ps of one molecule at
        equilibrium.
    total_flux_per_ps : Estimate
        Transitions from source to target per ps.
    mfpt_ps : Estimate
        Mean time from entering the source, after the target, until the target is reached: what `mfpt_counted` counts.
    pathways : list of tuple of int
        Sequences of macrostates from source to target, the one with the most flux first.
    pathway_shares : Estimate, shape (n_pathways,)
        Share of the total flux that each carries.
    micro_flux : deeptime.markov.ReactiveFlux or None
        The same for the states of the MSM, per lag time, numbered within its connected set; None if read from a file.
    micro_states : ndarray of int or None
        The tokens of that connected set.
    """

    source: tuple
    target: tuple
    lagtime_frames: int
    dt_ps: float
    macrostate_names: list
    populations: Estimate
    committors: Estimate
    net_flux_per_ps: Estimate
    total_flux_per_ps: Estimate
    mfpt_ps: Estimate
    pathways: list
    pathway_shares: Estimate
    micro_flux: ReactiveFlux | None = field(repr=False)
    micro_states: np.ndarray | None = field(repr=False)

    @property
    def flux_shares(self) -> np.ndarray:
        """Net fluxes as shares of the total flux, shape (n_macrostates, n_macrostates)."""
        return self.net_flux_per_ps.value / self.total_flux_per_ps.value

    def to_dict(self) -> dict:
        """For JSON."""
        shares = self.pathway_shares
        return {
            "source": self.source,
            "target": self.target,
            "lagtime_frames": self.lagtime_frames,
            "dt_ps": self.dt_ps,
            "macrostate_names": self.macrostate_names,
            **{
                name: getattr(self, name).to_dict()
                for name in ("populations", "committors", "net_flux_per_ps", "total_flux_per_ps", "mfpt_ps")
            },
            "pathways": [{"states": path, "share": shares[k].to_dict()} for k, path in enumerate(self.pathways)],
        }

    @classmethod
    def from_dict(cls, content: dict) -> FluxNetwork:
        """From what `to_dict` gave; the fluxes between the states of the MSM are not in it, and None here."""
        estimates = ("populations", "committors", "net_flux_per_ps", "total_flux_per_ps", "mfpt_ps")
        shares = [Estimate.of(path["share"]) for path in content["pathways"]]
        parts = (np.array([getattr(share, part) for share in shares]) for part in PARTS)
        return cls(
            tuple(content["source"]),
            tuple(content["target"]),
            content["lagtime_frames"],
            content["dt_ps"],
            list(content["macrostate_names"]),
            **{name: Estimate.of(content[name]) for name in estimates},
            pathways=[tuple(path["states"]) for path in content["pathways"]],
            pathway_shares=Estimate(*parts),
            micro_flux=None,
            micro_states=None,
        )

    def __str__(self):
        names = self.macrostate_names
        width = max(len("macrostate"), *map(len, names))
        lines = [
            f"{name_states(self.source, names)} → {name_states(self.target, names)}: MFPT {self.mfpt_ps:.4g} ps, "
            f"{self.total_flux_per_ps * 1e6:.4g} transitions per µs (lag {self.lagtime_frames} frames)",
            f"{'macrostate':<{width}}  {'population (95 %)':<26}  committor (95 %)",
        ]
        for k, name in enumerate(names):
            population, committor = (f"{figure[k]:.4g}" for figure in (self.populations, self.committors))
            lines.append(f"{name:<{width}}  {population:<26}  {committor}")
        lines.append("pathway (share of the flux, 95 %)")
        for k, path in enumerate(self.pathways):
            share = f"{self.pathway_shares[k]:.4g}"
            lines.append(f"{share:<26}  {' → '.join(names[state] for state in path)}")
        return "\n".join(lines)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the network, macrostates along the committor; gives the matplotlib axes."""
        from mdtok.report import plot_flux_network

        return plot_flux_network(self, ax=ax)


def reactive_flux(
    dtrajs: list[np.ndarray],
    lagtime: int,
    source: int | Sequence[int],
    target: int | Sequence[int],
    macrostates: np.ndarray | None = None,
    macrostate_names: list[str] | None = None,
    dt_ps: float = 1.0,
    n_samples: int = 100,
    seed: int = 0,
    progress: bool = True,
) -> FluxNetwork:
    """Network of reactive fluxes between macrostates by transition path theory, with Bayesian 95 % intervals.

    Committors and fluxes are those of the states of an MSM (deeptime); the fluxes are then summed between macrostates.
    The flux is taken apart into pathways of macrostates, the one with the widest bottleneck first.

    Parameters
    ----------
    dtrajs : list of int arrays, shape (n_frames,) each
    lagtime : int
        In frames.
    source, target : int or list of int
        Macrostates.
    macrostates : int array, shape (n_states,), optional
        Macrostate of each state; every state is its own if not given.
    macrostate_names : list of str, optional
    dt_ps : float
    n_samples : int
        Posterior samples; 0 for none (intervals are NaN).
    seed : int
    progress : bool

    Returns
    -------
    FluxNetwork

    Raises
    ------
    SettingsError
        Source and target overlap or name no macrostate, or names do not fit the macrostates.
    DataError
        Source or target is not in the connected set of the MSM.

    Notes
    -----
    How a flux falls into pathways is not unique: shares are those of the widest-first decomposition (Metzner et al.),
    up to 99 % of the flux. Fluxes, committors and the MFPT do not depend on it.

    References
    ----------
    P. Metzner, C. Schütte, E. Vanden-Eijnden, Multiscale Model. Simul. 7, 1192 (2009);
    F. Noé, C. Schütte, E. Vanden-Eijnden, L. Reich, T. Weikl, Proc. Natl. Acad. Sci. USA 106, 19011 (2009), eqs. 2-6.

    Examples
    --------
    >>> there_and_back = np.array([0, 0, 1, 2, 2, 1] * 50 + [0])
    >>> network = reactive_flux([there_and_back], 1, source=0, target=2, n_samples=0)
    >>> network.pathways, network.committors.value.round(2).tolist()
    ([(0, 1, 2)], [0.0, 0.5, 1.0])
    """
    dtrajs = as_dtrajs(dtrajs, None if macrostates is None else len(macrostates))
    check_lagtime(dtrajs, lagtime)
    macrostates = np.arange(count_states(dtrajs)) if macrostates is None else np.asarray(macrostates)
    n_macrostates = int(macrostates.max()) + 1
    source, target = as_ends(source, target)
    if max(*source, *target) >= n_macrostates:
        raise SettingsError(f"source is {source}, target {target}; macrostates are 0 .. {n_macrostates - 1}.")
    names = [str(name) for name in (range(n_macrostates) if macrostate_names is None else macrostate_names)]
    if len(names) != n_macrostates:
        raise SettingsError(f"{len(names)} macrostate names were given for {n_macrostates} macrostates.")
    msm = fit_msm(count_matrix(dtrajs, lagtime, len(macrostates)), lagtime)
    members = macrostates[msm.count_model.state_symbols]
    _require_connected(members, {"source": source, "target": target}, names, lagtime)
    figures = _Figures(msm.transition_matrix, msm.stationary_distribution, members, n_macrostates, source, target)
    samples = []
    if n_samples:
        with (
            tracked(total=2 * n_samples, desc="reactive flux", delay=2, disable=not progress) as bar,
            warnings.catch_warnings(),
        ):
            # where hardly anything is known of a state, some samples hardly connect it: the interval says so
            warnings.filterwarnings("ignore", category=SpectralWarning)
            warnings.filterwarnings("ignore", category=LinAlgWarning)
            for matrix, distribution in zip(*draw_posterior(msm, n_samples, seed, bar.update)):
                samples.append(_Figures(matrix, distribution, members, n_macrostates, source, target))
                bar.update()
    pathways = [path for path, share in figures.shares.items() if share >= _LEAST_SHARE]

    def estimate(figure):
        drawn = [figure(sample) for sample in samples] or [np.full(np.shape(figure(figures)), np.nan)]
        return Estimate.from_samples(figure(figures), drawn)

    step_ps = lagtime * dt_ps
    return FluxNetwork(
        source,
        target,
        int(lagtime),
        dt_ps,
        names,
        populations=estimate(lambda found: found.populations),
        committors=estimate(lambda found: found.committors),
        net_flux_per_ps=estimate(lambda found: found.net_flux) * (1 / step_ps),
        total_flux_per_ps=estimate(lambda found: found.total_flux) * (1 / step_ps),
        mfpt_ps=estimate(lambda found: found.mfpt) * step_ps,
        pathways=pathways,
        pathway_shares=estimate(lambda found: np.array([found.shares.get(path, 0.0) for path in pathways])),
        micro_flux=figures.micro_flux,
        micro_states=msm.count_model.state_symbols,
    )


def _require_connected(members, ends, names, lagtime):
    for end, states in ends.items():
        if not np.isin(members, states).any():
            raise DataError(
                f"The {end} ({name_states(states, names)}) is not connected to the other states at lag {lagtime}: "
                "these "
                "trajectories do not both enter and leave it. Choose a shorter lag, or longer trajectories."
            )


class _Figures:
    """What transition path theory says of one transition matrix, per lag time, on macrostates."""

    def __init__(self, matrix, distribution, members, n_macrostates, source, target):
        ends = (np.flatnonzero(np.isin(members, states)) for states in (source, target))
        self.micro_flux = deeptime_reactive_flux(matrix, *ends, stationary_distribution=distribution)
        sets, coarse = self.micro_flux.coarse_grain([np.flatnonzero(members == state) for state in np.unique(members)])
        order = np.array([members[min(states)] for states in sets])  # deeptime puts source first and target last
        self.populations, self.committors = np.zeros(n_macrostates), np.full(n_macrostates, np.nan)
        self.net_flux = np.zeros((n_macrostates, n_macrostates))
        self.populations[order], self.committors[order] = coarse.stationary_distribution, coarse.forward_committor
        self.net_flux[np.ix_(order, order)] = coarse.net_flux
        self.total_flux, self.mfpt = coarse.total_flux, coarse.mfpt
        with warnings.catch_warnings():  # of many pathways the main ones are enough
            warnings.filterwarnings("ignore", "Maximum number of iterations reached", RuntimeWarning)
            paths, capacities = coarse.pathways(fraction=_FRACTION, maxiter=_MOST_PATHWAYS)
        self.shares = {tuple(order[path].tolist()): flux / self.total_flux for path, flux in zip(paths, capacities)}
