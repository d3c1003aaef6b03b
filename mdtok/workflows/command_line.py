"""What every command shares: settings from flags and YAML, one-line errors, exit statuses.

Exit status 0 only if the command did what it was asked for; 2 for a mistake that the user can mend, said in one line;
130 when interrupted.
"""

import contextlib
import dataclasses
import difflib
import errno
import inspect
import io
import itertools
import logging
import os
import re
import shlex
import signal
import sys
import threading
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from mdtok.errors import MdtokError, SettingsError
from mdtok.workflows.typed_words import as_flags, as_lists, as_switches, last_switch, take_option

log = logging.getLogger(__name__)

STAGES = ("all", "simulate", "tokenize", "train", "rollout", "score")
#: Settings of how a run is done, not of what it computes: they may differ when it is continued.
OPERATIONAL = ("out", "stage", "progress", "n_processes", "quick")
#: Groups of `--help` in the order of the road; others follow.
GROUPS = ("common", "data", "simulation", "features", "tokens", "models", "rollouts", "referee")
#: What Python says of a wrong value, and how it reads in our words.
_PLAIN_WORDS = {
    "invalid literal for int() with base 10: ": "a whole number was expected, not ",
    "could not convert string to float: ": "a number was expected, not ",
    "Could not find valid parse for arguments: ": "other values were expected than ",
}


