"""Judge what anything generated, from files: one molecule, or folders with one file a system."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mdtok.errors import DataError, SettingsError
from mdtok.features import load_features
from mdtok.features.named import named_features
from mdtok.kinetics.judging.field_metrics import told_metrics
from mdtok.kinetics.judging.judge import judge
from mdtok.kinetics.scoring.verdicts import equivalent_time, status
from mdtok.md import open_trajectories
from mdtok.md.files import find_files
from mdtok.storage import write_json
from mdtok.tokens.token_files import load_named_dtrajs
from mdtok.tokens.unassigned import WAYS, assign_unassigned
from mdtok.workflows.command_line import OneStageSettings, setting

log = logging.getLogger(__name__)

COORDINATES = (".xtc", ".dcd", ".h5", ".hdf5", ".lh5")
_TOPOLOGIES = (".pdb", ".gro", ".pdb.gz")


@dataclass
class JudgeSettings(OneStageSettings):
    """Settings of a judgement."""

    GROUP = "data"

    out: str = setting("runs/judged", "Folder of the report.")
    reference: list[str] = setting([], "MD to be reproduced: trajectories, features or tokens; or a folder of systems.")
    generated: list[str] = setting([], "NAME=PATTERN of each generator, or files of a single one.")
    training: list[str] = setting([], "What the generators learnt from; it must not overlap with the reference.")
    top: str = setting("", "Topology (PDB) of coordinates.")
    generated_top: str = setting("", "Topology of the generated ones, if it is another file.")
    dt_ps: float = setting(0.0, "Picoseconds between frames of the reference, where its files do not tell.")
    generated_dt_ps: list[str] = setting([], "The same of the generators, NAME=PS or one number for all.", names=True)
    time: bool = setting(True, "--no-time: ensembles in no order; populations and free energies are judged only.")
    tokens: bool = setting(False, "The files hold tokens; told by itself where they hold whole numbers.")
    columns: list[str] = setting([], "Columns of feature files, by name.", names=True)
    periodic: list[str] = setting([], "Columns that are angles in radians; phi=degrees for others.", names=True)
    features: str = setting("phi psi", "Features of coordinates, such as phi psi chi1.", group="features", names=True)
    n_states: int = setting(0, "Microstates (k-means); 0: from the length of the reference.", group="tokens")
    n_macrostates: int = setting(0, "Metastable states; 0: from the relaxation times.", group="tokens")
    unassigned: str = setting("last-core", "Frames of token -1: last-core, cut or state.", group="tokens")
    lagtime: int = setting(0, "Lag time in frames of the reference; 0: 10, or fewer if it is short.", group="referee")
    temperature_kelvin: float = setting(300.0, "For free energies in kJ/mol.", group="referee")

    def __post_init__(self):
        super().__post_init__()
        if not self.reference:
            raise SettingsError("Give --reference, files of the MD that is to be reproduced.")
        if not self.generated:
            raise SettingsError("Give --generated NAME=PATTERN, files of what is to be judged.")
        if self.unassigned not in WAYS:
            raise SettingsError(f"--unassigned is {self.unassigned!r}; {', '.join(WAYS)} were expected.")
        if not self.temperature_kelvin > 0:
            raise SettingsError(f"--temperature-kelvin is {self.temperature_kelvin}; a positive number was expected.")
        named_features(self.features)


def run_judge(settings: JudgeSettings) -> None:
    """`judge` as the settings say: ``scorecard.json``, ``report.html`` and figures in the folder, sentences on the
    screen.

    Where the reference is a folder, each ``NAME.xtc`` (with ``NAME.pdb``) in it is a system that is judged against
    files of the same name, in a folder of its own; ``systems.json`` and the last table are over all of them.
    """
    generated = by_name(settings.generated)
    folders = len(settings.reference) == 1 and Path(settings.reference[0]).is_dir()
    if folders:
        _judge_systems(settings, Path(settings.reference[0]), generated)
        return
    card = judge_files(settings, settings.reference, generated, settings.top, settings.generated_top)
    sys.stdout.write(f"{card}\n\n{field_text(card)}\n\nReport: {_save(card, settings, Path(settings.out))}\n")


def judge_files(settings, reference, generated, top, generated_top="") -> Any:
    """The scorecard of files; see `judge`."""
    read = _reader(settings, reference)
    dt_of = _intervals(settings.generated_dt_ps, list(generated))
    md = read(reference, top, settings.dt_ps)
    others = {
        name: read(files, generated_top or top, dt_of.get(name, settings.dt_ps), f"--generated {name}: ")
        for name, files in generated.items()
    }
    training = read(settings.training, top, settings.dt_ps) if settings.training else None
    return judge(
        md,
        others,
        training=training,
        dt_ps=settings.dt_ps or None,
        generated_dt_ps=dt_of or None,
        features=settings.features,
        time=settings.time,
        n_states=settings.n_states or None,
        n_macrostates=settings.n_macrostates or None,
        lagtime=settings.lagtime or None,
        temperature_kelvin=settings.temperature_kelvin,
        seed=settings.seed,
        progress=settings.progress,
    )


def by_name(generated: list[str]) -> dict[str, list[str]]:
    """``NAME=PATTERN`` entries as a dict; entries without a name follow the name before them, or are "generated".

    Examples
    --------
    >>> by_name(["a=x.xtc", "y.xtc", "b=z/*.xtc"])
    {'a': ['x.xtc', 'y.xtc'], 'b': ['z/*.xtc']}
    """
    found: dict[str, list[str]] = {}
    name = "generated"
    for entry in generated:
        before, equals, pattern = entry.partition("=")
        if equals and not Path(entry).exists():
            name, entry = before, pattern
        found.setdefault(name, []).append(entry)
    return found


def _intervals(entries, names):
    """Picoseconds between frames of each generator, by name."""
    found = {}
    for entry in entries:
        name, equals, number = entry.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = np.nan
        if not value > 0:
            raise SettingsError(f"--generated-dt-ps {entry!r}: a positive number of picoseconds was expected.")
        if equals and name not in names:
            raise SettingsError(f"--generated-dt-ps names {name!r}; the generators are {', '.join(names)}.")
        found |= {name: value} if equals else dict.fromkeys(names, value)
    return found


def _reader(settings, reference) -> Callable:
    """How the files are read: as coordinates, tokens or features, as those of the reference are."""
    first = find_files(reference)[0]
    if first.suffix in COORDINATES:
        return _read_coordinates
    if settings.tokens or holds_tokens(first):
        return lambda files, top, dt_ps, what="": assign_unassigned(
            [dtraj for _, dtraj in load_named_dtrajs(files)], settings.unassigned
        )

    def read_features(files, top, dt_ps, what=""):
        return load_features(files, settings.columns or None, settings.periodic or None, dt_ps or None)

    return read_features


def _read_coordinates(files, top, dt_ps, what=""):
    try:
        return open_trajectories(files, top or None, dt_ps or None)
    except DataError as error:
        raise DataError(f"{what}{error}") from None


def holds_tokens(path):
    """Whether a file is of whole numbers, one a frame."""
    try:
        load_named_dtrajs([path])
    except DataError:
        return False
    return True


def _save(card, settings, folder):
    run = {"command": settings.command, "settings": settings.computed()}
    return card.save(folder, title="Does it reproduce the MD?", run=run, progress=settings.progress)


def field_text(card: Any) -> str:
    """The field's metrics as lines of text."""
    names, rows = told_metrics(card.content["field_metrics"])
    width = max(len(title) for title, _, _ in rows) + 2
    lines = [" " * width + "".join(f"{name:>22}" for name in names)]
    lines += [f"{title:<{width}}" + "".join(f"{_number(value):>22}" for value in values) for title, _, values in rows]
    return "\n".join(lines)


