"""Settings of the embedded server, sized to the machine it starts on."""

from __future__ import annotations

import os
from pathlib import Path

MIB = 1024 * 1024
_SESSIONS = 100


def memory_bytes() -> int:
    """The memory this process may use: the machine's, or its control group's limit where that is less."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            told = Path(limit).read_text().strip()
        except OSError:
            continue
        if told.isdigit():
            total = min(total, int(told))
    return total


def server_settings(socket_dir: Path, port: int) -> str:
    """The text of ``redclust.conf``: a socket only, durable, sized for one machine's bulk work."""
    memory = memory_bytes()
    cores = os.cpu_count() or 1

    def mib(share: float, least: int, most: int) -> str:
        return f"{max(least, min(most, int(memory * share / MIB)))}MB"

    settings = {
        "listen_addresses": "",
        "unix_socket_directories": f'"{socket_dir}"',
        "unix_socket_permissions": "0700",
        "port": str(port),
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "max_connections": str(_SESSIONS),
        "shared_buffers": mib(1 / 8, 32, 1024),
        "effective_cache_size": mib(1 / 2, 64, 1024 * 1024),
        # A quarter of the memory where all sessions sort, as `db settings` says too.
        "work_mem": mib(1 / 4 / _SESSIONS, 4, 64),
        "maintenance_work_mem": mib(1 / 16, 64, 1024),
        "huge_pages": "off",
        "dynamic_shared_memory_type": _shared_memory_type(),
        # Nothing replicates from this server; less is written ahead.
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "jit": "off",
        "max_worker_processes": str(max(8, cores)),
        "max_parallel_workers": str(cores),
        "max_parallel_workers_per_gather": str(max(1, cores - 1)),
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %q%a ",
        "log_checkpoints": "off",
    }
    lines = (f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in settings.items())
    return "# Written by redclust at every start of the server.\n" + "".join(lines)


def _shared_memory_type() -> str:
    # A container's /dev/shm often holds 64 MB only, and a parallel query then fails in the middle.
    try:
        shm = os.statvfs("/dev/shm")  # noqa: S108 - asked for its size only
    except OSError:
        return "mmap"
    return "posix" if shm.f_bavail * shm.f_frsize > 256 * MIB else "mmap"
