"""HTTP/1.1 on one connection: requests in, answers out, nothing else of HTTP than clients of an API use."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from redclust.rehearsal import answers
from redclust.rehearsal.answers import Answer, Delivery
from redclust.rehearsal.ledger import Request

_HEAD_MAX_BYTES = 64 * 1024
_BODY_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Asked:
    """A request off the wire; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int
    received_s: float


class Connection(asyncio.Protocol):
    """One client's connection, ``among`` those that are open, for as long as it likes; a request at a time.

    asyncio sets TCP_NODELAY on every TCP connection: an answer leaves at once.
    """

    def __init__(
        self,
        number: int,
        among: set[Connection],
        handle: Callable[[Asked], tuple[Request | None, Answer]],
        ended: Callable[[Request, int], None],
    ) -> None:
        self._handle, self._ended = handle, ended
        self._number, self._among = number, among
        self._buffer = bytearray()
        #: The request that waits for its answer, and the timer that will bring it.
        self._current: Request | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def abort(self) -> None:
        """Close it, whatever waits for an answer."""
        if self._transport:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._among.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._among.discard(self)
        self._transport = None
        if self._timer:
            self._timer.cancel()
        self._end(0)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._go_on()

    def _go_on(self) -> None:
        """Answer what is in the buffer, one request after the other."""
        while self._transport is not None and self._current is None and (asked := self._next()) is not None:
            self._current, answer = self._handle(asked)
            close = asked.headers.get("connection", "").lower() == "close"
            if answer.delay_s:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(answer.delay_s, self._late, answer, close)
            else:
                self._deliver(answer, close=close)

    def _late(self, answer: Answer, close: bool) -> None:
        self._deliver(answer, close=close)
        self._go_on()

    def _deliver(self, answer: Answer, *, close: bool) -> None:
        sent = answer.delivery in (Delivery.WHOLE, Delivery.HALF)
        # Before it leaves: who has the answer finds it in the log.
        self._end(answer.status if sent else 0)
        if sent:
            self._send(answer, close=close or answer.delivery is Delivery.HALF)
        elif self._transport:
            self._transport.close()

    def _end(self, status: int) -> None:
        """The current request is over."""
        if self._current:
            self._ended(self._current, status)
            self._current = None

    def _next(self) -> Asked | None:
        """The next whole request of the buffer."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _HEAD_MAX_BYTES:
                self._refuse(431)
            return None
        first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
        }
        length, words = headers.get("content-length", "0"), first.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1.") or "transfer-encoding" in headers:
            return self._refuse(400)
        if not length.isdecimal() or int(length) > _BODY_MAX_BYTES:
            return self._refuse(413)
        total = end + 4 + int(length)
        if len(self._buffer) < total:
            return None
        body = bytes(self._buffer[end + 4 : total])
        del self._buffer[:total]
        return Asked(words[0], words[1], headers, body, self._number, time.monotonic())

    def _refuse(self, status: int) -> None:
        """What is no HTTP that we speak ends the connection."""
        self._buffer.clear()
        self._send(answers.refusal(status), close=True)

    def _send(self, answer: Answer, *, close: bool) -> None:
        if self._transport is None:
            return
        headers = "".join(f"{name}: {value}\r\n" for name, value in answer.headers)
        head = (
            f"HTTP/1.1 {answer.status} {answers.reason(answer.status)}\r\n"
            f"content-type: {answer.kind}\r\ncontent-length: {len(answer.body)}\r\n"
            f"{headers}{'connection: close' + chr(13) + chr(10) if close else ''}\r\n"
        )
        half = answer.delivery is Delivery.HALF
        body = answer.body[: len(answer.body) // 2] if half else answer.body
        self._transport.write(head.encode("latin-1") + body)
        if close:
            self._transport.close()