def _number(value):
    return "not estimable" if np.isnan(value) else f"{value:.3g}"


def _judge_systems(settings, folder, generated):
    """Each system of a folder by itself, and one table over all."""
    systems = sorted(path for path in folder.iterdir() if path.suffix in COORDINATES)
    if not systems:
        raise DataError(f"{folder} holds no trajectory ({', '.join(COORDINATES)}); one file a system was expected.")
    jobs = {}
    for path in systems:  # everything is found before anything is computed
        files = {}
        for name, given in generated.items():
            own = Path(given[0]) / path.name
            if len(given) != 1 or not Path(given[0]).is_dir():
                raise DataError(
                    f"--generated {name}: a folder with one file a system was expected, as the reference is."
                )
            if not own.is_file():
                raise DataError(f"{own} is missing: the reference has a system {path.stem}.")
            files[name] = [str(own)]
        jobs[path.stem] = (path, files, settings.top or _topology_of(path))
    found = {}
    for system, (path, files, top) in jobs.items():
        log.info("judging %s", system)
        card = judge_files(settings, [str(path)], files, top, settings.generated_top)
        _save(card, settings, Path(settings.out) / system)
        found[system] = {
            name: {
                **{key: row.get(key) for key in ("passes", "summary", "equivalent_md_ps")},
                "verdict": status(row),
                "field_metrics": card.content["field_metrics"]["rows"][name],
            }
            for name, row in card.content["models"].items()
        }
    write_json(Path(settings.out) / "systems.json", found)
    sys.stdout.write(f"{systems_text(found)}\n\nReports: {settings.out}\n")


def _topology_of(path):
    for suffix in _TOPOLOGIES:
        if (found := path.with_suffix(suffix)).is_file():
            return str(found)
    raise DataError(f"{path.with_suffix('.pdb')} is missing: a topology beside each trajectory was expected, or --top.")


def systems_text(found: dict) -> str:
    """One row a system and generator, and the medians over systems."""
    keys = ("js_torsions", "js_ramachandran", "js_tica0", "js_tica01", "decorrelation_torsions", "flux_correlation")
    titles = ("torsions JS", "map JS", "TICA-0 JS", "TICA-0,1 JS", "decorrelation", "flux corr.")
    width = max(len(f"{system} {name}") for system, rows in found.items() for name in rows) + 2
    lines = [f"{'':<{width}}{'verdict':<10}{'equivalent MD time':<34}" + "".join(f"{title:>15}" for title in titles)]
    for system, rows in found.items():
        for name, row in rows.items():
            worth = equivalent_time(row["equivalent_md_ps"]["all"]) if row["equivalent_md_ps"] else "-"
            numbers = "".join(f"{_number(row['field_metrics'][key]):>15}" for key in keys)
            lines.append(f"{f'{system} {name}':<{width}}{row['verdict']:<10}{worth:<34}{numbers}")
    for name in next(iter(found.values())):
        columns = [[rows[name]["field_metrics"][key] for rows in found.values()] for key in keys]
        middle = [np.nanmedian(column) if np.isfinite(column).any() else np.nan for column in columns]
        passed = sum(rows[name]["passes"] for rows in found.values())
        label = f"median {name}"
        lines.append(
            f"{label:<{width}}{f'{passed}/{len(found)}':<10}{'':<34}" + "".join(f"{_number(m):>15}" for m in middle)
        )
    return "\n".join(lines)
