"""Many replicas of one system side by side: each its own seed, start and folder, all cores, one progress bar."""

from __future__ import annotations

import contextlib
import logging
import math
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from openmm import unit
from tqdm.std import tqdm

from mdtok.errors import MdtokError, SettingsError
from mdtok.md.platforms import available_cores, select_platform
from mdtok.md.replica_checks import blown_up, remarks_on, say_blown_up
from mdtok.md.simulation import (
    BAR_FORMAT,
    TOPOLOGY,
    TRAJECTORY,
    BlownUp,
    check_folder,
    recorded_steps,
    run_simulation,
    simulation_settings,
)
from mdtok.md.system import plain
from mdtok.progress import tracked

if TYPE_CHECKING:
    from openmm.unit import Quantity

    from mdtok.md.bias import Bias
    from mdtok.md.platforms import PlatformChoice
    from mdtok.md.simulated_system import SimulatedSystem
    from mdtok.md.trajectory import Trajectories


logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_POLLS = 0.2
_SECONDS_TO_END = 3.0
_cancelled = threading.Event()  # set in worker processes only
_BROKEN_POOL = (
    "A worker process ended by itself. In a script, call run_replicas under `if __name__ == '__main__':`; "
    "otherwise look for a lack of memory. Run again, it continues where it stopped."
)


def run_replicas(
    system: SimulatedSystem,
    n_replicas: int,
    length_ns: float | Quantity,
    seed: int,
    out: str | Path,
    n_processes: int | None = None,
    executor: Any | None = None,
    platform: str | PlatformChoice = "auto",
    starts: Sequence[str | None] | None = None,
    biases: Sequence[Bias] | None = None,
    progress: bool = True,
) -> Trajectories:
    """Simulate independent replicas of a system, and open their trajectories.

    Called again with the same settings, replicas that are finished cost nothing and the others continue from their
    checkpoints. A larger `n_replicas` or `length_ns` adds to what is there.

    Parameters
    ----------
    system : MolecularSystem
    n_replicas : int
    length_ns : float or Quantity
        Of each replica; rounded to whole frames.
    seed : int
        Each replica gets its own, drawn from this one.
    out : path-like
        Replica i writes the folder ``replica_00i`` in it (see `run_simulation`).
    n_processes : int, optional
        Replicas that run at once: as many as there are cores, or one where the platform is a GPU.
    executor : object with ``submit(fn, *args) -> future``, optional
        Where replicas run instead of a process pool here; a future has ``.result()``. The folder must be shared.
    platform : str or PlatformChoice
        See `select_platform`; "auto" is measured once, here.
    starts : list of str or None, optional
        Names of starts that the replicas take in turn, None for the structure itself; all of the system's if not
        given.
    biases : list of Bias, optional
        That the replicas take in turn.
    progress : bool
        Show one progress bar: nanoseconds of all replicas, speed, time left.

    Returns
    -------
    Trajectories
        One a replica, not yet read.

    Raises
    ------
    SettingsError
        A setting is out of range, a start is not known, or all replicas blew up. One that does is left out, and the
        others go on.
    RunFolderError
        A replica's folder holds another simulation, or a longer one.

    Examples
    --------
    >>> import tempfile
    >>> from mdtok.md import load_system
    >>> system = load_system("alanine_dipeptide")
    >>> trajs = run_replicas(system, n_replicas=2, length_ns=0.01, seed=7, out=tempfile.mkdtemp(), progress=False)
    >>> len(trajs)
    2
    """
    from mdtok.md.trajectory import open_trajectories  # here, so that workers do not import it

    length_ns = plain(length_ns, unit.nanosecond)
    interval = system.frame_interval_steps
    n_steps = _count_steps(system, n_replicas, length_ns)
    starts = list(system.starts) or [None] if starts is None else list(starts)
    if not starts:
        raise SettingsError("starts is empty; give names of starts, or leave it out to take all of them.")
    in_turn: Sequence[Bias | None] = biases or (None,)
    replicas = [
        (Path(out) / f"replica_{k:03d}", replica_seed, starts[k % len(starts)], in_turn[k % len(in_turn)])
        for k, replica_seed in enumerate(_replica_seeds(seed, n_replicas))
    ]
    n_done = []
    for folder, replica_seed, start, bias in replicas:
        settings = simulation_settings(system, replica_seed, start, interval, bias)
        n_done.append(check_folder(folder, settings, n_steps))
    to_run = [one for one, steps in zip(replicas, n_done) if steps < n_steps and not blown_up(one[0])]
    if n_processes is not None and (int(n_processes) != n_processes or n_processes < 1):
        raise SettingsError(f"n_processes is {n_processes}; a whole number of at least 1 was expected.")
    if to_run:
        n_side_by_side = min(len(to_run), n_processes or available_cores())
        choice = select_platform(platform, system, n_side_by_side)
        if choice.is_gpu and n_processes is None:
            n_side_by_side = 1
        jobs = [(system, n_steps, folder, its_seed, start, bias, choice) for folder, its_seed, start, bias in to_run]
        with _worker_pool(n_side_by_side) if executor is None else contextlib.nullcontext(executor) as pool:
            _run_all(pool, jobs, system, n_steps, n_replicas, sum(n_done), progress)
    folders = [folder for folder, *_ in replicas]
    sound = [folder for folder in folders if not blown_up(folder)]
    if not sound:
        raise BlownUp(f"All replicas blew up; {folders[0].name}: {blown_up(folders[0])}")
    for remark in remarks_on(folders):
        logger.warning("%s", remark)
    paths = [folder / TRAJECTORY for folder in sound]
    return open_trajectories(paths, top=sound[0] / TOPOLOGY, dt_ps=interval * system.timestep_fs / 1000)


