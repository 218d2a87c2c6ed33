"""TLS in front of a Postgres: a CA of our own, and a proxy for a server that was built without."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_TLS, _GSS = (80877103).to_bytes(4), (80877104).to_bytes(4)


@dataclass(frozen=True)
class Certificates:
    """A server's certificate for 127.0.0.1, its key, and who signed it; ``other_ca`` signed nothing."""

    directory: Path

    @classmethod
    def make(cls, directory: Path) -> Certificates:
        def openssl(*argv: str) -> None:
            subprocess.run(["openssl", *argv], cwd=directory, check=True, capture_output=True)

        new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        for name in ("ca", "other"):
            files = ("-keyout", f"{name}.key", "-out", f"{name}.crt")
            openssl("req", "-x509", *new_key, "-days", "2", "-subj", f"/CN={name}", *files)
        signed = ("-CA", "ca.crt", "-CAkey", "ca.key", "-addext", "subjectAltName=IP:127.0.0.1")
        files = ("-keyout", "server.key", "-out", "server.crt")
        openssl("req", "-x509", *new_key, "-days", "2", "-subj", "/CN=server", *signed, *files)
        return cls(directory)

    @property
    def ca(self) -> Path:
        return self.directory / "ca.crt"

    @property
    def other_ca(self) -> Path:
        return self.directory / "other.crt"

    @property
    def crt(self) -> Path:
        return self.directory / "server.crt"

    @property
    def key(self) -> Path:
        return self.directory / "server.key"


@contextmanager
def tls_proxy(upstream_port: int, certificates: Certificates) -> Generator[int]:
    """A port of 127.0.0.1 that speaks TLS as Postgres does, and nothing else."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.crt, certificates.key)

    async def flow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while block := await reader.read(65_536):
                writer.write(block)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while (asked := (await reader.readexactly(8))[4:]) == _GSS:
                writer.write(b"N")
            if asked != _TLS:
                writer.close()
                return
            writer.write(b"S")
            await writer.drain()
            await writer.start_tls(context)
            server = await asyncio.open_connection("127.0.0.1", upstream_port)
            await asyncio.gather(flow(reader, server[1]), flow(server[0], writer))

    loop = asyncio.new_event_loop()
    listening = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield int(listening.sockets[0].getsockname()[1])
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
