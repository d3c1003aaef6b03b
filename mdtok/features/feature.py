"""What every feature of a molecule is: named columns computed from frames."""

from abc import ABC, abstractmethod


class Feature(ABC):
    """Columns computed from coordinates, for a `Featurizer`."""

    @abstractmethod
    def names(self, topology):
        """Column names, list of str; a molecule that does not fit is refused here, before coordinates are read."""

    def periodic(self, topology):
        """Which columns are angles in radians, -pi .. pi, list of bool; none unless a feature says so."""
        return [False] * len(self.names(topology))

    @abstractmethod
    def transform(self, traj):
        """The columns of each frame of an mdtraj.Trajectory, ndarray of float32, shape (n_frames, n_columns)."""
