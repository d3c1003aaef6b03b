"""System definitions: the folders of systems/, each with a system.yaml that is found, read and checked here."""

import dataclasses
from pathlib import Path

from mdtok.errors import SettingsError
from mdtok.md.definition_checks import is_number, name_by_folder, require_positive, require_whole_steps
from mdtok.md.particles import REQUIRED_OF_PARTICLES, ParticleDefinition
from mdtok.md.protein_parts import ProteinParts
from mdtok.md.structure_based import REQUIRED_OF_STRUCTURE_BASED, StructureBasedDefinition
from mdtok.md.system_files import BUILTIN_FOLDERS, require_in_folder
from mdtok.storage import read_yaml

SOLVENTS = ("obc2", "gbn2", "vacuum", "tip3p")


@dataclasses.dataclass(frozen=True)
class SystemDefinition(ProteinParts):
    """What a system.yaml says; every key of the file is a field here, and no other key is allowed."""

    name: str  # that of the folder
    folder: Path
    structure: Path  # in the file relative to the folder
    forcefield: tuple  # OpenMM force field files
    temperature_kelvin: float
    description: str = ""
    sequence: str = ""  # in one-letter codes; a structure of another is refused
    solvent: str = "obc2"
    friction_per_ps: float = 1.0
    timestep_fs: float = 4.0
    hydrogen_mass_amu: float = 4.0
    frame_interval_ps: float = 1.0
    starts: dict = dataclasses.field(default_factory=dict)  # {start: {"phi": degrees, "psi": degrees}}
    parts: dict = dataclasses.field(default_factory=dict)  # {part: [first, last residue]}, from 0
    contacts_between: dict = dataclasses.field(default_factory=dict)  # {pair: [part, part]}
    title: str = ""  # for reports; the name if not given
    references: tuple = ()

    def __post_init__(self):
        name_by_folder(self)
        require_positive(
            self, ("temperature_kelvin", "friction_per_ps", "timestep_fs", "hydrogen_mass_amu", "frame_interval_ps")
        )
        if self.solvent not in SOLVENTS:
            raise SettingsError(f"{self.name}: solvent is {self.solvent!r}; {' or '.join(SOLVENTS)} was expected.")
        require_whole_steps(self)
        if not isinstance(self.starts, dict) or not all(_is_angles(angles) for angles in self.starts.values()):
            raise SettingsError(f"{self.name}: starts must read like 'alpha_R: {{phi: -60, psi: -45}}', in degrees.")
        self.require_parts()


_KINDS = {
    "a molecule with a force field": SystemDefinition,
    "a structure-based model": StructureBasedDefinition,
    "a potential": ParticleDefinition,
}


def _is_angles(angles):
    return isinstance(angles, dict) and all(key in ("phi", "psi") and is_number(value) for key, value in angles.items())


def available_systems() -> list[str]:
    """Names of the systems that come with mdtok."""
    return sorted({path.parent.name for folder in BUILTIN_FOLDERS for path in folder.glob("*/system.yaml")})


def load_definition(name: str | Path, **overrides) -> SystemDefinition | ParticleDefinition | StructureBasedDefinition:
    """Read the system.yaml of a system that comes with mdtok, or of a folder.

    With a `potential` it is of particles, with a `contact_energy_kj_mol` of a structure-based model.

    Parameters
    ----------
    name : str or path-like
        Name of a system, or path of a folder that holds a system.yaml.
    **overrides
        Fields that replace those of the file; None leaves the file's.

    Returns
    -------
    SystemDefinition, ParticleDefinition or StructureBasedDefinition

    Raises
    ------
    SettingsError
        There is no such system; the file has a key that is not known, lacks one, or has a value out of range.
    """
    folder = _find_folder(name)
    path = folder / "system.yaml"
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise SettingsError(f"{path} holds no settings; 'key: value' lines were expected.")

    if "potential" in content and "structure" in content:
        raise SettingsError(f"{path} has both a structure and a potential; one of them was expected.")
    if "potential" in content:
        lists = ("references", "starts")
        return _define(path, content, ParticleDefinition, REQUIRED_OF_PARTICLES, lists, {}, overrides)
    paths = {"folder": folder, "structure": folder / str(content.get("structure"))}
    if "contact_energy_kj_mol" in content:
        if "contacts" in content:
            paths["contacts"] = folder / str(content["contacts"])
        if overrides.get("structure") is not None:  # contacts go with their structure
            paths["contacts"] = None
        return _define(
            path, content, StructureBasedDefinition, REQUIRED_OF_STRUCTURE_BASED, ("references",), paths, overrides
        )
    required = ("structure", "forcefield", "temperature_kelvin")
    return _define(path, content, SystemDefinition, required, ("forcefield", "references"), paths, overrides)


def _define(path, content, definition_class, required, lists, paths, overrides):
    keys = [field.name for field in dataclasses.fields(definition_class) if field.name not in ("name", "folder")]
    unknown = sorted(map(str, content.keys() - set(keys)))
    if unknown:
        raise SettingsError(
            f"{path} has the unknown key {', '.join(unknown)}{_elsewhere(unknown[0])}; known are {', '.join(keys)}."
        )
    missing = [key for key in required if key not in content]
    if missing:
        raise SettingsError(f"{path} lacks {', '.join(missing)}.")
    for key in ("structure", "title", "description", "sequence", "potential"):
        if not isinstance(content.get(key, ""), str):
            raise SettingsError(f"{path}: {key} is {content[key]!r}; text was expected.")
    for key in lists:
        content[key] = _texts(path, key, content.get(key, []))
    overrides = {key: value for key, value in overrides.items() if value is not None}
    for key in overrides:
        if key not in keys:
            raise SettingsError(f"{path.parent.name} has no setting {key}; it has {', '.join(keys)}.")
    try:
        definition = definition_class(name=path.parent.name, **{**content, **paths})
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None
    for key in ("structure", "contacts"):
        if paths.get(key) is not None and overrides.get(key) is None:
            require_in_folder(paths[key], path.parent, f"{key}: {content[key]}")
    return dataclasses.replace(definition, **overrides)


def _elsewhere(key):
    """The kinds of systems that have this key, in brackets; empty where none has."""
    kinds = [
        kind
        for kind, definition_class in _KINDS.items()
        if key in {field.name for field in dataclasses.fields(definition_class)}
    ]
    return f" (one of {' and of '.join(kinds)})" if kinds else ""


def _find_folder(name):
    for folder in (*(builtin / str(name) for builtin in BUILTIN_FOLDERS), Path(name)):
        if (folder / "system.yaml").is_file():
            return folder.resolve()
    raise SettingsError(
        f"There is no system {str(name)!r}; available are {', '.join(available_systems())}, "
        "or give the path of a folder with a system.yaml."
    )


def _texts(path, key, value):
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise SettingsError(f"{path}: {key} is {value!r}; a list of texts was expected.")
    return tuple(value)
