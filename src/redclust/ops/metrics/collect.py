"""Where the figures go: a text, a file for node-exporter, or a port."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client import exposition as prometheus
from prometheus_client.registry import Collector

from redclust.config import Loaded
from redclust.errors import UsageError
from redclust.ops.doctor import checks, facts
from redclust.ops.graph.files import whole_files
from redclust.ops.metrics.families import families


class _Everything(Collector):
    """Gathers anew each time that it is asked; to be registered it describes nothing."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        found = facts.gather(self.loaded, counted=True)
        yield from families(found, checks.run(checks.Look(found, self.loaded.settings)))


def _registry(loaded: Loaded) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Everything(loaded))
    return registry


def exposition(loaded: Loaded) -> str:
    """All figures in Prometheus' text format; also with the database down, which `redclust_up` says."""
    return generate_latest(_registry(loaded)).decode()


def textfile(loaded: Loaded, path: Path) -> None:
    """The same into a file for node-exporter, which sees the old one or a whole new one.

    Raises:
        UsageError: the file cannot be written, or does not end in ``.prom``: node-exporter reads no other.
    """
    if path.suffix != ".prom":
        raise UsageError(f"{path} does not end in .prom", hint="node-exporter reads only *.prom files")
    text = exposition(loaded)
    with whole_files(path) as (file,):
        file.write(text.encode())


def serve(loaded: Loaded, host: str, port: int, ready: Callable[[str], None], ended: threading.Event) -> None:
    """Answer on a port, gathering at each request, until ``ended``; 0 takes a free one.

    Raises:
        UsageError: the port cannot be had.
    """
    try:
        server, thread = prometheus.start_http_server(port, addr=host, registry=_registry(loaded))
    except OSError as error:
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    try:
        ready(f"http://{host}:{server.server_port}/metrics")
        ended.wait()
    finally:
        server.shutdown()
        thread.join()
