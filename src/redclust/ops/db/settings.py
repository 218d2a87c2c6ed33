"""``db settings``: what this machine and this data suggest that the server should run with, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from psycopg import errors as pg
from psycopg import sql

from redclust.db import disk
from redclust.db.connect import Connection, Connector
from redclust.db.sizing import MIB, memory_bytes
from redclust.errors import Refused, UsageError
from redclust.report import Report
from redclust.sql import query

GIB = 1024 * MIB
_UNITS = {"": 1, "B": 1, "kB": 1024, "8kB": 8192, "MB": MIB, "GB": GIB, "TB": 1024 * GIB}
_SIZE = re.compile(r"(\d+)\s*(B|kB|MB|GB|TB)?")
#: Above this share of what is taken at once the limit is too low.
_HIGH_RATIO = 0.8
_NAMES = ("max_connections", "shared_buffers", "effective_cache_size", "work_mem", "maintenance_work_mem")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: as it is, as it should be, and why; both in bytes but for ``max_connections``.

    ``restart`` is whether a change waits for one, ``applied`` whether it was written to the server's file.
    """

    name: str
    now: int
    suggested: int
    reason: str
    restart: bool
    statement: str
    applied: bool = False

    @property
    def differs(self) -> bool:
        """By so much that it is worth the trouble."""
        return abs(self.suggested - self.now) > 0.15 * self.now


@dataclass(frozen=True, slots=True)
class SettingsReport(Report):
    """The settings of memory and connections; ``memory_bytes`` is None where the machine is not this one.

    ``pending_restart`` were changed and are not in force yet; what needs no restart is after
    ``reload_statement``.
    """

    verb: ClassVar[str] = "db.settings"
    embedded: bool
    memory_bytes: int | None
    data_bytes: int
    settings: tuple[Setting, ...]
    pending_restart: tuple[str, ...]
    reload_statement: str


@dataclass(frozen=True, slots=True)
class _Facts:
    memory: int | None
    shared: bool
    data: int
    largest_index: int
    clients: int
    now: Mapping[str, int]


def settings(
    connector: Connector, *, apply: bool, chosen: Mapping[str, str], memory: str | None = None
) -> SettingsReport:
    """Suggest, or with ``apply`` write to the embedded server's file what differs and what was ``chosen``.

    ``memory`` says how much an external server's machine has, such as 8GB.

    Raises:
        UsageError: apply on an external server, an unknown name, or not a size.
        Refused: more memory than the machine has.
    """
    if apply and not connector.target.embedded:
        raise UsageError(
            "--apply is about the embedded server; on this one run the SQL that is shown as a superuser",
            hint="redclust db settings",
        )
    with connector.connect(autocommit=True) as connection:
        facts, restart, _ = _look(connection, connector, memory)
        found = [
            Setting(name, facts.now[name], value, reason, restart[name], _statement(name, value))
            for name, value, reason in _suggestions(facts, _checked(chosen, facts))
        ]
        if apply:
            found = [_applied(connection, one, one.name in chosen) for one in found]
            connection.execute(query("incidents", "reload"))
        _, _, pending = _look(connection, connector, memory)
    written = {one.name for one in found if one.applied and one.restart}
    return SettingsReport(
        embedded=connector.target.embedded,
        memory_bytes=facts.memory,
        data_bytes=facts.data,
        settings=tuple(found),
        pending_restart=tuple(sorted(written | set(pending))),
        reload_statement=query("incidents", "reload"),
    )


def _look(
    connection: Connection, connector: Connector, memory: str | None
) -> tuple[_Facts, dict[str, bool], list[str]]:
    now: dict[str, int] = {}
    restart: dict[str, bool] = {}
    pending: list[str] = []
    for name, value, unit, needs, due in connection.execute(
        query("incidents", "server_settings"), {"names": list(_NAMES)}
    ):
        now[name] = int(value) * _UNITS[unit or ""]
        restart[name] = needs
        if due:
            pending.append(name)
    (row,) = connection.execute(query("incidents", "data_facts")).fetchall()
    here = disk.data_directory(connection, connector.target) is not None
    told = _bytes(memory) if memory else memory_bytes() if here else None
    # The embedded server has to leave room for redclust's own arrays beside it.
    return _Facts(told, connector.target.embedded, *row, now=now), restart, pending


