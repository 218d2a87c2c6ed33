"""Backups at an fsspec URL (``s3://…`` and others): multipart uploads, the manifest last.

There is no rename of directories there, so an unfinished backup is told by its marker, written first and
removed last. A file appears when its upload is complete, or never. The only importer of fsspec.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

from pydantic import SecretStr

from redclust.errors import ArtefactUnusable, ConfigError, DatabaseUnreachable, RedclustError
from redclust.ops.backup import signed
from redclust.ops.backup.manifest import FILE
from redclust.ops.backup.store import MARKER, Draft, Found, Marker

#: S3 takes 10,000 parts a file: enough for 320 GB, at two such blocks of memory.
_BLOCK_BYTES = 32 << 20
#: What one request reads.
_READ_BYTES = 8 << 20
_TIMES = ("LastModified", "last_modified", "mtime", "modified", "created")


@dataclass(frozen=True, slots=True)
class RemoteStore:
    """See ``store.Store``."""

    fs: Any
    root: str
    shown: str
    remote: bool = True

    @classmethod
    def of(cls, url: str, options: Mapping[str, SecretStr]) -> RemoteStore:
        """The place that a URL names.

        Raises:
            ConfigError: no driver for it is installed, or it does not take these options.
        """
        shown = re.sub(r"//[^/@]*@", "//", url).rstrip("/")
        try:
            import fsspec

            given: dict[str, Any] = {k: v.get_secret_value() for k, v in options.items()}
            fs, root = cast(Any, fsspec).core.url_to_fs(url, **given)
            fs.use_listings_cache = False
            fs.dircache.use_listings_cache = False
        except ImportError as error:
            raise ConfigError(
                f"backup.target {shown} needs a driver: {error}", hint="pip install 'redclust[s3]' for s3://"
            ) from None
        except (ValueError, TypeError) as error:
            raise ConfigError(f"backup.target {shown} cannot be understood: {error}") from None
        return cls(fs, str(root).rstrip("/"), shown)

    def describe(self, name: str = "") -> str:
        return f"{self.shown}/{name}" if name else self.shown

    def scan(self) -> list[Found]:
        with self.in_words(""):
            try:
                entries: dict[str, dict[str, Any]] = self.fs.find(self.root, detail=True)
            except FileNotFoundError:
                return []
        directories: dict[str, dict[str, dict[str, Any]]] = {}
        found: list[Found] = []
        for path, info in entries.items():
            name, _, file = path.removeprefix(self.root).lstrip("/").partition("/")
            if name.startswith(".") or file.startswith("."):
                continue
            if not file:
                found.append(Found(name, None, _time(info)))
            else:
                directories.setdefault(name, {})[file] = info
        for name, files in directories.items():
            sizes = {file: int(info.get("size") or 0) for file, info in files.items()}
            found.append(Found(name, sizes, max(_time(info) for info in files.values())))
        return sorted(found, key=lambda one: one.name)

    def read(self, name: str, file: str) -> bytes:
        with self.in_words(f"{name}/{file}"):
            return cast(bytes, self.fs.cat_file(self.path(name, file)))

    def open(self, name: str, file: str) -> BinaryIO:
        with self.in_words(f"{name}/{file}"):
            raw = self.fs.open(self.path(name, file), "rb", block_size=_READ_BYTES, cache_type="readahead")
        return cast(BinaryIO, _Reading(raw, self, f"{name}/{file}"))

    def put(self, name: str, file: str, content: bytes) -> None:
        with self.in_words(f"{name}/{file}"):
            self.fs.pipe_file(self.path(name, file), content)

    def delete(self, name: str, file: str) -> None:
        with self.in_words(f"{name}/{file}"), suppress(FileNotFoundError):
            self.fs.rm_file(self.path(name, file))

    def modified_at(self, name: str, file: str) -> datetime:
        with self.in_words(f"{name}/{file}"):
            return _time(self.fs.info(self.path(name, file)))

    def begin(self, name: str, marker: Marker) -> AbstractContextManager[Draft] | None:
        claim = f".claim-{secrets.token_hex(8)}"
        if self.files(name):
            return None
        self.put(name, claim, b"")
        # Who comes second sees the first one's claim; who come together see each other's, and both go.
        taken = set(self.files(name)) != {claim}
        if not taken:
            self.put(name, MARKER, signed.encode(marker))
        self.delete(name, claim)
        return None if taken else self._drafting(RemoteDraft(name, self))

    @contextmanager
    def _drafting(self, draft: RemoteDraft) -> Generator[Draft]:
        try:
            yield draft
        finally:
            draft.discard()

    def remove(self, name: str, marker: Marker) -> None:
        self.put(name, MARKER, signed.encode(marker))
        self.abort_uploads(name)
        files = self.files(name)
        for file in sorted(files, key=lambda f: (f == MARKER, f != FILE)):
            self.delete(name, file)

    def abort_uploads(self, name: str) -> None:
        """End uploads that a dead run left in the middle: S3 keeps their parts unseen, and asks for money."""
        if not hasattr(self.fs, "abort_mpu"):
            return
        with self.in_words(name):
            bucket, key, _ = self.fs.split_path(f"{self.root}/{name}/")
            told = self.fs.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=key)
            for upload in told.get("Uploads", ()):
                self.fs.abort_mpu(bucket, upload["Key"], upload["UploadId"])

    def reading(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()

    def free_bytes(self) -> int | None:
        return None

    def path(self, name: str, file: str) -> str:
        return "/".join(part for part in (self.root, name, file) if part)

    def files(self, name: str) -> list[str]:
        with self.in_words(name):
            prefix = f"{self.root}/{name}/"
            try:
                return [str(path).removeprefix(prefix) for path in self.fs.find(prefix)]
            except FileNotFoundError:
                return []

    @contextmanager
    def in_words(self, what: str) -> Generator[None]:
        where = self.describe(what)
        try:
            yield
        except (RedclustError, KeyboardInterrupt):
            raise
        except FileNotFoundError:
            raise ArtefactUnusable(f"{where} is missing") from None
        except PermissionError as error:
            raise DatabaseUnreachable(
                f"Permission denied: {where}: {error}", hint="which keys does the driver find?"
            ) from None
        except Exception as error:
            # Every driver has errors of its own.
            told = " ".join(str(error).split()) or type(error).__name__
            raise RedclustError(f"{where} failed: {told}", hint="try again") from error


@dataclass(slots=True)
class RemoteDraft:
    """See ``store.Draft``."""

    name: str
    store: RemoteStore
    completed: bool = False

    @contextmanager
    def create(self, file: str) -> Generator[BinaryIO]:
        store = self.store
        path = store.path(self.name, file)
        with store.in_words(f"{self.name}/{file}"):
            upload = store.fs.open(path, "wb", block_size=_BLOCK_BYTES, autocommit=False)
        try:
            yield cast(BinaryIO, _Writing(upload, store, f"{self.name}/{file}"))
            with store.in_words(f"{self.name}/{file}"):
                upload.close()
                upload.commit()
        except BaseException:
            with suppress(Exception):
                upload.closed = True
                upload.discard()
            raise

    def open(self, file: str) -> BinaryIO:
        return self.store.open(self.name, file)

    def complete(self, manifest: bytes) -> None:
        self.store.put(self.name, FILE, manifest)
        self.store.delete(self.name, MARKER)
        self.completed = True

    def discard(self) -> None:
        if not self.completed:
            with suppress(Exception):
                self.store.abort_uploads(self.name)
                for file in sorted(self.store.files(self.name), key=lambda f: (f == MARKER, f != FILE)):
                    self.store.delete(self.name, file)


class _Writing:
    def __init__(self, raw: Any, store: RemoteStore, what: str) -> None:
        self._raw, self._store, self._what = raw, store, what

    def write(self, block: bytes) -> int:
        with self._store.in_words(self._what):
            return int(self._raw.write(block))


class _Reading:
    def __init__(self, raw: Any, store: RemoteStore, what: str) -> None:
        self._raw, self._store, self._what = raw, store, what

    def read(self, size: int = -1) -> bytes:
        with self._store.in_words(self._what):
            return bytes(self._raw.read(size))

    def close(self) -> None:
        self._raw.close()

    def __enter__(self) -> _Reading:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _time(info: Mapping[str, Any]) -> datetime:
    for key in _TIMES:
        value = info.get(key)
        if isinstance(value, datetime):
            return value if value.tzinfo else value.replace(tzinfo=UTC)
        if isinstance(value, (int, float)):
            return datetime.fromtimestamp(value, UTC)
    return datetime.now(UTC)
