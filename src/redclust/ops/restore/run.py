"""``restore``: look, make the copy, and where it is to be the live one, exchange the names."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import psycopg

from redclust.config import Loaded
from redclust.db import databases, embedded, history, locks
from redclust.db.attributes import DatabaseFacts
from redclust.db.connect import Connector
from redclust.db.databases import Purpose, Session
from redclust.db.embedded import Embedded
from redclust.db.locks import LockName
from redclust.db.session import Database
from redclust.db.target import external
from redclust.errors import ArtefactUnusable, RedclustError, ToolError
from redclust.ops import precalc
from redclust.ops.backup import evidence, places
from redclust.ops.backup.evidence import Check
from redclust.ops.backup.make import Maker
from redclust.ops.backup.manifest import Level
from redclust.ops.restore import disaster, finish, quiet
from redclust.ops.restore import live as looks
from redclust.ops.restore.build import Built, build
from redclust.ops.restore.exchange import Exchange, exchange
from redclust.ops.restore.fill import Filling
from redclust.ops.restore.preflight import Findings, Look, tools, without_server
from redclust.ops.restore.reports import RestorePlan, RestoreReport
from redclust.ops.restore.request import Request
from redclust.ops.restore.source import Backup, Source, find
from redclust.report import Progress

_VERB = "restore"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A restore whose preflight was made: its plan, and ``run`` to carry it out."""

    plan: RestorePlan
    run: Callable[[], RestoreReport]


@contextmanager
def prepare(loaded: Loaded, request: Request, progress: Progress) -> Generator[Prepared]:
    """Find the backup and look at the server; nothing is changed before ``run``.

    Raises:
        ArtefactUnusable: no backup that can be used.
        Refused: a dump without a manifest, and no ``trust``.
        DatabaseUnreachable: an external server does not answer.
    """
    source = find(loaded, request.wanted, trust=request.trust)
    target = external(loaded.settings.database)
    with ExitStack() as stack:
        if target is None:
            own = embedded.locate(loaded.home, loaded.settings.database)
            started = disaster.start(own, stack, whatever=request.swap)
            if isinstance(started, str):
                yield _worst_day(loaded, request, source, own, started, progress)
                return
            target = started
        live = Connector(target, loaded.settings.database, _VERB)
        run = _Run(loaded, request, source, live, progress)
        found = run.look()
        yield Prepared(found.plan, lambda: run.carry_out(found))


def _worst_day(
    loaded: Loaded, request: Request, source: Source, own: Embedded, reason: str, progress: Progress
) -> Prepared:
    if request.into:
        raise ToolError(reason, hint="without --into the unusable data is moved aside and a new server made")
    kept = disaster.aside(own)
    plan, errors = without_server(source, own, kept, reason)

    def run() -> RestoreReport:
        if errors:
            raise errors[0]
        disaster.move_aside(own, kept)
        progress.say(f"moved {own.layout.data} to {kept}")
        with own.in_use() as target:
            live = Connector(target, loaded.settings.database, _VERB)
            run = _Run(loaded, request, source, live, progress)
            return replace(run.carry_out(run.look()), kept=str(kept))

    return Prepared(plan, run)


