"""Where a protein is folded half of the time: simulations at several temperatures, and van 't Hoff's line through
them."""

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mdtok.errors import DataError, SettingsError
from mdtok.features import Featurizer, NativeFraction, native_contacts
from mdtok.kinetics.estimation.estimate import Estimate, as_plain
from mdtok.kinetics.estimation.passages import independent_units
from mdtok.kinetics.folding import FOLDED, UNFOLDED, folding_states
from mdtok.md import load_system, run_replicas
from mdtok.md.constants import GAS_CONSTANT_KJ_MOL_K
from mdtok.md.definition import load_definition
from mdtok.progress import tracked
from mdtok.storage import write_json
from mdtok.tokens.commitment import count_transitions
from mdtok.workflows.command_line import OneStageSettings, positional, say_how_to_resume, setting

log = logging.getLogger(__name__)

_EQUILIBRATION = 0.1  # of each replica: half of them start stretched out
_SEEN = 0.02  # a folded share nearer to 0 or 1 says little of the line


@dataclass
class FoldingTemperature:
    """What `find_folding_temperature` found.

    Attributes
    ----------
    temperatures_kelvin : ndarray, shape (n_temperatures,)
    folded_share : Estimate, shape (n_temperatures,)
    n_foldings, n_unfoldings : ndarray of int, shape (n_temperatures,)
        Passages between the cores, Q below 0.3 and above 0.7.
    temperature_kelvin : Estimate
        Where the line has as much folded as unfolded, with its 95 % interval.
    enthalpy_kj_mol : Estimate
        Of unfolding.
    length_ns : float
        Simulated at each temperature.
    """

    temperatures_kelvin: np.ndarray
    folded_share: Estimate
    n_foldings: np.ndarray
    n_unfoldings: np.ndarray
    temperature_kelvin: Estimate
    enthalpy_kj_mol: Estimate
    length_ns: float

    def __str__(self) -> str:
        lines = [f"{'T (K)':>8}  {'folded share (95 %)':<22}  {'foldings':>8}  {'unfoldings':>10}"]
        for k, temperature in enumerate(self.temperatures_kelvin):
            share = f"{self.folded_share[k]:.3f}"
            lines.append(f"{temperature:>8.1f}  {share:<22}  {self.n_foldings[k]:>8}  {self.n_unfoldings[k]:>10}")
        return "\n".join(
            [
                *lines,
                "",
                f"folding temperature {self.temperature_kelvin:.1f} K, "
                f"enthalpy of unfolding {self.enthalpy_kj_mol:.0f} kJ/mol, "
                f"from {self.length_ns:g} ns at each temperature",
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return as_plain(vars(self))


def fit_folding_temperature(
    temperatures_kelvin: Sequence[float],
    dtrajs: list[list[np.ndarray]],
    length_ns: float = np.nan,
    n_bootstrap: int = 500,
    seed: int = 0,
) -> FoldingTemperature:
    """The folding temperature from trajectories of `folding_states` at several temperatures.

    The logarithm of folded over unfolded is a line in the inverse temperature (van 't Hoff), weighted by how well each
    share is known.

    Parameters
    ----------
    temperatures_kelvin : array, shape (n_temperatures,)
    dtrajs : list of lists of int arrays
        Of each temperature; frames before the first core (-1) do not count.
    length_ns : float
        Of all trajectories of a temperature, to be said in the result.
    n_bootstrap : int
        Resamplings of trajectories (of time blocks, where there are fewer than 8).
    seed : int

    Returns
    -------
    FoldingTemperature

    Raises
    ------
    DataError
        Folded and unfolded were not both seen at two temperatures, or more is folded where it is hotter.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> temperatures = np.array([330.0, 340.0, 350.0])
    >>> shares = 1 / (1 + np.exp(-200 / 8.314e-3 * (1 / temperatures - 1 / 342)))
    >>> chains = [[(rng.random(4000) < share).astype(int) for _ in range(8)] for share in shares]
    >>> round(float(fit_folding_temperature(temperatures, chains).temperature_kelvin.value))
    342
    """
    temperatures, rng = np.asarray(temperatures_kelvin, dtype=float), np.random.default_rng(seed)
    counts = [_count_units(of_temperature) for of_temperature in dtrajs]  # (n_units, 2) each: unfolded, folded
    shares = np.array([of_units[:, FOLDED].sum() / max(of_units.sum(), 1) for of_units in counts])
    n_seen = int(((shares > _SEEN) & (shares < 1 - _SEEN)).sum())
    if n_seen < 2:
        raise DataError(
            f"The folded share is {', '.join(f'{share:.2f}' for share in shares)} "
            f"at {', '.join(f'{t:.4g}' for t in temperatures)} K; "
            f"between {_SEEN} and {1 - _SEEN} at two temperatures at least was expected. "
            "Choose temperatures nearer to one another, or longer simulations."
        )
    at, heat = _fit_line(temperatures, shares)
    if not heat > 0:
        raise DataError("More is folded at higher temperatures; simulate longer, or look at the structure.")
    drawn_shares = np.empty((n_bootstrap, len(temperatures)))
    for k, of_units in enumerate(counts):
        weights = rng.multinomial(len(of_units), np.full(len(of_units), 1 / len(of_units)), size=n_bootstrap)
        drawn = weights @ of_units  # (n_bootstrap, 2)
        drawn_shares[:, k] = drawn[:, FOLDED] / np.maximum(drawn.sum(axis=1), 1)
    samples = np.array([_fit_line(temperatures, drawn) for drawn in drawn_shares])
    passages = np.array(
        [count_transitions([d[d >= 0] for d in of_temperature if d.max() >= 0], 2, [1])[0] for of_temperature in dtrajs]
    )
    return FoldingTemperature(
        temperatures,
        Estimate.from_samples(shares, drawn_shares),
        passages[:, UNFOLDED, FOLDED],
        passages[:, FOLDED, UNFOLDED],
        Estimate.from_samples(at, samples[:, 0]),
        Estimate.from_samples(heat, samples[:, 1]),
        length_ns,
    )


def _count_units(dtrajs):
    units = independent_units(dtrajs)
    return np.array([[np.count_nonzero(unit == state) for state in (UNFOLDED, FOLDED)] for unit in units])


def _fit_line(temperatures, shares):
    """Folding temperature and enthalpy of unfolding of the weighted line of the log-odds in 1 / T."""
    shares = np.clip(shares, _SEEN / 10, 1 - _SEEN / 10)
    log_odds, inverse = np.log(shares / (1 - shares)), 1 / temperatures
    slope, intercept = np.polyfit(inverse, log_odds, 1, w=np.sqrt(shares * (1 - shares)))
    with np.errstate(divide="ignore", invalid="ignore"):  # a line without a slope crosses nowhere
        return -slope / intercept, slope * GAS_CONSTANT_KJ_MOL_K


@dataclass
class FoldingTemperatureSettings(OneStageSettings):
    """Settings of the search for a folding temperature."""

    system: str = positional("Name of a system, or a folder with a system.yaml.")
    out: str = setting("runs/folding_temperature", "Folder of the simulations; what is there is not done again.")
    temperatures: list[float] = setting([325.0, 332.0, 340.0, 348.0, 355.0], "In kelvin, on both sides of it.")
    structure: str = setting("", "PDB file in place of the system's own.")
    n_replicas: int = setting(4, "Replicas at each temperature.")
    length_ns: float = setting(20.0, "Length of each replica.")
    n_processes: int = setting(0, "Replicas at once; 0: one a core.")

    GROUP = "simulation"
    QUICK = {"temperatures": [332.0, 348.0], "length_ns": 2.0}


def run_folding_temperature(settings: FoldingTemperatureSettings) -> FoldingTemperature:
    """`find_folding_temperature` as the settings say; the table goes to standard output."""
    structure = settings.structure or None
    _systems_at(settings.system, settings.temperatures, structure)  # what cannot be done is said before all else
    say_how_to_resume(settings)
    found = find_folding_temperature(
        settings.system,
        settings.temperatures,
        settings.out,
        settings.n_replicas,
        settings.length_ns,
        settings.seed,
        structure,
        settings.n_processes or None,
        settings.progress,
    )
    sys.stdout.write(f"{found}\n")
    return found


def find_folding_temperature(
    name: str | Path,
    temperatures_kelvin: Sequence[float],
    out: str | Path,
    n_replicas: int = 4,
    length_ns: float = 20.0,
    seed: int = 7,
    structure: str | Path | None = None,
    n_processes: int | None = None,
    progress: bool = True,
) -> FoldingTemperature:
    """Simulate a system at several temperatures, half of the replicas from unfolded starts, and fit where it folds.

    Parameters
    ----------
    name : str or path-like
        Of a system with the starts ``folded`` and ``unfolded``, such as ``fip35_calpha``.
    temperatures_kelvin : list of float
        Two or more, on both sides of the folding temperature.
    out : path-like
        Folder: ``<T>K/replica_<n>/`` and ``folding_temperature.json``. What was simulated is not simulated again.
    n_replicas : int
        At each temperature.
    length_ns : float
        Of each replica; the first tenth does not count.
    seed : int
    structure : path-like, optional
        PDB file in place of the system's own.
    n_processes : int, optional
    progress : bool

    Returns
    -------
    FoldingTemperature

    Raises
    ------
    SettingsError
        Fewer than two temperatures, or a system without these starts.
    DataError
        See `fit_folding_temperature`.
    """
    systems = _systems_at(name, temperatures_kelvin, structure)
    definition: Any = load_definition(name, structure=structure)
    native, dtrajs = native_contacts(definition.structure), []
    for system in tracked(systems, desc="temperatures", disable=not progress):
        folder = Path(out) / f"{system.temperature_kelvin:g}K"
        trajs = run_replicas(
            system, n_replicas, length_ns, seed, out=folder, n_processes=n_processes, progress=progress
        )
        of_system = Featurizer([NativeFraction(native, scheme="ca")]).fit(trajs).transform(trajs, progress=False)
        dtrajs.append([folding_states(q[int(_EQUILIBRATION * len(q)) :, 0]) for q in of_system])
    found = fit_folding_temperature([s.temperature_kelvin for s in systems], dtrajs, n_replicas * length_ns, seed=seed)
    write_json(Path(out) / "folding_temperature.json", found.to_dict())
    return found


def _systems_at(name, temperatures_kelvin, structure):
    """The system at each temperature, the coldest first."""
    temperatures = sorted({float(temperature) for temperature in temperatures_kelvin})
    if len(temperatures) < 2:
        raise SettingsError(
            f"{len(temperatures)} temperature was given; two at least, around the folding temperature, were expected."
        )
    systems = [load_system(name, temperature_kelvin=temperature, structure=structure) for temperature in temperatures]
    if not {"folded", "unfolded"} <= set(getattr(systems[0], "starts", ())):
        raise SettingsError(
            f"{systems[0].name} has no starts folded and unfolded; a structure-based model was expected."
        )
    return systems
