"""Encryption to an ``age`` recipient, streamed; the only importer of pyrage."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from redclust.errors import ArtefactUnusable, ConfigError

_INSTALL = "pip install 'redclust[age]'"


def _pyrage() -> Any:
    try:
        import pyrage
    except ImportError:
        raise ConfigError("encryption needs pyrage, which is not installed", hint=_INSTALL) from None
    return cast(Any, pyrage)


def recipients(texts: Sequence[str]) -> list[object]:
    """The recipients (``age1…`` or an SSH public key) of ``backup.age_recipients``.

    Raises:
        ConfigError: one of them is neither, or pyrage is not installed.
    """
    pyrage = _pyrage()
    found: list[object] = []
    for text in texts:
        kind = pyrage.ssh.Recipient if text.startswith("ssh-") else pyrage.x25519.Recipient
        try:
            found.append(kind.from_str(text))
        except pyrage.RecipientError as error:
            raise ConfigError(
                f"backup.age_recipients: {text[:16]}… is no age recipient: {error}",
                hint="age-keygen -y FILE prints the one of an identity file",
            ) from None
    return found


def identities(path: Path) -> list[object]:
    """The secret keys in ``backup.identity_file``: lines ``AGE-SECRET-KEY-…``, or one SSH private key.

    Raises:
        ConfigError: the file cannot be read or holds no key (nothing of it is repeated).
    """
    pyrage = _pyrage()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"backup.identity_file {path} cannot be read: {error.strerror}") from None
    try:
        if b"OPENSSH PRIVATE KEY" in content or b"RSA PRIVATE KEY" in content:
            return [pyrage.ssh.Identity.from_buffer(content)]
        lines = (line.strip() for line in content.decode().splitlines())
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line and line[0] != "#"]
    except (pyrage.IdentityError, UnicodeDecodeError):
        found = []
    if not found:
        raise ConfigError(f"backup.identity_file {path} holds no age identity")
    return found


def encrypt(source: Callable[[int], bytes], write: Callable[[bytes], object], to: Sequence[object]) -> None:
    """Encrypt what ``source(size)`` gives until it is empty; an error of either side comes out as itself."""
    reader, writer = _Reader(source), _Writer(write)
    pyrage = _pyrage()
    _run(lambda: pyrage.encrypt_io(reader, writer, list(to)), reader, writer)


def decrypt(source: Callable[[int], bytes], write: Callable[[bytes], object], keys: Sequence[object]) -> None:
    """Decrypt; what was written before an error must not be trusted to be whole.

    Raises:
        ArtefactUnusable: not encrypted to any of ``keys``, or damaged.
    """
    reader, writer = _Reader(source), _Writer(write)
    pyrage = _pyrage()
    try:
        _run(lambda: pyrage.decrypt_io(reader, writer, list(keys)), reader, writer)
    except (pyrage.DecryptError, OSError) as error:
        if error in (reader.error, writer.error):
            raise
        raise ArtefactUnusable(
            f"cannot be decrypted: {error}", hint="is backup.identity_file the one it was encrypted for?"
        ) from None


def _run(work: Callable[[], None], reader: _Reader, writer: _Writer) -> None:
    try:
        work()
    except BaseException:
        # pyrage wraps what our side raised, also a SystemExit, into an error of its own.
        if (own := reader.error or writer.error) is not None:
            raise own from None
        raise


class _Reader(io.RawIOBase):
    def __init__(self, source: Callable[[int], bytes]) -> None:
        self.source = source
        self.error: BaseException | None = None
        self._left = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        wanted = size if size > 0 else 65_536
        try:
            found = self._left or self.source(wanted)
        except BaseException as error:
            self.error = error
            raise
        self._left = found[wanted:]
        return found[:wanted]


class _Writer(io.RawIOBase):
    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.to = write
        self.error: BaseException | None = None

    def writable(self) -> bool:
        return True

    def write(self, block: Any, /) -> int:
        try:
            self.to(block)
        except BaseException as error:
            self.error = error
            raise
        return len(block)
