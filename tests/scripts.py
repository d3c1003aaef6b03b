"""Scripts run as a user runs them: in this process, which is quick, or in one of their own, which hides nothing.

In this process a script is still ``__main__``, so that worker processes find it as they do outside of tests; warnings
are errors, as in every test; and nothing that it changes for its process stays behind.
"""

import contextlib
import io
import logging
import os
import runpy
import subprocess
import sys
import traceback
from pathlib import Path

PROTOCOLS = Path(__file__).resolve().parents[1] / "protocols"


def run_protocol(name, *arguments, cwd=None):
    """What ``python protocols/<name>.py`` with these arguments does, in this process.

    Returns
    -------
    subprocess.CompletedProcess
        With ``returncode``, ``stdout`` and ``stderr``. What worker processes write is not in it.
    """
    path = str(PROTOCOLS / f"{name}.py")
    return _run(lambda: runpy.run_path(path, run_name="__main__"), [path, *map(str, arguments)], cwd)


def run_command(*arguments, cwd=None):
    """What ``python -m mdtok`` with these arguments does, in this process."""
    return _run(
        lambda: runpy.run_module("mdtok", run_name="__main__", alter_sys=True), ["mdtok", *map(str, arguments)], cwd
    )


def run_script_truly(name, *arguments, timeout=300, cwd=None):
    """``protocols/<name>.py`` in a process of its own: for workers, signals and exit statuses."""
    command = [sys.executable, str(PROTOCOLS / f"{name}.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=cwd)


def _run(script, argv, cwd):
    out, err = io.StringIO(), io.StringIO()
    with _process_kept(argv, cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            script()
            status = 0
        except SystemExit as stopped:
            status = _status(stopped.code, err)
        except Exception:  # a bug: the traceback that a user would see
            traceback.print_exc()
            status = 1
    return subprocess.CompletedProcess(argv, status, out.getvalue(), err.getvalue())


def _status(code, err):
    if code is None or isinstance(code, int):
        return code or 0
    print(code, file=err)
    return 1


@contextlib.contextmanager
def _process_kept(argv, cwd):
    """What belongs to a process is given back as it was: arguments, folder, environment, logging, figures, threads."""
    log = logging.getLogger("mdtok")
    kept = sys.argv, os.getcwd(), dict(os.environ), list(log.handlers), log.level, log.propagate
    n_threads = sys.modules["torch"].get_num_threads() if "torch" in sys.modules else None
    sys.argv = argv
    try:
        with contextlib.chdir(cwd or kept[1]):
            yield
    finally:
        sys.argv, _, environment, log.handlers[:], log.level, log.propagate = kept
        os.environ.clear()
        os.environ.update(environment)
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close("all")
        if n_threads is not None:
            sys.modules["torch"].set_num_threads(n_threads)
