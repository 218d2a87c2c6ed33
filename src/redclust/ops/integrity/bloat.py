"""``integrity bloat``: bytes that hold nothing, estimated for all and confirmed for those that stand out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from psycopg import errors as pg

from redclust.config import MaintenanceSettings
from redclust.db import extensions
from redclust.db import tables as catalog
from redclust.db.connect import Connection
from redclust.db.extensions import Unavailable
from redclust.db.session import Database
from redclust.ops.integrity import relations
from redclust.ops.integrity.indexes import IndexAdvice, advise
from redclust.ops.integrity.relations import Kind, Relation
from redclust.ops.window import Window
from redclust.report import Progress, Report
from redclust.sql import query

Verdict = Literal["fine", "bloated", "not confirmed"]
#: A table may be locked, and two who borrow pgstattuple at once wait for each other.
_LOCK_WAIT_MS = 5_000
_OUT_OF_TIME = "the time of --budget was up"


@dataclass(frozen=True, slots=True)
class RelationBloat:
    """The two numbers for one relation: bytes that writing it anew would give back.

    ``estimated_bytes`` is None where the statistics do not suffice, and ``estimate_lacks`` says what they
    lack. A confirmed one has ``method`` and ``confirmed_bytes``, a table also the dead and the free bytes
    that were seen: dead ones become free by a vacuum. ``mend`` is the command that helps a bloated one.
    """

    table: str
    name: str
    kind: Kind
    size_bytes: int
    estimated_bytes: int | None
    estimate_lacks: str
    method: str = ""
    confirmed_bytes: int | None = None
    dead_bytes: int | None = None
    free_bytes: int | None = None
    verdict: Verdict = "fine"
    reason: str = ""
    mend: str = ""


@dataclass(frozen=True, slots=True)
class BloatReport(Report):
    """Every table and B-tree, the most wasted bytes first; and what the use of the indexes suggests.

    Not ok when one is bloated, or was to be confirmed and was not: for lack of time always, for lack of the
    right to (``lacks``) only where tables were named or ``strict`` was asked for.
    """

    verb: ClassVar[str] = "integrity.bloat"
    database: str
    bloat_ratio: float
    min_bytes: int
    relations: tuple[RelationBloat, ...]
    lacks: str
    lack_counts: bool
    locked_tables: tuple[str, ...]
    indexes: tuple[IndexAdvice, ...]
    duration_s: float

    @property
    def ok(self) -> bool:
        verdicts = {one.verdict for one in self.relations}
        unconfirmed = "not confirmed" in verdicts or bool(self.locked_tables)
        return "bloated" not in verdicts and not (unconfirmed and (self.lack_counts or not self.lacks))


def bloat(
    database: Database,
    settings: MaintenanceSettings,
    names: Sequence[str],
    progress: Progress,
    *,
    budget_s: float,
    strict: bool = False,
) -> BloatReport:
    """Estimate everything; confirm what stands out, or all of the named tables, for ``budget_s`` at most.

    The estimate reads the catalog only. Confirming reads the pages of a table that are not known to be
    visible to all, and the whole of an index.

    Raises:
        UsageError: a name is not that of a table.
    """
    window = Window(budget_s)
    with database.connect(autocommit=True) as connection:
        connection.execute(query("vacuum", "limit_lock_waits"), {"limit_ms": _LOCK_WAIT_MS})
        there = catalog.tables(connection)
        chosen = {one.oid: one.label for one in (catalog.named(there, names) if names else there)}
        found = [one for one in relations.read(connection) if one.table_oid in chosen]
        estimated = sorted(((one, _estimate(one)) for one in found), key=_weight, reverse=True)
        lacks = _lacks(connection)
        done: list[RelationBloat] = []
        with progress.task("bloat", total=sum(one.size_bytes for one in found), unit="bytes") as task:
            for one, guess in estimated:
                task.note(one.name)
                if not names and not _stands_out(one, guess, settings):
                    done.append(guess)
                elif lacks:
                    done.append(replace(guess, verdict="not confirmed", reason=lacks))
                else:
                    done.append(_confirm(connection, one, guess, window, settings))
                task.advance(one.size_bytes)
        locked = chosen.keys() - {one.table_oid for one in found}
        return BloatReport(
            database=connection.info.dbname,
            bloat_ratio=settings.bloat_ratio,
            min_bytes=settings.bloat_min_bytes,
            relations=tuple(done),
            lacks=lacks,
            lack_counts=strict or bool(names),
            locked_tables=tuple(sorted(chosen[oid] for oid in locked)),
            indexes=advise(connection, settings.bloat_min_bytes),
            duration_s=window.passed_s,
        )


def _lacks(connection: Connection) -> str:
    try:
        extensions.schema_of(connection, "pgstattuple")
    except Unavailable as error:
        return str(error)
    return ""


def _estimate(one: Relation) -> RelationBloat:
    wasted_bytes, lacks = relations.estimated_waste(one)
    return RelationBloat(one.table, one.name, one.kind, one.size_bytes, wasted_bytes, lacks)


def _weight(pair: tuple[Relation, RelationBloat]) -> tuple[int, str]:
    """What nothing is known of may be all wasted."""
    one, guess = pair
    return (one.size_bytes if guess.estimated_bytes is None else guess.estimated_bytes, one.name)


def _stands_out(one: Relation, guess: RelationBloat, settings: MaintenanceSettings) -> bool:
    if guess.estimated_bytes is None:
        return one.size_bytes >= settings.bloat_min_bytes
    dead_ratio = one.dead_rows / max(1, one.dead_rows + (one.rows or 0))
    wasted_bytes = max(guess.estimated_bytes, one.size_bytes * dead_ratio)
    return _is_bloat(wasted_bytes, one.size_bytes, settings)


def _is_bloat(wasted_bytes: float, size_bytes: int, settings: MaintenanceSettings) -> bool:
    return wasted_bytes > 0 and wasted_bytes >= max(
        settings.bloat_min_bytes, size_bytes * settings.bloat_ratio
    )


def _confirm(
    connection: Connection,
    one: Relation,
    guess: RelationBloat,
    window: Window,
    settings: MaintenanceSettings,
) -> RelationBloat:
    if window.closed:
        return replace(guess, verdict="not confirmed", reason=_OUT_OF_TIME)
    limit_ms = max(1, round((window.left_s or 0) * 1000))
    try:
        seen = relations.look(connection, one, limit_ms=limit_ms)
    except pg.QueryCanceled:
        return replace(guess, verdict="not confirmed", reason=_OUT_OF_TIME)
    except (Unavailable, pg.LockNotAvailable, pg.UndefinedObject, pg.UndefinedTable) as error:
        return replace(guess, verdict="not confirmed", reason=" ".join(str(error).split()))
    bloated = _is_bloat(seen.wasted_bytes, seen.size_bytes, settings)
    return replace(
        guess,
        size_bytes=seen.size_bytes,
        method=seen.method,
        confirmed_bytes=seen.wasted_bytes,
        dead_bytes=seen.dead_bytes,
        free_bytes=seen.free_bytes,
        verdict="bloated" if bloated else "fine",
        mend=_mend(connection, one, seen) if bloated else "",
    )


def _mend(connection: Connection, one: Relation, seen: relations.Seen) -> str:
    if one.kind == "index":
        return f"redclust reindex {one.name}"
    if (seen.dead_bytes or 0) > (seen.free_bytes or 0):
        return f"redclust vacuum {one.table}"
    return f"redclust vacuum --full {one.table} --confirm {connection.info.dbname}"
