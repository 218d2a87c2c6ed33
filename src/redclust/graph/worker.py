"""A long calculation in a process of its own, so that this one goes on answering."""

from __future__ import annotations

import ctypes
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

#: Arrays shorter than this many edges are worked on in less time than a process takes to start.
INLINE_EDGES = 50_000
_PROGRESS_INTERVAL_S = 1.0
_PR_SET_PDEATHSIG = 1


def run_in_worker(
    function: Callable[..., Result],
    *args: object,
    progress: Callable[[float], None] | None = None,
    **kwargs: object,
) -> Result:
    """Call ``function(*args, **kwargs)`` in a new process and return what it returns.

    igraph keeps the interpreter locked for as long as it calculates: what else must go on (a heartbeat,
    a progress line, Ctrl-C) cannot share a process with it. ``progress`` is called with the seconds
    passed, once a second. The worker ends with this process, however that ends, and with this
    call: an exception out of ``progress`` ends it too. What ``function`` raises is raised here, with the
    worker's traceback as a note.

    A process costs about 0.3 s and a copy of the arguments and of the result. Arrays that are all shorter
    than ``INLINE_EDGES`` are not worth it: with those the function is called right here, and
    ``progress`` is not. ``function`` must be importable by name, arguments and result must pickle.

    Raises:
        RedclustError: the worker was ended from outside, for want of memory for instance.
    """
    lengths = [len(cast(Any, arg)) for arg in (*args, *kwargs.values()) if isinstance(arg, np.ndarray)]
    if lengths and max(lengths) < INLINE_EDGES:
        return function(*args, **kwargs)
    # Not fork: a thread of ours may hold a lock at that moment, and a database connection would be shared.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    worker = context.Process(target=_serve, args=(theirs,), daemon=True)
    started_s = time.monotonic()
    with ours, theirs:
        try:
            worker.start()
            # From here on a worker that dies is seen, also while it is sent what to do: with the arguments of
            # the process, start() would write them to a pipe that it keeps open itself, and wait for ever.
            theirs.close()
            with suppress(BrokenPipeError, ConnectionResetError):
                ours.send((function, args, kwargs))
            while not ours.poll(_PROGRESS_INTERVAL_S):
                if progress is not None:
                    progress(time.monotonic() - started_s)
            result, error = _answer(ours, worker, function)
        finally:
            if worker.pid is not None:
                worker.kill()
                worker.join()
                worker.close()
    if error is not None:
        raise error
    return cast(Result, result)


def _answer(
    ours: Connection[Any, Any], worker: SpawnProcess, function: Callable[..., object]
) -> tuple[object, BaseException | None]:
    try:
        return ours.recv()
    except (EOFError, OSError):
        worker.join()
        code = worker.exitcode or 0
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        raise RedclustError(
            f"the worker process of {function.__name__} ended without an answer ({how})",
            hint="when memory runs out, the kernel ends processes: see `dmesg`",
        ) from None


def _serve(theirs: Connection[Any, Any]) -> None:
    # Ctrl-C reaches every process of the terminal; the one that waits for this one decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_parent()
    try:
        function, args, kwargs = theirs.recv()
        theirs.send((function(*args, **kwargs), None))
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
