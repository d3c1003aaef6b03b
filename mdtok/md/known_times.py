"""Times of a potential that are known beforehand, from far longer simulations or from algebra, with their source."""

from dataclasses import dataclass

import numpy as np

from mdtok.errors import SettingsError
from mdtok.md.definition_checks import is_number

_KEYS = ("source", "timescales_ps", "mfpt_ps")


@dataclass(frozen=True, eq=False)
class KnownTimes:
    """The key ``known`` of the system.yaml of a potential. Populations are not in it: they follow from the potential.

    Attributes
    ----------
    source : str
        Where the times are from; it stands in the report.
    timescales_ps : tuple of float
        Of the slowest processes, slowest first.
    mfpt_ps : ndarray of float, shape (n_states, n_states)
        Mean first passage times between the states, row from, column to; 0 on the diagonal.
    """

    source: str
    timescales_ps: tuple
    mfpt_ps: np.ndarray

    @classmethod
    def read(cls, system: str, content: dict, states: list[str]) -> "KnownTimes":
        """Check what a system.yaml says.

        Parameters
        ----------
        system : str
            Name of the system, for messages.
        content : dict
            ``source``, ``timescales_ps`` (a list) and ``mfpt_ps`` (``{from: {to: time}}``).
        states : list of str
            Names of the states of the potential.

        Raises
        ------
        SettingsError
            A key is unknown or missing, or has a value out of range.

        Examples
        --------
        >>> passages = {"left": {"right": 50.0}, "right": {"left": 20.0}}
        >>> content = {"source": "algebra", "timescales_ps": [14.3], "mfpt_ps": passages}
        >>> KnownTimes.read("two_wells", content, ["left", "right"]).mfpt_ps
        array([[ 0., 50.],
               [20.,  0.]])
        """
        if not isinstance(content, dict) or set(content) != set(_KEYS):
            raise SettingsError(f"{system}: known must hold {', '.join(_KEYS)}, and nothing else.")
        source, times, passages = (content[key] for key in _KEYS)
        if not isinstance(source, str) or not source.strip():
            raise SettingsError(f"{system}: source of known is {source!r}; where the times are from was expected.")
        are_times = isinstance(times, (list, tuple)) and len(times) > 0 and all(map(_is_time, times))
        if not are_times or list(times) != sorted(times, reverse=True):
            raise SettingsError(f"{system}: timescales_ps is {times!r}; times above 0, slowest first, were expected.")
        if len(times) >= len(states):
            raise SettingsError(
                f"{system}: {len(times)} timescales_ps are known; {len(states)} states have {len(states) - 1} at most."
            )
        return cls(" ".join(source.split()), tuple(map(float, times)), _read_passages(system, passages, states))


def _read_passages(system, passages, states):
    mfpt_ps = np.zeros((len(states), len(states)))
    for i, before in enumerate(states):
        others = [state for state in states if state != before]
        row = passages.get(before) if isinstance(passages, dict) and set(passages) == set(states) else None
        if not isinstance(row, dict) or set(row) != set(others) or not all(map(_is_time, row.values())):
            raise SettingsError(
                f"{system}: mfpt_ps must give times above 0 from each of the states {', '.join(states)} to each of the "
                f"others, like '{before}: {{{': 100, '.join(others)}: 100}}'."
            )
        mfpt_ps[i, [states.index(after) for after in others]] = [row[after] for after in others]
    return mfpt_ps


def _is_time(value):
    return is_number(value) and value > 0
