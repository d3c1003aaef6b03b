"""The files that a system's folder names: they lie in it, and run nothing.

A folder may come from a stranger. OpenMM executes scripts that stand in a force field's XML, and evaluates one of its
attributes as Python; a path may lead to a device or to a file of one's own.
"""

import logging
from pathlib import Path
from xml.etree import ElementTree

from openmm.app import forcefield as openmm_forcefield

from mdtok.errors import SettingsError

log = logging.getLogger(__name__)

BUILTIN_FOLDERS = (Path(__file__).parents[1] / "systems", Path(__file__).parents[2] / "systems")  # wheel, checkout
_LARGEST_BYTES = 200_000_000
_SCRIPTS = {"script", "initializationscript"}
_EVALUATED = {"usedispersioncorrection"}  # attributes that OpenMM hands to eval()
_HARMLESS = {"true", "false", "0", "1"}


def require_in_folder(path: Path, folder: Path, what: str) -> Path:
    """`path` if it is an ordinary file within `folder`; SettingsError if it is a device, leads out, or is too large.

    Parameters
    ----------
    path, folder : Path
        Links are followed. Files of the systems that come with mdtok may be used by all.
    what : str
        How the message names it: ``structure: peptide.pdb``.
    """
    resolved = path.resolve()
    file = f"{folder}/system.yaml"
    if not any(resolved.is_relative_to(one.resolve()) for one in (folder, *BUILTIN_FOLDERS)):
        raise SettingsError(f"{file} names {what}, which lies outside of the system's folder; copy it there.")
    if not resolved.is_file():
        raise SettingsError(f"{file} names {what}, which is no file.")
    if resolved.stat().st_size > _LARGEST_BYTES:
        raise SettingsError(f"{file} names {what}, of over {_LARGEST_BYTES / 1e6:g} MB.")
    return path


def find_forcefield_files(names, folder: Path, trust_scripts: bool = False) -> list[str]:
    """Paths of force field files: those in the system's folder, else those that come with OpenMM.

    Parameters
    ----------
    names : sequence of str
        ``"amber14/protein.ff14SB.xml"`` of OpenMM, or ``"mine.xml"`` in the folder.
    folder : Path
        Of the system.
    trust_scripts : bool
        Let scripts in files of the folder run. Those that come with OpenMM always do.

    Raises
    ------
    SettingsError
        A file is in neither place, is no XML, or holds Python code and is not trusted.
    """
    found = []
    for name in names:
        own = folder / name
        if own.exists():
            require_in_folder(own, folder, f"the force field {name}")
            _require_no_code(own, folder, trust_scripts, seen=set())
            found.append(str(own))
            continue
        path = _of_openmm(name)
        if path is None:
            raise SettingsError(
                f"The force field {name} is neither in {folder} nor among those of OpenMM; copy it to that folder."
            )
        found.append(path)
    return found


def _of_openmm(name):
    if Path(name).is_absolute() or ".." in Path(name).parts:
        return None
    folders = openmm_forcefield._getDataDirectories()  # its own, and those of packages such as openmmforcefields
    return next((str(Path(folder) / name) for folder in folders if (Path(folder) / name).is_file()), None)


def _require_no_code(path, folder, trusted, seen):
    """Walk over a force field and what it includes."""
    if path.resolve() in seen:
        return
    seen.add(path.resolve())
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, OSError, ValueError, LookupError) as error:
        raise SettingsError(f"The force field {path} is no valid XML ({' '.join(str(error).split())}).") from None
    for element in root.iter():
        tag = str(element.tag).rpartition("}")[2].lower()
        code = [
            value
            for key, value in element.attrib.items()
            if key.lower() in _EVALUATED and value.strip().lower() not in _HARMLESS
        ]
        if (tag in _SCRIPTS or code) and not trusted:
            raise SettingsError(
                f"The force field {path} holds Python code (<{str(element.tag)[:40]}>), which would run here; "
                "take it out, or say --trust-scripts (trust_scripts=True) if it is your own."
            )
        if tag == "include":
            included = path.parent / str(element.attrib.get("file"))
            if included.is_file():
                require_in_folder(included, folder, f"the force field {included.name}")
                _require_no_code(included, folder, trusted, seen)
            elif Path(str(element.attrib.get("file"))).is_file():  # OpenMM would take it from where the command is run
                raise SettingsError(f"The force field {path} includes {included.name}, which lies elsewhere; copy it.")
            elif _of_openmm(str(element.attrib.get("file"))) is None:
                raise SettingsError(f"The force field {path} includes {included.name}, which is not there.")
    if trusted:
        log.warning("Scripts in %s are trusted: Python code in it runs.", path)
