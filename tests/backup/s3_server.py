"""An S3 server on loopback, and a proxy in front of it that cuts connections when it is told to."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Proxy:
    """Passes bytes on; ``cuts`` times (None: always) it cuts a connection that sends a lot to ``victim``.

    With ``reads`` one that gets a lot of it; ``instead`` is done in place of the cut.
    """

    upstream: tuple[str, int]
    victim: bytes | None = None
    cuts: int | None = None
    made: int = 0
    reads: bool = False
    instead: Callable[[], object] | None = None
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    after_bytes = 200_000

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def reset(self) -> None:
        self.victim, self.cuts, self.made, self.reads, self.instead = None, None, 0, False, None

    def serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client: socket.socket) -> None:
        doomed, sent = False, 0
        with client, suppress(OSError), socket.create_connection(self.upstream) as server:
            while True:
                for one in select.select([client, server], [], [])[0]:
                    block = one.recv(65_536)
                    if not block:
                        return
                    if one is client:
                        doomed = doomed or (self.victim is not None and self.victim in block)
                    if (one is server) == self.reads:
                        sent += len(block)
                    if doomed and sent > self.after_bytes and self.made != self.cuts:
                        self.made += 1
                        if self.instead is None:
                            return
                        self.instead()
                    (server if one is client else client).sendall(block)

    def close(self) -> None:
        # Wakes accept(), which close() alone does not.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def s3_server() -> Generator[Proxy]:
    """A moto server behind a proxy."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    proxy = Proxy((host, port))
    threading.Thread(target=proxy.serve, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.close()
        server.stop()
