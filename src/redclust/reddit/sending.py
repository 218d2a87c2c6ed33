"""One HTTP request that ends in time, whatever the network does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import prawcore
import requests

from redclust.reddit.failures import Interrupted

#: How long an answer that is on its way may still take when the caller wants to stop.
GRACE_S = 5.0
# requests' own time-outs, which say more, come first.
_SPARE_S = 1.0
_LOOK_S = 0.1


class Sending:
    """A request in a thread of its own.

    requests limits the time between two bytes, and not at all how long a name server takes: an answer in
    drops would last for ever. And a wait inside it cannot be ended from outside, a wait for a thread can.
    """

    def __init__(self, send: Callable[[], requests.Response]) -> None:
        """``send`` gives the response as soon as its headers are there."""
        self._send = send
        self._done = threading.Event()
        self._result: requests.Response | prawcore.RequestException | None = None
        self._response: requests.Response | None = None
        self._given_up = False

    def wait(self, seconds: float, interrupt: threading.Event) -> requests.Response:
        """The response with its whole body.

        Raises:
            prawcore.RequestException: it did not come whole, or not within so many seconds.
            Interrupted: the event was set, and the answer did not come soon after.
        """
        threading.Thread(target=self._run, name="request", daemon=True).start()
        deadline_s = time.monotonic() + seconds + _SPARE_S
        stop_s: float | None = None
        while not self._done.wait(_LOOK_S):
            now_s = time.monotonic()
            if interrupt.is_set():
                stop_s = stop_s or now_s + GRACE_S
            if now_s > deadline_s or (stop_s and now_s > stop_s):
                self._give_up()
                if now_s > deadline_s:
                    raise prawcore.RequestException(requests.ReadTimeout("timed out"), (), {})
                raise Interrupted
        if isinstance(self._result, requests.Response):
            return self._result
        raise self._result or RuntimeError("the request's thread ended without a result")

    def _run(self) -> None:
        try:
            response = self._response = self._send()
            if self._given_up:
                response.close()
            _ = response.content
            self._result = response
        except prawcore.RequestException as error:
            self._result = error
        except Exception as error:  # noqa: BLE001 - told to the thread that waits
            self._result = prawcore.RequestException(error, (), {})
        finally:
            self._done.set()

    def _give_up(self) -> None:
        self._given_up = True
        if self._response is not None:
            # Where all of it has been read meanwhile there is nothing left to shut.
            with suppress(RuntimeError, ValueError, OSError):
                self._response.raw.shutdown()
