"""The errors that mdtok raises on purpose: one line each, what was seen, what was expected, what to do.

Scripts end with exit status 2 on any of them; everything else is a bug and keeps its traceback.
"""


class MdtokError(Exception):
    """Base of every error that a user can mend."""


class SettingsError(MdtokError, ValueError):
    """A setting is unknown, out of range, or at odds with another."""


class DataError(MdtokError, ValueError):
    """Trajectories, features or tokens that cannot be used as they are."""


class StructureError(MdtokError, ValueError):
    """A molecular structure or topology that is not what it should be."""


class PlatformError(MdtokError, RuntimeError):
    """A compute platform that was named is not there or does not work."""


class RunFolderError(MdtokError, RuntimeError):
    """A run folder that holds something else, or lacks what a stage needs."""
