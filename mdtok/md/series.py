"""Files of one run: GROMACS's ``.part0002`` and numbered pieces whose times go on, put in a row."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mdtok.md.frame_times import overruled, spacing_of_rows, without_repeats

log = logging.getLogger(__name__)

_PART = re.compile(r"(?P<run>.+)\.part(?P<number>\d{4,})")


@dataclass(frozen=True)
class Piece:
    """One file of a trajectory, and the frames of it that count (None: all of them)."""

    path: Path
    n_frames_in_file: int
    rows: np.ndarray | None = None

    @property
    def n_frames(self) -> int:
        """Frames that count."""
        return self.n_frames_in_file if self.rows is None else len(self.rows)


def in_series(paths: list[Path], headers: list, dt_ps: float | None) -> tuple[list[list[Piece]], list[float | None]]:
    """Files put in a row where they are of one run: a list of pieces for each trajectory, and its time between frames.

    Repeated frames are left out: within a file where it was restarted, and of a file what the next one has again.

    Parameters
    ----------
    paths : list of Path
    headers : list of Header
    dt_ps : float, optional
        What the user says; where the times of a file say otherwise, they are not believed.

    Raises
    ------
    DataError
        Frames of a run are not equally far apart.
    """
    runs: list[list[int]] = []
    for k in range(len(paths)):
        if runs and _goes_on(paths[runs[-1][-1]], headers[runs[-1][-1]], paths[k], headers[k], dt_ps):
            runs[-1].append(k)
        else:
            runs.append([k])
    pieces, spacings = [], []
    for run in runs:
        found, spacing = _pieces([paths[k] for k in run], [headers[k] for k in run], dt_ps)
        if len(run) > 1:
            log.warning(
                "%s are one run: they are put in a row by their times.", " and ".join(str(paths[k]) for k in run)
            )
        pieces.append(found)
        spacings.append(spacing)
    return pieces, spacings


def _goes_on(path, header, next_path, next_header, dt_ps):
    """Whether a file is the next piece of the run of another one: by its name, and by its times."""
    run, number = _run_of(path)
    next_run, next_number = _run_of(next_path)
    times, later = header.times_ps, next_header.times_ps
    if run != next_run or number is None or next_number is None or next_number <= number:
        return False
    if times is None or later is None or (dt_ps is not None and overruled(str(path), times, dt_ps, said=False)):
        return False
    step = float(np.median(np.diff(times)))
    return times[0] < later[0] <= times[-1] + 1.001 * step


def _run_of(path):
    """What files of one run have in common, and the number of this one."""
    part = _PART.fullmatch(path.stem)
    if part:
        return (path.parent, part["run"], path.suffix, "part"), int(part["number"])
    digits = re.findall(r"\d+", path.stem)
    if digits:
        return (path.parent, re.sub(r"\d+(?=\D*$)", "#", path.stem), path.suffix), int(digits[-1])
    return (path.parent, path.stem, path.suffix, "part"), 1  # run.xtc comes before run.part0002.xtc


def _pieces(paths, headers, dt_ps):
    name = str(paths[0])
    known = [header.times_ps for header in headers]
    if known[0] is None or overruled(name, known[0], dt_ps):
        return [Piece(path, header.n_frames) for path, header in zip(paths, headers)], None
    times = np.concatenate(known)
    rows = without_repeats(name, times)
    spacing = spacing_of_rows(name, times[rows])
    pieces, start = [], 0
    for path, header in zip(paths, headers):
        mine = rows[(rows >= start) & (rows < start + header.n_frames)] - start
        if len(mine):
            pieces.append(Piece(path, header.n_frames, None if len(mine) == header.n_frames else mine))
        start += header.n_frames
    return pieces, spacing
