"""``config``: what is set, and where it comes from."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from redclust import config
from redclust.config import Loaded
from redclust.db.target import external, without_pool_parameters
from redclust.errors import Refused
from redclust.report import Report

_HIDDEN = "****"


@dataclass(frozen=True, slots=True)
class Setting:
    key: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class ConfigReport(Report):
    verb: ClassVar[str] = "config.show"
    home: str
    file: str | None
    settings: tuple[Setting, ...]


@dataclass(frozen=True, slots=True)
class CheckReport(Report):
    verb: ClassVar[str] = "config.check"
    file: str | None
    changed: tuple[Setting, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InitReport(Report):
    verb: ClassVar[str] = "config.init"
    path: str


def show(loaded: Loaded) -> ConfigReport:
    """Every key with its value; a secret is shown as ``****``."""
    return ConfigReport(str(loaded.home), str(loaded.file) if loaded.file else None, tuple(_settings(loaded)))


def check(loaded: Loaded) -> CheckReport:
    """What differs from the defaults; loading it has checked every value.

    Raises:
        ConfigError: the database URL cannot be understood.
    """
    external(loaded.settings.database)
    changed = tuple(s for s in _settings(loaded) if s.origin != "default")
    return CheckReport(str(loaded.file) if loaded.file else None, changed, loaded.notes)


def init(path: Path | None) -> InitReport:
    """Write the example configuration, readable by its owner alone.

    Raises:
        Refused: the file exists.
    """
    target = path or config.default_file()
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Refused(f"{target} exists", hint="edit it, or name another path") from None
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(config.example())
    return InitReport(str(target))


def _settings(loaded: Loaded) -> list[Setting]:
    found: list[Setting] = []
    for section, model in config.sections().items():
        values = getattr(loaded.settings, section)
        for key in model.model_fields:
            name = f"{section}.{key}"
            found.append(
                Setting(name, _shown(name, getattr(values, key)), loaded.origins.get(name, "default"))
            )
    return found


def _shown(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return _masked(value.get_secret_value()) if name == "database.url" else _HIDDEN
    return str(value).lower() if isinstance(value, bool) else str(value)


def _masked(url: str) -> str:
    """A database URL without its password: in a URL, in its query, and in libpq's keywords."""
    if "://" in url:
        # Up to the last @: a password that holds one itself must not show its rest.
        masked = re.sub(r"(?s)(://[^:/?#@]*):.*@", r"\1:****@", url)
        masked = re.sub(r"(?is)(password=)[^&]*", r"\1****", masked)
    else:
        value = r"'(?:[^'\\]|\\.)*'|(?:[^\s\\]|\\.)*"
        masked = re.sub(rf"(?is)(password\s*=\s*)(?:{value})", r"\1****", url)
    try:
        told = conninfo_to_dict(without_pool_parameters(masked if "://" in url else url, "database.url"))
    except ProgrammingError:
        return _HIDDEN  # what libpq cannot read may hold its password anywhere
    secrets = [str(value) for key, value in told.items() if "password" in key]
    return _HIDDEN if any(s and s != _HIDDEN and s in masked for s in secrets) else masked
