"""Encryption to an age recipient: nothing plain at the place, and what works without the key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyrage
import pytest
from backup_place import loaded_for

from redclust.config import Loaded
from redclust.db.session import Database
from redclust.errors import ArtefactUnusable, ConfigError
from redclust.ops import backup, restore
from redclust.ops.backup import age
from redclust.ops.backup.manifest import Level
from redclust.report import Silent

age_keys: Any = pyrage


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """An identity file as age-keygen writes it."""
    identity = age_keys.x25519.Identity.generate()
    file = tmp_path / "key.txt"
    file.write_text(f"# created: today\n# public key: {identity.to_public()}\n{identity}\n")
    return file


@pytest.fixture
def configured(
    database: Database, place: Path, work_dir: Path, bin_dir: Path | None, key: Path
) -> Callable[..., Loaded]:
    """``configured(identity_file=key)``: settings that encrypt to the key's recipient."""
    recipient = key.read_text().split("public key: ")[1].split("\n")[0]

    def load(**more: Any) -> Loaded:
        return loaded_for(database, place, work_dir, bin_dir, age_recipients=[recipient], **more)

    return load


@pytest.mark.parametrize("dump_format", ["custom", "plain"])
def test_without_the_key_it_is_hashed_and_with_it_read(
    configured: Callable[..., Loaded],
    fill: Callable[[int], None],
    place: Path,
    key: Path,
    tmp_path: Path,
    dump_format: str,
) -> None:
    fill(500)
    without, with_key = configured(), configured(identity_file=key)
    made = backup.make(without, backup.Options(dump_format=dump_format), Silent())
    assert (made.level, made.encrypted) == ("hash", True)
    files = [path for path in (place / made.name).iterdir() if path.name != "manifest.json"]
    assert {path.suffix for path in files} == {".age"}
    for path in files:
        content = path.read_bytes()
        assert content.startswith(b"age-encryption.org/v1\n")
        assert b"CREATE ROLE" not in content
    listed = backup.ls(without)
    assert (listed.latest, listed.backups[0].state) == (made.name, "hashed")
    assert "latest is hashed, not read" in listed.note
    assert backup.status(without).ok
    assert backup.check(without, Silent(), name=None, every=False, level=Level.HASH).ok
    with pytest.raises(ConfigError, match="there is no key to read it"):
        backup.check(without, Silent(), name=None, every=False, level=Level.READ)
    assert backup.download(without, "latest", tmp_path / "copy", Silent()).size_bytes == made.size_bytes
    # With the key only what was read is the latest.
    with pytest.raises(ArtefactUnusable, match="none of the 1 backups of this database"):
        backup.pin(with_key, "latest")
    assert backup.check(with_key, Silent(), name=None, every=False, level=Level.READ).ok
    assert backup.ls(with_key).latest == made.name
    assert backup.make(with_key, backup.Options(dump_format=dump_format), Silent()).level == "read"
    if dump_format == "custom":
        assert restore.drill(with_key, "latest", Silent()).ok


def test_another_key_reads_nothing(configured: Callable[..., Loaded], tmp_path: Path) -> None:
    made = backup.make(configured(), backup.Options(), Silent())
    other = tmp_path / "other.txt"
    other.write_text(f"{age_keys.x25519.Identity.generate()}\n")
    found = backup.check(
        configured(identity_file=other), Silent(), name=made.name, every=False, level=Level.READ
    )
    assert not found.ok
    assert "cannot be decrypted" in found.results[0].problem


def test_tidy_counts_what_is_hashed_and_encrypted(configured: Callable[..., Loaded]) -> None:
    loaded = configured(keep=2)
    names = [backup.make(loaded, backup.Options(), Silent()).name for _ in range(3)]
    assert [line.name for line in backup.ls(loaded).backups] == names[:0:-1]


@pytest.mark.parametrize("text", ["age1nonsense", "ssh-ed25519 nonsense", ""])
def test_a_recipient_that_is_none(text: str) -> None:
    with pytest.raises(ConfigError, match="is no age recipient"):
        age.recipients([text])


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"AGE-SECRET-KEY-1NONSENSE\n", b"\xff\xfe"])
def test_an_identity_that_is_none(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match="holds no age identity") as caught:
        age.identities(file)
    assert "NONSENSE" not in str(caught.value)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        age.identities(tmp_path / "absent")


def test_an_error_of_either_end_comes_out_as_itself() -> None:
    """pyrage wraps what its callers raise, also a signal's SystemExit."""
    recipient = age_keys.x25519.Identity.generate().to_public()

    def ended(size: int) -> bytes:
        raise SystemExit(143)

    def full(block: bytes) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(SystemExit):
        age.encrypt(ended, len, [recipient])
    with pytest.raises(OSError, match="No space left"):
        age.encrypt(lambda size: b"x" * size, full, [recipient])
