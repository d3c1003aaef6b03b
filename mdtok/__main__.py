"""``mdtok`` and ``python -m mdtok``: one command for all that mdtok does; see `mdtok.workflows.commands`."""

import sys

from mdtok.workflows.command_line import run_script
from mdtok.workflows.commands import do


def main() -> None:
    """Do what the command line says, and end with the exit status of the house."""
    run_script(lambda: do(sys.argv[1:]))


if __name__ == "__main__":
    main()
