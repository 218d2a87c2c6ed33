"""Postgres' own programs, and the only place that starts processes.

argv lists, never a shell; a password travels in the environment of the one child that needs it, not in argv.
"""

from redclust.pgtools.children import Child, peak_memory_bytes, running
from redclust.pgtools.clients import client_tools, dump_argv, restore_argv, roles_script, script_argv
from redclust.pgtools.programs import (
    Account,
    Tools,
    dump,
    dump_roles,
    find_tools,
    initdb,
    psql,
    restore,
    run,
    run_script,
    spawn_keeper,
    start,
    stop,
    wheel_bin_dir,
)

__all__ = [
    "Account",
    "Child",
    "Tools",
    "client_tools",
    "dump",
    "dump_argv",
    "dump_roles",
    "find_tools",
    "initdb",
    "peak_memory_bytes",
    "psql",
    "restore",
    "restore_argv",
    "roles_script",
    "run",
    "run_script",
    "running",
    "script_argv",
    "spawn_keeper",
    "start",
    "stop",
    "wheel_bin_dir",
]
