"""Ending a worker by SIGTERM: after the page in hand, and in any case soon."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

_EXIT = 128 + signal.SIGTERM


@contextmanager
def stopping(also: Callable[[], None]) -> Generator[threading.Event]:
    """An event that SIGTERM sets until the block ends, and calls ``also``; a second SIGTERM ends the process.

    The client gives up a request that is on its way some seconds after the event. What is in hand at the
    second signal is lost and nothing else: its transaction never was, and the lease runs out by itself.
    """
    event = threading.Event()

    def asked(number: int, frame: FrameType | None) -> None:
        if event.is_set():
            os._exit(_EXIT)
        event.set()
        also()

    before = signal.signal(signal.SIGTERM, asked)
    try:
        yield event
    finally:
        signal.signal(signal.SIGTERM, before)
