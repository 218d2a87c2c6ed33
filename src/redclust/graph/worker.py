"""A long calculation in a process of its own, so that this one goes on answering."""

from __future__ import annotations

import ctypes
import importlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar, cast

import numpy as np

from redclust.errors import RedclustError

Result = TypeVar("Result")

#: Arrays shorter than this many edges are worked on in about as long as a process takes to start, the
#: interpreter locked for half a second at most.
INLINE_EDGES = 200_000
_PROGRESS_INTERVAL_S = 1.0
_PR_SET_PDEATHSIG = 1


class Worker:
    """A process beside this one that calls functions, one after the other.

    igraph keeps the interpreter locked for as long as it calculates: what else must go on (a heartbeat,
    a progress line, Ctrl-C) cannot share a process with it. The worker ends with this process, however that
    ends, and with the block. It starts with the first call that is worth it, in about 0.4 s of CPU, or with
    :meth:`start`, so that it is there when it is needed. ``preload`` names a module that it imports first.
    """

    def __init__(self, preload: str | None = None) -> None:
        self._preload = preload
        self._process: SpawnProcess | None = None
        self._ours: Connection[Any, Any] | None = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def start(self) -> None:
        """Let the process start, without waiting for it."""
        if self._process is not None:
            return
        # Not fork: a thread of ours may hold a lock then, and a database connection would be shared.
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._preload), daemon=True)
        with theirs:
            # With a call's arguments, start() would write them to a pipe that it keeps open itself, and wait
            # for ever where the process dies; when theirs is closed that is seen.
            self._process.start()

    def run(
        self,
        function: Callable[..., Result],
        *args: object,
        progress: Callable[[float], None] | None = None,
        **kwargs: object,
    ) -> Result:
        """Call ``function(*args, **kwargs)`` there and return what it returns.

        ``progress`` is called with the seconds passed, once a second. An exception out of it ends the
        process. What ``function`` raises is raised here, with the worker's traceback as a note. Arguments and
        result are copied. Arrays that are all shorter than ``INLINE_EDGES`` are not worth that: with
        those the function is called right here, and ``progress`` is not. ``function`` must be importable by
        name, arguments and result must pickle.

        Raises:
            RedclustError: the worker was ended from outside, for want of memory for instance.
        """
        lengths = [len(cast(Any, arg)) for arg in (*args, *kwargs.values()) if isinstance(arg, np.ndarray)]
        if lengths and max(lengths) < INLINE_EDGES:
            return function(*args, **kwargs)
        try:
            result, error = self._answer(function, args, kwargs, progress)
        except BaseException:
            self._end()
            raise
        if error is not None:
            raise error
        return cast(Result, result)

    def _answer(
        self,
        function: Callable[..., object],
        args: tuple[object, ...],
        kwargs: dict[str, object],
        progress: Callable[[float], None] | None,
    ) -> tuple[object, BaseException | None]:
        started_s = time.monotonic()
        self.start()
        process, ours = cast(SpawnProcess, self._process), cast("Connection[Any, Any]", self._ours)
        with suppress(BrokenPipeError, ConnectionResetError):
            ours.send((function, args, kwargs))
        while not ours.poll(_PROGRESS_INTERVAL_S):
            if progress is not None:
                progress(time.monotonic() - started_s)
        try:
            return ours.recv()
        except (EOFError, OSError):
            process.join()
            code = process.exitcode or 0
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            raise RedclustError(
                f"the worker process of {function.__name__} ended without an answer ({how})",
                hint="when memory runs out, the kernel ends processes: see `dmesg`",
            ) from None

    def _end(self) -> None:
        process, self._process = self._process, None
        if self._ours is not None:
            self._ours.close()
        if process is not None and process.pid is not None:
            process.kill()
            process.join()
            process.close()


def _serve(theirs: Connection[Any, Any], preload: str | None) -> None:
    # Ctrl-C reaches every process of the terminal; the one that waits for this one decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_parent()
    if preload is not None:
        importlib.import_module(preload)
    while True:
        try:
            function, args, kwargs = theirs.recv()
            theirs.send((function(*args, **kwargs), None))
        except EOFError:  # nothing more to do
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised again where it was asked for
            error.add_note(f"In the worker process:\n{traceback.format_exc()}")
            theirs.send((None, _portable(error)))


def _portable(error: Exception) -> Exception:
    """The error, or what it says if it cannot be rebuilt in another process."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    except Exception:  # noqa: BLE001 - any class may fail in any way here
        return RuntimeError("".join(traceback.format_exception(error)))
    return error


def _end_with_parent() -> None:
    """End this process when its parent does, also when that was killed.

    On Linux the kernel sees to it, at any moment. Elsewhere a thread does, as soon as it gets the
    interpreter, which may be only when igraph's call returns.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent.pid:  # it ended before the kernel was asked
        os._exit(1)
    threading.Thread(target=_exit_after, args=(parent,), daemon=True).start()


def _exit_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