@dataclass(frozen=True, slots=True)
class _Run:
    """One restore on a server that runs."""

    loaded: Loaded
    request: Request
    source: Source
    live: Connector
    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict[str, float])

    def look(self) -> Findings:
        return Look(
            self.loaded, databases.maintenance(self.live), self.live, self.source, self.request
        ).look()

    def carry_out(self, found: Findings) -> RestoreReport:
        """Any failure before the exchange of names leaves the live database as it is and drops the copy.

        Raises:
            RedclustError: the first thing that the preflight found in the way, or whatever fails.
        """
        if found.errors:
            raise found.errors[0]
        plan, began_at = found.plan, datetime.now(UTC)
        server = databases.maintenance(self.live)
        swap = plan.mode == "swap"
        safety: str | None = None
        with ExitStack() as stack:
            wait_s, say = self.request.lock_wait_s, self.progress.say
            stack.enter_context(locks.hold_name(server, plan.target, wait_s=wait_s, on_wait=say))
            for name in databases.sweep(server, plan.live):
                self.progress.say(f"dropped {name}, which a killed run had left")
            held = None
            if swap and found.can_open:
                lock = locks.hold(self.live, LockName.OPERATIONS, wait_s=wait_s, on_wait=say)
                held = stack.enter_context(lock)
                stack.enter_context(quiet.paused(self.live, self._reason(), self.progress))
                if found.needs_safety_backup:
                    safety = self._safety_backup()
            name = stack.enter_context(databases.copy(server, plan.live, Purpose.RESTORE))
            copy = Connector(server.target.on(name), server.settings, server.verb)
            built = self._build(server, name, found)
            if swap:
                finish.require_ours(copy, self.source.where)
            with self._timed("finishing_s", "migrating and analyzing"):
                refreshed = finish.refresh(copy, self.live if found.can_open else None)
                self._record(copy, began_at, swap=swap)
                facts = self._facts(found)
                left = finish.equip(server, copy, facts, owner=self.request.owners)
            at = datetime.now(UTC)
            with server.connect(autocommit=True) as connection:
                names = Exchange(plan.target, name, databases.kept_name(connection, plan.live, at))
            with self._timed("exchange_s", "exchanging the names"):
                if held is not None:
                    locks.assure(held, LockName.OPERATIONS)
                ended = exchange(server, names, may_end=self._may_end, own=held)
        kept = names.kept if swap and found.facts is not None else None
        if kept is not None and found.empty:
            kept = self._drop_if_empty(server, kept)
        took_s = sum(self.seconds[step] for step in ("restore_s", "counting_s", "finishing_s"))
        self._keep_evidence(Check(Level.RESTORE, True, at, round(took_s, 3), figures={"by": _VERB}))
        if self.request.precalc:
            with self._timed("precalc_s", "computing the map"):
                precalc.run(Database(self.live), self.loaded.settings.precalc, self.progress)
        return RestoreReport(
            source=self.source.where,
            backup_at=plan.backup_at,
            database=plan.target,
            swapped=swap,
            kept=kept,
            tables=built.tables,
            rows=built.rows,
            compared=built.compared,
            migrated=refreshed.migrated,
            erased=refreshed.erased,
            safety_backup=safety,
            ended_sessions=tuple(map(str, ended)),
            seconds=self._rounded(),
            left_undone=(*left, *refreshed.left_undone),
            notes=built.notes,
        )

    @contextmanager
    def _timed(self, step: str, told: str) -> Generator[None]:
        started_s = time.monotonic()
        with self.progress.task(told):
            yield
        self.seconds[step] = time.monotonic() - started_s

    def _rounded(self) -> dict[str, float]:
        return {step: round(taken_s, 3) for step, taken_s in self.seconds.items()}

    def _reason(self) -> str:
        return f"a restore of {self.source.where} is under way"

    def _safety_backup(self) -> str:
        with self._timed("safety_backup_s", "backing up what is live"):
            store = places.store(self.loaded)
            jobs = self.loaded.settings.backup.jobs
            maker = Maker(self.loaded, store, self.live, self.progress, "before a restore")
            made = maker.make(dump_format="custom", jobs=jobs)
        if made.unread is not None:
            raise made.unread
        return store.describe(made.manifest.name)

    def _build(self, server: Connector, name: str, found: Findings) -> Built:
        with server.connect(autocommit=True) as connection:
            major = connection.info.server_version // 10_000
        how = Filling(
            tools=tools(self.loaded, self.live.target, major),
            jobs=found.plan.jobs,
            owners=self.request.owners,
            room=self.loaded.home / "restoring",
        )
        try:
            built = build(
                server,
                name,
                self.source,
                how,
                facts=self._facts(found),
                roles=self.request.owners,
                progress=self.progress,
            )
        except ArtefactUnusable as error:
            self._keep_evidence(Check(Level.RESTORE, False, datetime.now(UTC), 0.0, str(error)))
            raise
        self.seconds.update(built.seconds)
        return built

    def _facts(self, found: Findings) -> DatabaseFacts | None:
        """The backup's own; a dump without a manifest gets those of the live database."""
        return self.source.manifest.database if isinstance(self.source, Backup) else found.facts

    def _record(self, copy: Connector, began_at: datetime, *, swap: bool) -> None:
        """In the copy itself: it becomes live together with the rest, or is gone with it."""
        with copy.connect(autocommit=True) as connection:
            if looks.has(connection, "run_history"):
                figures = {"source": self.source.where, "swap": swap, "seconds": self._rounded()}
                history.record(connection, _VERB, started_at=began_at, verdict="ok", figures=figures)

    def _may_end(self, one: Session) -> bool:
        # Our own sessions were closed; the server may not have noticed yet.
        return self.request.terminate or quiet.is_loop(one) or quiet.is_waited_for(one)

    def _drop_if_empty(self, server: Connector, kept: str) -> str | None:
        """A database that held nothing is not worth keeping, unless something came in at the last moment."""
        emptied = Connector(server.target.on(kept), server.settings, server.verb)
        with emptied.connect(autocommit=True) as connection:
            empty = looks.is_empty(connection)
        if not empty:
            return kept
        with server.connect(bulk=True, autocommit=True) as connection:
            databases.drop(connection, kept)
        return None

    def _keep_evidence(self, check: Check) -> None:
        """Beside the backup, where that can be written: a restore proves it good or bad."""
        if isinstance(self.source, Backup):
            with suppress(RedclustError, OSError, psycopg.Error):
                evidence.record(self.source.store, self.source.entry.name, check)
