"""One backup from its beginning to its name: room, dump, read back, manifest."""

from __future__ import annotations

import socket
import time
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import psycopg

from redclust import __version__, pgtools
from redclust.config import Loaded
from redclust.db.connect import Connector
from redclust.db.target import DATABASE
from redclust.errors import ArtefactUnusable, Locked, RedclustError, ToolError
from redclust.ops.backup import age, catalog, dump, facts, failures, lint, manifest, places, readback
from redclust.ops.backup.catalog import Ours
from redclust.ops.backup.dump import Encoding
from redclust.ops.backup.dumping import Dumped, Dumping
from redclust.ops.backup.facts import Facts
from redclust.ops.backup.manifest import Identity, Level, Manifest, Payload, PayloadKind, Verified
from redclust.ops.backup.readback import Reader
from redclust.ops.backup.store import Draft, Marker, Store
from redclust.pgtools import Tools
from redclust.report import Progress

#: What a compressed dump takes of its tables' bytes where no earlier one tells; text is a third to a half.
_USUAL_RATIO = 0.5
#: How much more than the earlier one tells may be needed.
_MARGIN_RATIO = 1.1
_ROLES_FILE = "roles.sql"


@dataclass(frozen=True, slots=True)
class Made:
    """A finished backup. ``orphans`` fail its restore; ``unread`` is why it could not be read back."""

    manifest: Manifest
    orphans: tuple[str, ...]
    verify_s: float
    unread: RedclustError | None = None


