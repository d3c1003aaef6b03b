"""Times of frames: equally far apart, rows that a restart repeats, and what a user says against a file."""

from __future__ import annotations

import logging

import numpy as np

from mdtok.errors import DataError

log = logging.getLogger(__name__)

_MOST_REPEATED = 0.25  # of the rows; more is another run that begins anew


def spacing_of_rows(name: str, times: np.ndarray) -> float | None:
    """Picoseconds between rows; None for a single row.

    Raises
    ------
    DataError
        Rows are not equally far apart, and where.
    """
    times = np.asarray(times, dtype=float)
    if len(times) < 2:
        return None
    steps = np.diff(times)
    typical = float(np.median(steps))
    tolerance = 1e-3 * abs(typical) + 4 * np.finfo(np.float32).eps * np.abs(times).max()  # XTC stores float32
    odd = np.flatnonzero(~(np.abs(steps - typical) <= tolerance))
    if len(odd) or not typical > 0:
        at = odd[0] if len(odd) else 0
        raise DataError(
            f"{name} goes from {times[at]:g} to {times[at + 1]:g} ps between frames {at} and {at + 1}, "
            f"but most frames are {typical:g} ps apart; cut it there, or say --dt-ps if its times are wrong."
        )
    return float(f"{(times[-1] - times[0]) / len(steps):.6g}")


def without_repeats(name: str, times: np.ndarray) -> np.ndarray:
    """Indices of the frames to keep where a run was restarted: of a time that comes again, the last one.

    Parameters
    ----------
    name : str
        Of the file.
    times : ndarray of float, shape (n_frames,)

    Raises
    ------
    DataError
        More than a quarter of the frames would go: that is another run, not a restart.

    Examples
    --------
    >>> without_repeats("COLVAR", np.array([0.0, 1.0, 2.0, 3.0, 4.0, 4.0, 5.0, 6.0, 7.0]))
    array([0, 1, 2, 3, 5, 6, 7, 8])
    """
    times = np.asarray(times, dtype=float)
    later = np.minimum.accumulate(times[::-1])[::-1]
    kept = np.append(times[:-1] < later[1:] - 1e-9 * np.abs(times[:-1]), True)
    n_repeated = int((~kept).sum())
    if n_repeated == 0:
        return np.arange(len(times))
    at = int(np.flatnonzero(np.diff(times) <= 0)[0])
    if n_repeated > _MOST_REPEATED * len(times):
        raise DataError(
            f"{name} goes back from {times[at]:g} to {times[at + 1]:g} ps between frames {at} and {at + 1} and would "
            f"lose {n_repeated} of {len(times)} frames: it holds several runs; split it there, or say --dt-ps if "
            f"its times "
            "are wrong."
        )
    log.warning(
        "%s was restarted (frame %d is at %g ps, frame %d at %g ps): %d repeated frames are left out.",
        *(name, at, times[at], at + 1, times[at + 1], n_repeated),
    )
    return np.flatnonzero(kept)


def overruled(name: str, times: np.ndarray, dt_ps: float | None, said: bool = True) -> bool:
    """Whether the caller's time step stands against that of the file; said in the log where they differ.

    A restart is none: where the frames are as far apart as is said, but for some that come again, times are believed.
    """
    times = np.asarray(times, dtype=float)
    if dt_ps is None or len(times) < 2:
        return False
    typical = float(np.median(np.diff(times)))
    if abs(typical - dt_ps) <= 1e-3 * dt_ps:
        return False
    if said:
        log.warning(
            "%s has frames %g ps apart by its own times; the %g ps that were given are used.", name, typical, dt_ps
        )
    return True


def common_spacing(names, spacings, dt_ps: float | None) -> float | None:
    """The one time step of several files.

    Raises
    ------
    DataError
        They differ.
    """
    if dt_ps is not None:
        return dt_ps
    known = [(name, spacing) for name, spacing in zip(names, spacings) if spacing is not None]
    for name, spacing in known[1:]:
        if abs(spacing - known[0][1]) > 1e-3 * known[0][1]:
            raise DataError(
                f"{known[0][0]} has frames {known[0][1]:g} ps apart, {name} {spacing:g} ps; open files of one time "
                f"step "
                "only, or say --dt-ps if times are wrong."
            )
    return known[0][1] if known else None
