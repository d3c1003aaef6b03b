"""How a protein folds, by the same estimators in MD and in what a model generated."""

from dataclasses import dataclass

import numpy as np

from mdtok.errors import DataError
from mdtok.kinetics.estimation.estimate import Estimate, as_plain
from mdtok.kinetics.estimation.passages import mfpt_counted
from mdtok.kinetics.flux_network import FluxNetwork, reactive_flux
from mdtok.kinetics.free_energy import FreeEnergyProfile, free_energy_profile, profile_of_histograms
from mdtok.kinetics.transition_paths import TransitionPaths, find_transition_paths
from mdtok.tokens.commitment import count_transitions, hold_last
from mdtok.tokens.dtrajs import as_dtrajs

UNFOLDED, FOLDED = 0, 1
UNFOLDED_BELOW_Q, FOLDED_ABOVE_Q = 0.3, 0.7
_HALFWAY_Q = (UNFOLDED_BELOW_Q + FOLDED_ABOVE_Q) / 2
_CONTACTS_PER_BIN = 3


def core_of(q: np.ndarray) -> np.ndarray:
    """Unfolded (0), folded (1), or -1 between the two, of each fraction of native contacts.

    Examples
    --------
    >>> core_of([0.1, 0.5, 0.9])
    array([ 0, -1,  1])
    """
    q = np.asarray(q)
    return np.where(q < UNFOLDED_BELOW_Q, UNFOLDED, np.where(q > FOLDED_ABOVE_Q, FOLDED, -1))


def folding_states(q: np.ndarray) -> np.ndarray:
    """Unfolded (0) or folded (1) at every frame: the core that was visited last, -1 before the first.

    Parameters
    ----------
    q : array, shape (n_frames,)
        Fraction of native contacts.

    Returns
    -------
    ndarray of int64, shape (n_frames,)

    Examples
    --------
    >>> folding_states(np.array([0.5, 0.1, 0.6, 0.8, 0.4]))
    array([-1,  0,  0,  1,  1])
    """
    return hold_last(core_of(q))


def mean_by_state(q: list[np.ndarray], dtrajs: list[np.ndarray], n_states: int) -> np.ndarray:
    """Mean fraction of native contacts in each state, shape (n_states,); 0 where no frame is."""
    tokens = np.concatenate(dtrajs)
    return np.bincount(tokens, np.concatenate(q), n_states) / np.maximum(np.bincount(tokens, minlength=n_states), 1)


def cores_of_states(q: list[np.ndarray], dtrajs: list[np.ndarray], n_states: int) -> np.ndarray:
    """Which states are unfolded (0) and which folded (1), by their mean fraction of native contacts; -1 for the others.

    Parameters
    ----------
    q : list of float arrays, shape (n_frames,) each
    dtrajs : list of int arrays, shape (n_frames,) each
    n_states : int

    Returns
    -------
    ndarray of int, shape (n_states,)

    Raises
    ------
    DataError
        No state is unfolded, or none is folded.

    Examples
    --------
    >>> cores_of_states([np.array([0.1, 0.5, 0.9])], [np.array([2, 1, 0])], 3)
    array([ 1, -1,  0])
    """
    mean = mean_by_state(q, dtrajs, n_states)
    cores = core_of(mean)
    if not {UNFOLDED, FOLDED} <= set(cores.tolist()):
        raise DataError(
            f"Q of the states is {mean.min():.2f} to {mean.max():.2f}; a folded one (above {FOLDED_ABOVE_Q}) and an "
            f"unfolded one (below {UNFOLDED_BELOW_Q}) were expected. Longer trajectories may reach both."
        )
    return cores


