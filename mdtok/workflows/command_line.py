"""What every script shares: settings from flags and YAML, one-line errors, exit statuses.

Exit status 0 only if the script did what it was asked for; 2 for a mistake that the user can mend, said in one line;
130 when interrupted.
"""

import dataclasses
import difflib
import logging
import os
import sys
from pathlib import Path

import yaml

from mdtok.errors import MdtokError, SettingsError

STAGES = ("all", "simulate", "tokenize", "train", "rollout", "score")
#: Settings of how a run is done, not of what it computes: they may differ when it is continued.
OPERATIONAL = ("out", "stage", "progress", "n_processes", "quick")


def setting(default, what):
    """A field of a settings dataclass: its default, and what ``--help`` says of it."""
    if isinstance(default, list):
        return dataclasses.field(default_factory=lambda: list(default), metadata={"help": what})
    return dataclasses.field(default=default, metadata={"help": what})


@dataclasses.dataclass
class RunSettings:
    """Settings that every script has."""

    out: str = setting("runs/mdtok", "Folder of the run.")
    seed: int = setting(7, "Of everything random.")
    quick: bool = setting(False, "Smaller numbers, the same path: a try-out in under 90 s.")
    stage: str = setting("all", f"One of {', '.join(STAGES)}; stages that are done are not repeated.")
    progress: bool = setting(True, "Show progress bars.")

    #: Values that --quick puts in place of the defaults.
    QUICK = {}
    #: The first stage that a setting matters to, where that is not the script's first: until then it may be changed.
    STAGE_OF = {}

    def __post_init__(self):
        if self.stage not in STAGES:
            raise SettingsError(f"--stage {self.stage} is unknown; one of {', '.join(STAGES)} was expected.")
        if self.seed < 0:
            raise SettingsError(f"--seed {self.seed} is negative; a whole number of at least 0 was expected.")

    def does(self, stage):
        """Whether `stage` is to be done."""
        return self.stage in ("all", stage)

    def computed(self):
        """The settings that decide what is computed, as a dict."""
        return {key: value for key, value in dataclasses.asdict(self).items() if key not in OPERATIONAL}


def parse_settings(settings_class, arguments=None, description=None):
    """Read a settings dataclass from flags and, optionally, a YAML file (``--settings FILE``).

    Flags win over the YAML file, which wins over ``--quick``, which wins over the defaults.

    Parameters
    ----------
    settings_class : subclass of RunSettings
    arguments : list of str, optional
        ``sys.argv[1:]`` if not given.
    description : str, optional

    Returns
    -------
    settings : instance of `settings_class`

    Raises
    ------
    SettingsError
        An unknown setting (with the nearest known one), or a value of the wrong type.
    """
    from transformers import HfArgumentParser  # a second of imports, not needed by workers

    arguments = list(sys.argv[1:] if arguments is None else arguments)
    arguments, yaml_path = _take_option(arguments, "--settings")
    fields = {field.name: field for field in dataclasses.fields(settings_class)}
    from_yaml = _read_yaml(yaml_path, fields) if yaml_path else {}
    quick = _is_quick(arguments, from_yaml)
    layers = [*_as_flags(settings_class.QUICK if quick else {}), *_as_flags(from_yaml), *arguments]
    parser = HfArgumentParser(settings_class, description=description, allow_abbrev=False)
    parser.add_argument("--settings", metavar="FILE", help="YAML file of settings; flags win over it.")  # for --help
    parser.error = _raise_settings_error
    namespace, unknown = parser.parse_known_args(layers)
    if unknown:
        hint = _nearest(unknown[0].lstrip("-"), fields)
        raise SettingsError(f"{unknown[0]} is not a setting of this script{hint}; see --help.")
    return settings_class(**{name: getattr(namespace, name) for name in fields})


def _raise_settings_error(message):
    raise SettingsError(f"{message[0].upper()}{message[1:]}; see --help.")


def _take_option(arguments, option):
    for index, argument in enumerate(arguments):
        if argument == option:
            if index + 1 == len(arguments):
                raise SettingsError(f"{option} needs the path of a YAML file.")
            return arguments[:index] + arguments[index + 2 :], arguments[index + 1]
        if argument.startswith(option + "="):
            return arguments[:index] + arguments[index + 1 :], argument.partition("=")[2]
    return arguments, None


def _read_yaml(path, fields):
    if not Path(path).is_file():
        raise SettingsError(f"The settings file {path} does not exist.")
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise SettingsError(f"{path} does not hold 'name: value' lines.")
    for name in content:
        if name not in fields:
            raise SettingsError(f"{path}: unknown setting {name!r}{_nearest(str(name), fields)}.")
    return content


def _nearest(name, fields):
    near = difflib.get_close_matches(name.replace("-", "_"), fields, n=1)
    return f" (did you mean {near[0]!r}?)" if near else f" (known: {', '.join(fields)})"


def _as_flags(values):
    for name, value in values.items():
        if value is None:
            continue
        yield f"--{name}"
        yield from map(str, value) if isinstance(value, (list, tuple)) else [str(value)]


def _is_quick(arguments, from_yaml):
    for index, argument in enumerate(arguments):
        if argument == "--quick":
            following = arguments[index + 1].lower() if index + 1 < len(arguments) else ""
            return following not in ("false", "0", "no")
        if argument.startswith("--quick="):
            return argument.partition("=")[2].lower() in ("true", "1", "yes")
    return bool(from_yaml.get("quick", False))


def run_script(main):
    """Run `main()` as a script: log to standard error, end with the exit status of the house.

    Parameters
    ----------
    main : callable
        Takes nothing; an MdtokError that it raises is printed in one line.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logging.getLogger("mdtok").addHandler(handler)
    logging.getLogger("mdtok").setLevel(logging.INFO)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing here is fetched from a hub
    try:
        main()
    except MdtokError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("\ninterrupted; the same command goes on from here.", file=sys.stderr)
        sys.exit(130)
