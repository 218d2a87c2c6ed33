"""Reading a dump in a process of its own, so that parsing and Postgres each have a core."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import queue
import signal
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from redclust.dumps.batches import Checkpoint
from redclust.dumps.read import Filters, Head, read
from redclust.store.prepared import Prepared, prepared

#: A smaller file is read before another process has begun.
_SMALL_BYTES = 256 * 1024
#: Batches that wait between the two processes: what bounds the memory of the pair.
_WAITING = 2


@contextmanager
def batches(
    path: Path | None, filters: Filters, *, resume: Checkpoint | None, batch_rows: int
) -> Generator[Iterator[Head | Prepared]]:
    """The head of a file and then its batches; errors of the reading are raised in their place.

    ``path=None`` reads standard input, in this process: another one cannot share it.
    """
    if path is None or path.stat().st_size < _SMALL_BYTES:
        yield prepared(read(path, filters=filters, resume=resume, batch_rows=batch_rows))
        return
    # A fork is at work at once; a new interpreter needs a third of a second to load numpy.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=_send, args=(sender, path, filters, resume, batch_rows), name="redclust reader", daemon=True
    )
    process.start()
    sender.close()
    waiting: queue.Queue[bytes] = queue.Queue(_WAITING)
    stopped = threading.Event()
    thread = threading.Thread(target=_receive, args=(receiver, waiting, stopped), daemon=True)
    thread.start()
    try:
        yield _unpacked(waiting, process)
    finally:
        stopped.set()
        process.terminate()
        while thread.is_alive():  # it may wait for room
            try:
                waiting.get(timeout=0.05)
            except queue.Empty:
                continue
        process.join()
        receiver.close()


def _send(
    sender: Connection, path: Path, filters: Filters, resume: Checkpoint | None, batch_rows: int
) -> None:
    # Ctrl-C reaches the whole group; the parent decides when this process ends. When the parent is gone,
    # sending fails and this process ends too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _close_others(sender.fileno())
    try:
        for item in prepared(read(path, filters=filters, resume=resume, batch_rows=batch_rows)):
            sender.send_bytes(pickle.dumps(item, protocol=5))
        sender.send_bytes(pickle.dumps(None))
    except BrokenPipeError:
        return
    except Exception as error:  # noqa: BLE001 - raised again where it is received
        sender.send_bytes(pickle.dumps(error))


def _close_others(kept: int) -> None:
    """Close what the fork inherited: sessions and locks must end with the parent, not with this process."""
    try:
        inherited = [int(name) for name in os.listdir("/proc/self/fd")]  # noqa: PTH208 - numbers, not paths
    except OSError:
        inherited = list(range(3, 256))
    for fd in inherited:
        if fd > 2 and fd != kept:
            with suppress(OSError):
                os.close(fd)


def _receive(receiver: Connection, waiting: queue.Queue[bytes], stopped: threading.Event) -> None:
    try:
        while not stopped.is_set():
            waiting.put(receiver.recv_bytes())
    except (EOFError, OSError):
        waiting.put(b"")


def _unpacked(waiting: queue.Queue[bytes], process: BaseProcess) -> Iterator[Head | Prepared]:
    while True:
        data = waiting.get()
        if not data:
            process.join()
            raise RuntimeError(f"the reading process died with code {process.exitcode}")
        # What our own child sent over our own pipe.
        item: Head | Prepared | Exception | None = pickle.loads(data)  # noqa: S301
        if item is None:
            return
        if isinstance(item, Exception):
            raise item
        yield item