@dataclass
class FoldingEvents:
    """Passages between the cores in MD, frame by frame.

    Attributes
    ----------
    folded_share : float
        Of the frames, each given to the core that was visited last.
    n_foldings, n_unfoldings : int
    mfpt_ps : Estimate, shape (2, 2)
        Between the cores, unfolded (0) and folded (1).
    profile : FreeEnergyProfile
        Along Q.
    """

    folded_share: float
    n_foldings: int
    n_unfoldings: int
    mfpt_ps: Estimate
    profile: FreeEnergyProfile

    @classmethod
    def of(cls, q: list[np.ndarray], n_contacts: int, dt_ps: float, seed: int = 0) -> "FoldingEvents":
        """Count them along Q.

        Parameters
        ----------
        q : list of float arrays, shape (n_frames,) each
            Fraction of native contacts.
        n_contacts : int
            Native contacts: Q goes nearly in steps of one of them, which bins of the profile have to respect.
        dt_ps : float
        seed : int

        Raises
        ------
        DataError
            Nothing was folded, or nothing unfolded.
        """
        at = [states[states >= 0] for states in map(folding_states, q)]
        at = [states for states in at if len(states)]
        edges = (np.arange(0, n_contacts + _CONTACTS_PER_BIN, _CONTACTS_PER_BIN) - 0.5) / n_contacts
        edges[-1] = max(edges[-1], 1.0)
        profile = free_energy_profile(q, edges, _HALFWAY_Q, seed=seed)
        passages = count_transitions(at, 2, [1])[0]
        share = float(np.concatenate(at).mean()) if at else np.nan
        return cls(
            share,
            int(passages[UNFOLDED, FOLDED]),
            int(passages[FOLDED, UNFOLDED]),
            mfpt_counted(at, dt_ps, 2, seed=seed),
            profile,
        )

    def __str__(self):
        return (
            f"{self.n_foldings} foldings and {self.n_unfoldings} unfoldings, "
            f"{100 * self.folded_share:.0f} % of the time folded, "
            f"folding MFPT {self.mfpt_ps[UNFOLDED, FOLDED]:,.0f} ps, "
            f"unfolding MFPT {self.mfpt_ps[FOLDED, UNFOLDED]:,.0f} ps; free energy along Q: {self.profile}"
        )

    def to_dict(self) -> dict:
        """For JSON."""
        return as_plain(vars(self))


def profile_of_tokens(
    chains: list[np.ndarray],
    q: list[np.ndarray],
    dtrajs: list[np.ndarray],
    n_states: int,
    edges: np.ndarray,
    seed: int = 0,
) -> FreeEnergyProfile:
    """Free energy along Q of generated tokens: each token stands for the Q that MD has in that state.

    Parameters
    ----------
    chains : list of int arrays
        Generated tokens.
    q, dtrajs : lists of arrays, shape (n_frames,) each
        Of MD.
    n_states : int
    edges : array, shape (n_bins + 1,)
        Of the bins along Q.
    seed : int

    Returns
    -------
    FreeEnergyProfile

    Raises
    ------
    DataError
        The chains are never folded, or never unfolded.
    """
    tokens, bins = np.concatenate(dtrajs), np.clip(np.digitize(np.concatenate(q), edges) - 1, 0, len(edges) - 2)
    of_state = np.zeros((n_states, len(edges) - 1))
    np.add.at(of_state, (tokens, bins), 1)
    of_state /= np.maximum(of_state.sum(axis=1, keepdims=True), 1)
    visits = np.array([np.bincount(chain, minlength=n_states) for chain in as_dtrajs(chains, n_states)])
    return profile_of_histograms(visits @ of_state, edges, _HALFWAY_Q, seed=seed)


@dataclass
class Folding:
    """How one group of trajectories folds.

    Attributes
    ----------
    mfpt_ps : Estimate, shape (2, 2)
        Between the cores, unfolded (0) and folded (1), counted.
    paths : TransitionPaths
        From the unfolded to the folded core.
    flux : FluxNetwork
        Of transition path theory, from the unfolded to the native macrostate.
    """

    mfpt_ps: Estimate
    paths: TransitionPaths
    flux: FluxNetwork

    @classmethod
    def of(
        cls,
        dtrajs: list[np.ndarray],
        cores: np.ndarray,
        data,
        ends: tuple[int, int],
        lagtime: int,
        dt_ps: float,
        seed: int = 0,
        progress: bool = True,
    ) -> "Folding":
        """Folding of some trajectories in the states of a run.

        Parameters
        ----------
        dtrajs : list of int arrays
        cores : int array, shape (n_states,)
            Whether a state is of the unfolded core (0), of the folded one (1), or of none (-1).
        data : TokenisedData
            Knows the macrostates.
        ends : pair of int
            The unfolded and the native macrostate.
        lagtime : int
            Frames, of the Markov model behind the fluxes.
        dt_ps : float
        seed : int
        progress : bool

        Raises
        ------
        DataError
            One of the cores, or of the macrostates, is never visited.
        """
        at = [cores[dtraj] for dtraj in dtrajs]
        paths = find_transition_paths(at, UNFOLDED, FOLDED, dt_ps, seed=seed)
        held = [states[states >= 0] for states in map(hold_last, at)]
        flux = reactive_flux(
            dtrajs, lagtime, *ends, data.macrostates, data.macrostate_names, dt_ps, seed=seed, progress=progress
        )
        return cls(mfpt_counted([d for d in held if len(d)], dt_ps, 2, seed=seed), paths, flux)

    def to_dict(self) -> dict:
        """For JSON."""
        return as_plain(vars(self))
