"""The sub-commands of ``mdtok``: each a function of the workflows, imported only when it is asked for.

The settings of a command are those that its function takes, so that its flags are those of the script in ``protocols/``
that calls the same function.
"""

import difflib
import importlib
import sys
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mdtok.errors import SettingsError
from mdtok.workflows.command_line import FinishedRunSettings, parse_settings


@dataclass(frozen=True)
class Command:
    """One line of ``mdtok --help``.

    Attributes
    ----------
    what : str
        The line.
    function : str
        ``module:function`` in `mdtok.workflows`; the annotation of its argument is the class of its settings, and one
        without an argument has none.
    """

    what: str
    function: str

    def load(self) -> tuple[Callable[..., Any], type | None]:
        """The function and the class of its settings."""
        module, name = self.function.split(":")
        function = getattr(importlib.import_module(f"mdtok.workflows.{module}"), name)
        hints = typing.get_type_hints(function)
        hints.pop("return", None)
        return function, next(iter(hints.values()), None)


COMMANDS = {
    "analyze": Command(
        "Your trajectories or features, from tokens to the report.", "runs.own_trajectories:run_trajectories"
    ),
    "tokens": Command("Your discrete trajectories: models, scorecard, report.", "runs.own_tokens:run_tokens"),
    "judge": Command("What anything generated against MD: verdict, worth, the field's metrics.", "judging:run_judge"),
    "bench": Command("A benchmark of kinetics with exact answers: one row a model.", "benchmark.bench:run_bench"),
    "bias": Command("A molecule biased along a CV: metadynamics or umbrella windows, free energy.", "biasing:run_bias"),
    "compare": Command("Do two runs agree? Their MD side by side.", "studies.agreement:run_agreement"),
    "ablate": Command(
        "What each part of a model is worth: variants with several seeds.", "studies.ablation:run_ablation"
    ),
    "explain": Command("What a nano-GPT of a run rests on.", "studies.explanation:run_explanation"),
    "stitch": Command(
        "What a model generated, as a trajectory of MD frames.", "studies.stitching_rollouts:run_stitching"
    ),
    "folding-temperature": Command(
        "Where a protein is folded half of the time.", "studies.folding_temperature:run_folding_temperature"
    ),
    "report": Command("Draw the report of a run again; nothing is computed.", "commands:redraw_report"),
    "systems": Command("The systems that come with mdtok.", "commands:list_systems"),
    "models": Command("The models, by the names that --models takes.", "commands:list_models"),
    "doctor": Command("What mdtok finds on this machine, and how fast it is.", "doctor:run_doctor"),
}

#: What ``mdtok run`` takes by name; anything else is a system.
RUNS = {
    "alanine": Command("Alanine dipeptide: 100 ns, microstates of φ and ψ.", "runs.known_runs:run_alanine"),
    "muller-brown": Command("Müller-Brown: models against the exact answer.", "runs.known_runs:run_muller_brown"),
    "four-state": Command("Four states in the plane against known times.", "runs.known_runs:run_four_state"),
    "fip35": Command("The Fip35 WW domain: how it folds.", "runs.known_runs:run_fip35"),
}
#: Settings whose default is what the definition of a system says.
_OF_THE_SYSTEM = ("temperature_kelvin", "diffusion_nm2_per_ps", "frame_interval_ps")


def do(arguments: list[str]) -> None:
    """Do what ``mdtok`` was asked for.

    Parameters
    ----------
    arguments : list of str
        What stands behind ``mdtok`` on the command line.

    Raises
    ------
    SettingsError
        There is no such command, or whatever the command itself refuses.
    """
    if arguments[:1] in (["--help"], ["-h"]):
        sys.stdout.write(f"{help_text()}\n")
        return
    if not arguments:
        raise SettingsError(f"A command was expected: run, {', '.join(COMMANDS)}; see mdtok --help.")
    name, *rest = arguments
    if name == "run":
        _run(rest)
    else:
        _require_known(name, ["run", *COMMANDS], "command")
        _do(COMMANDS[name], f"mdtok {name}", rest)