def _count_steps(system, n_replicas, length_ns):
    if int(n_replicas) != n_replicas or n_replicas < 1:
        raise SettingsError(f"n_replicas is {n_replicas}; a whole number of at least 1 was expected.")
    n_frames = round(length_ns * 1000 / system.frame_interval_ps) if math.isfinite(length_ns) else 0
    if n_frames < 1:
        raise SettingsError(f"length_ns is {length_ns}; at least one frame ({system.frame_interval_ps} ps) is needed.")
    return n_frames * system.frame_interval_steps


def _replica_seeds(seed, n_replicas):
    """One seed a replica; the first ones stay the same when replicas are added."""
    if isinstance(seed, bool) or int(seed) != seed or seed < 0:
        raise SettingsError(f"seed is {seed}; a whole number of at least 0 was expected.")
    return [int(child.generate_state(1)[0]) for child in np.random.SeedSequence(int(seed)).spawn(n_replicas)]


def _run_replica(system, n_steps, folder, seed, start, bias, choice):
    try:
        run_simulation(
            system,
            n_steps,
            out=folder,
            seed=seed,
            start=start,
            platform=choice,
            bias=bias,
            progress=False,
            should_stop=_cancelled.is_set,
        )
    except BlownUp as error:
        if hasattr(system, "potential"):  # particles on a potential that does not hold them: all of them blow up
            raise BlownUp(f"{folder.name}: {error}") from None
        say_blown_up(folder, str(error))  # the others go on; it keeps what it had at its last checkpoint
    except MdtokError as error:
        raise type(error)(f"{folder.name}: {error}") from None


def _run_all(pool, jobs, system, n_steps, n_replicas, n_steps_before, progress):
    """Wait for all jobs while the bar follows what they write; the first failure cancels those that wait."""
    ns_per_step, futures, began = system.timestep_fs * 1e-6, [], time.monotonic()
    with tracked(
        total=n_replicas * n_steps * ns_per_step,
        initial=n_steps_before * ns_per_step,
        desc=system.name,
        bar_format=BAR_FORMAT,
        smoothing=0,
        disable=not progress,
    ) as bar:
        try:
            with _interrupts_held():  # processes that start inherit it: Ctrl-C is not for them
                futures.extend(pool.submit(_run_replica, *job) for job in jobs)
            waiting = dict(zip(futures, jobs))
            while waiting:
                for future in [future for future in waiting if _is_finished(future)]:
                    future.result()
                    del waiting[future]
                n_recorded = sum(recorded_steps(folder) for _, _, folder, *_ in waiting.values())
                n_done = (n_replicas - len(waiting)) * n_steps + n_recorded
                speed = (n_done - n_steps_before) * ns_per_step * 86400 / (time.monotonic() - began)
                bar.set_postfix_str(f"{speed:,.0f} ns/day", refresh=False)
                bar.update(n_done * ns_per_step - bar.n)
                if waiting:
                    time.sleep(_SECONDS_BETWEEN_POLLS)
        except BrokenProcessPool:
            raise MdtokError(_BROKEN_POOL) from None
        finally:
            for future in futures:
                if hasattr(future, "cancel"):
                    future.cancel()  # does nothing to those that are finished


def _is_finished(future):
    """A future that cannot say so is waited for."""
    return future.done() if hasattr(future, "done") else True


@contextlib.contextmanager
def _worker_pool(n_processes):
    """A pool of fresh processes that stop, with a checkpoint, when this one fails or is interrupted, or dies."""
    context = multiprocessing.get_context("spawn")
    lifeline, held_here = context.Pipe(duplex=False)
    with held_here, lifeline, ProcessPoolExecutor(n_processes, context, _start_worker, (lifeline,)) as pool:
        try:
            yield pool
        except BaseException:
            held_here.close()  # workers see it, write a checkpoint and end
            _end_within(pool, _SECONDS_TO_END)
            raise


def _end_within(pool, seconds):
    """Wait for the workers to end, and kill those that do not: a frame may take long, and imports do."""
    processes = list((getattr(pool, "_processes", None) or {}).values())
    end = time.monotonic() + seconds
    for process in processes:
        process.join(max(0.0, end - time.monotonic()))
        if process.is_alive():
            process.kill()


@contextlib.contextmanager
def _interrupts_held():
    """Ctrl-C waits until the block ends; where a thread cannot hold them, nothing is held."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _start_worker(lifeline):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    tqdm.set_lock(threading.RLock())  # in place of a semaphore, which would be left behind
    threading.Thread(target=_watch_parent, args=(lifeline,), daemon=True).start()


def _watch_parent(lifeline):
    parent = multiprocessing.parent_process()
    multiprocessing.connection.wait([lifeline, parent.sentinel])
    _cancelled.set()
    parent.join()
    os._exit(1)  # an idle worker would wait for work for ever
