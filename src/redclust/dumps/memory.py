"""How much memory this process can still get."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path


def available_memory_bytes() -> int | None:
    """What the machine, the control group and the process limit leave; None where nothing tells.

    Page cache that the kernel would give up counts as available.
    """
    return min(_limits(), default=None)


def _limits() -> Iterator[int]:
    machine = _field("/proc/meminfo", "MemAvailable:")
    if machine is not None:
        yield machine * 1024
    for most, used, stat, cache in (
        ("memory.max", "memory.current", "memory.stat", "inactive_file"),
        (
            "memory/memory.limit_in_bytes",
            "memory/memory.usage_in_bytes",
            "memory/memory.stat",
            "total_inactive_file",
        ),
    ):
        limit, usage = _field(f"/sys/fs/cgroup/{most}"), _field(f"/sys/fs/cgroup/{used}")
        if limit is not None and usage is not None:
            yield max(0, limit - usage + (_field(f"/sys/fs/cgroup/{stat}", cache) or 0))
    address_space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if address_space != resource.RLIM_INFINITY:
        mapped = _field("/proc/self/status", "VmSize:") or 0
        yield max(0, address_space - mapped * 1024)


def _field(path: str, name: str = "") -> int | None:
    """The number after ``name`` at the start of a line; without a name the file's first word."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        words = line.split()
        if name and words and words[0] == name:
            words = words[1:]
        elif name:
            continue
        return int(words[0]) if words and words[0].isdigit() else None
    return None
