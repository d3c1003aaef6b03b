"""Columns of features that are angles or reals: checked for what they are said to be, and put in a network's units."""

import operator
from dataclasses import dataclass

import numpy as np

from mdtok.errors import DataError, SettingsError
from mdtok.models.densities.torus_mixture import wrap

_LITTLE = 1e-4  # radians; angles of single precision end a little above π
_SMOOTH = 1.0  # radians; what jumps by more than half a turn and is a smaller step on the circle, is an angle


@dataclass
class ColumnKinds:
    """Which columns are angles, and the mean and deviation of those that are reals.

    Angles are single columns in radians, or pairs of columns, cosine and sine, as runs encode them.

    Attributes
    ----------
    n_given : int
        Columns of the frames as they are given.
    angles : tuple of int
        Columns in radians.
    circles : tuple of int
        First column of each pair of cosine and sine.
    mean, std : ndarray, shape (n_columns,), or None
        Of the training frames, once they are known; 0 and 1 for angles.

    Examples
    --------
    >>> kinds = ColumnKinds(3, circles=(0,))
    >>> kinds.is_angle, kinds.to_columns(np.array([[0.0, 1.0, 7.0]])).round(3)
    ((True, False), array([[1.571, 7.   ]]))
    """

    n_given: int
    angles: tuple[int, ...] = ()
    circles: tuple[int, ...] = ()
    mean: np.ndarray | None = None
    std: np.ndarray | None = None

    def __post_init__(self):
        for name, taken in (("angles", self.angles), ("circles", [c for k in self.circles for c in (k, k + 1)])):
            wrong = [column for column in taken if not 0 <= column < self.n_given]
            if wrong or len(set(taken)) < len(taken):
                raise SettingsError(
                    f"{name} are {list(getattr(self, name))}; different columns of 0 to {self.n_given - 1} were "
                    "expected."
                )
        if self.angles and self.circles:
            raise SettingsError("angles were given, and the frames have cosines and sines of angles; give one of both.")

    @property
    def is_angle(self):
        """Whether each column of `to_columns` is an angle, a tuple of bool."""
        sines = {first + 1 for first in self.circles}
        known = {*self.angles, *self.circles}
        return tuple(column in known for column in range(self.n_given) if column not in sines)

    def to_columns(self, frames):
        """Frames (n_frames, n_given) as one column an angle, in radians, and one a real."""
        if not self.circles:
            return frames
        sines = [first + 1 for first in self.circles]
        made = frames.copy()
        made[:, list(self.circles)] = np.arctan2(frames[:, sines], frames[:, list(self.circles)])
        return np.delete(made, sines, axis=1)

    def from_columns(self, columns):
        """What `to_columns` was given, from arrays (..., n_columns)."""
        parts = []
        for column, is_angle in enumerate(self.is_angle):
            values = columns[..., column]
            parts += [np.cos(values), np.sin(values)] if is_angle and self.circles else [values]
        return np.stack(parts, axis=-1)

    def learn(self, columns):
        """Take mean and deviation of the reals from training frames, a list of arrays (n_frames, n_columns)."""
        frames, is_angle = np.concatenate(columns), np.array(self.is_angle)
        self.mean = np.where(is_angle, 0.0, frames.mean(axis=0))
        self.std = np.where(is_angle, 1.0, frames.std(axis=0))

    def standardise(self, columns):
        """Reals in units of their deviation, angles wrapped, float32."""
        made = (columns - self.mean) / self.std
        return np.where(self.is_angle, wrap(made), made).astype(np.float32)

    def restore(self, standardised):
        """The user's units again, float64."""
        return standardised.astype(np.float64) * self.std + self.mean

    @property
    def log_volume(self):
        """Logarithm of the volume of a unit cube of standardised columns, in the user's units."""
        return float(np.log(self.std).sum())


def as_column_numbers(angles):
    """Columns that are angles as a tuple of int; SettingsError where they are none."""
    try:
        return tuple(operator.index(column) for column in angles)
    except TypeError:
        raise SettingsError(f"angles is {angles!r}; numbers of columns were expected, such as [0, 1].") from None


def require_kinds(columns, is_angle):
    """DataError where a column is constant, or is not what it is said to be: an angle in radians, or a real.

    Parameters
    ----------
    columns : list of arrays, shape (n_frames, n_columns) each
        Training trajectories.
    is_angle : sequence of bool, length n_columns
    """
    frames = np.concatenate(columns)
    jumps = np.concatenate([np.diff(part, axis=0) for part in columns])
    for column, angle in enumerate(is_angle):
        values, largest = frames[:, column], float(np.abs(frames[:, column]).max())
        if np.ptp(values) <= 1e-9 * largest:
            raise DataError(f"Column {column} is the same in every frame; leave it out.")
        if angle and largest > np.pi + _LITTLE:
            raise DataError(
                f"Column {column} is said to be an angle and has the value {values[np.abs(values).argmax()]:.4g}; "
                "radians from -pi to pi were expected: take it out of angles, or convert it."
            )
        for half_turn, unit in ((np.pi, "radians"), (180.0, "degrees")):
            if not angle and looks_like_an_angle(values * np.pi / half_turn, jumps[:, column] * np.pi / half_turn):
                raise DataError(
                    f"Column {column} is said to be a real, and jumps between -{half_turn:.4g} and {half_turn:.4g} as "
                    f"an angle in {unit} does; name it in angles{', in radians' if unit == 'degrees' else ''}."
                )


def looks_like_an_angle(values, steps):
    """Whether values stay within ±π and their steps of more than half a turn are small ones on the circle.

    Examples
    --------
    >>> walk = wrap(np.arange(100) * 0.3)
    >>> looks_like_an_angle(walk, np.diff(walk)), looks_like_an_angle(np.sin(walk), np.diff(np.sin(walk)))
    (True, False)
    """
    far = steps[np.abs(steps) > np.pi]
    inside = np.abs(values).max() <= np.pi + _LITTLE
    return bool(inside and len(far) and np.median(np.abs(wrap(far))) < _SMOOTH)