def _suggestions(facts: _Facts, chosen: Mapping[str, int]) -> list[tuple[str, int, str]]:
    made = {"max_connections": _connections(facts)} | (_memory(facts, facts.memory) if facts.memory else {})
    made |= {name: (value, "chosen with --set") for name, value in chosen.items()}
    return [(name, *made[name]) for name in _NAMES if name in made]


def _connections(facts: _Facts) -> tuple[int, str]:
    limit = facts.now["max_connections"]
    if facts.clients < _HIGH_RATIO * limit:
        return limit, f"{facts.clients} are in use"
    return 2 * limit, f"{facts.clients} of {limit} are in use; look for leaks first (redclust db connections)"


def _memory(facts: _Facts, memory: int) -> dict[str, tuple[int, str]]:
    gib = f"{memory / GIB:.1f} GiB of memory"
    share, whose = (8, "shared with redclust's own work") if facts.shared else (4, "of the server alone")
    buffers = _within(memory // share, 32 * MIB, 16 * GIB)
    # Twice the data: it grows, and the server keeps other things there as well.
    enough = _within(facts.data * 2, 32 * MIB, 16 * GIB)
    reason = f"1/{share} of {gib}, {whose}"
    if enough < buffers:
        # What suffices for the data and is not too much for the machine may stay.
        buffers = min(buffers, max(enough, facts.now["shared_buffers"]))
        reason = f"all of the data fits ({facts.data / GIB:.1f} GiB)"
    cache = memory // 2 if facts.shared else memory * 3 // 4
    work = _within(memory // 4 // max(1, facts.now["max_connections"]), 4 * MIB, 64 * MIB)
    most = _within(memory // 16, 64 * MIB, GIB)
    # Here, too, what is not too much for the machine may stay.
    maintenance = min(
        most, max(facts.now["maintenance_work_mem"], _within(facts.largest_index * 2, 64 * MIB, GIB))
    )
    return {
        "shared_buffers": (buffers, reason),
        "effective_cache_size": (_rounded(cache), f"what the machine can keep of files, of {gib}"),
        "work_mem": (work, f"a quarter of {gib} for {facts.now['max_connections']} sessions that all sort"),
        "maintenance_work_mem": (
            maintenance,
            f"a vacuum's or an index's own; the largest index has {facts.largest_index / MIB:.0f} MiB",
        ),
    }


def _within(value: int, least: int, most: int) -> int:
    return _rounded(max(least, min(most, value)))


def _rounded(value: int) -> int:
    return value // MIB * MIB


def _checked(chosen: Mapping[str, str], facts: _Facts) -> dict[str, int]:
    made: dict[str, int] = {}
    for name, text in chosen.items():
        if name not in _NAMES:
            raise UsageError(f"{name} is not one of the settings here", hint=", ".join(_NAMES))
        if name == "max_connections":
            if not text.isdigit() or not 10 <= int(text) <= 10_000:
                raise UsageError(f"max_connections={text}: a number from 10 to 10000")
            made[name] = int(text)
        else:
            made[name] = _bytes(text)
    # A server that asks for more than there is does not start again.
    buffers = made.get("shared_buffers", 0)
    if facts.memory is not None and buffers > facts.memory * 3 // 4:
        raise Refused(
            f"shared_buffers of {buffers} bytes is more than three quarters of this machine's memory",
            hint="the server would not start again",
        )
    return made


def _bytes(text: str) -> int:
    told = _SIZE.fullmatch(text.strip())
    if told is None or not told[2]:
        raise UsageError(f"{text!r} is not a size such as 256MB or 8GB")
    return int(told[1]) * _UNITS[told[2]]


def _written(name: str, value: int) -> str:
    return (
        str(value)
        if name == "max_connections"
        else f"{value // 1024}kB"
        if value % MIB
        else f"{value // MIB}MB"
    )


def _statement(name: str, value: int) -> str:
    return query("incidents", "alter_system").format(name=name, value=f"'{_written(name, value)}'")


def _applied(connection: Connection, one: Setting, chosen: bool) -> Setting:
    if not (one.differs or (chosen and one.now != one.suggested)):
        return one
    names = {"name": sql.Identifier(one.name), "value": sql.Literal(_written(one.name, one.suggested))}
    try:
        connection.execute(sql.SQL(query("incidents", "alter_system")).format(**names))
    except pg.InvalidParameterValue as error:
        raise UsageError(" ".join(str(error).split())) from None
    return Setting(one.name, one.now, one.suggested, one.reason, one.restart, one.statement, applied=True)
