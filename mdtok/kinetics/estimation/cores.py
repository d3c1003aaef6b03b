"""Independent estimates on all cores: resamples and halves of large count matrices."""

import contextlib
import multiprocessing
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any

_CAN_FORK = sys.platform == "linux"  # macOS has libraries that do not survive a fork


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_on_cores(function: Callable[[Any], Any], items: Sequence[Any], worth_it: bool = True) -> list[Any]:
    """``[function(item) for item in items]``, by forked processes that share the memory of this one.

    Parameters
    ----------
    function : callable
        Any function, a closure too; what it gives is sent back whole.
    items : sequence
    worth_it : bool
        Whether the work is long enough for processes (a tenth of a second each).

    Returns
    -------
    list
        In the order of `items`.

    Raises
    ------
    RuntimeError
        What a process raised, with its traceback.

    Examples
    --------
    >>> map_on_cores(lambda number: number**2, range(5))
    [0, 1, 4, 9, 16]
    """
    items, n_processes = list(items), min(n_cores(), len(items))
    in_child = multiprocessing.current_process().daemon  # it may have none of its own
    if not (worth_it and _CAN_FORK and n_processes > 1) or in_child:
        return [function(item) for item in items]
    context = multiprocessing.get_context("fork")
    running = []
    try:
        for first in range(n_processes):
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(function, items[first::n_processes], theirs), daemon=True)
            with warnings.catch_warnings():  # of threads that do not live on in the child: it does linear algebra only
                warnings.simplefilter("ignore", DeprecationWarning)
                process.start()
            theirs.close()
            running.append((process, ours))
        results: list[Any] = [None] * len(items)
        for first, (_, ours) in enumerate(running):
            done, error = _receive(ours)
            if error:
                raise RuntimeError(error)
            results[first::n_processes] = done
        return results
    finally:
        for process, ours in running:
            ours.close()
            process.terminate()
            process.join()


def _receive(pipe):
    try:
        return pipe.recv()
    except EOFError:
        return None, "A process that estimated kinetics ended; it may have run out of memory."


def _work(function, items, pipe):
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        try:
            pipe.send(([function(item) for item in items], None))
        except Exception:  # whatever it is, the parent says it
            pipe.send((None, traceback.format_exc()))
    pipe.close()
