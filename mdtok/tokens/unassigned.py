"""Frames of no state (token -1): the last core goes on, the trajectory is cut there, or they are a state."""

from __future__ import annotations

import logging

import numpy as np

from mdtok.checks import require_one_of
from mdtok.errors import DataError
from mdtok.tokens.dtrajs import as_dtrajs, cut_outside

log = logging.getLogger(__name__)

UNASSIGNED = -1
WAYS = ("last-core", "cut", "state")


def assign_unassigned(dtrajs: list[np.ndarray], how: str = "last-core") -> list[np.ndarray]:
    """Trajectories without -1.

    Parameters
    ----------
    dtrajs : list of int arrays, shape (n_frames,) each
        -1 marks frames that are assigned to no state.
    how : {"last-core", "cut", "state"}
        ``last-core``: they belong to the core that was visited last (milestoning; Buchete and Hummer, J. Phys. Chem. B
        112, 6057 (2008)); what is before the first core is left out. ``cut``: they are left out, and each trajectory
        falls into the pieces between; where -1 stands at jumps, this keeps the long visits and loses the jumps.
        ``state``: they stay -1, a state like the others.

    Returns
    -------
    list of int arrays

    Raises
    ------
    DataError
        No frame is assigned.

    Examples
    --------
    >>> [dtraj.tolist() for dtraj in assign_unassigned([np.array([-1, 0, -1, -1, 1, 1, -1])])]
    [[0, 0, 0, 1, 1, 1]]
    >>> [dtraj.tolist() for dtraj in assign_unassigned([np.array([-1, 0, -1, -1, 1, 1, -1])], how="cut")]
    [[0], [1, 1]]
    """
    require_one_of("unassigned", how, WAYS)
    dtrajs = as_dtrajs(dtrajs, outside=True)
    n_unassigned = sum(int((dtraj == UNASSIGNED).sum()) for dtraj in dtrajs)
    if n_unassigned == 0 or how == "state":
        return dtrajs
    n_frames = sum(map(len, dtrajs))
    if n_unassigned == n_frames:
        raise DataError("Every frame is -1, assigned to no state; tokens 0, 1, 2, … were expected.")
    share = f"{n_unassigned} of {n_frames} frames are -1, assigned to no state"
    if how == "cut":
        log.warning(
            "%s, and with them %.0f %% of the jumps are cut out (--unassigned last-core cuts none).",
            share,
            100 * _share_of_jumps(dtrajs),
        )
        return cut_outside(dtrajs, min_length=1)[1]
    log.info("%s: there the last core goes on (--unassigned cut or state does otherwise).", share)
    return [filled for dtraj in dtrajs if len(filled := _go_on(dtraj))]


def _go_on(dtraj):
    assigned = dtraj != UNASSIGNED
    if not assigned.any():
        return dtraj[:0]
    last = np.maximum.accumulate(np.where(assigned, np.arange(len(dtraj)), -1))
    return dtraj[last[int(np.argmax(assigned)) :]]


def _share_of_jumps(dtrajs):
    """Share of the jumps from one state to another between which there are frames without a state."""
    n_jumps = n_over = 0
    for dtraj in dtrajs:
        places = np.flatnonzero(dtraj != UNASSIGNED)
        states, steps = dtraj[places], np.diff(places)
        jumps = states[1:] != states[:-1]
        n_jumps, n_over = n_jumps + int(jumps.sum()), n_over + int((jumps & (steps > 1)).sum())
    return n_over / max(1, n_jumps)