def help_text() -> str:
    """What ``mdtok --help`` says."""
    lines = {f"run {name}": command.what for name, command in RUNS.items()}
    lines["run PATH/TO/FOLDER"] = "A system of your own, or one of mdtok systems: what fits its kind."
    lines |= {name: command.what for name, command in COMMANDS.items()}
    width = 2 + max(map(len, lines))
    return "\n".join(
        [
            "usage: mdtok COMMAND [OPTIONS]",
            "",
            "Molecular dynamics to sequences, models on them, and an honest verdict on what they learnt.",
            "",
            *(f"  {name:<{width}}{what}" for name, what in lines.items()),
            "",
            "mdtok COMMAND --help shows the settings of a command. All that compute take --out --seed --quick --stage",
            "--progress and --settings FILE.yaml; one that was killed goes on when the same command is given again.",
        ]
    )


def _run(arguments):
    """``mdtok run``: a run by its name, or what fits the kind of a system."""
    if arguments[:1] in (["--help"], ["-h"]):
        sys.stdout.write(f"{help_text()}\n")
        return
    if not arguments or arguments[0].startswith("-"):
        raise SettingsError(f"mdtok run {'|'.join(RUNS)} was expected, or the path of a folder with a system.yaml.")
    name, *rest = arguments
    if name in RUNS:
        _do(RUNS[name], f"mdtok run {name}", rest)
    else:
        _run_system(name, rest)


def _run_system(name, arguments):
    """A run of the kind that a system's definition asks for."""
    from mdtok.md.definition import available_systems, load_definition

    if not (Path(name) / "system.yaml").exists():
        _require_known(name, [*RUNS, *available_systems()], "run or folder with a system.yaml")
    definition = load_definition(name)
    command = Command(f"{definition.title}.", workflow_of(definition))
    _, settings_class = command.load()
    defaults = {"system": name, "out": f"runs/{definition.name}"}
    for key in _OF_THE_SYSTEM:
        value = getattr(definition, key, None)
        if value is not None and hasattr(settings_class, key):
            defaults[key] = float(value)
    _do(command, f"mdtok run {name}", arguments, defaults)


def workflow_of(definition: Any) -> str:
    """The workflow that fits a system, as ``module:function``.

    A potential with known times is judged against them by core sets, and so is one with inertia, whose exact solution
    on a grid of positions is not that of its dynamics; another one is judged by that. A structure-based model is a
    protein that folds, and so is a molecule with parts.

    Parameters
    ----------
    definition : SystemDefinition, ParticleDefinition or StructureBasedDefinition
    """
    from mdtok.md.particles import ParticleDefinition
    from mdtok.md.structure_based import StructureBasedDefinition

    if isinstance(definition, ParticleDefinition):
        is_exact = definition.known is None and definition.dynamics == "brownian"
        return "runs.potential:run_potential" if is_exact else "runs.core_sets:run_core_sets"
    if isinstance(definition, StructureBasedDefinition) or definition.parts:
        return "runs.protein:run_protein"
    return "runs.molecule:run_molecule"


def _do(command, prog, arguments, defaults=None):
    function, settings_class = command.load()
    if settings_class is not None:
        function(parse_settings(settings_class, arguments, command.what, prog, defaults))
    elif arguments[:1] in (["--help"], ["-h"]):
        sys.stdout.write(f"usage: {prog}\n\n{command.what}\n")
    elif arguments:
        raise SettingsError(f"{prog} takes no arguments; {' '.join(arguments)!r} was given.")
    else:
        function()


def _require_known(name, known, what):
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}."
        raise SettingsError(f"There is no {what} {name!r}; {hint}")


def redraw_report(settings: FinishedRunSettings) -> None:
    """``mdtok report RUN``: the page and its figures, drawn again from what lies in the folder.

    Raises
    ------
    RunFolderError
        It is no run of mdtok, or not scored.
    """
    from mdtok.workflows.folder import RunFolder

    if settings.out:
        raise SettingsError(f"--out {settings.out}: the report is drawn in the folder of the run; leave out --out.")
    run = RunFolder.open(settings.run)

    from mdtok.workflows.stages import redraw  # seconds of imports, for a run that is there

    redraw(run)


def list_systems() -> None:
    """``mdtok systems``: name, title and description of each."""
    from mdtok.md.definition import available_systems, load_definition

    definitions = [load_definition(name) for name in available_systems()]
    width = 2 + max(len(definition.name) for definition in definitions)
    sys.stdout.write("".join(f"{one.name:<{width}}{one.description or one.title}\n" for one in definitions))


def list_models() -> None:
    """``mdtok models``: name and line of each."""
    from mdtok.models.catalogue import known_names

    names = known_names()
    width = 2 + max(len(pattern) for pattern, _ in names)
    sys.stdout.write("".join(f"{pattern:<{width}}{what}\n" for pattern, what in names))
