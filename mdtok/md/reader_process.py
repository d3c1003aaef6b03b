"""XTC and HDF5 files are read in a process of their own, so that a damaged one cannot end the user's.

XTC's decoder in C writes past its buffer where packed coordinates are damaged, and whether that ends the process hangs
on chance; HDF5's library has ends of its own. A small process is started once and forks a reader for every file. The
parent sends ``[start, n_frames, stride]`` and gets arrays back. What ends, or stays silent, was reading a damaged file.
"""

import atexit
import contextlib
import json
import os
import select
import signal
import subprocess
import sys

import numpy as np

_PATIENCE_SECONDS = 60.0  # for an answer: reading a chunk takes less than one
_SERVE = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from mdtok.md.reader_process import serve; serve()"
_CAN_FORK = hasattr(os, "fork") and bool(sys.executable)


class ReaderEnded(OSError):
    """The process that read a file ended, or gave no answer."""


@contextlib.contextmanager
def open_reader(path, file_class):
    """Open a file in a process of its own for the time of the block.

    Parameters
    ----------
    path : path-like
    file_class : type
        A context manager ``file_class(path)`` with ``header()``, which gives a dict that JSON can hold, and
        ``read(start, n_frames, stride)``, which gives a dict of arrays.

    Yields
    ------
    Reader, or the file itself where processes cannot be forked

    Raises
    ------
    OSError
        What the file's own reader said, or that it ended.
    """
    if not _CAN_FORK:
        with file_class(str(path)) as file:
            yield file
        return
    server = _idle.pop() if _idle else _Server()
    try:
        yield Reader(server, path, file_class)
    finally:
        if server.close_file():
            _idle.append(server)


class Reader:
    """One open file."""

    def __init__(self, server, path, file_class):
        self._server = server
        self._header = server.ask(
            {"open": os.path.abspath(path), "module": file_class.__module__, "name": file_class.__name__}
        )[0]

    def header(self):
        """What the file's own reader says of it."""
        return self._header

    def read(self, start: int, n_frames: int, stride: int = 1) -> dict[str, np.ndarray]:
        """Arrays of `n_frames` frames, every `stride`-th one from `start` on."""
        return self._server.ask({"read": [int(start), int(n_frames), int(stride)]})[1]


class _Server:
    """The small process, as its parent sees it."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is its parent's; it ends when its input does
        )
        self._owner, self._is_open = os.getpid(), False
        atexit.register(self.stop)

    def ask(self, message):
        """The answer to a message: a dict, and arrays."""
        self._is_open = True
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
            answer = json.loads(self._read_line())
            arrays = {
                name: np.frombuffer(self._read(np.prod(shape, dtype=int) * np.dtype(kind).itemsize), kind).reshape(
                    shape
                )
                for name, shape, kind in answer.pop("arrays", [])
            }
        except (BrokenPipeError, EOFError, ValueError):
            self.stop()
            raise ReaderEnded("its reader ends") from None
        except TimeoutError:
            self.stop()
            raise ReaderEnded(f"its reader gives no answer in {_PATIENCE_SECONDS:g} s") from None
        if "ended" in answer:
            self._is_open = False
            raise ReaderEnded("its reader ends")
        if "error" in answer:
            raise OSError(answer["error"])
        return answer, arrays

    def close_file(self):
        """Close the file; whether the process can read another one."""
        if self._is_open and self._process is not None:
            with contextlib.suppress(OSError, EOFError, ValueError):
                self.ask({"close": True})
            self._is_open = False
        return self._process is not None and self._process.poll() is None

    def stop(self):
        """End the process and what it forked."""
        atexit.unregister(self.stop)
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                stream.close()
        process.wait()

    def _read_line(self):
        line = b""
        while not line.endswith(b"\n"):
            line += self._read(1)
        return line

    def _read_array(self, shape, kind):
        return np.frombuffer(self._read(int(np.prod(shape)) * kind.itemsize), kind).reshape(shape)

    def _read(self, n_bytes):
        content = bytearray()
        while len(content) < n_bytes:
            if not select.select([self._process.stdout], [], [], _PATIENCE_SECONDS)[0]:
                raise TimeoutError
            piece = os.read(self._process.stdout.fileno(), min(n_bytes - len(content), 2**20))
            if not piece:
                raise EOFError
            content += piece
        return bytes(content)


_idle: list[_Server] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # the pipes are the parent's


def serve():
    """What the small process does: fork a reader for every file that is named on its input."""
    import mdtraj.formats  # noqa: F401  once, for all that are forked

    answers = os.dup(1)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)  # readers in C print

    while (message := _next_message()) is not None:
        if "open" not in message:  # its file was closed by the end of its reader
            _answer(answers, {"ended": True})
            continue
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                _serve_file(answers, message)
                status = 0
            finally:
                os._exit(status)
        if os.waitpid(pid, 0)[1] != 0:
            _answer(answers, {"ended": True})


def _serve_file(answers, message):
    import importlib

    file_class = getattr(importlib.import_module(message["module"]), message["name"])
    try:
        file = file_class(message["open"])
        with file:
            _answer(answers, file.header())
            while (request := _next_message()) is not None:
                if "close" in request:
                    break
                try:
                    _answer(answers, {}, file.read(*request["read"]))
                except Exception as error:
                    _answer(answers, {"error": _one_line(error)})
    except Exception as error:  # of opening
        _answer(answers, {"error": _one_line(error)})
        if _next_message() is None:
            return
    _answer(answers, {})  # to "close"


def _next_message():
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            return None
        line += byte
    return json.loads(line)


def _answer(answers, content, arrays=None):
    arrays = {name: np.ascontiguousarray(array) for name, array in (arrays or {}).items() if array is not None}
    described = [[name, list(array.shape), array.dtype.str] for name, array in arrays.items()]
    _write(answers, json.dumps({**content, "arrays": described}).encode() + b"\n")
    for array in arrays.values():
        _write(answers, memoryview(array.reshape(-1).view(np.uint8)))


def _write(descriptor, content):
    while len(content):
        content = content[os.write(descriptor, content) :]


def _one_line(error):
    return " ".join(str(error).split()) or type(error).__name__
