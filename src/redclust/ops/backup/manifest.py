"""What a backup is: its files with their hashes, and what the database held in the dump's own snapshot.

``manifest.json`` is written last, so a directory that has one is whole; it carries a digest of itself. Later
checks and pins stand in files beside it (``evidence.py``): a manifest never changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from redclust.db.attributes import DatabaseFacts, Role
from redclust.errors import ArtefactUnusable
from redclust.ops.backup import signed

FILE = "manifest.json"
FORMAT = 1


class Level(StrEnum):
    """How far a backup was checked, the weakest first."""

    #: Every byte is the one that was written.
    HASH = "hash"
    #: Also decrypted, decompressed and read by pg_restore to its end, each table with its count of rows.
    READ = "read"
    #: Also restored into a throw-away database and compared.
    RESTORE = "restore"

    @property
    def rank(self) -> int:
        return list(Level).index(self)


class PayloadKind(StrEnum):
    """What one file of a backup is."""

    #: pg_dump's custom format: the schema, and the data of every table that has no ``DATA`` file.
    ARCHIVE = "archive"
    #: pg_dump's custom format: the data of some tables alone (a parallel dump).
    DATA = "data"
    #: SQL text for psql (``--dump-format plain``).
    SCRIPT = "script"
    #: SQL text that makes the server's roles, without their passwords.
    ROLES = "roles"


@dataclass(frozen=True, slots=True)
class Payload:
    """One file of a backup; ``size_bytes`` and ``sha256`` are of the file as it lies there."""

    file: str
    kind: PayloadKind
    size_bytes: int
    sha256: str
    #: Before compression and encryption.
    plain_bytes: int
    zstd: bool
    age: bool


@dataclass(frozen=True, slots=True)
class Identity:
    """Which database: Postgres' system identifier of the server, and the database's name on it."""

    #: Decimal, as text: it has more digits than JSON's numbers keep.
    system_identifier: str
    database: str

    def __str__(self) -> str:
        return f"{self.database} of server {self.system_identifier}"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows are counted exactly, in the dump's snapshot; ``size_bytes`` is without indexes."""

    schema: str
    name: str
    rows: int
    size_bytes: int
    persistence: str = "p"

    @property
    def label(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Extension:
    name: str
    version: str
    schema: str


@dataclass(frozen=True, slots=True)
class Moment:
    """The instant that the backup shows, as the server told it in the dump's snapshot."""

    at: datetime
    #: No transaction with this number or a later one is in the dump.
    next_xid: int
    wal_lsn: str | None


@dataclass(frozen=True, slots=True)
class Verified:
    """How the finished files were checked before the manifest was written."""

    level: Level
    at: datetime
    duration_s: float


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything known of one backup; see the modules' docstring."""

    name: str
    identity: Identity
    #: Where the database was found, in words: tells whose a backup is while the server is down.
    source: str
    moment: Moment
    started_at: datetime
    finished_at: datetime
    redclust_version: str
    server_version: str
    pg_dump_version: str
    #: The newest migration applied; None where the database was never migrated.
    schema_version: int | None
    dump_format: str
    payloads: tuple[Payload, ...]
    tables: tuple[Table, ...]
    database: DatabaseFacts
    extensions: tuple[Extension, ...]
    roles: tuple[Role, ...]
    #: None where it could not be read back: written, and not yet known to be good.
    verified: Verified | None
    #: What would not restore cleanly, found before the dump.
    warnings: tuple[str, ...] = ()
    #: Checks that were not made, and why.
    skipped: tuple[str, ...] = ()
    dump_s: float = 0.0
    host: str = ""
    figures: dict[str, float] = field(default_factory=dict[str, float])
    #: Why it was made, where that was not to have a backup: ``latest`` is not what a restore has replaced.
    purpose: str = ""
    format: int = FORMAT

    @property
    def size_bytes(self) -> int:
        """All files together, as they lie there."""
        return sum(payload.size_bytes for payload in self.payloads)

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)

    @property
    def plain_bytes(self) -> int:
        """What an unpacked copy of the archives takes."""
        return sum(p.plain_bytes for p in self.payloads if p.kind is not PayloadKind.ROLES)

    @property
    def encrypted(self) -> bool:
        return any(payload.age for payload in self.payloads)

    @property
    def server_major(self) -> int:
        return int(self.server_version.split(".")[0])

    def of(self, *kinds: PayloadKind) -> tuple[Payload, ...]:
        """The payloads of some kinds, in the order of a restore."""
        return tuple(payload for payload in self.payloads if payload.kind in kinds)


def encode(manifest: Manifest) -> bytes:
    """The bytes of ``manifest.json``."""
    return signed.encode(manifest)


def decode(raw: bytes, what: str) -> Manifest:
    """Read a ``manifest.json``; ``what`` names it in errors.

    Raises:
        ArtefactUnusable: any byte of it is not the one that was written, or its format is a newer one.
    """
    manifest = signed.decode(raw, Manifest, what)
    if manifest.format > FORMAT:
        raise ArtefactUnusable(
            f"{what} has format {manifest.format}, this redclust knows {FORMAT}", hint="upgrade redclust"
        )
    return manifest