def setting(default: Any, what: str, group: str | None = None, names: bool = False) -> Any:
    """A field of a settings dataclass.

    Parameters
    ----------
    default : str, int, float, bool or list of these
    what : str
        What ``--help`` says of it.
    group : str, optional
        Under which heading ``--help`` shows it; that of the class that defines it first if not given.
    names : bool
        Whether it is a list of names, with commas or blanks between them.
    """
    metadata = {"help": what, "group": group, "names": names}
    if isinstance(default, list):
        return dataclasses.field(default_factory=lambda: list(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def positional(what: str) -> Any:
    """A field of a settings dataclass that must be given, by its place: ``ablate.py runs/alanine``."""
    return dataclasses.field(kw_only=True, metadata={"help": what, "positional": True})


@dataclasses.dataclass
class RunSettings:
    """Settings that every command has."""

    out: str = setting("runs/mdtok", "Folder of the run.")
    seed: int = setting(7, "Of everything random.")
    quick: bool = setting(False, "Smaller numbers, the same path: a try-out in under 90 s.")
    stage: str = setting("all", f"One of {', '.join(STAGES)}; stages that are done are not repeated.")
    progress: bool = setting(True, "Show progress bars.")

    #: Heading of these settings in --help; of a class without one, its own name.
    GROUP: ClassVar[str] = "common"
    #: Values that --quick puts in place of the defaults.
    QUICK: ClassVar[dict[str, Any]] = {}
    #: The first stage that a setting matters to, where that is not the first of all: until then it may be changed.
    STAGE_OF: ClassVar[dict[str, str]] = {}
    #: Settings that list what is computed and kept under names: they may be added to at any time.
    BY_NAME: ClassVar[tuple[str, ...]] = ()
    #: Values that settings had in runs made before there was such a setting, where that is not its default.
    BEFORE: ClassVar[dict[str, Any]] = {}
    #: The command that these settings come from, as it was typed; empty where a program made them.
    command: ClassVar[str] = ""

    def __post_init__(self):
        if self.stage not in STAGES:
            raise SettingsError(f"--stage {self.stage} is unknown; one of {', '.join(STAGES)} was expected.")
        if self.seed < 0:
            raise SettingsError(f"--seed {self.seed} is negative; a whole number of at least 0 was expected.")

    def does(self, stage: str) -> bool:
        """Whether `stage` is to be done."""
        return self.stage in ("all", stage)

    def computed(self) -> dict[str, Any]:
        """The settings that decide what is computed."""
        return {key: value for key, value in dataclasses.asdict(self).items() if key not in OPERATIONAL}


@dataclasses.dataclass
class OneStageSettings(RunSettings):
    """Settings of a command that has no stages to choose from."""

    def __post_init__(self):
        super().__post_init__()
        if self.stage != "all":
            raise SettingsError(f"--stage {self.stage}: this command has one stage only; leave out --stage.")


@dataclasses.dataclass
class FinishedRunSettings(OneStageSettings):
    """Settings of a command that looks at a run."""

    run: str = positional("Folder of the run.")
    out: str = setting("", "Folder of what is written; one within that of the run if not given.")


def say_how_to_resume(settings: RunSettings) -> None:
    """Log the command that goes on with this run, where its settings come from one."""
    if settings.command:
        log.info("resume with: %s", settings.command)


def default_values(settings_class: type) -> dict[str, Any]:
    """Default of each field that has one.

    Examples
    --------
    >>> default_values(RunSettings)["seed"]
    7
    """
    fields = [field for field in dataclasses.fields(settings_class) if "positional" not in field.metadata]
    return {
        field.name: field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        for field in fields
    }


def parse_settings(
    settings_class: type[RunSettings],
    arguments: list[str] | None = None,
    description: str | None = None,
    prog: str | None = None,
    defaults: dict[str, Any] | None = None,
) -> Any:
    """Read a settings dataclass from flags and, optionally, a YAML file (``--settings FILE``).

    Flags win over the YAML file, which wins over ``--quick``, which wins over the defaults.

    Parameters
    ----------
    settings_class : subclass of RunSettings
    arguments : list of str, optional
        ``sys.argv[1:]`` if not given.
    description : str, optional
        First line of ``--help``.
    prog : str, optional
        Name of the command; that of the script if not given.
    defaults : dict, optional
        In place of some defaults of the class.

    Returns
    -------
    settings : instance of `settings_class`

    Raises
    ------
    SettingsError
        An unknown setting (with the nearest known one), or a value of the wrong type.

    Examples
    --------
    >>> parse_settings(RunSettings, ["--seed", "3", "--no-progress"]).seed
    3
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    arguments, yaml_path = take_option(arguments, "--settings")
    fields = {field.name: field for field in dataclasses.fields(settings_class)}
    from_yaml = _read_yaml(yaml_path, fields) if yaml_path else {}
    arguments = as_switches(as_lists(arguments, settings_class), settings_class)
    values = default_values(settings_class) | (defaults or {})
    if last_switch(arguments, "quick", bool(from_yaml.get("quick", False))):
        values |= settings_class.QUICK
    if from_yaml:
        flags = as_switches(as_lists(as_flags(from_yaml), settings_class), settings_class)
        try:
            values |= _ask_tyro(_only_flags(settings_class, from_yaml), flags, fields)
        except SettingsError as error:
            raise SettingsError(f"{yaml_path}: {error}") from None
    grouped = _in_groups(settings_class, values)
    settings = settings_class(**_ask_tyro(grouped, arguments, fields, prog=prog, description=description or ""))
    settings.command = _typed_command()  # type: ignore[misc]
    return settings


def _ask_tyro(parser_class, arguments, names, **how):
    """What tyro makes of the arguments, as a flat dict; what it refuses is said in one line."""
    import tyro  # 0.1 s, not needed by workers

    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            parsed, unknown = tyro.cli(parser_class, args=arguments, return_unknown_args=True, **how)
    except SystemExit as ending:
        if not ending.code:  # --help was asked for
            raise
        raise SettingsError(f"{_one_line(complaint.getvalue())}; see --help.") from None
    if unknown:
        flag = unknown[0].partition("=")[0]
        if not flag.startswith("-"):
            raise SettingsError(f"{flag!r} is one too many; see --help.")
        raise SettingsError(f"{flag} is not a setting of this command{_nearest(flag.lstrip('-'), names)}; see --help.")
    values = {}
    for name, value in vars(parsed).items():
        values |= vars(value) if dataclasses.is_dataclass(value) else {name: value}
    values.pop("settings", None)
    return values


def _one_line(complaint):
    """What stands in the box that tyro draws, up to the first rule, in our words."""
    rows = [row for line in complaint.splitlines()[1:] if (row := line.strip("│ "))]  # the first has the title
    rows = list(itertools.dropwhile(_is_rule, rows))  # where there is no UTF-8, a rule stands under the title
    said = " ".join(itertools.takewhile(lambda row: not _is_rule(row), rows))
    said = re.sub("Missing from .*?: ", "Missing: ", said.removeprefix("Error parsing ")).replace(". (required)", ".")
    for python, plain in _PLAIN_WORDS.items():
        said = said.replace(python, plain)
    return said.strip().rstrip(".")


def _is_rule(row):
    return set(row) <= {"─", "-"}


def _only_flags(settings_class, names):
    """A class with these settings only, each a flag, also those that are given by their place."""
    types = typing.get_type_hints(settings_class)
    switch = dataclasses.field(default=False)  # tyro makes --quick and --no-quick only of what has a default
    fields = [(name, types[name], switch) if types[name] is bool else (name, types[name]) for name in names]
    return dataclasses.make_dataclass("Given", fields, kw_only=True)


def _in_groups(settings_class, values):
    """A class with one inner class a group of settings, which is how tyro shows groups."""
    from tyro import MISSING
    from tyro.conf import Positional, arg

    types, places, groups = typing.get_type_hints(settings_class), [], {}
    for field in dataclasses.fields(settings_class):
        kind, what, value = types[field.name], field.metadata.get("help", ""), values.get(field.name, MISSING)
        if "positional" in field.metadata:
            how = arg(help=what, metavar=field.name.upper())
            places.append((field.name, Positional[typing.Annotated[kind, how]], value))  # type: ignore[misc]
        else:
            flag = (field.name, typing.Annotated[kind, _as_flag(what, value)], _default(value))
            groups.setdefault(_group_of(settings_class, field.name), []).append(flag)
    yaml_file = ("settings", typing.Annotated[str, _as_flag("YAML file of settings; flags win over it.", "")], "")
    groups["common"].append(yaml_file)
    for group in sorted(groups, key=lambda name: GROUPS.index(name) if name in GROUPS else len(GROUPS)):
        of_group = dataclasses.make_dataclass(group, groups[group], namespace={"__doc__": ""})
        places.append((f"in_{group}", typing.Annotated[of_group, arg(name=group)], of_group()))
    fields = [(name, kind, _default(value)) for name, kind, value in places]
    return dataclasses.make_dataclass(settings_class.__name__, fields, namespace={"__doc__": ""})


def _as_flag(what, value):
    from tyro.conf import arg

    return arg(help=what, prefix_name=False, help_behavior_hint="" if value in ("", []) else None)


def _default(value):
    return dataclasses.field(default_factory=lambda: value)


def _group_of(settings_class, name):
    """What the nearest definition says that names a group, or else the class that defines the setting first."""
    of_field = of_class = None
    for owner in reversed(settings_class.__mro__):
        if name in inspect.get_annotations(owner):
            of_field = owner.__dataclass_fields__[name].metadata.get("group") or of_field
            of_class = of_class or vars(owner).get("GROUP") or owner.__name__.removesuffix("Settings").lower()
    return of_field or of_class or "settings"


def _read_yaml(path, names):
    if not Path(path).is_file():
        raise SettingsError(f"The settings file {path} does not exist.")
    from mdtok.storage import read_yaml  # and with it numpy, which --help need not wait for

    content = read_yaml(path) or {}
    if not isinstance(content, dict):
        raise SettingsError(f"{path} does not hold 'name: value' lines.")
    for name in content:
        if name not in names:
            raise SettingsError(f"{path}: unknown setting {name!r}{_nearest(str(name), names)}.")
    return {name: value for name, value in content.items() if value is not None}


def _nearest(name, known):
    near = difflib.get_close_matches(name.replace("-", "_"), known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else f" (known: {', '.join(known)})"


def _typed_command():
    """The command line of this process as it can be typed again."""
    script, *arguments = sys.argv
    if Path(script).name == "mdtok":  # the console script
        return shlex.join(["mdtok", *arguments])
    return shlex.join(sys.orig_argv)


_INTERRUPTED = "interrupted; the same command goes on from here."


def run_script(main: Callable[[], None]) -> None:
    """Run `main()` as a script: log to standard error, end with the exit status of the house.

    Parameters
    ----------
    main : callable
        Takes nothing; an MdtokError that it raises, or what the operating system refuses, is printed in one line.
        Ctrl-C and SIGTERM end it with a line that says how to go on.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logging.getLogger("mdtok").addHandler(handler)
    logging.getLogger("mdtok").setLevel(logging.INFO)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing here is fetched from a hub
    received, before = [], {}

    def stop(number, frame):
        received.append(number)
        if _imports(frame):  # nothing is lost yet; libraries swallow interrupts of their imports, and break later
            os.write(2, f"\n{_INTERRUPTED}\n".encode())
            os._exit(128 + number)
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):  # SIGTERM is what a queue sends before it kills
            before[number] = signal.signal(number, stop)
    try:
        main()
    except MdtokError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:  # a full disk, a folder that cannot be written
        if os.environ.get("MDTOK_TRACEBACK"):
            raise
        print(f"error: {_of_the_system(error)}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"\n{_INTERRUPTED}", file=sys.stderr)
        sys.exit(128 + (received[0] if received else signal.SIGINT))
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
        logging.getLogger("mdtok").removeHandler(handler)


def _imports(frame):
    """Whether a module is being imported."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _of_the_system(error):
    """What the operating system refused, in one line, and what mends it."""
    where = f"{error.filename}: " if error.filename else ""
    what = error.strerror or " ".join(str(error).split()) or type(error).__name__
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"{where}{what}; make room, and the same command goes on from here."
    return f"{where}{what}; MDTOK_TRACEBACK=1 shows where."