@dataclass(frozen=True, slots=True)
class Maker:
    """What making a backup needs."""

    loaded: Loaded
    store: Store
    connector: Connector
    progress: Progress
    #: See ``Manifest.purpose``.
    purpose: str = ""

    def make(self, *, dump_format: str, jobs: int) -> Made:
        """Make one backup; on any failure nothing of it is left.

        Raises:
            RedclustError: see ``now.run``.
        """
        try:
            return self._make(dump_format, jobs)
        except (Locked, psycopg.errors.LockNotAvailable):
            raise failures.locked(self.connector, self.loaded.settings.backup.table_lock_wait) from None

    def _make(self, dump_format: str, jobs: int) -> Made:
        settings = self.loaded.settings.backup
        recipients = tuple(age.recipients(settings.age_recipients)) if settings.age_recipients else ()
        encoding = Encoding(settings.zstd_level, recipients)
        with ExitStack() as stack:
            # The snapshot keeps the server from vacuuming: it is held for the dump alone.
            with facts.exported_snapshot(self.connector, lock_wait=settings.table_lock_wait) as exported:
                session, snapshot = exported
                started_at = datetime.now(UTC)
                found = facts.read(session, snapshot)
                tools = self._tools(found.server_version, "pg_dump")
                warnings = lint.catalogs(session)
                self._require_room(found)
                draft = stack.enter_context(_reserve(self.store, found.identity))
                roles, skipped = self._roles(draft, tools, encoding, found)
                plain = dump_format == "plain"
                pieces = dump.pieces(found.tables, plain=plain, jobs=jobs, encoding=encoding)
                dumping = Dumping(self.connector, settings, tools, encoding, found, draft)
                dumped = dumping.run(pieces, session, self.progress, jobs=jobs)
            made = self._manifest(draft.name, found, tools, dumped, roles, dump_format, started_at)
            told = [*(f"{f.text}" for f in (*warnings, *dumped.counted.orphans)), *dumped.warnings]
            made = replace(made, warnings=tuple(told), skipped=(*skipped, *dumped.counted.skipped))
            return self._finish(draft, made, tuple(f.text for f in dumped.counted.orphans))

    def _finish(self, draft: Draft, made: Manifest, orphans: tuple[str, ...]) -> Made:
        """Read back what was written; then it gets its manifest and its name."""
        unread: RedclustError | None = None
        seconds = 0.0
        try:
            level, seconds = self._read_back(draft, made)
            made = replace(made, verified=Verified(level, datetime.now(UTC), seconds))
        except ArtefactUnusable:
            raise
        except (RedclustError, OSError) as error:
            # It may be good: what could not be done now can be done later.
            unread = error if isinstance(error, RedclustError) else RedclustError(str(error))
        made = replace(made, finished_at=datetime.now(UTC))
        draft.complete(manifest.encode(made))
        return Made(made, orphans, seconds, unread)

    def _read_back(self, draft: Draft, made: Manifest) -> tuple[Level, float]:
        keys = keys_of(self.loaded)
        level = Level.HASH if made.encrypted and not keys else Level.READ
        tools = self._tools(made.server_version, "pg_restore") if level is Level.READ else None
        reader = Reader(draft.open, self.store.describe(draft.name), keys, tools)
        with self.progress.task("read back", made.size_bytes, "bytes") as task:
            return level, readback.check(made, level, reader, task)

    def _tools(self, server_version: str, program: str) -> Tools:
        own = self.loaded.settings.database.bin_dir
        bin_dir = own or (pgtools.wheel_bin_dir() if self.connector.target.embedded else None)
        return pgtools.client_tools(bin_dir, int(server_version.split(".", 1)[0]), program)

    def _require_room(self, found: Facts) -> None:
        free_bytes = self.store.free_bytes()
        if free_bytes is None:
            return
        table_bytes = sum(table.size_bytes for table in found.tables)
        own = catalog.read(self.store, Ours(frozenset({found.identity}))).own()
        before = next((e.manifest for e in own if e.manifest), None)
        before_bytes = sum(t.size_bytes for t in before.tables) if before else 0
        ratio = before.size_bytes / before_bytes if before and before_bytes else _USUAL_RATIO
        needed_bytes = round(table_bytes * ratio * _MARGIN_RATIO)
        if free_bytes < needed_bytes:
            basis = f"as {before.name} did" if before else "as a dump of text usually does"
            raise RedclustError(
                f"not enough space in {self.store.describe()}: about {needed_bytes} bytes are needed "
                f"({table_bytes} bytes of tables, compressed {basis}), {free_bytes} are free",
                hint="redclust backup tidy --keep N, or another backup.target",
            )

    def _roles(
        self, draft: Draft, tools: Tools, encoding: Encoding, found: Facts
    ) -> tuple[Payload | None, tuple[str, ...]]:
        try:
            text = pgtools.roles_script(
                tools, dbname=found.identity.database, env=self.connector.environment()
            )
        except ToolError as error:
            return None, (f"{_ROLES_FILE} could not be made: {error}",)
        file = encoding.file(_ROLES_FILE, zstd=False)
        return dump.write_bytes(draft, file, text.encode(), PayloadKind.ROLES, encoding), ()

    def _manifest(
        self,
        name: str,
        found: Facts,
        tools: Tools,
        dumped: Dumped,
        roles: Payload | None,
        dump_format: str,
        started_at: datetime,
    ) -> Manifest:
        return Manifest(
            name=name,
            identity=found.identity,
            source=places.source(self.connector.target),
            moment=found.moment,
            started_at=started_at,
            finished_at=started_at,
            redclust_version=__version__,
            server_version=found.server_version,
            pg_dump_version=tools.version,
            schema_version=found.schema_version,
            dump_format=dump_format,
            payloads=(*dumped.payloads, *([roles] if roles else [])),
            tables=dumped.counted.tables,
            database=found.database,
            extensions=found.extensions,
            roles=found.roles,
            verified=None,
            dump_s=dumped.dump_s,
            host=socket.gethostname(),
            purpose=self.purpose,
        )


def keys_of(loaded: Loaded) -> tuple[object, ...]:
    """The secret keys of ``backup.identity_file``; none where it is not set."""
    path = loaded.settings.backup.identity_file
    return tuple(age.identities(path)) if path else ()


def _reserve(store: Store, identity: Identity) -> AbstractContextManager[Draft]:
    """A name of this second; where another backup has it, of a later one."""
    while True:
        at = datetime.now(UTC)
        opened = store.begin(f"{DATABASE}_{at:%Y%m%d_%H%M%S}", Marker.of(identity))
        if opened is not None:
            return opened
        time.sleep(1 - at.microsecond / 1_000_000)
